//! The dialler's calls, as they are made, listened to, given up and ended.

use std::collections::BTreeMap;

use bytes::Bytes;
use micronet_wire::conn::{Arity, Connection};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::STREAM_IDLE_MS_MAX;
use micronet_wire::principal::Principal;
use micronet_wire::service::CallOptions;

use super::content::{Mark, message, read};
use super::talk::{Listener, Speaker};
use super::{End, Planned, Shape};
use crate::plan::MS;
use crate::random::Random;

/// So long a stream lives on at least after a message that has come, in nanoseconds, however long the network held it up.
const STREAM_LIVES_NS: u64 = (STREAM_IDLE_MS_MAX - 20_000) * MS;

/// A call as its caller knows it.
#[derive(Debug, Clone)]
pub struct Call {
    /// What its messages begin with.
    pub id: u64,
    /// How many messages go which way.
    pub shape: Shape,
    /// When it must be over, in nanoseconds. (A stream of messages lives longer with each.)
    pub deadline_ns: u64,
    /// When a message of it came last, in nanoseconds.
    last_heard_ns: Option<u64>,
    /// How it ended, once.
    pub end: Option<End>,
    /// When its caller gives it up.
    pub gives_up_ns: Option<u64>,
    /// When it ended, in nanoseconds.
    pub ended_ns: u64,
    /// It was given up because it lasted too long.
    pub lasted_too_long: bool,
    /// Who says the requests, if there is a stream of them.
    pub speaker: Option<Speaker>,
    /// Who reads the replies, if there is a stream of them.
    pub listener: Option<Listener>,
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
        planned: Planned,
    ) -> Result<Result<u32, Code>, String> {
        let Planned { shape, patience_ns, requests, pace, gives_up_ns, for_user, bulk } = planned;
        self.next_id += 1;
        let id = self.next_id;
        let subject = || Principal::User {
            subject: format!("u{id}"),
            organization: format!("o{id}"),
            session: String::new(),
            permissions: vec!["p".into()],
        };
        let options = CallOptions {
            principal: for_user.then(subject),
            deadline_ns: now + patience_ns,
            request_id: format!("r{id}").into(),
            token: Some(format!("t{id}")),
            bulk,
            ..CallOptions::default()
        };
        let mark = Mark { call: id, by_caller: true, index: 0 };
        let request = message(mark, requests.first().copied().unwrap_or(0));
        let made = match shape {
            Shape::OneWay => connection.send(now, shape.method(), &request, &options),
            _ => {
                let request = (!shape.has_requests()).then_some(&request);
                connection.open(now, shape.method(), request, shape.replies(), &options)
            }
        };
        match made {
            Ok(stream) if self.calls.contains_key(&stream) || self.sent.contains_key(&stream) => {
                Err(format!("stream {stream} was given twice"))
            }
            Ok(stream) if shape == Shape::OneWay => {
                self.sent.insert(stream, id);
                Ok(Ok(stream))
            }
            Ok(stream) => {
                let pause_ns = patience_ns / 100;
                let call = Call {
                    id,
                    shape,
                    deadline_ns: now + patience_ns.max(1_000),
                    last_heard_ns: None,
                    end: None,
                    gives_up_ns: gives_up_ns.map(|after| now + after),
                    ended_ns: 0,
                    lasted_too_long: false,
                    speaker: shape.has_requests().then(|| Speaker::new(requests, pause_ns, now)),
                    listener: (shape.replies() == Arity::Many).then(|| Listener::new(pace, now)),
                };
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

    /// Says and reads messages, and gives up what has lasted too long.
    ///
    /// # Errors
    /// When the connection doesn't take a message.
    pub fn work(&mut self, now: u64, connection: &mut Connection) -> Result<(), String> {
        for (stream, call) in self.calls.iter_mut().filter(|(_, call)| call.end.is_none()) {
            if call.gives_up_ns.is_some_and(|at_ns| at_ns <= now) {
                connection.cancel(*stream);
                call.end = Some(End::Cancelled);
                (call.ended_ns, call.lasted_too_long) = (now, true);
                continue;
            }
            if let Some(listener) = &mut call.listener {
                listener.read(now, *stream, connection);
            }
            if let Some(speaker) = &mut call.speaker {
                let spoken = speaker.speak(now, *stream, (call.id, true), connection);
                spoken.map_err(|error| format!("stream {stream} can't say a request: {error}"))?;
            }
        }
        Ok(())
    }

    /// When there is something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let due = |call: &Call| {
            let speaker = call.speaker.as_ref().and_then(Speaker::next_due);
            let listener = call.listener.as_ref().and_then(Listener::next_due);
            [speaker, listener, call.gives_up_ns].into_iter().flatten().min()
        };
        self.calls.values().filter(|call| call.end.is_none()).filter_map(due).min()
    }

    /// Cancels one of the calls in flight, if there is any.
    pub fn cancel(&mut self, now: u64, connection: &mut Connection, random: &mut Random) -> Option<u32> {
        let open: Vec<u32> =
            self.calls.iter().filter(|(_, call)| call.end.is_none()).map(|(stream, _)| *stream).collect();
        let stream = (!open.is_empty()).then(|| *random.pick(&open))?;
        connection.cancel(stream);
        let call = self.calls.get_mut(&stream)?;
        (call.end, call.ended_ns) = (Some(End::Cancelled), now);
        Some(stream)
    }

    fn open_call(&mut self, stream: u32, what: &str) -> Result<&mut Call, String> {
        match self.calls.get_mut(&stream) {
            None => Err(format!("{what} of stream {stream}, which is no call")),
            Some(Call { end: Some(end), .. }) => {
                let end = match end {
                    End::Reply(reply) => format!("a reply of {} bytes", reply.len()),
                    end => format!("{end:?}"),
                };
                Err(format!("stream {stream} is over by {end}, and {what} comes"))
            }
            Some(call) => Ok(call),
        }
    }

    /// Takes a message.
    ///
    /// # Errors
    /// When it is another call's, or not the next.
    pub fn hear(&mut self, now: u64, stream: u32, message: Bytes) -> Result<(), String> {
        let call = self.open_call(stream, "a message")?;
        call.last_heard_ns = Some(now);
        let Some(listener) = &mut call.listener else {
            return Err(format!("stream {stream} gets messages, and wants one reply"));
        };
        listener.hear(call.id, false, message)
    }

    /// A stream has room.
    pub fn has_room(&mut self, stream: u32) {
        if let Some(Call { speaker: Some(speaker), .. }) = self.calls.get_mut(&stream) {
            speaker.has_room();
        }
    }

    /// Takes the end of a call, which must not come after its deadline, or `latest_ns` if that is later.
    ///
    /// # Errors
    /// When it has ended before, when it is too late, or when the reply is another call's.
    pub fn ended(&mut self, now: u64, stream: u32, end: End, latest_ns: u64) -> Result<(), String> {
        let call = self.open_call(stream, "an end")?;
        if now > call.deadline_ns.max(latest_ns) && !call.shape.is_stream() {
            return Err(format!("stream {stream} ends {} ns after its deadline", now - call.deadline_ns));
        }
        // SPEC 4.8; the acceptor has sent what came last a while before.
        let lives = call.last_heard_ns.is_some_and(|heard_ns| now < heard_ns + STREAM_LIVES_NS);
        if lives && end == End::Failed(Code::DeadlineExceeded) {
            return Err(format!("stream {stream} ends by a deadline after {:?}", call.last_heard_ns));
        }
        match (&end, &call.listener) {
            (End::Reply(reply), None) => {
                let wanted = Mark { call: call.id, by_caller: false, index: 0 };
                if read(reply)? != wanted {
                    return Err(format!("stream {stream} got the reply of another call"));
                }
            }
            (End::Reply(reply), Some(_)) if !reply.is_empty() => {
                return Err(format!("stream {stream} got {} bytes after its messages", reply.len()));
            }
            _ => {}
        }
        (call.end, call.ended_ns) = (Some(end), now);
        Ok(())
    }

    /// Calls without an end.
    #[must_use]
    pub fn open(&self) -> usize {
        self.calls.values().filter(|call| call.end.is_none()).count()
    }
}
