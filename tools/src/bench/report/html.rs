//! Results as one page: plots, and beside them tables with all numbers.

use std::fmt::Write;

use micronet_wire::schema::Timestamp;

use super::comparison::Comparison;
use super::figures::{Figure, QUANTILES, figures};
use super::hdr::merged;
use super::model::{Results, Run};
use super::plots::{letter, plots};
use super::statistics::Spread;
use super::{figures::Unit, words};
use crate::instances::timestamp;
use crate::page;
use crate::plot::escaped;

/// The page.
pub(crate) fn page(results: &Results) -> String {
    let mut content = String::new();
    page::facts(&mut content, "What was measured", &facts(results));
    for (figure, caption) in plots(results) {
        page::figure(&mut content, &figure.title, &figure.svg(), &caption);
    }
    match results.runs.as_slice() {
        [first, second] => comparison(&mut content, &Comparison::in_turns(first, second)),
        runs => runs.iter().for_each(|run| single(&mut content, run)),
    }
    percentiles(&mut content, results);
    repetitions(&mut content, results);
    let _ = writeln!(content, "<footer>{}</footer>", escaped(&results.program));
    page::document(&title(results), &content)
}

/// What a page or a drawing of these results is called.
pub(crate) fn title(results: &Results) -> String {
    let targets: Vec<String> = results.runs.iter().map(words::target).collect();
    format!("bench {}", targets.join(" and "))
}

fn facts(results: &Results) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    for (place, run) in results.runs.iter().enumerate() {
        let name = if results.runs.len() == 1 { "target" } else { letter(place) };
        facts.push((name, format!("{}: {}", words::target(run), words::settings(run))));
    }
    if let Some(run) = results.runs.first() {
        let started = i64::try_from(run.started_unix_us).unwrap_or(i64::MAX);
        facts.push(("machine", run.machine.to_string()));
        facts.push(("started", timestamp(Timestamp(started))));
    }
    facts
}

fn single(content: &mut String, run: &Run) {
    let rows = figures(run).into_iter().filter_map(|figure| {
        let spread = figure.spread()?;
        let [median, range] = cells(Some(&figure), &spread);
        Some(vec![figure.group.to_owned(), figure.name, median, range])
    });
    let head = ["figure", "", "median", "range"];
    page::table(content, "Figures", &head, 2..4, &rows.collect::<Vec<_>>());
}

fn comparison(content: &mut String, comparison: &Comparison) {
    let rows =
        comparison.figures.iter().map(|compared| {
            let shown = compared.shown();
            let mut row = vec![shown.group.to_owned(), shown.name.clone()];
            for figure in [&compared.first, &compared.second] {
                let spread = figure.as_ref().and_then(Figure::spread);
                row.extend(spread.map_or_else(
                    || ["-".to_owned(), "-".to_owned()],
                    |spread| cells(figure.as_ref(), &spread),
                ));
            }
            let ratio = compared.ratio.as_ref();
            row.push(ratio.map_or_else(|| "-".to_owned(), |ratio| words::ratio(ratio.spread.median)));
            row.push(ratio.filter(|ratio| ratio.spread.count > 1).map_or_else(
                || "-".to_owned(),
                |ratio| format!("{} to {}", words::ratio(ratio.spread.min), words::ratio(ratio.spread.max)),
            ));
            row.push(ratio.map(words::remark).unwrap_or_default().to_owned());
            row
        });
    let [first, second, ratio] = comparison.names;
    let head = ["figure", "", first, "range", second, "range", ratio, "range", ""];
    page::table(content, "Figures", &head, 2..8, &rows.collect::<Vec<_>>());
}

fn cells(figure: Option<&Figure>, spread: &Spread) -> [String; 2] {
    let unit = figure.map_or(Unit::Requests, |figure| figure.unit);
    [words::number(spread.median, unit), words::range(spread, unit)]
}

/// Percentiles of all repetitions together, with how many requests are beyond.
fn percentiles(content: &mut String, results: &Results) {
    let merged: Vec<_> = results.runs.iter().map(merged).collect();
    let further = QUANTILES.into_iter().chain([("P99.999", 0.999_99)]);
    let rows: Vec<Vec<String>> = further
        .map(|(name, quantile)| {
            let mut row = vec![name.to_owned()];
            for latencies in &merged {
                let at = latencies.at(quantile);
                row.push(at.map_or_else(|| "-".to_owned(), |ns| words::number(ns as f64, Unit::Nanoseconds)));
                let beyond =
                    at.map_or(0, |ns| latencies.histogram().count_between(ns.saturating_add(1), u64::MAX));
                row.push(words::number(beyond as f64, Unit::Requests));
            }
            row
        })
        .collect();
    let mut head = vec![""];
    head.extend(results.runs.iter().enumerate().flat_map(|(place, _)| {
        if results.runs.len() == 1 { ["latency", "requests beyond"] } else { [letter(place), "beyond"] }
    }));
    let numbers = 1..head.len();
    page::table(content, "Percentiles of all repetitions together", &head, numbers, &rows);
}

fn repetitions(content: &mut String, results: &Results) {
    let mut rows = Vec::new();
    for (place, run) in results.runs.iter().enumerate() {
        for (number, each) in run.repetitions.iter().enumerate() {
            let at = |ns: Option<u64>| {
                ns.map_or_else(|| "-".to_owned(), |ns| words::number(ns as f64, Unit::Nanoseconds))
            };
            let cpu: u64 = each.cpu.iter().map(|cpu| cpu.user_us + cpu.system_us).sum();
            let target = if results.runs.len() == 1 { "" } else { letter(place) };
            rows.push(vec![
                format!("{target}{}", number + 1),
                format!("{:.2} s", each.seconds),
                words::number(each.requests as f64, Unit::Requests),
                words::number(each.failed() as f64, Unit::Requests),
                words::number(each.rate_per_s(), Unit::PerSecond),
                at(each.latencies.at(0.5)),
                at(each.latencies.at(0.99)),
                at(each.latencies.max()),
                words::number(cpu as f64 / (each.requests.max(1)) as f64, Unit::Microseconds),
            ]);
        }
    }
    let head = [
        "",
        "lasted",
        "requests",
        "errors",
        "throughput",
        "P50",
        "P99",
        "max",
        "CPU a request, all processes",
    ];
    page::table(content, "Repetitions", &head, 1..9, &rows);
}
