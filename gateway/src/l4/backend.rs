//! A place where connections of a virtual port go, and what has come of them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

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
    /// How long connecting takes lately on average, in nanoseconds.
    pub(super) connect_ns: Cell<u64>,
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

    /// Connecting took so long.
    fn connect_took(&self, took_ns: u64) {
        let mean = self.connect_ns.get();
        // The gain of TCP's own round-trip estimate (RFC 6298 section 2).
        self.connect_ns.set(if mean == 0 { took_ns } else { mean - mean / 8 + took_ns / 8 });
    }
}

/// So many more.
pub(super) fn add(counter: &Cell<u64>, count: u64) {
    counter.set(counter.get() + count);
}

impl Backend {
    pub(super) fn new(name: Rc<str>, address: SocketAddr) -> Self {
        let condition = RefCell::new(Condition::unknown(clock::now()));
        Self { name, address, condition, counters: Counters::default() }
    }

    /// Connects for a client.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let begun = clock::now();
        let connected = self.try_connect().await;
        match &connected {
            Ok(_) => self.counters.connect_took(clock::now() - begun),
            Err(_) => add(&self.counters.failed, 1),
        }
        connected
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

/// An open connection, counted as such until this is dropped: as reset, unless it ended otherwise.
#[derive(Debug)]
pub(super) struct Open {
    backend: Rc<Backend>,
    end: End,
}

impl Open {
    /// One more connection to this backend.
    pub(super) fn to(backend: Rc<Backend>) -> Self {
        add(&backend.counters.open, 1);
        add(&backend.counters.total, 1);
        Self { backend, end: End::Reset }
    }

    /// What the backend counts.
    pub(super) fn counters(&self) -> &Counters {
        &self.backend.counters
    }

    /// It has ended like this.
    pub(super) fn ended(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let counters = &self.backend.counters;
        counters.open.set(counters.open.get() - 1);
        match self.end {
            End::Closed => {}
            End::Reset => add(&counters.reset, 1),
            End::Idle => add(&counters.idle, 1),
        }
    }
}
