//! The messages of one stream, both ways: what is being received and for how much the peer has credit, what is still to be
//! said and for how much we have (SPEC.md section 4).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::inbound::Timing;
use crate::error::RpcError;
use crate::limits::FRAGMENT_BYTES_MAX;
use crate::service::CallContext;

/// How many messages a side of a call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// One: the request, or the reply.
    One,
    /// Any number, also none.
    Many,
}

/// A stream's messages.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) method: u32,
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
    /// Acceptor: the call, until its request is here whole.
    pub(super) pending: Option<Box<CallContext>>,
}

/// What comes.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) arity: Arity,
    /// Bytes that the peer may still send on this stream.
    pub(super) granted: u64,
    /// Bytes of whole messages that were handed out and that nobody has consumed yet.
    pub(super) held: u64,
    /// Bytes of memory that are reserved for a message which is longer than the window.
    pub(super) reserved: u64,
    pub(super) assembly: Option<Assembly>,
    /// The length of a message that waits for credit.
    pub(super) announced: Option<u32>,
    /// Somebody waits for the next message, and will consume it as soon as it is there.
    pub(super) reader_waits: bool,
    /// The peer has said that no further message follows.
    pub(super) ended: bool,
}

/// A message that is not here whole.
#[derive(Debug)]
pub(super) struct Assembly {
    total: usize,
    bytes: BytesMut,
}

/// What a piece does to a message.
pub(super) enum Assembled {
    Incomplete,
    Whole(Bytes),
    /// The pieces aren't those of a message of the announced length.
    Wrong,
}

impl Assembly {
    pub(super) fn begin(total: usize, piece: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(total);
        bytes.extend_from_slice(piece);
        Self { total, bytes }
    }

    pub(super) fn total(&self) -> u64 {
        self.total as u64
    }

    /// Adds a piece; `last` says that the peer sends no further one.
    pub(super) fn add(&mut self, piece: &[u8], last: bool) -> Assembled {
        let left = self.total - self.bytes.len();
        let fits = if last { piece.len() == left } else { piece.len() < left };
        if piece.is_empty() || !fits {
            return Assembled::Wrong;
        }
        self.bytes.extend_from_slice(piece);
        if last { Assembled::Whole(self.bytes.split().freeze()) } else { Assembled::Incomplete }
    }
}

/// What is still to be said.
#[derive(Debug)]
pub(super) struct Sending {
    /// Any number of messages is said, not only a long request or reply.
    pub(super) many: bool,
    /// Bytes that we may still send on this stream.
    pub(super) credit: u64,
    pub(super) queue: VecDeque<Saying>,
    /// It is in the rotation, or in the queue for the connection's credit.
    pub(super) in_turn: bool,
    /// Since when it waits for credit.
    pub(super) waits_since_ns: Option<u64>,
    pub(super) credit_wait_ns: u64,
}

/// Something to say, and how far it is said.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) what: What,
    pub(super) body: Bytes,
    pub(super) sent: usize,
    /// Credit was taken for all of it.
    pub(super) paid: bool,
    /// The peer knows that it waits for credit.
    pub(super) announced: bool,
    /// The small frames that have to leave before it, by [`Outbox::calls_put`](super::outbox::Outbox::calls_put).
    pub(super) after: u64,
}

/// What it is that is said.
#[derive(Debug)]
pub(super) enum What {
    /// A message; `last` if no further one follows.
    Message { last: bool },
    /// No further message follows.
    End,
    /// The terminal frame, with the reply, or what is left of it.
    Reply(Timing),
    /// The terminal frame.
    Error(Box<RpcError>, Timing),
}

impl Saying {
    pub(super) fn new(what: What, body: Bytes) -> Self {
        Self { what, body, sent: 0, paid: false, announced: false, after: 0 }
    }

    /// SPEC 4.5: credit is for messages; a reply that fits its terminal frame needs none.
    pub(super) fn needs_credit(&self) -> bool {
        match self.what {
            What::Message { .. } => true,
            What::Reply(_) => self.body.len() > FRAGMENT_BYTES_MAX,
            What::End | What::Error(..) => false,
        }
    }
}

impl Messages {
    pub(super) fn new(method: u32, arity: Arity, granted: u32, credit: u32) -> Self {
        Self {
            method,
            receiving: Receiving {
                arity,
                granted: u64::from(granted),
                held: 0,
                reserved: 0,
                assembly: None,
                announced: None,
                reader_waits: false,
                ended: false,
            },
            sending: Sending {
                many: false,
                credit: u64::from(credit),
                queue: VecDeque::new(),
                in_turn: false,
                waits_since_ns: None,
                credit_wait_ns: 0,
            },
            pending: None,
        }
    }

    /// Bytes that this stream holds of what it has received.
    pub(super) fn received_bytes(&self) -> u64 {
        self.receiving.held + self.receiving.assembly.as_ref().map_or(0, Assembly::total)
    }

    /// Bytes that wait to be sent.
    pub(super) fn queued_bytes(&self) -> usize {
        self.sending.queue.iter().map(|saying| saying.body.len()).sum()
    }
}
