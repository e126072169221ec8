//! What is counted while a load runs: answers by verdict, and how long they took.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest latency that is told apart from longer ones: an hour, in nanoseconds.
pub(super) const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Decimal digits to which latencies are exact.
const LATENCY_DIGITS: u8 = 3;
/// Kinds of refusals, and of failures, that are counted apart; further ones are counted together.
const KINDS_MAX: usize = 16;
/// The name under which they are.
const OTHER_KINDS: &str = "other";
/// The kind of failure of a request that was due, but for which no client was free before the run's patience was over.
pub(crate) const NEVER_SENT: &str = "never sent";

/// What a workload thinks of an answer, or of its absence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what was asked for.
    Good,
    /// The service understood and said no, for this reason.
    Refused(Cow<'static, str>),
    /// Something is broken, in this way.
    Failed(Cow<'static, str>),
}

/// Counts of how often each kind of something happened.
pub(crate) type Kinds = BTreeMap<Cow<'static, str>, u64>;

/// Counts for one kind of request, from any number of clients.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Answers that are what was asked for.
    pub(crate) good: u64,
    /// Answers that say no, by reason.
    pub(crate) refused: Kinds,
    /// What went wrong, by kind.
    pub(crate) failed: Kinds,
    /// Requests of an open loop that began late: no client was free, or the machine was too busy for this process.
    pub(crate) late: u64,
    /// How many answers each instance gave, where they name it.
    pub(crate) instances: Kinds,
    /// Bytes of the answers' bodies.
    pub(crate) bytes: u64,
    /// How long the answers took, in nanoseconds, good or not. A request without an answer is in `failed` alone.
    pub(crate) latency_ns: Histogram<u64>,
}

impl Tally {
    /// A tally of nothing.
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        let latency_ns = Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS)?;
        Ok(Self {
            good: 0,
            refused: Kinds::new(),
            failed: Kinds::new(),
            late: 0,
            instances: Kinds::new(),
            bytes: 0,
            latency_ns,
        })
    }

    /// Counts a request; `took` is None if there was no answer.
    pub(crate) fn count(&mut self, verdict: Verdict, took: Option<Duration>) {
        match verdict {
            Verdict::Good => self.good += 1,
            Verdict::Refused(why) => add(&mut self.refused, why, 1),
            Verdict::Failed(how) => add(&mut self.failed, how, 1),
        }
        if let Some(took) = took {
            self.latency_ns.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(LATENCY_NS_MAX));
        }
    }

    /// Notes where an answer came from, and how large it was.
    pub(crate) fn trace(&mut self, instance: Option<&str>, bytes: u64) {
        self.bytes += bytes;
        if let Some(instance) = instance {
            // A name is only copied when it is new.
            match self.instances.get_mut(instance) {
                Some(count) => *count += 1,
                None => add(&mut self.instances, instance.to_owned().into(), 1),
            }
        }
    }

    /// Adds what another has counted.
    pub(crate) fn add(&mut self, other: &Self) -> Result<(), hdrhistogram::AdditionError> {
        self.good += other.good;
        self.late += other.late;
        self.bytes += other.bytes;
        for (instance, count) in &other.instances {
            add(&mut self.instances, instance.clone(), *count);
        }
        for (why, count) in &other.refused {
            add(&mut self.refused, why.clone(), *count);
        }
        for (how, count) in &other.failed {
            add(&mut self.failed, how.clone(), *count);
        }
        self.latency_ns.add(&other.latency_ns)
    }

    /// Requests that were refused.
    pub(crate) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Requests that failed.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Requests that were due and never sent.
    pub(crate) fn never_sent(&self) -> u64 {
        self.failed.get(NEVER_SENT).copied().unwrap_or(0)
    }

    /// The mean of the latencies, in nanoseconds; 0 where nothing was answered.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a mean lies between the extremes"
    )]
    pub(crate) fn average_ns(&self) -> u64 {
        self.latency_ns.mean() as u64
    }

    /// All requests.
    pub(crate) fn requests(&self) -> u64 {
        self.good + self.refusals() + self.failures()
    }
}

fn add(kinds: &mut Kinds, kind: Cow<'static, str>, count: u64) {
    let kind = if kinds.len() < KINDS_MAX || kinds.contains_key(&kind) { kind } else { OTHER_KINDS.into() };
    *kinds.entry(kind).or_default() += count;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted_once() {
        let mut tally = Tally::new().unwrap();
        tally.count(Verdict::Good, Some(Duration::from_millis(1)));
        tally.count(Verdict::Refused("out of stock".into()), Some(Duration::from_millis(3)));
        tally.count(Verdict::Failed("refused".into()), None);
        tally.count(Verdict::Failed(NEVER_SENT.into()), None);
        tally.late += 1;
        tally.trace(Some("product-1"), 10);
        tally.trace(Some("product-2"), 20);
        tally.trace(Some("product-1"), 30);
        tally.trace(None, 1);
        let mut sum = Tally::new().unwrap();
        sum.add(&tally).unwrap();
        sum.add(&tally).unwrap();
        assert_eq!((sum.good, sum.refusals(), sum.failures(), sum.requests()), (2, 2, 4, 8));
        assert_eq!((sum.never_sent(), sum.late, sum.bytes), (2, 2, 122));
        assert_eq!((sum.instances["product-1"], sum.instances["product-2"]), (4, 2));
        assert_eq!(sum.latency_ns.len(), 4);
        assert_eq!(sum.refused["out of stock"], 2);
    }

    #[test]
    fn kinds_are_bounded() {
        let mut tally = Tally::new().unwrap();
        for number in 0..100 {
            tally.count(Verdict::Failed(format!("kind {number}").into()), None);
        }
        assert_eq!(tally.failed.len(), KINDS_MAX + 1);
        assert_eq!((tally.failures(), tally.failed[OTHER_KINDS]), (100, 100 - KINDS_MAX as u64));
    }

    #[test]
    fn a_latency_beyond_the_longest_is_kept_as_the_longest() {
        let mut tally = Tally::new().unwrap();
        tally.count(Verdict::Good, Some(Duration::from_secs(1_000_000)));
        tally.count(Verdict::Good, Some(Duration::ZERO));
        assert!(tally.latency_ns.max() >= LATENCY_NS_MAX);
        assert_eq!(tally.latency_ns.len(), 2);
    }
}
