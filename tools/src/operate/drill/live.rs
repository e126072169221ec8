//! How a drill goes, while it goes: drawn over itself on a terminal, else a line for whatever happens.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use super::text::{seconds, state_name, title};
use crate::control::api::drills::{Drill, DrillState, MomentKind, Second};
use crate::control::drills::verdict::{milliseconds, number};
use crate::plot::sparkline;
use crate::terminal::{self, Style};

/// So many seconds are drawn: those at the end.
const SECONDS_SHOWN: usize = 48;
/// Width of the bar of a phase, in columns.
const BAR: u64 = 12;
/// Clears what is below the cursor (ECMA-48, ED).
const CLEAR_BELOW: &str = "\x1b[J";

/// The view. What was drawn is cleared when it ends.
#[derive(Debug)]
pub(super) struct Live {
    is_drawn: bool,
    style: Style,
    /// Lines that were drawn, over which the next ones are.
    lines: usize,
    /// What was told, where nothing is drawn.
    told: Vec<MomentKind>,
}

impl Live {
    /// The drill has begun.
    pub(super) fn begin(drill: &Drill) -> Self {
        let live = Self {
            is_drawn: io::stderr().is_terminal(),
            style: Style::for_stderr(),
            lines: 0,
            told: Vec::new(),
        };
        if !live.is_drawn {
            terminal::note(&title(drill));
        }
        live
    }

    /// It goes on.
    pub(super) fn show(&mut self, drill: &Drill) {
        if self.is_drawn {
            let drawn = draw(drill, self.style);
            self.clear();
            self.lines = drawn.lines().count();
            terminal::note(&drawn);
        } else {
            self.tell(drill);
        }
    }

    /// Something else is to be said.
    pub(super) fn note(&mut self, line: &str) {
        self.clear();
        terminal::note(line);
    }

    /// It is over.
    pub(super) fn end(mut self, drill: &Drill) {
        self.clear();
        if !self.is_drawn {
            self.tell(drill);
        }
    }

    fn clear(&mut self) {
        let mut out = io::stderr().lock();
        if self.lines > 0 {
            let _ = write!(out, "\x1b[{}A{CLEAR_BELOW}", self.lines).and_then(|()| out.flush());
        }
        self.lines = 0;
    }

    fn tell(&mut self, drill: &Drill) {
        for moment in drill.untold(&mut self.told) {
            terminal::note(&format!("{:>8}  {}", seconds(moment.at_ms), moment.words));
        }
    }
}

fn draw(drill: &Drill, style: Style) -> String {
    let report = &drill.report;
    let last = drill.seconds.last().cloned().unwrap_or_default();
    let shown = &drill.seconds[drill.seconds.len().saturating_sub(SECONDS_SHOWN)..];
    let line = |of: &dyn Fn(&Second) -> u64| {
        let values: Vec<u64> = shown.iter().map(of).collect();
        format!("{:<SECONDS_SHOWN$}", sparkline(&values))
    };
    let mut drawn = format!("{}\n  {}\n", style.bold(title(drill)), phases(drill, style));
    let rate = line(&|second| second.requests.into());
    let _ = writeln!(drawn, "  rate  {rate}  {}/s", number(last.requests.into()));
    let p99 = line(&|second| second.p99_us);
    let _ = writeln!(drawn, "  P99   {p99}  {}", milliseconds(last.p99_us));
    let lost = line(&|second| second.lost.into());
    let lost = if report.lost > 0 { style.red(&lost) } else { lost };
    let _ = writeln!(drawn, "  lost  {lost}  {} in all", number(report.lost));
    let seen = [("noticed", &report.detected), ("no more calls", &report.ejected)];
    let mut seen: Vec<String> = (seen.iter())
        .filter_map(|(what, noticed)| Some(format!("{what} after {} ms", noticed.as_ref()?.after_ms)))
        .collect();
    if report.retried > 0 {
        seen.push(format!("{} tried again", number(report.retried)));
    }
    let _ = write!(
        drawn,
        "  {}",
        if seen.is_empty() { "nobody noticed so far".into() } else { seen.join(" · ") }
    );
    drawn
}

/// Where it stands among its parts.
fn phases(drill: &Drill, style: Style) -> String {
    let parts = [DrillState::Baseline, DrillState::Fault, DrillState::Recovery];
    let at = parts.iter().position(|part| *part == drill.state);
    let lasts_ms = |part: DrillState| {
        u64::from(match part {
            DrillState::Fault => drill.duration_s,
            _ => drill.quiet_s,
        }) * 1_000
    };
    let shown = parts.iter().enumerate().map(|(place, part)| {
        let name = state_name(*part);
        match at {
            Some(at) if place < at => style.dim(format!("{name} done")),
            Some(at) if place == at => {
                let (left_ms, all_ms) = (drill.left_ms, lasts_ms(*part));
                let done = left_ms.map_or(0, |left_ms| BAR * all_ms.saturating_sub(left_ms) / all_ms.max(1));
                let bar: String = (0..BAR).map(|place| if place < done { '█' } else { '░' }).collect();
                let left =
                    left_ms.map_or_else(|| "until it is well".into(), |ms| format!("{} left", seconds(ms)));
                format!("{} {bar} {left}", style.bold(name))
            }
            _ => style.dim(name),
        }
    });
    shown.collect::<Vec<String>>().join(" ─ ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::drills::example::drill;

    #[test]
    fn it_is_seen_where_it_stands() {
        let mut drill = drill();
        (drill.state, drill.left_ms) = (DrillState::Fault, Some(2_500));
        let second =
            |at_s, requests, lost, p99_us| Second { at_s, requests, lost, p99_us, ..Second::default() };
        drill.seconds = vec![second(0, 200, 0, 4_000), second(1, 100, 50, 80_000)];
        drill.report.lost = 50;
        let wanted = "\
drill 1: product-2 is stalled, under 200 requests a second
  baseline done ─ fault █████████░░░ 2.5 s left ─ recovery
  rate  █▄                                                100/s
  P99   ▁█                                                80.0 ms
  lost  ▁█                                                50 in all
  noticed after 412 ms · no more calls after 1034 ms · 57 tried again";
        let drawn = draw(&drill, Style::PLAIN);
        let trimmed: Vec<&str> = drawn.lines().collect();
        for (line, wanted) in trimmed.iter().zip(wanted.lines()) {
            assert_eq!(
                line.split_whitespace().collect::<Vec<&str>>(),
                wanted.split_whitespace().collect::<Vec<&str>>()
            );
        }
        // All figures stand in one column.
        let columns = |line: &str| line.chars().take(8 + SECONDS_SHOWN).count();
        assert!(trimmed[2..5].iter().all(|line| columns(line) == 8 + SECONDS_SHOWN), "{drawn}");
    }
}
