//! Streams of messages and long messages: pieces, credit, reservation, and who passes whom.

mod credit;

use super::*;
use crate::limits::{
    CONNECTION_CREDIT_BYTES, CREDIT_BYTES_MAX, LONG_QUEUE_HIGH_BYTES, MESSAGE_BYTES_MAX,
    REASSEMBLY_BYTES_MAX, STRANGER_CREDIT_BYTES, STREAM_CREDIT_BYTES, STREAM_IDLE_MS_MAX,
    STREAM_LIFETIME_MS_MAX, STREAMS_OF_MESSAGES_MAX,
};

const MIB: usize = 1 << 20;

pub(super) fn bytes(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

impl Pair {
    /// Makes a call with these requests and replies.
    pub(super) fn open_stream(&mut self, request: Option<&Bytes>, replies: Arity) -> u32 {
        let options = CallOptions { deadline_ns: self.now + 1_000 * MS, ..CallOptions::default() };
        self.sides[DIALLER].open(self.now, METHOD, request, replies, &options).unwrap()
    }

    /// A call to which messages come back, and what its acceptor sees of it.
    pub(super) fn watch(&mut self) -> u32 {
        let stream = self.open_stream(Some(&bytes(1)), Arity::Many);
        self.deliver();
        self.check(ACCEPTOR, &[&format!("request {stream}")]);
        stream
    }

    pub(super) fn say(&mut self, side: usize, stream: u32, length: usize) {
        self.sides[side].say(self.now, stream, bytes(length), false).unwrap();
    }

    fn consume(&mut self, side: usize, stream: u32, length: usize) {
        self.sides[side].consumed(stream, length);
    }

    fn idle(&self) {
        assert_eq!(self.sides.each_ref().map(Connection::calls_in_flight), [0, 0]);
        for side in &self.sides {
            let Exposure { held, queued, streams, .. } = side.exposure();
            assert_eq!((held, queued, streams), (0, 0, 0));
        }
    }
}

/// The replies among a side's events.
fn replies(pair: &mut Pair) -> Vec<Bytes> {
    std::iter::from_fn(|| pair.sides[DIALLER].poll_event())
        .filter_map(|event| match event {
            Event::Reply { reply, .. } => Some(reply),
            _ => None,
        })
        .collect()
}

#[test]
fn long_messages_travel_in_pieces() {
    for length in
        [FRAGMENT_BYTES_MAX, FRAGMENT_BYTES_MAX + 1, 3 * FRAGMENT_BYTES_MAX, 10 * MIB, MESSAGE_BYTES_MAX]
    {
        let mut pair = Pair::open();
        let stream = pair.open_stream(Some(&bytes(length)), Arity::One);
        pair.deliver();
        let Some(Event::Request { request, .. }) = pair.sides[ACCEPTOR].poll_event() else {
            panic!("no request of {length} bytes came")
        };
        assert_eq!(request, bytes(length));
        pair.check(ACCEPTOR, &[]);
        pair.reply(stream, &request);
        pair.deliver();
        assert_eq!(replies(&mut pair), [bytes(length)], "{length}");
        pair.idle();
    }
}

#[test]
fn no_message_is_longer_than_one_may_be() {
    let mut pair = Pair::open();
    let long = bytes(MESSAGE_BYTES_MAX + 1);
    let error = pair.sides[DIALLER].call(0, METHOD, &long, &CallOptions::default()).unwrap_err();
    assert_eq!(error.code, Code::MessageTooLarge);
    let stream = pair.call(1_000).unwrap();
    pair.deliver();
    pair.reply(stream, &long);
    pair.deliver();
    pair.check(DIALLER, &["failed 1 MESSAGE_TOO_LARGE"]);
    let stream = pair.watch_after(&["request 1"]);
    assert_eq!(pair.sides[ACCEPTOR].say(0, stream, long, false).unwrap_err().code, Code::MessageTooLarge);
}

impl Pair {
    fn watch_after(&mut self, seen: &[&str]) -> u32 {
        self.check(ACCEPTOR, seen);
        self.watch()
    }
}

#[test]
fn all_shapes_of_calls() {
    // Any number of replies.
    let mut pair = Pair::open();
    let stream = pair.watch();
    for length in [1, 100, FRAGMENT_BYTES_MAX + 5] {
        pair.say(ACCEPTOR, stream, length);
    }
    pair.deliver();
    let long = format!("message 1 of {}", FRAGMENT_BYTES_MAX + 5);
    pair.check(DIALLER, &["message 1 of 1", "message 1 of 100", &long]);
    pair.check(ACCEPTOR, &["room 1"]);
    pair.reply(stream, b"");
    pair.deliver();
    pair.check(DIALLER, &["reply 1"]);
    pair.idle();
    // Any number of requests, then both.
    for arity in [Arity::One, Arity::Many] {
        let mut pair = Pair::open();
        let stream = pair.open_stream(None, arity);
        pair.say(DIALLER, stream, 10);
        pair.deliver();
        pair.check(ACCEPTOR, &["request 1", "message 1 of 10"]);
        pair.consume(ACCEPTOR, stream, 10);
        pair.sides[DIALLER].say(0, stream, bytes(20), true).unwrap();
        pair.deliver();
        pair.check(ACCEPTOR, &["message 1 of 20", "end 1"]);
        if arity == Arity::Many {
            pair.say(ACCEPTOR, stream, 30);
        }
        pair.reply(stream, if arity == Arity::One { b"sum" } else { b"" });
        pair.deliver();
        let seen = pair.events(DIALLER);
        assert_eq!(seen.last().unwrap(), "reply 1");
        pair.idle();
    }
    // None at all.
    let mut pair = Pair::open();
    let stream = pair.open_stream(None, Arity::One);
    pair.sides[DIALLER].end_messages(0, stream);
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1", "end 1"]);
}

#[test]
fn control_frames_and_small_replies_pass_long_ones() {
    let mut pair = Pair::open();
    let (long, small) = (pair.call(60_000).unwrap(), pair.call(60_000).unwrap());
    pair.deliver();
    pair.reply(long, &bytes(10 * MIB));
    for _ in 0..5 {
        pair.deliver_from(ACCEPTOR);
        pair.deliver_from(DIALLER);
    }
    pair.events(DIALLER);
    // One batch is on its way; what is said now is in the next.
    pair.reply(small, b"small");
    pair.sides[DIALLER].ping(1);
    pair.deliver_from(DIALLER);
    let batch = pair.sides[ACCEPTOR].output().split();
    assert!(batch.len() <= 2 * (FRAGMENT_BYTES_MAX + 64), "{} bytes", batch.len());
    pair.inject(DIALLER, &batch);
    pair.check(DIALLER, &["pong", "reply 2"]);
}

#[test]
fn a_cancelled_call_sends_no_further_piece_and_gives_its_credit_back() {
    let mut pair = Pair::open();
    for _ in 0..20 {
        let stream = pair.open_stream(Some(&bytes(5 * MIB)), Arity::One);
        for _ in 0..3 {
            pair.deliver_from(DIALLER);
            pair.deliver_from(ACCEPTOR);
        }
        pair.sides[DIALLER].cancel(stream);
        let mut rest = 0;
        while let left @ 1.. = pair.sides[DIALLER].output().len() {
            rest += left;
            pair.deliver_from(DIALLER);
        }
        assert!(rest < 1024 + FRAGMENT_BYTES_MAX, "{rest} bytes after CANCEL");
        pair.deliver();
        // The acceptor's service never heard of it.
        assert_eq!([pair.events(DIALLER), pair.events(ACCEPTOR)], [[""; 0]; 2]);
        pair.idle();
    }
    let granted = pair.sides[ACCEPTOR].exposure().granted;
    assert_eq!(granted, pair.sides[DIALLER].exposure().credit);
    assert!(granted >= u64::from(CONNECTION_CREDIT_BYTES) / 2);
}

#[test]
fn pieces_that_cross_the_end_of_their_call_do_no_harm() {
    let mut pair = Pair::open();
    for _ in 0..50 {
        let stream = pair.open_stream(None, Arity::One);
        pair.deliver();
        assert_eq!(pair.events(ACCEPTOR).len(), 1);
        // The answer is on its way while messages are.
        pair.reply(stream, b"enough");
        pair.say(DIALLER, stream, 60_000);
        pair.say(DIALLER, stream, 100);
        pair.deliver_from(DIALLER);
        pair.deliver();
        assert_eq!(pair.events(DIALLER).last().unwrap(), &format!("reply {stream}"));
        pair.check(ACCEPTOR, &[]);
        pair.idle();
    }
    assert_eq!(pair.sides[ACCEPTOR].exposure().granted, pair.sides[DIALLER].exposure().credit);
}

impl Pair {
    /// Both sides live on, with their heartbeats.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now + ms * MS;
        while self.now < until {
            self.now = until.min(self.now + 500 * MS);
            self.deliver();
            for side in &mut self.sides {
                side.handle_timeout(self.now);
                side.events.retain(|event| !matches!(event, Event::Pong { .. }));
            }
        }
    }
}

#[test]
fn a_stream_lives_from_message_to_message_but_not_for_ever() {
    let mut pair = Pair::open();
    let stream = pair.watch();
    pair.pass(900);
    pair.say(ACCEPTOR, stream, 1);
    pair.pass(STREAM_IDLE_MS_MAX - 1);
    pair.check(DIALLER, &["message 1 of 1"]);
    pair.check(ACCEPTOR, &[]);
    pair.pass(1);
    pair.check(ACCEPTOR, &["abandoned 1"]);
    pair.pass(1);
    pair.check(DIALLER, &["failed 1 DEADLINE_EXCEEDED"]);
    pair.idle();
    // However much is said.
    let mut pair = Pair::open();
    let stream = pair.watch();
    while pair.now < (STREAM_LIFETIME_MS_MAX - 1) * MS {
        pair.say(ACCEPTOR, stream, 1);
        pair.pass((STREAM_IDLE_MS_MAX - 1).min(STREAM_LIFETIME_MS_MAX - 1 - pair.now / MS));
        pair.check(DIALLER, &["message 1 of 1"]);
        pair.consume(DIALLER, stream, 1);
    }
    pair.check(ACCEPTOR, &[]);
    pair.pass(1);
    pair.check(ACCEPTOR, &["abandoned 1"]);
}

#[test]
fn the_deadline_of_a_stream_bounds_its_first_message() {
    let mut pair = Pair::open();
    pair.watch();
    pair.pass(1_000);
    pair.check(ACCEPTOR, &["abandoned 1"]);
    pair.check(DIALLER, &["failed 1 DEADLINE_EXCEEDED"]);
    pair.pass(1);
    pair.idle();
}

#[test]
fn bulk_is_shed_first_and_lets_others_pass() {
    let mut pair = Pair::with(|configs| configs[ACCEPTOR].hello.calls_in_flight_max = 4);
    pair.deliver();
    assert_eq!([pair.events(DIALLER), pair.events(ACCEPTOR)], [["ready"], ["ready"]]);
    let bulk = |pair: &mut Pair| {
        let options = CallOptions { deadline_ns: 1_000 * MS, bulk: true, ..CallOptions::default() };
        pair.sides[DIALLER].call(0, METHOD, &bytes(1), &options).unwrap()
    };
    let calls = [bulk(&mut pair), pair.call(1_000).unwrap(), bulk(&mut pair), pair.call(1_000).unwrap()];
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1", "request 2", "request 4"]);
    pair.check(DIALLER, &["failed 3 OVERLOADED"]);
    for stream in calls {
        pair.reply(stream, b"reply");
    }
    pair.deliver();
    pair.check(DIALLER, &["reply 2", "reply 4", "reply 1"]);
    pair.idle();
}

#[test]
fn what_waits_is_bounded() {
    let mut pair = Pair::open();
    let request = bytes(MESSAGE_BYTES_MAX);
    let mut made = 0;
    while pair.sides[DIALLER].call(0, METHOD, &request, &CallOptions::default()).is_ok() {
        made += 1;
        assert!(made <= LONG_QUEUE_HIGH_BYTES / MESSAGE_BYTES_MAX + 1);
    }
    // So is the number of streams.
    let mut pair = Pair::open();
    for _ in 0..STREAMS_OF_MESSAGES_MAX {
        pair.open_stream(Some(&bytes(1)), Arity::Many);
    }
    let more = pair.sides[DIALLER].open(0, METHOD, Some(&bytes(1)), Arity::Many, &CallOptions::default());
    assert_eq!(more.unwrap_err().code, Code::Overloaded);
}

/// Frames by flags and payload, and what ends the connection at the last of them.
type Case<'a> = (&'a [(u8, &'a [u8])], &'a str);

#[test]
fn whoever_breaks_the_rules_of_messages_loses_the_connection() {
    let begin = |length: u32| [&length.to_be_bytes()[..], &[7; 8]].concat();
    let long = vec![7; FRAGMENT_BYTES_MAX];
    let cases: &[Case] = &[
        (&[(flags::CONTINUED, b"x")], "PROTOCOL_ERROR"),
        (&[(0, b"")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, b"\0\0\0")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, &begin(8))], "PROTOCOL_ERROR"),
        (&[(flags::MORE, &begin(9)), (0, b"x")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, &begin(9)), (flags::CONTINUED, b"xx")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, &begin(10)), (flags::CONTINUED, b"x")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, &begin(10)), (flags::CONTINUED | flags::MORE, b"")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, &begin(10)), (flags::END, b"")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, b"\0\0\0\x09"), (flags::MORE, b"\0\0\0\x09")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, &begin(65_537))], "CREDIT_EXCEEDED"),
        (&[(0, &long), (0, &long), (0, &long), (0, &long), (0, &long)], "CREDIT_EXCEEDED"),
        (&[(flags::END, b"x"), (0, b"x")], "PROTOCOL_ERROR"),
        (&[(flags::MORE, b"\0\0\0\x09"), (flags::MORE, &begin(10))], "PROTOCOL_ERROR"),
        (&[(flags::MORE, b"\0\0\0\x09"), (0, b"x")], "PROTOCOL_ERROR"),
    ];
    for (at, (frames, wanted)) in cases.iter().enumerate() {
        let mut pair = Pair::open();
        let stream = pair.open_stream(None, Arity::One);
        pair.deliver();
        for (flags, payload) in *frames {
            let label = Label { kind: Kind::Data, flags: *flags, encoding: 1, stream, method: METHOD };
            let mut frame = BytesMut::new();
            put(&mut frame, label, true, |out| out.extend_from_slice(payload));
            pair.inject(ACCEPTOR, &frame);
        }
        let closed = format!("closed {wanted} by us");
        assert_eq!(pair.events(ACCEPTOR).last(), Some(&closed), "case {at}");
    }
    for (stream, method, payload) in [(0, 0, 0_u32), (9, METHOD, 1), (1, 5, 1), (0, 0, 1 << 30)] {
        let mut pair = Pair::open();
        pair.open_stream(None, Arity::One);
        pair.deliver();
        pair.sides[ACCEPTOR].messages(1, METHOD, Arity::One);
        let label = Label { kind: Kind::Credit, flags: 0, encoding: 0, stream, method };
        let mut frame = BytesMut::new();
        put(&mut frame, label, true, |out| out.extend_from_slice(&payload.to_be_bytes()));
        pair.inject(ACCEPTOR, &frame);
        assert!(pair.events(ACCEPTOR).last().unwrap().starts_with("closed"), "{stream} {payload}");
    }
}

#[test]
fn a_stream_falls_silent_before_the_deadline_of_its_first_message() {
    let mut pair = Pair::open();
    let options = CallOptions { deadline_ns: 10 * STREAM_IDLE_MS_MAX * MS, ..CallOptions::default() };
    let stream = pair.sides[DIALLER].open(0, METHOD, Some(&bytes(1)), Arity::Many, &options).unwrap();
    pair.deliver();
    pair.say(ACCEPTOR, stream, 1);
    pair.pass(STREAM_IDLE_MS_MAX + 1);
    pair.check(ACCEPTOR, &["request 1", "abandoned 1"]);
    pair.check(DIALLER, &["message 1 of 1", "failed 1 DEADLINE_EXCEEDED"]);
}
