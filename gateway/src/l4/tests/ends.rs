//! How connections end: each end is passed on as what it is.

use std::io::ErrorKind;
use std::time::Duration;

use micronet_wire::limits::DRAIN_MS_MAX;

use super::*;

#[test]
fn each_side_may_finish_first_and_still_hear_the_other() {
    run(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        for client_first in [true, false] {
            let (client, backend) = rig.pair(&server).await;
            let (mut first, mut last) = if client_first { (client, backend) } else { (backend, client) };
            first.write_all(b"that is all").await.unwrap();
            first.shutdown().await.unwrap();
            assert_eq!(rest(&mut last).await.unwrap(), "that is all");
            last.write_all(b"noted").await.unwrap();
            drop(last);
            assert_eq!(rest(&mut first).await.unwrap(), "noted");
        }
        until("two closed connections", || rig.backend(0).traffic.open == 0).await;
        let traffic = rig.backend(0).traffic;
        assert_eq!((traffic.total, traffic.reset, traffic.idle, traffic.failed), (2, 0, 0, 0));
        let (all, noted) = ("that is all".len() as u64, "noted".len() as u64);
        assert_eq!((traffic.sent_bytes, traffic.received_bytes), (2 + all + noted, all + noted));
    });
}

#[test]
fn a_reset_is_passed_on_behind_what_was_said_before() {
    run(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        for by_client in [true, false] {
            let (client, backend) = rig.pair(&server).await;
            let (mut breaker, mut other) = if by_client { (client, backend) } else { (backend, client) };
            breaker.write_all(b"alas").await.unwrap();
            let mut alas = [0; 4];
            other.read_exact(&mut alas).await.unwrap();
            breaker.set_zero_linger().unwrap();
            drop(breaker);
            assert_eq!(other.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        until("two broken connections", || rig.backend(0).traffic.reset == 2).await;
    });
}

#[test]
fn a_reset_is_passed_on_while_the_other_side_does_not_read() {
    run(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        let (client, mut backend) = rig.pair(&server).await;
        fill(&client).await;
        client.set_zero_linger().unwrap();
        drop(client);
        until("a broken connection", || rig.backend(0).traffic.reset == 1).await;
        let mut read = Vec::new();
        assert_eq!(backend.read_to_end(&mut read).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn who_has_finished_and_is_gone_is_noticed() {
    run(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        let (mut client, mut backend) = rig.pair(&server).await;
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut backend).await.unwrap(), "");
        client.set_zero_linger().unwrap();
        drop(client);
        until("a broken connection", || rig.backend(0).traffic.reset == 1).await;
    });
}

#[test]
fn the_last_words_of_a_backend_that_does_not_listen_are_delivered() {
    run(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        let (mut client, mut backend) = rig.pair(&server).await;
        // The backend says no, and goes without reading what comes: its kernel answers the rest by resets.
        let words = "no: ".repeat(10_000);
        backend.write_all(words.as_bytes()).await.unwrap();
        drop(backend);
        let (mut reading, mut writing) = client.split();
        let write = async { while writing.write_all(&[0; 4096]).await.is_ok() {} };
        let read = async {
            let mut read = vec![0; words.len()];
            reading.read_exact(&mut read).await.map(|_| read)
        };
        let (read, ()) = tokio::join!(read, write);
        assert_eq!(read.unwrap(), words.as_bytes());
    });
}

#[test]
fn silence_ends_a_connection_and_talk_keeps_it() {
    run_paused(async {
        let (server, address) = server();
        let idle = Duration::from_secs(600);
        let rig = Rig::with(&[address], |config| config.idle = idle);
        let (mut client, mut backend) = rig.pair(&server).await;
        for from_client in [true, false, true, false] {
            tokio::time::sleep(idle * 3 / 4).await;
            let (from, to) =
                if from_client { (&mut client, &mut backend) } else { (&mut backend, &mut client) };
            from.write_all(b"!").await.unwrap();
            assert_eq!(to.read_u8().await.unwrap(), b'!');
        }
        let quiet_since = tokio::time::Instant::now();
        let (a, b) = tokio::join!(client.read_u8(), backend.read_u8());
        for end in [a, b] {
            assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert!(quiet_since.elapsed() >= idle);
        until("an idle connection", || rig.backend(0).traffic.idle == 1).await;
        assert_eq!(rig.backend(0).traffic.reset, 0);
    });
}

#[test]
fn draining_lets_connections_finish_and_cuts_what_is_left_at_the_end() {
    run_paused(async {
        let (server, address) = server();
        let rig = Rig::before(&[address]);
        let (mut client, mut backend) = rig.pair(&server).await;
        let (mut stays, _stays_too) = rig.pair(&server).await;
        let begun = tokio::time::Instant::now();
        rig.trigger.drain();
        until("a closed door", || std::net::TcpStream::connect(rig.port.address()).is_err()).await;
        backend.write_all(b"goodbye").await.unwrap();
        drop(backend);
        assert_eq!(rest(&mut client).await.unwrap(), "goodbye");
        drop(client);
        assert_eq!(stays.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(begun.elapsed() >= Duration::from_millis(DRAIN_MS_MAX));
        rig.serving.await.unwrap();
        let traffic = rig.port.report().backends[0].traffic;
        assert_eq!((traffic.open, traffic.reset), (0, 1));
    });
}

/// Writes until nothing more is taken.
async fn fill(stream: &TcpStream) {
    while tokio::time::timeout(Duration::from_millis(300), stream.writable()).await.is_ok() {
        let _ = stream.try_write(&[0; 65_536]);
    }
}
