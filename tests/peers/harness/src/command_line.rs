//! What a client is told by its arguments.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// A closed loop of calls.
#[derive(Debug, Clone, Args)]
pub struct Load {
    /// Where the server listens
    #[arg(long)]
    pub server: SocketAddr,
    /// How many connections there are
    #[arg(long, default_value_t = 1)]
    pub connections: usize,
    /// How many calls are in flight on all of them together
    #[arg(long, default_value_t = 64)]
    pub in_flight: usize,
    /// How many bytes are echoed
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// How long is measured, and who
    #[command(flatten)]
    pub times: Times,
    /// A folder of certificates, to speak TLS with both sides known
    #[arg(long)]
    pub tls: Option<PathBuf>,
}

/// How long is measured, and who.
#[derive(Debug, Clone, Args)]
pub struct Times {
    /// How long is measured, in seconds
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// How long it runs before that, in seconds
    #[arg(long, default_value_t = 0.5)]
    pub warm_up: f64,
    /// Processes besides this one whose processor time is measured
    #[arg(long, value_delimiter = ',')]
    pub watch: Vec<u32>,
}

impl Times {
    /// How long is measured.
    #[must_use]
    pub fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// How long it runs before.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }
}

impl Load {
    /// How many calls are in flight on each connection.
    #[must_use]
    pub fn in_flight_each(&self) -> usize {
        (self.in_flight / self.connections).max(1)
    }

    /// What is echoed.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        vec![7; self.size]
    }
}

/// Where a server listens.
#[derive(Debug, Clone, Args)]
pub struct Listen {
    /// Where it listens; port 0 is a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// A folder of certificates, to speak TLS with both sides known
    #[arg(long)]
    pub tls: Option<PathBuf>,
}

/// Tells whoever started this server where it listens.
pub fn listening(address: SocketAddr) {
    println!("listening on {address}");
}
