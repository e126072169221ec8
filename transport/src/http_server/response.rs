//! What becomes of a request: an answer, a body that goes on, or another protocol.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::LocalBoxStream;
use micronet_wire::rest::Answer;

use crate::drain::Drain;
use crate::driver::ByteStream;

/// What a site makes of a request.
#[derive(Debug)]
pub enum Response {
    /// An answer, whole.
    Answer(Answer),
    /// An answer whose body goes on.
    Stream(Box<Streamed>),
    /// The connection is another protocol's from now on.
    Upgrade(Box<Upgrade>),
}

/// An answer whose body goes on, piece by piece.
pub struct Streamed {
    /// Its head, and how its body begins.
    pub answer: Answer,
    /// What follows. A piece is asked for when those before it were written: who reads slowly holds nothing but the one at hand.
    pub pieces: LocalBoxStream<'static, Bytes>,
}

/// A change of protocols (RFC 9110 section 7.8), in answer to a request that asks for it.
pub struct Upgrade {
    /// The protocol's name, as `websocket`.
    pub protocol: &'static str,
    /// What else the answer's head says, by name.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Speaks the other protocol, to the connection's end.
    pub take_over: Box<dyn FnOnce(Upgraded) -> LocalBoxFuture<'static, ()>>,
}

/// A connection that speaks another protocol now.
pub struct Upgraded {
    /// The connection.
    pub stream: Box<dyn ByteStream>,
    /// What was read of the other protocol already.
    pub input: BytesMut,
    /// When to end.
    pub drain: Drain,
}

impl Response {
    /// The status; 101 for another protocol.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Answer(answer) => answer.status.code(),
            Self::Stream(streamed) => streamed.answer.status.code(),
            Self::Upgrade(_) => 101,
        }
    }

    /// The answer, whole or not, to add to its head; none for another protocol.
    pub fn answer_mut(&mut self) -> Option<&mut Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Stream(streamed) => Some(&mut streamed.answer),
            Self::Upgrade(_) => None,
        }
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed").field("answer", &self.answer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("input", &self.input.len()).finish_non_exhaustive()
    }
}
