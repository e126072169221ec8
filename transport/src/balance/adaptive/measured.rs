//! What `adaptive` measures in a window of a few seconds. Pure.

use std::fmt::{self, Display, Formatter};

use micronet_wire::limits::{ADAPTIVE_INSTANCE_CALLS_MIN, BALANCED_INSTANCES_KEPT};

use super::super::Candidate;
use super::super::latency::Outcome;
use super::histogram::Histogram;

/// Between instances, a difference of means by fewer standard errors than this is taken for chance.
const STANDARD_ERRORS_MIN: f64 = 4.0;

/// What is counted while a window lasts.
#[derive(Debug, Default)]
pub(super) struct Window {
    instances: Vec<Counts>,
    response_times: Histogram,
    failed: u64,
}

/// One instance's part.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    key: u64,
    answered: u64,
    failed: u64,
    /// The sums of response times in milliseconds, and of their squares.
    sum_ms: f64,
    squares_ms: f64,
}

/// What a window has shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Calls that ended.
    pub calls: u64,
    /// The share of them that failed, in thousandths.
    pub failed_permille: u64,
    /// The median of the response times of calls that were answered, in nanoseconds.
    pub p50_ns: u64,
    /// The time within which 95 % of them were answered, in nanoseconds.
    pub p95_ns: u64,
    /// The mean response time of the slowest instance against that of the fastest.
    pub slowest_to_fastest: f64,
    /// Whether that is more than chance.
    pub slowest_stands_out: bool,
    /// By how much the share of failures of the worst instance exceeds that of the best.
    pub failures_apart: f64,
    /// Whether that is more than chance.
    pub worst_stands_out: bool,
    /// Whether every instance had enough calls to be compared.
    pub is_complete: bool,
}

impl Display for Measured {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ms = |ns: u64| ns as f64 / 1e6;
        write!(
            f,
            "{} calls, {:.1} % failed, P50 {:.1} ms, P95 {:.1} ms, the slowest instance took {:.1} times as long as the fastest",
            self.calls,
            self.failed_permille as f64 / 10.0,
            ms(self.p50_ns),
            ms(self.p95_ns),
            self.slowest_to_fastest,
        )
    }
}

impl Window {
    pub(super) fn record(&mut self, key: u64, outcome: Outcome) {
        let found = self.instances.iter().position(|counts| counts.key == key);
        let at = found.unwrap_or_else(|| {
            if self.instances.len() < BALANCED_INSTANCES_KEPT {
                self.instances.push(Counts { key, ..Counts::default() });
            }
            self.instances.len() - 1
        });
        let counts = &mut self.instances[at];
        match outcome {
            // Beyond the bound there is no room to tell instances apart; the calls still count together.
            _ if counts.key != key => {}
            Outcome::Failed { .. } => counts.failed += 1,
            Outcome::Answered { response_ns } => {
                let ms = response_ns as f64 / 1e6;
                counts.answered += 1;
                counts.sum_ms += ms;
                counts.squares_ms += ms * ms;
            }
        }
        match outcome {
            Outcome::Answered { response_ns } => self.response_times.record(response_ns),
            Outcome::Failed { .. } => self.failed += 1,
        }
    }

    /// What has been measured; the candidates are those of the pick that ends the window. It is empty afterwards.
    pub(super) fn close(&mut self, candidates: &[Candidate]) -> Measured {
        let measured = self.measured(candidates);
        self.instances.clear();
        self.response_times.clear();
        self.failed = 0;
        measured
    }

    fn measured(&self, candidates: &[Candidate]) -> Measured {
        let (answered, failed) = (self.response_times.count(), self.failed);
        let failed_permille = failed * 1_000 / (answered + failed).max(1);
        let timed = || self.instances.iter().filter(|counts| counts.answered >= ADAPTIVE_INSTANCE_CALLS_MIN);
        let by_mean = |one: &&Counts, other: &&Counts| one.mean_ms().total_cmp(&other.mean_ms());
        let (mut slowest_to_fastest, mut slowest_stands_out) = (1.0, false);
        if let (Some(fastest), Some(slowest)) = (timed().min_by(by_mean), timed().max_by(by_mean)) {
            let apart = slowest.mean_ms() - fastest.mean_ms();
            slowest_to_fastest = slowest.mean_ms() / fastest.mean_ms().max(1e-6);
            slowest_stands_out =
                apart > STANDARD_ERRORS_MIN * (slowest.variance() + fastest.variance()).sqrt();
        }
        let is_counted = |counts: &Counts| counts.calls() >= ADAPTIVE_INSTANCE_CALLS_MIN;
        let counted = || self.instances.iter().filter(|counts| is_counted(counts));
        let by_failures = |one: &&Counts, other: &&Counts| one.failures().total_cmp(&other.failures());
        let (mut failures_apart, mut worst_stands_out) = (0.0, false);
        if let (Some(best), Some(worst)) = (counted().min_by(by_failures), counted().max_by(by_failures)) {
            failures_apart = worst.failures() - best.failures();
            let (best_calls, worst_calls) = (best.calls() as f64, worst.calls() as f64);
            // As if both failed equally often, which is what is to be refuted.
            let both = (best.failed + worst.failed) as f64 / (best_calls + worst_calls);
            let variance = both * (1.0 - both) * (1.0 / best_calls + 1.0 / worst_calls);
            worst_stands_out = failures_apart > STANDARD_ERRORS_MIN * variance.sqrt();
        }
        // A call that is tried elsewhere has fewer candidates, and who failed it is among the instances only.
        let has_calls =
            |candidate: &Candidate| self.instances.iter().any(|counts| counts.key == candidate.key);
        Measured {
            calls: answered + failed,
            failed_permille,
            p50_ns: self.response_times.quantile(50),
            p95_ns: self.response_times.quantile(95),
            slowest_to_fastest,
            slowest_stands_out,
            failures_apart,
            worst_stands_out,
            is_complete: self.instances.iter().all(is_counted) && candidates.iter().all(has_calls),
        }
    }
}

impl Counts {
    fn calls(&self) -> u64 {
        self.answered + self.failed
    }

    /// The share of its calls that failed.
    fn failures(&self) -> f64 {
        self.failed as f64 / self.calls().max(1) as f64
    }

    fn mean_ms(&self) -> f64 {
        self.sum_ms / self.answered.max(1) as f64
    }

    /// The variance of the mean.
    fn variance(&self) -> f64 {
        let count = self.answered.max(2) as f64;
        let of_one = (self.squares_ms - self.sum_ms * self.sum_ms / count).max(0.0) / (count - 1.0);
        of_one / count
    }
}
