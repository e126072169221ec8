use super::*;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const START: u64 = 1 << 40;

/// Half of the range of the jitter: a pause is as long as it says.
fn no_jitter(pause_ms: u64) -> u64 {
    pause_ms * BREAKER_JITTER_PERCENT / 100
}

fn call(breaker: &mut Breaker, now: u64, verdict: Verdict, random: u64) {
    match breaker.admit(now) {
        Admission::Yes(ticket) | Admission::Probe(ticket) => breaker.record(now, ticket, verdict, random),
        Admission::No => panic!("not admitted: {breaker:?}"),
    }
}

fn opened() -> Breaker {
    let mut breaker = Breaker::new(START);
    (0..BREAKER_FAILURES_IN_A_ROW)
        .for_each(|_| call(&mut breaker, START, Verdict::Failed, no_jitter(BREAKER_PAUSE_MS_MIN)));
    breaker
}

fn probe(breaker: &mut Breaker, now: u64) -> Ticket {
    match breaker.admit(now) {
        Admission::Probe(ticket) => ticket,
        other => panic!("{other:?}: {breaker:?}"),
    }
}

#[test]
fn it_opens_by_failures_in_a_row_or_by_the_rate() {
    use Verdict::{Failed, Good, Slow};
    let check = |verdicts: &[Verdict], opens: Option<&str>| {
        let mut breaker = Breaker::new(START);
        for (at, verdict) in verdicts.iter().enumerate() {
            assert_eq!(breaker.state(START), State::Closed, "{verdicts:?} after {at}");
            call(&mut breaker, START, *verdict, 0);
        }
        let reason = (breaker.state(START) == State::Open).then(|| breaker.reason(START).to_string());
        assert_eq!(reason.as_deref(), opens, "{verdicts:?}");
    };
    check(&[Failed; 4], None);
    check(&[Failed; 5], Some("5 calls in a row failed"));
    check(&[Failed, Failed, Failed, Failed, Good, Failed, Failed, Failed, Failed], None);
    check(&[Failed, Failed, Slow, Failed, Failed, Slow, Failed], Some("5 calls in a row failed"));
    check(&[Slow; 19], None);
    check(&[Slow; 20], Some("only 0 of 20 calls in the last 10 s succeeded in time"));
    check(&[[Good, Failed]; 40].concat(), None);
    let bad = [&[Good; 9][..], &[[Slow, Failed]; 4].concat(), &[Slow; 3]].concat();
    check(&bad, Some("only 9 of 20 calls in the last 10 s succeeded in time"));
}

#[test]
fn old_results_are_forgotten() {
    let mut breaker = Breaker::new(START);
    (0..19).for_each(|_| call(&mut breaker, START, Verdict::Slow, 0));
    call(&mut breaker, START + 11 * S, Verdict::Slow, 0);
    assert_eq!(breaker.state(START + 11 * S), State::Closed);
}

#[test]
fn one_probe_decides() {
    for (verdict, state) in
        [(Verdict::Good, State::Closed), (Verdict::Slow, State::Open), (Verdict::Failed, State::Open)]
    {
        let mut breaker = opened();
        assert_eq!(breaker.admit(START + S - 1), Admission::No);
        assert_eq!((breaker.state(START), breaker.until(START)), (State::Open, Some(START + S)));
        let now = START + 3 * S;
        assert_eq!((breaker.state(now), breaker.since(now)), (State::HalfOpen, START + S));
        assert_eq!(breaker.reason(now).to_string(), "one call may try it after a pause of 1.0 s");
        assert!(breaker.awaits_probe(now));
        let ticket = probe(&mut breaker, now);
        assert_eq!(breaker.admit(now), Admission::No, "one at a time");
        assert!(!breaker.awaits_probe(now) && !breaker.admits(now));
        breaker.record(now, ticket, verdict, 0);
        assert_eq!((breaker.state(now), breaker.since(now)), (state, now), "{verdict:?}");
        assert_eq!(breaker.openings(), 1 + u64::from(state == State::Open));
    }
}

#[test]
fn a_probe_that_is_abandoned_gives_way_to_another() {
    let mut breaker = opened();
    let now = START + S;
    let ticket = probe(&mut breaker, now);
    breaker.abandon(ticket);
    let silent = probe(&mut breaker, now);
    let later = now + BREAKER_PROBE_MS_MAX * MS;
    assert_eq!(breaker.admit(later - 1), Admission::No);
    let second = probe(&mut breaker, later);
    breaker.record(later, silent, Verdict::Failed, 0);
    assert_eq!(breaker.state(later), State::HalfOpen, "nobody waits for it any more");
    breaker.record(later, second, Verdict::Good, 0);
    assert_eq!(breaker.state(later), State::Closed);
}

#[test]
fn late_results_decide_nothing() {
    let mut breaker = Breaker::new(START);
    let mut begun = || match breaker.admit(START) {
        Admission::Yes(ticket) => ticket,
        other => panic!("{other:?}"),
    };
    let [first, second, third] = [begun(), begun(), begun()];
    (0..5).for_each(|_| call(&mut breaker, START, Verdict::Failed, 0));
    breaker.record(START, first, Verdict::Good, 0);
    assert_eq!(breaker.state(START), State::Open);
    let now = START + 2 * S;
    let ticket = probe(&mut breaker, now);
    breaker.abandon(second);
    assert_eq!(breaker.admit(now), Admission::No, "its probe is still on its way");
    breaker.record(now, ticket, Verdict::Good, 0);
    (0..4).for_each(|_| call(&mut breaker, now, Verdict::Failed, 0));
    breaker.record(now, third, Verdict::Failed, 0);
    assert_eq!(breaker.state(now), State::Closed, "a failure of before the opening");
}

#[test]
fn pauses_double_until_it_has_stayed_closed() {
    let mut breaker = opened();
    let mut now = START;
    let mut expected_ms = BREAKER_PAUSE_MS_MIN;
    for _ in 0..10 {
        assert_eq!(breaker.until(now), Some(now + expected_ms * MS));
        now += expected_ms * MS;
        expected_ms = (2 * expected_ms).min(BREAKER_PAUSE_MS_MAX);
        call(&mut breaker, now, Verdict::Failed, no_jitter(expected_ms));
    }
    assert_eq!(expected_ms, BREAKER_PAUSE_MS_MAX);
    now = breaker.until(now).unwrap();
    call(&mut breaker, now, Verdict::Good, 0);
    for (closed_ms, pause_ms) in
        [(BREAKER_SETTLED_MS - 1, BREAKER_PAUSE_MS_MAX), (BREAKER_SETTLED_MS, BREAKER_PAUSE_MS_MIN)]
    {
        let mut breaker = breaker.clone();
        let now = now + closed_ms * MS;
        (0..5).for_each(|_| call(&mut breaker, now, Verdict::Failed, no_jitter(pause_ms)));
        assert_eq!(breaker.until(now), Some(now + pause_ms * MS), "closed for {closed_ms} ms");
    }
}

#[test]
fn jitter_stays_within_its_bounds() {
    let spread = BREAKER_PAUSE_MS_MIN * BREAKER_JITTER_PERCENT / 100;
    let mut pauses: Vec<u64> = (0..10_000)
        .map(|random| {
            let mut breaker = Breaker::new(START);
            (0..5).for_each(|_| call(&mut breaker, START, Verdict::Failed, random));
            (breaker.until(START).unwrap() - START) / MS
        })
        .collect();
    pauses.sort_unstable();
    assert_eq!(pauses[0], BREAKER_PAUSE_MS_MIN - spread);
    assert_eq!(pauses[pauses.len() - 1], BREAKER_PAUSE_MS_MIN + spread);
}

#[test]
fn the_operator_can_close_it() {
    let mut breaker = opened();
    let now = START + S;
    let ticket = probe(&mut breaker, now);
    breaker.force_close(now);
    assert_eq!(breaker.reason(now).to_string(), "it was closed by hand");
    breaker.record(now, ticket, Verdict::Failed, 0);
    (0..4).for_each(|_| call(&mut breaker, now, Verdict::Failed, 0));
    assert_eq!(breaker.state(now), State::Closed);
    call(&mut breaker, now, Verdict::Failed, no_jitter(BREAKER_PAUSE_MS_MIN));
    assert_eq!(breaker.until(now), Some(now + S), "the first pause again");
}

#[test]
fn another_process_begins_anew() {
    let mut breaker = opened();
    let now = START + S;
    let ticket = probe(&mut breaker, now);
    breaker.forget(now);
    assert_eq!(
        (breaker.state(now), breaker.reason(now), breaker.openings()),
        (State::Closed, Reason::New, 1)
    );
    breaker.record(now, ticket, Verdict::Failed, 0);
    (0..4).for_each(|_| call(&mut breaker, now, Verdict::Failed, 0));
    assert_eq!(breaker.state(now), State::Closed, "the late failure of the old one doesn't count");
}
