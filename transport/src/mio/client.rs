//! A client without a runtime: one connection, on which calls are made by functions that block.
//!
//! ```no_run
//! # use micronet_transport::{identity::Identity, mio::client::SyncClient};
//! # use micronet_wire::{error::RpcError, service::CallOptions};
//! # fn main() -> Result<(), RpcError> {
//! let mut client = SyncClient::connect("127.0.0.1:7001".parse().expect("an address"), &Identity::default())?;
//! let reply = client.call(0x1234_5678, &"request".into(), &CallOptions::default())?;
//! # Ok(())
//! # }
//! ```
//! Whoever wants more than one call in flight starts them by [`start`](SyncClient::start), and takes their ends by
//! [`wait`](SyncClient::wait) or [`next_end`](SyncClient::next_end). A stream of messages, as one that is watched, is opened and
//! consumed without a runtime too:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use micronet_transport::mio::client::SyncClient;
//! # use micronet_wire::{error::RpcError, service::{Arity, CallOptions}};
//! # fn watch(client: &mut SyncClient) -> Result<(), RpcError> {
//! let stream = client.open(0x1234_5678, Some(&"from here".into()), Arity::Many, &CallOptions::default())?;
//! while let Some(message) = client.next_message(stream, Duration::from_secs(60))? {
//!     println!("{} bytes", message.len());
//! }
//! # Ok(())
//! # }
//! ```

mod streams;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::conn::{Connection, Event, Role};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::Pong;
use micronet_wire::hello::Hello;
use micronet_wire::limits::{CALLS_IN_FLIGHT_MAX, CONNECT_MS_MAX, LINGER_MS_MAX};
use micronet_wire::service::{CallOptions, Reply};
use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use self::streams::Streams;
use super::deadlines::patience;
use super::socket::{ReadBuffer, Socket};
use crate::clock;
use crate::identity::Identity;
use crate::socket::prepare;

const TOKEN: Token = Token(0);
/// A client that spins asks its socket so often before it looks at the clock.
const SPINS: u32 = 64;

/// How a call ended.
pub type End = Result<Reply, RpcError>;

/// A connection to one instance. It works only while one of its functions runs, so that a client that rests for several
/// heartbeats is taken for dead: let it [`rest`](Self::rest) in between.
///
/// It drains when it is dropped, and waits for the peer to end the connection too, for at most [`LINGER_MS_MAX`]. It stays on the thread that made it, whose clock its deadlines follow.
pub struct SyncClient {
    socket: Socket,
    buffer: ReadBuffer,
    poll: Poll,
    events: Events,
    connection: Connection,
    /// The ends that nobody has taken yet, in the order in which they came.
    ends: VecDeque<(u32, End)>,
    streams: Streams,
    lifecycle: Lifecycle,
    spins: bool,
    _one_thread: PhantomData<Rc<()>>,
}

/// Where the connection stands.
#[derive(Default)]
struct Lifecycle {
    peer: Option<Hello>,
    closed: Option<Result<(), RpcError>>,
    /// It was the peer who said so.
    by_peer: bool,
    pong: Option<(Duration, Pong)>,
}

impl SyncClient {
    /// Connects to an instance over TCP within [`CONNECT_MS_MAX`], and says hello.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when nobody listens there, or the code by which the peer refused us.
    pub fn connect(address: SocketAddr, identity: &Identity) -> Result<Self, RpcError> {
        Self::connect_within(address, identity, Duration::from_millis(CONNECT_MS_MAX))
    }

    /// The same with another limit for the TCP connection. The handshake has its own.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_within(
        address: SocketAddr,
        identity: &Identity,
        limit: Duration,
    ) -> Result<Self, RpcError> {
        let unreachable = |error: io::Error| {
            RpcError::new(Code::Unavailable, format!("cannot connect to {address}: {error}"))
        };
        let stream = dial(address, limit).map_err(unreachable)?;
        let mut client = Self::over(stream, identity).map_err(unreachable)?;
        client.run_until(u64::MAX, |client| client.lifecycle.peer.is_some());
        client.flush(); // The proof, if there is one: until then we are a stranger.
        if client.lifecycle.peer.is_some() { Ok(client) } else { Err(client.reason()) }
    }

    fn over(stream: TcpStream, identity: &Identity) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut socket = Socket::new(stream);
        socket.register(poll.registry(), TOKEN)?;
        Ok(Self {
            socket,
            buffer: ReadBuffer::new(),
            poll,
            events: Events::with_capacity(4),
            connection: Connection::new(identity.config(Role::Dialler, None, None), clock::now()),
            ends: VecDeque::new(),
            streams: Streams::default(),
            lifecycle: Lifecycle::default(),
            spins: false,
            _one_thread: PhantomData,
        })
    }

    /// Whether to ask the socket again and again instead of sleeping until something comes: the lowest latency, for a whole CPU.
    pub fn spin(&mut self, spins: bool) {
        self.spins = spins;
    }

    /// What the peer says of itself.
    #[must_use]
    pub fn peer(&self) -> &Hello {
        self.lifecycle.peer.as_ref().expect("a client is made after its handshake")
    }

    /// Whether a call could be started now.
    #[must_use]
    pub fn can_call(&self) -> bool {
        self.connection.can_call() && self.ends.len() < CALLS_IN_FLIGHT_MAX as usize
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lifecycle.closed.is_some()
    }

    /// How the connection ended, once it is over: `Ok` for a plain end.
    #[must_use]
    pub fn closed(&self) -> Option<&Result<(), RpcError>> {
        self.lifecycle.closed.as_ref()
    }

    /// Calls in flight.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.connection.calls_in_flight()
    }

    // ---- calls ----

    /// Makes a call and waits for its end, which comes at its deadline at the latest.
    ///
    /// # Errors
    /// How it failed; the advice in it says whether it may be made again.
    pub fn call(&mut self, method: u32, request: &Bytes, options: &CallOptions) -> End {
        let stream = self.start(method, request, options)?;
        self.wait(stream)
    }

    /// Starts a call. It is on its way with the next function that waits, or with [`flush`](Self::flush), so that many that are
    /// started together leave together. Its stream is what its end is taken by.
    ///
    /// # Errors
    /// When it can't be made here: it was never started. [`Code::Overloaded`] also when too many ends were not taken.
    pub fn start(&mut self, method: u32, request: &Bytes, options: &CallOptions) -> Result<u32, RpcError> {
        if self.ends.len() >= CALLS_IN_FLIGHT_MAX as usize {
            return Err(RpcError::new(Code::Overloaded, "take the ends of earlier calls first"));
        }
        self.connection.call(clock::now(), method, request, options)
    }

    /// Makes a one-way call, of which nothing is heard again. It leaves as a started call does.
    ///
    /// # Errors
    /// When it can't be made here: it was never started.
    pub fn send(&mut self, method: u32, request: &Bytes, options: &CallOptions) -> Result<(), RpcError> {
        self.connection.send(clock::now(), method, request, options).map(|_| ())
    }

    /// Writes what was started, as far as the socket takes it now.
    pub fn flush(&mut self) {
        self.socket.transmit(&mut self.connection);
    }

    /// Waits for the end of a call that was started or opened. The replies of a stream are taken before: what is left of them is
    /// forgotten, and while the peer has no credit for more, no end comes.
    ///
    /// # Errors
    /// How it failed; [`Code::Internal`] when there is no such call, or its end was taken before.
    pub fn wait(&mut self, stream: u32) -> End {
        self.run_until(u64::MAX, |client| client.has_end(stream) || client.connection.calls_in_flight() == 0);
        if let Some(end) = self.streams.take_end(stream) {
            return end;
        }
        match self.ends.iter().position(|(ended, _)| *ended == stream) {
            Some(at) => self.ends.remove(at).map_or_else(|| Err(not_started()), |(_, end)| end),
            None => Err(not_started()),
        }
    }

    /// The end of any call that was started, the earliest first; `None` when none is in flight, or none ends within `limit`. Those
    /// that were opened are not among them.
    pub fn next_end(&mut self, limit: Duration) -> Option<(u32, End)> {
        if self.ends.is_empty() && self.started_in_flight() > 0 {
            self.run_until(until(limit), |client| !client.ends.is_empty() || client.started_in_flight() == 0);
        }
        self.ends.pop_front()
    }

    /// Gives a call up. Its end, if it has not come yet, is not told.
    pub fn cancel(&mut self, stream: u32) {
        self.connection.cancel(stream);
        self.streams.forget(stream);
        self.flush();
    }

    fn has_end(&self, stream: u32) -> bool {
        self.streams.has_end(stream) || self.ends.iter().any(|(ended, _)| *ended == stream)
    }

    /// Calls in flight whose ends are told by [`next_end`](Self::next_end).
    fn started_in_flight(&self) -> usize {
        self.connection.calls_in_flight().saturating_sub(self.streams.in_flight())
    }

    // ---- the connection ----

    /// Asks the peer for a sign of life: the round trip, and its diagnosis of itself.
    ///
    /// # Errors
    /// [`Code::DeadlineExceeded`] when none comes within `limit`, or why the connection ended before.
    pub fn ping(&mut self, limit: Duration) -> Result<(Duration, Pong), RpcError> {
        self.lifecycle.pong = None;
        self.connection.ping(clock::now());
        self.run_until(until(limit), |client| client.lifecycle.pong.is_some());
        match self.lifecycle.pong.take() {
            Some(pong) => Ok(pong),
            None if self.is_closed() => Err(self.reason()),
            None => Err(RpcError::new(Code::DeadlineExceeded, "no PONG came in time")),
        }
    }

    /// Keeps the connection alive for a while, as long as it lasts.
    pub fn rest(&mut self, time: Duration) {
        self.run_until(until(time), |_| false);
    }

    /// Makes no further calls, waits until those in flight have ended, and ends the connection. Their ends can still be taken.
    ///
    /// # Errors
    /// Why the connection ended instead.
    pub fn drain(&mut self) -> Result<(), RpcError> {
        self.connection.drain();
        self.run_until(u64::MAX, |_| false);
        self.lifecycle.closed.clone().unwrap_or(Ok(()))
    }

    /// Ends the connection at once, with a code and words for the peer. Calls in flight fail.
    pub fn close(&mut self, code: Code, words: &str) {
        self.connection.close(code, words);
        self.run_until(u64::MAX, |_| false);
    }

    fn reason(&self) -> RpcError {
        match &self.lifecycle.closed {
            Some(Err(error)) => error.clone(),
            _ => RpcError::new(Code::Unavailable, "the peer closed the connection"),
        }
    }

    // ---- the loop ----

    /// Works until something is so, the time has come, or the connection is over: transmit, wait, feed, act on events.
    fn run_until(&mut self, until_ns: u64, is_so: impl Fn(&Self) -> bool) {
        loop {
            self.act_on_events();
            while self.socket.receive_more(&mut self.connection) {
                self.act_on_events();
            }
            if self.is_closed() || is_so(self) {
                return;
            }
            self.socket.transmit(&mut self.connection);
            // Writing makes room on streams, which may be what is waited for.
            if self.connection.has_event() {
                continue;
            }
            let due_ns = self.connection.next_deadline().unwrap_or(u64::MAX).min(until_ns);
            if !(self.spins || self.socket.is_readable()) {
                self.sleep(due_ns);
            }
            if self.spins {
                self.socket.spin(SPINS, &mut self.connection, &mut self.buffer);
            } else if self.socket.is_readable() {
                self.socket.receive(&mut self.connection, &mut self.buffer);
            }
            let now = clock::now();
            if now >= due_ns {
                self.connection.handle_timeout(now);
            }
            if now >= until_ns {
                return self.act_on_events();
            }
        }
    }

    /// Sleeps until the socket is ready for something, or the time has come.
    fn sleep(&mut self, due_ns: u64) {
        match self.poll.poll(&mut self.events, patience(due_ns)) {
            Ok(()) => self.events.iter().for_each(|event| self.socket.heed(event)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.connection.peer_gone(&format!("waiting for the socket failed: {error}")),
        }
    }

    fn act_on_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Reply { stream, reply, ledger } => self.end(stream, Ok(Reply { body: reply, ledger })),
                Event::Failed { stream, error, .. } => self.end(stream, Err(error)),
                Event::Message { stream, message } => self.streams.message(stream, message),
                Event::Ready(peer) => self.lifecycle.peer = Some(*peer),
                Event::Pong { round_trip_ns, pong } => {
                    self.lifecycle.pong = Some((Duration::from_nanos(round_trip_ns), pong));
                }
                Event::Closed { error, by_peer } => {
                    self.lifecycle.closed = Some(error.map_or(Ok(()), Err));
                    self.lifecycle.by_peer = by_peer;
                    if self.socket.transmit(&mut self.connection) {
                        self.socket.finish_writing();
                    }
                }
                // That the peer drains shows when a call is made; the others are an acceptor's.
                _ => {}
            }
        }
    }

    fn end(&mut self, stream: u32, end: End) {
        if let Some(end) = self.streams.end(stream, end) {
            self.ends.push_back((stream, end));
        }
    }

    /// Writes the last words, and waits for the peer's end, where the peer may not know yet that it is over.
    fn linger(&mut self) {
        let until_ns = until(Duration::from_millis(LINGER_MS_MAX));
        while !self.socket.transmit(&mut self.connection) && clock::now() < until_ns {
            self.sleep(until_ns);
        }
        self.socket.finish_writing();
        while !self.socket.has_ended(&mut self.buffer) && clock::now() < until_ns {
            self.sleep(until_ns);
        }
    }
}

impl Drop for SyncClient {
    fn drop(&mut self) {
        self.connection.drain();
        self.act_on_events();
        if self.is_closed() && !self.lifecycle.by_peer {
            self.linger();
        } else {
            self.flush();
        }
    }
}

fn dial(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::connect_timeout(&address, limit)?;
    stream.set_nonblocking(true)?;
    prepare(&stream)?;
    Ok(TcpStream::from_std(stream))
}

fn until(limit: Duration) -> u64 {
    clock::now().saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
}

fn not_started() -> RpcError {
    RpcError::new(Code::Internal, "no such call was started, or its end was taken before")
}
