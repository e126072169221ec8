//! How long an instance takes to answer, told from what it did lately. Pure.

use micronet_wire::limits::{FAILURE_PENALTY_MS, FAILURE_PENALTY_MS_MAX, LATENCY_DECAY_MS};

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered, perhaps with an error that is the caller's own fault.
    Answered {
        /// From the request to its answer, in nanoseconds.
        response_ns: u64,
    },
    /// It failed by the instance's or the link's fault.
    Failed {
        /// After how long its error advises to come back, in nanoseconds, if it does.
        advised_ns: Option<u64>,
    },
}

impl Outcome {
    /// The response time that it counts as. A failure counts as a slow answer, so that an instance that fails fast doesn't look like
    /// a fast one (linkerd's load biaser).
    #[must_use]
    pub fn counts_as_ns(self) -> u64 {
        match self {
            Self::Answered { response_ns } => response_ns,
            Self::Failed { advised_ns: Some(advised_ns) } => {
                advised_ns.min(FAILURE_PENALTY_MS_MAX * 1_000_000)
            }
            Self::Failed { advised_ns: None } => FAILURE_PENALTY_MS * 1_000_000,
        }
    }
}

/// An instance's response times: an average that jumps to each peak and comes back slowly (the peak EWMA of Finagle and linkerd), and
/// the plain mean.
///
/// Both readings fade while nothing is recorded, so that an instance that looked slow and gets nothing is tried again.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    peak_ns: f64,
    /// The sum of all response times, and their number, older ones counting less.
    sum_ns: f64,
    count: f64,
    /// When something was recorded last.
    at_ns: u64,
}

impl Latency {
    /// Takes the outcome of a call into account.
    pub fn record(&mut self, now: u64, outcome: Outcome) {
        let sample_ns = outcome.counts_as_ns().max(1) as f64;
        let left = self.left(now);
        self.peak_ns = match sample_ns < self.peak_ns {
            true => self.peak_ns * left + sample_ns * (1.0 - left),
            false => sample_ns,
        };
        self.sum_ns = self.sum_ns * left + sample_ns;
        self.count = self.count * left + 1.0;
        self.at_ns = self.at_ns.max(now);
    }

    /// The average that is sensitive to peaks, faded, in nanoseconds; 0 when nothing is known. For [`Candidate::response_ns`].
    ///
    /// [`Candidate::response_ns`]: super::Candidate::response_ns
    #[must_use]
    pub fn peak_ns(&self, now: u64) -> u64 {
        whole(self.peak_ns * self.left(now))
    }

    /// The mean, faded, in nanoseconds; 0 when nothing is known. For [`Candidate::mean_ns`].
    ///
    /// [`Candidate::mean_ns`]: super::Candidate::mean_ns
    #[must_use]
    pub fn mean_ns(&self, now: u64) -> u64 {
        whole(self.mean() * self.left(now))
    }

    /// The mean as it was when something was recorded last, in nanoseconds, and of how many calls it tells, older ones counting less:
    /// what outliers are found by.
    #[must_use]
    pub fn unfaded(&self, now: u64) -> (u64, f64) {
        (whole(self.mean()), self.count * self.left(now))
    }

    fn mean(&self) -> f64 {
        if self.count > 0.0 { self.sum_ns / self.count } else { 0.0 }
    }

    /// What is left of the past.
    fn left(&self, now: u64) -> f64 {
        let passed_ns = now.saturating_sub(self.at_ns) as f64;
        (-passed_ns / (LATENCY_DECAY_MS * 1_000_000) as f64).exp()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "response times are positive, and the cast saturates"
)]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const DECAY: u64 = LATENCY_DECAY_MS * MS;

    fn answered(ms: u64) -> Outcome {
        Outcome::Answered { response_ns: ms * MS }
    }

    fn near(value_ns: u64, ms: f64) -> bool {
        (value_ns as f64 / MS as f64 - ms).abs() < 0.01 * ms + 1e-6
    }

    #[test]
    fn a_peak_is_seen_at_once_and_forgotten_slowly() {
        let mut latency = Latency::default();
        assert_eq!((latency.peak_ns(5), latency.mean_ns(5)), (0, 0));
        latency.record(1 << 40, answered(10));
        latency.record(1 << 40, answered(100));
        assert_eq!(latency.peak_ns(1 << 40), 100 * MS);
        latency.record(1 << 40, answered(10));
        assert_eq!(latency.peak_ns(1 << 40), 100 * MS, "no time has passed");
        assert!(near(latency.mean_ns(1 << 40), 40.0));
        latency.record((1 << 40) + DECAY, answered(10));
        let peak_ns = latency.peak_ns((1 << 40) + DECAY);
        assert!(near(peak_ns, 10.0 + 90.0 / std::f64::consts::E), "{peak_ns}");
        let mean_ns = latency.mean_ns((1 << 40) + DECAY);
        let old = 3.0 / std::f64::consts::E;
        assert!(near(mean_ns, (old * 40.0 + 10.0) / (old + 1.0)), "{mean_ns}");
    }

    #[test]
    fn an_instance_that_gets_nothing_looks_faster_and_faster() {
        let mut latency = Latency::default();
        latency.record(0, answered(1_000));
        assert!(near(latency.peak_ns(DECAY), 1_000.0 / std::f64::consts::E));
        assert!(near(latency.mean_ns(DECAY), 1_000.0 / std::f64::consts::E));
        let (unfaded_ns, calls) = latency.unfaded(DECAY);
        assert!(unfaded_ns == 1_000 * MS && (calls - 1.0 / std::f64::consts::E).abs() < 1e-9);
        assert_eq!(latency.peak_ns(u64::MAX), 0);
    }

    #[test]
    fn a_failure_is_a_slow_answer() {
        for (advised_ns, counts_ms) in
            [(None, FAILURE_PENALTY_MS), (Some(700 * MS), 700), (Some(u64::MAX), FAILURE_PENALTY_MS_MAX)]
        {
            let mut latency = Latency::default();
            latency.record(9, answered(1));
            latency.record(9, Outcome::Failed { advised_ns });
            assert_eq!(latency.peak_ns(9), counts_ms * MS, "{advised_ns:?}");
        }
    }
}
