//! Counts calls and their latencies, once a client has warmed up, and the processor time that they took.

use std::cell::RefCell;
use std::process;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::command_line::Times;
use crate::cpu;

/// The longest latency that is told from longer ones.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// Ends the process with a line of JSON when it has measured for as long as it should.
#[derive(Debug)]
pub struct Meter {
    measured: Duration,
    pids: Vec<u32>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    /// When the phase ends.
    until: Instant,
    /// What stood at the end of the warm-up.
    begun: Option<Sample>,
    latencies: Histogram<u64>,
}

#[derive(Debug)]
struct Sample {
    at: Instant,
    cpu_ns: Vec<u64>,
}

impl Meter {
    /// Begins to warm up.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn start(times: &Times) -> Self {
        let pids = std::iter::once(process::id()).chain(times.watch.iter().copied()).collect();
        let latencies = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("valid bounds");
        let state = State { until: Instant::now() + times.warm_up(), begun: None, latencies };
        Self { measured: times.measured(), pids, state: RefCell::new(state) }
    }

    /// A call has ended; the next one begins, so that the clock is read once for both.
    pub fn ended(&self, began: &mut Instant) {
        let now = Instant::now();
        self.count(now - *began, 1, now);
        *began = now;
    }

    /// So many calls have ended now, each after this time.
    pub fn count(&self, latency: Duration, calls: u64, now: Instant) {
        let mut state = self.state.borrow_mut();
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        state.latencies.saturating_record_n(ns, calls);
        if now >= state.until {
            self.next_phase(&mut state, now);
        }
    }

    fn next_phase(&self, state: &mut State, now: Instant) {
        let sample = Sample { at: now, cpu_ns: self.pids.iter().map(|pid| cpu::ns_of(*pid)).collect() };
        if let Some(begun) = &state.begun {
            println!("{}", self.figures(begun, &sample, &state.latencies));
            process::exit(0);
        }
        state.until = now + self.measured;
        state.begun = Some(sample);
        state.latencies.reset();
    }

    fn figures(&self, begun: &Sample, ended: &Sample, latencies: &Histogram<u64>) -> Value {
        let cpu_ns =
            begun.cpu_ns.iter().zip(&ended.cpu_ns).map(|(before, after)| after.saturating_sub(*before));
        json!({
            "requests": latencies.len(),
            "seconds": (ended.at - begun.at).as_secs_f64(),
            "errors": 0,
            "client_cpu_ns": cpu_ns.clone().next(),
            "watched_cpu_ns": cpu_ns.skip(1).collect::<Vec<u64>>(),
            "latency_us": percentiles(latencies),
        })
    }
}

/// Percentiles in microseconds.
#[must_use]
pub fn percentiles(latencies: &Histogram<u64>) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "at most a minute")]
    let at = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e3;
    json!({ "p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0) })
}
