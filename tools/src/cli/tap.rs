//! The flags of `tap`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::certs::TlsFlags;
use super::load::time;

const TAP_HELP: &str = "\
Examples:
  micronet tap                            requests at the gateway, as they end
  micronet tap product --failed           failed calls of the product service
  micronet tap --service order --slower-than 50ms --payload
                                          slow calls, with their messages
  micronet tap --sample 1/10 --json | jq .took_us
  micronet tap product-1 --pcap calls.pcap --for 30s
                                          frames for Wireshark, after TLS
  micronet tap --pcap - | wireshark -k -i -
  micronet tap --at localhost:8002        an instance, without control service

A line is a request or call: when it began, where it was seen, what it was, how
it ended, how long it took, on whose behalf, which instances it was tried at,
and its id, for `micronet why`. A capture has frames of RPC connections, with
the schema, so that Wireshark shows fields by name (`micronet dissector
install`); under --mtls too, and however late it begins.

What is secret (passwords, tokens, proofs) is masked before it leaves the process
that is tapped. A tap holds nobody up: what it is too slow for is lost, and the
last line says how much that was. It takes the operator's token, or certificate;
others need the permission tap:read.";

/// The flags of `tap`.
#[derive(Debug, Args)]
#[command(after_help = TAP_HELP)]
pub(crate) struct TapFlags {
    /// Who is tapped: the gateway, a service, or an instance
    #[arg(value_name = "TARGET", default_value = crate::registry::GATEWAY)]
    pub(crate) target: String,
    /// An instance that isn't of the running network: HOST:PORT, where it speaks RPC
    #[arg(long, value_name = "ADDR", conflicts_with = "target")]
    pub(crate) at: Option<String>,
    /// Only calls of this service
    #[arg(long, value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// Only calls of this method, as query
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// Only on behalf of anonymous, operator, service:NAME or user:ID
    #[arg(long, value_name = "WHO", conflicts_with = "pcap")]
    pub(crate) caller: Option<String>,
    /// Only with this HTTP status, or this code, as 404 or NOT_FOUND
    #[arg(long, value_name = "STATUS", conflicts_with = "pcap")]
    pub(crate) status: Option<String>,
    /// Only those that failed by no fault of the caller's
    #[arg(long, conflicts_with = "pcap")]
    pub(crate) failed: bool,
    /// Only those that took at least so long, as 50ms
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "pcap")]
    pub(crate) slower_than: Option<Duration>,
    /// Only some of them, by chance: 1/10 is every tenth
    #[arg(long, value_name = "1/N", value_parser = sample, default_value = "1/1", hide_default_value = true)]
    pub(crate) sample: u32,
    /// Also the calls that the tapped make themselves
    #[arg(long, conflicts_with = "pcap")]
    pub(crate) made: bool,
    /// Stop after so many lines, or frames
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Stop after so long, as 30s
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) lasts: Option<Duration>,
    /// Show the messages of calls as JSON, too
    #[arg(long, conflicts_with = "pcap")]
    pub(crate) payload: bool,
    /// Print an object a line
    #[arg(long, conflicts_with = "pcap")]
    pub(crate) json: bool,
    /// Write frames to this file, for Wireshark; - is stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,
    /// Without the operator's token, as a stranger
    #[arg(long)]
    pub(crate) anonymous: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
}

/// Reads `1/10`.
fn sample(text: &str) -> Result<u32, String> {
    let one_in = text.strip_prefix("1/").and_then(|number| number.parse().ok());
    one_in.filter(|number| *number > 0).ok_or_else(|| "write it as 1/10, for every tenth".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_one_in_so_many() {
        for (text, wanted) in
            [("1/1", Some(1)), ("1/10", Some(10)), ("1/0", None), ("10%", None), ("2/10", None)]
        {
            assert_eq!(sample(text).ok(), wanted, "{text}");
        }
    }
}
