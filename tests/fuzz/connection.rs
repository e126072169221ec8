//! A whole connection, in either role, against a peer that sends anything, with an application that calls, answers and drains
//! at any time.
//!
//! An input is one byte of choices, one for the size of pieces, and then either raw bytes or *records*, of which each is a
//! frame or something that the application does. The connection must say and do the same in whatever pieces bytes come.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BytesMut};
use micronet_tests::spec::hex;
use micronet_wire::conn::{Arity, Config, Connection, Event, Role, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::{Frame, Goaway};
use micronet_wire::header::{Header, Kind, PREFACE, flags};
use micronet_wire::hello::Hello;
use micronet_wire::limits::{
    CONNECTION_CREDIT_BYTES_MIN, FRAGMENT_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX, HEADER_BYTES,
    LONG_QUEUE_HARD_BYTES, REASSEMBLY_BYTES_MAX, STREAM_CREDIT_BYTES_MIN, STREAM_ID_MAX,
};
use micronet_wire::service::CallOptions;

use crate::codec::{crc32c, repair_frames};
use crate::driver::{saw, saw_words};

/// The choices of the first byte.
pub(crate) mod choice {
    /// The connection under test dials.
    pub(crate) const DIALLER: u8 = 1;
    /// The peer's preface and HELLO come before everything else.
    pub(crate) const GREETED: u8 = 2;
    /// What follows are records.
    pub(crate) const RECORDS: u8 = 4;
    /// Neither side wants checksums.
    pub(crate) const NO_CHECKSUMS: u8 = 8;
    /// Raw frames get right lengths and checksums.
    pub(crate) const REPAIRED: u8 = 16;
}

/// The kinds of records that are no frames: what the application does.
pub(crate) mod deed {
    pub(crate) const CALL: u8 = 200;
    pub(crate) const SEND: u8 = 201;
    pub(crate) const CANCEL: u8 = 202;
    pub(crate) const REPLY: u8 = 203;
    pub(crate) const FAIL: u8 = 204;
    pub(crate) const PING: u8 = 205;
    pub(crate) const DRAIN: u8 = 206;
    pub(crate) const WAIT: u8 = 207;
    pub(crate) const CLOSE: u8 = 208;
    pub(crate) const OPEN: u8 = 209;
    pub(crate) const SAY: u8 = 210;
    pub(crate) const END: u8 = 211;
    pub(crate) const READ: u8 = 212;
    pub(crate) const LONG: u8 = 213;
    pub(crate) const ALL: [u8; 14] =
        [CALL, SEND, CANCEL, REPLY, FAIL, PING, DRAIN, WAIT, CLOSE, OPEN, SAY, END, READ, LONG];
}

/// A record's head: kind, flags, stream, method, length of the payload.
pub(crate) const RECORD_BYTES: usize = 5;
/// The method of calls here.
pub(crate) const METHOD: u32 = 0xA45F_A70A;
/// What the acceptor takes: few, so that limits are reached.
const CALLS_MAX: u32 = 4;

pub(crate) const WORDS: &[&[u8]] = &[
    &[16, 3, 1, 1, 6, 0, 4, 0, 0, 0, 1],
    &[22, 3, 2, 1, 6, 0, 4, 0, 0, 0xFF, 0],
    &[17, 3, 1, 1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    &[19, 3, 1, 1, 0],
    &[4, 2, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0],
    &[6, 2, 0, 0, 4, 0, 0, 0, 1],
    &[7, 2, 0, 0, 4, 0, 0, 0, 0],
    &[deed::CALL, 1, 0, 0, 0],
    &[deed::SEND, 1, 0, 0, 0],
    &[deed::REPLY, 0, 0, 0, 0],
    &[deed::FAIL, 0, 0, 0, 0],
    &[deed::CANCEL, 0, 1, 0, 0],
    &[deed::WAIT, 20, 0, 0, 0],
    &[deed::DRAIN, 0, 0, 0, 0],
    &[16, 2, 1, 1, 6, 0, 4, 0, 0, 0, 1],
    &[16, 6, 1, 1, 10, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9],
    &[20, 2, 1, 1, 3, 7, 7, 7],
    &[20, 2, 1, 2, 3, 7, 7, 7],
    &[20, 6, 1, 1, 6, 0, 0, 0, 9, 7, 7],
    &[20, 6, 1, 1, 4, 0, 10, 0, 0],
    &[20, 10, 1, 1, 7, 7, 7, 7, 7, 7, 7, 7],
    &[20, 11, 1, 1, 7, 7, 7, 7, 7, 7, 7, 7],
    &[20, 14, 1, 2, 2, 7, 7],
    &[20, 3, 1, 1, 0],
    &[17, 11, 1, 1, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7],
    &[21, 2, 0, 0, 4, 0, 1, 0, 0],
    &[21, 2, 1, 1, 4, 0, 1, 0, 0],
    &[deed::OPEN, 20, 3, 0, 0],
    &[deed::SAY, 200, 1, 0, 0],
    &[deed::END, 0, 1, 0, 0],
    &[deed::READ, 0, 1, 0, 0],
    &[deed::LONG, 200, 1, 0, 0],
    b"\x89MNP\r\n\x1a\x01",
];

/// A hello as both sides say it: with little credit, so that it is soon used up.
pub(crate) fn hello(checksums: bool) -> Hello {
    Hello {
        stream_credit: STREAM_CREDIT_BYTES_MIN,
        connection_credit: CONNECTION_CREDIT_BYTES_MIN,
        calls_in_flight_max: CALLS_MAX,
        heartbeat_interval_ms: 50,
        checksums,
        ..Hello::default()
    }
}

/// A frame with right length and checksums, whatever else is wrong with it.
pub(crate) fn frame(kind: u8, bits: u8, stream: u32, method: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes().to_vec();
    // What has a message has an encoding.
    let encoding = u8::from(matches!(kind, 16 | 17 | 18 | 20 | 22));
    out.extend([kind, bits, encoding, 0]);
    out.extend(stream.to_be_bytes());
    out.extend(method.to_be_bytes());
    let sum = if bits & flags::CHECKSUM != 0 { crc32c(payload) } else { 0 };
    out.extend(sum.to_be_bytes());
    let sum = crc32c(&out);
    out.extend(sum.to_be_bytes());
    out.extend(payload);
    out
}

/// What happens next.
enum Step {
    Bytes(Vec<u8>),
    Deed(u8, u8, u8),
}

fn steps(choices: u8, input: &[u8]) -> Vec<Step> {
    let mut steps = Vec::new();
    if choices & choice::GREETED != 0 {
        let mut said = Vec::new();
        hello(choices & choice::NO_CHECKSUMS == 0).encode(&mut said);
        steps.push(Step::Bytes([&PREFACE[..], &frame(1, flags::CHECKSUM, 0, 0, &said)].concat()));
    }
    if choices & choice::RECORDS == 0 {
        let mut bytes = input.to_vec();
        if choices & choice::REPAIRED != 0 {
            let from = if bytes.starts_with(&PREFACE) { PREFACE.len() } else { 0 };
            repair_frames(&mut bytes[from..]);
        }
        steps.push(Step::Bytes(bytes));
        return steps;
    }
    let mut rest = input;
    while let Some((&[kind, bits, stream, method, length], after)) = rest.split_first_chunk::<RECORD_BYTES>()
    {
        let (payload, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        if deed::ALL.contains(&kind) {
            steps.push(Step::Deed(kind, bits, stream));
            continue;
        }
        let stream = if stream == u8::MAX { STREAM_ID_MAX } else { u32::from(stream) };
        // Such a frame is as long as one may be.
        let mut payload = payload.to_vec();
        if method == 2 {
            payload.resize(FRAGMENT_BYTES_MAX, 7);
        }
        let method = if method == 1 || method == 2 { METHOD } else { u32::from(method) };
        steps.push(Step::Bytes(frame(kind, bits, stream, method, &payload)));
    }
    steps
}

/// A connection under test, and what its application knows.
struct Driven {
    role: Role,
    connection: Connection,
    input: BytesMut,
    now: u64,
    /// Our calls: whether they may still end.
    calls: BTreeMap<u32, bool>,
    /// The peer's calls at work, and whether it waits for an answer.
    requests: BTreeMap<u32, bool>,
    /// The lengths of the messages that came and were not read, by stream.
    unread: BTreeMap<u32, Vec<usize>>,
    /// Everything that was said.
    output: Vec<u8>,
    /// Everything that happened, in words.
    history: Vec<String>,
    closed: bool,
}

/// Two runs of one input, in other pieces, come to the same.
pub(crate) fn check(input: &[u8]) {
    let Some((&[choices, piece], rest)) = input.split_first_chunk::<2>() else { return };
    let run = |piece: usize| {
        let mut driven = Driven::new(choices);
        for step in steps(choices, rest) {
            driven.take(&step, piece);
        }
        driven.end();
        driven
    };
    let whole = run(usize::MAX);
    let said = check_said(&whole);
    let pieces = run(usize::from(piece) + 1);
    assert_eq!(whole.history, pieces.history);
    // Control frames pass others, and which wait for them depends on what was read together.
    let passing = |(header, _): &(Header, Vec<u8>)| header.kind.is_control() || header.kind == Kind::Credit;
    let apart = |said: Vec<(Header, Vec<u8>)>| said.into_iter().partition::<Vec<_>, _>(passing);
    assert_eq!(apart(said), apart(check_said(&pieces)));
    whole.history.windows(2).for_each(|pair| saw_words(&pair.concat()));
}

impl Driven {
    fn new(choices: u8) -> Self {
        let role = if choices & choice::DIALLER == 0 { Role::Acceptor } else { Role::Dialler };
        let hello = hello(choices & choice::NO_CHECKSUMS == 0);
        let config = Config::new(role, hello);
        Self {
            role,
            connection: Connection::new(config, 0),
            input: BytesMut::new(),
            now: 0,
            calls: BTreeMap::new(),
            requests: BTreeMap::new(),
            unread: BTreeMap::new(),
            output: Vec::new(),
            history: Vec::new(),
            closed: false,
        }
    }

    fn take(&mut self, step: &Step, piece: usize) {
        match step {
            Step::Bytes(bytes) => {
                for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
                    self.input.extend_from_slice(piece);
                    let before = self.input.len();
                    self.connection.receive(self.now, &mut self.input, piece.len());
                    assert!(self.input.len() <= before);
                    self.attend();
                }
                let largest = HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX as usize;
                assert!(self.closed || self.input.len() <= largest.max(PREFACE.len()));
            }
            Step::Deed(deed, patience, stream) => self.act(*deed, u64::from(*patience), u32::from(*stream)),
        }
    }

    fn act(&mut self, deed: u8, patience: u64, stream: u32) {
        let now = self.now;
        let timing = Timing { started_ns: now, finished_ns: now };
        let options = CallOptions { deadline_ns: now + patience * 1_000_000, ..CallOptions::default() };
        match (deed, self.role) {
            // An application makes calls on connections that it has dialled.
            (deed::CALL | deed::SEND | deed::CANCEL | deed::OPEN, Role::Acceptor) => {}
            (deed::OPEN, Role::Dialler) => {
                let request = bytes::Bytes::from(vec![7; if stream & 4 == 0 { 7 } else { 40_000 }]);
                let request = (stream & 1 == 0).then_some(&request);
                let replies = if stream & 2 == 0 { Arity::One } else { Arity::Many };
                let made = self.connection.open(now, METHOD, request, replies, &options);
                self.history.push(format!("open {:?}", made.as_ref().map_err(|error| error.code)));
                if let Ok(stream) = made {
                    assert_eq!(self.calls.insert(stream, true), None, "a stream is given twice");
                }
            }
            (deed::SAY, _) => {
                if self.connection.has_room(stream) {
                    let length = usize::try_from(patience * 200).unwrap().max(1);
                    self.connection.say(now, stream, vec![7; length].into(), false).unwrap();
                }
            }
            (deed::END, _) => self.connection.end_messages(now, stream),
            (deed::READ, _) => {
                for length in self.unread.remove(&stream).unwrap_or_default() {
                    self.connection.consumed(stream, length);
                }
                self.connection.await_message(stream);
            }

            (deed::CALL, Role::Dialler) => {
                let made =
                    self.connection.call(now, METHOD, &bytes::Bytes::from_static(b"request"), &options);
                self.history.push(format!("call {:?}", made.as_ref().map_err(|error| error.code)));
                if let Ok(stream) = made {
                    assert_eq!(self.calls.insert(stream, true), None, "a stream is given twice");
                }
            }
            (deed::SEND, Role::Dialler) => {
                let made = self.connection.send(now, METHOD, &bytes::Bytes::from_static(b"notice"), &options);
                self.history.push(format!("send {:?}", made.map_err(|error| error.code)));
            }
            (deed::CANCEL, Role::Dialler) => {
                self.connection.cancel(stream);
                self.calls.entry(stream).and_modify(|open| *open = false);
            }
            (deed::REPLY | deed::FAIL | deed::LONG, _) => {
                let chosen = self.requests.range(stream..).next().map(|(stream, _)| *stream);
                let Some(stream) = chosen else { return };
                self.requests.remove(&stream);
                if deed == deed::LONG {
                    let length = usize::try_from(patience * 1_000).unwrap();
                    self.connection.reply(now, stream, &vec![7; length].into(), timing);
                } else if deed == deed::REPLY {
                    self.connection.reply(now, stream, &bytes::Bytes::from_static(b"reply"), timing);
                } else {
                    self.connection.fail(now, stream, &RpcError::new(Code::Internal, "fuzzed"), timing);
                }
            }
            (deed::PING, _) => {
                self.connection.ping(now);
            }
            (deed::DRAIN, _) => self.connection.drain(),
            (deed::WAIT, _) => {
                self.now += patience * 1_000_000;
                self.connection.handle_timeout(self.now);
                let due = self.connection.next_deadline();
                assert!(due.is_none_or(|due| due > self.now), "due again at once");
            }
            _ => self.connection.close(Code::Internal, "fuzzed"),
        }
        self.attend();
    }

    fn attend(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            assert!(!self.closed, "{event:?} after Closed");
            self.history.push(told(&event));
            match event {
                Event::Reply { stream, .. } | Event::Failed { stream, .. } => {
                    assert_eq!(self.calls.insert(stream, false), Some(true), "stream {stream} ends again");
                }
                Event::Request { stream, context, .. } => {
                    let again = self.requests.insert(stream, !context.one_way);
                    assert_eq!(again, None, "stream {stream} is opened twice");
                }
                // Also a call whose answer has to wait is.
                Event::Abandoned { stream } => drop(self.requests.remove(&stream)),
                Event::Closed { .. } => {
                    self.closed = true;
                    assert!(self.requests.values().all(|awaited| !awaited), "a call is left to itself");
                    self.requests.clear();
                }
                Event::Message { stream, message } => {
                    self.unread.entry(stream).or_default().push(message.len());
                }
                Event::MessagesEnded { .. } | Event::Room { .. } => {}
                Event::Ready(_)
                | Event::Goaway
                | Event::Announced(_)
                | Event::Pong { .. }
                | Event::Dropped { .. } => {}
            }
        }
        let waiting = self.connection.output().split();
        self.output.extend_from_slice(&waiting);
        // What is on its way may make room, and end what was over but for that.
        if !waiting.is_empty() {
            return self.attend();
        }
        let exposure = self.connection.exposure();
        let most = u64::from(CONNECTION_CREDIT_BYTES_MIN + REASSEMBLY_BYTES_MAX);
        assert!(exposure.held + exposure.granted <= most && exposure.queued <= LONG_QUEUE_HARD_BYTES);
        if self.connection.calls_in_flight() == 0 {
            assert_eq!((exposure.held, exposure.reserved, exposure.queued, exposure.streams), (0, 0, 0, 0));
        }
        let in_flight = self.connection.calls_in_flight();
        match self.role {
            // There are those, too, whose request or answer is not whole.
            Role::Acceptor => assert!((self.requests.len()..=CALLS_MAX as usize).contains(&in_flight)),
            Role::Dialler => assert!(in_flight <= CALLS_MAX as usize),
        }
        assert!(self.requests.len() <= CALLS_MAX as usize, "more calls are at work than were agreed");
        assert_eq!(self.closed, self.connection.is_closed());
        assert_eq!(self.closed, self.connection.next_deadline().is_none());
    }

    fn end(&mut self) {
        self.connection.peer_gone("the end of the input");
        self.attend();
        assert!(self.closed && self.connection.calls_in_flight() == 0);
        assert!(self.calls.values().all(|open| !open), "calls without an end: {:?}", self.calls);
    }
}

fn told(event: &Event) -> String {
    match event {
        Event::Ready(hello) => format!("ready, checksums {}", hello.checksums),
        Event::Request { stream, method, context, request } => {
            format!(
                "request {stream} {method} {} {:?} {:?}",
                context.one_way,
                context.principal,
                hex(request)
            )
        }
        Event::Abandoned { stream } => format!("abandoned {stream}"),
        Event::Dropped { stream, error, .. } => format!("dropped {stream} {error}"),
        Event::Reply { stream, reply, .. } => format!("reply {stream} {:?}", hex(reply)),
        Event::Failed { stream, error, .. } => format!("failed {stream} {}", error.code),
        Event::Message { stream, message } => format!("message {stream} {:?}", hex(message)),
        Event::MessagesEnded { stream } => format!("end {stream}"),
        Event::Room { stream } => format!("room {stream}"),
        Event::Goaway => "goaway".into(),
        Event::Pong { .. } => "pong".into(),
        Event::Announced(said) => format!("announced {said:?}"),
        Event::Closed { error, by_peer } => format!("closed {error:?} {by_peer}"),
    }
}

/// What the connection said is what SPEC.md lets its side say: sound frames, HELLO first, CLOSE last, one terminal frame a
/// request and none a notice. All of it, but for what a PONG tells of the reads.
fn check_said(driven: &Driven) -> Vec<(Header, Vec<u8>)> {
    let mut said = BytesMut::from(&driven.output[..]);
    assert!(said.starts_with(&PREFACE));
    said.advance(PREFACE.len());
    let (mut frames, mut kinds, mut ended) = (Vec::new(), Vec::new(), BTreeMap::new());
    let (mut last, mut begun) = (0, BTreeSet::new());
    while let Some(Frame { mut header, payload }) = Frame::take(&mut said, FRAME_PAYLOAD_BYTES_MAX).unwrap() {
        let Header { kind, stream, .. } = header;
        assert_ne!(kinds.last(), Some(&Kind::Close), "{kind:?} after CLOSE");
        assert_eq!(kind == Kind::Hello, kinds.is_empty());
        match kind {
            Kind::Reply | Kind::Error => {
                assert_eq!(driven.role, Role::Acceptor);
                begun.remove(&stream);
                assert_eq!(ended.insert(stream, kind), None, "two ends of stream {stream}");
                let notice = format!("request {stream} {} true", header.method);
                let one_way = driven.history.iter().any(|line| line.starts_with(&notice));
                assert!(!one_way, "{kind:?} answers a one-way call");
            }
            Kind::Request | Kind::Notice => {
                assert!(driven.role == Role::Dialler && stream > last);
                last = stream;
            }
            Kind::Cancel => {
                assert!(driven.role == Role::Dialler && stream <= last);
                assert_eq!(ended.insert(stream, kind), None, "stream {stream} is cancelled twice");
            }
            // Nothing follows the end; and pieces follow a beginning.
            Kind::Data => {
                assert!(!ended.contains_key(&stream), "DATA after the end of stream {stream}");
                assert!(driven.role == Role::Acceptor || stream <= last);
                let continued = header.flags & flags::CONTINUED != 0;
                assert!(continued == begun.contains(&stream) || payload.len() == 4);
                if header.flags & flags::MORE == 0 {
                    begun.remove(&stream);
                } else if payload.len() > 4 {
                    begun.insert(stream);
                }
            }
            Kind::Goaway => assert!(Goaway::decode(&payload).is_some()),
            _ => {}
        }
        kinds.push(kind);
        let mut payload = payload.to_vec();
        if kind == Kind::Pong {
            payload[8..16].fill(0);
            header.payload_checksum = 0;
        }
        frames.push((header, payload));
    }
    assert!(said.is_empty(), "half a frame was said");
    saw(kinds.iter().map(|kind| *kind as u8).collect::<Vec<_>>().windows(3).last().map(<[u8]>::to_vec));
    frames
}
