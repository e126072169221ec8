//! Messages on a WebSocket: each is sent and comes back, or comes by itself.

use std::io::ErrorKind;
use std::mem;

use bytes::{Bytes, BytesMut};
use micronet_gateway::websocket::Pipe;
use tokio::net::TcpStream;
use tungstenite::protocol::{Role, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

use super::lane::{Protocol, unconnected};
use super::tally::{End, Kind};
use crate::websocket::{self, Refused};

/// What is said on every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Talk {
    /// The server's name, and its port unless it is 80.
    pub(crate) host: String,
    /// Path and query, percent-encoded.
    pub(crate) path: String,
    /// Header fields of the handshake beside its own.
    pub(crate) headers: Vec<(String, String)>,
    /// What is sent.
    pub(crate) said: Said,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A text, which is answered by a message.
    Text(String),
    /// The same of bytes.
    Bytes(Bytes),
    /// Nothing: messages come by themselves, and the time from one to the next is measured.
    Nothing,
}

impl Said {
    /// How much that is, in bytes.
    pub(super) fn bytes(&self) -> Option<u64> {
        match self {
            Self::Text(text) => Some(text.len() as u64),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Nothing => None,
        }
    }
}

/// One connection.
pub(super) struct Ws {
    talk: Talk,
    message: Option<Message>,
    frames: WebSocketContext,
    pipe: Pipe,
}

impl Ws {
    /// Says this on every connection.
    pub(super) fn new(talk: Talk) -> Self {
        let message = match &talk.said {
            Said::Text(text) => Some(Message::Text(Utf8Bytes::from(text.as_str()))),
            Said::Bytes(bytes) => Some(Message::Binary(bytes.clone())),
            Said::Nothing => None,
        };
        Self { talk, message, frames: WebSocketContext::new(Role::Client, None), pipe: Pipe::default() }
    }
}

impl Protocol for Ws {
    async fn open(&mut self, stream: &mut TcpStream) -> Result<(), Kind> {
        let Talk { host, path, headers, .. } = &self.talk;
        let opened = websocket::open(stream, host, path, headers).await;
        let input = opened.map_err(|refused| match refused {
            Refused::Io(error) => unconnected(&error),
            Refused::Status(status) => format!("no WebSocket: status {status}").into(),
        })?;
        self.frames = WebSocketContext::new(Role::Client, None);
        self.pipe = Pipe { input, output: BytesMut::new() };
        Ok(())
    }

    fn ask(&mut self, _: &mut BytesMut) -> Result<(), Kind> {
        let Some(message) = &self.message else { return Ok(()) };
        let sent = self.frames.write(&mut self.pipe, message.clone());
        sent.map_err(|error| format!("not sent: {error}").into())
    }

    fn answer(&mut self, input: &mut BytesMut) -> Result<Option<End>, Kind> {
        if self.pipe.input.is_empty() {
            mem::swap(&mut self.pipe.input, input);
        } else {
            self.pipe.input.unsplit(input.split());
        }
        loop {
            match self.frames.read(&mut self.pipe) {
                Ok(Message::Text(_) | Message::Binary(_)) => return Ok(Some(End::Good)),
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    return Err(format!("closed with {code}").into());
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(format!("broken answer: {error}").into()),
            }
        }
    }

    fn speak(&mut self, output: &mut BytesMut) {
        // The answer to a ping is among it.
        let _ = self.frames.flush(&mut self.pipe);
        output.unsplit(self.pipe.output.split());
    }
}
