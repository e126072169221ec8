//! A line of progress on a terminal, drawn over itself.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::report::grouped;

/// Width of the bar, in characters.
const BAR_WIDTH: u64 = 30;
/// Goes to the line's beginning and clears it (ECMA-48, EL).
const CLEAR_LINE: &str = "\r\x1b[K";

/// The line. It is cleared when this is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    label: String,
    expected: Option<u64>,
    begin: Instant,
}

impl Progress {
    /// Progress towards this many requests, where it is known how many there will be.
    pub(super) fn new(label: String, expected: Option<u64>) -> Self {
        Self { label, expected: expected.filter(|expected| *expected > 0), begin: Instant::now() }
    }

    /// Draws the line: how many requests are done, and the rate of those that were answered; a terminal that is gone is no reason to stop.
    pub(super) fn show(&mut self, done: u64, answered: u64) {
        let rate = rate_per_s(answered, self.begin.elapsed());
        let mut out = io::stderr().lock();
        let _ = write!(out, "{CLEAR_LINE}{}{}", self.label, line(done, self.expected, rate))
            .and_then(|()| out.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut out = io::stderr().lock();
        let _ = write!(out, "{CLEAR_LINE}").and_then(|()| out.flush());
    }
}

fn rate_per_s(done: u64, elapsed: Duration) -> u64 {
    u128::from(done)
        .saturating_mul(1_000_000)
        .checked_div(elapsed.as_micros())
        .and_then(|rate| u64::try_from(rate).ok())
        .unwrap_or(0)
}

fn line(done: u64, expected: Option<u64>, rate_per_s: u64) -> String {
    let rate = grouped(rate_per_s);
    let Some(expected) = expected else { return format!("  {} requests, {rate}/s", grouped(done)) };
    let full = done.min(expected).saturating_mul(BAR_WIDTH) / expected;
    let bar: String = (0..BAR_WIDTH).map(|place| if place < full { '#' } else { '.' }).collect();
    format!("  [{bar}] {} of {} requests, {rate}/s", grouped(done), grouped(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(line(0, Some(2), 0), format!("  [{}] 0 of 2 requests, 0/s", ".".repeat(30)));
        assert_eq!(
            line(1, Some(2), 5),
            format!("  [{}{}] 1 of 2 requests, 5/s", "#".repeat(15), ".".repeat(15))
        );
        assert_eq!(line(3, Some(2), 5), format!("  [{}] 3 of 2 requests, 5/s", "#".repeat(30)));
        assert_eq!(rate_per_s(300, Duration::from_millis(1500)), 200);
        assert_eq!(rate_per_s(0, Duration::ZERO), 0);
        assert_eq!(line(1234, None, 1000), "  1,234 requests, 1,000/s");
    }
}
