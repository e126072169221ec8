//! One connection against a peer, and an application, that may do anything at any time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use micronet_wire::conn::{Arity, Config, Connection, Event, Role, Timing};
use micronet_wire::header::{Kind, PREFACE};
use micronet_wire::hello::Hello;
use micronet_wire::limits::{
    CONNECTION_CREDIT_BYTES, FRAME_PAYLOAD_BYTES_MAX, HEADER_BYTES, LONG_QUEUE_HARD_BYTES,
    REASSEMBLY_BYTES_MAX,
};
use micronet_wire::service::CallOptions;
use proptest::prelude::*;

use crate::strategies::{METHODS, bits, encoded, frame, frame_with, frames, payloads};

/// Where a frame says its kind.
const KIND_AT: usize = 4;

fn connection(role: Role) -> Connection {
    let hello = Hello { heartbeat_interval_ms: 50, ..Hello::default() };
    Connection::new(Config::new(role, hello), 0)
}

/// What a peer, or the connection's own application, does next.
#[derive(Debug, Clone)]
enum Deed {
    /// The peer sends these bytes.
    Send(Vec<u8>),
    /// The peer sends a frame of this kind, with these flags and this payload, on a stream where it belongs if there is one.
    Apt(Kind, u8, Vec<u8>),
    /// A call: with a stream of requests, of replies, or with a long request.
    Call(bool, bool, bool),
    /// A message of so many bytes on one of the streams.
    Say(u32, usize),
    /// All messages of a stream are read, and its next one is awaited.
    Read(u32),
    /// A one-way call.
    Notify,
    Cancel(u32),
    Answer,
    Ping,
    Drain,
    Wait(u64),
}

fn apt() -> impl Strategy<Value = Deed> {
    let kind = prop_oneof![
        6 => Just(Kind::Request),
        3 => Just(Kind::Notice),
        4 => Just(Kind::Reply),
        3 => Just(Kind::Error),
        3 => Just(Kind::Cancel),
        2 => Just(Kind::Ping),
        4 => Just(Kind::Data),
        2 => Just(Kind::Credit),
    ];
    kind.prop_flat_map(|kind| {
        let payload = prop_oneof![15 => payloads(kind), 1 => any::<Vec<u8>>().boxed()];
        (bits(kind), payload).prop_map(move |(bits, payload)| Deed::Apt(kind, bits, payload))
    })
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        1 => frames().prop_map(Deed::Send),
        20 => apt(),
        5 => any::<(bool, bool, bool)>().prop_map(|(requests, replies, long)| Deed::Call(requests, replies, long)),
        2 => (1_u32..8, 1_usize..60_000).prop_map(|(stream, bytes)| Deed::Say(stream, bytes)),
        2 => (1_u32..8).prop_map(Deed::Read),
        2 => Just(Deed::Notify),
        2 => (1_u32..8).prop_map(Deed::Cancel),
        4 => Just(Deed::Answer),
        1 => Just(Deed::Ping),
        1 => Just(Deed::Drain),
        2 => (0_u64..60).prop_map(Deed::Wait),
    ]
}

/// One connection, and what its application knows.
struct Driven {
    role: Role,
    connection: Connection,
    input: BytesMut,
    now: u64,
    /// Our calls: whether they may still end.
    calls: BTreeMap<u32, bool>,
    /// Our calls that the peer has not answered.
    unanswered: BTreeSet<u32>,
    /// Our one-way calls, of which nothing must be heard.
    sent: BTreeSet<u32>,
    /// The peer's calls that we work on, and whether it waits for an answer.
    requests: BTreeMap<u32, bool>,
    seen: BTreeSet<u32>,
    /// Bytes of messages that came and were not read.
    unread: BTreeMap<u32, usize>,
    /// The peer's calls that were answered; some answers may have to wait.
    answered: BTreeSet<u32>,
    closed: bool,
}

impl Driven {
    fn new(role: Role) -> Self {
        Self {
            role,
            connection: connection(role),
            input: BytesMut::new(),
            now: 0,
            calls: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            sent: BTreeSet::new(),
            requests: BTreeMap::new(),
            seen: BTreeSet::new(),
            unread: BTreeMap::new(),
            answered: BTreeSet::new(),
            closed: false,
        }
    }

    fn act(&mut self, deed: Deed) {
        let now = self.now;
        match deed {
            Deed::Send(bytes) => {
                self.input.extend_from_slice(&bytes);
                self.connection.receive(now, &mut self.input, bytes.len());
            }
            Deed::Apt(kind, bits, payload) => {
                let last = self.seen.last().copied().unwrap_or_default();
                let stream = match (kind, self.role) {
                    (Kind::Request | Kind::Notice, Role::Acceptor) => Some(last + 1),
                    (Kind::Cancel, Role::Acceptor) => self.requests.keys().next().copied(),
                    (Kind::Reply | Kind::Error, Role::Dialler) => self.unanswered.pop_first(),
                    (Kind::Ping, _) => Some(0),
                    (Kind::Data | Kind::Credit, Role::Acceptor) => self.requests.keys().next().copied(),
                    (Kind::Data | Kind::Credit, Role::Dialler) => self.unanswered.first().copied(),
                    _ => None,
                };
                if let Some(stream) = stream {
                    return self.act(Deed::Send(frame_with(kind, bits, stream, METHODS[0], &payload)));
                }
            }
            Deed::Say(stream, bytes) => {
                if self.connection.has_room(stream) {
                    self.connection.say(now, stream, vec![7; bytes].into(), false).unwrap();
                }
            }
            Deed::Read(stream) => {
                self.connection.consumed(stream, self.unread.remove(&stream).unwrap_or(0));
                self.connection.await_message(stream);
            }
            Deed::Call(requests, replies, long) => {
                let request = bytes::Bytes::from(vec![7; if long { 40_000 } else { 7 }]);
                let request = (!requests).then_some(&request);
                let replies = if replies { Arity::Many } else { Arity::One };
                let deadline_ns = now + 40_000_000;
                let options = CallOptions { deadline_ns, ..CallOptions::default() };
                if let Ok(stream) = self.connection.open(now, METHODS[0], request, replies, &options) {
                    assert_eq!(self.calls.insert(stream, true), None, "a stream is given twice");
                    self.unanswered.insert(stream);
                }
            }
            Deed::Notify => {
                if let Ok(stream) = self.connection.send(
                    now,
                    METHODS[0],
                    &bytes::Bytes::from_static(b"notice"),
                    &CallOptions::default(),
                ) {
                    assert!(self.sent.insert(stream) && !self.calls.contains_key(&stream));
                }
            }
            Deed::Cancel(stream) => {
                self.connection.cancel(stream);
                self.calls.entry(stream).and_modify(|open| *open = false);
            }
            Deed::Answer => {
                if let Some((stream, awaited)) = self.requests.pop_first() {
                    let before = self.connection.output().len();
                    self.connection.reply(
                        now,
                        stream,
                        &bytes::Bytes::from_static(b"reply"),
                        Timing { started_ns: now, finished_ns: now },
                    );
                    // The end of a connection that drains may be said now, but no answer.
                    self.answered.insert(stream);
                    let said = self.connection.output().get(before + KIND_AT).copied();
                    assert!(awaited || said.is_none_or(|kind| kind == Kind::Close as u8));
                }
            }
            Deed::Ping => {
                self.connection.ping(now);
            }
            Deed::Drain => self.connection.drain(),
            Deed::Wait(ms) => {
                self.now += ms * 1_000_000;
                self.connection.handle_timeout(self.now);
            }
        }
        self.attend();
    }

    fn attend(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            assert!(!self.closed, "{event:?} after Closed");
            match event {
                Event::Reply { stream, .. } | Event::Failed { stream, .. } => {
                    assert_eq!(self.calls.insert(stream, false), Some(true), "stream {stream} ends again");
                }
                Event::Request { stream, context, .. } => {
                    assert!(self.seen.insert(stream), "stream {stream} is opened twice");
                    self.requests.insert(stream, !context.one_way);
                }
                Event::Dropped { stream, .. } => {
                    assert!(self.seen.insert(stream), "stream {stream} is opened twice");
                }
                Event::Abandoned { stream } => {
                    let known = self.requests.remove(&stream).is_some() | self.answered.remove(&stream);
                    assert!(known, "stream {stream} is abandoned twice");
                }
                Event::Closed { .. } => {
                    self.closed = true;
                    // Whoever waits is told before; one-way calls go on without their connection.
                    assert!(self.requests.values().all(|awaited| !awaited));
                    self.requests.clear();
                }
                Event::Ready(_) | Event::Goaway | Event::Announced(_) | Event::Pong { .. } => {}
                Event::Message { stream, message } => {
                    assert_ne!(
                        self.calls.get(&stream),
                        Some(&false),
                        "a message after the end of stream {stream}"
                    );
                    *self.unread.entry(stream).or_default() += message.len();
                }
                Event::MessagesEnded { .. } | Event::Room { .. } => {}
            }
        }
        let in_flight = self.connection.calls_in_flight();
        assert!(in_flight >= self.requests.len());
        let exposure = self.connection.exposure();
        let most = u64::from(CONNECTION_CREDIT_BYTES + REASSEMBLY_BYTES_MAX);
        assert!(exposure.held + exposure.granted <= most && exposure.queued <= LONG_QUEUE_HARD_BYTES);
        if in_flight == 0 {
            assert_eq!((exposure.held, exposure.reserved, exposure.queued, exposure.streams), (0, 0, 0, 0));
        }
        assert!(self.closed || self.input.len() <= HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX as usize);
        assert!(self.closed || self.connection.next_deadline().is_some());
    }
}

fn greeting() -> Vec<u8> {
    let hello = encoded(|out| Hello::default().encode(out));
    [&PREFACE[..], &frame(Kind::Hello, 0, 0, &hello)].concat()
}

fn endure(role: Role, first: Vec<u8>, deeds: Vec<Deed>) {
    let mut driven = Driven::new(role);
    driven.act(Deed::Send(first));
    for deed in deeds {
        // What is sent is small, so what is answered is.
        let before = driven.connection.output().split().len();
        assert!(before <= 128 << 10, "{before} bytes of answer");
        driven.act(deed);
    }
    driven.connection.peer_gone("the test ends");
    driven.attend();
    assert!(driven.closed && driven.requests.is_empty());
    assert!(driven.calls.values().all(|open| !open), "calls without an end: {:?}", driven.calls);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_acceptor_endures_any_frames(deeds in prop::collection::vec(deeds(), 0..40)) {
        endure(Role::Acceptor, greeting(), deeds);
    }

    #[test]
    fn a_dialler_endures_any_frames(deeds in prop::collection::vec(deeds(), 0..40)) {
        endure(Role::Dialler, greeting(), deeds);
    }

    #[test]
    fn both_endure_any_bytes(dialler: bool, greeted: bool, deeds in prop::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let role = if dialler { Role::Dialler } else { Role::Acceptor };
        let first = if greeted { greeting() } else { Vec::new() };
        endure(role, first, deeds.into_iter().map(Deed::Send).collect());
    }
}
