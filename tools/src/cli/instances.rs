//! The flags of `instances`.

use clap::Args;

use super::CalleeFlags;

const INSTANCES_EXAMPLES: &str = "\
Examples:
  micronet instances                      as the gateway sees them
  micronet instances product --history    what product's have been through
  micronet instances --seen-by order      those that the order service calls
  micronet instances --watch              again every second, until Ctrl-C
  micronet instances --json | jq .        for programs

STATE is `up` where an instance gets calls, `suspect` where a heartbeat is late,
`probing` where one call shows whether it answers again, `ejected` where too
many calls failed, `down` where it can't be reached, `draining` where it leaves,
`blocked` where the operator said so, and `joining` before it was reached first.
WHY says what made it so. MEAN is how long calls to it lately took.";

/// The flags of `instances`.
#[derive(Debug, Args)]
#[command(after_help = INSTANCES_EXAMPLES)]
pub(crate) struct InstancesFlags {
    /// Only the instances of this service
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// Who is asked: the gateway, or a service that calls others
    #[arg(long, value_name = "NAME", default_value = crate::registry::GATEWAY)]
    pub(crate) seen_by: String,
    /// Show what they have been through, too
    #[arg(long)]
    pub(crate) history: bool,
    /// Show them again every second, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print JSON, a line each time
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) callee: CalleeFlags,
}
