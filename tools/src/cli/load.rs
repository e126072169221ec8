//! The flags of `micronet load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::certs::TlsFlags;

const LOAD_HELP: &str = "\
A target is what is asked, with a weight before it where there are several:

  /products/Tux                          GET, at the gateway
  'POST /orders {\"name\":\"Tux\",\"quantity\":1}'
  http://localhost:8012/products/Tux     GET, at any HTTP server
  '70:GET /products'                     70 times as often as one of weight 1
  'rpc:product.query {\"name\":\"Tux\"}'   over RPC, at the service's instances
  'rpc://localhost:8002/product.query {\"name\":\"Tux\"}'

Without a target the running network is read as its visitors read it: toys of
the shop, and /request of the lab where it runs.

A closed loop (--concurrent) asks again when the last answer is there: a slow
server is asked less. An open loop (--rate) asks by a schedule, whatever becomes
of the answers, and a request's latency counts from when it was due: what waits
for a stalled server is seen. At most --concurrent requests are in flight; one
that starts 5 ms or more after it was due is counted as late, and one that
couldn't be started within --timeout as never sent. Nothing is sent twice.

Examples:
  micronet load                          1000 requests by 10 clients
  micronet load --requests 5000 --concurrent 20 /products/Tux
  micronet load --rate 200 --duration 30s --arrivals poisson --seed 7
  micronet load '70:GET /products/Tux' '30:GET /products' --svg load.svg
  micronet load 'rpc:product.query {\"name\":\"Tux\"}' --duration 10s
  micronet load --rate 500 --max-errors 0 --max-p95 50ms --json

The exit code is 0 when there were answers and all limits (--max-errors,
--max-p95, …) were kept, 1 when not, and 130 when Ctrl-C ended it; what was
measured is shown in any case.";

const INSTANCE_HELP: &str = "\
Examples:
  micronet load instance                 a node of the lab, else of product
  micronet load instance product-2
  micronet load instance order-1 --target 'order.get {\"order_num\":1}'
  micronet load instance --json

One instance is called directly, over RPC: at --rate for --duration, and then as
fast as it answers, by 16 clients. What its process needs meanwhile is read from
/proc on this machine; 100 % of CPU is one core. The exit code is 0 when all
that was aimed at was reached at the rate, and 1 when not.";

const TOYSTORE_EXAMPLES: &str = "\
Examples:
  micronet load toystore                       one to five clients
  micronet load toystore --clients 1,2,8 --gets 5000
  micronet load toystore --plot latency.svg    and a drawing of it
  micronet load toystore --to shop.example:6060 --json

For each number of clients, every client first asks for random products and then
orders one piece of a random product, one request after another, on a keep-alive
connection of its own. Where the service can restock and the data folder has the
operator's token, the stock is filled up first; else it sells out, and the table
says how many orders were placed. The gateway is found as `micronet shop` finds
it. The exit code is 0 when everything was answered, also with \"out of stock\", 1
when something failed, and 130 when Ctrl-C stopped it.";

/// The flags of `load`.
#[derive(Debug, Args)]
#[command(after_help = LOAD_HELP)]
pub(crate) struct LoadFlags {
    #[command(subcommand)]
    pub(crate) scenario: Option<LoadScenario>,
    #[command(flatten)]
    pub(crate) traffic: TrafficFlags,
}

/// What is measured, where it isn't targets.
#[derive(Debug, Subcommand)]
pub(crate) enum LoadScenario {
    /// The toy store's own measurement: 1000 GETs and 100 orders by each of 1 to 5 clients
    #[command(after_help = TOYSTORE_EXAMPLES)]
    Toystore(ToystoreFlags),
    /// One instance beside what is aimed at: 800 requests a second, P95, memory and CPU
    #[command(after_help = INSTANCE_HELP)]
    Instance(InstanceFlags),
}

/// The flags of `load` with targets. Equal to their default where none was given, as it has to be beside a scenario.
#[derive(Debug, Default, PartialEq, Args)]
pub(crate) struct TrafficFlags {
    /// What is asked, as described below; several make a mix
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// So many requests [default: 1000, where neither --duration nor --rate is given]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// For so long, as 30s or 500ms [default with --rate: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = time)]
    pub(crate) duration: Option<Duration>,
    /// Clients at once, each with a connection of its own to an HTTP server [default: 10; with --rate 100]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) concurrent: Option<u16>,
    /// So many requests a second, whatever becomes of them: an open loop
    #[arg(short, long, value_name = "R", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// How the requests of an open loop are spread over time [default: fixed]
    #[arg(long, value_name = "HOW", requires = "rate")]
    pub(crate) arrivals: Option<ArrivalsFlag>,
    /// Repeats the choices of an earlier run: which target, and when [default: random]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How long a connection or an answer may take [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// A header field of all HTTP requests; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// Connections to a service, shared by the clients that call it over RPC [default: one to each instance]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub(crate) connections: Option<u16>,
    /// The gateway [default: FRONT, else the running network's, else localhost:8000]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Call over RPC without the operator's token, as a stranger
    #[arg(long, conflicts_with_all = ["mtls", "certs"])]
    pub(crate) anonymous: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    /// Fail if there were more errors than this
    #[arg(long, value_name = "N")]
    pub(crate) max_errors: Option<u64>,
    /// The same as --max-errors 0
    #[arg(long, conflicts_with = "max_errors")]
    pub(crate) fail_if_errors: bool,
    /// Fail if 95 of 100 requests were not answered within this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) max_p95: Option<Duration>,
    /// Fail if 99 of 100 requests were not answered within this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) max_p99: Option<Duration>,
    /// Fail if fewer requests were answered a second
    #[arg(long, value_name = "R", value_parser = rate)]
    pub(crate) min_rate: Option<f64>,
    /// Draw the latencies over time to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How the requests of an open loop are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalsFlag {
    /// The same time from each to the next
    Fixed,
    /// At random, as if each came from somebody else
    Poisson,
}

/// The flags of `load instance`.
#[derive(Debug, Args)]
pub(crate) struct InstanceFlags {
    /// The instance's name, in the running network
    #[arg(value_name = "INSTANCE")]
    pub(crate) instance: Option<String>,
    /// What is called [default: node.data, or product.query for a toy]
    #[arg(long, value_name = "METHOD JSON")]
    pub(crate) target: Option<String>,
    /// Requests a second
    #[arg(short, long, value_name = "R", default_value = "800", value_parser = rate)]
    pub(crate) rate: f64,
    /// For how long, at the rate and at full speed each
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(crate) duration: Duration,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The flags of `load toystore`.
#[derive(Debug, Args)]
pub(crate) struct ToystoreFlags {
    /// How many clients there are at once, one number after the other: a range, or a list
    #[arg(long, value_name = "FROM..TO", default_value = "1..5")]
    pub(crate) clients: String,
    /// Products that each client asks for
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) gets: u64,
    /// Orders that each client places
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) posts: u64,
    /// The gateway [default: FRONT, else the running network's, else localhost:8000]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    pub(crate) to: Option<String>,
    /// Draw the average latencies to this file
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The fastest schedule, in requests a second.
const RATE_PER_S_MAX: f64 = 1_000_000.0;
/// The longest time, in seconds.
const TIME_S_MAX: f64 = 86_400.0;

/// Reads `500us`, `50ms`, `30s`, `1.5s`, `2m` or `1h`; a number alone is seconds.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|byte: char| byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("a time is a number and us, ms, s, m or h, as 500ms".into()),
    };
    let seconds = number.parse().ok().map(|number: f64| number * scale);
    let seconds = seconds.filter(|seconds| *seconds > 0.0 && *seconds <= TIME_S_MAX);
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "a time is more than 0 and at most 24h, as 500ms".into())
}

/// Reads `200` or `200/s`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let rate = text.strip_suffix("/s").unwrap_or(text).parse().ok();
    rate.filter(|rate| *rate > 0.0 && *rate <= RATE_PER_S_MAX)
        .ok_or_else(|| format!("a rate is a number of requests a second, at most {RATE_PER_S_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let check = |text: &str, wanted: Option<u64>| {
            assert_eq!(time(text).ok(), wanted.map(Duration::from_micros), "{text:?}");
        };
        check("30s", Some(30_000_000));
        check("30", Some(30_000_000));
        check("500ms", Some(500_000));
        check("1.5s", Some(1_500_000));
        check("250us", Some(250));
        check("2m", Some(120_000_000));
        check("24h", Some(86_400_000_000));
        for text in ["", "s", "0s", "-1s", "25h", "1 s", "1d", "nan", "inf", "1e9s"] {
            check(text, None);
        }
    }

    #[test]
    fn rates_are_a_second() {
        let check = |text: &str, wanted: Option<f64>| assert_eq!(rate(text).ok(), wanted, "{text:?}");
        check("200", Some(200.0));
        check("0.5/s", Some(0.5));
        for text in ["", "0", "-1", "1000001", "nan", "/s", "200/m"] {
            check(text, None);
        }
    }
}
