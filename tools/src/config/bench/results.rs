//! The configuration of `bench show` and `bench compare`, and where results go.

use std::path::PathBuf;

use crate::cli::bench::results::{BenchCompareFlags, BenchShowFlags, OutputFlags};
use crate::error::CommandError;

/// Where results go, besides or instead of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BenchOutputs {
    /// As JSON on stdout, instead of the table.
    pub(crate) json: bool,
    /// To be read again.
    pub(crate) save: Option<PathBuf>,
    /// Drawn.
    pub(crate) plot: Option<Plot>,
    /// As a percentile distribution.
    pub(crate) hgrm: Option<PathBuf>,
    /// As a log of histograms.
    pub(crate) hlog: Option<PathBuf>,
}

/// A drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plot {
    /// With tables beside.
    Html(PathBuf),
    /// Alone.
    Svg(PathBuf),
}

/// Results that are shown again.
#[derive(Debug)]
pub(crate) struct BenchShowConfig {
    /// The file.
    pub(crate) file: PathBuf,
    /// Where they go.
    pub(crate) outputs: BenchOutputs,
}

/// Results that are compared.
#[derive(Debug)]
pub(crate) struct BenchCompareConfig {
    /// The earlier.
    pub(crate) old: PathBuf,
    /// The later.
    pub(crate) new: PathBuf,
    /// By which share the later may be slower.
    pub(crate) threshold: f64,
    /// Whether it is told as JSON.
    pub(crate) json: bool,
}

/// Where results go. Files are looked at now: after a measurement it would be too late.
pub(super) fn outputs(flags: OutputFlags) -> Result<BenchOutputs, CommandError> {
    let OutputFlags { json, save, plot, hgrm, hlog } = flags;
    for path in [&save, &plot, &hgrm, &hlog].into_iter().flatten() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(CommandError::usage(format!("there is no folder {}", folder.display()))
                .next("make it, or name a file elsewhere"));
        }
    }
    Ok(BenchOutputs { json, save, plot: plot.map(drawing).transpose()?, hgrm, hlog })
}

fn drawing(path: PathBuf) -> Result<Plot, CommandError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => Ok(Plot::Html(path)),
        Some("svg") => Ok(Plot::Svg(path)),
        _ => Err(CommandError::usage(format!("{} is neither .html nor .svg", path.display()))
            .next("name a file that ends in .html for a page with tables, or in .svg for the plots alone")),
    }
}

pub(super) fn show(flags: BenchShowFlags) -> Result<BenchShowConfig, CommandError> {
    Ok(BenchShowConfig { file: flags.file, outputs: outputs(flags.outputs)? })
}

pub(super) fn compare(flags: BenchCompareFlags) -> BenchCompareConfig {
    let BenchCompareFlags { old, new, threshold, json } = flags;
    BenchCompareConfig { old, new, threshold, json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_are_told_apart_by_their_names() {
        let read = |plot: &str| {
            outputs(OutputFlags { plot: Some(plot.into()), ..OutputFlags::default() })
                .map(|outputs| outputs.plot)
        };
        assert_eq!(read("a.html"), Ok(Some(Plot::Html("a.html".into()))));
        assert_eq!(read("a.b.svg"), Ok(Some(Plot::Svg("a.b.svg".into()))));
        for wrong in ["a.png", "svg", "no such folder/a.svg"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
