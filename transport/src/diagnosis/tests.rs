//! The table: what is seen, and what is said of it.

use super::*;

const PATIENCE_US: u64 = 500_000;

fn pong(change: impl FnOnce(&mut Pong)) -> Option<Pong> {
    let mut pong = Pong { bytes_received: 1_000, ..Pong::default() };
    change(&mut pong);
    Some(pong)
}

/// A healthy connection, as far as nothing else is said.
fn seen(change: impl FnOnce(&mut Observations)) -> Observations {
    let mut seen = Observations {
        patience_us: PATIENCE_US,
        round_trip_before_us: Some(400),
        pong: pong(|_| {}),
        bytes_sent: 1_000,
        unacknowledged: Some(Unacknowledged::default()),
        ..Observations::default()
    };
    change(&mut seen);
    seen
}

#[track_caller]
fn check(change: impl FnOnce(&mut Observations), verdict: Verdict, words: &[&str]) {
    let seen = seen(change);
    let found = diagnose(&seen);
    let reasons = found.reasons.join("; ");
    assert_eq!(found.verdict, verdict, "{reasons}: {seen:?}");
    assert!(words.iter().all(|words| reasons.contains(words)), "{reasons}");
    assert_eq!(found.reasons.is_empty(), words.is_empty(), "{reasons}");
}

fn lost(bytes: u64, retransmits: u32) -> Option<Unacknowledged> {
    Some(Unacknowledged { bytes, retransmits })
}

#[test]
fn answers_in_time() {
    use Verdict::{Congested, Fine, Stalled};
    check(|seen| seen.round_trip_us = Some(400), Fine, &[]);
    check(|seen| seen.round_trip_us = Some(PATIENCE_US), Fine, &[]);
    check(
        |seen| {
            seen.round_trip_us = Some(400);
            seen.pong = pong(|pong| (pong.queue_delay_us, pong.health) = (80_000, Health::Draining));
        },
        Fine,
        &["calls wait 80.0 ms", "it drains"],
    );
    check(
        |seen| {
            seen.round_trip_us = Some(400);
            seen.pong = pong(|pong| pong.scheduler_lag_us = 2_500_000);
        },
        Stalled,
        &["did not run for 2500.0 ms"],
    );
    check(
        |seen| (seen.round_trip_us, seen.bytes_sent) = (Some(400), 1_000 + STANDING_BYTES),
        Congested,
        &["65536 bytes of ours"],
    );
    check(
        |seen| (seen.round_trip_us, seen.backlog_bytes) = (Some(400), STANDING_BYTES),
        Congested,
        &["65536 bytes of ours"],
    );
}

#[test]
fn answers_that_come_late() {
    use Verdict::{Congested, Stalled};
    check(
        |seen| (seen.round_trip_us, seen.bytes_sent) = (Some(2_000_000), 1_064),
        Congested,
        &["took 2000.0 ms, more than 500.0 ms", "at most 0.0 ms late", "64 bytes of ours were not received"],
    );
    // The process had been late as well, but by far not as much as the answer.
    check(
        |seen| {
            seen.round_trip_us = Some(2_000_000);
            seen.pong = pong(|pong| pong.scheduler_lag_us = 300_000);
        },
        Congested,
        &["at most 300.0 ms late"],
    );
    check(
        |seen| {
            seen.round_trip_us = Some(2_000_000);
            seen.pong = pong(|pong| pong.scheduler_lag_us = 1_900_000);
        },
        Stalled,
        &["did not run for 1900.0 ms"],
    );
}

#[test]
fn silence_with_a_new_connection() {
    use Fresh::{Refused, Silent, Speaks, Unreachable};
    use Verdict::{Congested, DeadLink, Gone, Stalled};
    check(|seen| seen.fresh = Some(Refused), Gone, &["refused"]);
    check(
        |seen| (seen.fresh, seen.ended) = (Some(Refused), Some("reset by peer".into())),
        Gone,
        &["refused", "reset by peer"],
    );
    check(
        |seen| (seen.fresh, seen.unacknowledged) = (Some(Unreachable), lost(64, 3)),
        DeadLink,
        &["not accepted either", "64 bytes of ours are not acknowledged, sent again 3 times"],
    );
    check(
        |seen| (seen.fresh, seen.heard_since) = (Some(Unreachable), true),
        Congested,
        &["others still come"],
    );
    check(|seen| seen.fresh = Some(Silent), Stalled, &["nobody speaks", "acknowledged all"]);
    check(
        |seen| (seen.fresh, seen.unacknowledged) = (Some(Silent), lost(64, 0)),
        Congested,
        &["hardly come through", "64 bytes"],
    );
    check(
        |seen| (seen.fresh, seen.backlog_bytes) = (Some(Silent), 9),
        Congested,
        &["9 bytes of ours wait to be written"],
    );
    check(
        |seen| (seen.fresh, seen.round_trip_before_us) = (Some(Silent), Some(PATIENCE_US + 1)),
        Congested,
        &["the answer before was late"],
    );
    // The answer before was late because the process was; now it is silent again.
    check(
        |seen| {
            (seen.fresh, seen.round_trip_before_us) = (Some(Silent), Some(PATIENCE_US + 1));
            seen.pong = pong(|pong| pong.scheduler_lag_us = STALL_US);
        },
        Stalled,
        &["nobody speaks"],
    );
    check(|seen| (seen.fresh, seen.heard_since) = (Some(Silent), true), Congested, &["others still come"]);
    check(|seen| seen.fresh = Some(Speaks), Congested, &["sooner than this one"]);
    check(
        |seen| (seen.fresh, seen.unacknowledged) = (Some(Speaks), lost(64, 2)),
        DeadLink,
        &["nothing comes through this one"],
    );
    check(
        |seen| (seen.fresh, seen.ended) = (Some(Speaks), Some("reset".into())),
        Gone,
        &["started again", "reset"],
    );
}

#[test]
fn silence_and_nothing_else() {
    check(|_| {}, Verdict::Stalled, &["no answer in time", "acknowledged all"]);
    check(|seen| seen.unacknowledged = lost(64, 0), Verdict::DeadLink, &["nothing comes back", "64 bytes"]);
    check(|seen| seen.unacknowledged = None, Verdict::DeadLink, &["nothing comes back"]);
}
