//! The flags of `net`, and of `up` about the network's plan.

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
  micronet net --network sites.toml             check a plan, and show it
  micronet net --network sites.toml order-1     what it means for an instance";

/// The flags of `net`.
#[derive(Debug, Args)]
#[command(after_help = NET_HELP)]
pub(crate) struct NetFlags {
    /// The links of this instance to each service, as the plan has them
    #[arg(value_name = "INSTANCE")]
    pub(crate) instance: Option<String>,
    /// The plan
    #[arg(long, value_name = "FILE")]
    pub(crate) network: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
