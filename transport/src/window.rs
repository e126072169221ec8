//! What was counted in the last ten seconds. Pure.

/// Buckets of a second, of which the youngest is not over yet.
const BUCKETS: usize = 10;
const BUCKET_NS: u64 = 1_000_000_000;

/// The length of a window, in seconds.
pub(crate) const WINDOW_S: u64 = BUCKETS as u64;

/// Two counters over the last ten seconds: a ring of buckets, so that it takes the same memory however much is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    buckets: [[u32; 2]; BUCKETS],
    /// The second of the youngest bucket.
    second: u64,
}

impl Window {
    /// Counts one.
    pub(crate) fn count(&mut self, now: u64, which: usize) {
        self.advance(now);
        let counter = &mut self.buckets[at(self.second)][which];
        *counter = counter.saturating_add(1);
    }

    /// What was counted.
    pub(crate) fn sums(&mut self, now: u64) -> [u64; 2] {
        self.advance(now);
        [0, 1].map(|which| self.buckets.iter().map(|bucket| u64::from(bucket[which])).sum())
    }

    /// Empties the buckets whose time has come round again.
    fn advance(&mut self, now: u64) {
        let second = (now / BUCKET_NS).max(self.second);
        for passed in (self.second + 1..=second).rev().take(BUCKETS) {
            self.buckets[at(passed)] = [0; 2];
        }
        self.second = second;
    }
}

fn at(second: u64) -> usize {
    usize::try_from(second % WINDOW_S).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ten_seconds_old_is_forgotten() {
        let at = |ms: u64| (1 << 40) + ms * 1_000_000;
        let mut window = Window::default();
        let start = (1_u64 << 40).div_ceil(BUCKET_NS) * BUCKET_NS - (1 << 40);
        let start_ms = start / 1_000_000 + 1;
        for ms in [0, 500, 1_500, 9_200] {
            window.count(at(start_ms + ms), usize::from(ms == 500));
        }
        assert_eq!(window.sums(at(start_ms + 9_900)), [3, 1]);
        assert_eq!(window.sums(at(start_ms + 10_000)), [2, 0]);
        assert_eq!(window.sums(at(start_ms + 11_000)), [1, 0]);
        assert_eq!(window.sums(at(start_ms + 18_900)), [1, 0]);
        assert_eq!(window.sums(at(start_ms + 19_000)), [0, 0]);
        window.count(at(start_ms + 900_000), 1);
        assert_eq!(window.sums(at(start_ms + 900_000)), [0, 1]);
        assert_eq!(window.sums(at(start_ms)), [0, 1], "time that goes back changes nothing");
    }
}
