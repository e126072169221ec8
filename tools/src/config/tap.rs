//! The configuration of `tap`.

use std::path::PathBuf;
use std::time::Duration;

use micronet_wire::network::{FrameFilter, RecordFilter, RecordKind, TapFilter};

use super::{Environment, TlsConfig};
use crate::address::HostPort;
use crate::cli::tap::TapFlags;
use crate::error::CommandError;
use crate::registry::{GATEWAY, GATEWAY_INSTANCE};

/// What is tapped, and what is made of it.
#[derive(Debug)]
pub(crate) struct TapConfig {
    /// Who is tapped.
    pub(crate) target: TapTarget,
    /// What is wanted.
    pub(crate) filter: TapFilter,
    /// Whether calls that the tapped make themselves are shown.
    pub(crate) made: bool,
    /// What is written.
    pub(crate) output: TapOutput,
    /// After how many lines or frames it stops.
    pub(crate) count: Option<u64>,
    /// After how long it stops.
    pub(crate) lasts: Option<Duration>,
    /// Whether the operator's token stays unused.
    pub(crate) anonymous: bool,
    /// How TLS is spoken, where that was asked for; a running network says so itself.
    pub(crate) tls: Option<TlsConfig>,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// Who is tapped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TapTarget {
    /// The one at an address.
    Address(HostPort),
    /// An instance, or a service, of the network on the data folder.
    Name(String),
}

/// What is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TapOutput {
    /// Lines for people.
    Lines,
    /// Objects, one a line.
    Json,
    /// Frames, to a file; without one to stdout.
    Pcap(Option<PathBuf>),
}

pub(super) fn tap(
    flags: TapFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<TapConfig, CommandError> {
    let target = match &flags.at {
        Some(address) => TapTarget::Address(HostPort::parse(address, None)?),
        None => TapTarget::Name(super::name("instance", flags.target)?),
    };
    let output = match flags.pcap {
        Some(file) => TapOutput::Pcap(Some(file).filter(|file| file.as_os_str() != "-")),
        None if flags.json => TapOutput::Json,
        None => TapOutput::Lines,
    };
    let one_in = flags.sample;
    let filter = if let TapOutput::Pcap(_) = output {
        let frames = FrameFilter { service: flags.service, method: flags.method, one_in };
        TapFilter { frames: Some(frames), ..TapFilter::default() }
    } else {
        let gateway = [GATEWAY, GATEWAY_INSTANCE].map(|name| TapTarget::Name(name.to_owned()));
        // What the gateway calls is what came of requests.
        let edge = gateway.contains(&target) && !flags.made;
        let slower_than = flags.slower_than.unwrap_or_default().as_micros();
        let calls = RecordFilter {
            kind: edge.then_some(RecordKind::Edge),
            service: flags.service,
            method: flags.method,
            principal: flags.caller,
            code: flags.status,
            failed: flags.failed,
            slower_than_us: u64::try_from(slower_than).unwrap_or(u64::MAX),
            one_in,
        };
        TapFilter { calls: Some(calls), messages: flags.payload, frames: None }
    };
    Ok(TapConfig {
        target,
        filter,
        made: flags.made,
        output,
        count: flags.count,
        lasts: flags.lasts,
        anonymous: flags.anonymous,
        tls: super::tls::tls(flags.tls, &data, environment)?,
        data,
    })
}
