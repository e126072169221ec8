//! The flags of TCP pass-through.

use clap::Args;

const L4_HELP: &str = "\
Pass the TCP connections of a port through to the instances of a service, or to any servers; may be repeated. The port is PORT, \
on the address that the gateway listens on, or ADDR:PORT; 0 is a free one. The target is a service that is behind this \
gateway, or HOST:PORT[,HOST:PORT…]; with @ALGORITHM behind it backends are picked by another one than least_connections: round_robin, \
weighted, least_response_time, ip_hash, p2c_ewma, adaptive";

/// What the gateway passes through.
#[derive(Debug, Default, Args)]
pub(crate) struct L4Flags {
    #[arg(long = "l4", value_name = "PORT=TARGET", help = L4_HELP)]
    pub(crate) l4: Vec<String>,
    /// End a connection that is passed through after so many seconds without a byte, either way; 0 is never
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) l4_idle: u64,
}
