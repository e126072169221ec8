//! `micronet load instance`: one instance at the rate that is aimed at, and at full speed; and what its process needs meanwhile.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Clients;
use super::prepare::{self, Surroundings};
use super::usage::Usage;
use super::way;
use crate::config::InstanceConfig;
use crate::config::target::{Ask, Target};
use crate::error::CommandError;
use crate::load::arrivals::Spread;
use crate::load::engine::{Ending, Outcome, Plan};
use crate::load::http::HttpChannel;
use crate::load::report::{Report, duration, grouped, listed, rate_per_s, tally_json};
use crate::load::{Limits, Pace};
use crate::machine::Machine;
use crate::network_file::{Entry, NetworkFile, Protocol};
use crate::registry::GATEWAY;
use crate::server_process;
use crate::shop::catalog;
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::table::{Align, Table};
use crate::terminal::{self, Style};

/// What is aimed at, for each instance of a service.
const P95_MAX: Duration = Duration::from_millis(50);
const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// Of one core.
const CPU_PERCENT_MAX: f64 = 30.0;
/// This share of the requests has to be answered within the run: the last ones end after it.
const RATE_SHARE_MIN: f64 = 0.99;

/// The most requests in flight at the rate.
const CONCURRENT_MAX: usize = 100;
/// Clients at full speed.
const CLIENTS_FULL: usize = 16;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// One run against the instance.
#[derive(Debug)]
struct Phase {
    outcome: Report,
    elapsed: Duration,
    usage: Option<Needs>,
}

/// What the process needed.
#[derive(Clone, Copy, Debug)]
struct Needs {
    /// Of one core.
    cpu_percent: f64,
    resident_bytes_max: u64,
}

/// Something that is aimed at.
struct Aim {
    name: &'static str,
    target: String,
    /// At the rate, and at full speed.
    measured: [String; 2],
    met: bool,
}

/// Measures the instance and prints its figures. Fails if one that is aimed at was not reached at the rate.
pub(crate) fn run(config: &InstanceConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(measure(config))
}

async fn measure(config: &InstanceConfig) -> Result<ExitCode, CommandError> {
    let mut signals = StopSignals::listen()
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let network = NetworkFile::of_running_network(&config.data)?.ok_or_else(|| {
        CommandError::new(format!("no network runs on {}", config.data.display()))
            .next("start one with `micronet up`, or name its folder with --data")
    })?;
    let entry = find(&network, config.instance.as_deref())?;
    let target = target(config, &network, entry).await?;
    let gateway = entry.address.into();
    let surroundings = Surroundings {
        gateway: &gateway,
        headers: &[],
        connections: None,
        timeout: PATIENCE,
        tls: config.tls.as_ref(),
        anonymous: false,
        data: &config.data,
    };
    let plan = Rc::new(prepare::plan(std::slice::from_ref(&target), &surroundings).await?);
    if !config.json {
        let (name, rate, time) = (&target.name, config.rate_per_s, duration(config.duration));
        terminal::note(&format!(
            "{name} at {}: {rate}/s for {time}, then at full speed for {time}",
            entry.instance
        ));
    }
    let run = Run { plan, target: &target, entry, long: config.duration };
    let paced = Pace::Open { rate_per_s: config.rate_per_s, spread: Spread::Fixed };
    let paced = run.phase(paced, CONCURRENT_MAX, signals.next()).await?;
    let full = match paced.outcome.interrupted() {
        true => None,
        false => Some(run.phase(Pace::Closed, CLIENTS_FULL, signals.next()).await?),
    };
    let aims = aims(config.rate_per_s, &paced, full.as_ref());
    if config.json {
        terminal::say(&json(config, entry, &target, &aims, [Some(&paced), full.as_ref()]).to_string());
    } else {
        terminal::say(&text(config.rate_per_s, &aims, [Some(&paced), full.as_ref()], Style::for_stdout()));
    }
    let interrupted = full.is_none_or(|full| full.outcome.interrupted());
    Ok(match (interrupted, aims.iter().all(|aim| aim.met)) {
        (true, _) => ExitCode::from(EXIT_INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

/// The named instance, else the first node, else the first of product.
fn find<'n>(network: &'n NetworkFile, name: Option<&str>) -> Result<&'n Entry, CommandError> {
    let rpc = || network.entries.iter().filter(|entry| entry.protocol == Protocol::Rpc);
    let found = match name {
        Some(name) => rpc().find(|entry| entry.instance == name),
        None => ["node", "product"].iter().find_map(|service| network.first(service, Protocol::Rpc)),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = rpc().map(|entry| entry.instance.as_str()).collect();
        CommandError::usage(format!("the running network has no instance {}", name.unwrap_or("to measure")))
            .next(format!("name one of {}", names.join(", ")))
    })
}

/// What is called, at this instance and nowhere else.
async fn target(
    config: &InstanceConfig,
    network: &NetworkFile,
    entry: &Entry,
) -> Result<Target, CommandError> {
    let mut target = match (&config.target, entry.service.as_str()) {
        (Some(target), _) => target.clone(),
        (None, "node") => Target::parse("rpc:node.data")?,
        (None, "product") => {
            let toy = match network.first(GATEWAY, Protocol::Http) {
                Some(gateway) => catalog::names(&mut HttpChannel::new(gateway.address.into())).await.ok(),
                None => None,
            };
            let toy = toy.and_then(|names| names.into_iter().next()).unwrap_or_else(|| "Tux".into());
            Target::parse(&format!("rpc:product.query {}", json!({ "name": toy })))?
        }
        (None, service) => {
            return Err(CommandError::usage(format!("what is called of {service}?"))
                .next(format!("say it with --target 'METHOD JSON'; see micronet call {service}")));
        }
    };
    if let Ask::Rpc { instance, .. } = &mut target.ask {
        *instance = Some(entry.address.into());
    }
    Ok(target)
}

/// What is run against whom.
struct Run<'a> {
    plan: Rc<way::Plan>,
    target: &'a Target,
    entry: &'a Entry,
    long: Duration,
}

impl Run<'_> {
    async fn phase(&self, pace: Pace, count: usize, stop: impl Future) -> Result<Phase, CommandError> {
        let limits = Limits { requests: None, duration: Some(self.long) };
        let plan = Plan { pace, limits, patience: PATIENCE, ..Plan::closed(String::new(), None) };
        let targets = std::slice::from_ref(self.target);
        let clients = Clients { plan: Rc::clone(&self.plan), targets, count, seed: 0 };
        let before = Usage::of(self.entry.pid);
        let outcome: Outcome = clients.run(plan, PATIENCE, stop).await?;
        let after = Usage::of(self.entry.pid);
        if let Ending::GaveUp(error) = &outcome.ending {
            let words = format!("{} answers no more: {error}", self.entry.instance);
            return Err(CommandError::new(words));
        }
        let usage = before.zip(after).map(|(before, after)| Needs {
            cpu_percent: after.cpu_percent_since(&before),
            resident_bytes_max: after.resident_bytes_max,
        });
        Ok(Phase { elapsed: outcome.elapsed, outcome: Report::new(outcome), usage })
    }
}

impl Phase {
    fn rate_per_s(&self) -> f64 {
        self.outcome.all().map_or(0.0, |all| rate_per_s(all, self.elapsed))
    }

    fn p95(&self) -> Option<Duration> {
        let all = self.outcome.all().filter(|all| !all.latency_ns.is_empty())?;
        Some(Duration::from_nanos(all.latency_ns.value_at_quantile(0.95)))
    }

    fn json(&self) -> Value {
        let mut json = self.outcome.all().map_or(Value::Null, |all| tally_json(all, self.elapsed));
        json["cpu_percent"] = self.usage.map(|usage| usage.cpu_percent).into();
        json["resident_bytes_max"] = self.usage.map(|usage| usage.resident_bytes_max).into();
        json
    }
}

fn aims(rate: f64, paced: &Phase, full: Option<&Phase>) -> Vec<Aim> {
    let both = |of: &dyn Fn(&Phase) -> Option<String>| {
        [Some(paced), full].map(|phase| phase.and_then(of).unwrap_or_else(|| "-".into()))
    };
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / f64::from(1 << 20));
    let usage = paced.usage;
    vec![
        Aim {
            name: "answers a second",
            target: format!("{rate}"),
            measured: both(&|phase| Some(format!("{:.1}", phase.rate_per_s()))),
            met: paced.rate_per_s() >= rate * RATE_SHARE_MIN,
        },
        Aim {
            name: "errors",
            target: "0".into(),
            measured: both(&|phase| Some(grouped(phase.outcome.failures()))),
            met: paced.outcome.failures() == 0,
        },
        Aim {
            name: "P95",
            target: format!("< {}", duration(P95_MAX)),
            measured: both(&|phase| phase.p95().map(duration)),
            met: paced.p95().is_some_and(|p95| p95 < P95_MAX),
        },
        Aim {
            name: "memory",
            target: format!("< {}", megabytes(MEMORY_BYTES_MAX)),
            measured: both(&|phase| phase.usage.map(|usage| megabytes(usage.resident_bytes_max))),
            met: usage.is_some_and(|usage| usage.resident_bytes_max < MEMORY_BYTES_MAX),
        },
        Aim {
            name: "CPU, of one core",
            target: format!("< {CPU_PERCENT_MAX} %"),
            measured: both(&|phase| phase.usage.map(|usage| format!("{:.1} %", usage.cpu_percent))),
            met: usage.is_some_and(|usage| usage.cpu_percent < CPU_PERCENT_MAX),
        },
    ]
}

fn text(rate: f64, aims: &[Aim], phases: [Option<&Phase>; 2], style: Style) -> String {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("TARGET", Align::Right),
        ("MEASURED", Align::Right),
        ("MET", Align::Left),
        ("FULL SPEED", Align::Right),
    ]);
    for Aim { name, target, measured: [paced, full], met } in aims {
        let met = if *met { "yes" } else { "no" };
        table.row(vec![(*name).into(), target.clone(), paced.clone(), met.into(), full.clone()]);
    }
    let mut text = table.draw(style);
    for (phase, when) in phases.into_iter().zip([format!("at {rate}/s"), "at full speed".into()]) {
        if let Some(all) = phase.and_then(|phase| phase.outcome.all()).filter(|all| !all.failed.is_empty()) {
            text.push('\n');
            text.push_str(&style.red(format!("failed {when}: {}", listed(&all.failed))));
        }
    }
    format!("{text}\n\n{}", style.dim(format!("on {}, with the load made on it too", Machine::look())))
}

fn json(
    config: &InstanceConfig,
    entry: &Entry,
    target: &Target,
    aims: &[Aim],
    [paced, full]: [Option<&Phase>; 2],
) -> Value {
    let met: Vec<Value> = aims.iter().map(|aim| json!({ "name": aim.name, "met": aim.met })).collect();
    json!({
        "scenario": "instance",
        "instance": entry.instance,
        "pid": entry.pid,
        "called": target.name,
        "targets": {
            "rate_per_s": config.rate_per_s,
            "errors": 0,
            "p95_us": P95_MAX.as_micros() as f64,
            "resident_bytes_max": MEMORY_BYTES_MAX,
            "cpu_percent": CPU_PERCENT_MAX,
        },
        "met": met,
        "at_rate": paced.map(Phase::json),
        "full_speed": full.map(Phase::json),
        "machine": Machine::look().json(),
    })
}
