//! The configuration of `bench`.

mod results;
mod serve;

use std::path::PathBuf;

pub(crate) use self::results::{BenchCompareConfig, BenchOutputs, BenchShowConfig, Plot};
pub(crate) use self::serve::BenchServeConfig;
use super::Environment;
use crate::cli::bench::{BenchFlags, BenchWhat};
use crate::error::CommandError;

/// What `bench` does.
#[derive(Debug)]
pub(crate) enum BenchCommand {
    /// Be the server that is measured.
    Serve(BenchServeConfig),
    /// Show saved results.
    Show(BenchShowConfig),
    /// Compare saved results.
    Compare(BenchCompareConfig),
}

pub(super) fn bench(
    flags: BenchFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<BenchCommand, CommandError> {
    match flags.what {
        BenchWhat::Serve(flags) => serve::serve(flags, data, environment).map(BenchCommand::Serve),
        BenchWhat::Show(flags) => results::show(flags).map(BenchCommand::Show),
        BenchWhat::Compare(flags) => Ok(BenchCommand::Compare(results::compare(flags))),
    }
}
