//! What was measured, as it is written to files and read again. Medians, ranges and ratios are the report's to make of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::latencies::Latencies;
use crate::machine::Machine;

/// The version of the format that is written. What has another one is not read.
pub(crate) const FORMAT: u32 = 1;

/// All that one command has measured: one run, or two that took turns (`--compare`), the second being compared with the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// What has measured, as `micronet 0.1.0`.
    pub(crate) program: String,
    /// The runs. Where there are two, their repetitions took turns: the n-th of each belong together.
    pub(crate) runs: Vec<Run>,
}

impl Results {
    /// The results of this program.
    pub(crate) fn of(runs: Vec<Run>) -> Self {
        Self { format: FORMAT, program: format!("micronet {}", env!("CARGO_PKG_VERSION")), runs }
    }
}

/// One target, measured several times in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// What was asked, as it was typed or as it is best called: `bench.echo at 127.0.0.1:7001`, `http://localhost:8000/products/Tux`.
    pub(crate) target: String,
    /// By which protocol.
    pub(crate) kind: Kind,
    /// How it was measured.
    pub(crate) settings: Settings,
    /// When it began, in microseconds since 1970.
    pub(crate) started_unix_us: u64,
    /// Where.
    pub(crate) machine: Machine,
    /// Each time that it was measured, in order.
    pub(crate) repetitions: Vec<Repetition>,
}

/// By which protocol is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Calls to a service.
    Rpc,
    /// HTTP/1.1.
    Http,
    /// Messages of a WebSocket.
    Ws,
    /// TCP through a gateway.
    L4,
    /// Bytes that come back over TCP, and no protocol at all: the floor.
    Echo,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rpc => "rpc",
            Self::Http => "http",
            Self::Ws => "ws",
            Self::L4 => "l4",
            Self::Echo => "echo",
        })
    }
}

/// How it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// When requests are sent.
    pub(crate) load: Load,
    /// Connections to the target.
    pub(crate) connections: u32,
    /// What a request bears, in bytes, as far as that is a setting.
    pub(crate) payload_bytes: Option<u64>,
    /// Seconds of load before each repetition that aren't counted.
    pub(crate) warm_up_s: f64,
    /// How long a repetition is, in seconds.
    pub(crate) seconds: f64,
    /// All else that matters, in words: `driver` → `mio`, `security` → `mtls`, `method` → `bench.echo`.
    #[serde(default)]
    pub(crate) other: BTreeMap<String, String>,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Load {
    /// The next one when an answer has come.
    Closed {
        /// So many requests are under way at any time, over all connections.
        in_flight: u32,
    },
    /// By the clock, whatever becomes of those before.
    Open {
        /// So many a second.
        rate_per_s: f64,
    },
}

/// One time that it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Repetition {
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
    /// Requests that came to an end in this time, good or not.
    pub(crate) requests: u64,
    /// Those of them that failed, by kind: `timeout`, `status 503`, `OVERLOADED`.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Bytes that were sent and received, as far as they are known.
    #[serde(default)]
    pub(crate) bytes: Option<Bytes>,
    /// How long the good ones took. In an open loop from when they were due (`corrected`), so that a request which could not be sent in time
    /// counts with the time that it waited.
    pub(crate) latencies: Latencies,
    /// Whether `latencies` counts from when requests were due.
    pub(crate) corrected: bool,
    /// The same requests from when they were really sent, where `latencies` is corrected: what a tool that isn't would say.
    #[serde(default)]
    pub(crate) uncorrected: Option<Latencies>,
    /// How it went over time, without gaps: an interval each second, or longer ones where there would be more than 600.
    pub(crate) intervals: Vec<Interval>,
    /// What each process needed.
    pub(crate) cpu: Vec<Cpu>,
    /// Where the time went, as the server tells in each reply.
    #[serde(default)]
    pub(crate) ledger: Option<LedgerMeans>,
}

/// Bytes, by direction, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bytes {
    /// What it sent.
    pub(crate) sent: u64,
    /// What it got.
    pub(crate) received: u64,
}

/// A part of a repetition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// When it began, in seconds from the repetition's beginning.
    pub(crate) from_s: f64,
    /// How long it lasted, in seconds.
    pub(crate) seconds: f64,
    /// Requests that came to an end in it, good or not.
    pub(crate) requests: u64,
    /// Those of them that failed.
    pub(crate) errors: u64,
    /// How long the good ones took.
    pub(crate) latencies: Latencies,
}

/// What a process needed during a repetition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cpu {
    /// What it is, as `gateway-1` or `bench (pid 4711)`; the same in each repetition.
    pub(crate) process: String,
    /// What it does.
    pub(crate) role: Role,
    /// Time in its own code, in microseconds.
    pub(crate) user_us: u64,
    /// Time in the kernel for it, in microseconds.
    pub(crate) system_us: u64,
    /// How often it gave the processor away, as it had to wait.
    pub(crate) voluntary_switches: u64,
    /// How often the processor was taken from it.
    pub(crate) involuntary_switches: u64,
    /// Its memory at the end, in KiB.
    #[serde(default)]
    pub(crate) rss_kib: Option<u64>,
}

/// What a process does in a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// It asks.
    Client,
    /// It stands between.
    Gateway,
    /// It answers.
    Server,
    /// Anything else that takes part, as a database.
    Other,
}

/// Means of the account that a server gives with each reply (SPEC 7), in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LedgerMeans {
    /// Replies that they are means of.
    pub(crate) replies: u64,
    /// From the arrival of the request's last byte to the start of its handler.
    pub(crate) receive_queue_us: f64,
    /// In the handler.
    pub(crate) handler_us: f64,
    /// Waiting for the caller's credit.
    pub(crate) credit_wait_us: f64,
    /// From the end of the handler to the write buffer.
    pub(crate) write_queue_us: f64,
}

impl Repetition {
    /// Requests that failed.
    pub(crate) fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Good answers a second.
    pub(crate) fn rate_per_s(&self) -> f64 {
        per(self.requests.saturating_sub(self.failed()) as f64, self.seconds)
    }
}

impl Interval {
    /// Good answers a second.
    pub(crate) fn rate_per_s(&self) -> f64 {
        per(self.requests.saturating_sub(self.errors) as f64, self.seconds)
    }
}

fn per(count: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { count / seconds } else { 0.0 }
}
