//! Messages on their way out (SPEC.md 4.2 to 4.5): small ones leave at once, long ones piece by piece, each stream in its turn.

use bytes::{Bytes, BytesMut};

use super::inbound::Timing;
use super::messages::{Arity, Saying, What};
use super::{Connection, Event, State, put};
use crate::encoding::ENCODING_ID;
use crate::error::{Code, RpcError};
use crate::frame::{Label, put_error};
use crate::header::{Kind, flags};
use crate::ledger::{Ledger, micros};
use crate::limits::{FRAGMENT_BYTES_MAX, MESSAGE_BYTES_MAX};

impl Connection {
    /// Says a message on a stream of messages. Ask [`has_room`](Self::has_room) before: what can't leave now is kept.
    /// Does nothing when the call is over.
    ///
    /// # Errors
    /// [`Code::MessageTooLarge`]; and [`Code::Internal`] for a message without bytes, of which there are none in a stream.
    pub fn say(&mut self, now: u64, stream: u32, message: Bytes, last: bool) -> Result<(), RpcError> {
        if message.len() > MESSAGE_BYTES_MAX {
            return Err(RpcError::new(Code::MessageTooLarge, "the message is longer than one may be"));
        }
        if message.is_empty() {
            return Err(RpcError::new(Code::Internal, "a message of a stream takes at least a byte"));
        }
        self.now = self.now.max(now);
        let Some(method) = self.method_of(stream) else { return Ok(()) };
        let length = message.len() as u64;
        let checksums = self.checksums;
        let sending = &mut self.messages(stream, method, Arity::One).sending;
        sending.many = true;
        let at_once = sending.queue.is_empty() && length <= sending.credit;
        if at_once
            && message.len() <= FRAGMENT_BYTES_MAX
            && length <= self.flow.credit
            && self.flow.waiting.is_empty()
            && self.flow.retrying == 0
            && self.outbox.has_room()
        {
            if let Some(messages) = self.flow.streams.get_mut(&stream) {
                messages.sending.credit -= length;
            }
            self.flow.credit -= length;
            let label = data_label(stream, method, if last { flags::END } else { 0 });
            put(self.outbox.calls(), label, checksums, |out| out.extend_from_slice(&message));
            self.note_said(now, stream);
        } else {
            self.enqueue(stream, Saying::new(What::Message { last }, message));
        }
        Ok(())
    }

    /// No further message follows on this stream.
    pub fn end_messages(&mut self, now: u64, stream: u32) {
        self.now = self.now.max(now);
        let Some(method) = self.method_of(stream) else { return };
        if self.has_room(stream) {
            put(self.outbox.calls(), data_label(stream, method, flags::END), self.checksums, |_| {});
        } else {
            self.enqueue(stream, Saying::new(What::End, Bytes::new()));
        }
    }

    /// Whether everything that was said on this stream is on its way; when it is again after it was not, an
    /// [`Event::Room`] tells.
    #[must_use]
    pub fn has_room(&self, stream: u32) -> bool {
        self.flow.streams.get(&stream).is_none_or(|messages| messages.sending.queue.is_empty())
    }

    pub(super) fn enqueue(&mut self, stream: u32, mut saying: Saying) {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return };
        saying.after = self.outbox.calls_put();
        self.flow.queued_bytes += saying.body.len();
        messages.sending.queue.push_back(saying);
        self.take_turn(stream);
    }

    /// Puts a stream into the rotation unless it is there.
    pub(super) fn take_turn(&mut self, stream: u32) {
        if let Some(messages) = self.flow.streams.get_mut(&stream)
            && !messages.sending.in_turn
            && !messages.sending.queue.is_empty()
        {
            messages.sending.in_turn = true;
            self.flow.turns.push_back(stream);
        }
    }

    /// Adds the next piece of a long message to the batch that is about to be written.
    pub(super) fn put_piece(&mut self) {
        for _ in 0..self.flow.turns.len() {
            self.flow.retrying = self.flow.retrying.saturating_sub(1);
            if let Some(stream) = self.flow.turns.pop_front()
                && self.speak(stream)
            {
                return;
            }
        }
    }

    /// Says the next piece on a stream; false when there is none that may be said now.
    fn speak(&mut self, stream: u32) -> bool {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return false };
        let (method, sending) = (messages.method, &mut messages.sending);
        sending.in_turn = false;
        let Some(front) = sending.queue.front_mut() else { return false };
        if front.after > self.outbox.calls_taken() {
            self.take_turn(stream);
            return false;
        }
        if front.needs_credit() && !front.paid {
            let length = front.body.len() as u64;
            if length > sending.credit {
                sending.waits_since_ns.get_or_insert(self.now);
                if front.announced {
                    return false;
                }
                // SPEC 4.4: its length is told, so that the peer can reserve what is missing.
                front.announced = true;
                put(self.outbox.batch(), data_label(stream, method, flags::MORE), self.checksums, |out| {
                    put_length(out, length);
                });
                return true;
            }
            // Whoever waits for the connection's credit is not overtaken, or a long message would wait for ever.
            if length > self.flow.credit || !self.flow.waiting.is_empty() {
                sending.waits_since_ns.get_or_insert(self.now);
                sending.in_turn = true;
                self.flow.waiting.push_back(stream);
                return false;
            }
            sending.credit -= length;
            self.flow.credit -= length;
            front.paid = true;
            if let Some(since_ns) = sending.waits_since_ns.take() {
                sending.credit_wait_ns += self.now.saturating_sub(since_ns);
            }
        }
        self.put_next(stream, method);
        true
    }

    /// Puts the front's next frame into the batch, and goes on to what follows it when it is said.
    fn put_next(&mut self, stream: u32, method: u32) {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return };
        let sending = &mut messages.sending;
        let Some(front) = sending.queue.front_mut() else { return };
        let begun = front.sent > 0;
        let piece = front.body.slice(front.sent..front.body.len().min(front.sent + FRAGMENT_BYTES_MAX));
        front.sent += piece.len();
        let whole = front.sent == front.body.len();
        let continued = if begun { flags::CONTINUED } else { 0 };
        let (batch, checksums) = (self.outbox.batch(), self.checksums);
        if !whole {
            let length = front.body.len() as u64;
            put(batch, data_label(stream, method, flags::MORE | continued), checksums, |out| {
                if !begun {
                    put_length(out, length);
                }
                out.extend_from_slice(&piece);
            });
            self.note_said(self.now, stream);
            return self.take_turn(stream);
        }
        let Some(said) = sending.queue.pop_front() else { return };
        self.flow.queued_bytes -= said.body.len();
        let credit_wait_ns = sending.credit_wait_ns;
        match said.what {
            What::Message { .. } | What::End => {
                let last = !matches!(said.what, What::Message { last: false });
                let end = if last { flags::END } else { 0 };
                put(batch, data_label(stream, method, continued | end), checksums, |out| {
                    out.extend_from_slice(&piece);
                });
                if sending.queue.is_empty() {
                    self.events.push_back(Event::Room { stream });
                }
                if !piece.is_empty() {
                    self.note_said(self.now, stream);
                }
                self.take_turn(stream);
            }
            What::Reply(timing) => {
                let ledger = self.end_inbound(stream, timing, credit_wait_ns);
                let label = Label {
                    kind: Kind::Reply,
                    flags: flags::END | continued,
                    ..data_label(stream, method, 0)
                };
                put(self.outbox.batch(), label, checksums, |out| {
                    out.extend_from_slice(&ledger.encode());
                    out.extend_from_slice(&piece);
                });
            }
            What::Error(error, timing) => {
                let ledger = self.end_inbound(stream, timing, credit_wait_ns);
                let label = Label { kind: Kind::Error, flags: flags::END, ..data_label(stream, method, 0) };
                put(self.outbox.batch(), label, checksums, |out| put_error(out, &error, &ledger));
            }
        }
    }

    /// SPEC 4.8: a message of a stream leaves, or a piece of one; so the stream lives on.
    fn note_said(&mut self, now: u64, stream: u32) {
        self.live_on_if(now, stream, |messages| messages.sending.many);
    }

    /// A call is over whose terminal frame had to wait; the account of its time.
    fn end_inbound(&mut self, stream: u32, timing: Timing, credit_wait_ns: u64) -> Ledger {
        let ledger = self.end_accounted(stream, timing);
        let credit_wait_us = micros(credit_wait_ns);
        let write_queue_us = ledger.write_queue_us.saturating_sub(credit_wait_us);
        Ledger { credit_wait_us, write_queue_us, ..ledger }
    }

    /// The driver has written the batch: makes the next one, if there is one.
    pub(super) fn refill(&mut self) {
        let says_nothing =
            self.outbox.waiting() == 0 && self.flow.turns.is_empty() && !self.beacons.wants_turn(self.now);
        if says_nothing || self.state == State::Closed {
            return;
        }
        self.outbox.refill();
        self.begin_beacon();
        if self.put_beacon_in_turn() {
            return;
        }
        if !self.flow.turns.is_empty() {
            self.put_piece();
            self.finish_if_drained();
        }
        if self.outbox.batch().is_empty() {
            self.put_beacon();
        }
    }
}

/// The label of a DATA frame with these flags.
fn data_label(stream: u32, method: u32, flags: u8) -> Label {
    Label { kind: Kind::Data, flags, encoding: ENCODING_ID, stream, method }
}

/// Puts the length of a message that comes in several pieces.
pub(super) fn put_length(out: &mut BytesMut, length: u64) {
    #[expect(clippy::cast_possible_truncation, reason = "no message is longer than MESSAGE_BYTES_MAX")]
    out.extend_from_slice(&(length as u32).to_be_bytes());
}
