//! The flags of `call` and `outcome`, and of what else asks a service.

use std::path::PathBuf;

use clap::Args;

use super::certs::TlsFlags;
use super::fault;

const CALL_HELP: &str = "\
Examples:
  micronet call product                        what there is to call
  micronet call product.query --describe       its fields, and who may call it
  micronet call product.query '{\"name\":\"Tux\"}'
  micronet call product.query name=Tux         the same; FIELD=VALUE by its type
  micronet call product.update id=2 'price:=25.99'
                                               FIELD:=JSON for lists and others
  micronet call product.query @query.json      the request from a file; - is stdin
  micronet call product.watch --count 3        replies, a line each
  micronet call product.query name=Tux -v      every frame, byte by byte
  micronet call product.query name=Tux --repeat 1000
  micronet call --to localhost:8003 order.buy \\
      '{\"name\":\"Whale\",\"quantity\":1}' --token my-first-whale

The call goes straight to an instance of the service, over the binary RPC. How
to transcode it is learnt from the instance itself. The running network and the
operator's token are found by --data. The answer is JSON on stdout, or text
where the method says so; an error is on stderr.

With a bearer's token (--bearer, MICRONET_TOKEN, or --login after `micronet
login`) the call is that person's, and goes over HTTP through the gateway, which
knows whose token it is: at --at, else that of the running network.

Exit codes:
  0  it was answered         1  it failed here, for another reason
  2  the command line, or a request that doesn't fit the method
  3  the service says no (an error of its own)
  4  the request was refused (INVALID_INPUT, UNKNOWN_METHOD, TOKEN_REUSED, …)
  5  who calls may not (UNAUTHENTICATED, INSUFFICIENT_PERMISSIONS, BAD_PROOF, …)
  6  never started: nobody there, overloaded, draining, or asked too often
  7  the deadline passed     8  the connection broke; it may have been done
  9  the service failed (INTERNAL, DATABASE_ERROR, …)";

const OUTCOME_EXAMPLES: &str = "\
Examples:
  micronet call order.buy '{\"name\":\"Whale\",\"quantity\":1}' --token my-whale
  micronet outcome order.buy my-whale
  micronet outcome order.buy KEY --principal anonymous
                                       KEY was sent to the gateway, by anybody

The answer is JSON on stdout: {\"outcome\":\"done\",\"reply\":…} as the call was
answered, \"failed\" with its error, \"running\" while it is not decided, or
\"never_started\". The last is a promise: nothing was done under this token, and
a copy of the call that still comes is refused (TOKEN_WITHDRAWN). So ask when
you will not send it again. A refusal that is not stored (a name that is taken)
has done nothing, and is \"never_started\" too. Tokens are remembered for a day
(--tokens-kept), those of orders for ever.";

/// The flags of `call`.
#[derive(Debug, Args)]
#[command(after_help = CALL_HELP)]
pub(crate) struct CallFlags {
    /// SERVICE.METHOD, as product.query; SERVICE alone lists its methods
    #[arg(value_name = "SERVICE.METHOD")]
    pub(crate) method: String,
    /// Show the method's fields, with their types, and who may call it, instead of calling it
    #[arg(long)]
    pub(crate) describe: bool,
    /// The request: JSON, or FIELD=VALUE and FIELD:=JSON, or @FILE, or - for stdin. Fields that are optional may be left out.
    /// Where a method takes many requests, they are lines of JSON
    #[arg(value_name = "REQUEST")]
    pub(crate) request: Vec<String>,
    /// Read the requests from a file, one JSON object a line, for a method that takes many
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    pub(crate) file: Option<PathBuf>,
    /// Stop after so many replies of a method that gives many [default: when it ends, or at Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) callee: CalleeFlags,
    /// The idempotency token of a write; the same token with the same request is executed once [default: a fresh one]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// What else to send along, for the handler to read; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) metadata: Vec<String>,
    /// Call as the person whose access token this is. Others on this machine see arguments: the variable MICRONET_TOKEN is
    /// safer
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["to", "anonymous"])]
    pub(crate) bearer: Option<String>,
    /// Call as who has signed in with `micronet login`
    #[arg(long, conflicts_with_all = ["bearer", "to", "anonymous"])]
    pub(crate) login: bool,
    /// The gateway of calls with --bearer and --login: HOST, HOST:PORT or http://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    pub(crate) at: Option<String>,
    /// Make the call so many times, one after another, and sum up how long they took
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) repeat: Option<u32>,
    /// How long to wait between repeated calls, as 100ms or 1s
    #[arg(long, value_name = "TIME", requires = "repeat", default_value = "0ms", value_parser = duration_ms)]
    pub(crate) interval: u64,
    /// Print a failure as JSON on stdout, as HTTP answers it; what succeeds is JSON anyway
    #[arg(long)]
    pub(crate) json: bool,
    /// Show each frame, its bytes beside what they mean, and where the time went, on stderr
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// The flags of `outcome`.
#[derive(Debug, Args)]
#[command(after_help = OUTCOME_EXAMPLES)]
pub(crate) struct OutcomeFlags {
    /// The method that was called: SERVICE.METHOD, as order.buy
    #[arg(value_name = "SERVICE.METHOD")]
    pub(crate) method: String,
    /// The idempotency token of the call
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
    /// Whose call it was: anonymous, operator, service/NAME or user/ID [default: one's own]
    #[arg(long, value_name = "PRINCIPAL")]
    pub(crate) principal: Option<String>,
    #[command(flatten)]
    pub(crate) callee: CalleeFlags,
}

/// Which instance is called, and as whom.
#[derive(Debug, Args)]
pub(crate) struct CalleeFlags {
    /// The instance to call: HOST or HOST:PORT [default: an instance of the service in the running network]
    #[arg(long, value_name = "ADDR")]
    pub(crate) to: Option<String>,
    /// How long to wait for the answer, or for the first of many, as 500ms, 2s, or a number of milliseconds; an hour at most
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = deadline_ms)]
    pub(crate) deadline: u64,
    /// Call without the operator's token, as a stranger
    #[arg(long, conflicts_with_all = ["mtls", "certs"])]
    pub(crate) anonymous: bool,
    #[command(flatten)]
    pub(crate) tls: TlsFlags,
}

/// Reads a time that isn't over at once, in milliseconds.
fn deadline_ms(text: &str) -> Result<u64, String> {
    match duration_ms(text)? {
        0 => Err("a deadline of nothing has passed already".into()),
        ms => Ok(ms),
    }
}

/// Reads a time in milliseconds, an hour at most; a number alone is of milliseconds.
fn duration_ms(text: &str) -> Result<u64, String> {
    if text.parse::<u64>().is_ok() {
        fault::duration_ms(&format!("{text}ms"))
    } else {
        fault::duration_ms(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_are_milliseconds() {
        let check = |text: &str, ms: Option<u64>| assert_eq!(deadline_ms(text).ok(), ms, "{text}");
        check("500ms", Some(500));
        check("2s", Some(2_000));
        check("1500", Some(1_500));
        check("1h", Some(3_600_000));
        check("61m", None);
        check("0s", None);
        check("soon", None);
        check("-1s", None);
    }
}
