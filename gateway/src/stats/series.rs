//! What was measured of one kind of request: over the last minute, and since the start.

use hdrhistogram::Histogram;

/// Windows of a series.
const WINDOWS: usize = 12;
/// How long one is, in nanoseconds.
const WINDOW_NS: u64 = 5_000_000_000;
/// How far back `lately` reaches, in seconds.
pub(crate) const LATELY_S: u32 = 60;
/// The longest duration that is told from longer ones, in microseconds.
const LONGEST_US: u64 = 60_000_000;
/// Durations are told apart to so many digits.
const DIGITS: u8 = 2;

/// Requests of one kind. What is older than a minute goes window by window to what was before.
#[derive(Debug, Default)]
pub(crate) struct Series {
    windows: [Option<Box<Window>>; WINDOWS],
    before: Summed,
}

#[derive(Debug)]
struct Window {
    number: u64,
    summed: Summed,
}

/// Requests that were added up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summed {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    sum_us: u64,
    durations: Option<Histogram<u32>>,
}

impl Series {
    /// A request ended at `now`, on the driver's clock, after so many nanoseconds.
    pub(crate) fn record(&mut self, now: u64, took_ns: u64, failed: bool) {
        let number = now / WINDOW_NS;
        let window = &mut self.windows[usize::try_from(number).unwrap_or(0) % WINDOWS];
        let window = match window {
            Some(window) => {
                if window.number != number {
                    window.number = number;
                    self.before.add(&window.summed);
                    window.summed.clear();
                }
                window
            }
            None => window.insert(Box::new(Window { number, summed: Summed::default() })),
        };
        window.summed.record(took_ns / 1_000, failed);
    }

    /// Requests of the last minute.
    pub(crate) fn lately(&self, now: u64) -> Summed {
        let first = first_window(now);
        let mut all = Summed::default();
        for window in self.windows.iter().flatten().filter(|window| window.number >= first) {
            all.add(&window.summed);
        }
        all
    }

    /// How many requests there were in the last minute, which is cheaper to know.
    pub(crate) fn requests_lately(&self, now: u64) -> u64 {
        let first = first_window(now);
        let lately = self.windows.iter().flatten().filter(|window| window.number >= first);
        lately.map(|window| window.summed.requests).sum()
    }

    /// How many requests there were in all.
    pub(crate) fn requests(&self) -> u64 {
        let windows = self.windows.iter().flatten().map(|window| window.summed.requests);
        self.before.requests + windows.sum::<u64>()
    }

    /// All requests.
    pub(crate) fn since_start(&self) -> Summed {
        let mut all = self.before.clone();
        for window in self.windows.iter().flatten() {
            all.add(&window.summed);
        }
        all
    }
}

/// How much of the last minute the windows cover that are looked at now, in nanoseconds: the oldest has begun at a round time.
pub(crate) fn covered_ns(now: u64, started_ns: u64) -> u64 {
    now.saturating_sub((first_window(now) * WINDOW_NS).max(started_ns)).max(1)
}

/// The number of the oldest window that is looked at.
fn first_window(now: u64) -> u64 {
    (now / WINDOW_NS).saturating_sub(WINDOWS as u64 - 1)
}

impl Summed {
    fn clear(&mut self) {
        (self.requests, self.errors, self.sum_us) = (0, 0, 0);
        if let Some(durations) = &mut self.durations {
            durations.reset();
        }
    }

    fn record(&mut self, us: u64, failed: bool) {
        self.requests += 1;
        self.errors += u64::from(failed);
        self.sum_us = self.sum_us.saturating_add(us);
        if let Some(durations) = self.durations() {
            durations.saturating_record(us.max(1));
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        if let (Some(ours), Some(theirs)) = (self.durations(), &other.durations) {
            // Both have the same bounds.
            let _ = ours.add(theirs);
        }
    }

    fn durations(&mut self) -> Option<&mut Histogram<u32>> {
        if self.durations.is_none() {
            self.durations = Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok();
        }
        self.durations.as_mut()
    }

    /// The mean, in microseconds.
    pub(crate) fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.requests).unwrap_or(0)
    }

    /// The duration that so many per cent of the requests did not exceed, in microseconds.
    pub(crate) fn percentile_us(&self, percent: f64) -> u64 {
        let durations = self.durations.as_ref().filter(|durations| !durations.is_empty());
        durations.map_or(0, |durations| durations.value_at_percentile(percent).min(durations.max()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_minute_is_remembered_and_the_start_for_ever() {
        let mut series = Series::default();
        for second in 0..300_u64 {
            series.record(1_000 * S + second * S, (second + 1) * 1_000_000, second % 4 == 0);
        }
        let now = 1_299 * S;
        let lately = series.lately(now);
        assert_eq!((lately.requests, lately.errors), (60, 15));
        assert_eq!((series.requests_lately(now), series.requests()), (60, 300));
        assert_eq!(covered_ns(now, 0), 59 * S);
        assert_eq!(covered_ns(now, 1_290 * S), 9 * S);
        // The last sixty took 241 to 300 ms; durations are told to two digits.
        let near = |us: u64, wanted: u64| us.abs_diff(wanted) * 100 <= wanted;
        assert!(near(lately.percentile_us(50.0), 270_000), "{}", lately.percentile_us(50.0));
        assert!(near(lately.percentile_us(99.0), 300_000), "{}", lately.percentile_us(99.0));
        assert_eq!(lately.mean_us(), 270_500);
        let all = series.since_start();
        assert_eq!((all.requests, all.errors), (300, 75));
        assert!(near(all.percentile_us(50.0), 150_000), "{}", all.percentile_us(50.0));
        assert_eq!(series.lately(1_400 * S).requests, 0);
        assert_eq!(series.lately(1_400 * S).percentile_us(50.0), 0);
    }

    #[test]
    fn what_takes_too_long_counts_as_the_longest() {
        let mut series = Series::default();
        series.record(5 * S, 600 * S, true);
        let longest = series.since_start().percentile_us(100.0);
        assert!((LONGEST_US..LONGEST_US * 2).contains(&longest), "{longest}");
    }
}
