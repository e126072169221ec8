//! What commands came to, in words.

use micronet_transport::clock;
use micronet_wire::network::InstanceState;
use serde_json::Value;

use crate::control::api::live::LiveInstance;
use crate::control::api::{Process, Processes};
use crate::control::live::status::{gets_calls, status as status_of};
use crate::operate::ps;
use crate::table::{Align, Table};
use crate::terminal::Style;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

fn names(value: &Value, name: &str) -> String {
    let names: Vec<&str> = list(value, name).filter_map(Value::as_str).collect();
    names.join(", ")
}

/// A number as it stands.
fn number(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The time of day of a timestamp.
fn time(value: &Value, name: &str) -> String {
    let at = text(value, name);
    at.get(11..19).unwrap_or(at).to_owned()
}

fn drawn(table: &Table) -> String {
    table.draw(Style::PLAIN)
}

/// Services with their processes.
pub(super) fn status(processes: &Processes) -> String {
    let mut services: Vec<&str> = Vec::new();
    for process in &processes.processes {
        if services.last() != Some(&&*process.service) {
            services.push(&process.service);
        }
    }
    let mut lines = Vec::new();
    for service in services {
        let of = processes.processes.iter().filter(|process| process.service == service);
        let instances: Vec<LiveInstance> = of.map(instance_of).collect();
        let instances: Vec<&LiveInstance> = instances.iter().collect();
        let called = instances.iter().filter(|instance| gets_calls(instance)).count();
        lines.push(format!("{service}: {}, {called} of {}", status_of(&instances).words, instances.len()));
    }
    lines.push(String::new());
    lines.push(drawn(&ps::table(processes)));
    lines.join("\n")
}

/// An instance as far as its process tells: what a fault blocks is known here before the gateway says so.
fn instance_of(process: &Process) -> LiveInstance {
    let blocks = |words: &String| words.contains("is failed") || words.contains("is stalled");
    LiveInstance {
        process: process.state,
        health: process.words.iter().any(blocks).then_some(InstanceState::Blocked),
        ..LiveInstance::default()
    }
}

/// Instances as the gateway sees them.
pub(super) fn instances(seen: &Value, only: Option<&str>) -> String {
    let mut table = Table::new(&[
        ("INSTANCE", Align::Left),
        ("STATE", Align::Left),
        ("CALLS", Align::Right),
        ("FAILED", Align::Right),
        ("IN FLIGHT", Align::Right),
        ("MEAN", Align::Right),
        ("WEIGHT", Align::Right),
        ("WHY", Align::Left),
    ]);
    for service in list(seen, "services") {
        for instance in
            list(service, "instances").filter(|each| only.is_none_or(|only| text(each, "instance") == only))
        {
            let mean_us = instance["mean_us"].as_u64().unwrap_or(0);
            table.row(vec![
                text(instance, "instance").to_owned(),
                text(instance, "state").to_lowercase(),
                number(&instance["calls"]),
                number(&instance["failures"]),
                number(&instance["in_flight"]),
                format!("{}.{:02} ms", mean_us / 1_000, mean_us % 1_000 / 10),
                number(&instance["weight"]),
                text(instance, "reason").to_owned(),
            ]);
        }
    }
    drawn(&table)
}

/// What the gateway measured lately.
pub(super) fn top(stats: &Value) -> String {
    let all = &stats["lately"];
    let mut lines = vec![format!(
        "{} requests since the start; lately (the last {} s) {} a second, {} % errors, p50 {} ms, p95 {} ms, p99 {} ms",
        number(&stats["since_start"]["requests"]),
        number(&stats["lately_s"]),
        number(&all["per_s"]),
        number(&all["error_percent"]),
        number(&all["p50_ms"]),
        number(&all["p95_ms"]),
        number(&all["p99_ms"]),
    )];
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("INSTANCE", Align::Left),
        ("PER S", Align::Right),
        ("ERRORS %", Align::Right),
        ("P50 MS", Align::Right),
        ("P99 MS", Align::Right),
        ("SHARE %", Align::Right),
        ("BALANCING", Align::Left),
    ]);
    let mut services: Vec<&Value> = list(stats, "services").collect();
    let requests = |of: &&Value| std::cmp::Reverse(of["lately"]["requests"].as_u64().unwrap_or(0));
    services.sort_by_key(requests);
    for service in services {
        let mut row = |instance: &str, of: &Value, share: String, balancing: &str| {
            let lately = &of["lately"];
            let figures = ["per_s", "error_percent", "p50_ms", "p99_ms"].map(|name| number(&lately[name]));
            let mut cells = vec![text(service, "service").to_owned(), instance.to_owned()];
            cells.extend(figures);
            cells.extend([share, balancing.to_owned()]);
            table.row(cells);
        };
        row("", service, String::new(), text(service, "algorithm"));
        let mut instances: Vec<&Value> = list(service, "instances").collect();
        instances.sort_by_key(requests);
        for instance in instances {
            row(text(instance, "instance"), instance, number(&instance["share_percent"]), "");
        }
    }
    lines.push(drawn(&table));
    lines.join("\n")
}

/// A fault that has begun.
pub(super) fn fault(fault: &Value, name: &str) -> String {
    format!(
        "{}: {} until {} UTC (fault {}); recover {name} ends it",
        text(fault, "what"),
        names(fault, "instances"),
        time(fault, "until"),
        number(&fault["id"]),
    )
}

/// Faults that were ended.
pub(super) fn recovered(faults: &Value, name: &str) -> String {
    let ended: Vec<String> = list(faults, "past")
        .map(|fault| {
            let report = &fault["report"];
            format!(
                "fault {} is over ({}): {} calls, {} failed, {} tried again",
                number(&fault["id"]),
                text(fault, "what"),
                number(&report["calls"]),
                number(&report["failed"]),
                number(&report["tried_again"]),
            )
        })
        .collect();
    if ended.is_empty() { format!("{name} had no fault") } else { ended.join("\n") }
}

/// A drill, and what came of it.
pub(super) fn drill(drill: &Value) -> String {
    let report = &drill["report"];
    let after = |noticed: &Value| match noticed["after_ms"].as_u64() {
        Some(ms) => format!("after {ms} ms by {}", text(noticed, "by")),
        None => "not".to_owned(),
    };
    let p99_ms = |phase: &str| {
        let us = report[phase]["p99_us"].as_u64().unwrap_or(0);
        format!("{}.{:01}", us / 1_000, us % 1_000 / 100)
    };
    let mut lines =
        vec![format!("drill {}: {}: {}", number(&drill["id"]), text(drill, "what"), text(drill, "state"))];
    lines.extend(drill["reason"].as_str().map(str::to_owned));
    lines.push(format!("detected {}, ejected {}", after(&report["detected"]), after(&report["ejected"])));
    lines.push(format!(
        "{} requests, {} lost, {} tried again; p99 {} ms before, {} ms during, {} ms after",
        number(&report["requests"]),
        number(&report["lost"]),
        number(&report["retried"]),
        p99_ms("before"),
        p99_ms("during"),
        p99_ms("after"),
    ));
    if let Some(ms) = report["recovered_after_ms"].as_u64() {
        lines.push(format!("recovered {ms} ms after it was mended"));
    }
    lines.push(text(report, "verdict").to_owned());
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// The last drills.
pub(super) fn drills(drills: &Value) -> String {
    let mut table = Table::new(&[
        ("DRILL", Align::Right),
        ("AT (UTC)", Align::Left),
        ("WHAT", Align::Left),
        ("STATE", Align::Left),
        ("LOST", Align::Right),
        ("VERDICT", Align::Left),
    ]);
    for drill in list(drills, "drills") {
        let report = &drill["report"];
        table.row(vec![
            number(&drill["id"]),
            time(drill, "began"),
            text(drill, "what").to_owned(),
            text(drill, "state").to_lowercase(),
            number(&report["lost"]),
            text(report, "verdict").to_owned(),
        ]);
    }
    drawn(&table)
}

/// By which algorithms instances are picked.
pub(super) fn balancers(balancers: &Value, only: Option<&str>) -> String {
    let mut table = Table::new(&[
        ("SERVICE", Align::Left),
        ("ALGORITHM", Align::Left),
        ("ACTING", Align::Left),
        ("WHY", Align::Left),
    ]);
    for service in
        list(balancers, "services").filter(|each| only.is_none_or(|only| text(each, "service") == only))
    {
        table.row(
            ["service", "algorithm", "acting", "reason"].map(|name| text(service, name).to_owned()).into(),
        );
    }
    let known: Vec<&str> = list(balancers, "algorithms").map(|algorithm| text(algorithm, "name")).collect();
    format!("{}\nthere are: {}", drawn(&table), known.join(", "))
}

/// Alerts, the active ones first.
pub(super) fn alerts(alerts: &Value) -> String {
    let mut table = Table::new(&[
        ("SINCE (UTC)", Align::Left),
        ("SEVERITY", Align::Left),
        ("OF", Align::Left),
        ("WHAT", Align::Left),
        ("OVER AT", Align::Left),
    ]);
    for alert in list(alerts, "active").chain(list(alerts, "past")) {
        table.row(vec![
            time(alert, "since"),
            text(alert, "severity").to_lowercase(),
            text(alert, "subject").to_owned(),
            text(alert, "words").to_owned(),
            time(alert, "until"),
        ]);
    }
    let active = list(alerts, "active").count();
    format!("{active} active\n{}", drawn(&table))
}

/// What was done last.
pub(super) fn audit(log: &Value) -> String {
    let mut table = Table::new(&[
        ("AT (UTC)", Align::Left),
        ("WHO", Align::Left),
        ("WHAT", Align::Left),
        ("TO", Align::Left),
        ("FROM", Align::Left),
        ("BY", Align::Left),
        ("CAME TO", Align::Left),
    ]);
    for entry in list(log, "items") {
        table.row(vec![
            time(entry, "at"),
            text(entry, "subject").to_owned(),
            text(entry, "action").to_owned(),
            text(entry, "object").to_owned(),
            text(entry, "address").to_owned(),
            text(entry, "method").to_owned(),
            text(entry, "outcome").to_owned(),
        ]);
    }
    drawn(&table)
}

/// A time that somebody has been here.
pub(super) fn ago(since_ns: u64) -> String {
    let seconds = clock::now().saturating_sub(since_ns) / 1_000_000_000;
    format!("{}m{:02}s", seconds / 60, seconds % 60)
}
