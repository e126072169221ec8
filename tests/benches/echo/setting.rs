//! The settings in which pairs are measured.

use std::path::PathBuf;

use clap::Args;

use crate::Pair;
use crate::certificates::Certificates;

/// What is said to both processes of a pair.
#[derive(Args, Debug, Clone)]
pub(crate) struct Load {
    /// Calls in flight, on all connections together
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) connections: usize,
    /// Bytes that are echoed
    #[arg(long, default_value_t = 64)]
    pub(crate) payload: usize,
    /// Never sleep, and measure the time of each call
    #[arg(long)]
    pub(crate) spin: bool,
    /// The certificates with which both sides speak TLS
    #[arg(long)]
    pub(crate) certificates: Option<PathBuf>,
    /// How long is measured, in seconds
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// End after so many calls instead, without a warm-up
    #[arg(long)]
    pub(crate) calls: Option<u64>,
}

/// What pairs are measured with.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    in_flight: usize,
    connections: usize,
    payload: usize,
    tls: bool,
    /// The P50 of a call counts, and not what it costs.
    pub(crate) spin: bool,
    /// With one call at a time only one of both sides works, and what two cores cost to wake each other up would hide everything else.
    pub(crate) same_core: bool,
    /// The others are compared with the first one.
    pub(crate) pairs: &'static [Pair],
}

const PLAIN: Setting = Setting {
    name: "64 in flight",
    in_flight: 64,
    connections: 1,
    payload: 64,
    tls: false,
    spin: false,
    same_core: false,
    pairs: &[Pair::TokioMux, Pair::Micronet, Pair::MicronetTyped, Pair::MicronetSync],
};
/// Where a client of the synchronous driver, which has one connection and no TLS, has no part.
const WITHOUT_SYNC: &[Pair] = &[Pair::TokioMux, Pair::Micronet, Pair::MicronetTyped];

pub(crate) static SETTINGS: [Setting; 7] = [
    PLAIN,
    Setting { name: "1024 in flight", in_flight: 1024, ..PLAIN },
    Setting { name: "64 on 8 connections", connections: 8, pairs: WITHOUT_SYNC, ..PLAIN },
    Setting { name: "64 of 4 KiB", payload: 4096, ..PLAIN },
    Setting { name: "64 in TLS", tls: true, pairs: WITHOUT_SYNC, ..PLAIN },
    Setting { name: "1 in flight", in_flight: 1, same_core: true, ..PLAIN },
    Setting {
        name: "1, spinning",
        in_flight: 1,
        spin: true,
        pairs: &[Pair::RawSpin, Pair::MicronetSync],
        ..PLAIN
    },
];

impl Setting {
    /// The arguments by which [`Load`] is told.
    pub(crate) fn load(&self, seconds: f64, certificates: &Certificates) -> Vec<String> {
        let mut load = vec![
            format!("--in-flight={}", self.in_flight),
            format!("--connections={}", self.connections),
            format!("--payload={}", self.payload),
            format!("--seconds={seconds}"),
        ];
        load.extend(self.spin.then(|| "--spin".to_owned()));
        load.extend(self.tls.then(|| format!("--certificates={}", certificates.folder().display())));
        load
    }
}
