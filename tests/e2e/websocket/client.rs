//! A client of WebSocket that blocks, whose handshake the test writes itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use micronet_tests::http_client::connected;
use serde_json::Value;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Message, WebSocket};

/// A connection.
pub(crate) struct Client(WebSocket<TcpStream>);

impl Client {
    /// Opens one.
    #[track_caller]
    pub(crate) fn open(server: SocketAddr, path: &str) -> Self {
        Self::try_open(server, path, &[]).unwrap_or_else(|answer| panic!("{path} is answered with\n{answer}"))
    }

    /// Opens one with further headers; the answer's text if it is another than 101.
    pub(crate) fn try_open(server: SocketAddr, path: &str, headers: &[&str]) -> Result<Self, String> {
        let (stream, head) = shake_hands(server, path, headers);
        if !head.starts_with("HTTP/1.1 101 ") {
            let mut rest = [0; 4096];
            let mut stream = stream;
            let read = stream.read(&mut rest).unwrap_or(0);
            return Err(head + &String::from_utf8_lossy(&rest[..read]));
        }
        // The key is the one of RFC 6455 section 1.3.
        assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        Ok(Self(WebSocket::from_raw_socket(stream, Role::Client, None)))
    }

    pub(crate) fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).expect("it can be sent");
    }

    /// The next message, without pings.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Message {
        loop {
            match self.0.read().unwrap_or_else(|error| panic!("nothing came: {error}")) {
                Message::Ping(_) => {}
                message => return message,
            }
        }
    }

    /// The next text, as JSON.
    #[track_caller]
    pub(crate) fn json(&mut self) -> Value {
        let message = self.receive();
        serde_json::from_str(message.to_text().expect("a text"))
            .unwrap_or_else(|error| panic!("{error}: {message}"))
    }

    /// The close frame that comes next.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> (u16, String) {
        match self.receive() {
            Message::Close(Some(CloseFrame { code, reason })) => (code.into(), reason.to_string()),
            other => panic!("not closed, but: {other}"),
        }
    }

    /// Answers pings until nothing comes for a while.
    pub(crate) fn answer_pings(&mut self) {
        while let Ok(message) = self.0.read() {
            assert!(message.is_ping(), "{message}");
        }
        let _ = self.0.flush();
        self.bytes().set_read_timeout(Some(micronet_tests::patience::PATIENCE)).expect("a timeout");
    }

    pub(crate) fn close(&mut self) {
        self.0.close(None).expect("a close frame can be sent");
    }

    /// The connection's bytes.
    pub(crate) fn bytes(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }
}

/// Sends a handshake; the connection, and the head of its answer.
pub(crate) fn shake_hands(server: SocketAddr, path: &str, headers: &[&str]) -> (TcpStream, String) {
    let mut stream = connected(server);
    let further: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{further}\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it can be sent");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            ended => panic!("{ended:?} after {}", String::from_utf8_lossy(&head)),
        }
    }
    (stream, String::from_utf8(head).expect("text"))
}
