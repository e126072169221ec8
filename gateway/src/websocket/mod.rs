//! WebSocket (RFC 6455): the handshake's answer, and what is spoken afterwards.
//!
//! `Socket` is a connection; the frames are tungstenite's, over buffers in memory. A module each says what a path speaks: `echo`.

pub(crate) mod echo;
mod pace;
mod pipe;
mod socket;
#[cfg(test)]
mod tests;
mod times;

use std::future::Future;

use futures_util::FutureExt;
use micronet_transport::drain::Drain;
use micronet_transport::http_server::{Response, Upgrade, Upgraded};
use micronet_wire::http1::{RequestHead, Status};
use micronet_wire::rest::{Answer, Refused};
use micronet_wire::websocket::Handshake;
use tungstenite::handshake::derive_accept_key;

pub use pipe::Pipe;
pub(crate) use socket::{Ended, Socket, Turn};

use crate::settings;

/// The subprotocol of streams of messages.
pub(crate) const PROTOCOL: &str = "micronet.v1";

/// The end of connections when the gateway drains.
pub(crate) const GOING_AWAY: Ended = Ended::Here(1001, "the gateway is going away");

/// The handshake that a request begins, if the page may from which it comes.
pub(crate) fn handshake<'a>(
    head: &'a RequestHead,
    body: &[u8],
    settings: &settings::WebSocketSettings,
) -> Result<Handshake<'a>, Refused> {
    let handshake = Handshake::of(head, body)?;
    if settings.origins.allow(head) {
        return Ok(handshake);
    }
    let words = "pages of this origin may not open a WebSocket here";
    Err(Box::new(Answer::error(Status::FORBIDDEN, "ORIGIN_NOT_ALLOWED", words, b"")))
}

/// The answer to a handshake, after which `session` speaks; one that speaks a subprotocol names it.
pub(crate) fn accept<S: Future<Output = ()> + 'static>(
    handshake: &Handshake<'_>,
    protocol: &str,
    settings: settings::WebSocketSettings,
    session: impl FnOnce(Socket, Drain) -> S + 'static,
) -> Response {
    let mut headers = vec![("Sec-WebSocket-Accept", derive_accept_key(handshake.key().as_bytes()).into())];
    if let Some(agreed) = handshake.agree(protocol) {
        headers.push(("Sec-WebSocket-Protocol", agreed.to_owned().into()));
    }
    let take_over = move |Upgraded { stream, input, drain }: Upgraded| {
        session(Socket::new(stream, input, settings), drain).boxed_local()
    };
    Response::Upgrade(Box::new(Upgrade { protocol: "websocket", headers, take_over: Box::new(take_over) }))
}
