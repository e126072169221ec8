//! Two connections that hand each other their bytes at once, on a clock that the test moves.

mod announce;
mod beacon;
mod certified;
mod handshake;
mod one_way;
mod rules;
mod streams;
mod vitals;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::frame::Pong;
use crate::hello::{Credential, Hello, Nonce, Secret};
use crate::limits::{
    FRAGMENT_BYTES_MAX, HEARTBEATS_MISSED_MAX, PINGS_UNANSWERED_MAX, REQUEST_BYTES_IN_FLIGHT_MAX,
};
use crate::principal::Principal;
use crate::service::CallOptions;

const MS: u64 = 1_000_000;
const METHOD: u32 = 0xA45F_A70A;
const DIALLER: usize = 0;
const ACCEPTOR: usize = 1;

/// A dialler and an acceptor.
struct Pair {
    sides: [Connection; 2],
    unread: [BytesMut; 2],
    now: u64,
    /// Who calls, by the contexts of the requests.
    principals: Vec<Principal>,
}

fn secret() -> Option<Secret> {
    Some(Secret::new("an example"))
}

/// The usual configuration of a side: both know the secrets, nobody proves any.
fn config(side: usize) -> Config {
    let (role, node, nonce): (_, _, Nonce) =
        [(Role::Dialler, "order", [1; 16]), (Role::Acceptor, "product", [2; 16])][side];
    let hello = Hello { cluster: "shop".into(), node: node.into(), nonce, ..Hello::default() };
    Config { cluster_secret: secret(), operator_token: secret(), ..Config::new(role, hello) }
}

impl Pair {
    fn with(change: impl FnOnce(&mut [Config; 2])) -> Self {
        let mut configs = [config(DIALLER), config(ACCEPTOR)];
        change(&mut configs);
        Self {
            sides: configs.map(|config| Connection::new(config, 0)),
            unread: Default::default(),
            now: 0,
            principals: Vec::new(),
        }
    }

    /// A pair that has shaken hands.
    fn open() -> Self {
        let mut pair = Self::with(|_| {});
        pair.deliver();
        assert_eq!([pair.events(DIALLER), pair.events(ACCEPTOR)], [["ready"], ["ready"]]);
        pair
    }

    /// What one side has to send arrives at the other; true when there was anything.
    fn deliver_from(&mut self, side: usize) -> bool {
        let sent = self.sides[side].output().split();
        self.inject(1 - side, &sent);
        !sent.is_empty()
    }

    fn deliver(&mut self) {
        while self.deliver_from(DIALLER) | self.deliver_from(ACCEPTOR) {}
    }

    fn inject(&mut self, to: usize, bytes: &[u8]) {
        self.unread[to].extend_from_slice(bytes);
        if !bytes.is_empty() {
            self.sides[to].receive(self.now, &mut self.unread[to], bytes.len());
        }
    }

    /// Moves the clock, a side's timers only, and delivers nothing.
    fn wait(&mut self, side: usize, ms: u64) {
        let until = self.now + ms * MS;
        while let Some(due) = self.sides[side].next_deadline().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.sides[side].handle_timeout(self.now);
        }
        self.now = until;
    }

    fn call(&mut self, patience_ms: u64) -> Result<u32, RpcError> {
        let options = CallOptions { deadline_ns: self.now + patience_ms * MS, ..CallOptions::default() };
        self.sides[DIALLER].call(self.now, METHOD, &Bytes::from_static(b"request"), &options)
    }

    fn reply(&mut self, stream: u32, reply: &[u8]) {
        let timing = Timing { started_ns: self.now, finished_ns: self.now };
        self.sides[ACCEPTOR].reply(self.now, stream, &Bytes::copy_from_slice(reply), timing);
    }

    /// A side's events in short.
    fn events(&mut self, side: usize) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(event) = self.sides[side].poll_event() {
            seen.push(match event {
                Event::Ready(_) => "ready".into(),
                Event::Request { stream, context, .. } => {
                    self.principals.push(context.principal);
                    format!("{} {stream}", if context.one_way { "notice" } else { "request" })
                }
                Event::Message { stream, message } => format!("message {stream} of {}", message.len()),
                Event::MessagesEnded { stream } => format!("end {stream}"),
                Event::Room { stream } => format!("room {stream}"),
                Event::Abandoned { stream } => format!("abandoned {stream}"),
                Event::Dropped { stream, error, .. } => format!("dropped {stream} {}", error.code),
                Event::Reply { stream, .. } => format!("reply {stream}"),
                Event::Failed { stream, error, .. } => format!("failed {stream} {}", error.code),
                Event::Goaway => "goaway".into(),
                Event::Announced(_) => "announced".into(),
                Event::Pong { .. } => "pong".into(),
                Event::Closed { error, by_peer } => {
                    let code = error.map_or("plainly", |error| error.code.name());
                    format!("closed {code} by {}", if by_peer { "peer" } else { "us" })
                }
            });
        }
        seen
    }

    fn check(&mut self, side: usize, wanted: &[&str]) {
        assert_eq!(self.events(side), wanted);
    }
}

// ---- the ends of calls ----

#[test]
fn cancel_crosses_the_answer() {
    let mut pair = Pair::open();
    let stream = pair.call(100).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1"]);
    pair.reply(stream, b"reply");
    pair.sides[DIALLER].cancel(stream);
    pair.deliver();
    pair.check(DIALLER, &[]);
    pair.check(ACCEPTOR, &[]);
    assert_eq!(pair.sides.each_ref().map(Connection::calls_in_flight), [0, 0]);
    assert!(pair.sides[DIALLER].can_call());
}

#[test]
fn each_side_keeps_the_deadline_by_itself() {
    let mut pair = Pair::open();
    pair.call(100).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1"]);
    pair.wait(DIALLER, 100);
    pair.check(DIALLER, &["failed 1 DEADLINE_EXCEEDED"]);
    pair.sides[ACCEPTOR].handle_timeout(pair.now);
    pair.check(ACCEPTOR, &["abandoned 1"]);
    // CANCEL and ERROR cross; neither leads to anything.
    pair.deliver();
    assert_eq!([pair.events(DIALLER), pair.events(ACCEPTOR)], [[""; 0]; 2]);
    assert_eq!(pair.sides.each_ref().map(Connection::calls_in_flight), [0, 0]);
}

#[test]
fn a_call_without_time_is_not_made() {
    let mut pair = Pair::open();
    pair.now = 5 * MS;
    let error = pair.call(0).unwrap_err();
    assert_eq!((error.code, pair.sides[DIALLER].output().len()), (Code::DeadlineExceeded, 0));
}

#[test]
fn a_request_that_crosses_goaway_was_never_started() {
    let mut pair = Pair::open();
    pair.call(1_000).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1"]);
    pair.sides[ACCEPTOR].drain();
    // Before GOAWAY arrives, one call is made, and another is made and cancelled.
    pair.call(1_000).unwrap();
    let third = pair.call(1_000).unwrap();
    pair.sides[DIALLER].cancel(third);
    pair.deliver();
    pair.check(DIALLER, &["failed 2 DRAINING", "goaway"]);
    pair.check(ACCEPTOR, &[]);
    assert_eq!(pair.call(1_000).unwrap_err().code, Code::Draining);
    pair.reply(1, b"reply");
    pair.check(ACCEPTOR, &["closed plainly by us"]);
    pair.deliver();
    pair.check(DIALLER, &["reply 1", "closed plainly by us"]);
}

#[test]
fn a_malformed_answer_ends_the_connection_and_its_call() {
    for kind in [Kind::Reply, Kind::Error] {
        let mut pair = Pair::open();
        let stream = pair.call(1_000).unwrap();
        let label = Label { kind, flags: flags::END, encoding: 1, stream, method: METHOD };
        let mut answer = BytesMut::new();
        put(&mut answer, label, true, |out| out.extend_from_slice(&[0; 15]));
        pair.inject(DIALLER, &answer);
        pair.check(DIALLER, &["failed 1 CONNECTION_LOST", "closed PROTOCOL_ERROR by us"]);
    }
}

// ---- limits ----

#[test]
fn what_exceeds_a_limit_is_refused_before_it_is_started() {
    // The dialler keeps the acceptor's limit of calls.
    let mut pair = Pair::with(|configs| configs[ACCEPTOR].hello.calls_in_flight_max = 1);
    pair.deliver();
    pair.call(1_000).unwrap();
    assert_eq!(pair.call(1_000).unwrap_err().code, Code::Overloaded);
    // So does the acceptor, if the dialler doesn't.
    let mut pair = Pair::open();
    pair.sides[ACCEPTOR].config.hello.calls_in_flight_max = 1;
    pair.call(1_000).unwrap();
    pair.call(1_000).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1"]);
    pair.check(DIALLER, &["failed 2 OVERLOADED"]);
    // Bytes of requests are limited as well.
    let mut pair = Pair::open();
    let body = Bytes::from(vec![0; FRAGMENT_BYTES_MAX]);
    let fit = REQUEST_BYTES_IN_FLIGHT_MAX / FRAGMENT_BYTES_MAX;
    for _ in 0..=fit {
        pair.sides[DIALLER].call(0, METHOD, &body, &CallOptions::default()).unwrap();
        pair.deliver();
    }
    assert_eq!(pair.events(ACCEPTOR).len(), fit);
    pair.check(DIALLER, &[&format!("failed {} OVERLOADED", fit + 1)]);
}

#[test]
fn a_peer_that_does_not_read_answers_loses_the_connection_and_not_our_memory() {
    let mut pair = Pair::open();
    let reply = vec![0; FRAGMENT_BYTES_MAX];
    let calls = u32::try_from(WRITE_BUFFER_HARD_BYTES / FRAGMENT_BYTES_MAX + 2).unwrap();
    for _ in 0..calls {
        pair.call(1_000).unwrap();
    }
    pair.deliver();
    for stream in 1..=calls {
        pair.reply(stream, &reply);
    }
    let waiting = pair.sides[ACCEPTOR].output().len();
    assert!(waiting <= WRITE_BUFFER_HARD_BYTES + FRAGMENT_BYTES_MAX + 1024, "{waiting} bytes wait");
    assert_eq!(pair.events(ACCEPTOR).last().unwrap(), "closed OVERLOADED by us");
}

#[test]
fn pings_are_bounded_and_all_their_answers_count() {
    let mut pair = Pair::open();
    for at in 0..50 {
        pair.now = at;
        pair.sides[DIALLER].ping(at);
    }
    pair.deliver();
    pair.check(DIALLER, &["pong"; PINGS_UNANSWERED_MAX]);
}

// ---- heartbeats ----

#[test]
fn a_silent_peer_is_noticed_after_four_intervals() {
    let mut pair = Pair::open();
    let interval_ms = u64::from(pair.sides[DIALLER].config.hello.heartbeat_interval_ms);
    pair.call(60_000).unwrap();
    pair.sides[DIALLER].output().clear();
    pair.wait(DIALLER, interval_ms * u64::from(HEARTBEATS_MISSED_MAX + 1) - 1);
    pair.check(DIALLER, &[]);
    pair.wait(DIALLER, 1);
    pair.check(DIALLER, &["failed 1 CONNECTION_LOST", "closed PEER_SILENT by us"]);
}

#[test]
fn a_side_that_did_not_run_blames_itself() {
    let mut pair = Pair::open();
    // The timer fires a minute late: the peer may have spoken all the time.
    pair.now = 60_000 * MS;
    let now = pair.now;
    pair.sides[DIALLER].handle_timeout(now);
    pair.deliver();
    pair.check(DIALLER, &["pong"]);
}

#[test]
fn the_slower_heartbeat_holds() {
    let mut pair = Pair::with(|configs| configs[ACCEPTOR].hello.heartbeat_interval_ms = 10_000);
    pair.deliver();
    assert_eq!(pair.sides.each_ref().map(Connection::next_deadline), [Some(10_000 * MS); 2]);
}
