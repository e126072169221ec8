//! Quantiles of response times in little memory. Pure.

/// Buckets for each doubling, so that a quantile is off by 1/16 at most.
const STEPS: usize = 8;
/// Doublings of a microsecond: up to more than an hour.
const DOUBLINGS: usize = 32;

/// How many response times there were of each length, in buckets whose width grows with the length.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [u32; STEPS * DOUBLINGS],
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; STEPS * DOUBLINGS], count: 0 }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, ns: u64) {
        let bucket = &mut self.buckets[bucket(ns)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The time below which so many percent of the response times are, in nanoseconds; 0 when there is none.
    pub(super) fn quantile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank && seen > 0 {
                return middle(at);
            }
        }
        0
    }
}

/// The bucket of a length: up to `STEPS` microseconds (of 1,024 ns) one each, from there on so many a doubling.
fn bucket(ns: u64) -> usize {
    let length = usize::try_from(ns >> 10).unwrap_or(usize::MAX);
    let doublings = (length / STEPS).checked_ilog2().map_or(0, |log| log as usize);
    (doublings * STEPS + (length >> doublings)).min(STEPS * DOUBLINGS - 1)
}

/// The middle of a bucket, in nanoseconds.
fn middle(at: usize) -> u64 {
    let doublings = (at / STEPS).saturating_sub(1);
    let least = (at - doublings * STEPS) as u64;
    ((least << 10) + (1 << 9)) << doublings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(95), 0);
        (1..=10_000).for_each(|us| histogram.record(us * 1_000));
        for (percent, us) in [(50, 5_000), (95, 9_500), (100, 10_000), (1, 100)] {
            let found = histogram.quantile(percent);
            assert!(found.abs_diff(us * 1_000) <= us * 1_000 / 14, "{percent}: {found}");
        }
        histogram.record(u64::MAX);
        assert!(histogram.quantile(100) > 3_600_000_000_000);
        histogram.clear();
        assert_eq!(histogram.quantile(50), 0);
    }

    #[test]
    fn each_bucket_holds_its_middle() {
        for at in 0..STEPS * DOUBLINGS - 1 {
            assert_eq!(bucket(middle(at)), at);
        }
    }
}
