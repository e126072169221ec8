//! Scenarios that chance seldom brings about.

use micronet_tests::plan::{ACCEPTOR, DIALLER};
use micronet_tests::scenarios::{
    cancelled_reservations_are_used_again, half_sent_replies_never_deadlock, nobody_is_overtaken,
    pings_pass_long_messages,
};

#[test]
fn a_ping_beside_ten_mebibytes_takes_less_than_two_pieces() {
    for bytes_per_s in [1_000_000, 10_000_000] {
        for busy in [DIALLER, ACCEPTOR] {
            pings_pass_long_messages(bytes_per_s, busy).unwrap();
        }
    }
}

#[test]
fn half_sent_replies_come_in_any_interleaving() {
    for seed in 0..6 {
        half_sent_replies_never_deadlock(2, seed).unwrap();
    }
    half_sent_replies_never_deadlock(6, 0).unwrap();
    half_sent_replies_never_deadlock(6, 3).unwrap();
}

#[test]
fn whoever_waits_for_the_connections_credit_is_not_overtaken() {
    nobody_is_overtaken().unwrap();
}

#[test]
fn what_was_reserved_and_not_used_is_used_again() {
    cancelled_reservations_are_used_again().unwrap();
}
