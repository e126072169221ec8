//! The flags of `why`.

use clap::Args;

const WHY_EXAMPLES: &str = "\
Examples:
  curl -si localhost:8000/products/Tux | grep -i x-request-id
  micronet why 5f2a9c01-0000002a          where it went, and why there
  micronet why 4bf92f3577b34da6a3ce929d0e0e4736
                                          by the id of its trace
  micronet why 5f2a9c01-0000002a --json | jq .hops

Each answer has its request id: in the header X-Request-ID, in `meta`, and what
`micronet call --verbose` prints. The processes of the network are asked what
they remember: the route, on whose behalf, the limits it passed, the instances
that might have been picked and why others were not, each attempt, and where the
time went at each place. What was slow or failed is remembered for longest, and
all of it within 12 MiB a process. A process that was started anew has forgotten.";

/// The flags of `why`.
#[derive(Debug, Args)]
#[command(after_help = WHY_EXAMPLES)]
pub(crate) struct WhyFlags {
    /// The request's id, or that of its trace
    #[arg(value_name = "REQUEST-ID")]
    pub(crate) request_id: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
