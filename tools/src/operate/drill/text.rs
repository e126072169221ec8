//! What a drill came to, for terminals.

use std::fmt::Write;

use crate::control::api::drills::{Drill, DrillState, Drills, Grade, Phase};
use crate::control::api::faults::Noticed;
use crate::control::drills::verdict::{milliseconds, number, share};
use crate::table::{Align, Table};
use crate::terminal::Style;

/// The verdict is at most so wide, in columns.
const COLUMNS: usize = 100;

/// Drills as rows.
pub(super) fn list(drills: &Drills) -> Table {
    let mut table = Table::new(&[
        ("DRILL", Align::Right),
        ("STATE", Align::Left),
        ("LOAD", Align::Right),
        ("REQUESTS", Align::Right),
        ("LOST", Align::Right),
        ("NOTICED", Align::Right),
        ("WELL AGAIN", Align::Right),
        ("BY", Align::Left),
        ("WHAT", Align::Left),
    ]);
    for drill in &drills.drills {
        let report = &drill.report;
        table.row(vec![
            drill.id.to_string(),
            outcome(drill).to_owned(),
            format!("{}/s", drill.load_per_s),
            number(report.requests),
            number(report.lost),
            ms(report.detected.as_ref().map(|noticed| noticed.after_ms)),
            ms(report.recovered_after_ms),
            drill.who.clone(),
            drill.what.clone(),
        ]);
    }
    table
}

/// How a drill went, or where it stands, in a word.
pub(super) fn outcome(drill: &Drill) -> &'static str {
    match (drill.state, drill.report.grade) {
        (DrillState::Done, Grade::Held) => "held",
        (DrillState::Done, Grade::Bent) => "bent",
        (DrillState::Done, _) => "broke",
        (state, _) => state_name(state),
    }
}

/// Where a drill stands, in a word.
pub(super) fn state_name(state: DrillState) -> &'static str {
    match state {
        DrillState::Preparing => "preparing",
        DrillState::Baseline => "baseline",
        DrillState::Fault => "fault",
        DrillState::Recovery => "recovery",
        DrillState::Done => "done",
        DrillState::Aborted => "aborted",
        DrillState::Failed => "failed",
        DrillState::Unknown => "unknown",
    }
}

/// The parts of a drill, with their names.
pub(super) fn phases(drill: &Drill) -> [(&'static str, &Phase); 3] {
    let report = &drill.report;
    [("before", &report.before), ("during", &report.during), ("after", &report.after)]
}

/// What was seen and what it cost, with a name each.
pub(super) fn facts(drill: &Drill) -> Vec<(&'static str, String)> {
    let report = &drill.report;
    let noticed = |noticed: &Option<Noticed>| match noticed {
        Some(Noticed { by, instance, after_ms, state, reason }) => {
            format!("after {after_ms} ms: {by} saw {instance} as {state} ({reason})")
        }
        None => "no".to_owned(),
    };
    let lost = match (report.lost, &*report.lost_by_kind) {
        (0, _) => "none".to_owned(),
        (lost, kinds) => {
            let kinds: Vec<String> =
                kinds.iter().map(|lost| format!("{} {}", number(lost.count), lost.kind)).collect();
            format!(
                "{} of {} ({}): {}",
                number(lost),
                number(report.requests),
                share(lost, report.requests),
                kinds.join(", ")
            )
        }
    };
    let well = match report.recovered_after_ms {
        Some(_) if report.detected.is_none() => "it never was otherwise".to_owned(),
        Some(ms) => format!("after {ms} ms"),
        None => "not so far".to_owned(),
    };
    vec![
        ("noticed", noticed(&report.detected)),
        ("no more calls", noticed(&report.ejected)),
        ("lost", lost),
        ("tried again", number(report.retried)),
        ("well again", well),
    ]
}

/// The whole report.
pub(super) fn report(drill: &Drill, style: Style) -> String {
    let mut text = format!("{}\n", style.bold(title(drill)));
    let verdict = &wrapped(&drill.report.verdict);
    let verdict = match drill.report.grade {
        Grade::Held => style.green(verdict),
        Grade::Broke => style.red(verdict),
        _ => verdict.clone(),
    };
    let _ = writeln!(text, "{verdict}\n");
    let _ = writeln!(text, "{}\n", table_of_phases(drill).draw(style));
    for (name, words) in facts(drill) {
        let _ = writeln!(text, "{name:<15}{words}");
    }
    let mut routes =
        Table::new(&[("ROUTE", Align::Left), ("REQUESTS", Align::Right), ("LOST", Align::Right)]);
    for route in &drill.report.routes {
        routes.row(vec![route.route.clone(), number(route.requests), number(route.lost)]);
    }
    let _ = write!(text, "\n{}", routes.draw(style));
    text
}

/// A text in lines that a terminal shows whole.
fn wrapped(text: &str) -> String {
    let (mut lines, mut column) = (String::new(), 0);
    for word in text.split(' ') {
        let width = word.chars().count();
        let fits = column + 1 + width <= COLUMNS;
        match (column, fits) {
            (0, _) => {}
            (_, true) => lines.push(' '),
            (_, false) => lines.push('\n'),
        }
        column = if fits && column > 0 { column + 1 + width } else { width };
        lines.push_str(word);
    }
    lines
}

/// What was done, in a line.
pub(super) fn title(drill: &Drill) -> String {
    format!("drill {}: {}, under {} requests a second", drill.id, drill.what, number(drill.load_per_s.into()))
}

fn table_of_phases(drill: &Drill) -> Table {
    let right = |name| (name, Align::Right);
    let mut table = Table::new(&[
        ("PHASE", Align::Left),
        right("LASTED"),
        right("REQUESTS"),
        right("LOST"),
        right("P50"),
        right("P95"),
        right("P99"),
        right("MAX"),
    ]);
    for (name, phase) in phases(drill) {
        let mut row =
            vec![name.to_owned(), seconds(phase.lasted_ms), number(phase.requests), number(phase.lost)];
        row.extend([phase.p50_us, phase.p95_us, phase.p99_us, phase.max_us].map(milliseconds));
        table.row(row);
    }
    table
}

/// A time, in seconds with a digit.
pub(super) fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

fn ms(ms: Option<u64>) -> String {
    ms.map_or_else(|| "-".into(), |ms| format!("{ms} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::api::drills::{Lost, Route};
    use crate::control::drills::example::drill;

    #[test]
    fn a_report_is_aligned_and_complete() {
        let mut drill = drill();
        drill.report.lost = 3;
        drill.report.lost_by_kind = vec![Lost { kind: "503 UNAVAILABLE".into(), count: 3 }];
        drill.report.grade = Grade::Bent;
        drill.report.verdict = "Bent.".into();
        drill.report.routes =
            vec![Route { route: "GET /a".into(), requests: 4_000, lost: 3, ..Route::default() }];
        let wanted = "\
drill 1: product-2 is stalled, under 200 requests a second
Bent.

PHASE   LASTED  REQUESTS  LOST     P50     P95      P99     MAX
before   0.0 s     1,000     0  0.0 ms  0.0 ms   4.1 ms  0.0 ms
during   0.0 s     2,000     0  0.0 ms  0.0 ms  87.4 ms  0.0 ms
after    0.0 s     1,000     0  0.0 ms  0.0 ms   4.3 ms  0.0 ms

noticed        after 412 ms: gateway-1 saw product-2 as suspect (no answer to a heartbeat)
no more calls  after 1034 ms: gateway-1 saw product-2 as down (no answer to a heartbeat)
lost           3 of 4,000 (under 0.1 %): 3 503 UNAVAILABLE
tried again    57
well again     after 212 ms

ROUTE   REQUESTS  LOST
GET /a     4,000     3";
        assert_eq!(report(&drill, Style::PLAIN), wanted);
    }

    #[test]
    fn a_verdict_is_wrapped_between_words() {
        let text = "word ".repeat(50).trim_end().to_owned();
        let lines = wrapped(&text);
        assert_eq!(lines.replace('\n', " "), text);
        assert!(lines.lines().all(|line| line.len() <= COLUMNS) && lines.lines().count() == 3, "{lines}");
        assert_eq!((wrapped(""), wrapped("a")), (String::new(), "a".into()));
    }

    #[test]
    fn drills_are_rows() {
        let mut aborted = drill();
        aborted.state = DrillState::Aborted;
        aborted.report.detected = None;
        let listed = list(&Drills { drills: vec![drill(), aborted] }).draw(Style::PLAIN);
        let rows: Vec<&str> = listed.lines().collect();
        assert_eq!(
            rows[1],
            "    1  broke    200/s     4,000     0   412 ms      212 ms  operator  product-2 is stalled"
        );
        assert!(rows[2].starts_with("    1  aborted  200/s     4,000     0        -"), "{listed}");
    }
}
