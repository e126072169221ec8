//! `micronet why`: why a request went as it did, drawn.

use std::process::ExitCode;

use micronet_wire::network::{AttemptRecord, CandidateRecord, LimitRecord, Record, RecordKind, Requests};

use super::{Control, failure, json, options};
use crate::control::api::ControlMethods;
use crate::control::api::why::{Hop, Why, WhyOf};
use crate::control::why::{milliseconds, parts};
use crate::error::CommandError;
use crate::instances::timestamp;
use crate::terminal::{self, Style};

/// How wide the waterfall is, in columns.
const COLUMNS: u8 = 32;

/// Asks, and shows the answer.
pub(super) async fn run(
    control: &Control,
    request_id: String,
    as_json: bool,
) -> Result<ExitCode, CommandError> {
    let why = control.why(&WhyOf { request_id }, options()).await.map_err(failure)?;
    let is_known = !why.hops.is_empty();
    if as_json {
        terminal::say(&json(ControlMethods::WHY, &why)?);
    } else if is_known {
        terminal::say(&text(&why, Style::for_stdout()));
    } else {
        return Err(unknown(&why));
    }
    Ok(if is_known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nobody remembers it: how far they do.
fn unknown(why: &Why) -> CommandError {
    let far = why.processes.iter().map(|process| {
        let memory = &process.memory;
        let [all, notable] = [memory.all_since, memory.notable_since].map(timestamp);
        let failures =
            if all == notable { String::new() } else { format!(", failures and slow ones since {notable}") };
        format!("\n  {}: everything since {all}{failures}", process.seen_by)
    });
    let silent = why.silent.iter().map(|instance| format!("\n  {instance}: it didn't answer"));
    let far: String = far.chain(silent).collect();
    CommandError::new(format!("nobody remembers the request {}; what they do remember:{far}", why.request_id))
        .next("a request is remembered when it has ended; each answer has its id in X-Request-ID")
}

/// A request's way in words.
pub(crate) fn text(why: &Why, style: Style) -> String {
    let mut lines = Vec::new();
    let trace = format!("trace {}", why.trace_id);
    let title = why.hops.first().map(|hop| hop.what.as_str()).unwrap_or_default();
    lines.push(format!("{}  {}", style.bold(title), timestamp(why.at)));
    lines.push(style.dim(format!("request {}  {trace}", why.request_id)));
    lines.push(String::new());
    lines.extend(why.outcome.iter().cloned());
    for (process, record) in told(why) {
        lines.push(String::new());
        lines.extend(facts(process, record, style));
    }
    lines.push(String::new());
    lines.extend(waterfall(&why.hops, style));
    lines.extend(
        why.silent.iter().map(|instance| format!("{instance} didn't answer: what it remembers is missing.")),
    );
    lines.join("\n")
}

/// The records of which there is more to tell than a hop: where it came in, and where somebody had to choose.
fn told(why: &Why) -> Vec<(&Requests, &Record)> {
    let all =
        why.processes.iter().flat_map(|process| process.records.iter().map(move |record| (process, record)));
    let is_told = |record: &Record| record.kind == RecordKind::Edge || record.attempts.len() > 1;
    let mut told: Vec<_> = all.filter(|(_, record)| is_told(record)).collect();
    told.sort_by_key(|(_, record)| (record.kind, record.at));
    told
}

fn facts(process: &Requests, record: &Record, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let mut fact = |name: &str, words: String| {
        let name = if lines.is_empty() || !name.is_empty() { format!("{name:<10}") } else { " ".repeat(10) };
        lines.push(format!("  {}{words}", style.dim(name)));
    };
    let called = format!("{}.{}", record.service, record.method);
    match &record.http {
        Some(http) => {
            let route = if http.route.is_empty() {
                "no route".to_owned()
            } else {
                format!("{} → {called}", http.route)
            };
            fact("at", format!("{}: {} {}", process.seen_by, http.method, http.target));
            fact("route", route);
            let tls = if http.tls { ", over TLS" } else { "" };
            fact("from", format!("{} as {}{tls}", or_unknown(&record.from), or_unknown(&record.principal)));
        }
        None => fact("at", format!("{}, which called {called}", process.seen_by)),
    }
    if !record.limits.is_empty() {
        fact("limits", record.limits.iter().map(limit).collect::<Vec<_>>().join(", "));
    }
    if !record.cache.is_empty() {
        fact("cache", record.cache.to_lowercase());
    }
    for (at, attempt) in record.attempts.iter().enumerate() {
        fact(&format!("attempt {}", at + 1), attempt_words(attempt));
        for each in candidates(attempt) {
            fact("", each);
        }
    }
    lines
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

fn limit(limit: &LimitRecord) -> String {
    let refused = if limit.refused { ", refused" } else { "" };
    format!("{} ({} of {} left{refused})", limit.name, limit.left, limit.burst)
}

fn attempt_words(attempt: &AttemptRecord) -> String {
    let picked = match &attempt.instance {
        Some(instance) => format!("{instance}, of {} by {}", attempt.candidates_count, attempt.algorithm),
        None => format!("nobody, of {} by {}", attempt.candidates_count, attempt.algorithm),
    };
    let probe = if attempt.probe { ", to see whether it answers again" } else { "" };
    let said = if attempt.words.is_empty() { String::new() } else { format!(": {}", attempt.words) };
    format!("{picked}{probe}: {} after {}{said}", attempt.code, milliseconds(attempt.took_us))
}

/// Each instance that might have been picked; none where there was no choice and nothing to say of it.
fn candidates(attempt: &AttemptRecord) -> Vec<String> {
    let all = &attempt.candidates;
    let name = all.iter().map(|each| each.instance.len()).max().unwrap_or(0);
    let described = |each: &CandidateRecord| {
        let is_picked = attempt.instance.as_ref() == Some(&each.instance);
        let mark = if is_picked { '>' } else { ' ' };
        let state = format!("{:?}", each.state).to_lowercase();
        let how =
            if each.excluded.is_empty() { standing(each) } else { format!("not picked: {}", each.excluded) };
        format!("{mark} {:<name$}  {state:<8}  {how}", each.instance)
    };
    all.iter().map(described).collect()
}

/// By what an instance was compared with others.
fn standing(each: &CandidateRecord) -> String {
    let mut words = vec![format!("in flight {}", each.in_flight)];
    if each.mean_us > 0 {
        words.push(format!("mean {}", milliseconds(each.mean_us)));
    }
    if each.peak_us > 0 {
        words.push(format!("peak {}", milliseconds(each.peak_us)));
    }
    if each.weight != 100 {
        words.push(format!("weight {}", each.weight));
    }
    if each.share_permille < 1_000 {
        words.push(format!("slow start {} %", each.share_permille / 10));
    }
    if each.score > 0 {
        words.push(format!("score {}", each.score));
    }
    words.join(", ")
}

/// The hops, one below the other, each where it stands in time.
fn waterfall(hops: &[Hop], style: Style) -> Vec<String> {
    let whole_us = hops.iter().map(|hop| hop.after_us + hop.took_us).max().unwrap_or(0).max(1);
    let name = |hop: &Hop| {
        let place = if hop.instance.is_empty() { "(nobody)" } else { &hop.instance };
        format!("{}{place}  {}", "  ".repeat(hop.depth as usize), hop.what)
    };
    let width = hops.iter().map(|hop| name(hop).chars().count()).max().unwrap_or(0);
    let heading = format!(
        "{:<width$}  {:<bar$}  {:>10}  {:>10}",
        "WHERE",
        "WHEN",
        "AFTER",
        "TOOK",
        bar = usize::from(COLUMNS) + 2
    );
    let mut lines = vec![style.bold(heading)];
    for hop in hops {
        let bar = bar(hop, whole_us);
        let bar = if hop.code == "OK" { style.green(bar) } else { style.red(bar) };
        let (after, took) = (milliseconds(hop.after_us), milliseconds(hop.took_us));
        let mut notes = Vec::new();
        notes.extend((hop.code != "OK").then(|| hop.code.clone()));
        notes.extend(hop.ledger.as_ref().map(parts));
        let line = format!("{:<width$}  |{bar}|  {after:>10}  {took:>10}  {}", name(hop), notes.join("; "));
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// A hop's part of the whole time; at least one column.
fn bar(hop: &Hop, whole_us: u64) -> String {
    let columns = u64::from(COLUMNS);
    let column = |us: u64| us.saturating_mul(columns) / whole_us;
    let start = column(hop.after_us).min(columns - 1);
    let end = column(hop.after_us + hop.took_us).clamp(start + 1, columns);
    (0..columns).map(|at| if (start..end).contains(&at) { '=' } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use micronet_wire::network::{InstanceState, LedgerRecord};

    use super::*;

    fn hop(depth: u32, instance: &str, after_us: u64, took_us: u64) -> Hop {
        Hop {
            depth,
            instance: instance.into(),
            what: "x.y".into(),
            after_us,
            took_us,
            code: "OK".into(),
            ..Hop::default()
        }
    }

    #[test]
    fn hops_stand_where_they_were() {
        let ledger = Some(LedgerRecord { handler_us: 400, receive_queue_us: 20, ..LedgerRecord::default() });
        let failed = Hop { code: "SILENT".into(), ..hop(1, "b", 500, 500) };
        let shown = waterfall(&[hop(0, "a", 0, 1_000), Hop { ledger, ..failed }], Style::PLAIN).join("\n");
        let wanted = "\
WHERE     WHEN                                     AFTER        TOOK
a  x.y    |================================|     0.00 ms     1.00 ms
  b  x.y  |                ================|     0.50 ms     0.50 ms  SILENT; queue 0.02 ms, handler 0.40 ms";
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_bar_is_never_empty_and_never_too_long() {
        for (after_us, took_us) in [(0, 0), (1_000, 0), (999, 1), (0, 1_000), (5_000, 5_000)] {
            let bar = bar(&hop(0, "a", after_us, took_us), 1_000);
            assert!(bar.len() == 32 && bar.contains('='), "{bar:?}");
        }
    }

    #[test]
    fn candidates_say_why_they_were_not_picked() {
        let candidate = |instance: &str, excluded: &str| CandidateRecord {
            instance: instance.into(),
            state: InstanceState::Up,
            excluded: excluded.into(),
            in_flight: 2,
            mean_us: 1_500,
            weight: 100,
            share_permille: 1_000,
            ..CandidateRecord::default()
        };
        let attempt = AttemptRecord {
            instance: Some("product-2".into()),
            candidates: vec![candidate("product-1", "it was tried already"), candidate("product-2", "")],
            ..AttemptRecord::default()
        };
        assert_eq!(
            candidates(&attempt),
            [
                "  product-1  up        not picked: it was tried already",
                "> product-2  up        in flight 2, mean 1.50 ms"
            ]
        );
    }
}
