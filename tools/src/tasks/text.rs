//! What a process is doing, as text.

use std::time::Duration;

use micronet_wire::network::{RecordKind, Tasks, UnderWay, Wait};

use crate::load::report::duration;
use crate::table::{Align, Table};
use crate::terminal::Style;

/// Of the requests that are under way, so many are shown.
const SHOWN: usize = 20;

/// What was seen the second time, with what happened since the first.
pub(super) fn text(before: &Tasks, seen: &Tasks, style: Style) -> String {
    let mut parts = vec![title(before, seen, style), kinds(before, seen, style)];
    parts.push(under_way(seen, style));
    if !seen.waits.is_empty() {
        parts.push(waits(seen, style));
    }
    parts.join("\n\n")
}

/// How often something happens in a second.
fn per_second(before: u64, seen: u64, us: u64) -> u64 {
    seen.saturating_sub(before) * 1_000_000 / us.max(1)
}

/// The time from one look to the other, in microseconds.
fn apart_us(before: &Tasks, seen: &Tasks) -> u64 {
    u64::try_from(seen.at.0.saturating_sub(before.at.0)).unwrap_or(0)
}

fn title(before: &Tasks, seen: &Tasks, style: Style) -> String {
    let (past, now, us) = (&before.runtime, &seen.runtime, apart_us(before, seen));
    let busy_permille = per_second(past.busy_us, now.busy_us, us) / 1_000;
    format!(
        "{}, process {}: {} tasks, {} threads\nbusy {}.{} % of the time, asleep {} times/s, {} tasks woken by others and not run yet, timers up to {} late",
        style.bold(&seen.instance),
        seen.pid,
        now.tasks,
        now.threads,
        busy_permille / 10,
        busy_permille % 10,
        per_second(past.parks, now.parks, us),
        now.queued,
        span(now.lag_us.into()),
    )
}

fn kinds(before: &Tasks, seen: &Tasks, style: Style) -> String {
    let mut table = Table::new(&[
        ("TASKS", Align::Right),
        ("BEGUN", Align::Right),
        ("POLLS/S", Align::Right),
        ("FOR", Align::Left),
    ]);
    let us = apart_us(before, seen);
    let mut kinds: Vec<_> = seen.kinds.iter().filter(|kind| kind.tasks > 0).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.tasks));
    for kind in kinds {
        let past = before.kinds.iter().find(|past| past.name == kind.name).map_or(0, |past| past.polls);
        let polls = per_second(past, kind.polls, us);
        table.row(vec![kind.tasks.to_string(), kind.begun.to_string(), polls.to_string(), kind.name.clone()]);
    }
    let own: u64 = seen.kinds.iter().map(|kind| kind.tasks).sum();
    let others = seen.runtime.tasks.saturating_sub(own);
    if others > 0 {
        table.row(vec![others.to_string(), "-".into(), "-".into(), "tasks of libraries".into()]);
    }
    table.draw(style)
}

fn under_way(seen: &Tasks, style: Style) -> String {
    if seen.under_way.is_empty() {
        return "no request is under way".into();
    }
    let mut table = Table::new(&[
        ("AGE", Align::Right),
        ("UNDER WAY", Align::Left),
        ("FROM", Align::Left),
        ("WAITS FOR", Align::Left),
        ("REQUEST", Align::Left),
    ]);
    for each in seen.under_way.iter().take(SHOWN) {
        let waits = match &*each.waits_for {
            "" => String::new(),
            instance => format!("{instance}, {}", span(each.waits_us)),
        };
        table.row(vec![span(each.age_us), what(each), each.from.clone(), waits, each.request_id.clone()]);
    }
    let left = seen.under_way_count.saturating_sub(SHOWN.min(seen.under_way.len()) as u64);
    let more = if left > 0 { format!("\nand {left} that are younger") } else { String::new() };
    format!("{}{more}", table.draw(style))
}

fn what(each: &UnderWay) -> String {
    let called = format!("{}.{}", each.service, each.method);
    match each.kind {
        RecordKind::Edge if each.service.is_empty() => each.http.clone(),
        RecordKind::Edge => format!("{} → {called}", each.http),
        RecordKind::Made => format!("calls {called}"),
        RecordKind::Served | RecordKind::Unknown => format!("handles {called}"),
    }
}

/// Each place at which tasks wait as a tree of the functions that lead there.
fn waits(seen: &Tasks, style: Style) -> String {
    let mut lines = Vec::new();
    for wait in &seen.waits {
        let name = if wait.name.is_empty() { "of a library" } else { &wait.name };
        lines.push(style.bold(format!("{} × {name}", wait.tasks)));
        tree(wait, &mut lines);
    }
    if seen.waits_elsewhere > 0 {
        lines.push(format!("and {} tasks that wait elsewhere", seen.waits_elsewhere));
    }
    lines.join("\n")
}

/// The frames of all stacks, each below the one that led to it; what stacks have in common stands once.
fn tree(wait: &Wait, lines: &mut Vec<String>) {
    if wait.stacks.is_empty() {
        lines.push("  for something that isn't tokio's".into());
    }
    let mut above: &[String] = &[];
    for stack in &wait.stacks {
        let common = stack.frames.iter().zip(above).take_while(|(frame, other)| frame == other).count();
        for (depth, frame) in stack.frames.iter().enumerate().skip(common) {
            lines.push(format!("{}{frame}", "  ".repeat(depth + 1)));
        }
        above = &stack.frames;
    }
}

fn span(us: u64) -> String {
    duration(Duration::from_micros(us))
}

#[cfg(test)]
mod tests {
    use micronet_wire::network::{Runtime, TaskKind, WaitStack};
    use micronet_wire::schema::Timestamp;

    use super::*;

    fn look(at_us: i64, busy_us: u64, polls: u64) -> Tasks {
        let kind =
            |name: &str, tasks| TaskKind { name: name.into(), tasks, begun: tasks, polls: polls * tasks };
        Tasks {
            instance: "order-1".into(),
            pid: 4711,
            at: Timestamp(at_us),
            runtime: Runtime { tasks: 6, busy_us, parks: polls, threads: 9, ..Runtime::default() },
            kinds: vec![kind("connection", 3), kind("gone", 0), kind("purge", 1)],
            ..Tasks::default()
        }
    }

    #[test]
    fn rates_are_those_between_two_looks() {
        let (before, mut seen) = (look(1_000_000, 500_000, 10), look(3_000_000, 750_000, 30));
        seen.under_way_count = 30;
        let hangs = UnderWay {
            kind: RecordKind::Served,
            age_us: 3_210_000,
            from: "gateway-1".into(),
            service: "order".into(),
            method: "place".into(),
            waits_for: "product-1".into(),
            waits_us: 45_000,
            ..UnderWay::default()
        };
        seen.under_way = vec![hangs; 25];
        let text = text(&before, &seen, Style::PLAIN);
        for line in [
            "order-1, process 4711: 6 tasks, 9 threads",
            "busy 12.5 % of the time, asleep 10 times/s, ",
            "    3      3       30  connection\n",
            "    1      1       10  purge\n",
            "    2      -        -  tasks of libraries\n",
            "3.210 s  handles order.place  gateway-1  product-1, 45.0 ms\n",
            "\nand 10 that are younger",
        ] {
            assert!(text.contains(line), "{line:?} is missing in {text}");
        }
        assert!(!text.contains("gone"), "{text}");
    }

    #[test]
    fn stacks_are_drawn_as_a_tree() {
        let stack =
            |frames: &[&str]| WaitStack { frames: frames.iter().map(|&frame| frame.to_owned()).collect() };
        let stacks = vec![stack(&["serve", "read"]), stack(&["serve", "work", "sleep"])];
        let wait = Wait { name: "connection".into(), tasks: 2, stacks };
        let elsewhere = Wait { tasks: 1, ..Wait::default() };
        let seen = Tasks { waits: vec![wait, elsewhere], waits_elsewhere: 4, ..Tasks::default() };
        assert_eq!(
            waits(&seen, Style::PLAIN),
            "2 × connection\n  serve\n    read\n    work\n      sleep\n1 × of a library\n  for something that isn't tokio's\n\
             and 4 tasks that wait elsewhere"
        );
    }
}
