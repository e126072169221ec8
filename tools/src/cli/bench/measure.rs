//! The flags of what `micronet bench` measures, and how.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::results::OutputFlags;
use crate::cli::certs::TlsFlags;
use crate::cli::load::{rate, time};

pub(super) const RPC_HELP: &str = "\
A target is an instance of the service that `micronet bench serve` runs, or any
call, as `micronet load` takes it:

  (none)                                 starts `bench serve`, and ends it; for
                                         --mtls with certificates of its own
  localhost:7500                         an instance of it
  'rpc:product.query {\"name\":\"Tux\"}'     a call of the running network
  'rpc://localhost:8002/product.query {\"name\":\"Tux\"}'

Examples:
  micronet bench rpc --in-flight 1       the latency of a lone call
  micronet bench rpc --in-flight 1 --driver mio --spin
  micronet bench rpc --payload 4096 --connections 8 --in-flight 64
  micronet bench rpc --rate 20000/s --arrivals poisson
  micronet bench rpc --stream 100        calls with 100 replies each";

pub(super) const HTTP_HELP: &str = "\
A target is a URL, a path at the gateway of the running network, or either with
a method before it and a body behind, as 'POST /orders {\"name\":\"Tux\"}'.
Each connection has one request under way, and is kept.

Examples:
  micronet bench http http://localhost:8080/ --connections 64 --duration 10s
  micronet bench http '/products/Tux' --rate 2000/s -H 'X-Tenant: a'
  micronet bench http 'POST http://localhost:8000/api/v1/bench/item @item.json'";

pub(super) const WS_HELP: &str = "\
Each message is answered by one, as where it is echoed; with --pushed nothing is
sent, and the time from one message to the next is measured.

Examples:
  micronet bench ws ws://localhost:8000/ws/echo --connections 8
  micronet bench ws /ws/echo --payload 4096 --rate 1000/s
  micronet bench ws '/ws/api/v1/events/products/watch?after=0' --pushed";

pub(super) const L4_HELP: &str = "\
Behind the proxy has to be an echo, as `micronet bench echo --listen 127.0.0.1:7007`
is one. A request is a connection: it is made, --bytes are sent and come back, and
it is closed. With one byte that measures connections, with many the stream.

Examples:
  micronet bench l4 localhost:9007 --bytes 256MiB --connections 1
  micronet bench l4 localhost:9007 --bytes 1 --connections 16
  micronet bench l4 --compare localhost:9007 localhost:7007";

pub(super) const ECHO_HELP: &str = "\
Messages of --payload bytes on raw TCP: they come back, and nothing else happens.
Without an address an echo of its own is started. --listen runs the echo alone.

Examples:
  micronet bench echo
  micronet bench echo --in-flight 1 --rate 1000/s
  micronet bench echo --listen 127.0.0.1:7007
  micronet bench echo localhost:7007 --payload 4096";

/// The flags of `bench rpc`.
#[derive(Debug, Args)]
pub(crate) struct BenchRpcFlags {
    /// What is called [default: a server of its own]
    #[arg(value_name = "TARGET", conflicts_with = "compare")]
    pub(crate) target: Option<String>,
    /// What a call bears and brings back, in bytes, as 4KiB
    #[arg(short, long, value_name = "BYTES", default_value = "64", value_parser = size)]
    pub(crate) payload: u64,
    /// Replies to each call, of the payload's size each: a stream
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) stream: Option<u32>,
    /// By which driver is called
    #[arg(long, value_name = "NAME", default_value = "tokio")]
    pub(crate) driver: DriverFlag,
    /// Ask the socket again and again instead of sleeping, which takes a whole core: with --driver mio
    #[arg(long)]
    pub(crate) spin: bool,
    /// Have the server that is started serve by the synchronous driver
    #[arg(long, conflicts_with_all = ["target", "compare"])]
    pub(crate) sync_server: bool,
    /// Call without the operator's token, as a stranger
    #[arg(long, conflicts_with_all = ["mtls", "certs"])]
    pub(crate) anonymous: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    #[command(flatten)]
    pub(crate) measure: MeasureFlags,
}

/// By which driver is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DriverFlag {
    /// The driver on tokio
    Tokio,
    /// The synchronous driver: a thread for each connection; with --rate it doesn't sleep in the last millisecond before a call
    Mio,
}

/// The flags of `bench http`.
#[derive(Debug, Args)]
pub(crate) struct BenchHttpFlags {
    /// What is asked: a URL, or a path at the gateway of the running network
    #[arg(value_name = "TARGET", conflicts_with = "compare", required_unless_present = "compare")]
    pub(crate) target: Option<String>,
    /// The method [default: GET, or POST with a body]
    #[arg(short = 'X', long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// The body, or @FILE
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    #[command(flatten)]
    pub(crate) fields: FieldFlags,
    #[command(flatten)]
    pub(crate) measure: MeasureFlags,
}

/// Header fields.
#[derive(Debug, Args)]
pub(crate) struct FieldFlags {
    /// A header field; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// The access token, or @FILE
    #[arg(long, value_name = "TOKEN")]
    pub(crate) bearer: Option<String>,
}

/// The flags of `bench ws`.
#[derive(Debug, Args)]
pub(crate) struct BenchWsFlags {
    /// Where: a URL as ws://HOST:PORT/PATH, or a path at the gateway of the running network
    #[arg(value_name = "TARGET", conflicts_with = "compare", required_unless_present = "compare")]
    pub(crate) target: Option<String>,
    /// How large messages are, in bytes
    #[arg(short, long, value_name = "BYTES", default_value = "64", value_parser = size)]
    pub(crate) payload: u64,
    /// What is sent, as a text, instead of bytes
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["payload", "pushed"])]
    pub(crate) text: Option<String>,
    /// Send nothing: messages come by themselves
    #[arg(long, conflicts_with_all = ["payload", "rate"])]
    pub(crate) pushed: bool,
    #[command(flatten)]
    pub(crate) fields: FieldFlags,
    #[command(flatten)]
    pub(crate) measure: MeasureFlags,
}

/// The flags of `bench l4`.
#[derive(Debug, Args)]
pub(crate) struct BenchL4Flags {
    /// The proxy
    #[arg(value_name = "HOST:PORT", conflicts_with = "compare", required_unless_present = "compare")]
    pub(crate) target: Option<String>,
    /// What is sent on each connection, as 1GiB
    #[arg(short, long, value_name = "BYTES", default_value = "1MiB", value_parser = size)]
    pub(crate) bytes: u64,
    #[command(flatten)]
    pub(crate) measure: MeasureFlags,
}

/// The flags of `bench echo`.
#[derive(Debug, Args)]
pub(crate) struct BenchEchoFlags {
    /// Where an echo is [default: one of its own]
    #[arg(value_name = "HOST:PORT", conflicts_with = "compare")]
    pub(crate) target: Option<String>,
    /// How large messages are, in bytes
    #[arg(short, long, value_name = "BYTES", default_value = "64", value_parser = size)]
    pub(crate) payload: u64,
    /// Measure nothing, and be an echo at this address until Ctrl-C; port 0 is a free port
    #[arg(long, value_name = "ADDR:PORT", conflicts_with_all = ["target", "compare"])]
    pub(crate) listen: Option<String>,
    /// Stop when stdin closes: for a parent process that may die
    #[arg(long, hide = true)]
    pub(crate) supervised: bool,
    #[command(flatten)]
    pub(crate) measure: MeasureFlags,
}

/// How it is measured.
#[derive(Debug, Args)]
pub(crate) struct MeasureFlags {
    /// Measure two targets in turns, and compare the second with the first
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    pub(crate) compare: Vec<String>,
    /// Requests under way at any time, over all connections; with --rate the most
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) in_flight: Option<u32>,
    /// Connections to the target
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) connections: Option<u32>,
    /// So many requests a second, whatever becomes of them: an open loop
    #[arg(short, long, value_name = "R", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How the requests of an open loop are spread over time [default: constant]
    #[arg(long, value_name = "HOW", requires = "rate")]
    pub(crate) arrivals: Option<BenchArrivals>,
    /// Repeats the times of an earlier run with --arrivals poisson [default: random]
    #[arg(long, value_name = "N", requires = "arrivals")]
    pub(crate) seed: Option<u64>,
    /// How long each repetition is
    #[arg(short, long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub(crate) duration: Duration,
    /// For how long it is loaded before each repetition [default: 1s]
    #[arg(short, long, value_name = "TIME", value_parser = time_or_none)]
    pub(crate) warm_up: Option<Duration>,
    /// How often it is measured, each target
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) repeat: u32,
    /// How long an answer may take; what is due for longer isn't sent any more
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(crate) timeout: Duration,
    /// A further process whose processor time is told, as 4711, server=4711 or gateway=4711; may be repeated
    #[arg(long = "pid", value_name = "PID", value_parser = process)]
    pub(crate) pids: Vec<(ProcessRole, u32)>,
    #[command(flatten)]
    pub(crate) outputs: OutputFlags,
}

/// How the requests of an open loop are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchArrivals {
    /// The same time from each to the next
    Constant,
    /// At random, as if each came from somebody else
    Poisson,
}

/// What a process that was named does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessRole {
    /// It stands between.
    Gateway,
    /// It answers.
    Server,
    /// Anything else.
    Other,
}

/// The largest size, in bytes: 1 TiB.
const SIZE_MAX: u64 = 1 << 40;

/// Reads `64`, `4KiB`, `1MiB` or `1GiB`.
fn size(text: &str) -> Result<u64, String> {
    let unit_at = text.find(|byte: char| byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("a size is a number and B, KiB, MiB or GiB, as 4KiB".into()),
    };
    let size = number.parse().ok().and_then(|number: u64| number.checked_mul(scale));
    size.filter(|size| (1..=SIZE_MAX).contains(size))
        .ok_or_else(|| "a size is from 1 byte to 1024GiB, as 4KiB".into())
}

/// A time, or `0` for none.
fn time_or_none(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { time(text) }
}

/// Reads `4711` or `server=4711`.
fn process(text: &str) -> Result<(ProcessRole, u32), String> {
    let (role, pid) = match text.split_once('=') {
        None => (ProcessRole::Other, text),
        Some(("gateway", pid)) => (ProcessRole::Gateway, pid),
        Some(("server", pid)) => (ProcessRole::Server, pid),
        Some(_) => return Err("a process is gateway=PID, server=PID or PID".into()),
    };
    let pid = pid.parse().ok().filter(|pid| *pid > 0);
    pid.map(|pid| (role, pid)).ok_or_else(|| "a process is named by its id, as server=4711".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let check = |text: &str, wanted: Option<u64>| assert_eq!(size(text).ok(), wanted, "{text:?}");
        check("64", Some(64));
        check("4KiB", Some(4_096));
        check("1GiB", Some(1 << 30));
        for text in ["", "0", "-1", "4KB", "1.5MiB", "2000GiB", "KiB"] {
            check(text, None);
        }
    }

    #[test]
    fn processes_have_roles() {
        let check = |text: &str, wanted| assert_eq!(process(text).ok(), wanted, "{text:?}");
        check("7", Some((ProcessRole::Other, 7)));
        check("server=7", Some((ProcessRole::Server, 7)));
        check("gateway=7", Some((ProcessRole::Gateway, 7)));
        for text in ["", "0", "x", "server=", "client=7", "-7"] {
            check(text, None);
        }
    }
}
