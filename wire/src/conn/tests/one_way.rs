//! One-way calls: nothing comes back, and yet nothing is kept for them that is not bounded.

use super::*;

impl Pair {
    fn send(&mut self, patience_ms: u64) -> Result<u32, RpcError> {
        let options = CallOptions { deadline_ns: self.now + patience_ms * MS, ..CallOptions::default() };
        self.sides[DIALLER].send(self.now, METHOD, &Bytes::from_static(b"notice"), &options)
    }

    /// What the acceptor has to say, frame by frame.
    fn said(&mut self) -> Vec<(Kind, u32)> {
        let mut output = self.sides[ACCEPTOR].output().split();
        let frames = std::iter::from_fn(|| Frame::take(&mut output, u32::MAX).unwrap());
        frames.map(|frame| (frame.header.kind, frame.header.stream)).collect()
    }

    fn in_flight(&self) -> [usize; 2] {
        self.sides.each_ref().map(Connection::calls_in_flight)
    }
}

#[test]
fn a_one_way_call_has_no_answer() {
    for fails in [false, true] {
        let mut pair = Pair::open();
        assert_eq!([pair.call(100), pair.send(100), pair.call(100)], [Ok(1), Ok(2), Ok(3)]);
        pair.deliver();
        pair.check(ACCEPTOR, &["request 1", "notice 2", "request 3"]);
        assert_eq!(pair.in_flight(), [2, 3]);
        if fails {
            let timing = Timing { started_ns: 0, finished_ns: 0 };
            pair.sides[ACCEPTOR].fail(0, 2, &RpcError::new(Code::Internal, "oops"), timing);
        } else {
            pair.reply(2, b"");
        }
        assert_eq!((pair.said(), pair.in_flight()), (vec![], [2, 2]));
        pair.reply(1, b"reply");
        pair.reply(3, b"reply");
        pair.deliver();
        pair.check(DIALLER, &["reply 1", "reply 3"]);
        assert_eq!(pair.in_flight(), [0, 0]);
    }
}

#[test]
fn one_that_cannot_be_made_is_told_at_once() {
    let mut pair = Pair::open();
    let long = Bytes::from(vec![0; FRAGMENT_BYTES_MAX + 1]);
    let error = pair.sides[DIALLER].send(0, METHOD, &long, &CallOptions::default()).unwrap_err();
    assert_eq!(error.code, Code::MessageTooLarge);
    pair.now = 5 * MS;
    assert_eq!(pair.send(0).unwrap_err().code, Code::DeadlineExceeded);
    // Nobody reads: what waits to be written is bounded.
    while let Ok(stream) = pair.sides[DIALLER].send(0, METHOD, &long.slice(1..), &CallOptions::default()) {
        assert!(stream < 1_000);
    }
    assert_eq!(pair.send(100).unwrap_err().code, Code::Overloaded);
    pair.sides[DIALLER].drain();
    assert_eq!(pair.send(100).unwrap_err().code, Code::Unavailable);
}

#[test]
fn what_exceeds_a_limit_is_dropped_and_nobody_is_told() {
    let mut pair = Pair::open();
    pair.sides[ACCEPTOR].config.hello.calls_in_flight_max = 2;
    for stream in 1..=4 {
        assert_eq!(pair.send(100), Ok(stream));
    }
    pair.call(100).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["notice 1", "notice 2", "dropped 3 OVERLOADED", "dropped 4 OVERLOADED"]);
    // They count as calls do, and a call beyond them hears of it.
    pair.check(DIALLER, &["failed 5 OVERLOADED"]);
    pair.reply(1, b"");
    pair.send(100).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["notice 6"]);
}

#[test]
fn what_is_over_leaves_no_bytes_behind() {
    let mut pair = Pair::open();
    let body = Bytes::from(vec![0; FRAGMENT_BYTES_MAX]);
    for stream in 1..=2 + u32::try_from(REQUEST_BYTES_IN_FLIGHT_MAX / FRAGMENT_BYTES_MAX).unwrap() {
        assert_eq!(pair.sides[DIALLER].send(0, METHOD, &body, &CallOptions::default()), Ok(stream));
        pair.deliver();
        pair.check(ACCEPTOR, &[&format!("notice {stream}")]);
        pair.reply(stream, b"");
    }
}

#[test]
fn one_that_breaks_a_rule_is_dropped_and_the_connection_goes_on() {
    let cases = [
        (1, &b"\x00\x04\0\0\0\0"[..], "dropped 1 BAD_REQUEST"),
        (2, b"\x00\x04\0\0\0\x01", "dropped 1 UNKNOWN_ENCODING"),
        (1, b"\x00\x08\0\0\0\x01\x04\0\x01\x01", "dropped 1 UNAUTHENTICATED"),
        (1, b"\x00\x04\0\0\0\x01", "notice 1"),
    ];
    for (encoding, payload, wanted) in cases {
        let mut pair = Pair::open();
        let label = Label { kind: Kind::Notice, flags: flags::END, encoding, stream: 1, method: METHOD };
        let mut frame = BytesMut::new();
        put(&mut frame, label, true, |out| out.extend_from_slice(payload));
        pair.inject(ACCEPTOR, &frame);
        pair.check(ACCEPTOR, &[wanted]);
        assert_eq!(pair.said(), []);
        // Its stream is used up all the same.
        pair.inject(ACCEPTOR, &frame);
        assert_eq!(pair.events(ACCEPTOR).last().unwrap(), "closed PROTOCOL_ERROR by us");
    }
}

#[test]
fn past_its_deadline_it_is_over() {
    let mut pair = Pair::open();
    pair.send(100).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["notice 1"]);
    pair.wait(ACCEPTOR, 100);
    pair.check(ACCEPTOR, &["abandoned 1"]);
    assert_eq!((pair.said(), pair.in_flight()), (vec![], [0, 0]));
    pair.reply(1, b"");
    assert_eq!(pair.said(), []);
}

#[test]
fn nobody_cancels_it() {
    let mut pair = Pair::open();
    let stream = pair.send(100).unwrap();
    pair.sides[DIALLER].cancel(stream);
    assert_eq!(pair.sides[DIALLER].calls_in_flight(), 0);
    let label = Label { kind: Kind::Cancel, flags: flags::END, encoding: 0, stream, method: METHOD };
    put(pair.sides[DIALLER].output(), label, true, |_| {});
    pair.deliver();
    pair.check(ACCEPTOR, &["notice 1"]);
    assert_eq!(pair.in_flight(), [0, 1]);
}

#[test]
fn draining_waits_for_it_and_starts_no_further_one() {
    let mut pair = Pair::open();
    pair.send(100).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["notice 1"]);
    pair.sides[ACCEPTOR].drain();
    pair.send(100).unwrap();
    pair.deliver_from(DIALLER);
    pair.check(ACCEPTOR, &["dropped 2 DRAINING"]);
    assert!(!pair.sides[ACCEPTOR].is_closed());
    pair.reply(1, b"");
    pair.check(ACCEPTOR, &["closed plainly by us"]);
    pair.deliver();
    pair.check(DIALLER, &["goaway", "closed plainly by us"]);
    assert_eq!(pair.send(100).unwrap_err().code, Code::Unavailable);
}

#[test]
fn it_outlives_its_connection() {
    // The dialler says it and leaves.
    let mut pair = Pair::open();
    pair.send(100).unwrap();
    pair.sides[DIALLER].drain();
    pair.deliver();
    pair.check(DIALLER, &["closed plainly by us"]);
    pair.check(ACCEPTOR, &["notice 1", "closed plainly by peer"]);
    // A call that somebody waited for is abandoned.
    let mut pair = Pair::open();
    pair.call(100).unwrap();
    pair.send(100).unwrap();
    pair.deliver();
    pair.sides[ACCEPTOR].peer_gone("a cut");
    pair.check(ACCEPTOR, &["request 1", "notice 2", "abandoned 1", "closed CONNECTION_LOST by peer"]);
    assert_eq!(pair.in_flight(), [1, 0]);
    pair.reply(2, b"");
    assert_eq!(pair.said(), []);
}

#[test]
fn an_answer_to_it_ends_the_connection() {
    for kind in [Kind::Reply, Kind::Error] {
        let mut pair = Pair::open();
        let stream = pair.send(100).unwrap();
        let label = Label { kind, flags: flags::END, encoding: 1, stream, method: METHOD };
        let mut answer = BytesMut::new();
        put(&mut answer, label, true, |out| {
            crate::frame::put_error(out, &RpcError::new(Code::Internal, "oops"), &Ledger::default());
        });
        pair.inject(DIALLER, &answer);
        pair.check(DIALLER, &["closed PROTOCOL_ERROR by us"]);
    }
}

#[test]
fn nothing_is_said_on_its_stream_however_long() {
    let mut pair = Pair::open();
    for length in [1, FRAGMENT_BYTES_MAX + 1] {
        let stream = pair.send(100).unwrap();
        pair.deliver();
        let bytes = vec![7; length];
        pair.sides[ACCEPTOR].say(0, stream, bytes.clone().into(), false).unwrap();
        pair.sides[ACCEPTOR].end_messages(0, stream);
        pair.reply(stream, &bytes);
        assert_eq!((pair.said(), pair.in_flight()), (vec![], [0, 0]));
    }
}
