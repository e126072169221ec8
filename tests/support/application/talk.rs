//! The two ends of a stream of messages: who says them, and who reads them, each at its own pace.

use std::collections::VecDeque;

use bytes::Bytes;
use micronet_wire::conn::Connection;
use micronet_wire::error::RpcError;

use super::content::{Mark, message, read};

/// How somebody reads messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Quick,
    /// With this pause after each, in nanoseconds.
    Slow(u64),
    /// After so many messages not before this time.
    Stalls(u32, u64),
    /// Never.
    Never,
}

/// Says messages on a stream, in its own time and as there is room.
#[derive(Debug, Clone)]
pub struct Speaker {
    lengths: VecDeque<usize>,
    pause_ns: u64,
    next_ns: u64,
    /// It has been told that there is no room, and not yet that there is.
    blocked: bool,
    /// How many it has said.
    pub said: u32,
    /// It has said all.
    pub done: bool,
}

impl Speaker {
    /// One that says messages of these lengths.
    #[must_use]
    pub fn new(lengths: Vec<usize>, pause_ns: u64, now: u64) -> Self {
        Self { lengths: lengths.into(), pause_ns, next_ns: now, blocked: false, said: 0, done: false }
    }

    /// Says what it can.
    ///
    /// # Errors
    /// When the connection doesn't take a message.
    pub fn speak(
        &mut self,
        now: u64,
        stream: u32,
        (call, by_caller): (u64, bool),
        connection: &mut Connection,
    ) -> Result<(), RpcError> {
        while !self.done && !self.blocked && self.next_ns <= now {
            if !connection.has_room(stream) {
                self.blocked = true;
                return Ok(());
            }
            let Some(length) = self.lengths.pop_front() else {
                if by_caller {
                    connection.end_messages(now, stream);
                }
                self.done = true;
                return Ok(());
            };
            // Some say the end together with the last message.
            let last = by_caller && self.lengths.is_empty() && length % 2 == 0;
            let said = message(Mark { call, by_caller, index: self.said }, length);
            connection.say(now, stream, said, last)?;
            self.said += 1;
            self.done = last;
            self.next_ns = now + self.pause_ns;
        }
        Ok(())
    }

    /// There is room again.
    pub fn has_room(&mut self) {
        self.blocked = false;
    }

    /// When it says something next.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        (!self.done && !self.blocked).then_some(self.next_ns)
    }
}

/// Reads the messages of a stream.
#[derive(Debug, Clone)]
pub struct Listener {
    pace: Pace,
    unread: VecDeque<Bytes>,
    next_ns: u64,
    read: u32,
    /// The connection knows that it waits for the next.
    waits: bool,
    /// How many have come.
    pub heard: u32,
    /// No further one comes.
    pub ended: bool,
}

impl Listener {
    /// One that reads at this pace.
    #[must_use]
    pub fn new(pace: Pace, now: u64) -> Self {
        let mut listener =
            Self { pace, unread: VecDeque::new(), next_ns: 0, read: 0, waits: false, heard: 0, ended: false };
        listener.pause(now);
        listener
    }

    fn pause(&mut self, now: u64) {
        self.next_ns = match self.pace {
            Pace::Quick => now,
            Pace::Slow(pause_ns) => now + pause_ns,
            Pace::Stalls(after, until_ns) if self.read >= after => until_ns.max(now),
            Pace::Stalls(..) => now,
            Pace::Never => u64::MAX,
        };
    }

    /// A message has come.
    ///
    /// # Errors
    /// When it isn't the next one of this side of its call.
    pub fn hear(&mut self, call: u64, by_caller: bool, bytes: Bytes) -> Result<(), String> {
        let (found, wanted) = (read(&bytes)?, Mark { call, by_caller, index: self.heard });
        if found != wanted || self.ended {
            return Err(format!("{found:?} comes instead of {wanted:?}, ended {}", self.ended));
        }
        self.heard += 1;
        self.unread.push_back(bytes);
        Ok(())
    }

    /// Reads what it is time to read.
    pub fn read(&mut self, now: u64, stream: u32, connection: &mut Connection) {
        while self.next_ns <= now {
            match self.unread.pop_front() {
                Some(message) => {
                    connection.consumed(stream, message.len());
                    self.read += 1;
                    self.waits = false;
                    self.pause(now);
                }
                None if self.waits || self.ended => return,
                None => {
                    self.waits = true;
                    connection.await_message(stream);
                }
            }
        }
    }

    /// When it does something next.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let has_work = !self.unread.is_empty() || (!self.waits && !self.ended);
        (has_work && self.next_ns < u64::MAX).then_some(self.next_ns)
    }

    /// Whether everything has come and was read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.ended && self.unread.is_empty()
    }

    /// Whether it may keep its speaker waiting for ever.
    #[must_use]
    pub fn never_reads(&self) -> bool {
        self.pace == Pace::Never
    }
}
