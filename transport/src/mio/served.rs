//! One connection of the synchronous server: its calls, answered by a service in the turn in which they were read.

mod streams;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use micronet_wire::conn::{Config, Connection, Event, Standing, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::LINGER_MS_MAX;
use micronet_wire::schema::{CallShape, EncodedSchema};
use micronet_wire::service::{Answer, CallContext};

pub use self::streams::Replies;
use self::streams::Streams;
use super::socket::{ReadBuffer, Socket};
use crate::clock;

/// What is written in less than a microsecond.
const SMALL_REPLY_BYTES: usize = 4 << 10;

/// A service of plain functions. A closure is one.
pub trait SyncService {
    /// Answers a call, while all other connections of the server wait.
    ///
    /// # Errors
    /// What the caller is told instead.
    fn handle(&self, context: &CallContext, method: u32, request: Bytes) -> Answer;

    /// How many messages a method takes and gives, and so which of these functions answers it.
    fn shape(&self, method: u32) -> CallShape {
        let _ = method;
        CallShape::Unary
    }

    /// Answers a call of a method of [`CallShape::ClientStream`], once all its requests have come. On each connection as much is
    /// gathered of them as its credit is, [`CONNECTION_CREDIT_BYTES`](micronet_wire::limits::CONNECTION_CREDIT_BYTES), of strangers
    /// [`STRANGER_CREDIT_BYTES`](micronet_wire::limits::STRANGER_CREDIT_BYTES); calls with more fail.
    ///
    /// # Errors
    /// What the caller is told instead.
    fn handle_requests(&self, context: &CallContext, method: u32, requests: Vec<Bytes>) -> Answer {
        let _ = (context, method, requests);
        Err(RpcError::new(Code::UnknownMethod, "no such method"))
    }

    /// Answers a call of a method of [`CallShape::ServerStream`], which has one request, or of [`CallShape::Bidirectional`], once all
    /// its requests have come: so this is for no conversation in which a request depends on a reply.
    ///
    /// # Errors
    /// What the caller is told instead.
    fn handle_stream(
        &self,
        context: &CallContext,
        method: u32,
        requests: Vec<Bytes>,
    ) -> Result<Replies, RpcError> {
        let _ = (context, method, requests);
        Err(RpcError::new(Code::UnknownMethod, "no such method"))
    }

    /// The service's schema, if it has one.
    fn schema(&self) -> Option<&EncodedSchema> {
        None
    }
}

impl<F: Fn(&CallContext, u32, Bytes) -> Answer> SyncService for F {
    fn handle(&self, context: &CallContext, method: u32, request: Bytes) -> Answer {
        self(context, method, request)
    }
}

/// A connection with its socket.
pub(super) struct Served {
    socket: Socket,
    connection: Connection,
    streams: Streams,
    phase: Phase,
    /// For when it is armed in the server's deadlines.
    pub(super) armed_ns: u64,
    /// It waits for a turn.
    pub(super) queued: bool,
}

/// ```text
///   Open --the connection is over--> SayingLastWords --written--> Lingering --the peer's end, or too long--> Gone
///     \____________________________ before the peer has said anything _______________________________________/
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    SayingLastWords { until_ns: u64 },
    Lingering { until_ns: u64 },
    Gone,
}

impl Served {
    pub(super) fn new(socket: Socket, config: Config) -> Self {
        let connection = Connection::new(config, clock::now());
        Self {
            socket,
            connection,
            streams: Streams::default(),
            phase: Phase::Open,
            armed_ns: u64::MAX,
            queued: false,
        }
    }

    /// Notes what the operating system has told.
    pub(super) fn heed(&mut self, event: &mio::event::Event) {
        self.socket.heed(event);
    }

    /// Reads, whether something was told of or not. Whether that makes it wait for a turn.
    pub(super) fn hears(&mut self, buffer: &mut ReadBuffer) -> bool {
        let heard = self.phase == Phase::Open && self.socket.receive(&mut self.connection, buffer);
        heard && !std::mem::replace(&mut self.queued, true)
    }

    /// Nothing is left to do here.
    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// There is more to do at once: something to read, or room for messages that writing has made.
    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Open && (self.socket.is_readable() || self.connection.has_event())
    }

    /// Nothing has been proved by the peer, and the connection isn't over.
    pub(super) fn is_stranger(&self) -> bool {
        self.phase == Phase::Open && self.connection.standing() == Standing::Anonymous
    }

    /// When it has to have a turn at the latest, `u64::MAX` for never.
    pub(super) fn due_ns(&self) -> u64 {
        match self.phase {
            Phase::Open => self.connection.next_deadline().unwrap_or(u64::MAX),
            Phase::SayingLastWords { until_ns } | Phase::Lingering { until_ns } => until_ns,
            Phase::Gone => u64::MAX,
        }
    }

    pub(super) fn drain(&mut self) {
        self.connection.drain();
        self.streams.send_elsewhere(&mut self.connection);
    }

    pub(super) fn send_away(&mut self) {
        self.connection.close(Code::Overloaded, "too many connections that have proved nothing");
    }

    /// One turn: feed, act on events, transmit. It reads once, so that a peer who always has more to say doesn't hold up the others.
    pub(super) fn turn(&mut self, service: &impl SyncService, buffer: &mut ReadBuffer) {
        if self.phase == Phase::Open {
            if self.socket.is_readable() {
                self.socket.receive(&mut self.connection, buffer);
            }
            let now = clock::now();
            if self.connection.next_deadline().is_some_and(|due_ns| due_ns <= now) {
                self.connection.handle_timeout(now);
            }
            self.act_on_events(service, now);
            while self.socket.receive_more(&mut self.connection) {
                self.act_on_events(service, clock::now());
            }
            // SPEC 1.3: the HELLO is held back until the peer's first byte. A peer that never says any isn't even told why it ends.
            if !self.socket.has_heard() {
                if self.connection.is_closed() {
                    self.phase = Phase::Gone;
                }
                return;
            }
        }
        let all_said = self.socket.transmit(&mut self.connection);
        if self.phase == Phase::Open {
            if !self.connection.is_closed() {
                return;
            }
            self.phase = Phase::SayingLastWords { until_ns: clock::now() + LINGER_MS_MAX * 1_000_000 };
        }
        self.leave(all_said, buffer);
    }

    fn leave(&mut self, all_said: bool, buffer: &mut ReadBuffer) {
        if let Phase::SayingLastWords { until_ns } = self.phase
            && all_said
        {
            self.socket.finish_writing();
            self.phase = Phase::Lingering { until_ns };
        }
        if let Phase::SayingLastWords { until_ns } | Phase::Lingering { until_ns } = self.phase
            && (self.socket.has_ended(buffer) || clock::now() >= until_ns)
        {
            self.phase = Phase::Gone;
        }
    }

    /// `now` is the time; what handlers take is added to it.
    fn act_on_events(&mut self, service: &impl SyncService, mut now: u64) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Request { stream, method, context, request } => {
                    now = self.handle(service, now, stream, method, context, request);
                }
                Event::Message { stream, message } => {
                    self.streams.request(&mut self.connection, stream, message);
                }
                Event::MessagesEnded { stream } => {
                    self.streams.answer(service, &mut self.connection, stream);
                    now = clock::now();
                }
                Event::Room { stream } => self.streams.reply(&mut self.connection, stream),
                Event::Abandoned { stream } => drop(self.streams.forget(stream)),
                Event::Dropped { method, error, .. } => tell_unheard(method, &error),
                Event::Closed { error, by_peer } => {
                    self.streams.forget_all();
                    if let Some(error) = error {
                        tracing::info!(%error, by_peer, "connection ended");
                    }
                }
                // The others are a dialler's.
                _ => {}
            }
        }
    }

    /// Starts to handle a call, by the function for its shape; when the next one may start.
    fn handle(
        &mut self,
        service: &impl SyncService,
        now: u64,
        stream: u32,
        method: u32,
        context: Box<CallContext>,
        request: Bytes,
    ) -> u64 {
        let shape = service.shape(method);
        let requests_come = matches!(shape, CallShape::ClientStream | CallShape::Bidirectional);
        if !context.many && !requests_come && shape != CallShape::ServerStream {
            return self.answer(service, now, stream, method, &context, request);
        }
        if self.connection.start(now, stream).is_none() && !context.one_way {
            return now;
        }
        let refused = match (context.one_way, context.many, requests_come) {
            (true, ..) => Some("answers its calls"),
            (false, true, false) => Some("takes one request"),
            (false, false, true) => Some("takes its requests one by one"),
            _ => None,
        };
        if let Some(how) = refused {
            let error = RpcError::new(Code::BadRequest, format!("a call of another shape: the method {how}"));
            self.fail(now, stream, method, &context, &error);
        } else if context.deadline_ns <= now {
            self.fail(now, stream, method, &context, &too_late());
        } else {
            let call = (stream, method, shape);
            self.streams.begin(service, &mut self.connection, call, context, request, now);
        }
        clock::now()
    }

    /// Answers a call that isn't handled.
    fn fail(&mut self, now: u64, stream: u32, method: u32, context: &CallContext, error: &RpcError) {
        if context.one_way {
            tell_unheard(method, error);
        }
        self.connection.fail(now, stream, error, Timing { started_ns: now, finished_ns: now });
    }

    /// Answers a call whose handler starts now. Returns when the next one may start: reading the clock costs as much as a small call.
    fn answer(
        &mut self,
        service: &impl SyncService,
        started_ns: u64,
        stream: u32,
        method: u32,
        context: &CallContext,
        request: Bytes,
    ) -> u64 {
        // SPEC 5.4: what was given up while it waited isn't executed; it has been answered.
        if self.connection.start(started_ns, stream).is_none() && !context.one_way {
            return started_ns;
        }
        // SPEC 6.1, 5.9: what has waited for longer than its deadline isn't executed.
        let answer = if context.deadline_ns <= started_ns {
            Err(too_late())
        } else {
            catch_unwind(AssertUnwindSafe(|| service.handle(context, method, request)))
                .unwrap_or_else(|_| Err(panicked()))
        };
        let finished_ns = clock::now();
        let timing = Timing { started_ns, finished_ns };
        match answer {
            Ok(reply) => {
                self.connection.reply(finished_ns, stream, &reply, timing);
                // What a large reply took to be written is not the next call's.
                if reply.len() > SMALL_REPLY_BYTES {
                    return clock::now();
                }
            }
            Err(error) => {
                if context.one_way {
                    tell_unheard(method, &error);
                }
                self.connection.fail(finished_ns, stream, &error, timing);
            }
        }
        finished_ns
    }
}

fn tell_unheard(method: u32, error: &RpcError) {
    tracing::debug!(method = format_args!("{method:#010x}"), %error, "a one-way call came to nothing");
}

fn too_late() -> RpcError {
    RpcError::new(Code::DeadlineExceeded, "it waited beyond its deadline")
}

fn panicked() -> RpcError {
    tracing::error!("a handler panicked");
    RpcError::new(Code::Internal, "the service failed; its log says how")
}
