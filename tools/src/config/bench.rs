//! The configuration of `bench`.

mod serve;

use std::path::PathBuf;

pub(crate) use self::serve::BenchServeConfig;
use super::Environment;
use crate::cli::bench::{BenchFlags, BenchWhat};
use crate::error::CommandError;

/// What `bench` does.
#[derive(Debug)]
pub(crate) enum BenchCommand {
    /// Be the server that is measured.
    Serve(BenchServeConfig),
}

pub(super) fn bench(
    flags: BenchFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<BenchCommand, CommandError> {
    match flags.what {
        BenchWhat::Serve(flags) => serve::serve(flags, data, environment).map(BenchCommand::Serve),
    }
}
