//! The calls with streams of messages of a synchronous server's connection.
//!
//! One loop serves everybody, so no handler waits for a message. Requests are gathered until the last one has come, and handed over
//! together; replies are an iterator's, of which the loop takes the next when the peer has credit for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use micronet_wire::conn::{Connection, Standing, StreamMap, Timing};
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::limits::{CONNECTION_CREDIT_BYTES, STRANGER_CREDIT_BYTES};
use micronet_wire::schema::CallShape;
use micronet_wire::service::{Answer, CallContext};

use super::{SyncService, panicked};
use crate::clock;

/// The replies of a stream, one by one. It ends after the last one, or with an error, which is what the caller is told then. What
/// [`next`](Iterator::next) does holds up all connections of the server.
pub type Replies = Box<dyn Iterator<Item = Answer>>;

/// Those of one connection.
#[derive(Default)]
pub(super) struct Streams {
    streams: StreamMap<Stream>,
    /// What the gathered requests of all of them take.
    gathered_bytes: usize,
}

struct Stream {
    method: u32,
    shape: CallShape,
    started_ns: u64,
    work: Work,
}

enum Work {
    /// Requests come.
    Gathering { context: Box<CallContext>, requests: Vec<Bytes> },
    /// Replies go.
    Replying(Replies),
}

/// What a gathered request takes, which is never nothing.
fn weight(request: &Bytes) -> usize {
    request.len() + size_of::<Bytes>()
}

/// How much is gathered on a connection: as much as its credit is. SPEC 12.4: of strangers little is kept.
fn gathered_bytes_max(connection: &Connection) -> usize {
    let is_stranger = connection.standing() == Standing::Anonymous;
    (if is_stranger { STRANGER_CREDIT_BYTES } else { CONNECTION_CREDIT_BYTES }) as usize
}

fn has_replies(shape: CallShape) -> bool {
    matches!(shape, CallShape::ServerStream | CallShape::Bidirectional)
}

fn too_much() -> RpcError {
    RpcError::new(
        Code::Overloaded,
        "more requests than are gathered on a connection: send them in several calls",
    )
}

impl Streams {
    /// Begins a call with streams of messages, which has been started.
    pub(super) fn begin(
        &mut self,
        service: &impl SyncService,
        connection: &mut Connection,
        (stream, method, shape): (u32, u32, CallShape),
        context: Box<CallContext>,
        request: Bytes,
        started_ns: u64,
    ) {
        let many = context.many;
        let requests = if many { Vec::new() } else { vec![request] };
        self.gathered_bytes += requests.iter().map(weight).sum::<usize>();
        let work = Work::Gathering { context, requests };
        self.streams.insert(stream, Stream { method, shape, started_ns, work });
        if many {
            connection.await_message(stream);
        } else {
            self.answer(service, connection, stream);
        }
    }

    /// A request has come. It is consumed at once: what is gathered here has a limit of its own.
    pub(super) fn request(&mut self, connection: &mut Connection, stream: u32, request: Bytes) {
        let Some(Stream { work: Work::Gathering { requests, .. }, .. }) = self.streams.get_mut(&stream)
        else {
            return;
        };
        connection.consumed(stream, request.len());
        if self.gathered_bytes + weight(&request) > gathered_bytes_max(connection) {
            return self.end(connection, stream, Err(too_much()));
        }
        self.gathered_bytes += weight(&request);
        requests.push(request);
        connection.await_message(stream);
    }

    /// All requests are there: the handler answers.
    pub(super) fn answer(&mut self, service: &impl SyncService, connection: &mut Connection, stream: u32) {
        let Some(Stream { method, shape, work, .. }) = self.streams.get_mut(&stream) else { return };
        let (method, shape) = (*method, *shape);
        let Work::Gathering { context, requests } = work else { return };
        let requests = std::mem::take(requests);
        self.gathered_bytes -= requests.iter().map(weight).sum::<usize>();
        if !has_replies(shape) {
            let answer = guarded(|| service.handle_requests(context, method, requests));
            return self.end(connection, stream, answer);
        }
        match guarded(|| service.handle_stream(context, method, requests)) {
            Ok(replies) => {
                *work = Work::Replying(replies);
                self.reply(connection, stream);
            }
            Err(error) => self.end(connection, stream, Err(error)),
        }
    }

    /// Sends replies for as long as there is room.
    pub(super) fn reply(&mut self, connection: &mut Connection, stream: u32) {
        // Whether it lives is asked each time: there are iterators without an end.
        while connection.has_call(stream) && connection.has_room(stream) {
            let Some(Stream { work: Work::Replying(replies), .. }) = self.streams.get_mut(&stream) else {
                return;
            };
            match guarded(|| replies.next().transpose()) {
                Ok(Some(reply)) => {
                    if let Err(error) = connection.say(clock::now(), stream, reply, false) {
                        return self.end(connection, stream, Err(error));
                    }
                }
                Ok(None) => return self.end(connection, stream, Ok(Bytes::new())),
                Err(error) => return self.end(connection, stream, Err(error)),
            }
        }
    }

    /// Ends a call with its answer.
    fn end(&mut self, connection: &mut Connection, stream: u32, answer: Answer) {
        let Some(started_ns) = self.forget(stream) else { return };
        let finished_ns = clock::now();
        let timing = Timing { started_ns, finished_ns };
        match answer {
            Ok(reply) => connection.reply(finished_ns, stream, &reply, timing),
            Err(error) => connection.fail(finished_ns, stream, &error, timing),
        }
    }

    /// A call is over; when it was started.
    pub(super) fn forget(&mut self, stream: u32) -> Option<u64> {
        let Stream { started_ns, work, .. } = self.streams.remove(&stream)?;
        if let Work::Gathering { requests, .. } = work {
            self.gathered_bytes -= requests.iter().map(weight).sum::<usize>();
        }
        Some(started_ns)
    }

    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    /// Draining: streams of replies would hold it up until their ends. Whoever reads them goes on at another instance.
    pub(super) fn send_elsewhere(&mut self, connection: &mut Connection) {
        let with_replies = self.streams.iter().filter(|(_, call)| has_replies(call.shape));
        let mut streams: Vec<u32> = with_replies.map(|(stream, _)| *stream).collect();
        streams.sort_unstable();
        for stream in streams {
            let error = RpcError::new(Code::Draining, "this instance drains: open the stream elsewhere");
            self.end(connection, stream, Err(error.retry(Retry::MaybeExecuted, 0)));
        }
    }
}

/// Runs what a service wrote; its panic is its own call's.
fn guarded<T>(work: impl FnOnce() -> Result<T, RpcError>) -> Result<T, RpcError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()))
}
