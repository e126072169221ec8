//! The flags of `gateway`.

use std::path::PathBuf;

use clap::Args;

use super::ExposureFlags;
use super::certs::TlsFlags;
use super::discovery::DiscoveryFlags;
use super::l4::L4Flags;
use super::redis::RedisFlag;
use super::settings::ConfigFlags;

const GATEWAY_EXAMPLES: &str = "\
Examples:
  micronet gateway
  CATALOG=localhost ORDER=localhost micronet gateway
  micronet gateway --listen 127.0.0.1:9000 \\
      --peer product=localhost:8002,localhost:8012 --peer order=localhost:8003
  micronet certs init; micronet certs issue gateway; micronet gateway --https
                       HTTPS, with a certificate of the cluster's own CA
  micronet gateway --l4 9002=product --l4 5432=10.0.0.1:5432,10.0.0.2:5432
                       TCP of any kind passed through, byte for byte

When it is ready the gateway prints `listening on ADDRESS` on stdout, and after
it `RPC on ADDRESS`: there it tells about itself (micronet call gateway). FRONT is
its address as clients use it (HOST or HOST:PORT), where that differs from what
it listens on; `micronet shop` reads the same variable. Ctrl-C or SIGTERM lets
running requests finish; a second one ends it at once. SIGHUP has it read the
file of --config again. Sockets that systemd has opened (LISTEN_FDS) are used
for the addresses that they are on.";

const FRONTED_HELP: &str = "\
Where a service is that is reached through the gateway; may be repeated. An address is HOST or HOST:PORT; without a port \
the service's default port is used. dns:HOST:PORT stands for all addresses that the name has from time to time, srv:NAME for \
what its SRV records say; NAME alone for instances that announce themselves (service --register). What is not given here is taken from the environment (USERS for user, CATALOG for \
product, ORDER for order). If none is named at all, every service is looked for on localhost and its default port";

const REGIONS_HELP: &str = "\
A table of where clients are, for its statistics: a line for each network, as `10.1.0.0/16 eu-west`; the longest prefix \
decides, and # begins a comment [default: loopback, private and other]";

/// The flags of `gateway`.
#[derive(Debug, Args)]
#[command(after_help = GATEWAY_EXAMPLES)]
pub(crate) struct GatewayFlags {
    /// This instance's name, unlike every other's in the network
    #[arg(long, value_name = "INSTANCE", default_value = crate::registry::GATEWAY_INSTANCE)]
    pub(crate) instance: String,
    /// Where it listens for HTTP; port 0 is a free port [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Where its own service listens, for RPC; port 0 is a free port [default: where it listens for HTTP, 999 ports below]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) rpc: Option<String>,
    #[arg(long = "peer", value_name = "NAME=ADDR[,ADDR…]", help = FRONTED_HELP)]
    pub(crate) peers: Vec<String>,
    #[arg(long, value_name = "FILE", help = REGIONS_HELP)]
    pub(crate) regions: Option<PathBuf>,
    /// Answer /echo and /ws/echo too, which give back what they get: to examine the gateway by, not for the public
    #[arg(long)]
    pub(crate) debug_routes: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFlags,
    #[command(flatten)]
    pub(crate) redis: RedisFlag,
    #[command(flatten)]
    pub(crate) discovery: DiscoveryFlags,
    #[command(flatten)]
    pub(crate) l4: L4Flags,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    #[command(flatten)]
    pub(crate) exposure: ExposureFlags,
    /// End when stdin closes: for a parent process that may die
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
    /// Take listening sockets from the parent, by stdin
    #[arg(long, hide = true)]
    pub(crate) inherit: bool,
}
