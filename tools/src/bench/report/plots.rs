//! The plots of results: the percentiles, and how it went over time.

use super::figures::Unit;
use super::hdr::merged;
use super::latencies::Latencies;
use super::model::{Interval, Repetition, Results, Run};
use super::words;
use crate::plot::figure::{Axis, Curve, Figure, Scale};

/// Points of a percentile curve for each further nine.
const POINTS_PER_NINE: u32 = 24;
/// Intervals that are shorter than this share of the longest are not drawn.
const INTERVAL_SHARE_MIN: f64 = 0.3;
/// The most nines that are drawn: six are one request of a million.
const NINES_MAX: u32 = 7;

/// All plots of some results, with what is to be said below each.
pub(crate) fn plots(results: &Results) -> Vec<(Figure, String)> {
    vec![
        (percentiles(results), caption_of_percentiles(results)),
        (throughput(results), over_time(results)),
        (latency(results), over_time(results)),
    ]
}

const SECONDS: Axis = Axis { label: "seconds", scale: Scale::Span, words: |seconds| rounded(seconds) };
const LATENCY: Axis = Axis { label: "", scale: Scale::Log, words: |ns| words::number(ns, Unit::Nanoseconds) };

fn percentiles(results: &Results) -> Figure {
    let mut curves = Vec::new();
    let is_alone = results.runs.len() == 1;
    for (place, run) in results.runs.iter().enumerate() {
        let name = if is_alone { "latency".to_owned() } else { name(place, run) };
        curves.push(Curve {
            name,
            class: ["a", "b"][place % 2],
            parts: vec![curve(&merged(run))],
            band: band(run),
        });
    }
    for (place, run) in results.runs.iter().enumerate() {
        let mut sent = Latencies::new();
        for latencies in run.repetitions.iter().filter_map(|each| each.uncorrected.as_ref()) {
            sent.add(latencies);
        }
        if !sent.is_empty() {
            let name =
                if is_alone { "as sent, not corrected".into() } else { format!("{} as sent", letter(place)) };
            curves.push(Curve {
                name,
                class: ["c", "d"][place % 2],
                parts: vec![curve(&sent)],
                band: Vec::new(),
            });
        }
    }
    Figure {
        title: "Latency by percentile".into(),
        x: Axis { label: "percentile", scale: Scale::Nines, words: percent },
        y: LATENCY,
        curves,
        marks: Vec::new(),
    }
}

fn caption_of_percentiles(results: &Results) -> String {
    let repeated = results.runs.iter().any(|run| run.repetitions.len() > 1);
    let band = if repeated { " Shaded: between the least and the greatest of the repetitions." } else { "" };
    format!("Of all repetitions together. Each step to the right leaves a tenth of the requests.{band}")
}

fn throughput(results: &Results) -> Figure {
    let y = Axis { label: "", scale: Scale::Linear, words: |rate| words::number(rate, Unit::PerSecond) };
    let curves = results.runs.iter().enumerate().map(|(place, run)| Curve {
        name: if results.runs.len() == 1 { "answers a second".into() } else { name(place, run) },
        class: ["a", "b"][place % 2],
        parts: in_time(results, run, |interval| Some(interval.rate_per_s())),
        band: Vec::new(),
    });
    Figure {
        title: "Throughput over time".into(),
        x: SECONDS,
        y,
        curves: curves.collect(),
        marks: boundaries(results),
    }
}

fn latency(results: &Results) -> Figure {
    let mut curves = Vec::new();
    for (place, run) in results.runs.iter().enumerate() {
        let prefix = if results.runs.len() == 1 { String::new() } else { format!("{} ", letter(place)) };
        for (at, (quantile, share)) in [("P50", 0.5), ("P99", 0.99)].into_iter().enumerate() {
            curves.push(Curve {
                name: format!("{prefix}{quantile}"),
                class: [["a", "b"], ["c", "d"]][place % 2][at],
                parts: in_time(results, run, |interval| interval.latencies.at(share).map(|ns| ns as f64)),
                band: Vec::new(),
            });
        }
    }
    Figure { title: "Latency over time".into(), x: SECONDS, y: LATENCY, curves, marks: boundaries(results) }
}

fn over_time(results: &Results) -> String {
    let turns =
        if results.runs.len() > 1 { " The two took turns, and are drawn over each other." } else { "" };
    format!("Without the warm-up. Dashed lines: from one repetition to the next.{turns}")
}

/// What a run is called beside another one.
fn name(place: usize, run: &Run) -> String {
    let target: String = run.target.chars().take(18).collect();
    let more = if run.target.chars().count() > 18 { "…" } else { "" };
    format!("{}: {target}{more}", letter(place))
}

pub(super) fn letter(place: usize) -> &'static str {
    ["A", "B"][place % 2]
}

/// A part for each repetition: what is known of its intervals, each in its middle.
fn in_time(results: &Results, run: &Run, of: impl Fn(&Interval) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
    let part = |(number, repetition): (usize, &Repetition)| {
        let began_s = beginning_s(results, number);
        let longest_s = repetition.intervals.iter().map(|interval| interval.seconds).fold(0.0, f64::max);
        // What is left at the end may be too short to say anything.
        let lasted = |interval: &&Interval| interval.seconds >= INTERVAL_SHARE_MIN * longest_s;
        let point =
            |interval: &Interval| Some((began_s + interval.from_s + interval.seconds / 2.0, of(interval)?));
        repetition.intervals.iter().filter(lasted).filter_map(point).collect()
    };
    run.repetitions.iter().enumerate().map(part).filter(|part: &Vec<_>| !part.is_empty()).collect()
}

/// When a repetition begins, if one follows the other at once.
fn beginning_s(results: &Results, number: usize) -> f64 {
    (0..number).map(|before| lasted_s(results, before)).sum()
}

fn lasted_s(results: &Results, number: usize) -> f64 {
    let lasted = results.runs.iter().filter_map(|run| run.repetitions.get(number)).map(|each| each.seconds);
    lasted.fold(0.0, f64::max)
}

fn boundaries(results: &Results) -> Vec<(f64, String)> {
    let repetitions = results.runs.iter().map(|run| run.repetitions.len()).max().unwrap_or(0);
    (1..repetitions)
        .map(|number| (beginning_s(results, number), format!("repetition {}", number + 1)))
        .collect()
}

/// Shares and the latencies there, as far as there are requests that decide it.
fn curve(latencies: &Latencies) -> Vec<(f64, f64)> {
    let at = |share: f64| Some((share, latencies.at(share)? as f64));
    shares(latencies.len()).filter_map(at).collect()
}

/// Between which values the repetitions are, where there are several.
fn band(run: &Run) -> Vec<(f64, f64, f64)> {
    let fewest = run.repetitions.iter().map(|each| each.latencies.len()).min().unwrap_or(0);
    if run.repetitions.len() < 2 {
        return Vec::new();
    }
    let at = |share: f64| {
        let values =
            || run.repetitions.iter().filter_map(|each| each.latencies.at(share)).map(|ns| ns as f64);
        Some((share, values().reduce(f64::min)?, values().reduce(f64::max)?))
    };
    shares(fewest).filter_map(at).collect()
}

/// The shares that are drawn of so many requests: beyond the last of them, one request would be drawn again and again.
fn shares(count: u64) -> impl Iterator<Item = f64> {
    let steps = (0..=NINES_MAX * POINTS_PER_NINE).map(|step| f64::from(step) / f64::from(POINTS_PER_NINE));
    let left = steps.map(|nines| 10_f64.powf(-nines));
    left.take_while(move |left| left * count as f64 >= 1.0).map(|left| 1.0 - left)
}

/// A share as a percentage, with as many nines as it has.
fn percent(share: f64) -> String {
    let text = format!("{:.6}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn rounded(seconds: f64) -> String {
    format!("{}", (seconds * 1_000.0).round() / 1_000.0)
}
