//! Who waits for credit, and gets it in the end.

use super::*;

#[test]
fn what_was_reserved_for_a_cancelled_message_serves_the_next() {
    let mut pair = Pair::open();
    for _ in 0..5 {
        let stream = pair.call(60_000).unwrap();
        pair.deliver();
        pair.reply(stream, &bytes(10 * MIB));
        // It is announced, and memory reserved for it; then nobody wants it any more.
        pair.deliver_from(ACCEPTOR);
        pair.sides[DIALLER].cancel(stream);
        pair.deliver();
        pair.idle();
    }
    let stream = pair.call(60_000).unwrap();
    pair.deliver();
    pair.reply(stream, &bytes(MESSAGE_BYTES_MAX));
    pair.deliver();
    assert_eq!(replies(&mut pair).len(), 1);
}

#[test]
fn a_stream_falls_silent_before_the_deadline_of_its_first_message() {
    let mut pair = Pair::open();
    let options = CallOptions { deadline_ns: 10 * STREAM_IDLE_MS_MAX * MS, ..CallOptions::default() };
    let stream = pair.sides[DIALLER].open(0, METHOD, Some(&bytes(1)), Arity::Many, options).unwrap();
    pair.deliver();
    pair.say(ACCEPTOR, stream, 1);
    pair.pass(STREAM_IDLE_MS_MAX + 1);
    pair.check(ACCEPTOR, &["request 1", "abandoned 1"]);
    pair.check(DIALLER, &["message 1 of 1", "failed 1 DEADLINE_EXCEEDED"]);
}

#[test]
fn those_who_wait_for_credit_are_remembered_once() {
    let mut pair = Pair::open();
    let streams: Vec<u32> = (0..2).map(|_| pair.call(60_000).unwrap()).collect();
    let many = pair.open_stream(Some(&bytes(1)), Arity::Many);
    pair.deliver();
    let data = |flags, stream, payload: &[u8]| {
        let mut frame = BytesMut::new();
        let label = Label { kind: Kind::Data, flags, encoding: 1, stream, method: METHOD };
        put(&mut frame, label, true, |out| out.extend_from_slice(payload));
        frame
    };
    for stream in streams {
        pair.inject(DIALLER, &data(flags::MORE, stream, &[1, 0, 0, 0]));
    }
    // The second can't be reserved while the first is; a third asks again and again.
    for _ in 0..100 {
        pair.inject(DIALLER, &data(flags::MORE, many, &[0, 0, 0, 1]));
        pair.sides[DIALLER].await_message(many);
        pair.inject(DIALLER, &data(0, many, b"x"));
        pair.consume(DIALLER, many, 1);
    }
    assert!(!pair.sides[DIALLER].is_closed());
    assert!(pair.sides[DIALLER].flow.wanted.len() <= 2);
    pair.sides[DIALLER].cancel(2);
    pair.sides[DIALLER].cancel(many);
    assert!(pair.sides[DIALLER].flow.wanted.is_empty());
}

#[test]
fn nobody_passes_who_waits_for_the_connections_credit() {
    let mut pair = Pair::open();
    let (long, small) = (pair.watch(), pair.watch());
    pair.sides[ACCEPTOR].flow.credit = 100;
    pair.say(ACCEPTOR, long, 200);
    pair.deliver();
    for credit in [50_u32, 60] {
        let mut frame = BytesMut::new();
        put(&mut frame, Label::control(Kind::Credit), true, |out| {
            out.extend_from_slice(&credit.to_be_bytes());
        });
        pair.inject(ACCEPTOR, &frame);
        // What is said between the credit's arrival and the next batch.
        pair.say(ACCEPTOR, small, 60);
    }
    pair.deliver();
    pair.check(DIALLER, &["message 1 of 200"]);
}

#[test]
fn the_largest_window_is_not_exceeded_by_what_is_reserved() {
    let mut pair = Pair::with(|configs| configs[DIALLER].hello.connection_credit = CREDIT_BYTES_MAX);
    pair.deliver();
    let stream = pair.call(60_000).unwrap();
    pair.deliver();
    pair.reply(stream, &bytes(MESSAGE_BYTES_MAX));
    pair.deliver();
    assert_eq!(replies(&mut pair), [bytes(MESSAGE_BYTES_MAX)]);
}
