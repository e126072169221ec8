//! Where a process finds the instances that it calls, and where it announces itself.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use micronet_transport::discovery::file::PeersFile;

use crate::address::HostPort;
use crate::cli::discovery::{DiscoveryFlags, RegistrationFlags};
use crate::error::CommandError;
use crate::registry::{BASE_PORT, rpc_port_of_gateway};

/// Where instances are looked for, beside the addresses and names of peers.
#[derive(Clone, Debug, Default)]
pub(crate) struct DiscoveryConfig {
    /// The file, and what it says now.
    pub(crate) file: Option<(PathBuf, PeersFile)>,
    /// The name server, where one is named.
    pub(crate) dns_server: Option<SocketAddr>,
}

impl DiscoveryConfig {
    /// Reads the file: at the start it has to be right.
    pub(super) fn new(flags: DiscoveryFlags) -> Result<Self, CommandError> {
        let read = |path: PathBuf| match PeersFile::read(&path) {
            Ok(says) => Ok((path, says)),
            Err(error) => Err(CommandError::usage(format!("--peers: {error}"))
                .next("write [SERVICE] and instances = [\"IP:PORT\", …] for each service")),
        };
        let dns_server = flags.dns_server.map(|text| {
            let with_port = text.parse::<SocketAddr>();
            with_port.or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53))).map_err(|_| {
                CommandError::usage(format!("--dns-server {text:?} is not an IP address"))
                    .next("write IP or IP:PORT, such as 127.0.0.1:53")
            })
        });
        Ok(Self { file: flags.file.map(read).transpose()?, dns_server: dns_server.transpose()? })
    }

    /// The services that the file names.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.file.iter().flat_map(|(_, says)| says.services.keys()).map(String::as_str)
    }
}

/// Where an instance announces itself, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RegistrationConfig {
    /// The RPC addresses of gateways.
    pub(crate) gateways: Vec<HostPort>,
    /// The address that is announced, where it isn't the one that the instance listens on.
    pub(crate) advertise: Option<SocketAddr>,
    /// Its weight among the instances.
    pub(crate) weight: u32,
}

impl RegistrationConfig {
    pub(super) fn new(flags: &RegistrationFlags) -> Result<Self, CommandError> {
        let port = rpc_port_of_gateway(BASE_PORT);
        let gateways = flags.gateways.iter().map(|text| HostPort::parse(text, Some(port)));
        let advertise = flags.advertise.as_deref().map(|text| match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 && !address.ip().is_unspecified() => Ok(address),
            _ => Err(CommandError::usage(format!("--advertise {text:?}: others can't connect there"))
                .next("write the IP address and the port by which gateways reach this instance")),
        });
        Ok(Self {
            gateways: gateways.collect::<Result<_, _>>()?,
            advertise: advertise.transpose()?,
            weight: flags.weight,
        })
    }
}
