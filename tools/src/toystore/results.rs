//! What was measured, beside what the original was measured at: tables and bars for people, JSON for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::stock::Restocked;
use super::visitor::Errand;
use crate::address::HostPort;
use crate::config::ToystoreConfig;
use crate::load::engine::Ending;
use crate::load::report::{duration, grouped, latency, listed, rate_per_s, tally_json};
use crate::load::tally::Tally;
use crate::machine::Machine;
use crate::plot::{Chart, Series};
use crate::table::{Align, Table};
use crate::terminal::Style;

/// What the original's 1000 GETs took by number of clients, in milliseconds for each of the clients, its three services in
/// containers.
const ORIGINAL_GETS_MS: [(u16, &[u64]); 2] = [(1, &[8_372]), (2, &[13_563, 13_776])];
/// The same of one client with its services not in containers.
const ORIGINAL_GETS_BARE_MS: u64 = 7_767;
/// GETs of each of its clients.
const ORIGINAL_GETS: u64 = 1_000;

/// One errand of all clients.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    /// What was counted.
    pub(super) tally: Tally,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
}

/// What so many clients came to.
#[derive(Clone, Debug)]
pub(super) struct Step {
    clients: u16,
    gets: Option<Phase>,
    orders: Option<Phase>,
}

impl Step {
    /// Nothing yet, by so many clients.
    pub(super) fn new(clients: u16) -> Self {
        Self { clients, gets: None, orders: None }
    }

    /// Adds what was measured.
    pub(super) fn add(&mut self, errand: Errand, phase: Phase) {
        match errand {
            Errand::Get => self.gets = Some(phase),
            Errand::Order => self.orders = Some(phase),
        }
    }

    fn phase(&self, errand: Errand) -> Option<&Phase> {
        match errand {
            Errand::Get => self.gets.as_ref(),
            Errand::Order => self.orders.as_ref(),
        }
    }
}

/// All that was measured.
#[derive(Debug)]
pub(super) struct Results {
    front: HostPort,
    machine: Machine,
    gets: u64,
    posts: u64,
    products: usize,
    steps: Vec<Step>,
    restocked: Restocked,
    ending: Ending,
}

impl Results {
    /// Nothing yet.
    pub(super) fn new(front: &HostPort, config: &ToystoreConfig, products: usize) -> Self {
        Self {
            front: front.clone(),
            machine: Machine::look(),
            gets: config.gets,
            posts: config.posts,
            products,
            steps: Vec::new(),
            restocked: Restocked::Pieces(0),
            ending: Ending::Done,
        }
    }

    /// Adds what so many clients came to.
    pub(super) fn add(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Notes what came of filling the stock up.
    pub(super) fn restocked(&mut self, restocked: Restocked) {
        self.restocked = restocked;
    }

    /// Notes how a phase ended.
    pub(super) fn ended(&mut self, ending: Ending) {
        self.ending = ending;
    }

    /// How the last phase ended.
    pub(super) fn ending(&self) -> Ending {
        self.ending.clone()
    }

    /// Requests that failed.
    pub(super) fn failures(&self) -> u64 {
        let phases = self.steps.iter().flat_map(|step| step.gets.iter().chain(&step.orders));
        phases.map(|phase| phase.tally.failures()).sum()
    }

    /// Tables, bars, and what went wrong.
    pub(super) fn text(&self, style: Style) -> String {
        let mut parts = vec![format!(
            "The toy store at {}; clients on {}.\nOne request after another on a keep-alive connection for each client.",
            self.front, self.machine
        )];
        if self.gets > 0 {
            let title = format!(
                "GET: {} by each client, of a random one of {} products",
                grouped(self.gets),
                self.products
            );
            parts.push(format!("{}\n{}", style.bold(title), self.gets_table().draw(style)));
            parts.push(format!(
                "The original's figures are for {} GETs by each client, its services in containers; not in \
                 containers\none client took {}.",
                grouped(ORIGINAL_GETS),
                duration(Duration::from_millis(ORIGINAL_GETS_BARE_MS))
            ));
        }
        if self.posts > 0 {
            let title = format!(
                "POST: {} orders by each client, of one piece of a random product",
                grouped(self.posts)
            );
            parts.push(format!("{}\n{}", style.bold(title), self.orders_table().draw(style)));
            parts.push(match &self.restocked {
                Restocked::Pieces(pieces) => {
                    format!("The stock was filled up before: {} pieces in all.", grouped(*pieces))
                }
                Restocked::Not(why) => format!("The stock was not filled up: {why}."),
            });
        }
        parts.push(self.chart().bars());
        parts.extend(self.failed_in_words().map(|words| style.red(words)));
        if self.ending != Ending::Done {
            parts.push(style.red(&self.ending));
        }
        parts.join("\n\n")
    }

    /// The same as one JSON object.
    pub(super) fn json(&self) -> Value {
        let phase_json = |phase: &Phase| {
            let mut json = tally_json(&phase.tally, phase.elapsed);
            json["total_s"] = (phase.elapsed.as_micros() as f64 / 1e6).into();
            json
        };
        let steps = self.steps.iter().map(|step| {
            json!({
                "clients": step.clients,
                "get": step.gets.as_ref().map(phase_json),
                "post": step.orders.as_ref().map(phase_json),
            })
        });
        let original = ORIGINAL_GETS_MS.map(|(clients, ms)| {
            let seconds: Vec<f64> = ms.iter().map(|ms| Duration::from_millis(*ms).as_secs_f64()).collect();
            json!({ "clients": clients, "get_total_s": seconds })
        });
        json!({
            "scenario": "toystore",
            "front": self.front.to_string(),
            "machine": self.machine.json(),
            "gets": self.gets,
            "posts": self.posts,
            "restocked_pieces": match self.restocked { Restocked::Pieces(pieces) => Some(pieces), Restocked::Not(_) => None },
            "interrupted": self.ending == Ending::Stopped,
            "gave_up": matches!(self.ending, Ending::GaveUp(_)),
            "steps": steps.collect::<Vec<_>>(),
            "original": original,
        })
    }

    /// Average latencies by number of clients.
    pub(super) fn chart(&self) -> Chart {
        let series = [Errand::Get, Errand::Order].map(|errand| {
            let points = self.steps.iter().filter_map(|step| {
                let tally = &step.phase(errand)?.tally;
                (!tally.latency_ns.is_empty()).then(|| (step.clients.into(), tally.latency_ns.mean() / 1e6))
            });
            Series { name: errand.name(), points: points.collect() }
        });
        Chart {
            title: "Average time of a request, by clients".into(),
            x_label: "clients at once",
            y_label: "average time of a request (ms)",
            unit: "ms",
            series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        }
    }

    fn gets_table(&self) -> Table {
        let mut table = table(&["ORIGINAL TOTAL", "ORIGINAL AVERAGE"]);
        for (step, phase) in self.steps.iter().filter_map(|step| Some((step, step.gets.as_ref()?))) {
            let mut cells = cells(step.clients, phase);
            let original = ORIGINAL_GETS_MS.iter().find(|(clients, _)| *clients == step.clients);
            let ms = original.map_or(&[][..], |(_, ms)| *ms);
            cells.push(slashed(ms.iter().map(|ms| duration(Duration::from_millis(*ms)))));
            cells.push(slashed(
                ms.iter().map(|ms| duration(Duration::from_micros(ms * 1000 / ORIGINAL_GETS))),
            ));
            table.row(cells);
        }
        table
    }

    fn orders_table(&self) -> Table {
        let mut table = table(&["PLACED", "NOT PLACED"]);
        for (step, phase) in self.steps.iter().filter_map(|step| Some((step, step.orders.as_ref()?))) {
            let mut cells = cells(step.clients, phase);
            let refused = &phase.tally.refused;
            cells.push(grouped(phase.tally.good));
            cells.push(if refused.is_empty() { "0".into() } else { listed(refused) });
            table.row(cells);
        }
        table
    }

    /// A line for each phase in which something failed.
    fn failed_in_words(&self) -> impl Iterator<Item = String> {
        let phases = self.steps.iter().flat_map(|step| {
            [Errand::Get, Errand::Order]
                .into_iter()
                .filter_map(move |errand| Some((step.clients, errand, step.phase(errand)?)))
        });
        phases.filter(|(.., phase)| phase.tally.failures() > 0).map(|(clients, errand, phase)| {
            let kinds = listed(&phase.tally.failed);
            format!("{} with {clients} at once failed: {kinds}", errand.name())
        })
    }
}

/// A table whose last columns are these.
fn table(last: &[&'static str]) -> Table {
    let first = ["CLIENTS", "COUNT", "ERRORS", "TOTAL", "AVERAGE", "P50", "P99", "RATE"];
    let heading = first.into_iter().chain(last.iter().copied()).map(|name| (name, Align::Right));
    Table::new(&heading.collect::<Vec<(&str, Align)>>())
}

fn cells(clients: u16, phase: &Phase) -> Vec<String> {
    let Phase { tally, elapsed } = phase;
    let at = |quantile: f64| latency(tally, tally.latency_ns.value_at_quantile(quantile));
    vec![
        clients.to_string(),
        grouped(tally.requests()),
        grouped(tally.failures()),
        duration(*elapsed),
        latency(tally, tally.average_ns()),
        at(0.5),
        at(0.99),
        format!("{:.0}/s", rate_per_s(tally, *elapsed)),
    ]
}

/// Things with slashes between; a dash where there is none.
fn slashed(things: impl Iterator<Item = String>) -> String {
    let things: Vec<String> = things.collect();
    if things.is_empty() { "-".into() } else { things.join(" / ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Verdict;

    /// Two clients: three products in a millisecond each, one order placed, one out of stock, one lost.
    fn results() -> Results {
        let config = ToystoreConfig {
            clients: vec![2],
            gets: 3,
            posts: 3,
            to: None,
            data: "d".into(),
            plot: None,
            json: false,
        };
        let mut results = Results::new(&HostPort::new("front", 6060), &config, 4);
        let (mut gets, mut orders) = (Tally::new().unwrap(), Tally::new().unwrap());
        for _ in 0..3 {
            gets.count(Verdict::Good, Some(Duration::from_millis(1)));
        }
        orders.count(Verdict::Good, Some(Duration::from_millis(2)));
        orders.count(Verdict::Refused("out of stock".into()), Some(Duration::from_millis(2)));
        orders.count(Verdict::Failed("connection lost".into()), None);
        let mut step = Step::new(2);
        step.add(Errand::Get, Phase { tally: gets, elapsed: Duration::from_millis(3) });
        step.add(Errand::Order, Phase { tally: orders, elapsed: Duration::from_millis(5) });
        results.add(step);
        results
    }

    /// The cells of the first row below a line that begins so.
    fn row<'t>(text: &'t str, title: &str) -> Vec<&'t str> {
        let row = text.lines().skip_while(|line| !line.starts_with(title)).nth(2).unwrap();
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
    }

    #[test]
    fn the_tables_stand_beside_the_original() {
        let text = results().text(Style::PLAIN);
        let (total, average) = ("13.563 s / 13.776 s", "13.6 ms / 13.8 ms");
        let gets = ["2", "3", "0", "3.00 ms", "1.00 ms", "1.00 ms", "1.00 ms", "1000/s", total, average];
        assert_eq!(row(&text, "GET:"), gets, "{text}");
        let orders =
            ["2", "3", "1", "5.00 ms", "2.00 ms", "2.00 ms", "2.00 ms", "400/s", "1", "out of stock 1"];
        assert_eq!(row(&text, "POST:"), orders, "{text}");
        assert!(text.contains("POST with 2 at once failed: connection lost 1"), "{text}");
        assert!(text.contains("  GET   2 ██"), "{text}");
        assert!(text.contains("one client took 7.767 s"), "{text}");
    }

    #[test]
    fn the_json_says_the_same() {
        let mut results = results();
        results.restocked(Restocked::Not("no token".into()));
        let json = results.json();
        assert_eq!(json["steps"][0]["get"]["good"], 3);
        assert_eq!(json["steps"][0]["post"]["refused"]["out of stock"], 1);
        assert_eq!(json["steps"][0]["post"]["errors"]["connection lost"], 1);
        assert_eq!(json["original"][0]["get_total_s"][0], 8.372);
        assert!(json["restocked_pieces"].is_null());
        assert_eq!(results.failures(), 1);
    }
}
