//! What the two sides of a simulated connection do, and what must hold of every call: a model of the calls that is
//! simpler than the connection, and checks it.

use std::collections::BTreeMap;

use bytes::Bytes;
use micronet_wire::conn::{Connection, Standing, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::principal::Principal;
use micronet_wire::service::{CallContext, CallOptions};

use crate::random::Random;

/// The method that every simulated call names.
pub const METHOD: u32 = 0xA45F_A70A;

/// What a script does.
#[derive(Debug, Clone)]
pub enum Command {
    /// Makes a call with this time until its deadline, and a request of so many bytes after its id.
    Call {
        /// The time until the deadline, in nanoseconds.
        patience_ns: u64,
        /// Bytes of request after the id.
        bytes: usize,
        /// Whether it names a principal.
        for_user: bool,
        /// Whether it is a one-way call.
        one_way: bool,
    },
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

/// A call as its caller knows it.
#[derive(Debug, Clone)]
pub struct Call {
    /// What request and reply begin with.
    pub id: u64,
    /// When it must be over, in nanoseconds.
    pub deadline_ns: u64,
    /// How it ended, once.
    pub end: Option<End>,
}

/// The dialler's calls by stream.
#[derive(Debug, Default)]
pub struct Caller {
    /// All calls that were made and have an answer.
    pub calls: BTreeMap<u32, Call>,
    /// All one-way calls that were made, with what their requests begin with.
    pub sent: BTreeMap<u32, u64>,
    next_id: u64,
}

impl Caller {
    /// Makes a call, one-way or not, and says what became of it: a stream, or the code of the refusal.
    ///
    /// # Errors
    /// When the connection gives a stream twice, or refuses for a reason that makes no sense.
    pub fn call(
        &mut self,
        now: u64,
        connection: &mut Connection,
        (patience_ns, bytes, for_user, one_way): (u64, usize, bool, bool),
    ) -> Result<Result<u32, Code>, String> {
        self.next_id += 1;
        let id = self.next_id;
        let mut request = id.to_be_bytes().to_vec();
        request.resize(8 + bytes, 0xA5);
        let subject = || Principal::User { subject: format!("u{id}"), permissions: vec!["p".into()] };
        let options = CallOptions {
            principal: for_user.then(subject),
            deadline_ns: now + patience_ns,
            request_id: format!("r{id}"),
            token: Some(format!("t{id}")),
            ..CallOptions::default()
        };
        let request = Bytes::from(request);
        let make = if one_way { Connection::send } else { Connection::call };
        match make(connection, now, METHOD, &request, options) {
            Ok(stream) if self.calls.contains_key(&stream) || self.sent.contains_key(&stream) => {
                Err(format!("stream {stream} was given twice"))
            }
            Ok(stream) if one_way => {
                self.sent.insert(stream, id);
                Ok(Ok(stream))
            }
            Ok(stream) => {
                let call = Call { id, deadline_ns: now + patience_ns.max(1_000), end: None };
                self.calls.insert(stream, call);
                Ok(Ok(stream))
            }
            Err(RpcError {
                code: code @ (Code::Unavailable | Code::Draining | Code::Overloaded | Code::MessageTooLarge),
                ..
            }) => Ok(Err(code)),
            Err(error) => Err(format!("a call is refused with {error}")),
        }
    }

    /// Cancels one of the calls in flight, if there is any.
    pub fn cancel(&mut self, connection: &mut Connection, random: &mut Random) -> Option<u32> {
        let open: Vec<u32> =
            self.calls.iter().filter(|(_, call)| call.end.is_none()).map(|(stream, _)| *stream).collect();
        let stream = (!open.is_empty()).then(|| *random.pick(&open))?;
        connection.cancel(stream);
        self.calls.get_mut(&stream)?.end = Some(End::Cancelled);
        Some(stream)
    }

    /// Takes the end of a call.
    ///
    /// # Errors
    /// When it has ended before, when it is too late, or when the reply is another call's.
    pub fn ended(&mut self, now: u64, stream: u32, end: End) -> Result<(), String> {
        let call =
            self.calls.get_mut(&stream).ok_or(format!("an end of stream {stream}, which is no call"))?;
        if let Some(before) = &call.end {
            return Err(format!("stream {stream} ends by {end:?} after {before:?}"));
        }
        if now > call.deadline_ns {
            return Err(format!("stream {stream} ends {} ns after its deadline", now - call.deadline_ns));
        }
        if let End::Reply(reply) = &end
            && reply.first_chunk() != Some(&call.id.to_be_bytes())
        {
            return Err(format!("stream {stream} got the reply of another call"));
        }
        call.end = Some(end);
        Ok(())
    }

    /// Calls without an end.
    #[must_use]
    pub fn open(&self) -> usize {
        self.calls.values().filter(|call| call.end.is_none()).count()
    }
}

/// A handler at work.
#[derive(Debug)]
struct Handler {
    id: u64,
    deadline_ns: u64,
    started_ns: u64,
    /// When it has its answer; never, if it hangs.
    due_ns: u64,
    reply_bytes: Option<usize>,
    one_way: bool,
}

/// The acceptor's handlers by stream.
#[derive(Debug, Default)]
pub struct Handlers {
    at_work: BTreeMap<u32, Handler>,
    last_stream: u32,
}

impl Handlers {
    /// Starts to handle a request: at once, after a while, or never to be done.
    ///
    /// # Errors
    /// When the request isn't what its caller sent, or its principal isn't whom the dialler stands for.
    pub fn start(
        &mut self,
        now: u64,
        stream: u32,
        context: &CallContext,
        request: &[u8],
        standing: Standing,
        random: &mut Random,
    ) -> Result<(), String> {
        let id =
            request.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)).ok_or("a request without id")?;
        if context.token.as_deref() != Some(&format!("t{id}")) || context.request_id != format!("r{id}") {
            return Err(format!("stream {stream}: token {:?} with id {id}", context.token));
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
        if stream <= self.last_stream {
            return Err(format!("stream {stream} is used again"));
        }
        self.last_stream = stream;
        let due_ns = match random.below(10) {
            0..5 => now,
            5..9 => now + random.below(500_000_000),
            _ => u64::MAX,
        };
        let reply_bytes = random.percent(85).then(|| match random.below(20) {
            0 => 40_000, // More than a small frame limit allows.
            _ => usize::try_from(random.below(3_000)).unwrap_or(0),
        });
        let (deadline_ns, one_way) = (context.deadline_ns, context.one_way);
        let handler = Handler { id, deadline_ns, started_ns: now, due_ns, reply_bytes, one_way };
        self.at_work.insert(stream, handler);
        Ok(())
    }

    /// Stops a handler.
    ///
    /// # Errors
    /// When none is at work there.
    pub fn abandon(&mut self, stream: u32) -> Result<(), String> {
        let known = self.at_work.remove(&stream);
        known.map(|_| ()).ok_or(format!("stream {stream} is abandoned, but not at work"))
    }

    /// When the next one has its answer.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        self.at_work.values().map(|handler| handler.due_ns).filter(|due| *due < u64::MAX).min()
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
        self.at_work.values().all(|handler| handler.one_way)
    }

    /// Hands over the answers that are due.
    pub fn answer(&mut self, now: u64, connection: &mut Connection) -> usize {
        let due: Vec<u32> = self
            .at_work
            .iter()
            .filter(|(_, handler)| handler.due_ns <= now)
            .map(|(stream, _)| *stream)
            .collect();
        for stream in &due {
            let Some(handler) = self.at_work.remove(stream) else { continue };
            let timing = Timing { started_ns: handler.started_ns, finished_ns: now };
            match handler.reply_bytes {
                Some(bytes) => {
                    let mut reply = handler.id.to_be_bytes().to_vec();
                    reply.resize(8 + bytes, 0x5A);
                    connection.reply(now, *stream, &reply.into(), timing);
                }
                None => connection.fail(now, *stream, &RpcError::new(Code::Internal, "simulated"), timing),
            }
        }
        due.len()
    }

    /// Handlers at work.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at_work.len()
    }

    /// Whether none is at work.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at_work.is_empty()
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
