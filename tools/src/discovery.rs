//! Looking for instances, by what the configuration says.

use std::rc::Rc;

use micronet_transport::discovery::dns::{self, Resolver};
use micronet_transport::discovery::file;
use micronet_transport::network::Network;

use crate::config::{DiscoveryConfig, Peers};
use crate::error::CommandError;

/// Begins to look for the instances of `peers`, and tells `network` of them from now on. Waits a moment for the first answers.
pub(crate) async fn begin(
    config: &DiscoveryConfig,
    peers: &Peers,
    network: &Rc<Network>,
) -> Result<(), CommandError> {
    if let Some((path, says)) = &config.file {
        file::follow(network, path.clone(), says.clone());
    }
    let mut names = peers.names().peekable();
    if names.peek().is_none() {
        return Ok(());
    }
    let resolver = match config.dns_server {
        Some(server) => Resolver::of_server(server),
        None => Resolver::system(),
    };
    let resolver = resolver.map_err(|error| {
        CommandError::new(format!("no name server can be asked: {error}"))
            .next("name one with --dns-server IP")
    })?;
    for (service, names) in names {
        dns::follow(network, service, names.to_vec(), resolver.clone()).await;
    }
    Ok(())
}
