//! The flags of `micronet bench`.

pub(crate) mod serve;

use clap::{Args, Subcommand};

use self::serve::BenchServeFlags;

/// The flags of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchFlags {
    #[command(subcommand)]
    pub(crate) what: BenchWhat,
}

/// What is measured, or done about it.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchWhat {
    /// Be the server that is measured
    #[command(after_help = serve::EXAMPLES)]
    Serve(BenchServeFlags),
}
