//! How a run went over time: the answers of each second, or of as many seconds as keep the number of windows small.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::tally::LATENCY_NS_MAX;

/// The most windows; when they are full, neighbours become one.
const WINDOWS_MAX: usize = 240;
/// How long a window is at first, in seconds.
const WINDOW_S: u32 = 1;
/// Decimal digits to which a window's latencies are exact.
const DIGITS: u8 = 2;

/// A part of the run, by when answers came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// When it begins, in seconds from the beginning of the run.
    pub(crate) from_s: u32,
    /// Answers that came.
    pub(crate) answers: u64,
    /// Requests that failed.
    pub(crate) errors: u64,
    /// Half of the latencies are at most this, in nanoseconds. In a window made of two, the larger one's.
    pub(crate) p50_ns: u64,
    /// The same of 99 of a hundred.
    pub(crate) p99_ns: u64,
    /// The longest one.
    pub(crate) max_ns: u64,
}

/// The windows of a run, each while it lasts and afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    windows: Vec<Window>,
    window_s: u32,
    /// When the window that lasts began, in seconds.
    from_s: u32,
    errors: u64,
    latency_ns: Histogram<u64>,
}

impl Timeline {
    /// The timeline of a run that has not begun.
    pub(crate) fn new() -> Result<Self, hdrhistogram::CreationError> {
        Ok(Self {
            windows: Vec::new(),
            window_s: WINDOW_S,
            from_s: 0,
            errors: 0,
            latency_ns: Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS)?,
        })
    }

    /// Notes an answer, or a failure, at a time since the beginning.
    pub(crate) fn note(&mut self, since: Duration, failed: bool, took: Option<Duration>) {
        let now_s = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
        if now_s - self.from_s.min(now_s) >= self.window_s {
            self.close();
            self.from_s = now_s - now_s % self.window_s;
        }
        self.errors += u64::from(failed);
        if let Some(took) = took {
            self.latency_ns.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// All windows in which anything happened, and how long each is, in seconds.
    pub(crate) fn end(mut self) -> (Vec<Window>, u32) {
        self.close();
        (self.windows, self.window_s)
    }

    fn close(&mut self) {
        let latency_ns = &mut self.latency_ns;
        if self.errors > 0 || !latency_ns.is_empty() {
            self.windows.push(Window {
                from_s: self.from_s,
                answers: latency_ns.len(),
                errors: self.errors,
                p50_ns: latency_ns.value_at_quantile(0.5),
                p99_ns: latency_ns.value_at_quantile(0.99),
                max_ns: latency_ns.max(),
            });
        }
        self.errors = 0;
        latency_ns.reset();
        if self.windows.len() >= WINDOWS_MAX {
            self.halve();
        }
    }

    fn halve(&mut self) {
        self.window_s = self.window_s.saturating_mul(2);
        let mut halved: Vec<Window> = Vec::with_capacity(WINDOWS_MAX);
        for mut window in self.windows.drain(..) {
            window.from_s -= window.from_s % self.window_s;
            match halved.last_mut() {
                Some(last) if last.from_s == window.from_s => {
                    last.answers += window.answers;
                    last.errors += window.errors;
                    last.p50_ns = last.p50_ns.max(window.p50_ns);
                    last.p99_ns = last.p99_ns.max(window.p99_ns);
                    last.max_ns = last.max_ns.max(window.max_ns);
                }
                _ => halved.push(window),
            }
        }
        self.windows = halved;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ms: impl Iterator<Item = u64>) -> (Vec<Window>, u32) {
        let mut timeline = Timeline::new().unwrap();
        for ms in ms {
            timeline.note(Duration::from_millis(ms), false, Some(Duration::from_micros(ms)));
        }
        timeline.end()
    }

    #[test]
    fn each_second_has_its_own_answers() {
        let (windows, window_s) = run([0, 10, 999, 1_000, 3_500].into_iter());
        assert_eq!(window_s, 1);
        let seen: Vec<(u32, u64)> = windows.iter().map(|window| (window.from_s, window.answers)).collect();
        assert_eq!(seen, [(0, 3), (1, 1), (3, 1)]);
        assert!((990_000..=1_010_000).contains(&windows[0].max_ns), "{windows:?}");
        assert!((9_900..=10_100).contains(&windows[0].p50_ns), "{windows:?}");
    }

    #[test]
    fn a_long_run_has_longer_windows_and_loses_nothing() {
        let (windows, window_s) = run((0..1_000).map(|second| second * 1_000));
        assert!(windows.len() < WINDOWS_MAX, "{}", windows.len());
        assert_eq!(window_s, 8);
        assert_eq!(windows.iter().map(|window| window.answers).sum::<u64>(), 1_000);
        assert!(windows.is_sorted_by_key(|window| window.from_s));
    }

    #[test]
    fn failures_are_seen_too() {
        let mut timeline = Timeline::new().unwrap();
        timeline.note(Duration::from_millis(100), true, None);
        timeline.note(Duration::from_millis(200), true, Some(Duration::from_millis(3)));
        let (windows, _) = timeline.end();
        assert_eq!((windows[0].answers, windows[0].errors), (1, 2));
    }
}
