//! Where the shop is: its gateway.

use std::path::Path;

use crate::address::HostPort;
use crate::error::CommandError;
use crate::load::engine::ExchangeError;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::{BASE_PORT, GATEWAY};

/// The gateway: as named, else that of the network that runs on the data folder, else the default.
pub(crate) fn find(named: Option<&HostPort>, data: &Path) -> Result<HostPort, CommandError> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    let network = NetworkFile::of_running_network(data)?;
    let gateway = network.as_ref().and_then(|network| network.first(GATEWAY, Protocol::Http));
    Ok(gateway.map_or_else(|| HostPort::new("localhost", BASE_PORT), |entry| entry.address.into()))
}

/// The words for a gateway that can't be reached; `flag` is the one that names it.
pub(crate) fn not_reached(front: &HostPort, flag: &str, error: &ExchangeError) -> CommandError {
    CommandError::new(format!("nobody answers at {front} ({})", error.detail)).next(format!(
        "start the network with `micronet up`, or say where its gateway is: {flag} HOST:PORT, or --data DIR for \
         the network of that data folder"
    ))
}
