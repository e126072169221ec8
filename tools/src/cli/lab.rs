//! The flags of `micronet lab`.

use clap::{Args, Subcommand};

const LOAD_HELP: &str = "\
A request to a node first waits, then computes, and then fails or is answered.
How long it waits is a distribution, cut at ten seconds; times are in us, ms or s:

  none               not at all
  fixed:3ms          always the same
  uniform:1ms..3ms   everything in the range is as likely
  exponential:2ms    its mean is given
  lognormal:4ms,0.5  its median, and the deviation of its logarithm
  pareto:4ms,2.5     its least, and the exponent of its tail

Examples:
  micronet lab load                       the load of all nodes, and their counts
  micronet lab load node-2 --slower 10    everything takes ten times as long
  micronet lab load node-2 --slower 10 --slow 20
                                          only twenty requests of a thousand do
  micronet lab load node-1 node-2 --delay lognormal:4ms,0.5 --errors 50
  micronet lab load node-3 --reset        as it was when it started

The nodes are those of the network that runs on the data folder; over HTTP each
has its load at /api/v1/load on its own port.";

/// The flags of `lab`.
#[derive(Debug, Args)]
pub(crate) struct LabFlags {
    #[command(subcommand)]
    pub(crate) action: LabAction,
}

/// What is done in the lab.
#[derive(Debug, Subcommand)]
pub(crate) enum LabAction {
    /// Show the load of the nodes, or set it
    #[command(after_help = LOAD_HELP)]
    Load(LabLoadFlags),
}

/// The flags of `lab load`.
#[derive(Debug, Args)]
pub(crate) struct LabLoadFlags {
    /// The nodes that are meant [default: all, to be shown]
    #[arg(value_name = "INSTANCE")]
    pub(crate) instances: Vec<String>,
    /// Computing for a request, in microseconds of processor time
    #[arg(long, value_name = "US", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) work: Option<u32>,
    /// Waiting for a request: one of the distributions below
    #[arg(long, value_name = "DISTRIBUTION")]
    pub(crate) delay: Option<String>,
    /// How many of a thousand requests fail
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub(crate) errors: Option<u32>,
    /// How many times as long slow requests wait and compute
    #[arg(long, value_name = "FACTOR", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) slower: Option<u32>,
    /// How many of a thousand requests are slow [at first: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub(crate) slow: Option<u32>,
    /// Errors and slowness come and go, every so many milliseconds; 0 lets them stay
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(..=3_600_000))]
    pub(crate) flap: Option<u32>,
    /// Characters of the data that /api/data answers with
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) payload: Option<u32>,
    /// What the random numbers come from: the same seed, the same waits and errors
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Begin with the load that the node started with
    #[arg(long)]
    pub(crate) reset: bool,
    /// Print the nodes as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
