//! Dashboards that only read: a thread each, which blocks.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{JoinHandle, spawn};

use micronet_tests::network::Network;
use tungstenite::WebSocket;
use tungstenite::protocol::Role;

/// Some dashboards.
pub(crate) struct Readers {
    streams: Vec<TcpStream>,
    reading: Vec<JoinHandle<u64>>,
}

impl Readers {
    /// Opens them, and waits until each knows the whole network.
    pub(crate) fn open(network: &Network, count: usize) -> Self {
        let bearer = format!("Authorization: Bearer {}", network.folder().operator_token());
        let (mut streams, mut reading) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let mut socket = shake_hands(network, &bearer);
            let first = socket.read().expect("a first message");
            assert!(first.to_text().expect("a text").contains("\"whole\":true"), "{first}");
            streams.push(socket.get_ref().try_clone().expect("another handle"));
            reading.push(spawn(move || {
                let mut messages = 0;
                while let Ok(message) = socket.read() {
                    messages += u64::from(message.is_text());
                }
                messages
            }));
        }
        Self { streams, reading }
    }

    /// Closes them; how many messages they have read in all.
    pub(crate) fn close(self) -> u64 {
        self.streams.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        self.reading.into_iter().map(|reading| reading.join().expect("it ends")).sum()
    }
}

fn shake_hands(network: &Network, bearer: &str) -> WebSocket<TcpStream> {
    let gateway = network.gateway();
    let mut stream = TcpStream::connect(gateway).expect("the gateway listens");
    let request = format!(
        "GET /ws/api/v1/control/live HTTP/1.1\r\nHost: {gateway}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{bearer}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it can be sent");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    WebSocket::from_raw_socket(stream, Role::Client, None)
}
