//! Messages on their way in (SPEC.md 4.2 to 4.5): pieces become messages again, within the credit that was given for them.

use bytes::{Buf, Bytes};

use super::messages::{Arity, Assembled, Assembly, Messages};
use super::{Connection, Event, Role};
use crate::encoding::ENCODING_ID;
use crate::error::{Code, RpcError};
use crate::frame::Frame;
use crate::header::{Header, flags};
use crate::ledger::Ledger;
use crate::limits::{FRAGMENT_BYTES_MAX, MESSAGE_BYTES_MAX};

impl Connection {
    /// Takes a DATA frame: a message, a piece of one, or the end of the peer's messages.
    pub(super) fn handle_data(&mut self, now: u64, frame: Frame) {
        let Header { stream, method, flags, .. } = frame.header;
        let (more, first) = (flags & flags::MORE != 0, flags & flags::CONTINUED == 0);
        let mut piece = frame.payload;
        let Some(total) = take_total(&mut piece, more && first) else {
            return self.violation("DATA: it ends within the length of its message");
        };
        if piece.len() > FRAGMENT_BYTES_MAX {
            return self.violation("DATA: a piece is longer than one may be");
        }
        match self.is_live(stream, method) {
            Err(words) => return self.violation(&format!("DATA: {words}")),
            // SPEC 4.3: it has crossed the end of its call. What its sender paid for it is given back.
            Ok(false) => {
                let paid = if first && !piece.is_empty() { total as u64 } else { 0 };
                if !self.flow.take(paid) {
                    return self.close(Code::CreditExceeded, "DATA: more than the connection's credit");
                }
                self.flow.release(paid);
                return self.top_up_connection();
            }
            Ok(true) => {}
        }
        if frame.header.encoding != ENCODING_ID {
            return self.violation("DATA: in another encoding than its call");
        }
        if self.has_said_all(stream, method, flags & flags::END != 0) {
            return self
                .violation("DATA: after the end of its stream, or an end that is not a terminal frame");
        }
        if total > self.allowance().message && piece.is_empty() {
            return self.refuse_long(now, stream);
        }
        if first && total > MESSAGE_BYTES_MAX || more && total == 0 {
            return self.violation("DATA: a message of a length that none has");
        }
        if !piece.is_empty() {
            self.note_received(now, stream);
        }
        let whole = match (first, more, piece.is_empty()) {
            (true, true, true) => return self.announced(stream, total),
            (true, true, false) => return self.begin_message(stream, total, &piece),
            (true, false, true) if flags & flags::END == 0 => {
                return self.violation("DATA: a message without bytes");
            }
            (true, false, true) => None,
            (true, false, false) => match self.whole_message(stream, &piece) {
                Some(message) => Some(message),
                None => return,
            },
            (false, ..) => match self.continue_message(stream, &piece, !more) {
                Some(message) => Some(message),
                None => return,
            },
        };
        self.hand_out(now, stream, whole, flags & flags::END != 0);
    }

    /// SPEC 4.8: a message of a stream came, or a piece of one; so the stream lives on.
    fn note_received(&mut self, now: u64, stream: u32) {
        self.live_on_if(now, stream, |messages| messages.receiving.arity == Arity::Many);
    }

    /// The stream lives on if this is what its messages are.
    pub(super) fn live_on_if(&mut self, now: u64, stream: u32, is_of_stream: impl Fn(&Messages) -> bool) {
        if self.flow.streams.get(&stream).is_some_and(is_of_stream) {
            match self.config.role {
                Role::Dialler => self.outbound.live_on(stream, now),
                Role::Acceptor => self.inbound.live_on(stream, now),
            }
        }
    }

    /// Whether the call of a DATA frame still wants it.
    fn is_live(&self, stream: u32, method: u32) -> Result<bool, &'static str> {
        let (found, wanted, may_cross) = match self.config.role {
            Role::Acceptor => (self.inbound.method_of(stream), true, stream <= self.inbound.last_stream()),
            // After its terminal frame nothing comes on a stream.
            Role::Dialler => (self.outbound.method_of(stream), self.outbound.is_wanted(stream), false),
        };
        match found {
            None if may_cross => Ok(false),
            None => Err("its stream has no call in flight"),
            Some(of_call) if of_call != method => Err("the method is not that of its call"),
            Some(_) => Ok(wanted),
        }
    }

    /// Whether the peer may send no message on a stream. An acceptor's last frame is the terminal one: its DATA never ends.
    fn has_said_all(&mut self, stream: u32, method: u32, end: bool) -> bool {
        let role = self.config.role;
        let Messages { receiving, pending, .. } = self.messages(stream, method, Arity::One);
        let is_whole = || receiving.arity == Arity::One && pending.is_none();
        receiving.ended
            || match role {
                Role::Acceptor => is_whole(),
                Role::Dialler => end,
            }
    }

    /// SPEC 4.4: the peer has a message for which it lacks credit.
    fn announced(&mut self, stream: u32, total: usize) {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return };
        let receiving = &mut messages.receiving;
        if receiving.assembly.is_some() || receiving.announced.is_some() {
            return self.violation("DATA: a message is announced within another");
        }
        receiving.announced = u32::try_from(total).ok();
        self.want(stream);
    }

    /// Takes credit for a message whose first piece has come; false when the connection is over for that.
    fn pay(&mut self, stream: u32, total: usize) -> bool {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return false };
        let receiving = &mut messages.receiving;
        if receiving.assembly.is_some() {
            self.violation("DATA: a message begins within another");
            return false;
        }
        if receiving.announced.is_some_and(|announced| announced as usize != total) {
            self.violation("DATA: a message of another length than was announced");
            return false;
        }
        let Some(left) = receiving.granted.checked_sub(total as u64) else {
            self.close(Code::CreditExceeded, "DATA: more than the stream's credit");
            return false;
        };
        receiving.announced = None;
        receiving.granted = left;
        if !self.flow.take(total as u64) {
            self.close(Code::CreditExceeded, "DATA: more than the connection's credit");
            return false;
        }
        true
    }

    fn begin_message(&mut self, stream: u32, total: usize, piece: &[u8]) {
        if piece.len() >= total {
            return self.violation("DATA: its pieces are longer than its message");
        }
        if self.pay(stream, total)
            && let Some(messages) = self.flow.streams.get_mut(&stream)
        {
            messages.receiving.assembly = Some(Assembly::begin(total, piece));
        }
    }

    /// A message of one frame.
    fn whole_message(&mut self, stream: u32, message: &[u8]) -> Option<Bytes> {
        let length = message.len();
        if !self.pay(stream, length) {
            return None;
        }
        let messages = self.flow.streams.get_mut(&stream)?;
        messages.receiving.held += length as u64;
        // A message may wait for a slow reader: it must not keep all that was read together with it in memory.
        Some(Bytes::copy_from_slice(message))
    }

    /// The next piece of a message; the message when it was the last.
    pub(super) fn continue_message(&mut self, stream: u32, piece: &[u8], last: bool) -> Option<Bytes> {
        let receiving = self.flow.streams.get_mut(&stream).map(|messages| &mut messages.receiving);
        let Some((receiving, mut assembly)) =
            receiving.and_then(|receiving| receiving.assembly.take().map(|assembly| (receiving, assembly)))
        else {
            self.violation("a piece of a message that was never begun");
            return None;
        };
        match assembly.add(piece, last) {
            Assembled::Incomplete => {
                receiving.assembly = Some(assembly);
                None
            }
            Assembled::Whole(message) => {
                receiving.held += message.len() as u64;
                Some(message)
            }
            Assembled::Wrong => {
                receiving.assembly = Some(assembly);
                self.violation("the pieces of a message are not of the length that was announced");
                None
            }
        }
    }

    /// Hands a message out, and the end of the peer's messages if this is it.
    fn hand_out(&mut self, now: u64, stream: u32, message: Option<Bytes>, end: bool) {
        let Some(messages) = self.flow.streams.get_mut(&stream) else { return };
        let receiving = &mut messages.receiving;
        if end && receiving.is_owed() {
            return self.violation("DATA: the end within a message, or before one that was announced");
        }
        receiving.ended |= end;
        match (receiving.arity, self.config.role) {
            (Arity::Many, _) => {
                if let Some(message) = message {
                    receiving.reader_waits = false;
                    self.events.push_back(Event::Message { stream, message });
                }
                if end {
                    self.events.push_back(Event::MessagesEnded { stream });
                }
            }
            (Arity::One, Role::Dialler) => self.violation("DATA: messages instead of one reply"),
            (Arity::One, Role::Acceptor) => {
                let Some(request) = message.filter(|_| end) else {
                    return self.violation("DATA: the one request neither ends its stream nor goes on");
                };
                let Some(context) = messages.pending.take() else { return };
                let (method, length) = (messages.method, request.len());
                self.inbound.arrived(stream, now);
                self.events.push_back(Event::Request { stream, method, context, request });
                self.consumed(stream, length);
            }
        }
    }

    /// A message is longer than any may be: the call ends here, with words.
    fn refuse_long(&mut self, now: u64, stream: u32) {
        let words = "a message of this stream is longer than one may be";
        let error = RpcError::new(Code::MessageTooLarge, words);
        match self.config.role {
            Role::Acceptor => self.abandon(now, stream, &error),
            Role::Dialler => {
                self.cancel(stream);
                self.events.push_back(Event::Failed { stream, error, ledger: Ledger::default() });
            }
        }
    }
}

/// Takes the length of a message that comes in several pieces off its first one; of another message it is that of the piece.
fn take_total(piece: &mut Bytes, in_pieces: bool) -> Option<usize> {
    if !in_pieces {
        return Some(piece.len());
    }
    (piece.len() >= 4).then(|| piece.get_u32() as usize)
}
