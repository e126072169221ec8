//! Results as aligned tables.

use std::cmp::Ordering;

use super::comparison::{Compared, Comparison};
use super::figures::{ERRORS, Figure, MEMORY, THROUGHPUT, figures};
use super::model::{Load, Results, Run};
use super::words;
use crate::table::{Align, Table};
use crate::terminal::Style;

/// All that people want to know of results.
pub(crate) fn text(results: &Results, style: Style) -> String {
    let mut parts = Vec::new();
    match results.runs.as_slice() {
        [first, second] => {
            parts.push(heading(&[("A", first), ("B", second)], style));
            parts.push(comparison(&Comparison::in_turns(first, second), style));
            parts.push(style.dim("B/A is the median of the repetitions' own ratios; in brackets the least and the greatest of them."));
        }
        runs => {
            for run in runs {
                parts.push(heading(&[("", run)], style));
                parts.push(single(run, style));
            }
        }
    }
    parts.extend(results.runs.iter().filter_map(behind).map(|line| style.red(line)));
    if let Some(run) = results.runs.first() {
        parts.push(style.dim(format!("on {}", run.machine)));
        if run.machine.is_debug_build() {
            parts.push(
                style.red(
                    "This is a debug build, which is many times as slow: build with --release to measure.",
                ),
            );
        }
    }
    parts.join("\n\n")
}

/// What was measured, and how.
pub(super) fn heading(runs: &[(&str, &Run)], style: Style) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (name, run) in runs {
        let line = format!("{name}{}{}", if name.is_empty() { "" } else { "  " }, words::target(run));
        lines.push(style.bold(line));
    }
    let mut settings: Vec<String> = runs.iter().map(|(_, run)| words::settings(run)).collect();
    settings.dedup();
    lines.extend(settings);
    lines.join("\n")
}

/// The table of one run.
fn single(run: &Run, style: Style) -> String {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("", Align::Left),
        ("MEDIAN", Align::Right),
        ("RANGE", Align::Right),
    ]);
    let mut tones = Vec::new();
    let mut group = "";
    for figure in figures(run).iter().filter(|figure| is_shown(figure)) {
        let Some(spread) = figure.spread() else { continue };
        let first = if figure.group == group { "" } else { figure.group };
        group = figure.group;
        table.row(vec![
            first.to_owned(),
            figure.name.clone(),
            words::number(spread.median, figure.unit),
            words::range(&spread, figure.unit),
        ]);
        tones.push(if figure.group == ERRORS && spread.max > 0.0 { Ordering::Less } else { Ordering::Equal });
    }
    painted(&table.draw(style), &tones, style)
}

/// The table of two runs, and what is to be said besides.
pub(super) fn comparison(comparison: &Comparison, style: Style) -> String {
    let [first, second, ratio] = comparison.names;
    let mut table = Table::new(&[
        ("", Align::Left),
        ("", Align::Left),
        (first, Align::Right),
        (second, Align::Right),
        (ratio, Align::Right),
        ("", Align::Left),
        ("", Align::Left),
    ]);
    let mut tones = Vec::new();
    let mut group = "";
    for compared in comparison.figures.iter().filter(|compared| is_shown(compared.shown())) {
        let Compared { first, second, ratio } = compared;
        let shown = compared.shown();
        let cell = |figure: &Option<Figure>| {
            let spread = figure.as_ref().and_then(Figure::spread);
            spread.map_or_else(|| "-".to_owned(), |spread| words::number(spread.median, shown.unit))
        };
        let label = if shown.group == group { "" } else { shown.group };
        group = shown.group;
        let (value, range, remark) = ratio.as_ref().map_or_else(Default::default, |ratio| {
            let range = match ratio.spread.count {
                1 => String::new(),
                _ => format!("[{} to {}]", words::ratio(ratio.spread.min), words::ratio(ratio.spread.max)),
            };
            (words::ratio(ratio.spread.median), range, words::remark(ratio))
        });
        table.row(vec![
            label.to_owned(),
            shown.name.clone(),
            cell(first),
            cell(second),
            value,
            range,
            remark.to_owned(),
        ]);
        tones.push(compared.tone());
    }
    painted(&table.draw(style), &tones, style)
}

/// Memory and bytes are for programs and for the page.
fn is_shown(figure: &Figure) -> bool {
    figure.group != MEMORY && (figure.group != THROUGHPUT || figure.name.is_empty())
}

/// Rows in red that are worse or failed, in green that are better.
fn painted(drawn: &str, tones: &[Ordering], style: Style) -> String {
    let mut lines = drawn.lines();
    let heading = lines.next().map(str::to_owned);
    let rows = lines.zip(tones).map(|(line, tone)| match tone {
        Ordering::Less => style.red(line),
        Ordering::Equal => line.to_owned(),
        Ordering::Greater => style.green(line),
    });
    heading.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// An open loop that has not kept its rate says nothing of how the target does at this rate.
fn behind(run: &Run) -> Option<String> {
    let Load::Open { rate_per_s } = run.settings.load else { return None };
    let ended = |each: &super::model::Repetition| each.requests as f64 / each.seconds.max(f64::MIN_POSITIVE);
    let least = run.repetitions.iter().map(ended).reduce(f64::min)?;
    (least < 0.99 * rate_per_s).then(|| {
        format!(
            "{}: {:.0} of {rate_per_s:.0} requests a second came to an end: it, or this program, could not keep up, and the \
             latencies grow as long as it is loaded",
            run.target, least
        )
    })
}
