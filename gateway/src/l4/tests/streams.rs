//! What is said arrives as it was said, however much it is and however slowly it is read.

use std::time::Duration;

use super::*;
use crate::l4::limits::PIPES_SPARE_MAX;

/// A stream that is the same each time: a number's own.
fn said(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(bytes).collect()
}

/// Says all of it, in pieces of changing size.
async fn say(stream: &mut (impl AsyncWriteExt + Unpin), all: &[u8]) {
    let sizes = [1, 100, 3_000, 16_384, 16_385, 70_000, 300_000];
    let (mut rest, mut turn) = (all, 0);
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rest.len().min(sizes[turn % sizes.len()]));
        stream.write_all(piece).await.unwrap();
        (rest, turn) = (later, turn + 1);
        if turn % 5 == 0 {
            tokio::task::yield_now().await;
        }
    }
    stream.shutdown().await.unwrap();
}

async fn hear(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    heard
}

/// Sixteen connections that say much both ways at once.
async fn both_ways(rig: &Rig, server: &TcpListener) {
    let mut talks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (mut client, mut backend) = rig.pair(server).await;
        talks.spawn_local(async move {
            let (there, back) = (said(number, 1 << 20), said(number + 100, 3 << 20));
            let ((mut from_client, mut to_client), (mut from_backend, mut to_backend)) =
                (client.split(), backend.split());
            let (_, _, heard_there, heard_back) = tokio::join!(
                say(&mut to_client, &there),
                say(&mut to_backend, &back),
                hear(&mut from_backend),
                hear(&mut from_client)
            );
            assert!(heard_there == there && heard_back == back, "connection {number} was garbled");
        });
    }
    while let Some(talk) = talks.join_next().await {
        talk.unwrap();
    }
}

#[test]
fn much_that_is_said_both_ways_at_once_arrives() {
    run(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        both_ways(&rig, &server).await;
        until("the ends", || rig.backend(0).traffic.open == 0).await;
        let traffic = rig.backend(0).traffic;
        assert_eq!((traffic.sent_bytes, traffic.received_bytes), (16 + (16 << 20), 3 * (16 << 20)));
        // All pipes are empty and back, and what went through them wasn't copied.
        let spare = rig.port.pipes.spare();
        assert!((1..=PIPES_SPARE_MAX).contains(&spare), "{spare} pipes");
    });
}

#[test]
fn where_the_kernel_refuses_to_splice_it_is_copied() {
    run(async {
        let (server, address) = server();
        let rig = Rig::with(&[address], |config| config.splice = false);
        both_ways(&rig, &server).await;
        assert_eq!(rig.port.pipes.spare(), 0);
    });
}

#[test]
fn a_slow_reader_slows_the_writer_down() {
    run(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        let (mut client, mut backend) = rig.pair(&server).await;
        let all = said(7, 64 << 20);
        // Nobody reads: what is taken is what the kernel's buffers hold.
        let mut taken = 0;
        while taken < all.len()
            && tokio::time::timeout(Duration::from_millis(300), client.writable()).await.is_ok()
        {
            taken += client.try_write(&all[taken..]).unwrap_or(0);
        }
        assert!(taken < all.len(), "{taken} bytes were taken that nobody has read");
        assert!(rig.backend(0).traffic.sent_bytes < taken as u64);
        let write = async {
            client.write_all(&all[taken..]).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let (heard, ()) = tokio::join!(hear(&mut backend), write);
        assert!(heard == all, "it was garbled");
    });
}
