//! The figures of a run: of each, the number that every repetition gives. Tables, JSON and comparisons show what is listed here.

use std::collections::BTreeMap;

use super::model::{Bytes, Cpu, LedgerMeans, Repetition, Run};
use super::processes::processes;
use super::statistics::Spread;

/// Quantiles that are shown.
pub(crate) const QUANTILES: [(&str, f64); 5] =
    [("P50", 0.5), ("P90", 0.9), ("P99", 0.99), ("P99.9", 0.999), ("P99.99", 0.9999)];

/// A name, and what it reads of something.
type Of<T, N> = (&'static str, fn(&T) -> N);

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Something a second.
    PerSecond,
    /// Nanoseconds.
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Requests.
    Requests,
    /// So often a request.
    PerRequest,
    /// KiB.
    Kibibytes,
    /// Bytes a second.
    BytesPerSecond,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    /// More.
    More,
    /// Less.
    Less,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// What it belongs to, as `latency`.
    pub(crate) group: &'static str,
    /// Its name in this group, as `P50`; empty for the group's own.
    pub(crate) name: String,
    /// What it counts.
    pub(crate) unit: Unit,
    /// Which way is better.
    pub(crate) better: Better,
    /// Whether it decides who is slower. Others say more about the machine than about what was measured.
    pub(crate) decides: bool,
    /// The number of each repetition.
    pub(crate) numbers: Vec<f64>,
}

impl Figure {
    /// What the repetitions come to.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.numbers.iter().copied())
    }

    /// By what it is found in another run.
    pub(crate) fn key(&self) -> (&'static str, &str) {
        (self.group, &self.name)
    }
}

/// Groups of figures.
pub(crate) const THROUGHPUT: &str = "throughput";
pub(crate) const LATENCY: &str = "latency";
pub(crate) const AS_SENT: &str = "as sent";
pub(crate) const ERRORS: &str = "errors";
pub(crate) const CPU: &str = "CPU a request";
pub(crate) const SWITCHES: &str = "context switches a request";
pub(crate) const LEDGER: &str = "in the server";
pub(crate) const MEMORY: &str = "memory";

/// All figures of a run, in the order in which they are shown. Those that a repetition doesn't have are left out.
pub(crate) fn figures(run: &Run) -> Vec<Figure> {
    let mut figures = Figures { run, figures: Vec::new() };
    figures.throughput();
    figures.latency();
    figures.errors();
    figures.cpu();
    figures.ledger();
    figures.memory();
    figures.figures
}

struct Figures<'r> {
    run: &'r Run,
    figures: Vec<Figure>,
}

impl Figures<'_> {
    /// Adds a figure that each repetition has.
    fn add(
        &mut self,
        (group, name): (&'static str, &str),
        (unit, better, decides): (Unit, Better, bool),
        of: impl Fn(&Repetition) -> Option<f64>,
    ) {
        if let Some(numbers) = self.run.repetitions.iter().map(of).collect::<Option<Vec<f64>>>()
            && !numbers.is_empty()
        {
            self.figures.push(Figure { group, name: name.to_owned(), unit, better, decides, numbers });
        }
    }

    fn throughput(&mut self) {
        let more = |unit, decides| (unit, Better::More, decides);
        self.add((THROUGHPUT, ""), more(Unit::PerSecond, true), |each| Some(each.rate_per_s()));
        for (name, of) in
            [("sent", (|bytes| bytes.sent) as fn(&Bytes) -> u64), ("received", |bytes| bytes.received)]
        {
            self.add((THROUGHPUT, name), more(Unit::BytesPerSecond, false), |each| {
                let bytes = each.bytes.as_ref().map(of).filter(|bytes| *bytes > 0)?;
                (each.seconds > 0.0).then(|| bytes as f64 / each.seconds)
            });
        }
    }

    fn latency(&mut self) {
        let less = |decides| (Unit::Nanoseconds, Better::Less, decides);
        for (name, quantile) in QUANTILES {
            // Further out, a few requests of a busy machine decide.
            let decides = quantile <= 0.99;
            self.add((LATENCY, name), less(decides), |each| each.latencies.at(quantile).map(|ns| ns as f64));
        }
        self.add((LATENCY, "max"), less(false), |each| each.latencies.max().map(|ns| ns as f64));
        self.add((LATENCY, "mean"), less(false), |each| each.latencies.mean());
        for (name, quantile) in QUANTILES {
            self.add((AS_SENT, name), less(false), |each| {
                each.uncorrected.as_ref()?.at(quantile).map(|ns| ns as f64)
            });
        }
        self.add((AS_SENT, "max"), less(false), |each| each.uncorrected.as_ref()?.max().map(|ns| ns as f64));
    }

    fn errors(&mut self) {
        let less = (Unit::Requests, Better::Less, false);
        self.add((ERRORS, ""), less, |each| Some(each.failed() as f64));
        let kinds: BTreeMap<&String, ()> =
            self.run.repetitions.iter().flat_map(|each| each.errors.keys()).map(|kind| (kind, ())).collect();
        for kind in kinds.into_keys() {
            self.add((ERRORS, kind), less, |each| {
                Some(each.errors.get(kind).copied().unwrap_or_default() as f64)
            });
        }
    }

    fn cpu(&mut self) {
        let processes = processes(self.run);
        let us = |decides| (Unit::Microseconds, Better::Less, decides);
        if processes.len() > 1 {
            self.add((CPU, ""), us(true), |each| {
                per_request(each, each.cpu.iter().map(|cpu| cpu.user_us + cpu.system_us).sum())
            });
        }
        for process in &processes {
            let of = |each: &Repetition, what: fn(&Cpu) -> u64| per_request(each, what(process.of(each)?));
            let (name, system) = (&process.name, format!("{}, system", process.name));
            self.add((CPU, name), us(processes.len() == 1), |each| {
                of(each, |cpu| cpu.user_us + cpu.system_us)
            });
            self.add((CPU, &system), us(false), |each| of(each, |cpu| cpu.system_us));
        }
        const SWITCHES_OF: [Of<Cpu, u64>; 2] =
            [("voluntary", |cpu| cpu.voluntary_switches), ("involuntary", |cpu| cpu.involuntary_switches)];
        for process in &processes {
            for (what, of) in SWITCHES_OF {
                let name = format!("{}, {what}", process.name);
                self.add((SWITCHES, &name), (Unit::PerRequest, Better::Less, false), |each| {
                    per_request(each, of(process.of(each)?))
                });
            }
        }
    }

    fn ledger(&mut self) {
        const PARTS: [Of<LedgerMeans, f64>; 4] = [
            ("until the handler starts", |means| means.receive_queue_us),
            ("handler", |means| means.handler_us),
            ("waiting for the caller's credit", |means| means.credit_wait_us),
            ("until the reply is written", |means| means.write_queue_us),
        ];
        for (name, of) in PARTS {
            self.add((LEDGER, name), (Unit::Microseconds, Better::Less, false), |each| {
                each.ledger.as_ref().map(of)
            });
        }
        self.add(
            (LEDGER, "elsewhere: client, network, kernel"),
            (Unit::Microseconds, Better::Less, false),
            |each| {
                let ledger = each.ledger.as_ref()?;
                let mean_us = each.uncorrected.as_ref().unwrap_or(&each.latencies).mean()? / 1e3;
                Some((mean_us - PARTS.iter().map(|(_, of)| of(ledger)).sum::<f64>()).max(0.0))
            },
        );
    }

    fn memory(&mut self) {
        for process in processes(self.run) {
            self.add((MEMORY, &process.name), (Unit::Kibibytes, Better::Less, false), |each| {
                process.of(each)?.rss_kib.map(|kib| kib as f64)
            });
        }
    }
}

fn per_request(repetition: &Repetition, count: u64) -> Option<f64> {
    (repetition.requests > 0).then(|| count as f64 / repetition.requests as f64)
}
