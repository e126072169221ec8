//! The flags of `micronet lab`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use micronet_transport::balance::Algorithm;

use crate::lab::compare::scenario::Scenario;

const LOAD_HELP: &str = "\
A request to a node first waits, then computes, and then fails or is answered.
How long it waits is a distribution, cut at five seconds; times are in us, ms or s:

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

const COMPARE_HELP: &str = "\
Requests are due by a schedule, whoever still waits for an answer (an open loop),
and latencies count from then. In a round every algorithm gets the same arrivals
and the same waits of the nodes; rounds repeat it, so that whatever else the
machine does hits all algorithms. Clients have addresses of 127.0.0.0/8, each its
own, so that ip_hash tells them apart. At the end the gateway and the nodes are
set as they were before.

Examples:
  micronet lab compare                    the network that runs, else one of its own
  micronet lab compare --own --scenario flapping --rounds 4
  micronet lab compare --algorithms round_robin,p2c_ewma --rate 500 --duration 20
  micronet lab compare --svg latency.svg --json

The exit code is 0 when all was measured, also when requests failed, 1 when
nobody answered any more, and 130 when Ctrl-C stopped it.";

/// The flags of `lab`.
#[derive(Debug, Args)]
pub(crate) struct LabFlags {
    #[command(subcommand)]
    pub(crate) action: LabAction,
}

/// What is done in the lab.
#[derive(Debug, Subcommand)]
pub(crate) enum LabAction {
    /// Measure all balancing algorithms on the same load
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareFlags),
    /// Show the load of the nodes, or set it
    #[command(after_help = LOAD_HELP)]
    Load(LabLoadFlags),
}

/// The flags of `lab compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareFlags {
    /// How the nodes do: even (all alike), one-slow (the second ten times slower), varying (each twice as slow as the one
    /// before), failing (the second fails a fifth), flapping (the second ten times slower, every other second)
    #[arg(long, value_name = "NAME", default_value = "one-slow", hide_possible_values = true, value_parser = scenario())]
    pub(crate) scenario: Scenario,
    /// Which algorithms, one after the other [default: all]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = algorithm())]
    pub(crate) algorithms: Vec<Algorithm>,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// For how long each algorithm is measured in a round, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) duration: Duration,
    /// For how long each runs before that, in seconds [default: 2, and 12 for adaptive, which measures before it chooses]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) warm_up: Option<Duration>,
    /// How often all algorithms have their turn
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rounds: u32,
    /// Clients, each with a connection and an address of its own: so many requests can be under way
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) clients: u16,
    /// What arrivals and waits come from: the same seed, the same load
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Compare in a lab of its own on free ports, also where a network runs
    #[arg(long)]
    pub(crate) own: bool,
    /// Draw the latencies to this file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) svg: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn scenario() -> impl TypedValueParser<Value = Scenario> {
    PossibleValuesParser::new(Scenario::ALL.map(Scenario::name)).try_map(|name| name.parse::<Scenario>())
}

fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name)).try_map(|name| name.parse::<Algorithm>())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if !(0.1..=3_600.0).contains(&number) {
        return Err("write a number of seconds from 0.1 to 3600".into());
    }
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
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
