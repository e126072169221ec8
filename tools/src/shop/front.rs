//! Where the shop is: its gateway.

use std::path::Path;

use crate::address::HostPort;
use crate::error::CommandError;
use crate::load::engine::ExchangeError;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::{BASE_PORT, GATEWAY};

/// The gateway: as named, else that of the network that runs on the data folder, else, where none does, the default.
pub(crate) fn find(named: Option<&HostPort>, data: &Path) -> Result<HostPort, CommandError> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    let Some(network) = NetworkFile::of_running_network(data)? else {
        return Ok(HostPort::new("localhost", BASE_PORT));
    };
    let gateway = network.first(GATEWAY, Protocol::Http).ok_or_else(|| {
        CommandError::new(format!("the gateway of the network on {} doesn't run", data.display()))
            .next("`micronet ps` shows why, and `micronet start gateway` starts it")
    })?;
    Ok(gateway.address.into())
}

/// The words for a gateway that can't be reached; `flag` is the one that names it.
pub(crate) fn not_reached(front: &HostPort, flag: &str, error: &ExchangeError) -> CommandError {
    CommandError::new(format!("nobody answers at {front} ({})", error.detail)).next(format!(
        "start the network with `micronet up`, or say where its gateway is: {flag} HOST:PORT, or --data DIR for \
         the network of that data folder"
    ))
}
