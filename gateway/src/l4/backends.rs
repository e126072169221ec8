//! The backends of a virtual port, and which of them gets the next connection.

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};

use micronet_transport::balance::{Algorithm, Ask, Balancer};
use micronet_transport::clock;
use micronet_transport::identity::random_bytes;
use micronet_transport::network::Network;
use micronet_transport::tasks;
use micronet_wire::network::{CalledInstance, InstanceState, InstancesOf, Order};
use micronet_wire::schema::Timestamp;
use tokio::net::TcpStream;

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
    /// Whether it gets connections: first of all, or where no other can take them. One that is about to leave gets none: what is
    /// passed through may last.
    fn rank(&self) -> Option<u8> {
        match self.state {
            InstanceState::Up => Some(0),
            InstanceState::Suspect | InstanceState::Probing | InstanceState::Ejected => Some(1),
            _ => None,
        }
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
    next_key: Cell<u64>,
    balancer: RefCell<Balancer>,
}

impl Backends {
    /// The instances of a service that this process calls.
    pub(super) fn of_service(name: &str, network: &Rc<Network>, algorithm: Algorithm) -> Self {
        Self::new(name, Source::Service, network, algorithm)
    }

    /// Plain addresses, which are checked as long as somebody holds this.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    pub(super) fn of_addresses(
        name: &str,
        addresses: &[SocketAddr],
        network: &Rc<Network>,
        algorithm: Algorithm,
    ) -> Self {
        let backends = Self::new(name, Source::Addresses, network, algorithm);
        for address in addresses {
            let backend = backends.found(&address.to_string(), *address);
            tasks::spawn("check of a backend", check(Rc::downgrade(&backend)));
        }
        backends
    }

    fn new(name: &str, source: Source, network: &Rc<Network>, algorithm: Algorithm) -> Self {
        Self {
            name: name.into(),
            source,
            network: Rc::clone(network),
            known: RefCell::default(),
            next_key: Cell::new(1),
            balancer: RefCell::new(Balancer::new(clock::now(), algorithm)),
        }
    }

    /// The backend of this name and address, which may be new.
    fn found(&self, name: &str, address: SocketAddr) -> Rc<Backend> {
        let mut known = self.known.borrow_mut();
        let found = known.iter().find(|backend| backend.address == address && *backend.name == *name);
        if let Some(backend) = found {
            return Rc::clone(backend);
        }
        let key = self.next_key.replace(self.next_key.get() + 1);
        let backend = Rc::new(Backend::new(key, name.into(), address));
        known.push(Rc::clone(&backend));
        backend
    }

    /// By which algorithm backends are picked.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.balancer.borrow().algorithm()
    }

    /// The backend for the next connection of this client, unless it was tried already.
    pub(super) fn pick(&self, client: IpAddr, tried: &[SocketAddr]) -> Option<Rc<Backend>> {
        let now = clock::now();
        let mut standing = self.standing();
        standing.retain(|(backend, _)| !tried.contains(&backend.address));
        let best = standing.iter().filter_map(|(_, standing)| standing.rank()).min()?;
        standing.retain(|(_, standing)| standing.rank() == Some(best));
        let candidates: Vec<_> = standing.iter().map(|(backend, _)| backend.candidate(now)).collect();
        let ask = Ask { now, client: Some(hash_of(client)), random: u64::from_ne_bytes(random_bytes()) };
        let picked = self.balancer.borrow_mut().pick(&candidates, &ask)?;
        Some(standing.swap_remove(picked).0)
    }

    /// Connects to a backend, and tells the balancer how that went.
    pub(super) async fn connect(&self, backend: &Backend) -> io::Result<TcpStream> {
        let (connected, outcome) = backend.connect().await;
        self.balancer.borrow_mut().record(clock::now(), backend.key, outcome);
        connected
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
        for instance in services.into_iter().flat_map(|called| called.instances) {
            let Ok(address) = instance.address.parse() else { continue };
            if standing.iter().any(|(backend, _)| backend.address == address) {
                continue;
            }
            let backend = self.found(&instance.instance, address);
            backend.weight.set(instance.weight);
            backend.share_permille.set(instance.share_permille);
            let CalledInstance { state, reason, since, .. } = instance;
            standing.push((backend, Standing { state, reason, since }));
        }
        let mut known = self.known.borrow_mut();
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
        let spread =
            CHECK_INTERVAL.mul_f64(f64::from(u16::from_ne_bytes(random_bytes())) / f64::from(u16::MAX) * 0.3);
        tokio::time::sleep(CHECK_INTERVAL.mul_f64(0.85) + spread).await;
    }
}

/// The same number for the same client, also in another process.
fn hash_of(client: IpAddr) -> u64 {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    hasher.finish()
}

/// When the driver's clock showed this.
fn timestamp(at_ns: u64) -> Timestamp {
    let ago_us = clock::now().saturating_sub(at_ns) / 1_000;
    Timestamp(clock::unix_us() - i64::try_from(ago_us).unwrap_or(0))
}
