//! Saved results: written, read again, shown, and compared with later ones.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::comparison::Comparison;
use super::model::{FORMAT, Results, Run};
use super::{deliver, json as as_json, text};
use crate::config::{BenchCompareConfig, BenchShowConfig};
use crate::error::CommandError;
use crate::terminal::{self, Style};

/// The file.
pub(super) fn encode(results: &Results) -> Result<String, CommandError> {
    serde_json::to_string(results)
        .map(|json| json + "\n")
        .map_err(|error| CommandError::new(format!("the results can't be written: {error}")))
}

/// Reads a file of `--save` or of `--json`.
pub(crate) fn read(path: &Path) -> Result<Results, CommandError> {
    let failed = |what: String| {
        // Not the exit code of what is worse.
        CommandError::usage(format!("{}: {what}", path.display()))
            .next("name a file that `micronet bench … --save FILE` wrote")
    };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let json: Value =
        serde_json::from_str(&text).map_err(|error| failed(format!("it is no JSON: {error}")))?;
    match json.get("format").and_then(Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(format) => {
            return Err(failed(format!("its format is {format}, and this program reads {FORMAT}")));
        }
        None => return Err(failed("it holds no results of bench".into())),
    }
    let results: Results =
        serde_json::from_value(json).map_err(|error| failed(format!("it can't be read: {error}")))?;
    if results.runs.is_empty() || results.runs.iter().any(|run| run.repetitions.is_empty()) {
        return Err(failed("nothing was measured".into()));
    }
    Ok(results)
}

/// `bench show FILE`.
pub(crate) fn show(config: &BenchShowConfig) -> Result<ExitCode, CommandError> {
    deliver(&read(&config.file)?, &config.outputs)?;
    Ok(ExitCode::SUCCESS)
}

/// `bench compare OLD NEW`: exit code 1 where the new results are worse by more than the threshold and beyond the ranges.
pub(crate) fn compare(config: &BenchCompareConfig) -> Result<ExitCode, CommandError> {
    let (old, new) = (read(&config.old)?, read(&config.new)?);
    let pairs = pairs(&old, &new)?;
    let mut parts = Vec::new();
    let mut objects = Vec::new();
    let style = Style::for_stdout();
    let mut is_worse = false;
    for (old, new) in pairs {
        let comparison = Comparison::over_time(old, new);
        let worse = comparison.worse(config.threshold);
        is_worse |= !worse.is_empty();
        if config.json {
            let mut object = as_json::comparison(&comparison);
            object["old"] = json!(old.target);
            object["new"] = json!(new.target);
            object["worse"] = json!(worse);
            objects.push(object);
        } else {
            parts.push(written(old, new, &comparison, &worse, config.threshold, style));
        }
    }
    let said = if config.json {
        json!({ "format": FORMAT, "threshold": config.threshold, "comparisons": objects, "worse": is_worse })
            .to_string()
    } else {
        parts.join("\n\n")
    };
    terminal::say(&said);
    Ok(if is_worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is compared with what: runs of the same target, or else by their places.
fn pairs<'r>(old: &'r Results, new: &'r Results) -> Result<Vec<(&'r Run, &'r Run)>, CommandError> {
    if old.runs.len() != new.runs.len() {
        return Err(CommandError::usage(format!(
            "one file holds {} and the other {} runs: there is no saying what belongs together",
            old.runs.len(),
            new.runs.len()
        )));
    }
    let same = |one: &Run, other: &Run| (one.kind, &one.target) == (other.kind, &other.target);
    let by_place = || old.runs.iter().zip(&new.runs);
    if by_place().all(|(one, other)| same(one, other)) {
        return Ok(by_place().collect());
    }
    let by_target: Option<Vec<_>> =
        old.runs.iter().map(|one| Some((one, new.runs.iter().find(|other| same(one, other))?))).collect();
    Ok(by_target.unwrap_or_else(|| by_place().collect()))
}

fn written(
    old: &Run,
    new: &Run,
    comparison: &Comparison,
    worse: &[String],
    threshold: f64,
    style: Style,
) -> String {
    let mut parts =
        vec![text::heading(&[("OLD", old), ("NEW", new)], style), text::comparison(comparison, style)];
    if !comparison.differences.is_empty() {
        let lines = comparison.differences.iter().map(|difference| format!("\n  {difference}"));
        parts.push(style.red(format!("They were not measured alike:{}", lines.collect::<String>())));
    }
    if comparison.is_of_one() {
        parts.push("One of them was measured once: how far its numbers vary is not known.".to_owned());
    }
    let percent = (threshold * 1_000.0).round() / 10.0;
    parts.push(match worse {
        [] => style.green(format!("Not slower by more than {percent} % and the ranges.")),
        worse => style.red(format!("Worse: {}.", worse.join("; "))),
    });
    parts.join("\n\n")
}
