//! Latencies in the files of other tools: the percentile distribution (`.hgrm`) and the interval log (`.hlog`, version 2) of
//! HdrHistogram (<https://hdrhistogram.org>). Values are in milliseconds where people read them.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::latencies::Latencies;
use super::model::{Results, Run};
use super::words;
use crate::error::CommandError;

/// Rows of the distribution for each halving of what is left, as HdrHistogram's own tools write it.
const TICKS_PER_HALF: u32 = 5;
/// Nanoseconds of a millisecond.
const NS_PER_MS: f64 = 1e6;

/// The latencies of all repetitions together.
pub(crate) fn merged(run: &Run) -> Latencies {
    let mut merged = Latencies::new();
    for repetition in &run.repetitions {
        merged.add(&repetition.latencies);
    }
    merged
}

/// The percentile distribution of all repetitions of a run, as HdrHistogram's `outputPercentileDistribution` writes it.
pub(crate) fn hgrm(run: &Run) -> String {
    let latencies = merged(run);
    let histogram = latencies.histogram();
    let mut text =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for row in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += row.count_since_last_iteration();
        let (ms, quantile) = (row.value_iterated_to() as f64 / NS_PER_MS, row.quantile_iterated_to());
        let _ = write!(text, "{ms:>12.6} {quantile:.12} {total:>10}");
        let _ =
            if quantile < 1.0 { writeln!(text, " {:>14.2}", 1.0 / (1.0 - quantile)) } else { writeln!(text) };
    }
    let ms = |ns: f64| ns / NS_PER_MS;
    let _ = writeln!(
        text,
        "#[Mean    = {:>12.6}, StdDeviation   = {:>12.6}]\n#[Max     = {:>12.6}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]",
        ms(histogram.mean()),
        ms(histogram.stdev()),
        ms(histogram.max() as f64),
        histogram.len(),
        histogram.buckets(),
        2_048
    );
    text
}

/// All intervals of all runs, as HdrHistogram's log readers take them. The second of two runs, which took turns, has the tag `B`,
/// the first `A`.
///
/// # Errors
/// What the format can't hold.
pub(crate) fn hlog(results: &Results) -> Result<Vec<u8>, CommandError> {
    let failed = |error: String| CommandError::new(format!("the log can't be written: {error}"));
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let started = results.runs.iter().map(|run| run.started_unix_us).min().unwrap_or_default();
    let began = UNIX_EPOCH + Duration::from_micros(started);
    let mut head = IntervalLogWriterBuilder::new();
    head.add_comment("[Histogram log format version 1.3]").add_comment(&format!("[{}]", results.program));
    for (run, tag) in results.runs.iter().zip(tags(results)) {
        let tag = tag.map(|tag| format!("{tag}: ")).unwrap_or_default();
        head.add_comment(&format!("[{tag}{}; {}]", words::target(run), words::settings(run)));
    }
    head.with_start_time(began).with_base_time(began).with_max_value_divisor(NS_PER_MS);
    let mut writer =
        head.begin_log_with(&mut log, &mut serializer).map_err(|error| failed(error.to_string()))?;
    let mut lines: Vec<(f64, f64, &Latencies, Option<Tag<'static>>)> = Vec::new();
    for (run, tag) in results.runs.iter().zip(tags(results)) {
        let tag = tag.and_then(Tag::new);
        for (began_s, repetition) in beginnings(run, results.runs.len()).zip(&run.repetitions) {
            for interval in &repetition.intervals {
                lines.push((began_s + interval.from_s, interval.seconds, &interval.latencies, tag));
            }
        }
    }
    lines.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (from_s, seconds, latencies, tag) in lines {
        let (from, lasted) =
            (Duration::from_secs_f64(from_s.max(0.0)), Duration::from_secs_f64(seconds.max(0.0)));
        writer
            .write_histogram(latencies.histogram(), from, lasted, tag)
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(log)
}

fn tags(results: &Results) -> impl Iterator<Item = Option<&'static str>> {
    let is_pair = results.runs.len() == 2;
    ["A", "B"].into_iter().map(move |tag| is_pair.then_some(tag)).chain(std::iter::repeat(None))
}

/// When each repetition began, in seconds since the run did: each comes after its warm-up, and after the turns of others.
fn beginnings(run: &Run, turns: usize) -> impl Iterator<Item = f64> {
    let (warm_up_s, turns) = (run.settings.warm_up_s, u32::try_from(turns).unwrap_or(1));
    let mut next_s = 0.0;
    run.repetitions.iter().map(move |repetition| {
        let began_s = next_s + warm_up_s;
        next_s += f64::from(turns) * (warm_up_s + repetition.seconds);
        began_s
    })
}
