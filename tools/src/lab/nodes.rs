//! The nodes of a running network, each called on its own.

use std::path::Path;
use std::time::Duration;

use micronet_services::node::api::{Load, LoadChange, NodeClient, NodeState};
use micronet_services::node::store::NodeStore;
use micronet_transport::client::Client;
use micronet_wire::error::RpcError;
use micronet_wire::service::CallOptions;

use crate::call::{Reached, deadline_ns, failure, reach};
use crate::config::Callee;
use crate::error::CommandError;
use crate::network_file::{Entry, NetworkFile};

/// How long a node may take to say or to change its load.
const DEADLINE: Duration = Duration::from_secs(5);

/// A node that was reached.
pub(super) struct Node {
    /// The instance's name.
    pub(super) instance: String,
    callee: Callee,
    reached: Reached,
}

/// The nodes of the network that runs on a data folder: those that are named, or all.
pub(super) async fn of_network(data: &Path, named: &[String]) -> Result<Vec<Node>, CommandError> {
    let network = NetworkFile::of_running_network(data)?.ok_or_else(|| {
        CommandError::usage(format!("no network runs on {}", data.display()))
            .next("start the lab with `micronet up --profile lab`, or name its folder with --data")
    })?;
    let entries: Vec<&Entry> = network.entries.iter().filter(|entry| entry.service == "node").collect();
    let names = || entries.iter().map(|entry| entry.instance.as_str()).collect::<Vec<_>>().join(", ");
    if entries.is_empty() {
        return Err(CommandError::usage("the running network has no nodes")
            .next("the profile lab has, and so has everything: `micronet up --profile lab`"));
    }
    for name in named {
        if !entries.iter().any(|entry| entry.instance == *name) {
            return Err(CommandError::usage(format!("the running network has no node {name:?}"))
                .next(format!("it has {}", names())));
        }
    }
    let mut nodes = Vec::new();
    for entry in entries.iter().filter(|entry| named.is_empty() || named.contains(&entry.instance)) {
        nodes.push(Node::reach(data, entry).await?);
    }
    Ok(nodes)
}

impl Node {
    async fn reach(data: &Path, entry: &Entry) -> Result<Self, CommandError> {
        let callee = Callee {
            service: "node".into(),
            to: Some(entry.address.into()),
            deadline: DEADLINE,
            tls: None,
            anonymous: false,
            data: data.to_owned(),
        };
        let reached = reach(&callee).await?;
        Ok(Self { instance: entry.instance.clone(), callee, reached })
    }

    /// The load that is in force, and what the node has done.
    pub(super) async fn state(&self) -> Result<NodeState, CommandError> {
        self.client().load(self.options()).await.map_err(|error| self.failed(&error))
    }

    /// Changes the load; first back to what the node started with, where `reset` says so.
    pub(super) async fn change(&self, reset: bool, change: &LoadChange) -> Result<NodeState, CommandError> {
        if reset {
            let first = whole(&NodeStore::of_instance(&self.instance).load());
            self.client().set_load(&first, self.options()).await.map_err(|error| self.failed(&error))?;
        }
        self.client().set_load(change, self.options()).await.map_err(|error| self.failed(&error))
    }

    fn client(&self) -> NodeClient<Client> {
        NodeClient::new(self.reached.client.clone())
    }

    fn options(&self) -> CallOptions {
        CallOptions { deadline_ns: deadline_ns(&self.callee), ..CallOptions::default() }
    }

    fn failed(&self, error: &RpcError) -> CommandError {
        failure(&self.callee, self.reached.address, error)
    }
}

/// A load as a change of everything.
pub(super) fn whole(load: &Load) -> LoadChange {
    LoadChange {
        work_us: Some(load.work_us),
        delay: Some(load.delay),
        errors_per_mille: Some(load.errors_per_mille),
        slow_per_mille: Some(load.slow_per_mille),
        slower: Some(load.slower),
        flap_ms: Some(load.flap_ms),
        payload_bytes: Some(load.payload_bytes),
        seed: Some(load.seed),
    }
}
