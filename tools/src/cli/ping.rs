//! The flags of `ping`.

use clap::Args;
use micronet_wire::limits::{HEARTBEAT_INTERVAL_MS_MAX, HEARTBEAT_INTERVAL_MS_MIN};

use super::certs::TlsFlags;

const PING_HELP: &str = "\
Each line is a heartbeat: its number, how long the answer took, a verdict, and
what the instance says of itself in its PONG:

  queue    how long calls have waited there for their handlers lately
  lag      how late its process has run lately when a timer was due (1 to 5 ms
           mean nothing); both are maxima that halve every second
  calls    what its process is working on, and how full that makes it
  health   serving, or draining: it wants no new calls
  bytes    of ours that it has received, of those we had sent

Where an answer doesn't come in time, a new connection is tried, and the kernel
asked what it still has to send, which tells apart:

  congested link    answers come, but late, or fewer bytes arrive than are sent
  stalled process   its kernel accepts a connection, but nobody speaks on it;
                    or it answers again, with a large lag
  dead link         nothing comes back, nor is a new connection accepted
  gone process      a new connection is refused

Where the network speaks TLS, so does ping, as the operator: in a network that
runs on the data folder by itself, elsewhere with --mtls. A new connection then
speaks once the instance has answered its TLS handshake.

An answer that comes after its time gets a line of its own, and isn't lost.
--json prints one object a line, the last of them a summary.

The exit code is 0 when every heartbeat was answered, 1 when some were lost, and
2 when nothing could be measured: a name that isn't known, a refused handshake.

Examples:
  micronet ping product-1                 an instance of the running network
  micronet ping order --count 5           the first instance of a service
  micronet ping localhost:8002 --interval 100 --timeout 50";

/// The flags of `ping`.
#[derive(Debug, Args)]
#[command(after_help = PING_HELP)]
pub(crate) struct PingFlags {
    /// Which instance: HOST:PORT, or the name of an instance or a service of the running network
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// How many heartbeats [default: until Ctrl-C]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// From one heartbeat to the next, in milliseconds
    #[arg(short, long, value_name = "MS", default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(u64::from(HEARTBEAT_INTERVAL_MS_MIN)..=u64::from(HEARTBEAT_INTERVAL_MS_MAX)))]
    pub(crate) interval: u64,
    /// How long an answer may take before it is looked for what is wrong, in milliseconds
    #[arg(short = 'W', long, value_name = "MS", default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..=u64::from(HEARTBEAT_INTERVAL_MS_MAX)))]
    pub(crate) timeout: u64,
    /// Connect without the operator's token, as a stranger
    #[arg(long)]
    pub(crate) anonymous: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    /// Print an object a line
    #[arg(long)]
    pub(crate) json: bool,
}
