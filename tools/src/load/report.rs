//! What a load run says at its end: a table for people, JSON for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::engine::{Ending, Outcome};
use super::tally::{Kinds, Tally};
use crate::table::{Align, Table};
use crate::terminal::Style;

/// The name of the row that sums up all others.
const ALL: &str = "all";

/// An outcome, summed up.
#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<(String, Tally)>,
    elapsed: Duration,
    clients: usize,
    unfinished: u64,
    not_begun: u64,
    ending: Ending,
}

impl Report {
    /// Sums up an outcome: a row for each kind of request, and one for all if there are several.
    pub(crate) fn new(outcome: Outcome) -> Self {
        let Outcome { tallies, elapsed, clients, unfinished, not_begun, ending, .. } = outcome;
        let mut rows: Vec<(String, Tally)> = tallies.into_iter().collect();
        if let [(_, first), rest @ ..] = rows.as_slice()
            && !rest.is_empty()
        {
            let mut all = first.clone();
            // Equal bounds always add up.
            if rest.iter().all(|(_, tally)| all.add(tally).is_ok()) {
                rows.push((ALL.to_owned(), all));
            }
        }
        Self { rows, elapsed, clients, unfinished, not_begun, ending }
    }

    /// What was counted of all kinds together; None where there was no request.
    pub(crate) fn all(&self) -> Option<&Tally> {
        self.rows.last().map(|(_, tally)| tally)
    }

    /// Which instances answered, a line for each kind of request; None where no answer named one.
    pub(crate) fn instances(&self) -> Option<String> {
        let lines = self.kinds().filter(|(_, tally)| !tally.instances.is_empty()).map(|(name, tally)| {
            let all = tally.instances.values().sum::<u64>() as f64;
            let shares = tally.instances.iter().map(|(instance, count)| {
                format!("{instance} {} ({:.1} %)", grouped(*count), 100.0 * *count as f64 / all)
            });
            format!("{name} answered by: {}", shares.collect::<Vec<_>>().join(", "))
        });
        let lines: Vec<String> = lines.collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The rows without their sum.
    fn kinds(&self) -> impl Iterator<Item = &(String, Tally)> {
        let sums = usize::from(self.rows.len() > 1);
        self.rows.iter().take(self.rows.len() - sums)
    }

    /// Requests that failed, whatever their kind.
    pub(crate) fn failures(&self) -> u64 {
        self.kinds().map(|(_, tally)| tally.failures()).sum()
    }

    /// Whether the run was stopped before it was done.
    pub(crate) fn interrupted(&self) -> bool {
        self.ending == Ending::Stopped
    }

    /// A table, and below it what was refused, what failed and what came too late.
    pub(crate) fn text(&self, style: Style) -> String {
        let right = ["COUNT", "ERRORS", "RATE", "AVERAGE", "P50", "P90", "P95", "P99", "P99.9", "MAX"];
        let mut heading = vec![("REQUESTS", Align::Left)];
        heading.extend(right.map(|name| (name, Align::Right)));
        let mut table = Table::new(&heading);
        for (name, tally) in &self.rows {
            table.row(self.cells(name, tally));
        }
        let mut text = table.draw(style);
        let (clients, elapsed) = (self.clients, duration(self.elapsed));
        let _ =
            write!(text, "\nin {elapsed}, by {clients} {}", if clients == 1 { "client" } else { "clients" });
        for (name, tally) in self.kinds() {
            for (what, kinds) in [("refused", &tally.refused), ("failed", &tally.failed)] {
                if !kinds.is_empty() {
                    let line = format!("\n{name} {what}: {}", listed(kinds));
                    text.push_str(&if what == "failed" { style.red(line) } else { line });
                }
            }
            if tally.late > 0 {
                let _ = write!(text, "\n{name} started late: {}", grouped(tally.late));
            }
        }
        for (count, what) in [(self.unfinished, "not waited for"), (self.not_begun, "due, but not begun")] {
            if count > 0 {
                let _ = write!(text, "\n{what}: {}", grouped(count));
            }
        }
        if self.ending != Ending::Done {
            text.push_str(&format!("\n{}", style.red(&self.ending)));
        }
        text
    }

    /// The same as one JSON object. Latencies are in microseconds and null where nothing was answered.
    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|(name, tally)| self.row_json(name, tally)).collect();
        json!({
            "clients": self.clients,
            "elapsed_s": self.elapsed.as_micros() as f64 / 1e6,
            "interrupted": self.interrupted(),
            "gave_up": matches!(self.ending, Ending::GaveUp(_)),
            "unfinished": self.unfinished,
            "not_begun": self.not_begun,
            "rows": rows,
        })
    }

    fn cells(&self, name: &str, tally: &Tally) -> Vec<String> {
        let at = |quantile: f64| latency(tally, tally.latency_ns.value_at_quantile(quantile));
        vec![
            name.to_owned(),
            grouped(tally.requests()),
            grouped(tally.failures()),
            format!("{:.1}/s", rate_per_s(tally, self.elapsed)),
            latency(tally, tally.average_ns()),
            at(0.5),
            at(0.9),
            at(0.95),
            at(0.99),
            at(0.999),
            latency(tally, tally.latency_ns.max()),
        ]
    }

    fn row_json(&self, name: &str, tally: &Tally) -> Value {
        let mut row = tally_json(tally, self.elapsed);
        row["name"] = name.into();
        row
    }
}

/// A tally as JSON. Latencies are in microseconds and null where nothing was answered.
pub(crate) fn tally_json(tally: &Tally, elapsed: Duration) -> Value {
    let us = |ns: u64| (!tally.latency_ns.is_empty()).then_some(ns as f64 / 1e3);
    let at = |quantile: f64| us(tally.latency_ns.value_at_quantile(quantile));
    json!({
        "requests": tally.requests(),
        "good": tally.good,
        "refused": tally.refused,
        "errors": tally.failed,
        "late": tally.late,
        "never_sent": tally.never_sent(),
        "rate_per_s": rate_per_s(tally, elapsed),
        "bytes": tally.bytes,
        "instances": tally.instances,
        "latency_us": {
            "average": us(tally.average_ns()),
            "p50": at(0.5),
            "p90": at(0.9),
            "p95": at(0.95),
            "p99": at(0.99),
            "p999": at(0.999),
            "max": us(tally.latency_ns.max()),
        },
    })
}

/// Answers a second; what was not answered is no throughput.
pub(crate) fn rate_per_s(tally: &Tally, elapsed: Duration) -> f64 {
    let answers = u32::try_from(tally.latency_ns.len()).unwrap_or(u32::MAX);
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { f64::from(answers) / seconds } else { 0.0 }
}

/// A duration with three digits or so and its unit.
pub(crate) fn duration(duration: Duration) -> String {
    let us = duration.as_secs_f64() * 1e6;
    match us {
        ..999.5 => format!("{us:.0} us"),
        ..9_995.0 => format!("{:.2} ms", us / 1e3),
        ..99_950.0 => format!("{:.1} ms", us / 1e3),
        ..999_500.0 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.3} s", us / 1e6),
    }
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// A latency of a tally; a dash where nothing was answered.
pub(crate) fn latency(tally: &Tally, ns: u64) -> String {
    if tally.latency_ns.is_empty() { "-".into() } else { duration(Duration::from_nanos(ns)) }
}

/// Kinds and how often each happened.
pub(crate) fn listed(kinds: &Kinds) -> String {
    kinds.iter().map(|(kind, count)| format!("{kind} {}", grouped(*count))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tally::Verdict;
    use super::*;

    fn outcome(tallies: BTreeMap<String, Tally>, elapsed: Duration, ending: Ending) -> Outcome {
        Outcome { tallies, timeline: None, unfinished: 0, not_begun: 0, elapsed, clients: 1, ending }
    }

    fn report() -> Report {
        let (mut query, mut buy) = (Tally::new().unwrap(), Tally::new().unwrap());
        for ms in 1..=100 {
            query.count(Verdict::Good, Some(Duration::from_millis(ms)));
        }
        buy.count(Verdict::Refused("out of stock".into()), Some(Duration::from_millis(2)));
        buy.count(Verdict::Failed("no connection".into()), None);
        buy.late += 1;
        for instance in ["product-1", "product-2", "product-1"] {
            query.trace(Some(instance), 7);
        }
        let tallies = BTreeMap::from([("query".to_owned(), query), ("buy".to_owned(), buy)]);
        Report::new(outcome(tallies, Duration::from_secs(2), Ending::Done))
    }

    #[test]
    fn the_table_says_what_was_measured() {
        let text = report().text(Style::PLAIN);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").filter(|c| !c.is_empty()).map(str::trim).collect())
            .collect();
        assert_eq!(
            lines[0],
            ["REQUESTS", "COUNT", "ERRORS", "RATE", "AVERAGE", "P50", "P90", "P95", "P99", "P99.9", "MAX"]
        );
        assert_eq!(lines[1], [&["buy", "2", "1", "0.5/s"][..], &["2.00 ms"; 7]].concat());
        let query = [
            "query", "100", "0", "50.0/s", "50.5 ms", "50.0 ms", "90.0 ms", "95.0 ms", "99.0 ms", "100 ms",
            "100 ms",
        ];
        assert_eq!(lines[2], query);
        assert_eq!(lines[3][..3], ["all", "102", "1"]);
        let below = "in 2.000 s, by 1 client\nbuy refused: out of stock 1\nbuy failed: no connection 1\n\
                     buy started late: 1";
        assert!(text.ends_with(below), "{text}");
        let instances = "query answered by: product-1 2 (66.7 %), product-2 1 (33.3 %)";
        assert_eq!(report().instances().as_deref(), Some(instances));
    }

    #[test]
    fn the_json_says_the_same() {
        let json = report().json();
        assert_eq!(json["rows"][0]["errors"]["no connection"], 1);
        assert_eq!(json["rows"][2]["requests"], 102);
        assert_eq!(json["rows"][2]["instances"]["product-1"], 2);
        assert_eq!((&json["rows"][1]["bytes"], &json["rows"][0]["late"]), (&21.into(), &1.into()));
        let p50 = json["rows"][1]["latency_us"]["p50"].as_f64().unwrap();
        assert!((49_900.0..50_100.0).contains(&p50), "{p50}");
        assert_eq!(report().failures(), 1);
    }

    #[test]
    fn nothing_measured_is_no_number() {
        let tallies = BTreeMap::from([("query".to_owned(), Tally::new().unwrap())]);
        let report = Report::new(outcome(tallies, Duration::ZERO, Ending::Stopped));
        assert!(report.json()["rows"][0]["latency_us"]["average"].is_null());
        assert_eq!(report.instances(), None);
        assert!(report.text(Style::PLAIN).contains(" -  "));
    }

    #[test]
    fn durations_and_numbers_are_short() {
        let check = |us: u64, wanted: &str| assert_eq!(duration(Duration::from_micros(us)), wanted);
        check(0, "0 us");
        check(999, "999 us");
        check(1_234, "1.23 ms");
        check(12_345, "12.3 ms");
        check(123_456, "123 ms");
        check(7_767_000, "7.767 s");
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }
}
