//! Counts what a client has done, and what CPU time it and its server took for that.

use std::cell::{Cell, RefCell};
use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::setting::Load;

/// Warming up is not measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// The clock is read once in so many calls.
const LOOK_EVERY: u64 = 128;
/// The times of so many calls are kept, where they are measured.
const TIMES_MAX: usize = 1 << 20;

/// Ends the process with a line that says what was measured, when it is time.
pub(crate) struct Meter {
    server: u32,
    time: Duration,
    /// Or after so many calls.
    calls_max: Option<u64>,
    calls: Cell<u64>,
    started: Instant,
    begun: Cell<Option<Sample>>,
    /// When the last call ended, and how long each took, where there is one at a time and that is what is measured.
    times: Option<(Cell<Instant>, RefCell<Vec<Duration>>)>,
}

#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    calls: u64,
    server: Cpu,
    client: Cpu,
}

/// CPU time of a process, in clock ticks.
#[derive(Clone, Copy)]
struct Cpu {
    user: u64,
    system: u64,
}

impl Meter {
    /// Measures once calls come.
    pub(crate) fn new(server: u32, load: &Load) -> Self {
        let now = Instant::now();
        Self {
            server,
            time: Duration::from_secs_f64(load.seconds),
            calls_max: load.calls,
            calls: Cell::new(0),
            started: now,
            begun: Cell::new(None),
            times: load.spin.then(|| (Cell::new(now), RefCell::new(Vec::with_capacity(TIMES_MAX)))),
        }
    }

    /// A call has ended.
    pub(crate) fn count(&self) {
        let calls = self.calls.get() + 1;
        self.calls.set(calls);
        if let Some((last, times)) = &self.times {
            let now = Instant::now();
            let took = now - last.replace(now);
            let mut times = times.borrow_mut();
            if self.begun.get().is_some() && times.len() < TIMES_MAX {
                times.push(took);
            }
        }
        if self.calls_max.is_none() && calls.is_multiple_of(LOOK_EVERY) {
            self.look(calls);
        }
        if self.calls_max == Some(calls) {
            println!("{calls} calls");
            std::process::exit(0);
        }
    }

    fn look(&self, calls: u64) {
        match self.begun.get() {
            None if self.started.elapsed() >= WARM_UP => self.begun.set(Some(self.sample(calls))),
            Some(begun) if begun.at.elapsed() >= self.time => {
                let mut figures = figures(&begun, &self.sample(calls));
                if let Some((_, times)) = &self.times {
                    let mut times = times.take();
                    times.sort_unstable();
                    figures["p50_us"] = json!(times[times.len() / 2].as_secs_f64() * 1e6);
                }
                println!("{figures}");
                std::process::exit(0);
            }
            _ => {}
        }
    }

    fn sample(&self, calls: u64) -> Sample {
        let client = cpu(std::process::id());
        Sample { at: Instant::now(), calls, server: cpu(self.server), client }
    }
}

/// From /proc/PID/stat (proc(5)): fields 14 and 15.
fn cpu(pid: u32) -> Cpu {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs, and this is Linux");
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = |at: usize| after_name.split(' ').nth(at).and_then(|field| field.parse().ok()).unwrap_or(0);
    Cpu { user: ticks(11), system: ticks(12) }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a few seconds")]
fn figures(begun: &Sample, ended: &Sample) -> Value {
    let calls = (ended.calls - begun.calls) as f64;
    let tick_us = 1e6 / rustix::param::clock_ticks_per_second() as f64;
    let each = |ticks: u64| ticks as f64 * tick_us / calls;
    json!({
        "calls": ended.calls - begun.calls,
        "calls_per_s": calls / (ended.at - begun.at).as_secs_f64(),
        "server_user_us": each(ended.server.user - begun.server.user),
        "server_system_us": each(ended.server.system - begun.server.system),
        "client_user_us": each(ended.client.user - begun.client.user),
        "client_system_us": each(ended.client.system - begun.client.system),
    })
}
