//! A WebSocket to a gateway (RFC 6455): its frames by tungstenite, over buffers in memory.

use std::io::{self, ErrorKind};

use bytes::BytesMut;
use micronet_gateway::websocket::Pipe;
use micronet_wire::encoding;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::transcode::to_binary;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tungstenite::protocol::{Role, WebSocketContext};
use tungstenite::{Error, Message};

use crate::address::HostPort;
use crate::control::api::chat::Said;
use crate::control::api::{ControlMethods, control_schema};
use crate::error::CommandError;
use crate::websocket::{self, Refused};

/// Where the chat is.
const PATH: &str = "/ws/chatops";
/// Free space that is kept for the next read, in bytes.
const READ_BYTES: usize = 16 << 10;

/// A connection on which the handshake is over.
pub(super) struct Socket {
    stream: TcpStream,
    frames: WebSocketContext,
    pipe: Pipe,
}

impl Socket {
    /// Opens the chat with this access token.
    pub(super) async fn open(at: &HostPort, token: &str) -> Result<Self, CommandError> {
        let unreached = |error: io::Error| CommandError::new(format!("nobody answers at {at} ({error})"));
        let mut stream = TcpStream::connect(at.resolve().await?).await.map_err(unreached)?;
        let bearer = ("Authorization".to_owned(), format!("Bearer {token}"));
        let opened = websocket::open(&mut stream, &at.to_string(), PATH, &[bearer]).await;
        let input = opened.map_err(|refused| match refused {
            Refused::Io(error) => unreached(error),
            Refused::Status(status) => CommandError::new(format!("{at} opens no chat: it answers {status}"))
                .next("is this micronet's gateway, and the login still good? micronet whoami"),
        })?;
        let (frames, output) = (WebSocketContext::new(Role::Client, None), BytesMut::new());
        Ok(Self { stream, frames, pipe: Pipe { input, output } })
    }

    /// The next message; `None` when the conversation is over. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Said>, RpcError> {
        let lost = |words: String| RpcError::new(Code::ConnectionLost, words);
        loop {
            match self.frames.read(&mut self.pipe) {
                Ok(Message::Text(text)) => return said(&text).map(Some),
                Ok(Message::Close(frame)) => {
                    let code = frame.map_or(1005, |frame| u16::from(frame.code));
                    return if code == 1000 { Ok(None) } else { Err(lost(format!("closed with {code}"))) };
                }
                Ok(_) => continue,
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(lost(error.to_string())),
            }
            // The answer to a ping.
            let _ = self.frames.flush(&mut self.pipe);
            self.pipe.input.reserve(READ_BYTES);
            let (mut reader, mut writer) = self.stream.split();
            let has_output = !self.pipe.output.is_empty();
            tokio::select! {
                read = reader.read_buf(&mut self.pipe.input) => {
                    if read.map_err(|error| lost(error.to_string()))? == 0 {
                        return Err(lost("the gateway has closed it".into()));
                    }
                }
                written = writer.write_buf(&mut self.pipe.output), if has_output => {
                    written.map_err(|error| lost(error.to_string()))?;
                }
            }
        }
    }

    /// Says a line: it goes when the next message is waited for.
    pub(super) fn send(&mut self, line: &str) -> Result<(), RpcError> {
        let sent = self.frames.write(&mut self.pipe, Message::text(line));
        sent.map_err(|error| RpcError::new(Code::ConnectionLost, error.to_string()))
    }
}

/// A message of the chat; the gateway's last one may be an error.
fn said(text: &str) -> Result<Said, RpcError> {
    let value: Value =
        serde_json::from_str(text).map_err(|_| RpcError::new(Code::Protocol, "what came is no JSON"))?;
    if let Some(error) = value.get("error") {
        let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let code = Code::ALL.iter().copied().find(|code| code.name() == part("code"));
        let words = format!("{}: {}", part("code"), part("message"));
        return Err(RpcError::new(code.unwrap_or(Code::Internal), words));
    }
    let schema = control_schema();
    let mut message = BytesMut::new();
    let read = schema
        .method(ControlMethods::CHAT)
        .map(|method| to_binary(&schema, method.reply, text.as_bytes(), &[], &mut message));
    let is_read = matches!(read, Some(Ok(())));
    let said = is_read.then(|| encoding::decode(&message).ok()).flatten();
    said.ok_or_else(|| RpcError::new(Code::Protocol, "what came is no message of a chat"))
}

#[cfg(test)]
mod tests {
    use micronet_wire::schema::Timestamp;

    use super::*;

    #[test]
    fn a_message_is_read_and_so_is_an_error() {
        let text = r#"{"id":3,"kind":"ack","message":"m","timestamp":"2026-11-21T03:31:18.000123Z","from":"chat","execution":"a-1","data":null}"#;
        let read = said(text).unwrap();
        assert_eq!(
            (read.id, &*read.kind, read.execution.as_deref(), read.data),
            (3, "ack", Some("a-1"), None)
        );
        assert_eq!(read.timestamp, Timestamp(1_795_231_878_000_123));
        let error = said(r#"{"error":{"code":"TOKEN_EXPIRED","message":"it is over"}}"#).unwrap_err();
        assert_eq!((error.code, &*error.message), (Code::TokenExpired, "TOKEN_EXPIRED: it is over"));
    }
}
