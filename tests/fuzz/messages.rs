//! A connection against a peer that keeps the rules of messages (SPEC.md section 4), whatever it does when: it must never be turned
//! away, and nothing may grow past its bound. At the end the peer breaks one rule, and must hear which kind of rule it was.
//!
//! An input is one byte of choices, and then three for each thing that happens: what, on which stream, how long.

mod violations;

use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};
use micronet_wire::conn::{Arity, Config, Connection, Event, Role, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::{Frame, Goaway, put_error};
use micronet_wire::header::{Kind, PREFACE, flags};
use micronet_wire::hello::Hello;
use micronet_wire::ledger::Ledger;
use micronet_wire::limits::{
    CONNECTION_CREDIT_BYTES_MIN, FRAGMENT_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX, LONG_QUEUE_HARD_BYTES,
    MESSAGE_BYTES_MAX, REASSEMBLY_BYTES_MAX, STREAM_CREDIT_BYTES_MIN, WRITE_BUFFER_HIGH_BYTES,
};
use micronet_wire::request::RequestHead;
use micronet_wire::service::CallOptions;

use crate::connection::{METHOD, frame};
use crate::driver::saw;

/// What both sides give each other at first: little, so that it is soon used up.
const STREAM_CREDIT: u64 = STREAM_CREDIT_BYTES_MIN as u64;
const CONNECTION_CREDIT: u64 = CONNECTION_CREDIT_BYTES_MIN as u64;
/// What the peer gives later, all in all; no message of ours is longer.
const GIVEN_MAX: u64 = 64 << 20;

pub(crate) const WORDS: &[&[u8]] = &[
    &[0, 0, 0],
    &[1, 0, 0],
    &[2, 0, 200],
    &[3, 0, 250],
    &[4, 0, 255],
    &[5, 0, 9],
    &[6, 0, 0],
    &[7, 0, 255],
    &[8, 0, 0],
    &[9, 0, 0],
    &[10, 0, 0],
    &[11, 0, 250],
    &[12, 0, 0],
    &[13, 0, 220],
    &[14, 0, 0],
    &[15, 0, 0],
];

/// The choices of the first byte: the connection under test dials.
const DIALLER: u8 = 1;

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let all = WORDS.concat();
    let twice = [&all[..], &all].concat();
    let long =
        [[0, 1, 0], [3, 0, 255], [4, 0, 255], [4, 0, 255], [4, 0, 255], [9, 0, 0], [8, 0, 0], [15, 0, 3]];
    vec![[&[0], &all[..]].concat(), [&[DIALLER], &twice[..]].concat(), [&[0], long.as_flattened()].concat()]
}

/// A stream as the peer knows it.
#[derive(Debug, Default)]
struct Talk {
    credit: u64,
    /// How many messages it may send: one request or reply, or any number.
    many: bool,
    total: usize,
    left: usize,
    announced: Option<usize>,
    /// It may send nothing further but the terminal frame.
    ended: bool,
    cancelled: bool,
    /// Our application may say requests.
    has_requests: bool,
}

/// The connection, its peer, and its application.
struct World {
    role: Role,
    connection: Connection,
    input: BytesMut,
    output: BytesMut,
    now: u64,
    credit: u64,
    given: u64,
    last_stream: u32,
    /// Streams whose call has no terminal frame yet.
    talks: BTreeMap<u32, Talk>,
    /// The application's calls, and the lengths of the messages that it has not read.
    unread: BTreeMap<u32, Vec<usize>>,
    closed: Option<Option<Code>>,
}

pub(crate) fn check(input: &[u8]) {
    let Some((choices, rest)) = input.split_first() else { return };
    let mut world = World::new(if choices & DIALLER == 0 { Role::Acceptor } else { Role::Dialler });
    for step in rest.as_chunks::<3>().0.iter().take(300) {
        world.act(*step);
        if world.closed.is_some() {
            return;
        }
    }
    let last = rest.last().copied().unwrap_or(0);
    world.break_a_rule(last);
}

impl World {
    fn new(role: Role) -> Self {
        let hello = Hello {
            stream_credit: STREAM_CREDIT_BYTES_MIN,
            connection_credit: CONNECTION_CREDIT_BYTES_MIN,
            ..Hello::default()
        };
        let config = Config::new(role, hello.clone());
        let mut world = Self {
            role,
            connection: Connection::new(config, 0),
            input: BytesMut::new(),
            output: BytesMut::new(),
            now: 0,
            credit: CONNECTION_CREDIT,
            given: 0,
            last_stream: 0,
            talks: BTreeMap::new(),
            unread: BTreeMap::new(),
            closed: None,
        };
        let mut said = Vec::new();
        hello.encode(&mut said);
        let greeting = [&PREFACE[..], &frame(Kind::Hello as u8, flags::CHECKSUM, 0, 0, &said)].concat();
        let own = world.connection.output().split();
        world.output.extend_from_slice(&own[PREFACE.len()..]);
        world.input.extend_from_slice(&greeting);
        world.connection.receive(0, &mut world.input, greeting.len());
        world.attend();
        world
    }

    fn say(&mut self, kind: Kind, bits: u8, stream: u32, payload: &[u8]) {
        let method = if stream == 0 { 0 } else { METHOD };
        let bytes = frame(kind as u8, bits | flags::CHECKSUM, stream, method, payload);
        self.input.extend_from_slice(&bytes);
        self.connection.receive(self.now, &mut self.input, bytes.len());
    }

    /// One thing happens; whatever it is keeps the rules.
    fn act(&mut self, [what, which, size]: [u8; 3]) {
        let long = length_of(size);
        match what % 16 {
            0 if self.role == Role::Acceptor => self.request(which, long),
            0 | 1 => self.call(which, long),
            2 => self.send(which, size.into()),
            3 => self.begin(which, long, true),
            4 | 5 => self.begin(which, long, false),
            6 => self.end(which),
            7 => self.give(which, long as u64),
            8 => self.read(which, usize::MAX),
            9 => self.read(which, 0),
            10 => self.give_up(which),
            11 => self.speak(which, long),
            12 => self.answer(which, long, size.is_multiple_of(3)),
            13 => self.read(which, 1),
            14 => self.say(Kind::Ping, 0, 0, &[size; 8]),
            _ => {
                self.now += u64::from(size) * 100_000;
                self.connection.handle_timeout(self.now);
            }
        }
        self.attend();
        saw((what % 16, self.talks.len().min(4), self.unread.len().min(3), self.credit == 0));
        // A peer that keeps the rules is never turned away.
        assert_eq!(self.closed, None, "closed after {what} {which} {size}: {:?}", self.talks);
    }

    fn chosen(&self, which: u8) -> Option<u32> {
        let at = usize::from(which) % self.talks.len().max(1);
        self.talks.keys().nth(at).copied()
    }

    /// The peer makes a call.
    fn request(&mut self, which: u8, length: usize) {
        self.last_stream += 1;
        let stream = self.last_stream;
        let mut payload = BytesMut::new();
        let head = RequestHead { deadline_us: 1_000_000, ..RequestHead::default() };
        head.encode(&mut payload).unwrap();
        let mut talk = Talk { credit: STREAM_CREDIT, ..Talk::default() };
        let bits = match which % 3 {
            0 => {
                talk.ended = true;
                flags::END
            }
            1 => {
                talk.many = true;
                0
            }
            _ => {
                let length = length.max(1);
                talk.announced = Some(length);
                payload.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
                flags::MORE
            }
        };
        self.talks.insert(stream, talk);
        self.say(Kind::Request, bits, stream, &payload);
    }

    /// The application makes a call.
    fn call(&mut self, which: u8, length: usize) {
        if self.role == Role::Acceptor {
            return;
        }
        let request = Bytes::from(vec![7; length]);
        let request = (!which.is_multiple_of(3)).then_some(&request);
        let replies = if which.is_multiple_of(2) { Arity::Many } else { Arity::One };
        let options = CallOptions { deadline_ns: self.now + 1_000_000_000, ..CallOptions::default() };
        if let Ok(stream) = self.connection.open(self.now, METHOD, request, replies, &options) {
            let many = replies == Arity::Many;
            let has_requests = request.is_none();
            self.talks.insert(stream, Talk { credit: STREAM_CREDIT, many, has_requests, ..Talk::default() });
            assert!(self.unread.insert(stream, Vec::new()).is_none(), "a stream is given twice");
        }
    }

    /// The peer sends a message of one frame.
    fn send(&mut self, which: u8, length: usize) {
        let Some(stream) = self.chosen(which) else { return };
        let Some(talk) = self.talks.get_mut(&stream) else { return };
        let length = length.max(1);
        let fits = length as u64 <= talk.credit.min(self.credit);
        if !talk.many || talk.ended || talk.left > 0 || talk.announced.is_some() || !fits {
            return;
        }
        talk.credit -= length as u64;
        self.credit -= length as u64;
        self.say(Kind::Data, 0, stream, &vec![1; length]);
    }

    /// The peer begins a message, or announces it; or goes on with one that it has begun.
    fn begin(&mut self, which: u8, length: usize, announces: bool) {
        let Some(stream) = self.chosen(which) else { return };
        let acceptor_speaks = self.role == Role::Dialler;
        let Some(talk) = self.talks.get_mut(&stream) else { return };
        if talk.ended {
            return;
        }
        if talk.left > 0 {
            let piece = talk.left.min(FRAGMENT_BYTES_MAX);
            talk.left -= piece;
            let last = talk.left == 0;
            let (many, ended) = (talk.many, last && !talk.many);
            talk.ended |= ended;
            let bits =
                flags::CONTINUED | if last { 0 } else { flags::MORE } | if ended { flags::END } else { 0 };
            let body = vec![2; piece];
            if ended && !many && acceptor_speaks {
                self.talks.remove(&stream);
                return self.say(Kind::Reply, bits, stream, &[&[0; 16][..], &body].concat());
            }
            return self.say(Kind::Data, bits, stream, &body);
        }
        let announced = talk.announced;
        let total = announced.unwrap_or(length.max(2));
        let head = u32::try_from(total).unwrap().to_be_bytes();
        if announces && announced.is_none() {
            talk.announced = Some(total);
            return self.say(Kind::Data, flags::MORE, stream, &head);
        }
        if total as u64 > talk.credit.min(self.credit) || (announced.is_some() && total < 2) {
            return;
        }
        let piece = (total - 1).min(FRAGMENT_BYTES_MAX);
        talk.credit -= total as u64;
        self.credit -= total as u64;
        (talk.announced, talk.total, talk.left) = (None, total, total - piece);
        self.say(Kind::Data, flags::MORE, stream, &[&head[..], &vec![2; piece]].concat());
    }

    /// The peer says its last.
    fn end(&mut self, which: u8) {
        let Some(stream) = self.chosen(which) else { return };
        let Some(talk) = self.talks.get_mut(&stream) else { return };
        match self.role {
            Role::Acceptor if talk.many && !talk.ended && talk.left == 0 && talk.announced.is_none() => {
                talk.ended = true;
                self.say(Kind::Data, flags::END, stream, &[]);
            }
            Role::Acceptor => {}
            // An error may come in the middle of a message, or instead of an announced one; a reply may not.
            Role::Dialler => {
                let mut payload = Vec::new();
                let error = RpcError::new(Code::Internal, "");
                let has_begun = talk.left > 0 || talk.announced.is_some();
                self.talks.remove(&stream);
                if has_begun || which.is_multiple_of(5) {
                    put_error(&mut payload, &error, &Ledger::default());
                    self.say(Kind::Error, flags::END, stream, &payload);
                } else {
                    self.say(Kind::Reply, flags::END, stream, &[0; 16]);
                }
            }
        }
    }

    /// The peer gives credit, for a stream or for the connection.
    fn give(&mut self, which: u8, bytes: u64) {
        let bytes = bytes.max(1);
        if self.given + bytes > GIVEN_MAX {
            return;
        }
        self.given += bytes;
        let stream = if which.is_multiple_of(2) { 0 } else { self.chosen(which / 2).unwrap_or(0) };
        self.say(Kind::Credit, 0, stream, &u32::try_from(bytes).unwrap().to_be_bytes());
    }

    /// The application reads: at most so many messages, and waits for the next if it has read all.
    fn read(&mut self, which: u8, most: usize) {
        let at = usize::from(which) % self.unread.len().max(1);
        let Some((stream, unread)) = self.unread.iter_mut().nth(at) else { return };
        for length in unread.drain(..most.min(unread.len())) {
            self.connection.consumed(*stream, length);
        }
        if unread.is_empty() {
            self.connection.await_message(*stream);
        }
    }

    fn give_up(&mut self, which: u8) {
        match self.role {
            Role::Dialler => {
                let at = usize::from(which) % self.unread.len().max(1);
                let Some(stream) = self.unread.keys().nth(at).copied() else { return };
                self.connection.cancel(stream);
                self.unread.remove(&stream);
            }
            Role::Acceptor => {
                let Some(stream) = self.chosen(which) else { return };
                let Some(talk) = self.talks.get_mut(&stream).filter(|talk| !talk.cancelled) else { return };
                (talk.cancelled, talk.ended) = (true, true);
                self.say(Kind::Cancel, flags::END, stream, &[]);
            }
        }
    }

    /// The application says a message, if there is room.
    fn speak(&mut self, which: u8, length: usize) {
        let at = usize::from(which) % self.unread.len().max(1);
        let Some(stream) = self.unread.keys().nth(at).copied() else { return };
        // Of our calls, only some have a stream of requests; the others have said theirs.
        let mut talk = self.talks.get_mut(&stream).filter(|talk| talk.has_requests);
        if (self.role == Role::Dialler && talk.is_none()) || !self.connection.has_room(stream) {
            return;
        }
        if let (Some(talk), 0) = (&mut talk, which % 7) {
            talk.has_requests = false;
            return self.connection.end_messages(self.now, stream);
        }
        self.connection.say(self.now, stream, vec![3; length.max(1)].into(), false).unwrap();
    }

    fn answer(&mut self, which: u8, length: usize, fails: bool) {
        if self.role == Role::Dialler {
            return;
        }
        let at = usize::from(which) % self.unread.len().max(1);
        let Some(stream) = self.unread.keys().nth(at).copied() else { return };
        let timing = Timing { started_ns: self.now, finished_ns: self.now };
        if fails {
            self.connection.fail(self.now, stream, &RpcError::new(Code::Internal, ""), timing);
        } else {
            self.connection.reply(self.now, stream, &vec![4; length].into(), timing);
        }
        self.unread.remove(&stream);
    }

    /// Takes what the connection tells its application and its peer.
    fn attend(&mut self) {
        loop {
            let mut events = 0;
            while let Some(event) = self.connection.poll_event() {
                events += 1;
                self.take_event(event);
            }
            let said = self.connection.output().split();
            if events == 0 && said.is_empty() {
                break;
            }
            assert!(said.len() <= WRITE_BUFFER_HIGH_BYTES, "{} bytes in one batch", said.len());
            self.output.extend_from_slice(&said);
            while let Some(frame) = Frame::take(&mut self.output, FRAME_PAYLOAD_BYTES_MAX).unwrap() {
                self.hear(frame);
            }
        }
        let exposure = self.connection.exposure();
        assert!(exposure.held + exposure.granted <= CONNECTION_CREDIT + u64::from(REASSEMBLY_BYTES_MAX));
        assert!(exposure.queued <= LONG_QUEUE_HARD_BYTES + MESSAGE_BYTES_MAX && exposure.streams <= 4096);
        let unread: usize = self.unread.values().flatten().sum();
        assert!(self.closed.is_some() || unread as u64 <= exposure.held, "{unread} unread of {exposure:?}");
        if self.connection.calls_in_flight() == 0 {
            assert_eq!((exposure.held, exposure.reserved, exposure.queued, exposure.streams), (0, 0, 0, 0));
        }
        assert!(self.closed.is_some() || self.credit == exposure.granted, "{} of {exposure:?}", self.credit);
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Request { stream, .. } => {
                assert!(self.unread.insert(stream, Vec::new()).is_none(), "stream {stream} comes twice");
            }
            Event::Message { stream, message } => {
                let unread = self.unread.get_mut(&stream);
                if let Some(unread) = unread {
                    unread.push(message.len());
                } else {
                    assert_eq!(self.role, Role::Acceptor, "a message of stream {stream}, which is over");
                    // Its answer is on its way; nobody reads it any more.
                }
            }
            Event::Reply { stream, .. } | Event::Failed { stream, .. } => {
                assert!(self.unread.remove(&stream).is_some(), "stream {stream} ends twice");
            }
            Event::Abandoned { stream } => drop(self.unread.remove(&stream)),
            Event::Closed { error, .. } => self.closed = Some(error.map(|error| error.code)),
            _ => {}
        }
    }

    /// The peer hears a frame.
    fn hear(&mut self, frame: Frame) {
        let stream = frame.header.stream;
        let mut payload = frame.payload;
        match frame.header.kind {
            Kind::Credit => {
                let bytes = u64::from(payload.get_u32());
                match self.talks.get_mut(&stream) {
                    Some(talk) => talk.credit += bytes,
                    None if stream == 0 => self.credit += bytes,
                    None => {}
                }
            }
            Kind::Reply | Kind::Error => {
                // What the peer had begun to say is over with it.
                assert!(self.talks.remove(&stream).is_some(), "a second end of stream {stream}");
            }
            Kind::Cancel => {
                let talk = self.talks.get_mut(&stream).unwrap();
                talk.cancelled = true;
            }
            Kind::Data => {
                let talk = self.talks.get(&stream).expect("DATA on a stream that is over");
                assert!(!talk.cancelled || self.role == Role::Acceptor, "DATA after CANCEL");
            }
            Kind::Goaway => assert!(Goaway::decode(&payload).is_some()),
            _ => {}
        }
    }
}

/// A length: mostly short, some longer than a piece, than a stream's credit, than the connection's.
fn length_of(size: u8) -> usize {
    match size {
        0..200 => usize::from(size),
        200..240 => usize::from(size) * 80,
        240..255 => (usize::from(size) - 239) * 20_000,
        255 => 1 << 20,
    }
}
