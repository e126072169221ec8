//! The acceptor's side of calls (SPEC.md sections 5 and 6): each REQUEST gets exactly one terminal frame, a NOTICE none.

use bytes::{Buf, Bytes};

use super::messages::{Arity, Saying, What};
use super::streams::{InFlight, Streams};
use super::{Connection, Event, put};
use crate::encoding::ENCODING_ID;
use crate::error::{Code, Retry, RpcError};
use crate::frame::{Frame, Label, put_error};
use crate::header::{Header, Kind, flags};
use crate::ledger::{Ledger, micros};
use crate::limits::{
    FRAGMENT_BYTES_MAX, LONG_QUEUE_HARD_BYTES, LONG_QUEUE_HIGH_BYTES, MESSAGE_BYTES_MAX, STREAM_ID_MAX,
    STREAM_IDLE_MS_MAX, STREAM_LIFETIME_MS_MAX, WRITE_BUFFER_HIGH_BYTES,
};
use crate::request::RequestHead;
use crate::service::CallContext;

/// When a handler worked, on the driver's clock.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// When it started.
    pub started_ns: u64,
    /// When it had its answer.
    pub finished_ns: u64,
}

#[derive(Debug)]
struct Call {
    method: u32,
    arrived_ns: u64,
    /// When its handler started, as far as the driver has said so.
    started_ns: Option<u64>,
    deadline_ns: u64,
    request_bytes: usize,
    one_way: bool,
    bulk: bool,
    /// When the stream has lasted long enough.
    ends_ns: u64,
}

impl InFlight for Call {
    fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }
}

/// The calls that the peer has made and that are not over yet.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    calls: Streams<Call>,
    last_stream: u32,
    request_bytes: usize,
}

impl Inbound {
    pub(super) fn in_flight(&self) -> usize {
        self.calls.len()
    }
    pub(super) fn earliest(&self) -> u64 {
        self.calls.earliest()
    }
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }
    /// The method of a call in flight.
    pub(super) fn method_of(&self, stream: u32) -> Option<u32> {
        self.calls.get(stream).map(|call| call.method)
    }
    /// The same of a call that gets an answer.
    pub(super) fn method_of_answered(&self, stream: u32) -> Option<u32> {
        self.calls.get(stream).filter(|call| !call.one_way).map(|call| call.method)
    }
    /// A call's request is here whole.
    pub(super) fn arrived(&mut self, stream: u32, now: u64) {
        if let Some(call) = self.calls.get_mut(stream) {
            call.arrived_ns = now;
        }
    }
    /// SPEC 4.8: a stream of messages lives from one message to the next.
    pub(super) fn live_on(&mut self, stream: u32, now: u64) {
        self.calls.reschedule(stream, |call| {
            call.deadline_ns = (now + STREAM_IDLE_MS_MAX * 1_000_000).min(call.ends_ns);
        });
    }
    /// Forgets all calls, and says whose answers are awaited.
    pub(super) fn take_awaited(&mut self) -> Vec<u32> {
        let awaited = self.calls.select(|_, call| !call.one_way);
        self.calls = Streams::default();
        self.request_bytes = 0;
        awaited
    }
    fn remove(&mut self, stream: u32) -> Option<Call> {
        let call = self.calls.remove(stream)?;
        self.request_bytes -= call.request_bytes;
        Some(call)
    }
}

/// A call that is started.
struct Accepted {
    context: Box<CallContext>,
    request: Requested,
    request_bytes: usize,
}

/// How its request comes.
enum Requested {
    Whole(Bytes),
    InPieces,
    Many,
}

impl Connection {
    /// The handler of a call starts now. How long the call has waited for that, in microseconds; `None` when it is over already, and
    /// nobody wants its answer.
    pub fn start(&mut self, now: u64, stream: u32) -> Option<u32> {
        let call = self.inbound.calls.get_mut(stream)?;
        call.started_ns = Some(now);
        Some(micros(now.saturating_sub(call.arrived_ns)))
    }

    /// Answers a call; after a stream of replies, with no bytes. Does nothing when the call has been abandoned meanwhile.
    pub fn reply(&mut self, now: u64, stream: u32, reply: &Bytes, timing: Timing) {
        self.now = self.now.max(now);
        let Some(&Call { method, one_way, bulk, .. }) = self.inbound.calls.get(stream) else { return };
        // SPEC 4.2: a reply fits what a message may be.
        if reply.len() > MESSAGE_BYTES_MAX {
            let error = RpcError::new(Code::MessageTooLarge, "the reply is longer than a message may be");
            return self.fail(now, stream, &error, timing);
        }
        if self.flow.queued_bytes + reply.len() > LONG_QUEUE_HARD_BYTES {
            let error = RpcError::new(Code::Overloaded, "answers are not being read");
            return self.fail(now, stream, &error.retry(Retry::MaybeExecuted, 0), timing);
        }
        // SPEC 6.7: the answer of a bulk call takes its turn with the pieces of long messages.
        let takes_turn = reply.len() > FRAGMENT_BYTES_MAX || bulk;
        if (takes_turn && !one_way) || !self.has_room(stream) {
            self.messages(stream, method, Arity::One);
            return self.enqueue(stream, Saying::new(What::Reply(timing), reply.clone()));
        }
        let Some((call, ledger)) = self.end_call_in(stream, timing) else { return };
        // SPEC 5.9: nothing is ever sent on the stream of a one-way call.
        if !call.one_way {
            put(self.outbox.calls(), label(Kind::Reply, stream, call.method), self.checksums, |out| {
                out.extend_from_slice(&ledger.encode());
                out.extend_from_slice(reply);
            });
        }
        self.bound_output();
        self.finish_if_drained();
    }

    /// Answers a call with an error. Does nothing when the call has been abandoned meanwhile.
    pub fn fail(&mut self, now: u64, stream: u32, error: &RpcError, timing: Timing) {
        self.now = self.now.max(now);
        // What the handler has said before is said first.
        if !self.has_room(stream) {
            let what = What::Error(Box::new(error.clone()), timing);
            return self.enqueue(stream, Saying::new(what, Bytes::new()));
        }
        let Some((call, ledger)) = self.end_call_in(stream, timing) else { return };
        if !call.one_way {
            self.put_error_frame(stream, call.method, error, &ledger);
        }
        self.bound_output();
        self.finish_if_drained();
    }

    /// Takes a call that is over, with the account of its time.
    fn end_call_in(&mut self, stream: u32, timing: Timing) -> Option<(Call, Ledger)> {
        let call = self.inbound.remove(stream)?;
        self.forget_messages(stream);
        let ledger = self.account(self.now, &call, timing);
        Some((call, ledger))
    }

    /// The same for a call whose answer had to wait.
    pub(super) fn end_accounted(&mut self, stream: u32, timing: Timing) -> Ledger {
        self.end_call_in(stream, timing).map(|(_, ledger)| ledger).unwrap_or_default()
    }

    fn account(&self, now: u64, call: &Call, timing: Timing) -> Ledger {
        Ledger {
            receive_queue_us: micros(timing.started_ns.saturating_sub(call.arrived_ns)),
            handler_us: micros(timing.finished_ns.saturating_sub(timing.started_ns)),
            credit_wait_us: 0, // An answer that leaves at once has not waited.
            write_queue_us: micros(now.saturating_sub(timing.finished_ns)),
        }
    }

    /// Takes a REQUEST or a NOTICE.
    pub(super) fn handle_request(&mut self, now: u64, frame: Frame) {
        let Header { kind, stream, method, .. } = frame.header;
        // SPEC 5.6: a dialler that has said so makes no further call.
        if self.peer_has_left {
            return self.violation(&format!("{}: after GOAWAY", kind.name()));
        }
        // SPEC 5.1: ids only grow and are never used again.
        let last = self.inbound.last_stream;
        if stream <= last || stream > STREAM_ID_MAX {
            return self.violation(&format!("{}: stream {stream} is not above {last}", kind.name()));
        }
        // It has been seen, also when it is refused, and a CANCEL of it may follow.
        self.inbound.last_stream = stream;
        let one_way = kind == Kind::Notice;
        match self.accept(now, frame) {
            Ok(Accepted { context, request, request_bytes }) => {
                let (deadline_ns, ends_ns) = (context.deadline_ns, now + STREAM_LIFETIME_MS_MAX * 1_000_000);
                let bulk = context.bulk;
                let call = Call {
                    method,
                    arrived_ns: now,
                    started_ns: None,
                    deadline_ns,
                    request_bytes,
                    one_way,
                    bulk,
                    ends_ns,
                };
                self.inbound.request_bytes += request_bytes;
                self.inbound.calls.insert(stream, call);
                match request {
                    Requested::Whole(request) => {
                        self.events.push_back(Event::Request { stream, method, context, request });
                    }
                    Requested::InPieces => {
                        let messages = self.messages(stream, method, Arity::One);
                        messages.pending = Some(context);
                        messages.receiving.announced = u32::try_from(request_bytes).ok();
                        self.want(stream);
                    }
                    Requested::Many => {
                        self.messages(stream, method, Arity::Many);
                        let request = Bytes::new();
                        self.events.push_back(Event::Request { stream, method, context, request });
                    }
                }
            }
            // SPEC 5.9: what would be answered with an error is dropped.
            Err(error) if one_way => self.events.push_back(Event::Dropped { stream, method, error }),
            Err(error) => self.put_error_frame(stream, method, &error, &Ledger::default()),
        }
    }

    /// Whether a call is started, and what its handler gets.
    fn accept(&self, now: u64, frame: Frame) -> Result<Accepted, RpcError> {
        // SPEC 5.6: once draining, nothing further is started.
        if self.draining {
            return Err(RpcError::new(Code::Draining, "this instance is draining"));
        }
        let Header { kind, flags, encoding, .. } = frame.header;
        let mut head = RequestHead::default();
        let mut request = head.read(frame.payload)?;
        let (request, request_bytes) = if flags & flags::END != 0 {
            let length = request.len();
            (Requested::Whole(request), length)
        } else if flags & flags::MORE != 0 && request.len() == 4 {
            (Requested::InPieces, request.get_u32() as usize)
        } else if flags & flags::MORE == 0 && request.is_empty() {
            (Requested::Many, 0)
        } else {
            return Err(RpcError::new(
                Code::BadRequest,
                "a request in pieces begins with its length, and no more",
            ));
        };
        let in_pieces = matches!(request, Requested::InPieces);
        if in_pieces && request_bytes <= FRAGMENT_BYTES_MAX {
            return Err(RpcError::new(Code::BadRequest, "a request that fits one frame comes in one"));
        }
        if request_bytes > if in_pieces { self.allowance().message } else { FRAGMENT_BYTES_MAX } {
            return Err(RpcError::new(Code::MessageTooLarge, "the request is longer than a message may be"));
        }
        self.admit(encoding, request_bytes, head.bulk)?;
        if matches!(request, Requested::Many) && !self.has_room_for_stream() {
            return Err(RpcError::new(Code::Overloaded, "too many streams of messages on this connection"));
        }
        let context = Box::new(CallContext {
            principal: self.principal(head.principal)?,
            deadline_ns: now + u64::from(head.deadline_us) * 1_000,
            request_id: head.request_id,
            trace: head.trace,
            token: head.token,
            metadata: head.metadata,
            one_way: kind == Kind::Notice,
            bulk: head.bulk,
            many: matches!(request, Requested::Many),
            exchange: None,
        });
        Ok(Accepted { context, request, request_bytes })
    }

    /// SPEC 5.5: what exceeds a limit is refused before it is started, so that it may be sent elsewhere at once.
    fn admit(&self, encoding: u8, request_bytes: usize, bulk: bool) -> Result<(), RpcError> {
        if encoding != ENCODING_ID {
            return Err(RpcError::new(
                Code::UnknownEncoding,
                format!("encoding {encoding} is not known here"),
            ));
        }
        if !self.instance_has_room() {
            return Err(RpcError::new(Code::Overloaded, "this instance has too much in flight"));
        }
        // SPEC 6.7: bulk is shed first.
        let share = if bulk { 2 } else { 1 };
        let full = self.inbound.calls.len()
            >= (self.config.hello.calls_in_flight_max as usize).div_ceil(share)
            || self.inbound.request_bytes + request_bytes > self.allowance().requests / share
            || self.outbox.waiting() > WRITE_BUFFER_HIGH_BYTES / share
            || self.flow.queued_bytes > LONG_QUEUE_HIGH_BYTES / share;
        if full {
            Err(RpcError::new(Code::Overloaded, "too much is in flight on this connection"))
        } else {
            Ok(())
        }
    }

    pub(super) fn handle_cancel(&mut self, now: u64, frame: &Frame) {
        let Header { stream, method, .. } = frame.header;
        if !frame.payload.is_empty() {
            return self.violation("CANCEL: it has a payload");
        }
        if stream > self.inbound.last_stream {
            return self.violation("CANCEL: of a stream that was never opened");
        }
        match self.inbound.calls.get_mut(stream) {
            // SPEC 5.9: whoever awaits no answer has nothing to give up.
            Some(call) if call.one_way => return,
            Some(call) if call.method != method => {
                return self.violation("CANCEL: the method is not that of its call");
            }
            _ => {}
        }
        // SPEC 5.4: a CANCEL may cross the answer; then there is nothing left to do.
        self.abandon(now, stream, &RpcError::new(Code::Cancelled, "the caller cancelled the call"));
    }

    /// SPEC 6.1: past its deadline a call is answered, and its handler stopped.
    pub(super) fn expire_inbound(&mut self, now: u64) {
        for stream in self.inbound.calls.due(now) {
            self.abandon(now, stream, &RpcError::new(Code::DeadlineExceeded, "the deadline passed"));
        }
    }

    /// Nobody wants the answer of a call any more, or it can't be given: what is queued of it is dropped (SPEC 5.4).
    pub(super) fn abandon(&mut self, now: u64, stream: u32, error: &RpcError) {
        let Some(call) = self.inbound.remove(stream) else { return };
        let begun = self.has_begun(stream);
        self.forget_messages(stream);
        // SPEC 7.5: what never started has spent its time waiting.
        let started_ns = call.started_ns.unwrap_or(now);
        let ledger = self.account(now, &call, Timing { started_ns, finished_ns: now });
        if !call.one_way {
            self.put_error_frame(stream, call.method, error, &ledger);
        }
        if begun {
            self.events.push_back(Event::Abandoned { stream });
        }
    }

    /// Whether an [`Event::Request`] has told of this call: its request is here whole.
    pub(super) fn has_begun(&self, stream: u32) -> bool {
        self.flow.streams.get(&stream).is_none_or(|messages| messages.pending.is_none())
    }

    fn put_error_frame(&mut self, stream: u32, method: u32, error: &RpcError, ledger: &Ledger) {
        put(self.outbox.calls(), label(Kind::Error, stream, method), self.checksums, |out| {
            put_error(out, error, ledger);
        });
    }
}

fn label(kind: Kind, stream: u32, method: u32) -> Label {
    Label { kind, flags: flags::END, encoding: ENCODING_ID, stream, method }
}
