//! What a connection tells its driver.

use bytes::Bytes;

use super::Announcement;
#[cfg(doc)]
use super::Connection;
use crate::error::RpcError;
use crate::frame::Pong;
use crate::hello::Hello;
use crate::ledger::Ledger;
use crate::service::CallContext;

/// What happened on a connection.
#[derive(Debug)]
pub enum Event {
    /// The handshake is done; the peer says this of itself.
    Ready(Box<Hello>),
    /// Acceptor: a call has arrived. Answer it with [`Connection::reply`] or [`Connection::fail`]. The answer of a one-way call
    /// goes nowhere, but is how the connection learns that the call is over.
    Request {
        /// The call's stream.
        stream: u32,
        /// The method that is called.
        method: u32,
        /// Who calls, until when, whether an answer is awaited, and the rest of what a handler may know.
        context: Box<CallContext>,
        /// The encoded request; empty when any number of them comes as [`Event::Message`].
        request: Bytes,
    },
    /// A message of a stream of them has come. Say when it has been used up, by [`Connection::consumed`].
    Message {
        /// The call's stream.
        stream: u32,
        /// The encoded message.
        message: Bytes,
    },
    /// Acceptor: no further request follows on this stream.
    MessagesEnded {
        /// The call's stream.
        stream: u32,
    },
    /// What was said on a stream is on its way: there is room for more.
    Room {
        /// The call's stream.
        stream: u32,
    },
    /// Acceptor: nobody wants this call's answer any more (cancelled, or past its deadline); it has been answered already.
    /// One-way calls outlive their connection: the end of it abandons only those that somebody waits for.
    Abandoned {
        /// The call's stream.
        stream: u32,
    },
    /// Acceptor: a one-way call was refused and is not executed. Nobody else hears of it.
    Dropped {
        /// The call's stream.
        stream: u32,
        /// The method that was called.
        method: u32,
        /// What a call that awaits an answer would have been told.
        error: RpcError,
    },
    /// Dialler: a call has its reply.
    Reply {
        /// The call's stream.
        stream: u32,
        /// The encoded reply.
        reply: Bytes,
        /// Where its time went on the other side.
        ledger: Ledger,
    },
    /// Dialler: a call has failed.
    Failed {
        /// The call's stream.
        stream: u32,
        /// Why.
        error: RpcError,
        /// Where its time went on the other side; all zero when it is not known.
        ledger: Ledger,
    },
    /// Dialler: the peer takes no further calls on this connection; those in flight go on.
    Goaway,
    /// The peer has changed its limits, or its health; that is taken into account already.
    Announced(Announcement),
    /// The peer answered a PING.
    Pong {
        /// From the PING to its answer, in nanoseconds.
        round_trip_ns: u64,
        /// The peer's diagnosis of itself.
        pong: Pong,
    },
    /// The connection is over; no further event follows. The driver writes what is left in the output and closes.
    Closed {
        /// `None` for a plain end.
        error: Option<RpcError>,
        /// Whether the peer said so.
        by_peer: bool,
    },
}
