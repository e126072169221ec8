//! Where the instance is that is watched, or talked with.

use std::net::SocketAddr;
use std::path::Path;

use crate::address::HostPort;
use crate::config::PingTarget;
use crate::error::CommandError;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::rpc_port_default;
use crate::terminal;

/// What is watched, or talked with.
pub(crate) struct Target {
    /// The name under which it is reported.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// Of which service it has to be an instance, where that is known.
    pub(crate) service: Option<String>,
}

/// Finds the target, in the network that runs on the data folder if there is one.
pub(crate) async fn find(
    target: &PingTarget,
    data: &Path,
    network: Option<&NetworkFile>,
) -> Result<Target, CommandError> {
    let name = match target {
        PingTarget::Address(address) => {
            let found = address.resolve().await.map_err(CommandError::into_usage)?;
            return Ok(Target { name: address.to_string(), address: found, service: None });
        }
        PingTarget::Name(name) => name,
    };
    if let Some(network) = network {
        return in_network(network, name);
    }
    // Services started by hand share a data folder too: one that isn't there is a mistyped one.
    let port = rpc_port_default(name).filter(|_| data.exists()).ok_or_else(|| {
        CommandError::usage(format!("no network runs on {}", data.display()))
            .next("start one with `micronet up`, name its folder with --data, or give HOST:PORT")
    })?;
    let address = HostPort::new("localhost", port).resolve().await?;
    Ok(Target { name: name.clone(), address, service: Some(name.clone()) })
}

/// The instance of this name, else the first of the service of this name.
fn in_network(network: &NetworkFile, name: &str) -> Result<Target, CommandError> {
    // HTTP has no heartbeat: the gateway is watched where it speaks RPC.
    let rpc = || network.entries.iter().filter(|entry| entry.protocol == Protocol::Rpc);
    let named = rpc().find(|entry| entry.instance == name);
    let of_service: Vec<_> = rpc().filter(|entry| entry.service == name).collect();
    let Some(entry) = named.or(of_service.first().copied()) else {
        let names: Vec<_> = rpc().map(|entry| entry.instance.as_str()).collect();
        return Err(CommandError::usage(format!(
            "the running network has neither an instance nor a service {name:?}"
        ))
        .next(format!("it has {}", names.join(", "))));
    };
    if named.is_none() && of_service.len() > 1 {
        let others: Vec<_> = of_service[1..].iter().map(|entry| entry.instance.as_str()).collect();
        terminal::note(&format!("{name} has other instances: {}", others.join(", ")));
    }
    let service = Some(entry.service.clone());
    Ok(Target { name: entry.instance.clone(), address: entry.address, service })
}
