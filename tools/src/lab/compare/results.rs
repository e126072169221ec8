//! What the comparison came to: a table and bars for people, JSON for programs.

use std::time::Duration;

use micronet_transport::balance::Algorithm;
use serde_json::{Value, json};

use super::scenario::Scenario;
use crate::config::CompareConfig;
use crate::error::CommandError;
use crate::load::engine::{Ending, Outcome};
use crate::load::report::{grouped, latency, listed, rate_per_s, tally_json};
use crate::load::tally::Tally;
use crate::machine::Machine;
use crate::plot::{Chart, Series};
use crate::table::{Align, Table};
use crate::terminal::Style;

/// The kind of request that is counted.
pub(super) const KIND: &str = "data";
/// The percentiles that are drawn.
pub(super) const DRAWN: [u32; 5] = [50, 75, 90, 95, 99];
/// Those that stand in the terminal.
const BARS: [u32; 3] = [50, 95, 99];
/// The algorithm to which the others are compared.
const NORM: Algorithm = Algorithm::RoundRobin;

/// What one algorithm came to, in all rounds.
#[derive(Clone, Debug)]
struct Measured {
    algorithm: Algorithm,
    tally: Tally,
    elapsed: Duration,
}

/// All that was measured.
#[derive(Debug)]
pub(super) struct Results {
    scenario: Scenario,
    rate_per_s: f64,
    duration: Duration,
    rounds: u32,
    seed: u64,
    clients: u16,
    machine: Machine,
    nodes: Vec<String>,
    measured: Vec<Measured>,
    ending: Ending,
}

impl Results {
    /// Nothing yet.
    pub(super) fn new(config: &CompareConfig, nodes: Vec<String>) -> Result<Self, CommandError> {
        let measured = config.algorithms.iter().map(|&algorithm| {
            let tally = Tally::new().map_err(|error| CommandError::new(format!("no histogram: {error}")))?;
            Ok(Measured { algorithm, tally, elapsed: Duration::ZERO })
        });
        Ok(Self {
            scenario: config.scenario,
            rate_per_s: config.rate_per_s,
            duration: config.duration,
            rounds: config.rounds,
            seed: config.seed,
            clients: config.clients,
            machine: Machine::look(),
            nodes,
            measured: measured.collect::<Result<_, CommandError>>()?,
            ending: Ending::Done,
        })
    }

    /// Adds a turn of the algorithm at this place.
    pub(super) fn add(&mut self, place: usize, mut outcome: Outcome) -> Result<(), CommandError> {
        let measured = &mut self.measured[place];
        measured.elapsed += outcome.elapsed;
        if let Some(tally) = outcome.tallies.remove(KIND) {
            measured
                .tally
                .add(&tally)
                .map_err(|error| CommandError::new(format!("the measurement can't be added up: {error}")))?;
        }
        Ok(())
    }

    /// Notes that it ended before all was measured.
    pub(super) fn ended(&mut self, ending: Ending) {
        self.ending = ending;
    }

    /// How it ended.
    pub(super) fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The table, and the latencies as bars.
    pub(super) fn text(&self, style: Style) -> String {
        let right = ["REQ/S", "P50", "P95", "P99", "ERRORS", "SHARES", "EVENNESS", "P99 TO RR"];
        let mut heading = vec![("ALGORITHM", Align::Left)];
        heading.extend(right.map(|name| (name, Align::Right)));
        let mut table = Table::new(&heading);
        for measured in &self.measured {
            table.row(self.cells(measured));
        }
        let seconds = self.duration.as_secs_f64();
        let mut text = format!(
            "Scenario {}: {}. Rounds: {}, of {seconds} s for each algorithm; {} requests/s from {} clients.\n\n{}\n\
             \nSHARES are the percentages that {} answered. EVENNESS is Jain's index of them: 1 where they are equal,\n\
             {:.2} where one of them answers all.\n\n{}\n\n{}",
            self.scenario,
            self.scenario.about(),
            self.rounds,
            self.rate_per_s,
            self.clients,
            table.draw(style),
            self.nodes.join(", "),
            1.0 / self.nodes.len() as f64,
            self.chart(&BARS).bars(),
            style.dim(&self.machine),
        );
        for measured in self.measured.iter().filter(|measured| !measured.tally.failed.is_empty()) {
            let line = format!("\n{} failed: {}", measured.algorithm, listed(&measured.tally.failed));
            text.push_str(&style.red(line));
        }
        if self.ending != Ending::Done {
            text.push_str(&format!("\n{}", style.red(&self.ending)));
        }
        text
    }

    /// The same for programs. Latencies are in microseconds, and null where nothing was answered.
    pub(super) fn json(&self) -> Value {
        let rows = self.measured.iter().map(|measured| {
            let mut row = tally_json(&measured.tally, measured.elapsed);
            row["algorithm"] = measured.algorithm.name().into();
            let shares = self.shares(measured);
            let named = self.nodes.iter().cloned().zip(shares.iter().copied().map(Value::from));
            row["shares"] = Value::Object(named.collect());
            row["evenness"] = evenness(&shares).into();
            row["p99_to_round_robin"] = self.to_norm(measured).into();
            row
        });
        json!({
            "scenario": self.scenario.name(),
            "rate_per_s": self.rate_per_s,
            "duration_s": self.duration.as_secs_f64(),
            "rounds": self.rounds,
            "seed": self.seed,
            "clients": self.clients,
            "nodes": self.nodes,
            "machine": self.machine.json(),
            "algorithms": rows.collect::<Vec<_>>(),
            "complete": self.ending == Ending::Done,
        })
    }

    /// The latencies at these percentiles.
    pub(super) fn chart(&self, percentiles: &[u32]) -> Chart {
        let series = self.measured.iter().map(|measured| Series {
            name: measured.algorithm.name(),
            points: percentiles
                .iter()
                .map(|percentile| (*percentile, at(&measured.tally, *percentile) as f64 / 1e6))
                .collect(),
        });
        Chart {
            title: format!("Latency, {}, {} requests/s", self.scenario.about(), self.rate_per_s),
            x_label: "percentile",
            y_label: "latency in ms",
            unit: "ms",
            series: series.collect(),
        }
    }

    fn cells(&self, measured: &Measured) -> Vec<String> {
        let tally = &measured.tally;
        let shares = self.shares(measured);
        let percent: Vec<String> = shares.iter().map(|share| format!("{:.0}", share * 100.0)).collect();
        vec![
            measured.algorithm.to_string(),
            format!("{:.1}", rate_per_s(tally, measured.elapsed)),
            latency(tally, at(tally, 50)),
            latency(tally, at(tally, 95)),
            latency(tally, at(tally, 99)),
            grouped(tally.failures()),
            percent.join(" / "),
            format!("{:.2}", evenness(&shares)),
            self.to_norm(measured).map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}")),
        ]
    }

    /// The part of the answers that each node gave, from 0 to 1.
    fn shares(&self, measured: &Measured) -> Vec<f64> {
        let counts = self
            .nodes
            .iter()
            .map(|node| measured.tally.instances.get(node.as_str()).copied().unwrap_or(0) as f64);
        let counts: Vec<f64> = counts.collect();
        let all: f64 = counts.iter().sum();
        counts.iter().map(|count| if all > 0.0 { count / all } else { 0.0 }).collect()
    }

    /// P99 as a multiple of round robin's; None where either wasn't measured.
    fn to_norm(&self, measured: &Measured) -> Option<f64> {
        let norm = self.measured.iter().find(|measured| measured.algorithm == NORM)?;
        let (p99, of_norm) = (at(&measured.tally, 99), at(&norm.tally, 99));
        (p99 > 0 && of_norm > 0).then(|| p99 as f64 / of_norm as f64)
    }
}

/// A percentile of the latencies, in nanoseconds; 0 where nothing was answered.
fn at(tally: &Tally, percentile: u32) -> u64 {
    tally.latency_ns.value_at_quantile(f64::from(percentile) / 100.0)
}

/// Jain's fairness index (R. Jain, D. Chiu, W. Hawe, "A Quantitative Measure of Fairness", DEC-TR-301, 1984): 1 where all shares are
/// equal, 1/n where one of n has everything; 0 where nobody has anything.
fn evenness(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares > 0.0 { sum * sum / (squares * shares.len() as f64) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config() -> CompareConfig {
        CompareConfig {
            data: "d".into(),
            scenario: Scenario::OneSlow,
            algorithms: vec![Algorithm::RoundRobin, Algorithm::P2cEwma, Algorithm::IpHash],
            rate_per_s: 100.0,
            duration: Duration::from_secs(5),
            warm_up: None,
            rounds: 2,
            clients: 8,
            seed: 1,
            own: false,
            svg: None,
            json: false,
        }
    }

    /// A turn in which each node gave so many answers, of which every tenth took ten times as long.
    fn turn(answers: &[(&str, u64)], ms: u64) -> Outcome {
        let mut tally = Tally::new().unwrap();
        for (node, count) in answers {
            for number in 0..*count {
                let ms = if number.is_multiple_of(10) { ms * 10 } else { ms };
                tally.count(crate::load::Verdict::Good, Some(Duration::from_millis(ms)));
                tally.trace(Some(node), 64);
            }
        }
        Outcome {
            tallies: BTreeMap::from([(KIND.to_owned(), tally)]),
            timeline: None,
            unfinished: 0,
            not_begun: 0,
            elapsed: Duration::from_secs(5),
            clients: 8,
            ending: Ending::Done,
        }
    }

    fn results() -> Results {
        let nodes = ["node-1", "node-2"].map(str::to_owned);
        let mut results = Results::new(&config(), nodes.into()).unwrap();
        for _ in 0..2 {
            results.add(0, turn(&[("node-1", 100), ("node-2", 100)], 4)).unwrap();
            results.add(1, turn(&[("node-1", 150), ("node-2", 50)], 1)).unwrap();
        }
        results
    }

    #[test]
    fn rounds_add_up_and_ratios_are_to_round_robin() {
        let json = results().json();
        let (norm, better, idle) = (&json["algorithms"][0], &json["algorithms"][1], &json["algorithms"][2]);
        assert_eq!((norm["requests"].as_u64(), better["requests"].as_u64()), (Some(400), Some(400)));
        assert_eq!(norm["rate_per_s"], 40.0);
        assert_eq!((&norm["shares"]["node-1"], &better["shares"]["node-1"]), (&json!(0.5), &json!(0.75)));
        assert_eq!(norm["evenness"], 1.0);
        assert_eq!(better["evenness"], 0.8);
        assert_eq!(norm["p99_to_round_robin"], 1.0);
        let ratio = better["p99_to_round_robin"].as_f64().unwrap();
        assert!((0.24..0.26).contains(&ratio), "{ratio}");
        assert!(idle["p99_to_round_robin"].is_null() && idle["latency_us"]["p99"].is_null());
    }

    #[test]
    fn the_table_has_a_line_for_each_algorithm() {
        let text = results().text(Style::PLAIN);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).expect("a line");
        for word in ["40.0", "10.0 ms", "75 / 25", "0.80", "0.25"] {
            assert!(line("p2c_ewma").contains(word), "{word} is missing in: {text}");
        }
        assert!(text.contains("the second node ten times slower"), "{text}");
        assert!(text.contains("█"), "{text}");
    }

    #[test]
    fn evenness_lies_between_one_of_n_and_one() {
        assert_eq!(evenness(&[0.5, 0.5]), 1.0);
        assert_eq!(evenness(&[1.0, 0.0, 0.0, 0.0]), 0.25);
        assert_eq!(evenness(&[0.0, 0.0]), 0.0);
    }
}
