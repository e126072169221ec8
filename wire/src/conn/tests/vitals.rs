//! What a PONG says, and where it comes from.

use super::*;
use crate::frame::Health;
use crate::limits::INSTANCE_CALLS_IN_FLIGHT_MAX;

/// What the acceptor answers to a PING of the dialler.
fn pong(pair: &mut Pair) -> Pong {
    pair.now += MS;
    let now = pair.now;
    pair.sides[DIALLER].ping(now);
    pair.deliver();
    loop {
        if let Event::Pong { pong, .. } = pair.sides[DIALLER].poll_event().expect("a PONG") {
            return pong;
        }
    }
}

#[test]
fn a_pong_tells_of_the_connection_and_of_the_process() {
    let mut pair = Pair::open();
    let vitals = Vitals {
        calls_elsewhere: 149,
        calls_in_flight_max: 2_000,
        calls_at_work_max: 1_000,
        queue_delay_us: 250,
        scheduler_lag_us: 77,
    };
    pair.sides[ACCEPTOR].observe(vitals);
    pair.call(1_000).unwrap();
    pair.deliver();
    let before = pong(&mut pair);
    let expected = Pong {
        opaque: pair.now,
        bytes_received: before.bytes_received,
        calls_in_flight: 1,
        instance_calls_in_flight: 150,
        queue_delay_us: 250,
        scheduler_lag_us: 77,
        health: Health::Serving,
        load_permille: 150,
    };
    assert_eq!(before, expected);
    // A PING is a header and 8 bytes.
    assert_eq!(pong(&mut pair).bytes_received, before.bytes_received + 32);
    pair.sides[ACCEPTOR].drain();
    assert_eq!(pong(&mut pair).health, Health::Draining);
}

#[test]
fn a_call_that_is_given_up_says_whether_it_waited_or_worked() {
    for (started_ms, expected) in [(None, (7_000, 0)), (Some(3), (3_000, 4_000))] {
        let mut pair = Pair::open();
        let stream = pair.call(7).unwrap();
        pair.deliver();
        pair.check(ACCEPTOR, &["request 1"]);
        if let Some(ms) = started_ms {
            assert_eq!(pair.sides[ACCEPTOR].start(ms * MS, stream), Some(3_000));
        }
        pair.wait(ACCEPTOR, 7);
        pair.check(ACCEPTOR, &["abandoned 1"]);
        assert_eq!(pair.sides[ACCEPTOR].start(pair.now, stream), None);
        pair.deliver_from(ACCEPTOR);
        let ledger = loop {
            if let Event::Failed { ledger, .. } = pair.sides[DIALLER].poll_event().expect("its end") {
                break ledger;
            }
        };
        assert_eq!((ledger.receive_queue_us, ledger.handler_us), expected);
    }
}

#[test]
fn a_process_that_is_full_refuses_on_every_connection() {
    let mut pair = Pair::open();
    let elsewhere = |calls_elsewhere| Vitals { calls_elsewhere, ..Vitals::default() };
    pair.sides[ACCEPTOR].observe(elsewhere(INSTANCE_CALLS_IN_FLIGHT_MAX - 1));
    pair.call(1_000).unwrap();
    pair.call(1_000).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1"]);
    pair.check(DIALLER, &["failed 2 OVERLOADED"]);
    assert_eq!(pong(&mut pair).load_permille, 1_000);
    pair.sides[ACCEPTOR].observe(elsewhere(INSTANCE_CALLS_IN_FLIGHT_MAX - 2));
    pair.call(1_000).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["request 3"]);
}
