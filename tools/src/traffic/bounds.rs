//! What has to come of a run, beside what came of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::Bounds;
use crate::load::report::{duration, grouped, rate_per_s};
use crate::load::tally::Tally;
use crate::terminal::Style;

/// A bound, and whether it was kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Checked {
    name: &'static str,
    /// The bound and what was measured, as words and as numbers in the unit that the name has in JSON.
    bound: (String, f64),
    measured: (String, f64),
    /// Whether it was kept.
    pub(super) kept: bool,
}

impl Checked {
    /// A line about it.
    pub(super) fn text(&self, style: Style) -> String {
        let Self { name, bound, measured, kept } = self;
        let line =
            format!("{name} {}: {} measured, {}", bound.0, measured.0, if *kept { "kept" } else { "broken" });
        if *kept { line } else { style.red(line) }
    }

    /// The same for programs: times in microseconds.
    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "bound": self.bound.1, "measured": self.measured.1, "kept": self.kept })
    }
}

/// Holds a run to its bounds. What was not answered breaks bounds on latencies too.
pub(super) fn check(bounds: &Bounds, tally: &Tally, elapsed: Duration) -> Vec<Checked> {
    let errors = bounds.errors_max.map(|most| {
        let errors = tally.failures();
        let words = |count: u64| (grouped(count), count as f64);
        Checked { name: "max-errors", bound: words(most), measured: words(errors), kept: errors <= most }
    });
    let latency = |name, quantile: f64, most: Option<Duration>| {
        let most = most?;
        let took = Duration::from_nanos(tally.latency_ns.value_at_quantile(quantile));
        let words = |time: Duration| (duration(time), time.as_secs_f64() * 1e6);
        let kept = took <= most && !tally.latency_ns.is_empty();
        Some(Checked { name, bound: words(most), measured: words(took), kept })
    };
    let rate = bounds.rate_per_s_min.map(|least| {
        let rate = rate_per_s(tally, elapsed);
        let words = |rate: f64| (format!("{rate:.1}/s"), rate);
        Checked { name: "min-rate", bound: words(least), measured: words(rate), kept: rate >= least }
    });
    let latencies = [latency("max-p95", 0.95, bounds.p95_max), latency("max-p99", 0.99, bounds.p99_max)];
    errors.into_iter().chain(latencies.into_iter().flatten()).chain(rate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Verdict;

    #[test]
    fn bounds_are_kept_or_broken() {
        let mut tally = Tally::new().unwrap();
        for ms in 1..=100 {
            tally.count(Verdict::Good, Some(Duration::from_millis(ms)));
        }
        tally.count(Verdict::Failed("no connection".into()), None);
        let check = |tally: &Tally, bounds: Bounds, wanted: &[(&str, bool)]| {
            let checked = check(&bounds, tally, Duration::from_secs(1));
            let seen: Vec<(&str, bool)> = checked.iter().map(|one| (one.name, one.kept)).collect();
            assert_eq!(seen, wanted, "{bounds:?}");
        };
        let ms = |ms| Some(Duration::from_millis(ms));
        let none = Bounds::default();
        check(&tally, none, &[]);
        check(&tally, Bounds { errors_max: Some(0), ..none }, &[("max-errors", false)]);
        check(&tally, Bounds { errors_max: Some(1), ..none }, &[("max-errors", true)]);
        check(
            &tally,
            Bounds { p95_max: ms(94), p99_max: ms(100), ..none },
            &[("max-p95", false), ("max-p99", true)],
        );
        check(&tally, Bounds { rate_per_s_min: Some(100.0), ..none }, &[("min-rate", true)]);
        check(&tally, Bounds { rate_per_s_min: Some(100.5), ..none }, &[("min-rate", false)]);
        check(&Tally::new().unwrap(), Bounds { p95_max: ms(94), ..none }, &[("max-p95", false)]);
    }
}
