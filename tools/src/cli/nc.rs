//! The flags of `nc`.

use clap::Args;

use super::certs::TlsFlags;

const NC_HELP: &str = "\
Every port of a service speaks lines of text, so any program that sends lines
will do: nc localhost 8002, and HELP. This one finds instances by their names,
speaks TLS with the operator's certificate where the network does, and on a
terminal edits lines and remembers those before (arrow keys, Ctrl-R; lines with
tokens are not remembered, and nothing is written to a file).

Ctrl-C ends a stream that is being told, Ctrl-D says that nothing more follows.
Where stdin is no terminal its lines are sent as they are, and stdout has the
answers: each begins with +OK or -ERR and ends with an empty line.

The exit code is 0 when nothing was answered with -ERR, 1 when something was,
and 2 when there was nobody to talk with.

Examples:
  micronet nc product-1                   an instance of the running network
  micronet nc localhost:8002
  echo 'CALL product.query {\"name\":\"Tux\"}' | micronet nc product
  echo WHO | micronet nc product --operator
                                          who is connected, to whom may know";

/// The flags of `nc`.
#[derive(Debug, Args)]
#[command(after_help = NC_HELP)]
pub(crate) struct NcFlags {
    /// Whom to talk with: HOST:PORT, or the name of an instance or a service of the running network
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// Begin with AUTH and the operator's token of the data folder; in TLS the certificate says who you are
    #[arg(long)]
    pub(crate) operator: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
}
