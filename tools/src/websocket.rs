//! The opening handshake of WebSocket, as a client (RFC 6455 section 4.1). Frames are tungstenite's.

use std::fmt;
use std::io::{self, ErrorKind};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

/// The longest head of an answer that is taken, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Why there is no WebSocket.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The connection failed.
    Io(io::Error),
    /// The server answered, but doesn't open one: its status, or what stands in the place of it.
    Status(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// Opens a WebSocket at this path on a connection, with further header fields; gives the bytes that came behind the answer.
pub(crate) async fn open(
    stream: &mut TcpStream,
    host: &str,
    path: &str,
    headers: &[(String, String)],
) -> Result<BytesMut, Refused> {
    let key = generate_key();
    let mut head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.map_err(Refused::Io)?;
    let mut input = BytesMut::new();
    let end = loop {
        if let Some(at) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        let read = stream.read_buf(&mut input).await.map_err(Refused::Io)?;
        if read == 0 || input.len() > HEAD_BYTES_MAX {
            return Err(Refused::Io(ErrorKind::UnexpectedEof.into()));
        }
    };
    let head = input.split_to(end);
    let head = String::from_utf8_lossy(&head);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "101" || !head.contains(&derive_accept_key(key.as_bytes())) {
        return Err(Refused::Status(status.to_owned()));
    }
    Ok(input)
}
