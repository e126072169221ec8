//! What the two sides of a simulated connection do, and what must hold of every call: a model of the calls that is
//! simpler than the connection, and checks it.

pub mod caller;
pub mod content;
pub mod handlers;
pub mod talk;

use bytes::Bytes;
use micronet_wire::conn::Arity;
use micronet_wire::error::Code;

use talk::Pace;

/// How many messages go which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One request, one reply.
    Unary,
    /// One request, and nothing comes back.
    OneWay,
    /// One request, any number of replies.
    Replies,
    /// Any number of requests, one reply.
    Requests,
    /// Any number of both.
    Both,
}

impl Shape {
    /// The method that calls of this shape name.
    #[must_use]
    pub fn method(self) -> u32 {
        0xA45F_A700 + self as u32
    }

    /// The shape of a method's calls.
    #[must_use]
    pub fn of(method: u32) -> Option<Self> {
        let all = [Self::Unary, Self::OneWay, Self::Replies, Self::Requests, Self::Both];
        all.into_iter().find(|shape| shape.method() == method)
    }

    /// How many replies there are.
    #[must_use]
    pub fn replies(self) -> Arity {
        if matches!(self, Self::Replies | Self::Both) { Arity::Many } else { Arity::One }
    }

    /// Whether any number of requests is sent.
    #[must_use]
    pub fn has_requests(self) -> bool {
        matches!(self, Self::Requests | Self::Both)
    }

    /// Whether it has a stream of messages.
    #[must_use]
    pub fn is_stream(self) -> bool {
        self.has_requests() || self.replies() == Arity::Many
    }
}

/// A call that a script makes.
#[derive(Debug, Clone)]
pub struct Planned {
    /// How many messages go which way.
    pub shape: Shape,
    /// The time until its deadline, in nanoseconds.
    pub patience_ns: u64,
    /// The lengths of its requests, in bytes: one unless it has a stream of them.
    pub requests: Vec<usize>,
    /// How its caller reads replies.
    pub pace: Pace,
    /// The caller gives it up after this time, in nanoseconds, if it is still open.
    pub gives_up_ns: Option<u64>,
    /// Whether it names a principal.
    pub for_user: bool,
    /// Whether others may pass it.
    pub bulk: bool,
}

/// What a script does.
#[derive(Debug, Clone)]
pub enum Command {
    /// Makes a call.
    Call(Planned),
    /// Cancels one of the calls in flight.
    Cancel,
    /// Sends a PING.
    Ping,
    /// Tells a new limit of calls.
    Announce {
        /// The limit.
        calls_in_flight_max: u32,
    },
    /// Begins to drain.
    Drain,
    /// Ends the connection.
    Close,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this reply.
    Reply(Bytes),
    /// With this code.
    Failed(Code),
    /// Its caller gave it up.
    Cancelled,
}
