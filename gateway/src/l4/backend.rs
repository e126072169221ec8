//! A place where connections of a virtual port go, and what has come of them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use micronet_transport::balance::Candidate;
use micronet_transport::balance::latency::{Latency, Outcome};
use micronet_transport::upstream::WEIGHT_NORM;
use micronet_transport::{clock, socket};
use tokio::net::TcpStream;

use super::check::Condition;
use super::relay::End;
use super::report::Traffic;

/// A backend, as its virtual port knows it.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) name: Rc<str>,
    pub(super) address: SocketAddr,
    /// What balancers know it by.
    pub(super) key: u64,
    /// Its weight among the backends.
    pub(super) weight: Cell<u32>,
    /// What slow start allows it of its share, in thousandths.
    pub(super) share_permille: Cell<u32>,
    /// What connecting to it has shown.
    pub(super) condition: RefCell<Condition>,
    pub(super) counters: Counters,
}

/// What has gone through, as it is counted. [`Traffic`] says what each is.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) open: Cell<u64>,
    total: Cell<u64>,
    failed: Cell<u64>,
    reset: Cell<u64>,
    idle: Cell<u64>,
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
    /// How long connecting takes lately.
    pub(super) connecting: RefCell<Latency>,
}

impl Counters {
    /// What was counted so far.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            open: self.open.get(),
            total: self.total.get(),
            failed: self.failed.get(),
            reset: self.reset.get(),
            idle: self.idle.get(),
            sent_bytes: self.sent.get(),
            received_bytes: self.received.get(),
        }
    }
}

/// So many more.
pub(super) fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get() + count);
}

impl Backend {
    pub(super) fn new(key: u64, name: Rc<str>, address: SocketAddr) -> Self {
        Self {
            name,
            address,
            key,
            weight: Cell::new(WEIGHT_NORM),
            share_permille: Cell::new(1_000),
            condition: RefCell::new(Condition::unknown(clock::now())),
            counters: Counters::default(),
        }
    }

    /// Connects for a client; also says what that means to a balancer.
    pub(super) async fn connect(&self) -> (io::Result<TcpStream>, Outcome) {
        let begun = clock::now();
        let connected = self.try_connect().await;
        let now = clock::now();
        let outcome = match &connected {
            Ok(_) => Outcome::Answered { response_ns: now - begun },
            Err(_) => {
                add(&self.counters.failed, 1);
                Outcome::Failed { advised_ns: None }
            }
        };
        self.counters.connecting.borrow_mut().record(now, outcome);
        (connected, outcome)
    }

    /// What a balancer wants to know.
    pub(super) fn candidate(&self, now: u64) -> Candidate {
        let connecting = self.counters.connecting.borrow();
        Candidate {
            key: self.key,
            weight: self.weight.get(),
            in_flight: u32::try_from(self.counters.open.get()).unwrap_or(u32::MAX),
            response_ns: connecting.peak_ns(now),
            mean_ns: connecting.mean_ns(now),
            share_permille: self.share_permille.get(),
        }
    }

    /// Connects, and remembers what that shows.
    pub(super) async fn try_connect(&self) -> io::Result<TcpStream> {
        let connected = socket::connect(self.address).await;
        let now = clock::now();
        let mut condition = self.condition.borrow_mut();
        let changed = match &connected {
            Ok(_) => condition.connected(now),
            Err(error) => condition.failed(now, &error.to_string()),
        };
        if changed {
            let (backend, address, reason) = (&*self.name, self.address, condition.reason());
            if condition.is_up() {
                tracing::info!(backend, %address, reason, "a backend is up again");
            } else {
                tracing::warn!(backend, %address, reason, "a backend is down");
            }
        }
        drop(condition);
        connected
    }
}

/// A connection, counted as open from before it is made until this is dropped: many that come at once must not all go where the first
/// of them would have found nobody.
#[derive(Debug)]
pub(super) struct Open {
    backend: Rc<Backend>,
    /// How it ended, once it was made.
    end: Option<End>,
}

impl Open {
    /// One more connection to this backend.
    pub(super) fn to(backend: Rc<Backend>) -> Self {
        add(&backend.counters.open, 1);
        Self { backend, end: None }
    }

    /// The backend.
    pub(super) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// It was made. Unless something else is said, it will have been broken off.
    pub(super) fn made(&mut self) {
        add(&self.backend.counters.total, 1);
        self.end = Some(End::Reset);
    }

    /// It has ended like this.
    pub(super) fn ended(mut self, end: End) {
        self.end = Some(end);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let counters = &self.backend.counters;
        counters.open.set(counters.open.get() - 1);
        match self.end {
            None | Some(End::Closed) => {}
            Some(End::Reset) => add(&counters.reset, 1),
            Some(End::Idle) => add(&counters.idle, 1),
        }
    }
}
