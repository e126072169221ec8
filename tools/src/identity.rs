//! Who this process is towards the network, by the secrets of its data folder.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use micronet_transport::identity::Identity;
use micronet_wire::hello::{Credential, Secret};

use crate::config::Peers;
use crate::data_folder::DataFolder;
use crate::error::CommandError;

/// A part of the cluster: it proves the cluster's secret, and knows the operator's token when it sees it.
pub(crate) fn of_member(
    data: &DataFolder,
    cluster: &str,
    node: &str,
    instance: &str,
) -> Result<Rc<Identity>, CommandError> {
    Ok(Rc::new(Identity {
        cluster: cluster.to_owned(),
        node: node.to_owned(),
        instance: instance.to_owned(),
        cluster_secret: Some(Secret::new(*data.cluster_secret()?.bytes())),
        operator_token: Some(Secret::new(data.operator_token()?.text())),
        credential: Some(Credential::Cluster),
        tls: None,
    }))
}

/// The operator at the command line, who belongs to no cluster; without a token a stranger.
pub(crate) fn of_operator(operator_token: Option<&str>) -> Identity {
    Identity {
        operator_token: operator_token.map(Secret::new),
        credential: operator_token.map(|_| Credential::Operator),
        ..Identity::default()
    }
}

/// The addresses of peers, their host names looked up.
pub(crate) async fn resolve(peers: &Peers) -> Result<BTreeMap<String, Vec<SocketAddr>>, CommandError> {
    let mut resolved = BTreeMap::new();
    for (name, addresses) in peers.iter() {
        let mut found = Vec::new();
        for address in addresses {
            found.push(address.resolve().await?);
        }
        tracing::info!(peer = name, addresses = ?found, "calls");
        resolved.insert(name.to_owned(), found);
    }
    Ok(resolved)
}
