//! Credit: who gets how much, what is reserved, and who waits.

use super::*;

#[test]
fn a_stranger_gets_little_credit_and_more_when_it_is_known() {
    let made = |credential: Option<Credential>, length: usize| {
        let mut pair = Pair::with(|configs| {
            configs[ACCEPTOR].hello.connection_credit = STRANGER_CREDIT_BYTES;
            configs[ACCEPTOR].credit_when_known = Some(CONNECTION_CREDIT_BYTES);
            configs[DIALLER].credential = credential;
        });
        pair.deliver();
        assert_eq!([pair.events(DIALLER), pair.events(ACCEPTOR)], [["ready"], ["ready"]]);
        pair.open_stream(Some(&bytes(length)), Arity::One);
        while pair.deliver_from(DIALLER) | pair.deliver_from(ACCEPTOR) {
            let Exposure { held, granted, .. } = pair.sides[ACCEPTOR].exposure();
            assert!(credential.is_some() || held + granted <= 2 * u64::from(STRANGER_CREDIT_BYTES));
        }
        let mut seen = [pair.events(DIALLER), pair.events(ACCEPTOR)].concat();
        seen.retain(|event| event != "room 1");
        seen
    };
    for credential in [Credential::Cluster, Credential::Operator] {
        assert_eq!(made(Some(credential), 10 * MIB), ["request 1"]);
    }
    assert_eq!(made(None, STRANGER_CREDIT_BYTES as usize), ["request 1"]);
    assert_eq!(made(None, STRANGER_CREDIT_BYTES as usize + 1), ["failed 1 MESSAGE_TOO_LARGE"]);
}

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

fn data(flags: u8, stream: u32, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    let label = Label { kind: Kind::Data, flags, encoding: 1, stream, method: METHOD };
    put(&mut frame, label, true, |out| out.extend_from_slice(payload));
    frame
}

#[test]
fn a_message_that_is_under_way_has_its_credit_once() {
    let mut pair = Pair::open();
    let many = pair.open_stream(Some(&bytes(1)), Arity::Many);
    pair.deliver();
    let length = STREAM_CREDIT_BYTES - 1_000;
    pair.inject(DIALLER, &data(0, many, b"x"));
    let begun = [&length.to_be_bytes()[..], &[7; FRAGMENT_BYTES_MAX]].concat();
    pair.inject(DIALLER, &data(flags::MORE, many, &begun));
    pair.consume(DIALLER, many, 1);
    let granted = |pair: &Pair| pair.sides[DIALLER].flow.streams.get(&many).unwrap().receiving.granted;
    assert_eq!(granted(&pair), 999);
    for at in (FRAGMENT_BYTES_MAX..length as usize).step_by(FRAGMENT_BYTES_MAX) {
        let piece = FRAGMENT_BYTES_MAX.min(length as usize - at);
        let more = if at + piece < length as usize { flags::MORE } else { 0 };
        pair.inject(DIALLER, &data(more | flags::CONTINUED, many, &vec![7; piece]));
    }
    assert_eq!(granted(&pair), 999);
    pair.consume(DIALLER, many, length as usize);
    assert_eq!(granted(&pair), u64::from(STREAM_CREDIT_BYTES));
}

#[test]
fn those_who_wait_for_credit_are_remembered_once() {
    let mut pair = Pair::open();
    let streams: Vec<u32> = (0..2).map(|_| pair.call(60_000).unwrap()).collect();
    let many = pair.open_stream(Some(&bytes(1)), Arity::Many);
    pair.deliver();
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
fn two_half_sent_replies_never_deadlock() {
    let mut pair = Pair::open();
    let calls: Vec<u32> = (0..6).map(|_| pair.call(60_000).unwrap()).collect();
    pair.deliver();
    for stream in &calls {
        pair.reply(*stream, &bytes(10 * MIB));
    }
    // More than can be reserved at once, byte for byte: all come, and the memory that they take is bounded.
    let most = u64::from(CONNECTION_CREDIT_BYTES + REASSEMBLY_BYTES_MAX);
    let mut done = 0;
    while pair.deliver_from(ACCEPTOR) | pair.deliver_from(DIALLER) {
        let Exposure { held, granted, .. } = pair.sides[DIALLER].exposure();
        assert!(held + granted <= most, "{held} held, {granted} granted");
        done += replies(&mut pair).iter().filter(|reply| ***reply == *bytes(10 * MIB)).count();
    }
    assert_eq!(done, calls.len());
    pair.idle();
}

#[test]
fn a_long_message_of_a_stream_is_reserved_when_its_reader_waits() {
    let mut pair = Pair::open();
    let stream = pair.watch();
    pair.say(ACCEPTOR, stream, 1);
    pair.say(ACCEPTOR, stream, 10 * MIB);
    pair.deliver();
    pair.check(DIALLER, &["message 1 of 1"]);
    pair.sides[DIALLER].await_message(stream);
    pair.deliver();
    // It has not consumed what it has.
    pair.check(DIALLER, &[]);
    pair.consume(DIALLER, stream, 1);
    pair.sides[DIALLER].await_message(stream);
    pair.deliver();
    pair.check(DIALLER, &["message 1 of 10485760"]);
}

#[test]
fn whoever_does_not_read_gets_no_more_than_its_credit() {
    let mut pair = Pair::open();
    let (slow, quick) = (pair.watch(), pair.watch());
    let window = STREAM_CREDIT_BYTES as usize;
    for _ in 0..100 {
        pair.say(ACCEPTOR, slow, 1024);
    }
    pair.deliver();
    assert_eq!(pair.events(DIALLER).len(), window / 1024);
    assert!(!pair.sides[ACCEPTOR].has_room(slow));
    // Nobody else is kept from anything.
    for _ in 0..1_000 {
        pair.say(ACCEPTOR, quick, 1024);
        pair.deliver();
        assert!(pair.sides[ACCEPTOR].has_room(quick));
        pair.check(DIALLER, &["message 2 of 1024"]);
        pair.consume(DIALLER, quick, 1024);
        pair.deliver();
    }
    // It reads on, and everything comes.
    for _ in 0..window / 1024 {
        pair.consume(DIALLER, slow, 1024);
    }
    pair.deliver();
    assert_eq!(pair.events(DIALLER).len(), 100 - window / 1024);
    assert_eq!(pair.events(ACCEPTOR), ["room 1"]);
}

#[test]
fn the_largest_window_is_not_exceeded_by_what_is_reserved() {
    let mut pair = Pair::with(|configs| configs[DIALLER].hello.connection_credit = CREDIT_BYTES_MAX);
    pair.deliver();
    pair.events(DIALLER);
    let stream = pair.call(60_000).unwrap();
    pair.deliver();
    pair.reply(stream, &bytes(MESSAGE_BYTES_MAX));
    pair.deliver();
    assert_eq!(replies(&mut pair), [bytes(MESSAGE_BYTES_MAX)]);
}
