//! What came of a run: a table, the instances and the spread of latencies for people, JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::bounds::{self, Checked};
use crate::config::TrafficConfig;
use crate::config::target::Target;
use crate::load::Pace;
use crate::load::arrivals::Spread;
use crate::load::engine::Outcome;
use crate::load::report::{Report, duration, grouped};
use crate::load::tally::Tally;
use crate::load::timeline::{Timeline, Window};
use crate::machine::Machine;
use crate::plot::{Bars, Chart, Series};
use crate::terminal::Style;

/// The smallest class of latencies that is told apart, in nanoseconds.
const CLASS_NS_MIN: u64 = 1_000;
/// Beyond so many classes the smallest are put together.
const CLASSES_MAX: usize = 16;

/// All that was measured.
#[derive(Debug)]
pub(super) struct Results {
    report: Report,
    windows: Vec<Window>,
    window_s: u32,
    pace: Pace,
    seed: u64,
    weights: Vec<(String, u32)>,
    checked: Vec<Checked>,
    machine: Machine,
}

impl Results {
    /// Sums up an outcome.
    pub(super) fn new(mut outcome: Outcome, config: &TrafficConfig, targets: &[Target]) -> Self {
        let (windows, window_s) = outcome.timeline.take().map_or((Vec::new(), 1), Timeline::end);
        let elapsed = outcome.elapsed;
        let report = Report::new(outcome);
        let checked = report.all().map(|all| bounds::check(&config.bounds, all, elapsed));
        Self {
            windows,
            window_s,
            pace: config.pace,
            seed: config.seed,
            weights: targets.iter().map(|target| (target.name.clone(), target.weight)).collect(),
            checked: checked.unwrap_or_default(),
            machine: Machine::look(),
            report,
        }
    }

    /// Whether Ctrl-C ended it.
    pub(super) fn interrupted(&self) -> bool {
        self.report.interrupted()
    }

    /// Whether there were answers, and all bounds were kept.
    pub(super) fn is_good(&self) -> bool {
        let answered = self.report.all().is_some_and(|all| !all.latency_ns.is_empty());
        answered && self.checked.iter().all(|checked| checked.kept)
    }

    /// All of it for people.
    pub(super) fn text(&self, style: Style) -> String {
        let mut parts = vec![self.report.text(style)];
        if let Some(instances) = self.report.instances() {
            parts.push(instances);
        }
        if let Some(all) = self.report.all().filter(|all| !all.latency_ns.is_empty()) {
            parts.push(spread(all).draw());
        }
        let checked: Vec<String> = self.checked.iter().map(|checked| checked.text(style)).collect();
        if !checked.is_empty() {
            parts.push(checked.join("\n"));
        }
        parts.push(style.dim(format!("{}; {}", self.how(), self.machine)));
        parts.join("\n\n")
    }

    /// All of it as one JSON object. Times are in microseconds unless their names say otherwise.
    pub(super) fn json(&self) -> Value {
        let us = |ns: u64| ns as f64 / 1e3;
        let windows = self.windows.iter().map(|window| {
            json!({
                "from_s": window.from_s,
                "answers": window.answers,
                "errors": window.errors,
                "p50_us": us(window.p50_ns),
                "p99_us": us(window.p99_ns),
                "max_us": us(window.max_ns),
            })
        });
        let mut json = self.report.json();
        json["scenario"] = "traffic".into();
        json["loop"] = match self.pace {
            Pace::Closed => json!({ "kind": "closed" }),
            Pace::Open { rate_per_s, spread } => {
                json!({ "kind": "open", "rate_per_s": rate_per_s, "arrivals": spread.name() })
            }
        };
        json["seed"] = self.seed.into();
        json["weights"] =
            self.weights.iter().map(|(name, weight)| json!({ "name": name, "weight": weight })).collect();
        json["bounds"] = self.checked.iter().map(Checked::json).collect();
        json["window_s"] = self.window_s.into();
        json["windows"] = windows.collect();
        json["machine"] = self.machine.json();
        json
    }

    /// Latencies over the time of the run.
    pub(super) fn over_time(&self) -> Chart {
        let series = |name, of: fn(&Window) -> u64| Series {
            name,
            points: self.windows.iter().map(|window| (window.from_s, of(window) as f64 / 1e6)).collect(),
        };
        Chart {
            title: "Latency over time".into(),
            x_label: "seconds since the beginning, when answers came",
            y_label: "latency (ms)",
            unit: "ms",
            series: vec![
                series("P50", |window| window.p50_ns),
                series("P99", |window| window.p99_ns),
                series("longest", |window| window.max_ns),
            ],
        }
    }

    fn how(&self) -> String {
        match self.pace {
            Pace::Closed => format!("closed loop, seed {}", self.seed),
            Pace::Open { rate_per_s, spread } => {
                format!("open loop at {rate_per_s}/s, {} arrivals, seed {}", spread.name(), self.seed)
            }
        }
    }
}

impl Spread {
    fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Poisson { .. } => "poisson",
        }
    }
}

/// How many latencies were up to each of 1, 2, 5, 10, … and above the one before.
fn spread(tally: &Tally) -> Bars {
    let latencies = &tally.latency_ns;
    let mut recorded = latencies.iter_recorded().peekable();
    let mut classes: Vec<(u64, u64)> = Vec::new();
    for up_to in classes_ns() {
        let mut count = 0;
        // Values that the histogram doesn't tell apart are taken for the smallest of them.
        while let Some(value) =
            recorded.next_if(|value| latencies.lowest_equivalent(value.value_iterated_to()) <= up_to)
        {
            count += value.count_at_value();
        }
        if count > 0 || !classes.is_empty() {
            classes.push((up_to, count));
        }
        if recorded.peek().is_none() {
            break;
        }
    }
    while classes.len() > CLASSES_MAX {
        let (_, count) = classes.remove(0);
        classes[0].1 += count;
    }
    let share = |count: u64| 100.0 * count as f64 / latencies.len().max(1) as f64;
    let rows = classes.into_iter().map(|(up_to, count)| {
        let label = format!("<= {}", duration(Duration::from_nanos(up_to)));
        (label, count as f64, format!("{} ({:.1} %)", grouped(count), share(count)))
    });
    Bars { title: "Latencies".into(), rows: rows.collect() }
}

fn classes_ns() -> impl Iterator<Item = u64> {
    let decades = std::iter::successors(Some(CLASS_NS_MIN), |ns| ns.checked_mul(10));
    decades.flat_map(|ns| [1, 2, 5].into_iter().filter_map(move |digit: u64| ns.checked_mul(digit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Verdict;

    #[test]
    fn the_spread_has_every_latency_once() {
        let check = |us: &[u64], wanted: &[(&str, f64)]| {
            let mut tally = Tally::new().unwrap();
            for us in us {
                tally.count(Verdict::Good, Some(Duration::from_micros(*us)));
            }
            let rows = spread(&tally).rows;
            let seen: Vec<(&str, f64)> =
                rows.iter().map(|(label, count, _)| (label.as_str(), *count)).collect();
            assert_eq!(seen, wanted, "{us:?}");
        };
        check(&[], &[]);
        check(&[150, 180, 900], &[("<= 200 us", 2.0), ("<= 500 us", 0.0), ("<= 1.00 ms", 1.0)]);
        check(&[4_900], &[("<= 5.00 ms", 1.0)]);
    }

    #[test]
    fn there_are_not_too_many_classes() {
        let mut tally = Tally::new().unwrap();
        for power in 0..9 {
            tally.count(Verdict::Good, Some(Duration::from_micros(10_u64.pow(power))));
        }
        let rows = spread(&tally).rows;
        assert_eq!(rows.len(), CLASSES_MAX);
        assert_eq!(rows.iter().map(|(_, count, _)| *count).sum::<f64>(), 9.0);
    }
}
