//! Peers that get no further than the door of a TLS port: told why in the language that they speak, and why for the log.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use micronet_wire::conn::greeting_refused;
use micronet_wire::error::Code;
use micronet_wire::header::PREFACE;
use micronet_wire::limits::LINGER_MS_MAX;
use micronet_wire::text::{Tongue, Writer, tell};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Begun;
use crate::driver::ByteStream;

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// What a plaintext peer is told.
pub(super) const MUTUAL_TLS_ONLY: &str =
    "this port speaks TLS 1.3, with certificates for both sides, and nothing else";

/// Why a peer was refused, for the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets a TLS handshake pass. Who begins in plaintext is told what is wrong, in text too where the port `speaks_text`, and hears nothing
/// else of this instance.
pub(super) async fn expect_tls<S: ByteStream>(
    mut stream: Begun<S>,
    what: &str,
    speaks_text: bool,
) -> Result<Begun<S>, Refused> {
    let (words, spoken) = match stream.input.first() {
        Some(&TLS_HANDSHAKE) => return Ok(stream),
        Some(first) if *first == PREFACE[0] => (greeting_refused(Code::TlsRequired, what), "micronet's RPC"),
        _ if speaks_text && tell(&stream.input, false) == Some(Tongue::Text) => (text_refusal(what), "text"),
        _ => (http_refusal(what), "HTTP, or something else,"),
    };
    // Whatever goes wrong now, the connection is over.
    let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), stream.write_all(&words)).await;
    Err(after(stream, format!("the peer speaks {spoken} in plaintext")).await)
}

/// Closes a connection on which the last words were said. Closing one with unread bytes sends a reset, which may overtake
/// them, so what still comes is read for a short while.
pub(super) async fn after<S: ByteStream>(mut stream: Begun<S>, why: String) -> Refused {
    let lingering = async {
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), lingering).await;
    Refused(why)
}

fn text_refusal(what: &str) -> BytesMut {
    let (writer, mut out) = (Writer::default(), BytesMut::new());
    writer.err(&mut out, Code::TlsRequired.name(), what);
    writer.end(&mut out);
    out
}

fn http_refusal(what: &str) -> BytesMut {
    let code = Code::TlsRequired;
    let body =
        format!(r#"{{"success":false,"error":{{"code":"{code}","message":"{what}","details":{{}}}}}}"#);
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n";
    BytesMut::from(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
}
