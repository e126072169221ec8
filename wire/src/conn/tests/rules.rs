//! What a receiver of messages holds its peer to (SPEC.md section 4), frame by frame.

use super::streams::bytes;
use super::*;
use crate::limits::{
    CONNECTION_CREDIT_BYTES, MESSAGE_BYTES_MAX, STREAM_CREDIT_BYTES, STREAM_ID_MAX, STREAM_IDLE_MS_MAX,
};

const END: u8 = flags::END;
const MORE: u8 = flags::MORE;
const FIRST_CREDIT: u32 = STREAM_CREDIT_BYTES;

/// A frame of the call on stream 1.
fn frame(kind: Kind, flags: u8, payload: &[u8]) -> BytesMut {
    encoded(kind, flags, 1, payload)
}

fn encoded(kind: Kind, flags: u8, encoding: u8, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    let label = Label { kind, flags, encoding, stream: 1, method: METHOD };
    put(&mut frame, label, true, |out| out.extend_from_slice(payload));
    frame
}

/// The payload of a REQUEST: a head with nothing but a deadline of a second, then the rest.
fn request(rest: &[u8]) -> Vec<u8> {
    [&[0, 4], &1_000_000_u32.to_be_bytes()[..], rest].concat()
}

fn announced(length: usize) -> Vec<u8> {
    u32::try_from(length).unwrap().to_be_bytes().to_vec()
}

fn credit(pair: &Pair, side: usize) -> u64 {
    pair.sides[side].exposure().credit
}

#[test]
fn a_message_that_was_announced_comes_as_it_was_announced() {
    let long = FRAGMENT_BYTES_MAX + 1;
    let announces = |length| frame(Kind::Request, MORE, &request(&announced(length)));
    let first = [announced(long + 1), vec![7; 8]].concat();
    for other in [frame(Kind::Data, END, b"short"), frame(Kind::Data, MORE, &first)] {
        let mut pair = Pair::open();
        pair.inject(ACCEPTOR, &announces(long));
        pair.inject(ACCEPTOR, &other);
        pair.check(ACCEPTOR, &["closed PROTOCOL_ERROR by us"]);
    }
    // What fits a REQUEST is not announced, and nothing is no message.
    for length in [0, FRAGMENT_BYTES_MAX] {
        let mut pair = Pair::open();
        pair.inject(ACCEPTOR, &announces(length));
        pair.check(ACCEPTOR, &[]);
        assert_eq!(pair.sides[ACCEPTOR].calls_in_flight(), 0);
    }
    let mut pair = Pair::open();
    pair.inject(ACCEPTOR, &frame(Kind::Request, 0, &request(b"")));
    pair.inject(ACCEPTOR, &frame(Kind::Data, MORE, &announced(0)));
    assert_eq!(pair.events(ACCEPTOR).last().unwrap(), "closed PROTOCOL_ERROR by us");
}

#[test]
fn no_piece_is_longer_than_one_may_be() {
    let long = vec![7; FRAGMENT_BYTES_MAX + 1];
    let mut pair = Pair::open();
    pair.inject(ACCEPTOR, &frame(Kind::Request, END, &request(&long)));
    pair.check(ACCEPTOR, &[]);
    pair.inject(ACCEPTOR, &frame(Kind::Cancel, END, b""));
    let pieces =
        [frame(Kind::Data, 0, &long), frame(Kind::Data, MORE, &[announced(60_000), long.clone()].concat())];
    for piece in pieces {
        let mut pair = Pair::open();
        pair.inject(ACCEPTOR, &frame(Kind::Request, 0, &request(b"")));
        pair.inject(ACCEPTOR, &piece);
        assert_eq!(pair.events(ACCEPTOR).last().unwrap(), "closed PROTOCOL_ERROR by us");
    }
    let mut pair = Pair::open();
    pair.call(1_000).unwrap();
    pair.inject(DIALLER, &frame(Kind::Reply, END, &[vec![0; 16], long].concat()));
    pair.check(DIALLER, &["failed 1 CONNECTION_LOST", "closed PROTOCOL_ERROR by us"]);
}

#[test]
fn a_message_beyond_all_limits_may_be_announced_but_not_begun() {
    let beyond = announced(MESSAGE_BYTES_MAX + 1);
    let begun = [beyond.clone(), vec![7; 8]].concat();
    for (payload, wanted) in [(beyond, "abandoned 1"), (begun, "closed PROTOCOL_ERROR by us")] {
        let mut pair = Pair::open();
        pair.inject(ACCEPTOR, &frame(Kind::Request, 0, &request(b"")));
        pair.check(ACCEPTOR, &["request 1"]);
        pair.inject(ACCEPTOR, &frame(Kind::Data, MORE, &payload));
        assert_eq!(pair.events(ACCEPTOR).last().unwrap(), wanted);
    }
}

#[test]
fn whoever_has_said_its_last_message_says_no_more() {
    let data = [
        frame(Kind::Data, 0, b"x"),
        frame(Kind::Data, MORE, &announced(MESSAGE_BYTES_MAX)),
        frame(Kind::Data, MORE, &[announced(9), vec![7; 8]].concat()),
    ];
    for late in &data {
        // After the one request, also when the acceptor has begun to speak; and after a NOTICE.
        for kind in [Kind::Request, Kind::Notice] {
            let mut pair = Pair::open();
            pair.inject(ACCEPTOR, &frame(kind, END, &request(b"x")));
            if kind == Kind::Request {
                pair.say(ACCEPTOR, 1, 1);
            }
            pair.events(ACCEPTOR);
            pair.inject(ACCEPTOR, late);
            assert_eq!(pair.events(ACCEPTOR).last().unwrap(), "closed PROTOCOL_ERROR by us");
        }
    }
    // The acceptor's last frame is its terminal frame.
    let mut pair = Pair::open();
    pair.watch();
    pair.inject(DIALLER, &frame(Kind::Data, END, b"x"));
    assert_eq!(pair.events(DIALLER).last().unwrap(), "closed PROTOCOL_ERROR by us");
}

#[test]
fn data_that_crosses_a_refusal_of_its_encoding_does_no_harm() {
    let mut pair = Pair::open();
    pair.inject(ACCEPTOR, &encoded(Kind::Request, 0, 2, &request(b"")));
    pair.inject(ACCEPTOR, &encoded(Kind::Data, 0, 2, b"x"));
    pair.check(ACCEPTOR, &[]);
    assert!(!pair.sides[ACCEPTOR].is_closed());
}

#[test]
fn the_last_id_of_all_is_no_stream() {
    let mut pair = Pair::open();
    let label =
        Label { kind: Kind::Request, flags: END, encoding: 1, stream: STREAM_ID_MAX + 1, method: METHOD };
    let mut frame = BytesMut::new();
    put(&mut frame, label, true, |out| out.extend_from_slice(&request(b"x")));
    pair.inject(ACCEPTOR, &frame);
    pair.check(ACCEPTOR, &["closed PROTOCOL_ERROR by us"]);
}

#[test]
fn credit_counts_from_the_first_frame_of_a_call_on() {
    let mut pair = Pair::open();
    pair.call(1_000).unwrap();
    pair.deliver();
    pair.inject(ACCEPTOR, &encoded(Kind::Credit, 0, 0, &FIRST_CREDIT.to_be_bytes()));
    let twice = 2 * FIRST_CREDIT as usize;
    pair.reply(1, &vec![7; twice]);
    let said = pair.sides[ACCEPTOR].output().split();
    assert!(said.len() > 8 * 1024, "only {} bytes: it waits for credit that it has", said.len());
    // Also that has the method of its call.
    let mut pair = Pair::open();
    pair.call(1_000).unwrap();
    pair.deliver();
    let label = Label { kind: Kind::Credit, flags: 0, encoding: 0, stream: 1, method: METHOD + 1 };
    let mut frame = BytesMut::new();
    put(&mut frame, label, true, |out| out.extend_from_slice(&[0, 0, 0, 1]));
    pair.inject(ACCEPTOR, &frame);
    assert_eq!(pair.events(ACCEPTOR).last().unwrap(), "closed PROTOCOL_ERROR by us");
}

#[test]
fn memory_that_was_reserved_for_a_call_that_is_given_up_serves_the_next() {
    let mut pair = Pair::open();
    let request = bytes(MESSAGE_BYTES_MAX);
    for _ in 0..5 {
        let stream = pair.open_stream(Some(&request), Arity::One);
        // The credit is on its way when the caller changes its mind.
        pair.deliver_from(DIALLER);
        pair.sides[DIALLER].cancel(stream);
        pair.deliver();
    }
    assert!(credit(&pair, DIALLER) > u64::from(CONNECTION_CREDIT_BYTES));
    pair.open_stream(Some(&request), Arity::One);
    pair.deliver();
    pair.check(ACCEPTOR, &["request 6"]);
}

#[test]
fn a_stream_falls_silent_before_its_long_deadline() {
    let mut pair = Pair::open();
    let options = CallOptions { deadline_ns: 3_000_000 * MS, ..CallOptions::default() };
    let stream = pair.sides[DIALLER].open(0, METHOD, Some(&bytes(1)), Arity::Many, &options).unwrap();
    pair.deliver();
    pair.say(ACCEPTOR, stream, 1);
    pair.deliver();
    pair.events(ACCEPTOR);
    pair.pass(STREAM_IDLE_MS_MAX);
    pair.check(ACCEPTOR, &["abandoned 1"]);
}

#[test]
fn a_long_request_is_no_message_of_the_stream_of_replies() {
    let mut pair = Pair::open();
    let request = bytes(3 * FRAGMENT_BYTES_MAX);
    pair.open_stream(Some(&request), Arity::Many);
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1"]);
    // Its deadline holds on both sides: nobody hears of the other.
    pair.wait(DIALLER, 1_000);
    pair.check(DIALLER, &["room 1", "failed 1 DEADLINE_EXCEEDED"]);
}
