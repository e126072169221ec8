//! The flags of `micronet bench`.

pub(crate) mod measure;
pub(crate) mod results;
pub(crate) mod serve;

use clap::{Args, Subcommand};

use self::measure::{BenchEchoFlags, BenchHttpFlags, BenchL4Flags, BenchRpcFlags, BenchWsFlags};
use self::results::{BenchCompareFlags, BenchShowFlags};
use self::serve::BenchServeFlags;

const BENCH_HELP: &str = "\
Examples:
  micronet bench rpc                     calls to a server that it starts itself
  micronet bench echo                    the floor: bytes that come back, and
                                         no protocol at all
  micronet bench http localhost:8000/products/Tux --bearer @token
  micronet bench http /products/Tux --rate 5000/s
  micronet bench http --compare http://localhost:8000/ http://localhost:80/
  micronet bench rpc --save a.json --plot a.html

A closed loop (--in-flight) asks again when an answer has come: a slow server is
asked less. An open loop (--rate) asks by a schedule, whatever becomes of the
answers, and a request's latency counts from when it was due: what waits for a
stalled server counts, also where it could not be sent in time.

Each measurement is repeated (--repeat), after a warm-up each time. What two
targets take turns at (--compare A B: A B A B …) is compared by ratios, so that
what the machine does besides hits both. The processor time and the context
switches of every process that takes part are read from /proc: those of this
process, of what listens at the target on this machine, of all processes of a
micronet network, and of those that --pid names.

Ctrl-C ends it early, and shows what was measured. The exit code is 0 when there
were answers, 1 when not, and 130 after Ctrl-C.";

/// The flags of `bench`.
#[derive(Debug, Args)]
#[command(after_help = BENCH_HELP)]
pub(crate) struct BenchFlags {
    #[command(subcommand)]
    pub(crate) what: BenchWhat,
}

/// What is measured, or done about it.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchWhat {
    /// Calls over RPC
    #[command(after_help = measure::RPC_HELP)]
    Rpc(BenchRpcFlags),
    /// Requests over HTTP
    #[command(after_help = measure::HTTP_HELP)]
    Http(BenchHttpFlags),
    /// Messages on WebSockets
    #[command(after_help = measure::WS_HELP)]
    Ws(BenchWsFlags),
    /// TCP through a proxy
    #[command(after_help = measure::L4_HELP)]
    L4(BenchL4Flags),
    /// Bytes that come back over TCP: the floor
    #[command(after_help = measure::ECHO_HELP)]
    Echo(BenchEchoFlags),
    /// Be the server that is measured
    #[command(after_help = serve::EXAMPLES)]
    Serve(BenchServeFlags),
    /// Show saved results again, or as a plot, or for other tools
    #[command(after_help = results::SHOW_EXAMPLES)]
    Show(BenchShowFlags),
    /// Compare saved results with later ones
    #[command(after_help = results::COMPARE_EXAMPLES)]
    Compare(BenchCompareFlags),
}
