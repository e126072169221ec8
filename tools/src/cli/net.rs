//! The flags of `net`.

use std::path::PathBuf;

use clap::Args;

const NET_HELP: &str = "\
A plan is a TOML file:

  [segment.edge]
  members = [\"gateway\"]           services, or single instances: \"product-2\"

  [segment.shop]
  members = [\"order\", \"product\", \"user\"]
  latency = \"200us\"               within the segment

  [[link]]
  between = [\"edge\", \"shop\"]
  latency = \"5ms\"                 each way
  jitter = \"2ms\"                  and by chance up to so much more
  loss = \"0.5%\"                   of segments of 1,400 bytes
  bandwidth = \"10MB/s\"            each way, of each connection; or 80Mbit/s

  [[allow]]                       with one such rule, no other calls are allowed
  from = \"edge\"                   services, segments, or \"*\"
  to = [\"order\", \"product\", \"user\"]

Segments without a link of their own reach each other by the fastest way over
others. Whoever is in no segment is as near to all as the machine has it. A
segment that is lost comes after TCP's retransmission timeout: 3 round trips,
200 ms at least. A call that isn't allowed fails at once, and says by which rule.

Examples:
  micronet up --network sites.toml           a network as the plan has it
  micronet net                               the plan of the network that runs
  micronet net --network sites.toml          check a plan, and show it
  micronet net --network sites.toml order-1  what it would mean for an instance
  micronet net --network sites.toml --apply  it holds from now on
  micronet net --clear                       no plan holds any more

A plan holds at once, for open connections too. What is between segments is
added on the side that calls, to what the machine takes anyway.";

/// The flags of `net`.
#[derive(Debug, Args)]
#[command(after_help = NET_HELP)]
pub(crate) struct NetFlags {
    /// Show the links of this instance to those that it may call
    #[arg(value_name = "INSTANCE")]
    pub(crate) instance: Option<String>,
    /// A plan to check and show, instead of that of the running network
    #[arg(long, value_name = "FILE")]
    pub(crate) network: Option<PathBuf>,
    /// The running network is to keep to this plan from now on
    #[arg(long, requires = "network", conflicts_with = "instance")]
    pub(crate) apply: bool,
    /// The running network is to keep to no plan any more
    #[arg(long, conflicts_with_all = ["network", "instance"])]
    pub(crate) clear: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
