//! The flags of `micronet bench`.

pub(crate) mod results;
pub(crate) mod serve;

use clap::{Args, Subcommand};

use self::results::{BenchCompareFlags, BenchShowFlags};
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
    /// Show saved results again, or as a plot, or for other tools
    #[command(after_help = results::SHOW_EXAMPLES)]
    Show(BenchShowFlags),
    /// Compare saved results with later ones
    #[command(after_help = results::COMPARE_EXAMPLES)]
    Compare(BenchCompareFlags),
}
