//! A port of the gateway whose connections are passed through to the instances of a service, or to any other servers.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::balance::Algorithm;
use micronet_transport::drain::Drain;
use micronet_transport::network::Network;
use micronet_transport::{clock, listener, socket};
use tokio::net::{TcpListener, TcpStream};

use super::backend::{Backend, Open, add};
use super::backends::{Backends, Standing};
use super::limits::{CONNECTIONS_MAX, IDLE_DEFAULT, PATIENCE_MAX, REACH_MAX};
use super::pipe::Pipes;
use super::relay::relay;
use super::report::{BackendReport, PortReport};

/// Where the connections of a virtual port go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the instances of this service, which the gateway calls too: they are as healthy as it sees them.
    Service(String),
    /// To these addresses, which are checked by connecting to them.
    Addresses(Vec<SocketAddr>),
}

/// What a virtual port is opened with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it listens; port 0 is a free one.
    pub listen: SocketAddr,
    /// Where its connections go.
    pub target: Target,
    /// By which algorithm backends are picked: what is in flight is connections, and their response time is that of connecting.
    pub algorithm: Algorithm,
    /// For how long a connection may say nothing, either way; zero is for ever.
    pub idle: Duration,
    /// How many connections it has at once; those that come then wait in the kernel's backlog.
    pub connections_max: usize,
    /// Whether long streams go through pipes in the kernel (splice(2)), where it can do that.
    pub splice: bool,
}

impl Config {
    /// A virtual port with the limits that go without saying.
    #[must_use]
    pub fn new(listen: SocketAddr, target: Target) -> Self {
        Self {
            listen,
            target,
            algorithm: Algorithm::LeastConnections,
            idle: IDLE_DEFAULT,
            connections_max: CONNECTIONS_MAX,
            splice: true,
        }
    }
}

/// A virtual port that is open.
#[derive(Debug)]
pub struct VirtualPort {
    address: SocketAddr,
    backends: Backends,
    idle: Duration,
    connections_max: usize,
    /// Connections that found no backend.
    unserved: Cell<u64>,
    pub(super) pipes: Pipes,
}

impl VirtualPort {
    /// Listens. The process's own view of the network says how the instances of services are doing, and what the operator wants of
    /// them; of plain addresses the operator speaks by the name `tcp-PORT`. The listener is for [`VirtualPort::serve`].
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    ///
    /// # Errors
    /// Those of the operating system, as when the port is in use.
    pub fn open(config: &Config, network: &Rc<Network>) -> io::Result<(Rc<Self>, TcpListener)> {
        Self::open_on(socket::listen(config.listen)?, config, network)
    }

    /// The same on a socket that listens already.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn open_on(
        listener: TcpListener,
        config: &Config,
        network: &Rc<Network>,
    ) -> io::Result<(Rc<Self>, TcpListener)> {
        let address = listener.local_addr()?;
        let backends = match &config.target {
            Target::Service(name) => Backends::of_service(name, network, config.algorithm),
            Target::Addresses(addresses) => {
                let name = format!("tcp-{}", address.port());
                Backends::of_addresses(&name, addresses, network, config.algorithm)
            }
        };
        let port = Self {
            address,
            backends,
            idle: config.idle,
            connections_max: config.connections_max,
            unserved: Cell::new(0),
            pipes: Pipes::new(config.splice),
        };
        Ok((Rc::new(port), listener))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes connections through until `drain` begins. Those that are open then may go on until the time to drain is over; what is
    /// left is reset.
    ///
    /// Must run on a `LocalRuntime` or within a `LocalSet`.
    pub async fn serve(self: Rc<Self>, listener: TcpListener, drain: Drain) {
        listener::accept(
            "TCP passed through",
            listener,
            self.connections_max,
            drain,
            || {},
            |stream, peer| Rc::clone(&self).connection(stream, peer.ip()),
        )
        .await;
    }

    /// What has gone through it, and how its backends stand.
    #[must_use]
    pub fn report(&self) -> PortReport {
        let now = clock::now();
        let backend = |(backend, standing): (Rc<Backend>, Standing)| BackendReport {
            name: backend.name.to_string(),
            address: backend.address,
            state: standing.state,
            reason: standing.reason,
            since: standing.since,
            connect_us: backend.counters.connecting.borrow().mean_ns(now) / 1_000,
            traffic: backend.counters.traffic(),
        };
        PortReport {
            address: self.address,
            name: self.backends.name.to_string(),
            algorithm: self.backends.algorithm(),
            unserved: self.unserved.get(),
            backends: self.backends.standing().into_iter().map(backend).collect(),
        }
    }

    async fn connection(self: Rc<Self>, client: TcpStream, from: IpAddr) {
        let reached = tokio::time::timeout(REACH_MAX, self.reach(from)).await;
        let Some((open, backend)) = reached.ok().flatten() else {
            self.unserved.set(self.unserved.get() + 1);
            // It is told at once, and can't take it for an empty answer.
            let _ = client.set_zero_linger();
            return;
        };
        // Who doesn't read for a while is no dead link: that is judged by the idle limit here, and not by the kernel before it.
        let patience = self.idle.min(PATIENCE_MAX);
        let patient =
            socket::set_patience(&client, patience).and_then(|()| socket::set_patience(&backend, patience));
        if let Err(error) = patient {
            tracing::debug!(%error, "a connection keeps the patience of others");
        }
        let counters = &open.backend().counters;
        let end = relay(
            client,
            backend,
            &self.pipes,
            self.idle,
            |bytes| add(&counters.sent, bytes),
            |bytes| add(&counters.received, bytes),
        );
        let end = end.await;
        open.ended(end);
    }

    /// A connection to a backend. Nothing was sent yet, so that the next one may be tried when one can't be reached.
    async fn reach(&self, client: IpAddr) -> Option<(Open, TcpStream)> {
        let mut tried = Vec::new();
        while let Some(backend) = self.backends.pick(client, &tried) {
            let address = backend.address;
            let mut open = Open::to(backend);
            match self.backends.connect(open.backend()).await {
                Ok(stream) => {
                    open.made();
                    return Some((open, stream));
                }
                Err(error) => {
                    let port = self.address.port();
                    tracing::debug!(port, %address, %error, "a backend can't be reached");
                    tried.push(address);
                }
            }
        }
        None
    }
}
