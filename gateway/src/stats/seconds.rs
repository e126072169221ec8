//! What passed in each of the last seconds. It is counted for every request, so that it costs next to nothing: a few additions.

/// Seconds that are kept: the one that goes on, and those before it.
const SECONDS: usize = 4;
/// How long one is, in nanoseconds.
pub(crate) const SECOND_NS: u64 = 1_000_000_000;
/// From one power of two to the next, durations are told apart in 2^5 steps: to 3 %.
const STEP_BITS: u32 = 5;
/// Durations of 2^26 microseconds, 67 seconds, and longer ones are one.
const LONGEST_US: u64 = (1 << LONGEST_BITS) - 1;
const LONGEST_BITS: u32 = 26;
/// One for each duration that is told from others.
const BUCKETS: usize = ((LONGEST_BITS - STEP_BITS + 1) as usize) << STEP_BITS;

/// Requests of one kind, second by second.
#[derive(Debug, Default)]
pub(crate) struct Seconds {
    slots: [Option<Box<Second>>; SECONDS],
}

/// The requests of a second.
#[derive(Debug)]
pub(crate) struct Second {
    number: u64,
    requests: u32,
    errors: u32,
    durations: [u32; BUCKETS],
}

/// Requests that were added up, of several kinds.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    durations: Vec<u64>,
}

impl Seconds {
    /// A request ended at `now`, on the driver's clock, after so many nanoseconds.
    pub(crate) fn record(&mut self, now: u64, took_ns: u64, failed: bool) {
        let number = now / SECOND_NS;
        let slot = self.slots[place(number)].get_or_insert_with(|| Box::new(Second::new(number)));
        if slot.number != number {
            **slot = Second::new(number);
        }
        slot.requests += 1;
        slot.errors += u32::from(failed);
        slot.durations[bucket(took_ns / 1_000)] += 1;
    }

    /// The requests of a second, if there were any; of the last few only.
    pub(crate) fn second(&self, number: u64) -> Option<&Second> {
        self.slots[place(number)].as_deref().filter(|second| second.number == number)
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number % SECONDS as u64).unwrap_or(0)
}

/// Where a duration is counted: those below 2^5 one by one, longer ones by their first six binary digits.
fn bucket(us: u64) -> usize {
    let us = us.min(LONGEST_US);
    let shift = (us | (1 << STEP_BITS)).ilog2() - STEP_BITS;
    ((shift as usize) << STEP_BITS) + usize::try_from(us >> shift).unwrap_or(0)
}

/// The middle of the durations that are counted there, in microseconds.
fn duration_us(bucket: usize) -> u64 {
    let shift = (bucket >> STEP_BITS).saturating_sub(1);
    let first = (bucket - (shift << STEP_BITS)) as u64;
    (first << shift) + ((1 << shift) - 1) / 2
}

impl Second {
    fn new(number: u64) -> Self {
        Self { number, requests: 0, errors: 0, durations: [0; BUCKETS] }
    }
}

impl Default for Passed {
    fn default() -> Self {
        Self { requests: 0, errors: 0, durations: vec![0; BUCKETS] }
    }
}

impl Passed {
    /// The requests of these, together.
    pub(crate) fn of<'s>(seconds: impl IntoIterator<Item = &'s Second>) -> Self {
        let mut all = Self::default();
        for second in seconds {
            all.requests += u64::from(second.requests);
            all.errors += u64::from(second.errors);
            for (sum, count) in all.durations.iter_mut().zip(&second.durations) {
                *sum += u64::from(*count);
            }
        }
        all
    }

    /// The durations, in microseconds, that so many per cent of the requests did not exceed; `percents` grow.
    pub(crate) fn percentiles_us<const N: usize>(&self, percents: [u64; N]) -> [u64; N] {
        let mut buckets = self.durations.iter().enumerate();
        let (mut seen, mut last) = (0, 0);
        percents.map(|percent| {
            let wanted = (self.requests * percent).div_ceil(100);
            while seen < wanted
                && let Some((at, count)) = buckets.next()
            {
                seen += count;
                last = at;
            }
            duration_us(last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_apart_to_three_per_cent() {
        let mut last = 0;
        for us in (0..4_000).chain((4_000..LONGEST_US).step_by(7_919)).chain([LONGEST_US]) {
            let at = bucket(us);
            assert!(at >= last && (us > 4_000 || at <= last + 1) && at < BUCKETS, "{us}: {at} after {last}");
            last = at;
            let shown = duration_us(at);
            assert!(shown.abs_diff(us) * 33 <= us, "{us}: {shown}");
            assert_eq!(bucket(shown), at, "{us}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn each_second_has_its_own_requests() {
        let mut seconds = Seconds::default();
        for number in 100..110_u64 {
            for each in 1..=100_u64 {
                seconds.record(number * SECOND_NS + each, each * number * 1_000, each <= number - 100);
            }
        }
        assert!(seconds.second(109 - SECONDS as u64).is_none() && seconds.second(110).is_none());
        let passed = Passed::of(seconds.second(108));
        assert_eq!((passed.requests, passed.errors), (100, 8));
        let near = |us: u64, wanted: u64| us.abs_diff(wanted) * 33 <= wanted;
        let [p50, p95, p99] = passed.percentiles_us([50, 95, 99]);
        assert!(near(p50, 5_400) && near(p95, 10_260) && near(p99, 10_692), "{p50} {p95} {p99}");
        let two = Passed::of(seconds.second(108).into_iter().chain(seconds.second(109)));
        assert_eq!((two.requests, two.errors), (200, 17));
        assert_eq!(Passed::default().percentiles_us([50, 99]), [0, 0]);
    }
}
