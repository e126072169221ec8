//! A virtual network between real processes: what an operator declares a link to be like, it is.
//!
//! A link is shaped at the side that dials, both ways, below TLS: bytes wait here before they go to the socket, and after they came from it.
//! It has a delay with jitter, a bandwidth, and loss; it can be cut, and it can be denied. Links change while connections are open.
//!
//! What a lost segment is to a byte stream: it comes later, by a retransmission timeout of TCP, and everything behind it waits for it.
//! See [`Conditions::timeout_ns`], after RFC 6298.
//!
//! A link that is cut is a partition: bytes go nowhere, and nobody is told. Connections stay open until their heartbeats are missed, and
//! their sockets even longer, so that the other side doesn't hear of it either; who dials waits until the time for that is over. When the link heals in time, what
//! was on its way arrives. A link that is denied is a rule of the network: connections end, and whoever dials hears why.

mod shaped;
mod shaper;

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{CONNECT_MS_MAX, LINK_NAMES_MAX, LINK_SOCKETS_HELD_MAX};
use micronet_wire::network::LinkRule;

pub use self::shaped::Shaped;
pub use self::shaper::Shaper;
use crate::chance::Chance;
use crate::clock;
use crate::identity::random_bytes;
use crate::network::{InForce, Network};

/// What a link is like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Bytes take so long, in nanoseconds.
    pub delay_ns: u64,
    /// And by chance up to so much longer, in nanoseconds.
    pub jitter_ns: u64,
    /// So many of 1,000 segments are lost at each attempt.
    pub loss_permille: u32,
    /// So many bytes a second pass; 0 for as many as come.
    pub bytes_per_s: u64,
    /// Nothing passes.
    pub cut: bool,
}

/// The least retransmission timeout. RFC 6298 (2.4) wants a second; TCP in the Linux kernel has this (`TCP_RTO_MIN`).
const TIMEOUT_NS_MIN: u64 = 200_000_000;
/// The longest one (RFC 6298, 2.5).
const TIMEOUT_NS_MAX: u64 = 60_000_000_000;
/// No delay that is declared is longer: an hour.
const DELAY_US_MAX: u64 = 3_600_000_000;

impl Conditions {
    fn of(rule: &LinkRule) -> Self {
        Self {
            delay_ns: rule.delay_us.min(DELAY_US_MAX) * 1_000,
            jitter_ns: rule.jitter_us.min(DELAY_US_MAX) * 1_000,
            loss_permille: rule.loss_permille,
            bytes_per_s: rule.bytes_per_s,
            cut: rule.cut || rule.loss_permille >= 1_000,
        }
    }

    /// How long TCP waits before it sends a lost segment again, at first; each further time twice as long. By RFC 6298 it is SRTT + 4 RTTVAR, which
    /// after the first measurement of the round trip R (2.2) is R + 4 R/2.
    #[must_use]
    pub fn timeout_ns(&self) -> u64 {
        let round_trip_ns = 2 * self.delay_ns + self.jitter_ns;
        (3 * round_trip_ns).clamp(TIMEOUT_NS_MIN, TIMEOUT_NS_MAX)
    }

    /// How long one segment takes that isn't lost, but for the bandwidth.
    fn travel_ns(&self, chance: &mut Chance) -> u64 {
        self.delay_ns + chance.up_to(self.jitter_ns)
    }
}

/// Whether connections may be made over a link, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Passage {
    Free,
    Under(Conditions),
    /// The words say why.
    Denied(String),
}

/// The link from this process to one instance.
pub struct Link {
    network: Rc<Network>,
    service: Option<String>,
    address: SocketAddr,
    /// Its address in words, by which a rule may name it too.
    spelled: String,
    instance: OnceCell<Rc<str>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link to {} at {}", self.service.as_deref().unwrap_or("?"), self.address)
    }
}

impl Link {
    /// The link to an instance of a service, where that is known. Which instance it is may be known from an earlier connection.
    #[must_use]
    pub fn new(network: &Rc<Network>, service: Option<&str>, address: SocketAddr) -> Rc<Self> {
        let instance = network.links.name_at(address).map(OnceCell::from).unwrap_or_default();
        Rc::new(Self {
            network: Rc::clone(network),
            service: service.map(str::to_owned),
            address,
            spelled: address.to_string(),
            instance,
        })
    }

    /// The instance at the other end has said its name.
    pub fn leads_to(&self, instance: &str) {
        if !instance.is_empty() && self.instance.get().is_none_or(|known| **known != *instance) {
            self.network.links.remember(self.address, instance);
            // A name that was another instance's until now holds from the next connection on.
            let _ = self.instance.set(instance.into());
        }
    }

    /// Lets somebody dial: at once, after the time that a TCP handshake takes on the link, or never.
    ///
    /// # Errors
    /// [`Code::InsufficientPermissions`] where the rules deny the connection, [`Code::Unavailable`] after [`CONNECT_MS_MAX`] where the link is
    /// cut.
    pub async fn dial(&self) -> Result<(), RpcError> {
        if self.network.revision() == 0 {
            return Ok(());
        }
        let dialling = tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), self.passed());
        dialling.await.unwrap_or_else(|_| {
            let error = io::Error::from(io::ErrorKind::TimedOut);
            Err(RpcError::new(Code::Unavailable, format!("cannot connect to {}: {error}", self.address)))
        })
    }

    /// Completes when a handshake has passed.
    async fn passed(&self) -> Result<(), RpcError> {
        let mut changes = self.network.changes();
        let mut chance = Chance::new(u64::from_ne_bytes(random_bytes()));
        loop {
            let (passage, until_ns) = self.passage(clock::now());
            match passage {
                Passage::Free => return Ok(()),
                Passage::Denied(words) => return Err(RpcError::new(Code::InsufficientPermissions, words)),
                Passage::Under(conditions) if !conditions.cut => {
                    let round_trip_ns = conditions.travel_ns(&mut chance) + conditions.travel_ns(&mut chance);
                    tokio::time::sleep(Duration::from_nanos(round_trip_ns)).await;
                    return Ok(());
                }
                Passage::Under(_) => {
                    let ends = async {
                        match until_ns {
                            Some(until_ns) => tokio::time::sleep_until(clock::instant(until_ns)).await,
                            None => pending().await,
                        }
                    };
                    tokio::select! {
                        // The network is over when it can't change any more.
                        changed = changes.changed() => if changed.is_err() { return Ok(()) },
                        () = ends => {}
                    }
                }
            }
        }
    }

    /// What holds for this link now, and when that may end by itself.
    fn passage(&self, now: u64) -> (Passage, Option<u64>) {
        let rules = self.network.rules();
        let mut holding = self.rules(&rules).filter(|rule| rules.holds(now, rule.for_ms)).peekable();
        let passage = match holding.peek() {
            Some(rule) if rule.denied => Passage::Denied(denied_by(rule)),
            Some(rule) => match Conditions::of(rule) {
                conditions if conditions == Conditions::default() => Passage::Free,
                conditions => Passage::Under(conditions),
            },
            None => Passage::Free,
        };
        (passage, holding.filter_map(|rule| rules.ends_ns(rule.for_ms)).min())
    }

    fn rules<'a>(&'a self, rules: &'a InForce) -> impl Iterator<Item = &'a LinkRule> {
        rules.rules().links.iter().filter(|rule| {
            let named = |name: &String| {
                self.instance.get().is_some_and(|instance| **instance == **name) || *name == self.spelled
            };
            self.service.as_ref() == Some(&rule.service) && rule.instance.as_ref().is_none_or(named)
        })
    }

    /// Changes whenever the rules for this link may have changed, but for those that end by themselves. It is cheap to look at.
    fn stamp(&self) -> (u64, bool) {
        (self.network.revision(), self.instance.get().is_some())
    }
}

/// That no connection to a service is allowed, and why.
#[derive(Debug, Clone)]
pub(crate) struct Denial {
    words: String,
    ends_ns: Option<u64>,
}

impl Denial {
    /// What the rules say of all instances of a service.
    pub(crate) fn of(service: &str, rules: &InForce) -> Option<Self> {
        // Where something is said of a single instance before, that one may be called.
        let first = rules.rules().links.iter().find(|rule| rule.service == service);
        let denied = first.filter(|rule| rule.denied && rule.instance.is_none());
        denied.map(|rule| Self { words: denied_by(rule), ends_ns: rules.ends_ns(rule.for_ms) })
    }

    /// Whether it still holds.
    pub(crate) fn holds(&self, now: u64) -> bool {
        self.ends_ns.is_none_or(|ends_ns| now < ends_ns)
    }

    /// The error of a call that was not made.
    pub(crate) fn error(&self) -> RpcError {
        RpcError::new(Code::InsufficientPermissions, self.words.clone())
    }
}

fn denied_by(rule: &LinkRule) -> String {
    let to = rule.instance.as_ref().unwrap_or(&rule.service);
    let why = if rule.reason.is_empty() { "its operator wants it so" } else { &rule.reason };
    format!("the network allows no connection to {to}: {why}")
}

/// What the links of a process have in common.
#[derive(Default)]
pub(crate) struct Links {
    /// Which instance was met at which address, the latest last.
    names: RefCell<HashMap<SocketAddr, Rc<str>>>,
    /// Sockets that nobody uses any more, and whose peers are not to hear of that, because the link to them was cut.
    held: RefCell<VecDeque<Rc<dyn Any>>>,
}

impl Links {
    fn name_at(&self, address: SocketAddr) -> Option<Rc<str>> {
        self.names.borrow().get(&address).cloned()
    }

    fn remember(&self, address: SocketAddr, instance: &str) {
        let mut names = self.names.borrow_mut();
        if names.len() >= LINK_NAMES_MAX && !names.contains_key(&address) {
            names.clear(); // They are learned again.
        }
        names.insert(address, instance.into());
    }

    fn hold(&self, socket: Rc<dyn Any>) {
        let mut held = self.held.borrow_mut();
        if held.len() >= LINK_SOCKETS_HELD_MAX {
            held.pop_front();
        }
        held.push_back(socket);
    }

    /// New rules: what was held is let go.
    pub(crate) fn let_go(&self) {
        self.held.take();
    }
}

#[cfg(test)]
mod tests;
