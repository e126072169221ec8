//! ANNOUNCE: changed limits take effect at once, on both sides.

use super::*;
use crate::frame::Health;

fn announce(pair: &mut Pair, side: usize, said: Announcement) {
    assert!(pair.sides[side].announce(said));
    pair.deliver();
    pair.check(1 - side, &["announced"]);
}

#[test]
fn fewer_calls_are_made_once_it_has_arrived() {
    let mut pair = Pair::open();
    pair.call(1_000).unwrap();
    let one = Announcement { calls_in_flight_max: Some(1), ..Announcement::default() };
    assert!(pair.sides[ACCEPTOR].announce(one));
    // This call crosses the word of it: it is refused, and may go elsewhere.
    pair.call(1_000).unwrap();
    pair.deliver();
    pair.check(ACCEPTOR, &["request 1"]);
    pair.check(DIALLER, &["announced", "failed 2 OVERLOADED"]);
    assert_eq!(pair.call(1_000).unwrap_err().code, Code::Overloaded);
    announce(&mut pair, ACCEPTOR, Announcement { calls_in_flight_max: Some(2), ..Announcement::default() });
    assert_eq!(pair.call(1_000), Ok(3));
    pair.deliver();
    pair.check(ACCEPTOR, &["request 3"]);
}

#[test]
fn the_heartbeat_changes_on_both_sides() {
    let mut pair = Pair::open();
    for (side, ms, agreed) in
        [(DIALLER, 5_000, 5_000), (ACCEPTOR, 3_000, 5_000), (DIALLER, 50, 3_000), (ACCEPTOR, 50, 50)]
    {
        announce(
            &mut pair,
            side,
            Announcement { heartbeat_interval_ms: Some(ms), ..Announcement::default() },
        );
        assert_eq!(pair.sides.each_ref().map(Connection::next_deadline), [Some(agreed * MS); 2], "{ms}");
    }
}

#[test]
fn saying_something_is_no_sign_of_life_of_the_peer() {
    let mut pair = Pair::open();
    let interval_ms = u64::from(pair.sides[DIALLER].config.hello.heartbeat_interval_ms);
    for announced in 0..u64::from(HEARTBEATS_MISSED_MAX + 1) {
        pair.check(DIALLER, &[]);
        pair.wait(DIALLER, interval_ms / 2);
        let calls_in_flight_max = u32::try_from(announced + 1).ok();
        assert!(pair.sides[DIALLER].announce(Announcement { calls_in_flight_max, ..Default::default() }));
        pair.wait(DIALLER, interval_ms / 2);
    }
    pair.check(DIALLER, &["closed PEER_SILENT by us"]);
}

#[test]
fn health_is_told_and_calls_go_on() {
    let mut pair = Pair::open();
    let drains = Announcement { health: Some(Health::Draining), ..Announcement::default() };
    announce(&mut pair, ACCEPTOR, drains);
    assert_eq!(pair.sides[DIALLER].peer_health(), Health::Draining);
    assert_eq!(pair.sides[ACCEPTOR].pong(1).health, Health::Draining);
    assert!(pair.sides[DIALLER].can_call());
    announce(&mut pair, ACCEPTOR, Announcement { health: Some(Health::Serving), ..drains });
    assert_eq!(pair.sides[DIALLER].peer_health(), Health::Serving);
}

#[test]
fn what_makes_no_sense_is_not_said() {
    let mut pair = Pair::open();
    for said in [
        Announcement { calls_in_flight_max: Some(0), ..Announcement::default() },
        Announcement { heartbeat_interval_ms: Some(49), ..Announcement::default() },
    ] {
        assert!(!pair.sides[DIALLER].announce(said));
    }
    assert!(pair.sides[DIALLER].output().is_empty());
    assert!(!Connection::new(config(DIALLER), 0).announce(Announcement::default()));
}
