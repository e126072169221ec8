//! The flags of `micronet bench show` and `compare`, and those by which every measurement says where its results go.

use std::path::PathBuf;

use clap::Args;

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  micronet bench rpc --save today.json
  micronet bench show today.json
  micronet bench show today.json --plot today.html --hlog today.hlog";

pub(super) const COMPARE_EXAMPLES: &str = "\
Examples:
  micronet bench rpc --save old.json      …change something, and then
  micronet bench rpc --save new.json
  micronet bench compare old.json new.json
  micronet bench compare old.json new.json --threshold 5%

The exit code is 1 when the new results are worse: when throughput, P50, P90,
P99 or the processor time a request is off by more than the threshold, and the
ranges of the repetitions don't overlap; or when more than one request of a
thousand fails that did not before. It is 2 when a file can't be read, or holds
no results. What differs about the two machines or settings is pointed out. What
ran at different times was disturbed by different things: two targets that can
run now are better compared in turns, by --compare.";

/// Where results go.
#[derive(Debug, Default, Args)]
pub(crate) struct OutputFlags {
    /// Print all that was measured as JSON, instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the results in this file, for `bench show` and `bench compare`
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Draw percentiles, throughput and latency over time: FILE.html with tables beside, or FILE.svg
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Write the percentile distribution as HdrHistogram's plotters read it, in ms
    #[arg(long, value_name = "FILE")]
    pub(crate) hgrm: Option<PathBuf>,
    /// Write the histogram of each second as a log of HdrHistogram, version 2
    #[arg(long, value_name = "FILE")]
    pub(crate) hlog: Option<PathBuf>,
}

/// The flags of `bench show`.
#[derive(Debug, Args)]
pub(crate) struct BenchShowFlags {
    /// What --save wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) outputs: OutputFlags,
}

/// The flags of `bench compare`.
#[derive(Debug, Args)]
pub(crate) struct BenchCompareFlags {
    /// The earlier results
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The later ones
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// By how much the new ones may be slower, as 10%
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub(crate) threshold: f64,
    /// Print the comparison as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Reads `10%` or `10` as 0.1.
fn percent(text: &str) -> Result<f64, String> {
    let percent: Option<f64> = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
    percent
        .filter(|percent| (0.0..=1_000.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "a threshold is from 0 to 1000 percent, as 10%".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_percentages() {
        let check = |text: &str, wanted: Option<f64>| assert_eq!(percent(text).ok(), wanted, "{text:?}");
        check("10%", Some(0.1));
        check("0", Some(0.0));
        check("12.5 %", Some(0.125));
        for text in ["", "%", "-1%", "1001", "nan", "x"] {
            check(text, None);
        }
    }
}
