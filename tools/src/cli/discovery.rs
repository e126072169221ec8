//! The flags by which a process finds the instances that it calls.

use std::path::PathBuf;

use clap::Args;

/// Where instances are looked for.
#[derive(Debug, Default, Args)]
pub(crate) struct DiscoveryFlags {
    /// A TOML file with instances of services, beside those that --peer names; it is read again when it changes:
    /// a table `product` with `instances = ["127.0.0.1:8002", { address = "127.0.0.1:8012", weight = 50 }]` and `balancer = "weighted"`
    /// if another one is wanted
    #[arg(long = "peers", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The name server that is asked for dns: and srv: names [default: those of the system]
    #[arg(long, value_name = "IP[:PORT]")]
    pub(crate) dns_server: Option<String>,
}

/// Where an instance announces itself.
#[derive(Debug, Default, Args)]
pub(crate) struct RegistrationFlags {
    /// The RPC address of a gateway that this instance announces itself to, HOST or HOST:PORT, for as long as it runs; may be
    /// repeated. A gateway that is away is tried again
    #[arg(long = "register", value_name = "GATEWAY")]
    pub(crate) gateways: Vec<String>,
    /// The address that it announces, IP:PORT [default: the one that it listens on]
    #[arg(long, value_name = "ADDR:PORT", requires = "gateways")]
    pub(crate) advertise: Option<String>,
    /// The weight that it announces, 1 to 10000; 100 is the norm
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) weight: u32,
}
