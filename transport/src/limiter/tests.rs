//! The limit alone, and a service under more load than it can bear, with it and without.

use super::*;

const MS: u64 = 1_000_000;

/// Windows in which so many calls at a time take so long.
fn work(limiter: &mut Limiter, now: &mut u64, calls: u32, took_ms: u64, windows: u32) {
    for _ in 0..windows {
        let started = (0..calls).filter(|_| limiter.admit(Class::Interactive)).count();
        *now += WINDOW_NS.max(took_ms * MS);
        for _ in 0..started {
            limiter.ended(*now, took_ms * MS, Outcome::Answered);
        }
    }
}

#[test]
fn nothing_is_shed_where_calls_are_short_or_as_long_as_ever() {
    // Calls at once, and how long they take, one after another.
    let cases: &[(u32, &[u64])] = &[
        (4_000, &[0, 1, 5, 1, 100, 490, 1]),
        (16_000, &[2_000, 2_000, 3_000, 2_500, 2_000]),
        (1, &[10_000, 1]),
        (60, &[1, 900, 2_000, 1]),
    ];
    for (calls, times) in cases {
        let (mut limiter, mut now) = (Limiter::default(), 0);
        for took_ms in *times {
            work(&mut limiter, &mut now, *calls, *took_ms, 20);
            let seen: Vec<bool> = (0..*calls).map(|_| limiter.admit(Class::Interactive)).collect();
            assert!(seen.iter().all(|admitted| *admitted), "{calls} of {took_ms} ms: {}", limiter.limit());
            seen.iter().for_each(|_| limiter.left());
        }
    }
}

#[test]
fn the_limit_shrinks_with_latency_down_to_its_least_and_grows_again() {
    let (mut limiter, mut now) = (Limiter::default(), 0);
    work(&mut limiter, &mut now, 400, 400, 20);
    assert_eq!(limiter.limit(), INSTANCE_CALLS_IN_FLIGHT_MAX);
    // One slow window alone is an outlier. Here it still has the last samples of the time before.
    work(&mut limiter, &mut now, 400, 1_200, 2);
    assert_eq!(limiter.limit(), INSTANCE_CALLS_IN_FLIGHT_MAX);
    work(&mut limiter, &mut now, 400, 1_200, 1);
    assert!((200..205).contains(&limiter.limit()), "400 × 1.5 × 400 / 1,200, about: {}", limiter.limit());
    work(&mut limiter, &mut now, 400, 4_000, 60);
    assert_eq!(limiter.limit(), HANDLERS_MIN);
    work(&mut limiter, &mut now, 400, 400, 100);
    assert!(limiter.limit() >= 400, "{}", limiter.limit());
    // Where few are in flight, nothing is learned about more.
    work(&mut limiter, &mut now, 10, 400, 2);
    let before = limiter.limit();
    work(&mut limiter, &mut now, 10, 400, 40);
    assert_eq!(limiter.limit(), before);
}

#[test]
fn what_stays_slow_becomes_usual() {
    let (mut limiter, mut now) = (Limiter::default(), 0);
    work(&mut limiter, &mut now, 400, 400, 20);
    work(&mut limiter, &mut now, 400, 2_000, 100);
    assert_eq!(limiter.limit(), HANDLERS_MIN);
    work(&mut limiter, &mut now, 400, 2_000, 4_000);
    assert!(limiter.limit() >= 400, "{}", limiter.limit());
    let usual_ns = limiter.long_ns;
    work(&mut limiter, &mut now, 400, 400, 60);
    assert!(limiter.long_ns < usual_ns / 1.5, "{}", limiter.long_ns);
}

#[test]
fn bulk_calls_leave_a_part_of_the_limit_to_others() {
    let mut limiter = Limiter::starting_at(8);
    let mut admitted =
        |class| std::iter::repeat_with(|| limiter.admit(class)).take(9).filter(|it| *it).count();
    assert_eq!(admitted(Class::Bulk), 6);
    assert_eq!(admitted(Class::Interactive), 2);
    limiter.left();
    limiter.left();
    assert!(!limiter.has_room(Class::Bulk) && limiter.has_room(Class::Interactive));
}

#[test]
fn only_samples_that_tell_something_count() {
    let mut limiter = Limiter::starting_at(100);
    let mut now = 0;
    work(&mut limiter, &mut now, 100, 50, 10);
    let known = Limiter { window: Window { ends_ns: u64::MAX, ..Window::default() }, ..limiter };
    let check = |took_ns, outcome, counts: bool| {
        let mut limiter = known.clone();
        assert!(limiter.admit(Class::Interactive));
        limiter.ended(now, took_ns, outcome);
        assert_eq!(
            (limiter.window.samples, limiter.in_flight()),
            (u32::from(counts), 0),
            "{took_ns} {outcome:?}"
        );
    };
    check(NOISE_NS - 1, Outcome::Answered, false);
    check(NOISE_NS, Outcome::Answered, true);
    check(49 * MS, Outcome::CutShort, false);
    check(51 * MS, Outcome::CutShort, true);
}

/// What became of the calls of one run.
#[derive(Debug, Default)]
struct Run {
    answered: u32,
    given_up: u32,
    shed: u32,
    /// Of those that were answered.
    took_ms_max: u64,
}

/// A service that answers `AT_ONCE` calls in 100 ms each. With more of them each takes longer, and with more than twice as many it does
/// less altogether, down to a tenth: locks, caches, swapping. Callers come whatever happens, and give up after two seconds. The last 10 of
/// 20 seconds count.
fn overload(calls_per_10_ms: u32, mut limiter: Limiter) -> Run {
    const AT_ONCE: f64 = 100.0;
    const WORK_MS: f64 = 100.0;
    const PATIENCE_MS: u64 = 2_000;
    let mut run = Run::default();
    let mut calls: Vec<(u64, f64)> = Vec::new();
    for now_ms in 0..20_000_u64 {
        let counts = u32::from(now_ms >= 10_000);
        let come = if now_ms < 2_000 { 8 } else { calls_per_10_ms };
        for _ in 0..if now_ms.is_multiple_of(10) { come } else { 0 } {
            if limiter.admit(Class::Interactive) {
                calls.push((now_ms, WORK_MS));
            } else {
                run.shed += counts;
            }
        }
        let crowd = (calls.len() as f64 / AT_ONCE).max(1.0);
        let done = 1.0 / crowd / (crowd / 2.0).clamp(1.0, 10.0);
        calls.retain_mut(|(started_ms, left)| {
            *left -= done;
            let took_ms = now_ms + 1 - *started_ms;
            let (answered, given_up) = (*left <= 1e-9, took_ms >= PATIENCE_MS);
            if answered {
                limiter.ended(now_ms * MS, took_ms * MS, Outcome::Answered);
                run.answered += counts;
                run.took_ms_max = run.took_ms_max.max(took_ms * u64::from(counts));
            } else if given_up {
                limiter.ended(now_ms * MS, took_ms * MS, Outcome::CutShort);
                run.given_up += counts;
            }
            !answered && !given_up
        });
    }
    run
}

/// No limit that is ever reached, and no samples to learn from.
fn unlimited() -> Limiter {
    Limiter { window: Window { ends_ns: u64::MAX, ..Window::default() }, ..Limiter::default() }
}

#[test]
fn a_service_that_slows_down_under_load_keeps_its_throughput_and_its_latency() {
    // 10 calls in 10 milliseconds are what it can do: 10,000 in the 10 seconds.
    let within = overload(8, Limiter::default());
    assert_eq!((within.answered, within.shed, within.took_ms_max), (8_000, 0, 100), "{within:?}");
    for calls_per_10_ms in [20, 100] {
        let limited = overload(calls_per_10_ms, Limiter::default());
        assert!(limited.answered >= 9_000 && limited.given_up == 0, "{limited:?}");
        assert!(limited.took_ms_max <= 250, "{limited:?}");
    }
    let without = overload(20, unlimited());
    assert!(without.answered <= 500 && without.given_up >= 17_000, "{without:?}");
}
