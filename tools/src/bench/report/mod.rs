//! What `bench` says of what it has measured. Nothing here measures.
//!
//! [`model`] is what was measured; [`figures`] lists its figures, [`statistics`] makes a median and a range of the repetitions', and
//! [`comparison`] puts two runs side by side. [`text`], [`json`], [`html`] and [`plots`] show them, [`hdr`] writes them for other tools, and
//! [`saved`] reads them again.

mod comparison;
mod figures;
mod hdr;
mod html;
mod json;
pub(crate) mod latencies;
pub(crate) mod model;
mod plots;
mod processes;
mod saved;
mod statistics;
mod text;
mod words;

use std::fs;
use std::path::Path;

use self::model::Results;
pub(crate) use self::saved::{compare, show};
use crate::config::{BenchOutputs, Plot};
use crate::error::CommandError;
use crate::plot::figure;
use crate::terminal::{self, Style};

/// Says what was measured, and writes the files that were asked for.
///
/// # Errors
/// When a file can't be written; everything has been said then.
pub(crate) fn deliver(results: &Results, outputs: &BenchOutputs) -> Result<(), CommandError> {
    if outputs.json {
        terminal::say(&json::json(results).to_string());
    } else {
        terminal::say(&text::text(results, Style::for_stdout()));
    }
    if let Some(path) = &outputs.save {
        write(path, saved::encode(results)?.as_bytes())?;
    }
    if let Some(path) = &outputs.hgrm {
        for (run, path) in results.runs.iter().zip(paths(path, results.runs.len())) {
            write(&path, hdr::hgrm(run).as_bytes())?;
        }
    }
    if let Some(path) = &outputs.hlog {
        write(path, &hdr::hlog(results)?)?;
    }
    match &outputs.plot {
        Some(Plot::Html(path)) => write(path, html::page(results).as_bytes()),
        Some(Plot::Svg(path)) => {
            let figures: Vec<_> = plots::plots(results).into_iter().map(|(figure, _)| figure).collect();
            write(path, figure::document(&html::title(results), &figures).as_bytes())
        }
        None => Ok(()),
    }
}

/// A percentile distribution holds one run: of two, `x.hgrm` becomes `x-a.hgrm` and `x-b.hgrm`.
fn paths(path: &Path, runs: usize) -> Vec<std::path::PathBuf> {
    if runs == 1 {
        return vec![path.to_owned()];
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    let named =
        |letter| path.with_file_name(format!("{stem}-{letter}{}", extension.as_deref().unwrap_or_default()));
    vec![named("a"), named("b")]
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    fs::write(path, bytes).map_err(|error| {
        CommandError::new(format!("{} can't be written: {error}", path.display()))
            .next("the measurement is above; name a file in a folder that is there and that you may write to")
    })?;
    terminal::note(&format!("wrote {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests;
