//! The flags of the commands that operate a running network: `ps`, `start`, `stop`, `restart`, `scale`, `drain`, `undrain`, `logs`.

use clap::Args;

const PS_EXAMPLES: &str = "\
Examples:
  micronet ps                    every process, its state and why
  micronet ps product            the instances of a service
  micronet ps --watch            again every second, until Ctrl-C
  micronet ps --json | jq '.processes[].restarts'

States: running; starting and stopping; stopped, by the operator; backing-off,
since it died and is started again after a pause (100 ms, doubling to 30 s);
crash-loop, since it died 5 times within a minute: `micronet start` starts it.";

const RESTART_EXAMPLES: &str = "\
Examples:
  micronet restart product-1     one instance
  micronet restart product       all of a service, one by one

Callers leave an instance before it ends, and its running requests finish. The
next one's turn comes when callers give the new process calls. Where a service
has one instance, another stands in for it meanwhile. So no request fails. The
gateway's new process takes over the sockets of the one before when it is ready,
and no connection is refused; if it never gets ready, the one before goes on.";

pub(crate) const RELOAD_EXAMPLES: &str = "\
Examples:
  micronet reload gateway        read the file of `up --gateway-config` again

Settings that can't be used are refused with everything that is wrong with them,
and those from before hold. Without `up`, SIGHUP does the same to a gateway.";

const SCALE_EXAMPLES: &str = "\
Examples:
  micronet scale product 4       two more than there are at first
  micronet scale product 1       the highest numbers go, when they have drained

New instances get free ports; callers are told where they are.";

const DRAIN_EXAMPLES: &str = "\
Examples:
  micronet drain product-2       it gets no new calls, but stays
  micronet undrain product-2     it gets calls again

Where no other instance can take a call, one that rests still gets it. To have
it get none at all, see `micronet fault fail`.";

const LOGS_EXAMPLES: &str = "\
Examples:
  micronet logs                  the last lines of everybody's log
  micronet logs order -n 100     more of them, of a service
  micronet logs product-1 -f     what is added, as it comes, until Ctrl-C

The files are logs/INSTANCE.log in the data folder. A log goes on when its
process is started again; past 64 MiB it is moved to INSTANCE.log.1.";

/// The flags of `ps`.
#[derive(Debug, Args)]
#[command(after_help = PS_EXAMPLES)]
pub(crate) struct PsFlags {
    /// A service, or an instance [default: all]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show it again every second, until Ctrl-C
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// What is meant by a command for one thing.
#[derive(Debug, Args)]
pub(crate) struct NameFlags {
    /// An instance, as product-1, or a service, for all of its instances
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// The flags of `restart`.
#[derive(Debug, Args)]
#[command(after_help = RESTART_EXAMPLES)]
pub(crate) struct RestartFlags {
    #[command(flatten)]
    pub(crate) of: NameFlags,
}

/// The flags of `drain` and `undrain`.
#[derive(Debug, Args)]
#[command(after_help = DRAIN_EXAMPLES)]
pub(crate) struct DrainFlags {
    #[command(flatten)]
    pub(crate) of: NameFlags,
}

/// The flags of `scale`.
#[derive(Debug, Args)]
#[command(after_help = SCALE_EXAMPLES)]
pub(crate) struct ScaleFlags {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// How many instances it has from now on
    #[arg(value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) count: u32,
}

/// The flags of `logs`.
#[derive(Debug, Args)]
#[command(after_help = LOGS_EXAMPLES)]
pub(crate) struct LogsFlags {
    /// A service, an instance, or all
    #[arg(value_name = "NAME", default_value = "all")]
    pub(crate) name: String,
    /// How many lines of each log's end
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) lines: u32,
    /// Go on with what is added, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
}
