//! What was measured, as an aligned table or as JSON: the median of each figure, and the range of what the machine made of it.

use std::fmt::Write;
use std::fs;

use serde_json::{Value, json};

use crate::Pair;
use crate::setting::Setting;

/// All rows, and how they were measured.
pub(crate) struct Report {
    machine: String,
    pinned: bool,
    rounds: usize,
    seconds: f64,
    pub(crate) rows: Vec<Row>,
}

/// One pair in one setting.
pub(crate) struct Row {
    pub(crate) pair: Pair,
    setting: &'static Setting,
    /// What the client said in each turn.
    pub(crate) turns: Vec<Value>,
}

/// Median, lowest and highest.
#[derive(Clone, Copy)]
struct Spread {
    median: f64,
    low: f64,
    high: f64,
}

impl Row {
    pub(crate) fn new(pair: Pair, setting: &'static Setting) -> Self {
        Self { pair, setting, turns: Vec::new() }
    }

    /// The sum of some figures of each turn.
    fn spread(&self, figures: &[&str]) -> Spread {
        let sum = |turn: &Value| figures.iter().filter_map(|figure| turn[*figure].as_f64()).sum();
        let mut sums: Vec<f64> = self.turns.iter().map(sum).collect();
        sums.sort_by(f64::total_cmp);
        Spread {
            median: sums.get(sums.len() / 2).copied().unwrap_or_default(),
            low: sums.first().copied().unwrap_or_default(),
            high: sums.last().copied().unwrap_or_default(),
        }
    }

    fn calls_per_s(&self) -> Spread {
        self.spread(&["calls_per_s"])
    }

    fn cpu_us(&self) -> Spread {
        self.spread(&["server_user_us", "server_system_us", "client_user_us", "client_system_us"])
    }

    /// What counts: the CPU time of a call, or its P50 where both sides spin.
    fn cost_us(&self) -> Spread {
        if self.setting.spin { self.spread(&["p50_us"]) } else { self.cpu_us() }
    }
}

impl Report {
    pub(crate) fn new(pinned: bool, rounds: usize, seconds: f64) -> Self {
        Self { machine: machine(), pinned, rounds, seconds, rows: Vec::new() }
    }

    /// What a row costs beside the peer in the same setting, which is the first row of it.
    fn ratio(&self, row: &Row) -> f64 {
        let peer = self.rows.iter().find(|peer| peer.setting.name == row.setting.name);
        peer.map_or(f64::NAN, |peer| row.cost_us().median / peer.cost_us().median)
    }

    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "Unary echoes, of 64 bytes on one connection unless said; {}; {}.\n{} rounds of {} s each, in turns: median [lowest to highest].\n\n",
            self.machine,
            if self.pinned {
                "a core for the server, one for the client; 1 in flight: one core for both, unless they spin"
            } else {
                "not pinned to cores"
            },
            self.rounds,
            self.seconds
        );
        let _ = writeln!(
            table,
            "{:<20}  {:<14}  {:>28}  {:>24}  {:>7}  {:>7}  {:>6}",
            "setting", "pair", "calls/s", "CPU us/call, both", "server", "client", "ratio"
        );
        for row in &self.rows {
            let (rate, cost) = (row.calls_per_s(), row.cost_us());
            let server = row.spread(&["server_user_us", "server_system_us"]).median;
            let client = row.spread(&["client_user_us", "client_system_us"]).median;
            let rate = format!("{:.0} [{:.0} to {:.0}]", rate.median, rate.low, rate.high);
            let of = if row.setting.spin { "P50 " } else { "" };
            let cost = format!("{of}{:.2} [{:.2} to {:.2}]", cost.median, cost.low, cost.high);
            let _ = writeln!(
                table,
                "{:<20}  {:<14}  {rate:>28}  {cost:>24}  {server:>7.2}  {client:>7.2}  {:>6.2}",
                row.setting.name,
                row.pair.name(),
                self.ratio(row)
            );
        }
        table
    }

    pub(crate) fn json(&self) -> Value {
        let spread =
            |spread: Spread| json!({ "median": spread.median, "low": spread.low, "high": spread.high });
        let row = |row: &Row| {
            json!({
                "setting": row.setting.name,
                "pair": row.pair.name(),
                "calls_per_s": spread(row.calls_per_s()),
                "cpu_us_per_call": spread(row.cpu_us()),
                "cost_us": spread(row.cost_us()),
                "ratio_to_peer": self.ratio(row),
                "turns": row.turns,
            })
        };
        json!({
            "machine": self.machine,
            "pinned": self.pinned,
            "rounds": self.rounds,
            "seconds": self.seconds,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// The processor, how many of its cores there are, and the kernel.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {cores} cores, Linux {}", model.map_or("unknown processor", |(_, name)| name), kernel.trim())
}
