//! A client: one connection, on which any number of calls can be in flight.
//!
//! Callers write their requests into the connection's buffer and wake the task that owns the socket; it writes what all of them
//! have said in one go. Replies wake their callers directly. There is no channel and no lock: all of it is on one thread.

mod call;
mod streams;
mod watched;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use micronet_wire::conn::{Announcement, CallTable, Connection, Event, Role};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::{Health, Pong};
use micronet_wire::hello::Hello;
use micronet_wire::ledger::Ledger;
use micronet_wire::service::{Arity, CallOptions, Caller, Exchange, Reply};
use micronet_wire::spiffe::SpiffeId;

use self::call::{Call, Slot, Started};
use self::streams::{Stream, Streams};
pub use self::watched::Watch;
use crate::clock;
use crate::driver::{ByteStream, Wire};
use crate::identity::Identity;
use crate::link::{Link, Shaped};
use crate::socket;
use crate::tap::{Ends, Point};
use crate::tasks;

/// A connection to one instance. Clones share it; it closes when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Rc<Shared>,
    /// Tells the driver, by being the last, that nobody will call any more.
    _handle: Rc<Handle>,
}

/// What callers and the driver share.
#[derive(Debug)]
struct Shared {
    connection: RefCell<Connection>,
    calls: RefCell<CallTable<Slot>>,
    streams: RefCell<Streams>,
    driver: RefCell<Option<Waker>>,
    state: RefCell<Lifecycle>,
    /// The account of the call whose caller was woken last.
    account: Cell<Option<Ledger>>,
}

/// Where a connection stands, and who waits for that to change.
#[derive(Debug, Default)]
struct Lifecycle {
    peer: Option<Rc<Hello>>,
    goaway: bool,
    closed: Option<Result<(), RpcError>>,
    last_pong: Option<(u64, Pong)>,
    pongs: u64,
    watchers: Vec<Waker>,
}

/// Closes the connection when the last client is gone.
#[derive(Debug)]
struct Handle(Rc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.connection.borrow_mut().drain();
        self.0.wake_driver();
    }
}

impl Client {
    /// Connects to an instance of any service over TCP, or TLS where the identity has a certificate, and says hello.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when nobody listens there, or the code by which one of the two sides refused the other.
    pub async fn connect(address: SocketAddr, identity: &Identity) -> Result<Self, RpcError> {
        Self::dial(address, None, identity, None).await
    }

    /// The same, to an instance of this service: in TLS, one with another certificate is refused.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect).
    pub async fn connect_to(
        service: &str,
        address: SocketAddr,
        identity: &Identity,
    ) -> Result<Self, RpcError> {
        Self::dial(address, Some(service), identity, None).await
    }

    async fn dial(
        address: SocketAddr,
        service: Option<&str>,
        identity: &Identity,
        watch: Option<Watch>,
    ) -> Result<Self, RpcError> {
        let unreachable = |error: io::Error| {
            RpcError::new(Code::Unavailable, format!("cannot connect to {address}: {error}"))
        };
        let link = Link::new(&identity.network, service, address);
        link.dial().await?;
        let stream = socket::connect(address).await.map_err(unreachable)?;
        let ends = Ends { own: stream.local_addr().ok(), peer: Some(address) };
        let stream = Shaped::new(stream, Rc::clone(&link));
        // SPEC 15.1: TLS is a part of the handshake, and so of its time.
        let since_ns = clock::now();
        let client = match &identity.tls {
            None => Self::begin(stream, identity, None, ends, since_ns, watch),
            Some(tls) => {
                let (stream, peer) = tls.dial(stream, service).await?;
                Self::begin(stream, identity, Some(peer), ends, since_ns, watch)
            }
        };
        link.leads_to(&client.ready().await?.instance);
        Ok(client)
    }

    /// Runs a client on any byte stream; calls can be made once it is [`ready`](Self::ready).
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    pub fn over<S: ByteStream>(stream: S, identity: &Identity) -> Self {
        Self::start(stream, identity, None, Ends::default(), clock::now())
    }

    fn start<S: ByteStream>(
        stream: S,
        identity: &Identity,
        peer: Option<SpiffeId>,
        ends: Ends,
        since_ns: u64,
    ) -> Self {
        let point = Point::new(identity.network.taps(), Role::Dialler, ends, peer.is_some(), None);
        let connection = Connection::new(identity.config(Role::Dialler, None, peer), since_ns);
        let shared = Rc::new(Shared {
            connection: RefCell::new(connection),
            calls: RefCell::default(),
            streams: RefCell::default(),
            driver: RefCell::default(),
            state: RefCell::default(),
            account: Cell::default(),
        });
        tasks::spawn("dialled connection", drive(Wire::new(stream, point), Rc::clone(&shared)));
        let handle = Rc::new(Handle(Rc::clone(&shared)));
        Self { shared, _handle: handle }
    }

    /// Waits for the peer's HELLO and returns it.
    ///
    /// # Errors
    /// Why the connection ended before.
    pub async fn ready(&self) -> Result<Rc<Hello>, RpcError> {
        self.shared
            .watch(|state| match (&state.peer, &state.closed) {
                (Some(peer), _) => Some(Ok(Rc::clone(peer))),
                (None, Some(closed)) => Some(Err(reason(closed))),
                (None, None) => None,
            })
            .await
    }

    /// Completes when no further calls should be made here: the peer drains, or the connection is over. It doesn't keep the
    /// connection open.
    pub fn leaving(&self) -> impl Future<Output = ()> + 'static {
        let shared = Rc::clone(&self.shared);
        async move { shared.watch(|state| (state.goaway || state.closed.is_some()).then_some(())).await }
    }

    /// Why the connection is over, if it is.
    #[must_use]
    pub fn ended(&self) -> Option<String> {
        self.shared.state.borrow().closed.as_ref().map(|closed| reason(closed).to_string())
    }

    /// Completes when the connection is over, with the reason if it was not a plain end.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn closed(&self) -> Result<(), RpcError> {
        self.shared.watch(|state| state.closed.clone()).await
    }

    /// Whether calls are taken here in general, though there may be too many in flight just now.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.shared.connection.borrow().is_serving()
    }

    /// Whether a call could be made now.
    #[must_use]
    pub fn can_call(&self) -> bool {
        self.shared.connection.borrow().can_call()
    }

    /// Whether the peer wants new calls, as it has announced last (SPEC.md 3.10). One that drains still answers them.
    #[must_use]
    pub fn peer_health(&self) -> Health {
        self.shared.connection.borrow().peer_health()
    }

    /// Sends a PING now, instead of waiting for a silent interval. Its answer is the next [`last_pong`](Self::last_pong).
    pub fn ping(&self) {
        self.shared.connection.borrow_mut().ping(clock::now());
        self.shared.wake_driver();
    }

    /// Tells the peer what has changed on this side (SPEC.md 3.10); false when that can't be said.
    pub fn announce(&self, said: Announcement) -> bool {
        let announced = self.shared.connection.borrow_mut().announce(said);
        self.shared.wake_driver();
        announced
    }

    /// Calls in flight.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.shared.connection.borrow().calls_in_flight()
    }

    /// Whether a heartbeat has had no answer in time, and nothing else was heard since.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.shared.connection.borrow().is_overdue(clock::now())
    }

    /// Sends a PING, and completes when it is answered.
    ///
    /// # Errors
    /// Why the connection ended before.
    pub async fn answered(&self) -> Result<(), RpcError> {
        let before = self.shared.state.borrow().pongs;
        self.ping();
        self.shared
            .watch(|state| match &state.closed {
                Some(closed) => Some(Err(reason(closed))),
                None => (state.pongs != before).then_some(Ok(())),
            })
            .await
    }

    /// The last heartbeat's round trip in nanoseconds, and the peer's diagnosis of itself.
    #[must_use]
    pub fn last_pong(&self) -> Option<(u64, Pong)> {
        self.shared.state.borrow().last_pong
    }

    /// The peer's account of the time of the call that has just ended, failed ones included. It is to be asked as soon as the call has
    /// ended, before anything else is waited for; it is there once.
    pub(crate) fn take_account(&self) -> Option<Ledger> {
        self.shared.account.take()
    }

    /// Gives up the calls in flight that do no harm when they are executed twice: their callers get this error, and may call elsewhere.
    pub fn give_up_repeatable(&self, error: &RpcError) {
        let is_waiting = |slot: &Slot| matches!(slot, Slot::Waiting { repeatable: true, .. });
        let given_up: Vec<u32> = {
            let calls = self.shared.calls.borrow();
            calls.iter().filter(|(_, slot)| is_waiting(slot)).map(|(stream, _)| stream).collect()
        };
        for stream in given_up {
            self.shared.connection.borrow_mut().cancel(stream);
            self.shared.end_call(stream, Err(error.clone()), None);
        }
        self.shared.wake_driver();
    }

    /// Ends the connection at once, with a code and words for the peer. Calls in flight fail.
    pub fn close(&self, code: Code, words: &str) {
        self.shared.connection.borrow_mut().close(code, words);
        self.shared.wake_driver();
    }

    /// Makes no further calls; the connection closes when those in flight have ended.
    pub fn drain(&self) {
        self.shared.connection.borrow_mut().drain();
        self.shared.wake_driver();
    }
}

fn reason(closed: &Result<(), RpcError>) -> RpcError {
    match closed {
        Err(error) => error.clone(),
        Ok(()) => RpcError::new(Code::Unavailable, "the peer closed the connection"),
    }
}

impl Client {
    fn start_call(&self, method: u32, request: &Bytes, options: &CallOptions) -> Result<Call<'_>, RpcError> {
        let repeatable = options.idempotent || options.token.is_some();
        self.shared.account.take();
        let stream = self.shared.connection.borrow_mut().call(clock::now(), method, request, options)?;
        self.shared.calls.borrow_mut().insert(stream, Slot::Waiting { waker: None, repeatable });
        self.shared.wake_driver();
        Ok(Call { shared: &self.shared, stream, ended: false })
    }
}

impl Caller for Client {
    /// The call is on its way before the future is polled, so that whoever waits for it holds no more than a place to wait.
    fn call(
        &self,
        method: u32,
        request: Bytes,
        options: CallOptions,
    ) -> impl Future<Output = Result<Reply, RpcError>> {
        Started(self.start_call(method, &request, &options).map_err(Some))
    }

    async fn send(&self, method: u32, request: Bytes, options: CallOptions) -> Result<(), RpcError> {
        self.shared.account.take();
        self.shared.connection.borrow_mut().send(clock::now(), method, &request, &options)?;
        self.shared.wake_driver();
        Ok(())
    }

    async fn open(
        &self,
        method: u32,
        request: Option<Bytes>,
        replies: Arity,
        options: CallOptions,
    ) -> Result<Rc<dyn Exchange>, RpcError> {
        self.shared.account.take();
        let mut connection = self.shared.connection.borrow_mut();
        let stream = connection.open(clock::now(), method, request.as_ref(), replies, &options)?;
        drop(connection);
        self.shared.wake_driver();
        Ok(Rc::new(Stream::new(self.clone(), stream)))
    }
}

impl Shared {
    async fn watch<T>(&self, mut seen: impl FnMut(&Lifecycle) -> Option<T>) -> T {
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if let Some(value) = seen(&state) {
                return Poll::Ready(value);
            }
            if !state.watchers.iter().any(|watcher| watcher.will_wake(cx.waker())) {
                state.watchers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    fn wake_driver(&self) {
        if let Some(waker) = self.driver.take() {
            waker.wake();
        }
    }

    fn end_call(&self, stream: u32, result: Result<Reply, RpcError>, account: Option<Ledger>) {
        let mut calls = self.calls.borrow_mut();
        let Some(slot) = calls.get_mut(stream) else {
            return self.streams.borrow_mut().end(stream, result);
        };
        if let Slot::Waiting { waker: Some(waker), .. } = std::mem::replace(slot, Slot::Done(result, account))
        {
            waker.wake();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Lifecycle)) {
        let mut state = self.state.borrow_mut();
        change(&mut state);
        state.watchers.drain(..).for_each(Waker::wake);
    }

    fn act_on_events(&self) {
        while let Some(event) = { self.connection.borrow_mut().poll_event() } {
            self.act(event);
        }
    }

    fn act(&self, event: Event) {
        match event {
            Event::Reply { stream, reply, ledger } => {
                self.end_call(stream, Ok(Reply { body: reply, ledger }), Some(ledger));
            }
            Event::Failed { stream, error, ledger } => {
                // Who ended it here had no account of it.
                let account = (ledger != Ledger::default()).then_some(ledger);
                self.end_call(stream, Err(error), account);
            }
            Event::Ready(peer) => self.change(|state| state.peer = Some(Rc::new(*peer))),
            Event::Goaway => self.change(|state| state.goaway = true),
            Event::Closed { error, .. } => {
                self.change(|state| state.closed = Some(error.map_or(Ok(()), Err)));
            }
            Event::Pong { round_trip_ns, pong } => {
                self.change(|state| {
                    state.last_pong = Some((round_trip_ns, pong));
                    state.pongs += 1;
                });
            }
            Event::Message { stream, message } => self.streams.borrow_mut().message(stream, message),
            Event::Room { stream } => self.streams.borrow_mut().room(stream),
            // The connection keeps to it by itself. The others are an acceptor's.
            Event::Announced(_)
            | Event::Request { .. }
            | Event::MessagesEnded { .. }
            | Event::Abandoned { .. }
            | Event::Dropped { .. } => {}
        }
    }
}

/// Owns the socket of a client: wait, feed, act on events, transmit.
async fn drive<S: ByteStream>(mut wire: Wire<S>, shared: Rc<Shared>) {
    loop {
        shared.act_on_events();
        while wire.receive_more(&mut shared.connection.borrow_mut()) {
            shared.act_on_events();
        }
        if shared.connection.borrow().is_closed() {
            break;
        }
        poll_fn(|cx| {
            shared.driver.replace(Some(cx.waker().clone()));
            let mut connection = shared.connection.borrow_mut();
            wire.poll_transmit(cx, &mut connection);
            let received = wire.poll_receive(cx, &mut connection).is_ready();
            let timed = wire.poll_timer(cx, &mut connection).is_ready();
            let told = connection.has_event() || connection.is_closed();
            if received || timed || told { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    wire.tap_output(&mut shared.connection.borrow_mut());
    let last_words = shared.connection.borrow_mut().output().split();
    wire.finish(&last_words).await;
}
