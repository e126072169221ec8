//! What a gateway is started with, and what all of its connections share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use micronet_transport::identity::{Identity, random_bytes};
use micronet_transport::upstream::Upstream;
use micronet_wire::rest::{RequestIds, Routes};

use crate::l4::{PortReport, VirtualPort};

/// What a gateway is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who this gateway is towards the services. The operator's token, if it is known, is what a bearer may present.
    pub identity: Rc<Identity>,
    /// Where the services are, by name.
    pub peers: BTreeMap<String, Vec<SocketAddr>>,
}

/// A running gateway, shared by its connections.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) identity: Rc<Identity>,
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) request_ids: RequestIds,
    routes: RefCell<Rc<Routes>>,
    virtual_ports: RefCell<Vec<Rc<VirtualPort>>>,
}

impl Gateway {
    /// Starts to connect to the services. Must be called on a `LocalRuntime` or within a `LocalSet`.
    #[must_use]
    pub fn start(config: &Config) -> Rc<Self> {
        let upstreams = config
            .peers
            .iter()
            .map(|(service, addresses)| Upstream::connect(service, addresses, &config.identity));
        let gateway = Rc::new(Self {
            identity: Rc::clone(&config.identity),
            upstreams: upstreams.collect(),
            request_ids: RequestIds::new(u32::from_ne_bytes(random_bytes())),
            routes: RefCell::default(),
            virtual_ports: RefCell::default(),
        });
        for upstream in &gateway.upstreams {
            tokio::task::spawn_local(follow_schemas(Rc::downgrade(&gateway), upstream.changes()));
        }
        gateway
    }

    /// Completes when each instance has been tried once, and the routes of those that were reached are known.
    pub async fn tried(&self) {
        for upstream in &self.upstreams {
            upstream.tried().await;
        }
        self.learn_routes();
    }

    /// The routes as they are now.
    #[must_use]
    pub fn routes(&self) -> Rc<Routes> {
        Rc::clone(&self.routes.borrow())
    }

    /// A virtual port was opened beside this gateway's own: it is shown with it from now on.
    pub fn opened(&self, port: Rc<VirtualPort>) {
        self.virtual_ports.borrow_mut().push(port);
    }

    /// What has gone through the virtual ports, and how their backends stand.
    #[must_use]
    pub fn passed_through(&self) -> Vec<PortReport> {
        self.virtual_ports.borrow().iter().map(|port| port.report()).collect()
    }

    fn learn_routes(&self) {
        let schemas = self
            .upstreams
            .iter()
            .enumerate()
            .flat_map(|(at, upstream)| upstream.schemas().into_iter().map(move |schema| (at, schema)));
        self.routes.replace(Rc::new(Routes::from_schemas("micronet", schemas)));
    }
}

/// Learns the routes anew whenever an instance comes, since it may serve a schema that was not known before.
async fn follow_schemas(gateway: std::rc::Weak<Gateway>, mut changes: tokio::sync::watch::Receiver<u64>) {
    while changes.changed().await.is_ok() {
        let Some(gateway) = gateway.upgrade() else { return };
        gateway.learn_routes();
    }
}
