//! Three nodes and a gateway, each a process of its own, and what the gateway sees of the second.

use std::net::SocketAddr;

use micronet_services::node::api::{Delay, LoadChange, NodeClient};
use micronet_tests::folder::Folder;
use micronet_tests::machine::Machine;
use micronet_tests::patience::until;
use micronet_tests::ports;
use micronet_tests::process::{Process, micronet};
use micronet_tests::rpc::{self, Caller};
use micronet_tests::server::Server;
use micronet_transport::client::Client;
use micronet_wire::network::{CalledInstance, CalledService, InstancesOf, OperationClient};
use micronet_wire::service::CallOptions;

use super::relay::Relay;

/// The node to which something happens.
pub(super) const VICTIM: &str = "node-2";
/// Where the victim listens on another machine.
const PORT_THERE: u16 = 5002;

/// The lab.
pub(super) struct Lab {
    nodes: Vec<Server>,
    /// The victim, where it isn't among them.
    there: Option<Process>,
    gateway: Server,
    gateway_rpc: SocketAddr,
    folder: Folder,
}

impl Lab {
    /// Three nodes on this machine.
    pub(super) fn open() -> Self {
        Self::with(|folder| (Some(node(folder, VICTIM)), None, None))
    }

    /// The same with the victim on another machine.
    pub(super) fn with_victim_on(machine: &Machine) -> Self {
        Self::with(|folder| {
            let listen = machine.there(PORT_THERE);
            let arguments = ["service", "node", "--instance", VICTIM, "--listen", &listen, "--insecure"];
            let mut process = Process::start(VICTIM, &mut machine.run(&micronet(folder.path(), &arguments)));
            until("the node on the other machine", || {
                if process.stdout().contains("listening on") && process.is_running() {
                    Ok(())
                } else {
                    Err(process.said())
                }
            });
            (None, Some(process), Some(listen.parse().expect("an address")))
        })
    }

    /// The same with the victim behind a relay.
    pub(super) fn with_victim_behind(relay: &Relay) -> Self {
        Self::with(|folder| {
            let victim = node(folder, VICTIM);
            relay.lead_to(victim.address());
            (Some(victim), None, Some(relay.address()))
        })
    }

    /// `victim` gives the process of the second node, here or elsewhere, and its address if that isn't its own.
    fn with(victim: impl FnOnce(&Folder) -> (Option<Server>, Option<Process>, Option<SocketAddr>)) -> Self {
        let folder = Folder::new();
        let mut nodes = vec![node(&folder, "node-1"), node(&folder, "node-3")];
        let (here, there, address) = victim(&folder);
        nodes.extend(here);
        let addresses = nodes.iter().enumerate().map(|(place, node)| match address {
            Some(address) if place == 2 => address,
            _ => node.address(),
        });
        let mut addresses: Vec<String> = addresses.map(|address| address.to_string()).collect();
        addresses.extend(address.filter(|_| nodes.len() == 2).map(|address| address.to_string()));
        let peer = format!("node={}", addresses.join(","));
        let gateway_rpc: SocketAddr = format!("127.0.0.1:{}", ports::free()).parse().expect("an address");
        let rpc = gateway_rpc.to_string();
        let gateway = Server::start(folder.path(), "gateway-1", &["gateway", "--peer", &peer, "--rpc", &rpc]);
        let lab = Self { nodes, there, gateway, gateway_rpc, folder };
        for address in &addresses {
            let load = LoadChange {
                work_us: Some(0),
                delay: Some(Delay::Fixed { us: 20_000 }),
                ..LoadChange::default()
            };
            lab.set_load(address.parse().expect("an address"), load);
        }
        until("the gateway to reach all nodes", || {
            let service = lab.service();
            let reached = service.instances.iter().filter(|instance| instance.connections > 0).count();
            if reached == 3 { Ok(()) } else { Err(format!("{service:#?}")) }
        });
        lab
    }

    /// The gateway's address for HTTP.
    pub(super) fn gateway(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// The victim's process.
    pub(super) fn victim(&mut self) -> &mut Process {
        match &mut self.there {
            Some(process) => process,
            None => self.nodes[2].process(),
        }
    }

    /// Starts the victim again after its end.
    pub(super) fn restart_victim(&mut self) {
        let data = self.folder.path().to_owned();
        self.nodes[2].restart(&data);
    }

    /// The victim takes so many times as long.
    pub(super) fn slow_down(&mut self, factor: u32) {
        let address = self.nodes[2].address();
        self.set_load(address, LoadChange { slower: Some(factor), ..LoadChange::default() });
    }

    /// What the gateway sees of the nodes.
    pub(super) fn service(&self) -> CalledService {
        self.call(self.gateway_rpc, async |client| {
            let of = InstancesOf { service: Some("node".into()), history: true };
            let seen = OperationClient::new(client).instances(&of, CallOptions::default()).await;
            seen.expect("the gateway says what it sees").services.pop().expect("it calls nodes")
        })
    }

    /// What it sees of the victim.
    pub(super) fn seen(&self) -> CalledInstance {
        let instances = self.service().instances;
        instances.into_iter().find(|instance| instance.instance == VICTIM).expect("it knows the victim")
    }

    fn set_load(&self, node: SocketAddr, load: LoadChange) {
        self.call(node, async |client| {
            NodeClient::new(client).set_load(&load, CallOptions::default()).await.expect("the load is set");
        });
    }

    fn call<T>(&self, server: SocketAddr, work: impl AsyncFnOnce(Client) -> T) -> T {
        rpc::call(server, &Caller::Operator.identity(&self.folder), work)
    }
}

fn node(folder: &Folder, instance: &str) -> Server {
    Server::start(folder.path(), instance, &["service", "node"])
}
