//! The configuration of `ping`.

use std::path::PathBuf;
use std::time::Duration;

use super::{Environment, TlsConfig};
use crate::address::HostPort;
use crate::cli::ping::PingFlags;
use crate::error::CommandError;

/// What is watched, and how.
#[derive(Debug)]
pub(crate) struct PingConfig {
    /// Which instance.
    pub(crate) target: PingTarget,
    /// How many heartbeats; without one until Ctrl-C.
    pub(crate) count: Option<u64>,
    /// From one heartbeat to the next.
    pub(crate) interval: Duration,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// How TLS is spoken, where that was asked for; a running network says so itself.
    pub(crate) tls: Option<TlsConfig>,
    /// Whether the operator's token stays unused.
    pub(crate) anonymous: bool,
    /// Whether objects are printed.
    pub(crate) json: bool,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// Which instance is watched.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PingTarget {
    /// The one at an address.
    Address(HostPort),
    /// An instance, or a service, of the network on the data folder.
    Name(String),
}

/// What somebody means by a word.
pub(super) fn target(word: String) -> Result<PingTarget, CommandError> {
    // Names have no colon, and addresses always have one.
    if word.contains(':') {
        HostPort::parse(&word, None).map(PingTarget::Address)
    } else {
        super::name("instance", word).map(PingTarget::Name)
    }
}

pub(super) fn ping(
    flags: PingFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<PingConfig, CommandError> {
    let target = target(flags.target)?;
    Ok(PingConfig {
        target,
        count: flags.count,
        interval: Duration::from_millis(flags.interval),
        timeout: Duration::from_millis(flags.timeout),
        tls: super::tls::tls(flags.tls, &data, environment)?,
        anonymous: flags.anonymous,
        json: flags.json,
        data,
    })
}
