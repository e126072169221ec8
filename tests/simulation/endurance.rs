//! One connection against a peer, and an application, that may do anything at any time.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use micronet_wire::conn::{Config, Connection, Event, Role, Timing};
use micronet_wire::header::{Kind, PREFACE};
use micronet_wire::hello::Hello;
use micronet_wire::limits::{FRAME_PAYLOAD_BYTES_MAX, HEADER_BYTES};
use micronet_wire::service::CallOptions;
use proptest::prelude::*;

use crate::strategies::{METHODS, encoded, frame, frames, payloads};

/// Where a frame says its kind.
const KIND_AT: usize = 4;

fn connection(role: Role) -> Connection {
    let hello = Hello { heartbeat_interval_ms: 50, ..Hello::default() };
    Connection::new(
        Config {
            role,
            hello,
            credential: None,
            cluster_secret: None,
            operator_token: None,
            certified: None,
            credit_when_known: None,
        },
        0,
    )
}

/// What a peer, or the connection's own application, does next.
#[derive(Debug, Clone)]
enum Deed {
    /// The peer sends these bytes.
    Send(Vec<u8>),
    /// The peer sends a frame of this kind and payload, on a stream where it belongs if there is one.
    Apt(Kind, Vec<u8>),
    Call,
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
    ];
    kind.prop_flat_map(|kind| {
        let payload = prop_oneof![15 => payloads(kind), 1 => any::<Vec<u8>>().boxed()];
        payload.prop_map(move |payload| Deed::Apt(kind, payload))
    })
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        1 => frames().prop_map(Deed::Send),
        20 => apt(),
        5 => Just(Deed::Call),
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
            Deed::Apt(kind, payload) => {
                let last = self.seen.last().copied().unwrap_or_default();
                let stream = match (kind, self.role) {
                    (Kind::Request | Kind::Notice, Role::Acceptor) => Some(last + 1),
                    (Kind::Cancel, Role::Acceptor) => self.requests.keys().next().copied(),
                    (Kind::Reply | Kind::Error, Role::Dialler) => self.unanswered.pop_first(),
                    (Kind::Ping, _) => Some(0),
                    _ => None,
                };
                if let Some(stream) = stream {
                    return self.act(Deed::Send(frame(kind, stream, METHODS[0], &payload)));
                }
            }
            Deed::Call => {
                let deadline_ns = now + 40_000_000;
                let options = CallOptions { deadline_ns, ..CallOptions::default() };
                if let Ok(stream) =
                    self.connection.call(now, METHODS[0], &bytes::Bytes::from_static(b"request"), options)
                {
                    assert_eq!(self.calls.insert(stream, true), None, "a stream is given twice");
                    self.unanswered.insert(stream);
                }
            }
            Deed::Notify => {
                if let Ok(stream) = self.connection.send(
                    now,
                    METHODS[0],
                    &bytes::Bytes::from_static(b"notice"),
                    CallOptions::default(),
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
                Event::Abandoned { stream } => assert!(self.requests.remove(&stream).is_some()),
                Event::Closed { .. } => {
                    self.closed = true;
                    // Whoever waits is told before; one-way calls go on without their connection.
                    assert!(self.requests.values().all(|awaited| !awaited));
                    self.requests.clear();
                }
                Event::Message { .. } | Event::MessagesEnded { .. } | Event::Room { .. } => {}
                Event::Ready(_) | Event::Goaway | Event::Announced(_) | Event::Pong { .. } => {}
            }
        }
        let in_flight = self.connection.calls_in_flight();
        assert!(in_flight >= self.requests.len() && in_flight <= self.requests.len() + self.calls.len());
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
        assert!(before <= 64 << 10, "{before} bytes of answer");
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
