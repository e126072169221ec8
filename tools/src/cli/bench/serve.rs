//! The flags of `micronet bench serve`.

use clap::Args;

use crate::cli::ExposureFlags;
use crate::cli::certs::TlsFlags;

pub(super) const EXAMPLES: &str = "\
Examples:
  micronet bench serve                    on 127.0.0.1:7500
  micronet bench rpc localhost:7500       …and how fast it answers
  micronet bench serve --sync             by the driver without a runtime
  curl localhost:7500/api/v1/bench/item --json \\
      '{\"id\":12345,\"name\":\"widget-alpha\",\"amount\":19.95,\"active\":true}'

With a gateway in front of it, and no limits of how often is asked:

  printf '[rates]\\naddress = \"off\"\\nlab = \"off\"\\n' > open.toml
  micronet gateway --listen 127.0.0.1:8000 --peer bench=127.0.0.1:7500 \\
      --config open.toml
  micronet bench http 'POST http://localhost:8000/api/v1/bench/item …'

It is an instance as every other, on one thread, with all that watches: metrics,
records, taps, and the account of time. Its service is `bench`: echo, item,
stream, delay and, with --stall, stall. The synchronous driver speaks RPC only,
without TLS, and delays nothing. It prints `listening on ADDRESS` when it is ready.
It and who calls it share a data folder, as all processes of a network do.";

/// The flags of `bench serve`.
#[derive(Debug, Args)]
pub(crate) struct BenchServeFlags {
    /// The port on 127.0.0.1; 0 is a free one
    #[arg(long, value_name = "PORT", default_value_t = 7500, conflicts_with = "listen")]
    pub(crate) port: u16,
    /// Where it listens, instead of --port
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// This instance's name
    #[arg(long, value_name = "INSTANCE", default_value = "bench-1")]
    pub(crate) instance: String,
    /// Serve by the synchronous driver
    #[arg(long, conflicts_with_all = ["mtls", "certs"])]
    pub(crate) sync: bool,
    /// By it, ask for bytes again and again instead of sleeping: the lowest latency, for a whole CPU
    #[arg(long, requires = "sync")]
    pub(crate) spin: bool,
    /// Let callers make the whole instance stand still: to see that measurements notice
    #[arg(long)]
    pub(crate) stall: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    #[command(flatten)]
    pub(crate) exposure: ExposureFlags,
    /// End when stdin closes: for a parent process that may die
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
}
