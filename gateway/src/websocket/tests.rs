//! A connection in memory, with little room on the way.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use micronet_wire::limits::WEBSOCKET_WRITE_BYTES;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::rates::Limit;

/// Bytes that are on the way at most.
const PIPE_BYTES: usize = 4 << 10;

fn socket(input: &[u8]) -> (Socket, DuplexStream) {
    let (client, server) = tokio::io::duplex(PIPE_BYTES);
    let settings = settings::WebSocketSettings::default();
    (Socket::new(Box::new(server), BytesMut::from(input), settings), client)
}

/// A frame of a client, masked by zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 127];
    frame.extend((payload.len() as u64).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[tokio::test(start_paused = true)]
async fn messages_are_heard_however_they_are_cut() {
    let frames = [masked(0x01, b"he"), masked(0x89, b"?"), masked(0x80, b"llo"), masked(0x82, &[7])].concat();
    for cut in 0..frames.len() {
        let (mut socket, mut client) = socket(&frames[..cut]);
        client.write_all(&frames[cut..]).await.expect("room");
        assert_eq!(socket.turn(true).await, Turn::Text("hello".into()), "{cut}");
        assert_eq!(socket.turn(true).await, Turn::Binary(Bytes::from_static(&[7])), "{cut}");
        assert!(socket.turn(true).now_or_never().is_none(), "{cut}: nothing else was said");
        let mut pong = [0; 3];
        client.read_exact(&mut pong).await.expect("a pong");
        assert_eq!(&pong, &[0x8a, 1, b'?'], "{cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_message_goes_in_frames_and_leaves_no_large_buffer() {
    let (mut socket, mut client) = socket(b"");
    let long = "x".repeat(WEBSOCKET_WRITE_BYTES * 2 + 10);
    socket.say(long.clone());
    assert!(!socket.has_room());
    let mut heard = vec![0; long.len() + 10 + 10 + 2];
    let mut turns = Vec::new();
    tokio::select! {
        read = client.read_exact(&mut heard) => assert!(read.is_ok(), "all of it"),
        () = async { loop { turns.push(socket.turn(true).await) } } => {}
    }
    assert_eq!(turns, [Turn::Room]);
    let second = 10 + WEBSOCKET_WRITE_BYTES;
    assert_eq!(
        (heard[0], heard[second], heard[2 * second]),
        (0x01, 0x00, 0x80),
        "text, and two continuations"
    );
    assert_eq!(heard[2 * second + 1], 10, "the last of them");
    assert!(socket.has_room());
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_read_of_who_does_not_read() {
    let (mut socket, mut client) = socket(b"");
    socket.send(Bytes::from(vec![0; WEBSOCKET_WRITE_BYTES + PIPE_BYTES]));
    client.write_all(&masked(0x81, b"hi")).await.expect("room on the way");
    assert!(socket.turn(true).now_or_never().is_none());
    // Time goes on, and it takes nothing.
    assert_eq!(socket.turn(true).await, Turn::Over(Ended::Broken("the client takes nothing".into())));
}

#[tokio::test(start_paused = true)]
async fn who_sends_much_is_read_slowly() {
    let frames = [masked(0x81, b"hi"), masked(0x89, b"")].concat().repeat(10);
    let (client, server) = tokio::io::duplex(PIPE_BYTES);
    let messages = Limit::new(2, Duration::from_secs(1), 4);
    let settings = settings::WebSocketSettings { messages, ..Default::default() };
    let mut socket = Socket::new(Box::new(server), BytesMut::from(&frames[..]), settings);
    let begin = tokio::time::Instant::now();
    let mut after = Vec::new();
    for _ in 0..10 {
        assert_eq!(socket.turn(true).await, Turn::Text("hi".into()));
        after.push(begin.elapsed().as_secs());
    }
    // Four at once, and then two a second; every other one is a ping.
    assert_eq!(after, [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_listened_to_is_not_judged_by_silence() {
    let (mut socket, mut client) = socket(b"");
    client.write_all(&masked(0x81, b"hi")).await.expect("room");
    let waited = tokio::time::timeout(Duration::from_secs(300), socket.turn(false)).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(socket.turn(true).await, Turn::Text("hi".into()));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_said_once_and_its_answer_waited_for() {
    let (mut socket, mut client) = socket(&masked(0x88, &1000_u16.to_be_bytes()));
    let ended = socket.turn(true).await;
    assert_eq!(ended, Turn::Over(Ended::ByClient(1000)));
    let Turn::Over(ended) = ended else { return };
    let mut heard = Vec::new();
    let (_, read) = tokio::join!(socket.end(&ended), client.read_to_end(&mut heard));
    read.expect("it ends");
    assert_eq!(heard, [0x88, 2, 0x03, 0xe8]);

    let (socket, mut client) = self::socket(b"");
    let answered = async {
        let mut goodbye = [0; 2 + 27];
        client.read_exact(&mut goodbye).await.expect("a goodbye");
        assert_eq!(goodbye[..4], [0x88, 27, 0x03, 0xe9]);
        // What was on its way is passed over.
        client.write_all(&masked(0x81, b"too late")).await.expect("room");
        client.write_all(&masked(0x88, &1001_u16.to_be_bytes())).await.expect("room");
        client.read_to_end(&mut Vec::new()).await.expect("it ends")
    };
    let begin = tokio::time::Instant::now();
    tokio::join!(socket.end(&GOING_AWAY), answered);
    assert!(begin.elapsed() < Duration::from_secs(5), "the answer was heard");
}
