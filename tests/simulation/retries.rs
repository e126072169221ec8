//! Retries when everything fails: they are held to their budget, and don't multiply the load.

use micronet_tests::random::Random;
use micronet_transport::retry::budget::RetryBudget;
use micronet_wire::limits::{ATTEMPTS_MAX, RETRY_BUDGET_PER_S, RETRY_BUDGET_PERCENT};

use crate::instances::{S, START_NS, exponential};

/// Calls come at random, and so many percent of their attempts fail. Calls made, retries wanted, and when those began that were
/// allowed.
fn live(seed: u64, calls_per_s: u64, failing_percent: u64, for_ns: u64) -> (Vec<u64>, u64, Vec<u64>) {
    let (mut random, mut budget) = (Random::new(seed), RetryBudget::default());
    let (mut calls, mut wanted, mut retries) = (Vec::new(), 0, Vec::new());
    let mut now = START_NS;
    while now < START_NS + for_ns {
        now += exponential(&mut random, S / calls_per_s);
        budget.call(now);
        calls.push(now);
        for _ in 1..ATTEMPTS_MAX {
            if !random.percent(failing_percent) {
                break;
            }
            wanted += 1;
            if !budget.may_retry(now) {
                break;
            }
            retries.push(now);
        }
    }
    (calls, wanted, retries)
}

#[test]
fn a_storm_is_held_to_the_budget() {
    for seed in crate::seeds().step_by(20) {
        for calls_per_s in [1, 20, 300] {
            let (calls, wanted, retries) = live(seed, calls_per_s, 100, 60 * S);
            let within = |times: &[u64], from: u64, to: u64| {
                times.partition_point(|at| *at < to) - times.partition_point(|at| *at < from)
            };
            // The budget counts whole seconds: the window that it knows is the youngest ten. It is asked when there is something to try
            // again; in a second without that, what was allowed before may be more than the calls since then would allow.
            let asked = |second: &u64| within(&retries, second * S, (second + 1) * S) > 0;
            for second in (START_NS / S..(START_NS + 60 * S) / S).filter(asked) {
                let window = |times: &[u64]| within(times, (second - 9) * S, (second + 1) * S) as u64;
                let allowed = window(&calls) * RETRY_BUDGET_PERCENT / 100 + 10 * RETRY_BUDGET_PER_S;
                assert!(window(&retries) <= allowed, "seed {seed}, {calls_per_s}/s: second {second}");
            }
            // And what is allowed is used, or this tests nothing.
            let allowed = calls.len() as u64 * RETRY_BUDGET_PERCENT / 100 + 60 * RETRY_BUDGET_PER_S;
            let used = retries.len() as u64;
            assert!(
                used * 10 >= allowed.min(wanted) * 8,
                "seed {seed}, {calls_per_s}/s: {used} of {allowed}"
            );
        }
    }
}

#[test]
fn a_few_failures_are_all_tried_again() {
    for seed in crate::seeds().step_by(20) {
        let (_, wanted, retries) = live(seed, 300, 5, 60 * S);
        assert!(wanted > 100 && retries.len() as u64 == wanted, "seed {seed}: {} of {wanted}", retries.len());
    }
}
