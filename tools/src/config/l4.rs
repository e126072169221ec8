//! Which TCP ports the gateway passes through, and where to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use micronet_transport::balance::Algorithm;

use super::peers::Peers;
use super::ports::{InstancePlan, moved};
use crate::address::{self, HostPort};
use crate::cli::l4::L4Flags;
use crate::error::CommandError;
use crate::profile::Profile;
use crate::registry::{Service, port_at};

/// How far a service's virtual port lies from its own.
const OFFSET: i32 = 1000;
/// The most virtual ports of one gateway.
const PORTS_MAX: usize = 64;
/// The most addresses behind one of them.
const ADDRESSES_MAX: usize = 64;

/// What the gateway passes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct L4Config {
    /// The ports, and where their connections go.
    pub(crate) ports: Vec<L4Port>,
    /// For how long a connection may say nothing; zero is for ever.
    pub(crate) idle: Duration,
}

/// A port that is passed through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct L4Port {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where its connections go.
    pub(crate) target: L4Target,
    /// By which algorithm one of them is picked.
    pub(crate) algorithm: Algorithm,
}

/// Where the connections of a virtual port go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum L4Target {
    /// To the instances of a service that the gateway calls.
    Service(String),
    /// To these addresses.
    Addresses(Vec<HostPort>),
}

/// A virtual port that `up` has the gateway open for a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct L4Plan {
    /// The service.
    pub(crate) service: &'static Service,
    /// The port; 0 is a free one.
    pub(crate) port: u16,
}

impl L4Config {
    /// Reads `--l4` of a gateway that listens on `listen`.
    pub(super) fn new(flags: &L4Flags, listen: IpAddr, peers: &Peers) -> Result<Self, CommandError> {
        if flags.l4.len() > PORTS_MAX {
            return Err(CommandError::usage(format!("a gateway has at most {PORTS_MAX} virtual ports")));
        }
        let mut ports: Vec<L4Port> = Vec::new();
        for flag in &flags.l4 {
            let port = port(flag, listen, peers)?;
            let address = port.listen;
            if address.port() != 0 && ports.iter().any(|other| other.listen == address) {
                return Err(CommandError::usage(format!("--l4 names {address} twice"))
                    .next("list all addresses behind a port at once: PORT=HOST:PORT,HOST:PORT"));
            }
            ports.push(port);
        }
        Ok(Self { ports, idle: Duration::from_secs(flags.l4_idle) })
    }
}

fn port(flag: &str, listen: IpAddr, peers: &Peers) -> Result<L4Port, CommandError> {
    let (port, target) = flag.split_once('=').ok_or_else(|| {
        CommandError::usage(format!("--l4 {flag:?} names no target"))
            .next("write PORT=SERVICE or PORT=HOST:PORT[,HOST:PORT…], such as --l4 9002=product")
    })?;
    let address = match port.trim().parse() {
        Ok(port) => SocketAddr::new(listen, port),
        // A host alone would get a port that nobody has chosen.
        Err(_) if !port.contains(':') || port.ends_with(']') => {
            return Err(CommandError::usage(format!("--l4 {flag:?}: {port:?} is not a port (0 to 65535)"))
                .next("write PORT=TARGET or ADDR:PORT=TARGET, such as --l4 9002=product"));
        }
        Err(_) => address::parse_listen(port.trim(), 0)?,
    };
    let (target, algorithm) = match target.split_once('@') {
        Some((target, name)) => (target, name.trim().parse().map_err(CommandError::usage)?),
        None => (target, Algorithm::LeastConnections),
    };
    Ok(L4Port { listen: address, target: to(flag, target.trim(), peers)?, algorithm })
}

fn to(flag: &str, target: &str, peers: &Peers) -> Result<L4Target, CommandError> {
    if !target.contains(':') {
        if !peers.iter().any(|(name, _)| name == target) {
            let known: Vec<_> = peers.iter().map(|(name, _)| name).collect();
            return Err(CommandError::usage(format!(
                "--l4 {flag:?}: no service {target:?} is behind this gateway"
            ))
            .next(format!(
                "it has {}; name others with --peer, or give addresses as HOST:PORT",
                known.join(", ")
            )));
        }
        return Ok(L4Target::Service(target.to_owned()));
    }
    let mut addresses = Vec::new();
    for text in target.split(',') {
        let found = HostPort::parse(text.trim(), None)?;
        if !addresses.contains(&found) {
            addresses.push(found);
        }
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(CommandError::usage(format!(
            "--l4 {flag:?}: there are more than {ADDRESSES_MAX} addresses"
        )));
    }
    Ok(L4Target::Addresses(addresses))
}

/// The virtual ports of a profile's services, as far from the gateway's port as their own are, and 1000 more: 9001 to 9009 where the
/// gateway has 8000.
pub(super) fn plan(
    profile: &Profile,
    base: Option<u16>,
    instances: &[InstancePlan],
) -> Result<Vec<L4Plan>, CommandError> {
    let mut plans = Vec::new();
    for (service, _) in profile.services() {
        // The nodes of the lab, whose ports lie below the gateway's, have none.
        let Some(offset) = service.port_offsets.first().filter(|offset| **offset >= 0) else { continue };
        let port = moved(profile, base, port_at(profile.gateway_port, OFFSET + offset)).map_err(|error| {
            error.next("choose another --base-port, or leave virtual ports out with --no-l4")
        })?;
        if let Some(other) =
            instances.iter().find(|instance| instance.ports().any(|(taken, _)| port != 0 && taken == port))
        {
            return Err(CommandError::usage(format!(
                "{} and the virtual port of {} would both listen on {port}",
                other.instance, service.name
            ))
            .next(format!(
                "choose another port with --port {}=…, or leave virtual ports out with --no-l4",
                other.service_name()
            )));
        }
        plans.push(L4Plan { service, port });
    }
    Ok(plans)
}
