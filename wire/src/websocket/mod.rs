//! The opening handshake of WebSocket (RFC 6455 section 4), the server's side, and where pages may come from that open one.
//!
//! This module reads a request's head and says what is wrong with it. It must not know frames, and what is said over the connection.

mod handshake;
mod origin;
#[cfg(test)]
mod tests;

pub use handshake::{Handshake, TICKET_PREFIX};
pub use origin::Origins;
