//! The dialler's side of calls (SPEC.md sections 5 and 6): each call ends exactly once, by its terminal frame, its deadline,
//! its cancellation or the connection's end, whichever comes first.

use bytes::{Bytes, BytesMut};

use super::messages::{Arity, Saying, What};
use super::outgoing::put_length;
use super::streams::{InFlight, Streams};
use super::{Connection, Event, State, put};
use crate::encoding::ENCODING_ID;
use crate::error::{Code, Retry, RpcError};
use crate::frame::{Frame, Label, put_frame, take_error};
use crate::header::{Header, Kind, flags};
use crate::hello::Hello;
use crate::ledger::Ledger;
use crate::limits::{
    DEADLINE_US_DEFAULT, DEADLINE_US_MAX, FRAGMENT_BYTES_MAX, LONG_QUEUE_HIGH_BYTES, MESSAGE_BYTES_MAX,
    STREAM_ID_MAX, STREAM_IDLE_MS_MAX, STREAM_LIFETIME_MS_MAX, WRITE_BUFFER_HIGH_BYTES,
};
use crate::request::HeadParts;
use crate::service::CallOptions;

/// What a call of ours awaits.
#[derive(Debug, PartialEq, Eq)]
enum Awaits {
    /// Its answer.
    Answer,
    /// Its terminal frame, which nobody wants any more.
    End,
}

#[derive(Debug)]
struct Call {
    method: u32,
    deadline_ns: u64,
    awaits: Awaits,
    /// How many replies it gets.
    replies: Arity,
    /// When the stream has lasted long enough.
    ends_ns: u64,
}

impl InFlight for Call {
    fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }
}

/// The calls that we have made and that have no terminal frame yet.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    calls: Streams<Call>,
    last_stream: u32,
}

impl Outbound {
    pub(super) fn in_flight(&self) -> usize {
        self.calls.len()
    }
    pub(super) fn earliest(&self) -> u64 {
        self.calls.earliest()
    }
    pub(super) fn has_room(&self, peer: &Hello) -> bool {
        self.calls.len() < peer.calls_in_flight_max as usize && self.last_stream < STREAM_ID_MAX
    }
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }
    /// The method of a call in flight.
    pub(super) fn method_of(&self, stream: u32) -> Option<u32> {
        self.calls.get(stream).map(|call| call.method)
    }
    /// Whether somebody waits for what a call in flight brings.
    pub(super) fn is_wanted(&self, stream: u32) -> bool {
        self.calls.get(stream).is_some_and(|call| call.awaits == Awaits::Answer)
    }
    /// SPEC 4.8: a stream of messages lives from one message to the next.
    pub(super) fn live_on(&mut self, stream: u32, now: u64) {
        if self.is_wanted(stream) {
            self.calls.reschedule(stream, |call| {
                call.deadline_ns = (now + STREAM_IDLE_MS_MAX * 1_000_000).min(call.ends_ns);
            });
        }
    }
    /// Only the end of this call is awaited from now on. Its method, if its answer was still wanted.
    fn await_end(&mut self, stream: u32) -> Option<u32> {
        let call = self.calls.get_mut(stream).filter(|call| call.awaits == Awaits::Answer)?;
        call.awaits = Awaits::End;
        call.deadline_ns = u64::MAX;
        Some(call.method)
    }
    pub(super) fn take_all(&mut self) -> Vec<u32> {
        let wanted = self.calls.select(|_, call| call.awaits == Awaits::Answer);
        self.calls = Streams::default();
        wanted
    }
}

impl Connection {
    /// Makes a call; its end comes as [`Event::Reply`] or [`Event::Failed`] with the stream that is returned.
    ///
    /// # Errors
    /// When the call can't be made here: it was never started, and may be made elsewhere.
    pub fn call(
        &mut self,
        now: u64,
        method: u32,
        request: &Bytes,
        options: &CallOptions,
    ) -> Result<u32, RpcError> {
        self.open(now, method, Some(request), Arity::One, options)
    }

    /// Makes a call of any shape: with one request, or with those that [`say`](Self::say) sends afterwards; with one reply, or
    /// with any number, which come as [`Event::Message`]. Its end comes as [`Event::Reply`] or [`Event::Failed`].
    ///
    /// # Errors
    /// When the call can't be made here: it was never started, and may be made elsewhere.
    pub fn open(
        &mut self,
        now: u64,
        method: u32,
        request: Option<&Bytes>,
        replies: Arity,
        options: &CallOptions,
    ) -> Result<u32, RpcError> {
        if replies == Arity::Many && !self.has_room_for_stream() {
            return Err(RpcError::new(Code::Overloaded, "too many streams of messages on this connection"));
        }
        self.now = self.now.max(now);
        let (stream, deadline_ns) = match request {
            Some(request) if request.len() > FRAGMENT_BYTES_MAX => {
                let length = request.len() as u64;
                self.put_request(now, Kind::Request, method, flags::MORE, options, length, |out| {
                    put_length(out, length);
                })?
            }
            Some(request) => {
                let length = request.len() as u64;
                self.put_request(now, Kind::Request, method, flags::END, options, length, |out| {
                    out.extend_from_slice(request);
                })?
            }
            None => self.put_request(now, Kind::Request, method, 0, options, 0, |_| {})?,
        };
        let ends_ns = now + STREAM_LIFETIME_MS_MAX * 1_000_000;
        let call = Call { method, deadline_ns, awaits: Awaits::Answer, replies, ends_ns };
        self.outbound.calls.insert(stream, call);
        let in_pieces = request.filter(|request| request.len() > FRAGMENT_BYTES_MAX);
        if in_pieces.is_some() || replies == Arity::Many || request.is_none() {
            self.messages(stream, method, replies);
        }
        if let Some(request) = in_pieces {
            let mut saying = Saying::new(What::Message { last: true }, request.clone());
            saying.announced = true;
            self.enqueue(stream, saying);
        }
        self.leave_after_last(stream);
        Ok(stream)
    }

    /// Makes a one-way call (SPEC 5.9), of which nothing is heard again; the stream that it took.
    ///
    /// # Errors
    /// When the call can't be made here: it was never started, and may be made elsewhere.
    pub fn send(
        &mut self,
        now: u64,
        method: u32,
        request: &Bytes,
        options: &CallOptions,
    ) -> Result<u32, RpcError> {
        if request.len() > FRAGMENT_BYTES_MAX {
            return Err(too_large());
        }
        let length = request.len() as u64;
        let (stream, _) =
            self.put_request(now, Kind::Notice, method, flags::END, options, length, |out| {
                out.extend_from_slice(request);
            })?;
        self.leave_after_last(stream);
        Ok(stream)
    }

    /// Puts a REQUEST or a NOTICE into the output; its stream and deadline. `length` is that of the whole request, and
    /// `request` writes what this frame has of it.
    #[expect(clippy::too_many_arguments, reason = "what a request consists of")]
    fn put_request(
        &mut self,
        now: u64,
        kind: Kind,
        method: u32,
        flags: u8,
        options: &CallOptions,
        length: u64,
        request: impl FnOnce(&mut BytesMut),
    ) -> Result<(u32, u64), RpcError> {
        self.check_room(length)?;
        let default_ns = now + u64::from(DEADLINE_US_DEFAULT) * 1_000;
        let deadline_ns = if options.deadline_ns == 0 { default_ns } else { options.deadline_ns };
        // SPEC 6.1: what is left is sent, clamped, and what has no time left isn't sent at all.
        if deadline_ns <= now {
            return Err(
                RpcError::new(Code::DeadlineExceeded, "no time is left for this call").retry(Retry::Never, 0)
            );
        }
        let left_us =
            u32::try_from((deadline_ns - now) / 1_000).unwrap_or(u32::MAX).clamp(1, DEADLINE_US_MAX);
        let head = HeadParts {
            deadline_us: left_us,
            trace: &options.trace,
            request_id: &options.request_id,
            token: options.token.as_deref(),
            principal: options.principal.as_ref(),
            bulk: options.bulk,
            metadata: &options.metadata,
        };
        let stream = self.outbound.last_stream + 1;
        let label = Label { kind, flags, encoding: ENCODING_ID, stream, method };
        put_frame(self.outbox.calls(), label, self.checksums, |out| {
            head.encode(out)?;
            request(out);
            Ok::<(), RpcError>(())
        })?;
        self.outbound.last_stream = stream;
        Ok((stream, now + u64::from(left_us) * 1_000))
    }

    /// SPEC 5.1: ids are never reused, so after the last one this connection is at its end; the pool dials another.
    fn leave_after_last(&mut self, stream: u32) {
        if stream == STREAM_ID_MAX {
            self.draining = true;
            self.events.push_back(Event::Goaway);
        }
    }

    fn check_room(&self, request_bytes: u64) -> Result<(), RpcError> {
        if self.state != State::Open {
            return Err(RpcError::new(Code::Unavailable, "the connection is not open"));
        }
        if self.draining {
            return Err(RpcError::new(Code::Draining, "the connection is draining"));
        }
        if request_bytes > MESSAGE_BYTES_MAX as u64 {
            return Err(too_large());
        }
        if !self.outbound.has_room(&self.peer)
            || self.outbox.waiting() > WRITE_BUFFER_HIGH_BYTES
            || self.flow.queued_bytes > LONG_QUEUE_HIGH_BYTES
        {
            return Err(RpcError::new(Code::Overloaded, "too much is in flight on this connection"));
        }
        Ok(())
    }

    /// Gives a call up. No event of it follows.
    pub fn cancel(&mut self, stream: u32) {
        if let Some(method) = self.outbound.await_end(stream) {
            self.forget_messages(stream);
            let label = Label { kind: Kind::Cancel, flags: flags::END, encoding: 0, stream, method };
            put(self.outbox.calls(), label, self.checksums, |_| {});
        }
    }

    pub(super) fn handle_reply(&mut self, frame: Frame) {
        let stream = frame.header.stream;
        // SPEC 5.2: the request said how it and its reply are encoded.
        if frame.header.encoding != ENCODING_ID {
            return self.violation("REPLY: in another encoding than its request");
        }
        // Read before the call is taken: after a violation the call must still be there, to end with the connection.
        let mut piece = frame.payload;
        let Some(ledger) = Ledger::decode(&mut piece) else { return self.violation("REPLY: malformed") };
        if piece.len() > FRAGMENT_BYTES_MAX {
            return self.violation("REPLY: a piece is longer than one may be");
        }
        let Some((replies, wanted)) = self.ending(&frame.header) else { return };
        let whole = if wanted { self.whole_reply(&frame.header, replies, piece) } else { Some(piece) };
        let Some(reply) = whole else { return };
        self.end_call(stream);
        if wanted {
            self.events.push_back(Event::Reply { stream, reply, ledger });
        }
    }

    /// The reply of which a REPLY brings the rest; `None` when the connection is over for that.
    fn whole_reply(&mut self, header: &Header, replies: Arity, piece: Bytes) -> Option<Bytes> {
        let stream = header.stream;
        if header.flags & flags::CONTINUED != 0 {
            if replies == Arity::Many {
                self.violation("REPLY: a message after a stream of them");
                return None;
            }
            return self.continue_message(stream, &piece, true);
        }
        let owed = self.flow.streams.get(&stream).is_some_and(|messages| messages.receiving.is_owed());
        if owed {
            self.violation("REPLY: it ends within a message, or before one that was announced");
            return None;
        }
        if replies == Arity::Many && !piece.is_empty() {
            self.violation("REPLY: a message after a stream of them");
            return None;
        }
        Some(piece)
    }

    pub(super) fn handle_error(&mut self, frame: Frame) {
        let stream = frame.header.stream;
        let Some((error, ledger)) = take_error(frame.payload) else {
            return self.violation("ERROR: malformed");
        };
        let Some((_, wanted)) = self.ending(&frame.header) else { return };
        self.end_call(stream);
        if wanted {
            self.events.push_back(Event::Failed { stream, error, ledger });
        }
    }

    /// How many replies the call gets that a terminal frame ends, and whether its answer is still wanted; `None` when the
    /// connection is over, since there is no such call.
    fn ending(&mut self, header: &Header) -> Option<(Arity, bool)> {
        let (name, stream) = (header.kind.name(), header.stream);
        match self.outbound.calls.get(stream) {
            None => self.violation(&format!("{name}: stream {stream} has no call in flight")),
            // SPEC 2.5: each frame names the method, and it is the call's.
            Some(call) if call.method != header.method => {
                self.violation(&format!("{name}: the method is not that of its call"));
            }
            Some(call) => return Some((call.replies, call.awaits == Awaits::Answer)),
        }
        None
    }

    fn end_call(&mut self, stream: u32) {
        self.forget_messages(stream);
        self.outbound.calls.remove(stream);
    }

    /// SPEC 6.1: the caller gives up at the deadline by itself, and says so.
    pub(super) fn expire_outbound(&mut self, now: u64) {
        for stream in self.outbound.calls.due(now) {
            self.cancel(stream);
            let error = RpcError::new(Code::DeadlineExceeded, "no answer came within the deadline");
            self.events.push_back(Event::Failed { stream, error, ledger: Ledger::default() });
        }
    }

    /// SPEC 5.6: what the draining peer did not accept was never started, and may go elsewhere at once.
    pub(super) fn fail_never_started(&mut self, last_stream: u32) {
        let refused =
            self.outbound.calls.select(|stream, call| stream > last_stream && call.awaits == Awaits::Answer);
        for stream in refused {
            // Their terminal frames may still come: the peer answers each REQUEST that it reads.
            self.outbound.await_end(stream);
            self.forget_messages(stream);
            let error = RpcError::new(Code::Draining, "the instance drains, and did not start this call");
            self.events.push_back(Event::Failed { stream, error, ledger: Ledger::default() });
        }
    }
}

fn too_large() -> RpcError {
    RpcError::new(Code::MessageTooLarge, "the request is longer than a message may be")
}
