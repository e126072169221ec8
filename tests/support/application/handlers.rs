//! The acceptor's handlers: they read requests, say replies, answer at once or later, fail in between, or hang.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use micronet_wire::conn::{Arity, Connection, Standing, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::FRAGMENT_BYTES_MAX;
use micronet_wire::principal::Principal;
use micronet_wire::service::CallContext;

use super::Shape;
use super::content::{Mark, message};
use super::talk::{Listener, Speaker};
use crate::plan::Habits;
use crate::random::Random;

/// A handler at work.
#[derive(Debug)]
struct Handler {
    id: u64,
    shape: Shape,
    deadline_ns: u64,
    started_ns: u64,
    /// When it has its answer; never, if it hangs.
    due_ns: u64,
    /// The length of its reply; none if it fails.
    reply_bytes: Option<usize>,
    /// Its reply waits for others.
    bulk: bool,
    /// It answers when it has read all requests.
    reads_all: bool,
    speaker: Option<Speaker>,
    listener: Option<Listener>,
}

impl Handler {
    fn is_done(&self, now: u64) -> bool {
        let read = !self.reads_all || self.listener.as_ref().is_none_or(Listener::is_done);
        self.due_ns <= now && read && self.speaker.as_ref().is_none_or(|speaker| speaker.done)
    }

    fn next_due(&self) -> Option<u64> {
        let speaker = self.speaker.as_ref().and_then(Speaker::next_due);
        let listener = self.listener.as_ref().and_then(Listener::next_due);
        let waits = self.speaker.as_ref().is_some_and(|speaker| !speaker.done)
            || (self.reads_all && self.listener.as_ref().is_some_and(|listener| !listener.is_done()));
        let answer = (!waits && self.due_ns < u64::MAX).then_some(self.due_ns);
        [speaker, listener, answer].into_iter().flatten().min()
    }
}

/// The acceptor's handlers by stream.
#[derive(Debug, Default)]
pub struct Handlers {
    at_work: BTreeMap<u32, Handler>,
    /// Calls whose answers may have to wait until they are on their way.
    answering: BTreeSet<u32>,
    started: BTreeSet<u32>,
    /// How many messages were said before a reply, by stream.
    pub said: BTreeMap<u32, u32>,
    /// Calls that may well run out of time in the calmest weather.
    pub hopeless: BTreeSet<u32>,
}

impl Handlers {
    /// Starts to handle a request.
    ///
    /// # Errors
    /// When its head isn't what its caller sent, or its principal isn't whom the dialler stands for.
    pub fn start(
        &mut self,
        now: u64,
        (stream, shape): (u32, Shape),
        context: &CallContext,
        standing: Standing,
        habits: &Habits,
        random: &mut Random,
    ) -> Result<u64, String> {
        let id = context.token.as_deref().and_then(|token| token.strip_prefix('t')?.parse().ok());
        let id: u64 = id.ok_or_else(|| format!("stream {stream} has the token {:?}", context.token))?;
        if context.request_id != format!("r{id}") {
            return Err(format!("stream {stream}: request {:?} with token {id}", context.request_id));
        }
        let fits = match &context.principal {
            Principal::User { subject, .. } => standing == Standing::Cluster && *subject == format!("u{id}"),
            Principal::Service { name } => standing == Standing::Cluster && name == "dialler",
            Principal::Operator => standing == Standing::Operator,
            Principal::Anonymous => standing == Standing::Anonymous,
        };
        if !fits {
            return Err(format!("stream {stream}: {:?} by a peer that is {standing:?}", context.principal));
        }
        if !self.started.insert(stream) {
            return Err(format!("stream {stream} is used again"));
        }
        let due_ns = match random.below(10) {
            0..5 => now,
            5..9 => now + random.below(500_000_000),
            _ => u64::MAX,
        };
        let replies = habits.messages(random);
        let listener = shape.has_requests().then(|| Listener::new(habits.pace(now, random), now));
        let speaks = shape.replies() == Arity::Many;
        let handler = Handler {
            id,
            shape,
            // A call with requests lives from one piece of them to the next.
            deadline_ns: if shape.has_requests() { u64::MAX } else { context.deadline_ns },
            started_ns: now,
            due_ns,
            reply_bytes: random.percent(85).then(|| if speaks { 0 } else { habits.bytes(random) }),
            bulk: context.bulk,
            reads_all: random.percent(80),
            speaker: speaks.then(|| Speaker::new(replies, random.below(5_000_000), now)),
            listener,
        };
        if handler.due_ns == u64::MAX || handler.listener.as_ref().is_some_and(Listener::never_reads) {
            self.hopeless.insert(stream);
        }
        self.at_work.insert(stream, handler);
        Ok(id)
    }

    /// Takes a request of a stream of them.
    ///
    /// # Errors
    /// When it is another call's, or not the next.
    pub fn hear(&mut self, stream: u32, message: Bytes) -> Result<(), String> {
        let Some(handler) = self.at_work.get_mut(&stream) else {
            return self.is_answering(stream, "a message");
        };
        match &mut handler.listener {
            Some(listener) => listener.hear(handler.id, true, message),
            None => Err(format!("stream {stream} gets a message after its request")),
        }
    }

    fn is_answering(&self, stream: u32, what: &str) -> Result<(), String> {
        match self.answering.contains(&stream) {
            true => Ok(()),
            false => Err(format!("{what} comes for stream {stream}, and nobody works there")),
        }
    }

    /// No further request comes; how many have come.
    ///
    /// # Errors
    /// When none should have.
    pub fn end_requests(&mut self, stream: u32) -> Result<Option<u32>, String> {
        let Some(handler) = self.at_work.get_mut(&stream) else {
            return self.is_answering(stream, "an end").map(|()| None);
        };
        match &mut handler.listener {
            Some(listener) if !listener.ended => {
                listener.ended = true;
                Ok(Some(listener.heard))
            }
            _ => Err(format!("the requests of stream {stream} end, and there are none")),
        }
    }

    /// A stream has room.
    pub fn has_room(&mut self, stream: u32) {
        if let Some(Handler { speaker: Some(speaker), .. }) = self.at_work.get_mut(&stream) {
            speaker.has_room();
        }
    }

    /// Stops a handler.
    ///
    /// # Errors
    /// When none is at work there.
    pub fn abandon(&mut self, stream: u32) -> Result<(), String> {
        let was_answering = self.answering.remove(&stream);
        if self.at_work.remove(&stream).is_some() || was_answering {
            return Ok(());
        }
        Err(format!("stream {stream} is abandoned, but not at work"))
    }

    /// When the next one has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.at_work.values().filter_map(Handler::next_due).min()
    }

    /// The connection is over, and nobody says any more when a deadline has passed. Stops those that are late; when the next
    /// one will be.
    pub fn keep_deadlines(&mut self, now: u64) -> Option<u64> {
        self.at_work.retain(|_, handler| handler.deadline_ns > now);
        self.at_work.values().map(|handler| handler.deadline_ns).min()
    }

    /// Whether all of them work for one-way calls.
    #[must_use]
    pub fn all_one_way(&self) -> bool {
        self.at_work.values().all(|handler| handler.shape == Shape::OneWay)
    }

    /// Reads, says, and hands over the answers that are due; how many.
    ///
    /// # Errors
    /// When the connection doesn't take a message.
    pub fn work(&mut self, now: u64, connection: &mut Connection) -> Result<usize, String> {
        let mut done = Vec::new();
        for (stream, handler) in &mut self.at_work {
            if let Some(listener) = &mut handler.listener {
                listener.read(now, *stream, connection);
            }
            if let Some(speaker) = &mut handler.speaker {
                let before = speaker.said;
                let spoken = speaker.speak(now, *stream, (handler.id, false), connection);
                spoken.map_err(|error| format!("stream {stream} can't say a reply: {error}"))?;
                if speaker.said > before {
                    // From now on the call lives from message to message.
                    handler.deadline_ns = u64::MAX;
                }
            }
            if handler.is_done(now) {
                done.push(*stream);
            }
        }
        for stream in &done {
            let Some(handler) = self.at_work.remove(stream) else { continue };
            let timing = Timing { started_ns: handler.started_ns, finished_ns: now };
            let said = handler.speaker.as_ref().map_or(0, |speaker| speaker.said);
            let is_long = handler.reply_bytes.is_some_and(|bytes| bytes > FRAGMENT_BYTES_MAX);
            if !connection.is_closed() && (is_long || handler.bulk || !connection.has_room(*stream)) {
                self.answering.insert(*stream);
            }
            match handler.reply_bytes {
                Some(bytes) => {
                    self.said.insert(*stream, said);
                    let mark = Mark { call: handler.id, by_caller: false, index: 0 };
                    let reply = if handler.speaker.is_some() { Bytes::new() } else { message(mark, bytes) };
                    connection.reply(now, *stream, &reply, timing);
                }
                None => connection.fail(now, *stream, &RpcError::new(Code::Internal, "simulated"), timing),
            }
        }
        Ok(done.len())
    }

    /// Handlers at work, and answers that may be waiting.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.at_work.len(), self.answering.len())
    }

    /// Whether none is at work.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at_work.is_empty()
    }

    /// Whether somebody has begun to work for a call.
    #[must_use]
    pub fn has_started(&self, stream: u32) -> bool {
        self.started.contains(&stream)
    }

    /// The streams of all that work.
    pub fn streams(&self) -> impl Iterator<Item = u32> {
        self.at_work.keys().copied()
    }

    /// Checks that nobody works for a call that is over.
    ///
    /// # Errors
    /// When somebody does.
    pub fn check(&self, now: u64) -> Result<(), String> {
        match self.at_work.iter().find(|(_, handler)| handler.deadline_ns < now) {
            None => Ok(()),
            Some((stream, handler)) => Err(format!(
                "stream {stream} is worked on {} ns past its deadline",
                now - handler.deadline_ns
            )),
        }
    }
}
