//! The backends of a virtual port, and which of them gets the next connection.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};

use micronet_transport::balance::RoundRobin;
use micronet_transport::clock;
use micronet_transport::identity::random_bytes;
use micronet_transport::network::Network;
use micronet_wire::network::{CalledInstance, InstanceState, InstancesOf, Order};
use micronet_wire::schema::Timestamp;

use super::backend::Backend;
use super::check::Condition;
use super::limits::CHECK_INTERVAL;

/// Who knows where the backends are, and how they are doing.
#[derive(Debug)]
pub(super) enum Source {
    /// The gateway itself, which calls the instances of the service.
    Service,
    /// They were named, and are checked from here.
    Addresses,
}

/// How a backend stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: InstanceState,
    pub(super) reason: String,
    pub(super) since: Timestamp,
}

impl Standing {
    /// Whether it gets connections. Unlike a call, a connection is not tried where it may be refused in the middle.
    fn takes_connections(&self) -> bool {
        matches!(self.state, InstanceState::Up | InstanceState::Suspect)
    }

    /// What was found out here by connecting.
    fn of(condition: &Condition) -> Self {
        let state = if condition.is_up() { InstanceState::Up } else { InstanceState::Down };
        Self { state, reason: condition.reason().to_owned(), since: timestamp(condition.since_ns()) }
    }

    fn ordered(order: Order, reason: &str, since: Timestamp) -> Self {
        let state = match order {
            Order::Drain => InstanceState::Draining,
            Order::Block => InstanceState::Blocked,
        };
        Self { state, reason: reason.to_owned(), since }
    }
}

/// The backends of a virtual port.
#[derive(Debug)]
pub(super) struct Backends {
    /// The service's name, or another under which the operator speaks of them.
    pub(super) name: Rc<str>,
    source: Source,
    network: Rc<Network>,
    known: RefCell<Vec<Rc<Backend>>>,
    balancer: RefCell<RoundRobin>,
}

impl Backends {
    /// The instances of a service that this process calls.
    pub(super) fn of_service(name: &str, network: &Rc<Network>) -> Self {
        Self::new(name, Source::Service, network, Vec::new())
    }

    /// Plain addresses, which are checked as long as somebody holds this.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    pub(super) fn of_addresses(name: &str, addresses: &[SocketAddr], network: &Rc<Network>) -> Self {
        let backend = |address: &SocketAddr| Rc::new(Backend::new(address.to_string().into(), *address));
        let known: Vec<_> = addresses.iter().map(backend).collect();
        for backend in &known {
            tokio::task::spawn_local(check(Rc::downgrade(backend)));
        }
        Self::new(name, Source::Addresses, network, known)
    }

    fn new(name: &str, source: Source, network: &Rc<Network>, known: Vec<Rc<Backend>>) -> Self {
        let network = Rc::clone(network);
        Self { name: name.into(), source, network, known: RefCell::new(known), balancer: RefCell::default() }
    }

    /// The backend for the next connection of this client, unless it was tried already. One that is down, drains or is blocked gets
    /// none.
    pub(super) fn pick(&self, _client: IpAddr, tried: &[SocketAddr]) -> Option<Rc<Backend>> {
        let mut standing = self.standing();
        standing.retain(|(backend, standing)| standing.takes_connections() && !tried.contains(&backend.address));
        let picked = self.balancer.borrow_mut().pick(standing.len(), |_| true)?;
        Some(standing.swap_remove(picked).0)
    }

    /// All backends and how they stand.
    pub(super) fn standing(&self) -> Vec<(Rc<Backend>, Standing)> {
        match self.source {
            Source::Service => self.called(),
            Source::Addresses => {
                let (now, rules) = (clock::now(), self.network.rules());
                let standing = |backend: &Rc<Backend>| {
                    let word = rules.word(now, &self.name, &backend.name);
                    let found = Standing::of(&backend.condition.borrow());
                    let found =
                        word.map_or(found.clone(), |(order, why)| Standing::ordered(order, why, found.since));
                    (Rc::clone(backend), found)
                };
                self.known.borrow().iter().map(standing).collect()
            }
        }
    }

    /// The instances of the service as the gateway sees them now. One that is no longer named is forgotten with its last connection.
    fn called(&self) -> Vec<(Rc<Backend>, Standing)> {
        let of = InstancesOf { service: Some(self.name.to_string()), history: false };
        let services = self.network.instances("", &of).services;
        let mut standing: Vec<(Rc<Backend>, Standing)> = Vec::new();
        let mut known = self.known.borrow_mut();
        for instance in services.into_iter().flat_map(|called| called.instances) {
            let Ok(address) = instance.address.parse() else { continue };
            if standing.iter().any(|(backend, _)| backend.address == address) {
                continue;
            }
            let is_it = |backend: &&Rc<Backend>| {
                backend.address == address && *backend.name == *instance.instance
            };
            let found = known.iter().find(is_it).map(Rc::clone);
            let backend = found.unwrap_or_else(|| {
                let backend = Rc::new(Backend::new(instance.instance.as_str().into(), address));
                known.push(Rc::clone(&backend));
                backend
            });
            let CalledInstance { state, reason, since, .. } = instance;
            standing.push((backend, Standing { state, reason, since }));
        }
        known.retain(|backend| {
            backend.counters.open.get() > 0 || standing.iter().any(|(named, _)| Rc::ptr_eq(named, backend))
        });
        standing
    }
}

/// Asks a plain address every so often whether it takes connections, as long as somebody holds it.
async fn check(backend: Weak<Backend>) {
    loop {
        let Some(checked) = backend.upgrade() else { return };
        if let Ok(stream) = checked.try_connect().await {
            // It is closed without a word: a reset leaves nothing behind at either end.
            let _ = stream.set_zero_linger();
        }
        drop(checked);
        let spread = CHECK_INTERVAL.mul_f64(f64::from(u16::from_ne_bytes(random_bytes())) / f64::from(u16::MAX) * 0.3);
        tokio::time::sleep(CHECK_INTERVAL.mul_f64(0.85) + spread).await;
    }
}

/// When the driver's clock showed this.
fn timestamp(at_ns: u64) -> Timestamp {
    let ago_us = clock::now().saturating_sub(at_ns) / 1_000;
    Timestamp(clock::unix_us() - i64::try_from(ago_us).unwrap_or(0))
}
