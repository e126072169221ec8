//! A line of progress on a terminal, drawn over itself.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use super::record::Standing;
use super::report::grouped;

/// Width of the bar, in characters.
const BAR_WIDTH: u64 = 30;
/// Goes to the line's beginning and clears it (ECMA-48, EL).
const CLEAR_LINE: &str = "\r\x1b[K";

/// What progress is shown towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// So many requests.
    Requests(u64),
    /// So much time.
    Time(Duration),
    /// Nobody knows.
    Unknown,
}

impl Goal {
    /// How much of it is done, of so many parts; None where that can't be known.
    fn parts(self, done: u64, elapsed: Duration, parts: u64) -> Option<u64> {
        let share = |done: u128, all: u128| {
            let part = (done.min(all) * u128::from(parts)).checked_div(all)?;
            u64::try_from(part).ok()
        };
        match self {
            Self::Requests(all) => share(done.into(), all.into()),
            Self::Time(all) => share(elapsed.as_nanos(), all.as_nanos()),
            Self::Unknown => None,
        }
    }
}

/// The line. It is cleared when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    label: String,
    goal: Goal,
    begin: Instant,
}

impl Progress {
    /// Progress towards this goal.
    pub(crate) fn new(label: String, goal: Goal) -> Self {
        Self { label, goal, begin: Instant::now() }
    }

    /// Draws the line: how many requests are done, the rate of those that were answered, and how many failed; a terminal that is gone is no reason to stop.
    pub(crate) fn show(&mut self, standing: Standing) {
        let mut out = io::stderr().lock();
        let line = line(standing, self.goal, self.begin.elapsed());
        let _ = write!(out, "{CLEAR_LINE}{}{line}", self.label).and_then(|()| out.flush());
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

fn line(standing: Standing, goal: Goal, elapsed: Duration) -> String {
    let Standing { done, answered, failed } = standing;
    let mut line = match goal.parts(done, elapsed, BAR_WIDTH) {
        None => format!("  {} requests", grouped(done)),
        Some(full) => {
            let bar: String = (0..BAR_WIDTH).map(|place| if place < full { '#' } else { '.' }).collect();
            let of =
                if let Goal::Requests(all) = goal { format!(" of {}", grouped(all)) } else { String::new() };
            format!("  [{bar}] {}{of} requests", grouped(done))
        }
    };
    let _ = write!(line, ", {}/s", grouped(rate_per_s(answered, elapsed)));
    if failed > 0 {
        let _ = write!(line, ", {} errors", grouped(failed));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        let check = |done: u64, failed: u64, goal: Goal, wanted: &str| {
            let standing = Standing { done, answered: done - failed, failed };
            assert_eq!(line(standing, goal, Duration::from_millis(1_500)), wanted, "{goal:?}");
        };
        let bar = |full: usize| format!("  [{}{}]", "#".repeat(full), ".".repeat(30 - full));
        check(0, 0, Goal::Requests(2), &format!("{} 0 of 2 requests, 0/s", bar(0)));
        check(300, 0, Goal::Requests(600), &format!("{} 300 of 600 requests, 200/s", bar(15)));
        check(3, 3, Goal::Requests(2), &format!("{} 3 of 2 requests, 0/s, 3 errors", bar(30)));
        check(9, 0, Goal::Time(Duration::from_secs(3)), &format!("{} 9 requests, 6/s", bar(15)));
        check(0, 0, Goal::Requests(0), "  0 requests, 0/s");
        check(1_500, 0, Goal::Unknown, "  1,500 requests, 1,000/s");
        assert_eq!(rate_per_s(0, Duration::ZERO), 0);
    }
}
