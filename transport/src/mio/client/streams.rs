//! Streams of messages without a runtime: functions that wait until the next message is there, or until there is room for one more.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::conn::StreamMap;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::CALLS_IN_FLIGHT_MAX;
use micronet_wire::service::{Arity, CallOptions};

use super::{End, SyncClient, not_started, until};
use crate::clock;

/// The calls with streams of messages of one connection, until their ends are taken.
#[derive(Default)]
pub(super) struct Streams(StreamMap<State>);

/// What came of one of them and is not taken yet; its messages are within the credit that the connection gave for them.
struct State {
    replies: Arity,
    messages: VecDeque<Bytes>,
    ended: Option<End>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many have not ended.
    pub(super) fn in_flight(&self) -> usize {
        self.0.values().filter(|state| state.ended.is_none()).count()
    }

    pub(super) fn message(&mut self, stream: u32, message: Bytes) {
        if let Some(state) = self.0.get_mut(&stream) {
            state.messages.push_back(message);
        }
    }

    /// A call is over; gives its end back when it is none of these.
    pub(super) fn end(&mut self, stream: u32, end: End) -> Option<End> {
        let Some(state) = self.0.get_mut(&stream) else { return Some(end) };
        state.ended = Some(end);
        None
    }

    pub(super) fn has_end(&self, stream: u32) -> bool {
        self.0.get(&stream).is_some_and(|state| state.ended.is_some())
    }

    /// Takes the end of a call, and forgets it.
    pub(super) fn take_end(&mut self, stream: u32) -> Option<End> {
        if self.has_end(stream) { self.forget(stream) } else { None }
    }

    pub(super) fn forget(&mut self, stream: u32) -> Option<End> {
        self.0.remove(&stream)?.ended
    }

    fn has_something(&self, stream: u32) -> bool {
        self.0.get(&stream).is_none_or(|state| state.ended.is_some() || !state.messages.is_empty())
    }
}

impl SyncClient {
    /// Makes a call with streams of messages: with one request, or without, when its requests are to be said by [`say`](Self::say);
    /// with one reply, or with any number of them, to be taken by [`next_message`](Self::next_message). The end of a call with one
    /// reply is taken by [`wait`](Self::wait).
    ///
    /// # Errors
    /// When it can't be made here: it was never started. [`Code::Overloaded`] also when too many ends were not taken.
    pub fn open(
        &mut self,
        method: u32,
        request: Option<&Bytes>,
        replies: Arity,
        options: &CallOptions,
    ) -> Result<u32, RpcError> {
        if self.streams.len() >= CALLS_IN_FLIGHT_MAX as usize {
            return Err(RpcError::new(Code::Overloaded, "take the ends of earlier streams first"));
        }
        let stream = self.connection.open(clock::now(), method, request, replies, options)?;
        self.streams.0.insert(stream, State { replies, messages: VecDeque::new(), ended: None });
        self.flush();
        Ok(stream)
    }

    /// Says a message on a stream; `last` if no further one follows. Waits before until there is room, which comes as the peer takes
    /// what was said before.
    ///
    /// # Errors
    /// Why the call ended instead, or [`Code::Cancelled`] when it was answered already: its end can still be taken.
    /// [`Code::MessageTooLarge`], and [`Code::Internal`] for a message without bytes or a stream that isn't there.
    pub fn say(&mut self, stream: u32, message: Bytes, last: bool) -> Result<(), RpcError> {
        self.await_room(stream)?;
        self.connection.say(clock::now(), stream, message, last)?;
        self.flush();
        Ok(())
    }

    /// Says that no further message follows on a stream. It doesn't wait.
    ///
    /// # Errors
    /// [`Code::Internal`] when there is no such stream.
    pub fn finish(&mut self, stream: u32) -> Result<(), RpcError> {
        if !self.streams.0.contains_key(&stream) {
            return Err(not_started());
        }
        self.connection.end_messages(clock::now(), stream);
        self.flush();
        Ok(())
    }

    /// Waits for the next reply of a stream; `None` after the last one. With the end, as with an error that is one, the stream is
    /// forgotten; but where one reply is awaited, `None` means that [`wait`](Self::wait) has it now.
    ///
    /// # Errors
    /// Why the call ended; or [`Code::DeadlineExceeded`] when nothing came within `limit`: then the stream [is
    /// open](Self::is_open), and what comes later can be asked for again.
    pub fn next_message(&mut self, stream: u32, limit: Duration) -> Result<Option<Bytes>, RpcError> {
        if !self.streams.has_something(stream) {
            self.connection.await_message(stream);
            self.run_until(until(limit), |client| client.streams.has_something(stream));
        }
        let Some(state) = self.streams.0.get_mut(&stream) else { return Err(not_started()) };
        if let Some(message) = state.messages.pop_front() {
            self.connection.consumed(stream, message.len());
            self.flush(); // There may be credit to tell the peer of.
            return Ok(Some(message));
        }
        match &state.ended {
            Some(Ok(_)) if state.replies == Arity::One => Ok(None),
            Some(end) => {
                let end = end.clone();
                self.streams.forget(stream);
                end.map(|_| None)
            }
            None => Err(RpcError::new(Code::DeadlineExceeded, "no message came in time")),
        }
    }

    /// Whether a call with streams is under way, or has something that was not taken.
    #[must_use]
    pub fn is_open(&self, stream: u32) -> bool {
        self.streams.0.contains_key(&stream)
    }

    /// Waits until a message can leave, or the call is over.
    fn await_room(&mut self, stream: u32) -> Result<(), RpcError> {
        if !self.connection.has_room(stream) {
            self.run_until(u64::MAX, |client| {
                client.connection.has_room(stream) || client.streams.has_end(stream)
            });
        }
        match self.streams.0.get(&stream).map(|state| &state.ended) {
            None => Err(not_started()),
            Some(None) if self.is_closed() => Err(self.reason()),
            Some(None) => Ok(()),
            Some(Some(Ok(_))) => Err(RpcError::new(Code::Cancelled, "the call was answered already")),
            Some(Some(Err(error))) => Err(error.clone()),
        }
    }
}
