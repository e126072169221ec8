//! A server without a runtime: many connections in one poll loop, answered by plain functions.
//!
//! It speaks RPC and nothing else. A handler holds up all connections while it works, so it is for work that doesn't wait.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use micronet_wire::conn::{Config, Role};
use micronet_wire::limits::{ACCEPT_PAUSE_MS, DRAIN_MS_MAX, SERVER_CONNECTIONS_MAX, SERVER_STRANGERS_MAX};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::deadlines::{Deadlines, patience};
use super::served::Served;
pub use super::served::{Replies, SyncService};
use super::socket::{ReadBuffer, Socket};
use crate::clock;
use crate::identity::{Identity, random_bytes};
use crate::socket::{bind, prepare};

/// What one poll tells of at most.
const EVENTS_MAX: usize = 256;
/// A server that spins asks all its connections so often before it looks for anything else.
const SPINS: u32 = 64;
const LISTENER: Token = Token(0);
const STOP: Token = Token(1);
/// Connections count up from here; no number is given twice, so that what is told late of one never hits another.
const FIRST_CONNECTION: usize = 2;

/// A server that listens; it serves while it [`run`](Self::run)s.
pub struct SyncServer<S> {
    service: S,
    /// What each connection is made with, but for its nonce.
    config: Config,
    listener: TcpListener,
    address: SocketAddr,
    poll: Poll,
    stop: StopHandle,
    spins: bool,
}

/// Tells a server, from any thread, to drain. Clones tell the same server.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    drains: AtomicBool,
    waker: Waker,
}

impl StopHandle {
    /// Begins to drain: no new connections, GOAWAY on those that are there, and the server ends when they have.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn drain(&self) -> io::Result<()> {
        self.0.drains.store(true, Ordering::Release);
        self.0.waker.wake()
    }
}

impl<S: SyncService> SyncServer<S> {
    /// Listens.
    ///
    /// # Errors
    /// Those of the operating system, as when the port is in use.
    pub fn bind(address: SocketAddr, service: S, identity: &Identity) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(bind(address)?);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let stop = StopHandle(Arc::new(Stop { drains: AtomicBool::new(false), waker }));
        let config = identity.config(Role::Acceptor, service.schema(), None);
        Ok(Self { service, config, address: listener.local_addr()?, listener, poll, stop, spins: false })
    }

    /// Whether to ask all sockets again and again instead of sleeping until something comes: the lowest latency, for a whole CPU. What a
    /// turn costs grows with the connections, so it is for few of them.
    pub fn spin(&mut self, spins: bool) {
        self.spins = spins;
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stops it.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Serves until it is told to drain; then finishes what is in flight, for at most [`DRAIN_MS_MAX`], and returns.
    ///
    /// # Errors
    /// When the operating system refuses to wait for sockets.
    pub fn run(self) -> io::Result<()> {
        let Self { service, config, listener, poll, stop, spins, .. } = self;
        let mut door = Door { listener: Some(listener), knocked: false, again_ns: u64::MAX };
        let mut serving = Serving {
            service,
            config,
            poll,
            buffer: ReadBuffer::new(),
            connections: HashMap::new(),
            strangers: VecDeque::new(),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            next: FIRST_CONNECTION,
            spins,
        };
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut end_ns = u64::MAX;
        loop {
            serving.wait(&mut events, door.again_ns.min(end_ns))?;
            for event in &events {
                match event.token() {
                    LISTENER => door.knocked = true,
                    STOP => {}
                    Token(id) => serving.heed(id, event),
                }
            }
            if end_ns == u64::MAX && stop.0.drains.load(Ordering::Acquire) {
                end_ns = clock::now() + DRAIN_MS_MAX * 1_000_000;
                door.listener = None;
                serving.drain();
            }
            serving.turns();
            door.open(&mut serving); // After the turns, which may have made room.
            if door.listener.is_none() && (serving.connections.is_empty() || clock::now() >= end_ns) {
                return Ok(());
            }
        }
    }
}

/// Where connections come in.
struct Door {
    /// `None` once draining.
    listener: Option<TcpListener>,
    /// Somebody may wait there. The operating system tells of it once, so it is kept here.
    knocked: bool,
    /// When to try again after a failure.
    again_ns: u64,
}

impl Door {
    /// Takes who waits, as many as there is room for.
    fn open<S: SyncService>(&mut self, serving: &mut Serving<S>) {
        let Some(listener) = &self.listener else { return };
        if clock::now() >= self.again_ns {
            self.again_ns = u64::MAX;
            self.knocked = true;
        }
        while self.knocked && serving.connections.len() < SERVER_CONNECTIONS_MAX {
            match listener.accept().and_then(|(stream, _)| prepare(&stream).map(|()| stream)) {
                Ok(stream) => serving.enter(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.knocked = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // As when file descriptors have run out: without a pause this loop would spin.
                    tracing::warn!(%error, "accept failed");
                    self.knocked = false;
                    self.again_ns = clock::now() + ACCEPT_PAUSE_MS * 1_000_000;
                }
            }
        }
    }
}

/// The connections of a server at work.
struct Serving<S> {
    service: S,
    config: Config,
    poll: Poll,
    buffer: ReadBuffer,
    connections: HashMap<usize, Served>,
    /// Those that may have proved nothing yet, the oldest first.
    strangers: VecDeque<usize>,
    deadlines: Deadlines,
    /// Those that have something to do now; none of them twice.
    ready: VecDeque<usize>,
    next: usize,
    /// It never sleeps.
    spins: bool,
}

impl<S: SyncService> Serving<S> {
    /// Waits until something is ready or due.
    fn wait(&mut self, events: &mut Events, other_due_ns: u64) -> io::Result<()> {
        for _ in 0..if self.spins { SPINS } else { 0 } {
            let Self { connections, buffer, ready, .. } = self;
            ready.extend(
                connections.iter_mut().filter_map(|(id, served)| served.hears(buffer).then_some(*id)),
            );
            if !ready.is_empty() {
                events.clear();
                return Ok(());
            }
        }
        let rests = self.ready.is_empty() && !self.spins;
        let due_ns = if rests { self.deadlines.earliest().min(other_due_ns) } else { 0 };
        match self.poll.poll(events, patience(due_ns)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            waited => waited,
        }
    }

    fn heed(&mut self, id: usize, event: &mio::event::Event) {
        if let Some(served) = self.connections.get_mut(&id) {
            served.heed(event);
            if !served.queued {
                served.queued = true;
                self.ready.push_back(id);
            }
        }
    }

    fn enter(&mut self, stream: TcpStream) {
        let id = self.next;
        let mut socket = Socket::new(stream);
        if let Err(error) = socket.register(self.poll.registry(), Token(id)) {
            return tracing::warn!(%error, "a connection can't be waited for");
        }
        self.next += 1;
        self.make_room();
        self.strangers.push_back(id);
        let mut config = self.config.clone();
        config.hello.nonce = random_bytes();
        self.connections.insert(id, Served::new(socket, config));
        self.turn(id);
    }

    /// When there are too many strangers, the oldest is sent away: a newcomer may be about to prove itself, and one that was, has
    /// proved itself by then.
    fn make_room(&mut self) {
        if self.strangers.len() < SERVER_STRANGERS_MAX {
            return;
        }
        let connections = &self.connections;
        self.strangers.retain(|id| connections.get(id).is_some_and(Served::is_stranger));
        if self.strangers.len() >= SERVER_STRANGERS_MAX
            && let Some(oldest) = self.strangers.pop_front()
            && let Some(served) = self.connections.get_mut(&oldest)
        {
            served.send_away();
            self.turn(oldest);
        }
    }

    fn drain(&mut self) {
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            if let Some(served) = self.connections.get_mut(&id) {
                served.drain();
            }
            self.turn(id);
        }
    }

    /// A turn for each connection that has something to do.
    fn turns(&mut self) {
        let now = clock::now();
        while let Some(id) = self.deadlines.take_due(now) {
            if let Some(served) = self.connections.get_mut(&id) {
                served.armed_ns = u64::MAX;
                self.turn(id);
            }
        }
        for _ in 0..self.ready.len() {
            if let Some(id) = self.ready.pop_front() {
                if let Some(served) = self.connections.get_mut(&id) {
                    served.queued = false;
                }
                self.turn(id);
            }
        }
    }

    fn turn(&mut self, id: usize) {
        let Some(served) = self.connections.get_mut(&id) else { return };
        served.turn(&self.service, &mut self.buffer);
        let due_ns = served.due_ns();
        if served.is_gone() {
            self.deadlines.disarm(served.armed_ns, id);
            self.connections.remove(&id);
        } else {
            self.deadlines.arm(&mut served.armed_ns, due_ns, id);
            if served.is_ready() && !served.queued {
                served.queued = true;
                self.ready.push_back(id);
            }
        }
    }
}
