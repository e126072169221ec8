//! The acceptor's side of calls (SPEC.md sections 5 and 6): each REQUEST gets exactly one terminal frame, a NOTICE none.

use bytes::Bytes;

use super::streams::{InFlight, Streams};
use super::{Connection, Event, put};
use crate::encoding::ENCODING_ID;
use crate::error::{Code, RpcError};
use crate::frame::{Frame, Label, put_error};
use crate::header::{Header, Kind, flags};
use crate::ledger::{Ledger, micros};
use crate::limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_IN_FLIGHT_MAX, WRITE_BUFFER_HIGH_BYTES};
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

impl Connection {
    /// The handler of a call starts now. How long the call has waited for that, in microseconds; `None` when it is over already, and
    /// nobody wants its answer.
    pub fn start(&mut self, now: u64, stream: u32) -> Option<u32> {
        let call = self.inbound.calls.get_mut(stream)?;
        call.started_ns = Some(now);
        Some(micros(now.saturating_sub(call.arrived_ns)))
    }

    /// Answers a call. Does nothing when the call has been abandoned meanwhile.
    pub fn reply(&mut self, now: u64, stream: u32, reply: &[u8], timing: Timing) {
        // SPEC 4.2: a reply fits what a message may be, and what the peer accepts.
        if reply.len() > MESSAGE_BYTES_MAX.min(self.peer.frame_payload_max as usize - Ledger::BYTES) {
            let error = RpcError::new(Code::MessageTooLarge, "the reply is longer than a message may be");
            return self.fail(now, stream, &error, timing);
        }
        let Some(call) = self.inbound.remove(stream) else { return };
        let ledger = self.account(now, &call, timing);
        // SPEC 5.9: nothing is ever sent on the stream of a one-way call.
        if !call.one_way {
            put(&mut self.output, label(Kind::Reply, stream, call.method), self.checksums, |out| {
                ledger.encode(out);
                out.extend_from_slice(reply);
            });
        }
        self.bound_output();
        self.finish_if_drained();
    }

    /// Answers a call with an error. Does nothing when the call has been abandoned meanwhile.
    pub fn fail(&mut self, now: u64, stream: u32, error: &RpcError, timing: Timing) {
        let Some(call) = self.inbound.remove(stream) else { return };
        let ledger = self.account(now, &call, timing);
        if !call.one_way {
            self.put_error_frame(stream, call.method, error, &ledger);
        }
        self.bound_output();
        self.finish_if_drained();
    }

    fn account(&self, now: u64, call: &Call, timing: Timing) -> Ledger {
        Ledger {
            receive_queue_us: micros(timing.started_ns.saturating_sub(call.arrived_ns)),
            handler_us: micros(timing.finished_ns.saturating_sub(timing.started_ns)),
            credit_wait_us: 0, // A unary reply needs no credit.
            write_queue_us: micros(now.saturating_sub(timing.finished_ns)),
        }
    }

    /// Takes a REQUEST or a NOTICE.
    pub(super) fn handle_request(&mut self, now: u64, frame: Frame) {
        let Header { kind, stream, method, flags, .. } = frame.header;
        // SPEC 5.1: ids only grow and are never used again.
        if stream <= self.inbound.last_stream {
            return self.violation(&format!(
                "{}: stream {stream} is not above {}",
                kind.name(),
                self.inbound.last_stream
            ));
        }
        if flags & flags::END == 0 {
            return self.violation("REQUEST: streams of requests are reserved in this version");
        }
        // It has been seen, also when it is refused, and a CANCEL of it may follow.
        self.inbound.last_stream = stream;
        let (one_way, request_bytes) = (kind == Kind::Notice, frame.payload.len());
        match self.accept(now, frame) {
            Ok((context, request)) => {
                let deadline_ns = context.deadline_ns;
                let call =
                    Call { method, arrived_ns: now, started_ns: None, deadline_ns, request_bytes, one_way };
                self.inbound.request_bytes += request_bytes;
                self.inbound.calls.insert(stream, call);
                self.events.push_back(Event::Request { stream, method, context: Box::new(context), request });
            }
            // SPEC 5.9: what would be answered with an error is dropped.
            Err(error) if one_way => self.events.push_back(Event::Dropped { stream, method, error }),
            Err(error) => self.put_error_frame(stream, method, &error, &Ledger::default()),
        }
    }

    /// Whether a call is started, and what its handler gets.
    fn accept(&self, now: u64, frame: Frame) -> Result<(CallContext, Bytes), RpcError> {
        // SPEC 5.6: once draining, nothing further is started.
        if self.draining {
            return Err(RpcError::new(Code::Draining, "this instance is draining"));
        }
        self.admit(frame.header.encoding, frame.payload.len())?;
        let (head, request) = RequestHead::decode(frame.payload)?;
        let context = CallContext { one_way: frame.header.kind == Kind::Notice, ..self.context(now, head)? };
        if request.len() > MESSAGE_BYTES_MAX {
            return Err(RpcError::new(Code::MessageTooLarge, "the request is longer than a message may be"));
        }
        Ok((context, request))
    }

    /// SPEC 5.5: what exceeds a limit is refused before it is started, so that it may be sent elsewhere at once.
    fn admit(&self, encoding: u8, request_bytes: usize) -> Result<(), RpcError> {
        if encoding != ENCODING_ID {
            return Err(RpcError::new(
                Code::UnknownEncoding,
                format!("encoding {encoding} is not known here"),
            ));
        }
        let full = self.inbound.calls.len() >= self.config.hello.calls_in_flight_max as usize
            || self.inbound.request_bytes + request_bytes > REQUEST_BYTES_IN_FLIGHT_MAX
            || self.output.len() > WRITE_BUFFER_HIGH_BYTES;
        if !self.instance_has_room() {
            return Err(RpcError::new(Code::Overloaded, "this instance has too much in flight"));
        }
        if full {
            Err(RpcError::new(Code::Overloaded, "too much is in flight on this connection"))
        } else {
            Ok(())
        }
    }

    fn context(&self, now: u64, head: RequestHead) -> Result<CallContext, RpcError> {
        Ok(CallContext {
            principal: self.principal(head.principal)?,
            deadline_ns: now + u64::from(head.deadline_us) * 1_000,
            request_id: head.request_id,
            trace: head.trace,
            token: head.token,
            metadata: head.metadata,
            one_way: false,
        })
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

    fn abandon(&mut self, now: u64, stream: u32, error: &RpcError) {
        let Some(call) = self.inbound.remove(stream) else { return };
        // SPEC 7.5: what never started has spent its time waiting.
        let started_ns = call.started_ns.unwrap_or(now);
        let ledger = self.account(now, &call, Timing { started_ns, finished_ns: now });
        if !call.one_way {
            self.put_error_frame(stream, call.method, error, &ledger);
        }
        self.events.push_back(Event::Abandoned { stream });
    }

    fn put_error_frame(&mut self, stream: u32, method: u32, error: &RpcError, ledger: &Ledger) {
        put(&mut self.output, label(Kind::Error, stream, method), self.checksums, |out| {
            put_error(out, error, ledger);
        });
    }
}

fn label(kind: Kind, stream: u32, method: u32) -> Label {
    Label { kind, flags: flags::END, encoding: ENCODING_ID, stream, method }
}
