//! Credit (SPEC.md 4.5 to 4.7): how many bytes of messages each side may send, on a stream and on the connection, and the
//! reservation of memory for messages that are longer than that.
//!
//! What the peer may still send, and what it has sent and nobody has consumed, is at most the connection's credit together with
//! [`REASSEMBLY_BYTES_MAX`]; that bounds our memory, whatever the peer does.

use std::collections::VecDeque;

use super::messages::{Arity, Messages};
use super::streams::StreamMap;
use super::{Connection, Role, Standing, State, put};
use crate::error::Code;
use crate::frame::{Frame, Label};
use crate::header::{Header, Kind};
use crate::hello::Hello;
use crate::limits::{
    CREDIT_BYTES_MAX, MESSAGE_BYTES_MAX, REASSEMBLY_BYTES_MAX, REQUEST_BYTES_IN_FLIGHT_MAX,
    STREAMS_OF_MESSAGES_MAX,
};

/// The messages of all streams that have any besides one-frame requests and replies, and the connection's credit.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) streams: StreamMap<Messages>,
    /// Bytes that the peer may still send on the connection.
    granted: u64,
    /// Bytes that the peer has sent, or begun to send, and that nobody has consumed.
    held: u64,
    /// Bytes of memory that are reserved for messages which are longer than their streams' windows.
    reserved: u64,
    /// Streams on which a message waits for credit that has to be reserved, the oldest first.
    pub(super) wanted: VecDeque<u32>,
    /// Streams on which any number of messages may come.
    receiving_many: usize,
    /// Bytes that we may still send on the connection.
    pub(super) credit: u64,
    /// Streams that have something to say and don't wait for the connection's credit.
    pub(super) turns: VecDeque<u32>,
    /// Streams that have all they need but the connection's credit, the oldest first.
    pub(super) waiting: VecDeque<u32>,
    /// How many at the front of `turns` have waited for the connection's credit, and try again before all others.
    pub(super) retrying: usize,
    /// Bytes of messages that are queued to be sent.
    pub(super) queued_bytes: usize,
}

/// A connection's accounts of messages, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// What the peer has sent, or begun to send, and nobody has consumed.
    pub held: u64,
    /// What the peer may still send.
    pub granted: u64,
    /// What of both is reserved for messages that are longer than their streams' windows.
    pub reserved: u64,
    /// What we may still send.
    pub credit: u64,
    /// Long messages of ours that are not said whole.
    pub queued: usize,
    /// Streams that have messages besides requests and replies of one frame.
    pub streams: usize,
}

impl Flow {
    /// SPEC 4.5: what both sides may send at first.
    pub(super) fn agree(&mut self, ours: &Hello, peer: &Hello) {
        self.granted = u64::from(ours.connection_credit);
        self.credit = u64::from(peer.connection_credit);
    }

    /// What the peer holds of our memory, and may still take.
    pub(super) fn exposure(&self) -> Exposure {
        let (held, granted) = (self.held, self.granted);
        Exposure {
            held,
            granted,
            reserved: self.reserved,
            credit: self.credit,
            queued: self.queued_bytes,
            streams: self.streams.len(),
        }
    }

    /// The peer begins a message of so many bytes; false when it has no credit for that.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        let Some(left) = self.granted.checked_sub(bytes) else { return false };
        self.granted = left;
        self.held += bytes;
        true
    }

    /// Bytes that were held are gone.
    pub(super) fn release(&mut self, bytes: u64) {
        self.held -= bytes;
    }

    /// Forgets a stream's messages, whatever state they are in; false when there were none.
    pub(super) fn forget(&mut self, stream: u32) -> bool {
        let Some(messages) = self.streams.remove(&stream) else { return false };
        self.release(messages.received_bytes());
        self.reserved -= messages.receiving.reserved;
        if messages.receiving.announced.is_some() {
            self.wanted.retain(|waits| *waits != stream);
        }
        self.queued_bytes -= messages.queued_bytes();
        if messages.receiving.arity == Arity::Many {
            self.receiving_many -= 1;
        }
        true
    }

    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }
}

/// What a peer may take of this side's memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// The connection's credit, when nothing of it is used.
    pub(super) window: u64,
    /// What may be reserved besides.
    reassembly: u64,
    /// The longest message.
    pub(super) message: usize,
    /// Requests that are being worked on.
    pub(super) requests: usize,
    /// Streams of messages that may come at once.
    streams: usize,
}

impl Connection {
    /// SPEC 12.4: a dialler that has proved nothing may take less, where it can become known.
    pub(super) fn allowance(&self) -> Allowance {
        let hello = &self.config.hello;
        let given = u64::from(hello.connection_credit);
        let when_known = self.config.credit_when_known.map(u64::from);
        if when_known.is_none() || self.standing != Standing::Anonymous {
            return Allowance {
                window: when_known.unwrap_or(given),
                reassembly: u64::from(REASSEMBLY_BYTES_MAX),
                message: MESSAGE_BYTES_MAX,
                requests: REQUEST_BYTES_IN_FLIGHT_MAX,
                streams: STREAMS_OF_MESSAGES_MAX,
            };
        }
        let bytes = usize::try_from(given).unwrap_or(usize::MAX);
        Allowance {
            window: given,
            reassembly: given.min(u64::from(REASSEMBLY_BYTES_MAX)),
            message: bytes.min(MESSAGE_BYTES_MAX),
            requests: bytes.saturating_mul(4).min(REQUEST_BYTES_IN_FLIGHT_MAX),
            streams: (bytes / 2 / hello.stream_credit as usize).clamp(1, STREAMS_OF_MESSAGES_MAX),
        }
    }

    /// Whether one more stream of messages can be received.
    pub(super) fn has_room_for_stream(&self) -> bool {
        self.flow.receiving_many < self.allowance().streams
    }

    /// A stream's messages, from now on if there were none.
    pub(super) fn messages(&mut self, stream: u32, method: u32, arity: Arity) -> &mut Messages {
        let (granted, credit) = (self.config.hello.stream_credit, self.peer.stream_credit);
        let receiving_many = &mut self.flow.receiving_many;
        self.flow.streams.entry(stream).or_insert_with(|| {
            if arity == Arity::Many {
                *receiving_many += 1;
            }
            Messages::new(method, arity, granted, credit)
        })
    }

    /// A stream is over, with everything that was said or is to be said on it.
    pub(super) fn forget_messages(&mut self, stream: u32) {
        if self.flow.streams.is_empty() || !self.flow.forget(stream) {
            return;
        }
        self.retry_waiting();
        self.top_up_connection();
        self.reserve_wanted();
    }

    /// Somebody has consumed a message of this length that was handed out by [`Event::Message`](super::Event::Message).
    pub fn consumed(&mut self, stream: u32, bytes: usize) {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return };
        let bytes = (bytes as u64).min(messages.receiving.held);
        messages.receiving.held -= bytes;
        if messages.receiving.granted + messages.received_bytes()
            <= u64::from(self.config.hello.stream_credit)
        {
            self.flow.reserved -= std::mem::take(&mut messages.receiving.reserved);
        }
        self.flow.release(bytes);
        self.top_up_stream(stream);
        self.top_up_connection();
        self.reserve_wanted();
    }

    /// Somebody waits for the next message of a stream and will consume it at once: memory may be reserved for a long one.
    pub fn await_message(&mut self, stream: u32) {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return };
        messages.receiving.reader_waits = true;
        if messages.receiving.announced.is_some() {
            self.want(stream);
        }
    }

    /// A message of this stream waits for credit.
    pub(super) fn want(&mut self, stream: u32) {
        if !self.flow.wanted.contains(&stream) {
            self.flow.wanted.push_back(stream);
        }
        self.reserve_wanted();
    }

    /// Grants credit to the oldest messages that wait for it, as far as memory can be reserved for them.
    fn reserve_wanted(&mut self) {
        let window = u64::from(self.config.hello.stream_credit);
        let reassembly = self.allowance().reassembly;
        while let Some(&stream) = self.flow.wanted.front() {
            let receiving = self.flow.streams.get(&stream).map(|messages| &messages.receiving);
            let wanted = receiving.and_then(|receiving| Some((receiving, receiving.announced?)));
            let shortage =
                wanted.map_or(0, |(receiving, length)| u64::from(length).saturating_sub(receiving.granted));
            let (Some((receiving, _)), 1..) = (wanted, shortage) else {
                self.flow.wanted.pop_front();
                continue;
            };
            let fits_window = receiving.granted + receiving.held + shortage <= window;
            // What a slow reader would only hold is not reserved: it asks again when it waits.
            let is_awaited = receiving.arity == Arity::One || (receiving.reader_waits && receiving.held == 0);
            if !fits_window && is_awaited {
                if self.flow.reserved + shortage > reassembly {
                    return;
                }
                self.flow.reserved += shortage;
                if let Some(messages) = self.flow.streams.get_mut(&stream) {
                    messages.receiving.reserved += shortage;
                }
                self.top_up_connection();
            }
            if fits_window || is_awaited {
                self.grant(stream, shortage);
            }
            self.flow.wanted.pop_front();
        }
    }

    fn top_up_stream(&mut self, stream: u32) {
        let window = u64::from(self.config.hello.stream_credit);
        let Some(messages) = self.flow.streams.get(&stream) else { return };
        // A message that is under way is taken as a whole: what it will hold is not given twice.
        let taken = messages.receiving.granted + messages.received_bytes();
        // In large steps: each is a frame.
        if !messages.receiving.ended && taken <= window / 2 {
            self.grant(stream, window - taken);
        }
    }

    /// The peer may take the connection's window and what is reserved. What it was granted for a message that it then did not
    /// send is part of that, and whatever else was sent meanwhile is given back, so that the reserved messages can be sent.
    pub(super) fn top_up_connection(&mut self) {
        let window = self.allowance().window;
        // In large steps; but a message that fits its stream's window must never wait for the rest of one.
        let step = (window / 4).min(window.saturating_sub(u64::from(self.config.hello.stream_credit))).max(1);
        let taken = self.flow.granted + self.flow.held;
        if taken + step <= window + self.flow.reserved {
            // SPEC 4.6: a window may be as large as what the peer may hold.
            let most = u64::from(CREDIT_BYTES_MAX) - self.flow.granted;
            self.grant(0, most.min(window + self.flow.reserved - taken));
        }
    }

    /// Grants credit for a stream, or for the connection when the stream is 0.
    fn grant(&mut self, stream: u32, bytes: u64) {
        if self.state != State::Open || bytes == 0 {
            return;
        }
        let method = match self.flow.streams.get_mut(&stream) {
            Some(messages) => {
                messages.receiving.granted += bytes;
                messages.method
            }
            None => {
                self.flow.granted += bytes;
                0
            }
        };
        let label = Label { kind: Kind::Credit, flags: 0, encoding: 0, stream, method };
        put(self.outbox.control(), label, self.checksums, |out| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "limits.rs bounds all credit by CREDIT_BYTES_MAX"
            )]
            out.extend_from_slice(&(bytes as u32).to_be_bytes());
        });
    }

    /// SPEC 4.6: the peer may be sent more.
    pub(super) fn handle_credit(&mut self, frame: &Frame) {
        let Header { stream, method, .. } = frame.header;
        let Ok(bytes) = <[u8; 4]>::try_from(&*frame.payload) else {
            return self.violation("CREDIT: its payload is not 4 bytes long");
        };
        let bytes = u64::from(u32::from_be_bytes(bytes));
        if bytes == 0 {
            return self.violation("CREDIT: of nothing");
        }
        let has = if stream == 0 {
            &mut self.flow.credit
        } else {
            if stream > self.last_stream() {
                return self.violation("CREDIT: for a stream that was never opened");
            }
            match self.method_of(stream) {
                // It may cross the end of its stream.
                None => return,
                Some(of_call) if of_call != method => {
                    return self.violation("CREDIT: the method is not that of its call");
                }
                Some(_) => &mut self.messages(stream, method, Arity::One).sending.credit,
            }
        };
        *has += bytes;
        if *has > u64::from(CREDIT_BYTES_MAX) {
            return self.close(Code::CreditExceeded, "CREDIT: more than anybody may hold");
        }
        if stream == 0 {
            self.retry_waiting();
        } else {
            self.take_turn(stream);
        }
    }

    /// Whoever waits for the connection's credit tries again, before all others.
    fn retry_waiting(&mut self) {
        let Flow { turns, waiting, retrying, .. } = &mut self.flow;
        *retrying += waiting.len();
        waiting.append(turns);
        std::mem::swap(turns, waiting);
    }

    /// The highest stream that was opened on this connection.
    fn last_stream(&self) -> u32 {
        match self.config.role {
            Role::Dialler => self.outbound.last_stream(),
            Role::Acceptor => self.inbound.last_stream(),
        }
    }
}
