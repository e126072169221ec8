//! A connection as a state machine (SPEC.md sections 3 to 8): bytes, commands and the time go in; bytes, events and the
//! next deadline come out. It does no I/O: a driver (see micronet-transport) or a simulated network carries its bytes.
//!
//! ```text
//!   ExpectPreface --preface--> ExpectHello --HELLO--> Open --goaway()/GOAWAY--> (draining) --last call--> Closed
//!        \________________________\____________________\___ any violation, CLOSE, end of stream ___________/
//! ```
//! Methods are of four kinds: getters, commands (`call`, `reply`, `cancel`, `drain` …), what happened (`receive`,
//! `handle_timeout`, `peer_gone`) and polls (`poll_event`, `output`, `next_deadline`).

mod announce;
mod beacon;
mod call_table;
mod control;
mod credit;
mod event;
mod handshake;
mod inbound;
mod incoming;
mod keepalive;
mod messages;
mod outbound;
mod outbox;
mod outgoing;
mod streams;
#[cfg(test)]
mod tests;
mod vitals;

use std::collections::VecDeque;

use bytes::BytesMut;

pub use announce::Announcement;
pub use beacon::Beacon;
pub use call_table::CallTable;
pub use credit::Exposure;
pub use event::Event;
pub use handshake::{Config, Role, Standing, greeting_refused};
pub use inbound::Timing;
pub use messages::Arity;
pub use streams::StreamMap;
pub use vitals::Vitals;

use self::beacon::Beacons;
use self::credit::Flow;
use self::inbound::Inbound;
use self::keepalive::{Keepalive, Verdict};
use self::outbound::Outbound;
use self::outbox::Outbox;
use crate::error::{Code, Retry, RpcError};
use crate::frame::{Close, Frame, Goaway, Health, Label, put_frame};
use crate::header::{Kind, PREFACE, flags};
use crate::hello::Hello;
use crate::ledger::Ledger;
use crate::limits::{HANDSHAKE_MS_MAX, HELLO_PAYLOAD_BYTES_MAX, WRITE_BUFFER_HARD_BYTES};

/// Events of what was read in one go that wait to be acted on, where the driver takes the rest later.
const EVENTS_WAITING: usize = 32;

/// What the connection awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    ExpectPreface,
    ExpectHello,
    Open,
    Closed,
}

/// One side of a connection.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    state: State,
    /// This side drains: it accepts, or opens, no further streams.
    draining: bool,
    /// The peer has sent GOAWAY.
    peer_has_left: bool,
    /// Time for the handshake to be done.
    handshake_deadline_ns: u64,
    peer: Hello,
    standing: Standing,
    /// The peer's first frame after HELLO has been seen; a PROOF can't come any more.
    proof_closed: bool,
    checksums: bool,
    inbound: Inbound,
    outbound: Outbound,
    keepalive: Keepalive,
    flow: Flow,
    bytes_received: u64,
    /// The latest time that was told.
    now: u64,
    outbox: Outbox,
    beacons: Beacons,
    vitals: Vitals,
    /// What this side has announced of itself.
    health: Health,
    peer_health: Health,
    events: VecDeque<Event>,
}

impl Connection {
    /// A new connection, on which nothing has been sent or received. Its own HELLO is in the output already.
    #[must_use]
    pub fn new(config: Config, now: u64) -> Self {
        let mut outbox = Outbox::default();
        outbox.control().extend_from_slice(&PREFACE);
        let hello = config.hello.clone();
        // SPEC 3.1: HELLO carries a checksum always, since what was agreed isn't known yet.
        put(outbox.control(), Label::control(Kind::Hello), true, |out| hello.encode(out));
        Self {
            state: State::ExpectPreface,
            draining: false,
            peer_has_left: false,
            handshake_deadline_ns: now + HANDSHAKE_MS_MAX * 1_000_000,
            peer: Hello::default(),
            standing: Standing::Anonymous,
            proof_closed: false,
            checksums: true,
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            keepalive: Keepalive::new(now, config.hello.heartbeat_interval_ms),
            flow: Flow::default(),
            bytes_received: 0,
            now,
            outbox,
            beacons: Beacons::of(config.role, config.hello.schema.zip(config.beacon.clone())),
            vitals: Vitals::default(),
            health: Health::Serving,
            peer_health: Health::Serving,
            events: VecDeque::new(),
            config,
        }
    }

    // ---- getters ----

    /// The peer's HELLO, once it has come.
    #[must_use]
    pub fn peer(&self) -> Option<&Hello> {
        matches!(self.state, State::Open).then_some(&self.peer)
    }

    /// What the peer has proved to be.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Calls in flight, both ways. One-way calls are so on the acceptor's side only.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.inbound.in_flight() + self.outbound.in_flight()
    }

    /// Bytes that wait to be written, long messages included.
    #[must_use]
    pub fn bytes_waiting(&self) -> usize {
        self.outbox.waiting() + self.flow.queued_bytes
    }

    /// The accounts of messages: `held` and `granted` together are never more than the credit that HELLO gave and
    /// [`REASSEMBLY_BYTES_MAX`](crate::limits::REASSEMBLY_BYTES_MAX).
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        self.flow.exposure()
    }

    /// Whether calls are taken here in general: the handshake is done, and nobody drains.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.state == State::Open && !self.draining
    }

    /// Whether a new call could be made now.
    #[must_use]
    pub fn can_call(&self) -> bool {
        self.is_serving() && self.outbound.has_room(&self.peer)
    }

    // ---- what happened ----

    /// Takes what was read from the socket; whole frames are consumed, a partial one stays in `input`.
    pub fn receive(&mut self, now: u64, input: &mut BytesMut, fresh_bytes: usize) {
        self.heard(now, fresh_bytes);
        self.take_frames(now, input, usize::MAX);
    }

    /// The same, but no further once so many events wait: what is acted on soon is still in the processor's cache, and takes memory that
    /// the one before has just given back. Whether frames may be left, which are then taken by
    /// [`receive_more`](Self::receive_more), before anything else is read.
    pub fn receive_some(&mut self, now: u64, input: &mut BytesMut, fresh_bytes: usize) -> bool {
        self.heard(now, fresh_bytes);
        self.take_frames(now, input, EVENTS_WAITING)
    }

    /// Takes more of what was read at `now`; whether frames may still be left.
    pub fn receive_more(&mut self, now: u64, input: &mut BytesMut) -> bool {
        self.take_frames(now, input, EVENTS_WAITING)
    }

    fn heard(&mut self, now: u64, fresh_bytes: usize) {
        self.now = self.now.max(now);
        self.bytes_received += fresh_bytes as u64;
        // SPEC 7.1: any byte received means alive.
        self.keepalive.heard(now);
    }

    /// Takes frames until none is there whole, or so many events wait: true then.
    fn take_frames(&mut self, now: u64, input: &mut BytesMut, events_max: usize) -> bool {
        if self.state == State::ExpectPreface && !self.expect_preface(input) {
            return false;
        }
        while self.state != State::Closed {
            if self.events.len() >= events_max {
                return true;
            }
            // SPEC 3.1: until HELLO has come, nothing large is waited for.
            let payload_max = match self.state {
                State::ExpectHello => HELLO_PAYLOAD_BYTES_MAX,
                _ => self.config.hello.frame_payload_max,
            };
            match Frame::take(input, payload_max) {
                // SPEC 3.8: what was agreed to be checked is checked. Before HELLO that is everything.
                Ok(Some(frame)) if self.checksums && frame.header.flags & flags::CHECKSUM == 0 => {
                    self.violation("a frame without the checksum that was agreed");
                }
                Ok(Some(frame)) => self.handle_frame(now, frame),
                Ok(None) => break,
                Err(error) => self.close(error.code(), error.to_string()),
            }
            self.bound_output();
            // After each frame: what is said must not depend on how many of them one read brought.
            self.finish_if_drained();
        }
        false
    }

    /// The peer has closed its side, or the socket failed.
    pub fn peer_gone(&mut self, why: &str) {
        let expected = self.draining && self.calls_in_flight() == 0;
        let error = (!expected).then(|| RpcError::new(Code::ConnectionLost, why));
        self.end(error, true);
    }

    /// Acts on deadlines that have passed; call it at [`next_deadline`](Self::next_deadline).
    pub fn handle_timeout(&mut self, now: u64) {
        self.now = self.now.max(now);
        match self.state {
            State::Closed => {}
            State::ExpectPreface | State::ExpectHello if now >= self.handshake_deadline_ns => {
                self.close(Code::Silent, "no HELLO came in time");
            }
            State::ExpectPreface | State::ExpectHello => {}
            State::Open => {
                self.expire_inbound(now);
                self.expire_outbound(now);
                match self.keepalive.judge(now) {
                    Verdict::Fine => {}
                    Verdict::Ping => {
                        self.ping(now);
                    }
                    Verdict::Dead => {
                        let silent_ms = self.keepalive.silent_ns(now) / 1_000_000;
                        self.close(Code::Silent, format!("nothing was heard for {silent_ms} ms"));
                    }
                }
                self.finish_if_drained();
            }
        }
    }

    /// Whether nothing was heard since a PING that should have been answered by now.
    #[must_use]
    pub fn is_overdue(&self, now: u64) -> bool {
        self.state == State::Open && self.keepalive.is_overdue(now)
    }

    // ---- polls ----

    /// The next event, in the order in which things happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether [`poll_event`](Self::poll_event) has something to tell. Writing makes events too: where it has made room for messages.
    #[must_use]
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// What is to be written to the socket next. The driver takes from its front what it has written, and asks again until
    /// there is nothing.
    pub fn output(&mut self) -> &mut BytesMut {
        if self.outbox.batch().is_empty() {
            self.refill();
        }
        self.outbox.batch()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, on the driver's clock; `None` once closed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        match self.state {
            State::Closed => None,
            State::ExpectPreface | State::ExpectHello => Some(self.handshake_deadline_ns),
            State::Open => Some(
                self.keepalive.next_deadline().min(self.inbound.earliest()).min(self.outbound.earliest()),
            ),
        }
    }

    // ---- commands ----

    /// Sends a PING, whose answer comes as [`Event::Pong`]; false when it can't be sent: the connection isn't open, or too many have
    /// no answer yet.
    pub fn ping(&mut self, now: u64) -> bool {
        let may = self.state == State::Open && self.keepalive.may_ping(now);
        if may {
            put(self.outbox.control(), Label::control(Kind::Ping), self.checksums, |out| {
                out.extend_from_slice(&now.to_be_bytes());
            });
        }
        may
    }

    /// Begins to drain (SPEC 5.6): no further streams; when the last call has ended, the connection ends by itself.
    pub fn drain(&mut self) {
        if self.state == State::Closed || self.draining {
            return;
        }
        self.draining = true;
        if self.state == State::Open {
            let goaway = Goaway { last_stream: self.inbound.last_stream() };
            // SPEC 5.6: no REQUEST follows a GOAWAY, so a dialler's stays behind those that were made before.
            let out = match self.config.role {
                Role::Dialler => self.outbox.calls(),
                Role::Acceptor => self.outbox.control(),
            };
            put(out, Label::control(Kind::Goaway), self.checksums, |out| goaway.encode(out));
        }
        self.finish_if_drained();
    }

    /// Ends the connection with a CLOSE that says why.
    pub fn close(&mut self, code: Code, message: impl Into<String>) {
        if self.state == State::Closed {
            return;
        }
        let error = RpcError::new(code, message);
        self.put_close(code as u16, &error.message);
        self.end(Some(error), false);
    }

    // ---- frames ----

    fn handle_frame(&mut self, now: u64, frame: Frame) {
        let kind = frame.header.kind;
        if self.state == State::ExpectHello {
            return self.expect_hello(kind, &frame.payload);
        }
        if !kind.is_control() {
            self.beacons.heard();
        }
        match (kind, self.config.role) {
            (Kind::Request | Kind::Notice, Role::Acceptor) => self.handle_request(now, frame),
            (Kind::Cancel, Role::Acceptor) => self.handle_cancel(now, &frame),
            (Kind::Proof, Role::Acceptor) => self.handle_proof(&frame.payload),
            (Kind::Reply, Role::Dialler) => self.handle_reply(frame),
            (Kind::Error, Role::Dialler) => self.handle_error(frame),
            (Kind::Beacon, Role::Dialler) => self.handle_beacon(frame.payload),
            (Kind::Ping, _) => self.handle_ping(&frame.payload),
            (Kind::Pong, _) => self.handle_pong(now, &frame.payload),
            (Kind::Announce, _) => self.handle_announce(&frame.payload),
            (Kind::Goaway, _) => self.handle_goaway(&frame.payload),
            (Kind::Close, _) => self.handle_close(&frame.payload),
            (Kind::Hello, _) => self.violation("a second HELLO"),
            (Kind::Data, _) => self.handle_data(now, frame),
            (Kind::Credit, _) => self.handle_credit(&frame),
            _ => self.violation(&format!("{} goes the other way", kind.name())),
        }
        self.proof_closed = true;
    }

    // ---- the end ----

    fn violation(&mut self, words: &str) {
        self.close(Code::Protocol, words);
    }

    /// SPEC 5.5: a peer that makes us answer and doesn't read the answers loses the connection, not our memory.
    fn bound_output(&mut self) {
        if self.outbox.waiting() > WRITE_BUFFER_HARD_BYTES {
            self.close(Code::Overloaded, "answers are not being read");
        }
    }

    fn finish_if_drained(&mut self) {
        // A dialler that is still shaking hands may yet be told why it is refused.
        let may_end =
            self.state == State::Open || (self.state != State::Closed && self.config.role == Role::Acceptor);
        if self.draining && may_end && self.calls_in_flight() == 0 {
            self.put_close(0, "");
            self.end(None, false);
        }
    }

    fn put_close(&mut self, code: u16, message: &str) {
        let close = Close { code, message: message.to_owned() };
        self.outbox.seal(|out| put(out, Label::control(Kind::Close), true, |out| close.encode(out)));
    }

    /// Whether something may still be said on a call's stream: a request by its caller, a reply by who answers it.
    #[must_use]
    pub fn has_call(&self, stream: u32) -> bool {
        self.method_of(stream).is_some()
    }

    /// The method of a call in flight on whose stream something may be said.
    fn method_of(&self, stream: u32) -> Option<u32> {
        match self.config.role {
            Role::Dialler => self.outbound.method_of(stream).filter(|_| self.outbound.is_wanted(stream)),
            Role::Acceptor => self.inbound.method_of_answered(stream),
        }
    }

    /// SPEC 5.8: every call still in flight ends here, once; but one-way calls that have been received go on (SPEC 5.9).
    fn end(&mut self, error: Option<RpcError>, by_peer: bool) {
        if self.state == State::Closed {
            return;
        }
        self.state = State::Closed;
        self.outbox.seal(|_| {});
        let why = match &error {
            Some(error) => format!("the connection ended: {}", error.message),
            None => "the connection ended".to_owned(),
        };
        for stream in self.inbound.take_awaited() {
            if self.has_begun(stream) {
                self.events.push_back(Event::Abandoned { stream });
            }
        }
        self.flow.forget_all();
        // SPEC 5.8: an acceptor that refuses the handshake has started nothing.
        let refused = by_peer && error.as_ref().is_some_and(|error| error.code.refuses_handshake());
        let advice = if refused { Retry::NeverStarted } else { Code::ConnectionLost.retry() };
        for stream in self.outbound.take_all() {
            let error = RpcError::new(Code::ConnectionLost, why.as_str()).retry(advice, 0);
            self.events.push_back(Event::Failed { stream, error, ledger: Ledger::default() });
        }
        self.events.push_back(Event::Closed { error, by_peer });
    }
}

/// Puts a frame whose payload can't fail.
fn put(out: &mut BytesMut, label: Label, checksum: bool, payload: impl FnOnce(&mut BytesMut)) {
    let infallible: Result<(), std::convert::Infallible> = put_frame(out, label, checksum, |out| {
        payload(out);
        Ok(())
    });
    match infallible {
        Ok(()) => {}
    }
}
