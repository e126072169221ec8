//! One instance as its callers here know it: where it is, the connections to it, its health, and how fast it is.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::Health;
use micronet_wire::limits::{POOL_CONNECTIONS, POOL_SPREAD_CALLS, TOGETHER_MS_MAX};
use micronet_wire::network::{CalledInstance, InstanceState, StateChange};
use micronet_wire::schema::Timestamp;
use tokio::task::AbortHandle;

use super::Source;
use super::instance::Instance;
use crate::balance::latency::{Latency, Outcome};
use crate::balance::{Candidate, slow_start};
use crate::breaker::Verdict;
use crate::client::Client;
use crate::clock;
use crate::health::{Change, Ledger, Standing};
use crate::metrics::ClientMeters;

/// One instance of a service. When it is dropped its connections are drained, and not made again.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) address: SocketAddr,
    /// Tells it from all others, also when they come and go.
    pub(super) key: u64,
    pub(super) weight: Cell<u32>,
    pub(super) source: Cell<Source>,
    pub(super) ledger: RefCell<Ledger>,
    pool: RefCell<[Option<Instance>; POOL_CONNECTIONS]>,
    name: RefCell<Rc<str>>,
    latency: RefCell<Latency>,
    /// When it began to get calls; slow start counts from there. None while nobody has to make room for it.
    warms_since_ns: Cell<Option<u64>>,
    calls: Cell<u64>,
    failures: Cell<u64>,
    pub(super) meters: ClientMeters,
    keepers: RefCell<Vec<AbortHandle>>,
}

impl Member {
    pub(super) fn new(address: SocketAddr, key: u64, weight: u32, source: Source, now: u64) -> Self {
        Self {
            address,
            key,
            weight: Cell::new(weight),
            source: Cell::new(source),
            ledger: RefCell::new(Ledger::new(now)),
            pool: RefCell::default(),
            name: RefCell::new(address.to_string().into()),
            latency: RefCell::default(),
            warms_since_ns: Cell::new(None),
            calls: Cell::new(0),
            failures: Cell::new(0),
            meters: ClientMeters::default(),
            keepers: RefCell::default(),
        }
    }

    /// Its name; its address before it has said one.
    pub(super) fn name(&self) -> Rc<str> {
        Rc::clone(&self.name.borrow())
    }

    /// The tasks that keep its connections end with it.
    pub(super) fn kept_by(&self, keeper: AbortHandle) {
        self.keepers.borrow_mut().push(keeper);
    }

    // ---- connections ----

    /// Puts a connection into its place, and gives what was there.
    pub(super) fn connected(&self, slot: usize, instance: Instance) -> Option<Instance> {
        if *self.name.borrow() != instance.name {
            self.name.replace(Rc::clone(&instance.name));
            self.meters.clear();
        }
        self.pool.borrow_mut()[slot].replace(instance)
    }

    /// The connection of this place is gone.
    pub(super) fn disconnected(&self, slot: usize) {
        self.pool.borrow_mut()[slot] = None;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.pool.borrow().iter().any(Option::is_some)
    }

    /// Whether any of its connections is as `wanted`.
    pub(super) fn any(&self, wanted: impl Fn(&Instance) -> bool) -> bool {
        self.pool.borrow().iter().flatten().any(wanted)
    }

    /// The connection for the next call: the first that has few calls in flight, so that they share its writes; else that with the
    /// fewest. `None` when none can take a call.
    pub(super) fn connection(&self, takes: impl Fn(&Instance) -> bool) -> Option<Instance> {
        let pool = self.pool.borrow();
        let usable =
            || pool.iter().flatten().filter(|instance| instance.client.can_call() && takes(instance));
        let few = usable().find(|instance| instance.client.calls_in_flight() < POOL_SPREAD_CALLS);
        few.or_else(|| usable().min_by_key(|instance| instance.client.calls_in_flight())).cloned()
    }

    fn calls_in_flight(&self) -> usize {
        self.pool.borrow().iter().flatten().map(|instance| instance.client.calls_in_flight()).sum()
    }

    // ---- health ----

    /// Brings the ledger up to date with what the connections say by themselves.
    pub(super) fn look(&self, now: u64, lagging: bool) {
        let pool = self.pool.borrow();
        let mut clients = pool.iter().flatten().map(|instance| &instance.client);
        let mut ledger = self.ledger.borrow_mut();
        if pool.iter().any(Option::is_some) {
            // Whoever runs late himself hasn't read yet what others have sent.
            let overdue = !lagging && clients.clone().all(Client::is_overdue);
            ledger.heartbeats(now, overdue);
            ledger.announced(now, clients.any(|client| client.peer_health() == Health::Draining));
        }
        ledger.settle(now);
        let up = ledger.state() == InstanceState::Up;
        if !up && ledger.state() != InstanceState::Suspect {
            self.warms_since_ns.set(Some(now));
        }
    }

    /// Has the calls that wait for an answer go elsewhere, where that does no harm.
    pub(super) fn send_elsewhere(&self) {
        let silent = RpcError::new(Code::Silent, "a heartbeat has had no answer in time");
        self.pool.borrow().iter().flatten().for_each(|instance| instance.client.give_up_repeatable(&silent));
    }

    /// How it may be picked.
    pub(super) fn standing(&self, now: u64) -> Standing {
        let standing = self.ledger.borrow().standing(now);
        let drains = || self.any(|instance| instance.client.peer_health() == Health::Draining);
        if standing == Standing::Ready && drains() { Standing::LastResort } else { standing }
    }

    /// From when on slow start counts for it, where it has begun to get calls so lately that whoever does so now comes with it.
    pub(super) fn came_lately(&self, now: u64) -> Option<Option<u64>> {
        let ledger = self.ledger.borrow();
        let is_up = ledger.state() == InstanceState::Up;
        let lately = now.saturating_sub(ledger.since_ns()) < TOGETHER_MS_MAX * 1_000_000;
        (is_up && lately).then(|| self.warms_since_ns.get())
    }

    /// Slow start begins now; none, where there is nobody to take the rest.
    pub(super) fn warms(&self, since_ns: Option<u64>) {
        self.warms_since_ns.set(since_ns);
    }

    /// What a balancer has to know of it; with response times where it reads them.
    pub(super) fn candidate(&self, now: u64, timed: bool) -> Candidate {
        let latency = self.latency.borrow();
        Candidate {
            key: self.key,
            weight: self.weight.get(),
            in_flight: u32::try_from(self.calls_in_flight()).unwrap_or(u32::MAX),
            response_ns: if timed { latency.peak_ns(now) } else { 0 },
            mean_ns: if timed { latency.mean_ns(now) } else { 0 },
            share_permille: self.share_permille(now),
        }
    }

    fn share_permille(&self, now: u64) -> u32 {
        self.warms_since_ns.get().map_or(1_000, |since| slow_start::share_permille(since, now))
    }

    /// The mean time of a call lately; `None` before there was one.
    pub(super) fn mean_ns(&self, now: u64) -> Option<u64> {
        (self.calls.get() > 0).then(|| self.latency.borrow().unfaded(now).0)
    }

    /// A call has ended well, or slowly.
    pub(super) fn answered(&self, now: u64, took_ns: u64) {
        self.calls.set(self.calls.get() + 1);
        self.latency.borrow_mut().record(now, Outcome::Answered { response_ns: took_ns });
    }

    /// A call has failed by the instance's fault or its link's.
    pub(super) fn failed(&self, now: u64, error: &RpcError) {
        self.calls.set(self.calls.get() + 1);
        self.failures.set(self.failures.get() + 1);
        let advised_ns = (error.retry_after_ms > 0).then(|| u64::from(error.retry_after_ms) * 1_000_000);
        self.latency.borrow_mut().record(now, Outcome::Failed { advised_ns });
    }

    // ---- what is shown ----

    /// How many changes of its state there were.
    pub(super) fn changes(&self) -> u64 {
        self.ledger.borrow().changes()
    }

    pub(super) fn seen(&self, now: u64, history: bool) -> CalledInstance {
        let ledger = self.ledger.borrow();
        let unix_us = clock::unix_us();
        let at = |at_ns: u64| Timestamp(unix_us.saturating_sub_unsigned(now.saturating_sub(at_ns) / 1_000));
        let change = |change: &Change| StateChange {
            at: at(change.at_ns),
            state: change.state,
            reason: change.reason.clone(),
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        CalledInstance {
            instance: self.name().to_string(),
            address: self.address.to_string(),
            source: self.source.get().to_string(),
            state: ledger.state(),
            since: at(ledger.since_ns()),
            reason: ledger.history().last().map(|change| change.reason.clone()).unwrap_or_default(),
            weight: self.weight.get(),
            connections: count(self.pool.borrow().iter().flatten().count()),
            in_flight: count(self.calls_in_flight()),
            calls: self.calls.get(),
            failures: self.failures.get(),
            mean_us: self.mean_ns(now).unwrap_or(0) / 1_000,
            share_permille: self.share_permille(now),
            history: if history { ledger.history().map(change).collect() } else { Vec::new() },
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.keepers.borrow().iter().for_each(AbortHandle::abort);
        // What is in flight ends; the connections close after it.
        self.pool.borrow().iter().flatten().for_each(|instance| instance.client.drain());
    }
}

/// What an error says of the instance that answered, or didn't: nothing, where the caller is at fault or has no patience.
pub(super) fn verdict(error: &RpcError, took_ns: u64, slow_ns: u64) -> Option<Verdict> {
    match error.code {
        Code::ConnectionLost
        | Code::Silent
        | Code::Internal
        | Code::Database
        | Code::Protocol
        | Code::Checksum
        | Code::CreditExceeded => Some(Verdict::Failed),
        Code::DeadlineExceeded if took_ns > slow_ns => Some(Verdict::Slow),
        // It sheds or drains: that is told otherwise, and no sign of sickness. A service behind it that is away is another's fault. And
        // who was cancelled has no result.
        Code::Overloaded
        | Code::Draining
        | Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::SchemaMismatch => None,
        _ => Some(Verdict::Good),
    }
}
