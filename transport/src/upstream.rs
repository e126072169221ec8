//! The instances of one service, as those who call it see them: a warm connection to each, one picked for each call, and a
//! failed call tried again where that is safe.
//!
//! A service of which no instance can be reached fails at once: nothing is dialled, and no timer is waited for, while a caller
//! waits. Connections are made and made again by a task for each instance.

mod adapted;
mod instance;
mod schemas;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::frame::Health;
use micronet_wire::limits::{ATTEMPTS_MAX, DEADLINE_US_DEFAULT};
use micronet_wire::schema::{EncodedSchema, Fingerprint, SchemaError, ServiceSchema};
use micronet_wire::service::{Arity, CallOptions, Caller, Exchange, Reply};
use micronet_wire::transcode::ServiceAdapter;
use tokio::sync::watch;

pub use self::instance::Instance;
use self::schemas::{Known, Schemas};
use crate::backoff::Backoff;
use crate::balance::RoundRobin;
use crate::client::Client;
use crate::clock;
use crate::identity::{Identity, random_bytes};
use crate::retry::{Repeats, may_retry};

/// The instances of one service. Clones share them; dropping the last one closes the connections.
#[derive(Debug, Clone)]
pub struct Upstream(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Rc<str>,
    /// The schema that callers were built with, if they were.
    built_with: Option<Rc<EncodedSchema>>,
    slots: Vec<RefCell<Slot>>,
    balancer: RefCell<RoundRobin>,
    schemas: RefCell<Schemas>,
    /// Counts changes: an instance came or went.
    changes: watch::Sender<u64>,
    /// Instances of which the first attempt to connect has not ended yet.
    untried: Cell<usize>,
}

/// What is known of one instance.
#[derive(Debug)]
struct Slot {
    address: SocketAddr,
    connected: Option<Instance>,
    /// Why it isn't connected.
    trouble: Option<String>,
}

impl Upstream {
    /// Starts to keep connections to the instances of `service` at these addresses.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    #[must_use]
    pub fn connect(service: &str, addresses: &[SocketAddr], identity: &Rc<Identity>) -> Self {
        Self::start(service, addresses, identity, None)
    }

    /// The same for callers that were built with a schema. Their calls are adapted to what each instance serves (SPEC.md 10.10); an
    /// instance whose method can't be reconciled with theirs gets none of its calls, and the log says why.
    ///
    /// # Errors
    /// When the callers' own schema breaks a rule.
    pub fn connect_typed(
        built_with: ServiceSchema,
        addresses: &[SocketAddr],
        identity: &Rc<Identity>,
    ) -> Result<Self, SchemaError> {
        let built_with = EncodedSchema::new(built_with)?;
        let service = built_with.schema().name.clone();
        Ok(Self::start(&service, addresses, identity, Some(Rc::new(built_with))))
    }

    fn start(
        service: &str,
        addresses: &[SocketAddr],
        identity: &Rc<Identity>,
        built_with: Option<Rc<EncodedSchema>>,
    ) -> Self {
        let slot =
            |address: &SocketAddr| RefCell::new(Slot { address: *address, connected: None, trouble: None });
        let inner = Rc::new(Inner {
            service: service.into(),
            built_with,
            slots: addresses.iter().map(slot).collect(),
            balancer: RefCell::default(),
            schemas: RefCell::default(),
            changes: watch::Sender::new(0),
            untried: Cell::new(addresses.len()),
        });
        for at in 0..addresses.len() {
            tokio::task::spawn_local(keep_connected(Rc::downgrade(&inner), at, Rc::clone(identity)));
        }
        Self(inner)
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Where its instances are, with the names of those that are connected.
    #[must_use]
    pub fn instances(&self) -> Vec<(SocketAddr, Option<Rc<str>>)> {
        let seen = |slot: &RefCell<Slot>| {
            let slot = slot.borrow();
            (slot.address, slot.connected.as_ref().map(|instance| Rc::clone(&instance.name)))
        };
        self.0.slots.iter().map(seen).collect()
    }

    /// All schemas that instances have served, so that routes outlive the instances that announced them; those that are served now
    /// come first.
    #[must_use]
    pub fn schemas(&self) -> Vec<Rc<EncodedSchema>> {
        let mut schemas = self.0.schemas.borrow().all();
        schemas.sort_by_key(|schema| (!self.0.serves(schema.fingerprint()), schema.fingerprint()));
        schemas
    }

    /// Hears of instances that come and go.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Completes when each instance has been tried once, reached or not.
    pub async fn tried(&self) {
        let mut changes = self.changes();
        // The sender lives as long as `self`.
        let _ = changes.wait_for(|_| self.0.untried.get() == 0).await;
    }

    /// The next instance in turn that can take a call and is not among `tried`. Those that have announced that they drain come after
    /// all others.
    #[must_use]
    pub fn pick(&self, tried: &[Rc<str>]) -> Option<Instance> {
        self.pick_among(|_| true, tried)
    }

    fn pick_among(&self, takes: impl Fn(&Instance) -> bool, tried: &[Rc<str>]) -> Option<Instance> {
        let slots = &self.0.slots;
        let usable = |at: usize, health: Health| {
            slots[at].borrow().connected.as_ref().is_some_and(|instance| {
                instance.client.peer_health() == health
                    && instance.client.can_call()
                    && takes(instance)
                    && !tried.contains(&instance.name)
            })
        };
        let in_turn = |health| self.0.balancer.borrow_mut().pick(slots.len(), |at| usable(at, health));
        let at = in_turn(Health::Serving).or_else(|| in_turn(Health::Draining))?;
        slots[at].borrow().connected.clone()
    }

    /// Calls an instance that `takes` the call, and others after it for as long as `may_retry` says so of the failure. The last
    /// instance that was called and what came of it; `None` when there is no such instance that can be reached.
    pub async fn attempt<T, E>(
        &self,
        takes: impl Fn(&Instance) -> bool,
        may_retry: impl Fn(&E) -> bool,
        mut call: impl AsyncFnMut(&Instance) -> Result<T, E>,
    ) -> Option<(Instance, Result<T, E>)> {
        let mut tried: Vec<Rc<str>> = Vec::new();
        let mut last = None;
        while tried.len() < ATTEMPTS_MAX as usize {
            let Some(instance) = self.pick_among(&takes, &tried) else { break };
            let outcome = call(&instance).await;
            let again = matches!(&outcome, Err(failure) if may_retry(failure));
            tried.push(Rc::clone(&instance.name));
            last = Some((instance, outcome));
            if !again {
                break;
            }
            tracing::debug!(
                service = &*self.0.service,
                attempts = tried.len(),
                "a call may be tried elsewhere"
            );
        }
        last
    }

    /// The error when no instance could be picked: none can be reached, or all have too much in flight.
    #[must_use]
    pub fn no_instance(&self) -> RpcError {
        for slot in &self.0.slots {
            let slot = slot.borrow();
            if slot.connected.as_ref().is_some_and(|instance| instance.client.is_serving()) {
                let words = format!("all instances of {} have too much in flight", self.0.service);
                return RpcError::new(Code::Overloaded, words);
            }
            tracing::debug!(service = &*self.0.service, address = %slot.address, trouble = slot.trouble, "not connected");
        }
        unavailable(&self.0.service)
    }

    /// The same for calls that not every instance takes: where those that can be reached don't, why one of them doesn't.
    #[must_use]
    pub fn no_instance_for(&self, takes: impl Fn(&Instance) -> Result<(), RpcError>) -> RpcError {
        let mut refusal = None;
        for slot in &self.0.slots {
            let slot = slot.borrow();
            let serving = slot.connected.as_ref().filter(|instance| instance.client.is_serving());
            match serving.map(&takes) {
                Some(Ok(())) => return self.no_instance(),
                Some(Err(error)) => refusal = Some(error),
                None => {}
            }
        }
        refusal.unwrap_or_else(|| self.no_instance())
    }
}

/// The error of a service of which no instance can be reached.
#[must_use]
pub fn unavailable(service: &str) -> RpcError {
    RpcError::new(Code::Unavailable, format!("Sorry, {service} service is unavailable right now"))
}

/// The error of a call to `service`, in words for the one on whose behalf it was made: to them, a link that broke is a service
/// that is away. `harmless` says that it doesn't matter whether the call was carried out.
#[must_use]
pub fn told_to_caller(service: &str, harmless: bool, error: RpcError) -> RpcError {
    let away = unavailable(service);
    match error.code {
        Code::Draining => away,
        Code::ConnectionLost if error.retry == Retry::NeverStarted => away,
        Code::ConnectionLost | Code::Silent if harmless => away,
        Code::ConnectionLost | Code::Silent => {
            let words = "whether it had done this already is not known; an Idempotency-Key makes it safe to ask again";
            RpcError::new(error.code, format!("{}: {words}", away.message))
        }
        _ => error,
    }
}

impl Caller for Upstream {
    async fn call(&self, method: u32, request: Bytes, mut options: CallOptions) -> Result<Reply, RpcError> {
        // One deadline for all attempts together.
        if options.deadline_ns == 0 {
            options.deadline_ns = clock::now() + u64::from(DEADLINE_US_DEFAULT) * 1_000;
        }
        let repeats = Repeats::of(method);
        let attempted = self.attempt(
            |instance| instance.takes(method).is_ok() && repeats.may_go_to(&instance.schema),
            |(error, repeatable)| may_retry(error, *repeatable),
            async |instance| {
                let outcome = instance.call(method, request.clone(), options.clone()).await;
                outcome.map_err(|error| {
                    let idempotent = options.idempotent && instance.agrees_that_idempotent(method);
                    if !idempotent {
                        repeats.failed(&instance.schema, &error);
                    }
                    (error, idempotent || options.token.is_some())
                })
            },
        );
        match attempted.await {
            Some((_, outcome)) => outcome.map_err(|(error, _)| error),
            None => Err(self.no_instance_for(|instance| instance.takes(method))),
        }
    }

    /// Only an instance that couldn't take the call at all is passed over: what is on its way isn't sent again.
    async fn send(&self, method: u32, request: Bytes, options: CallOptions) -> Result<(), RpcError> {
        let attempted = self.attempt(
            |instance| instance.takes(method).is_ok(),
            |error| may_retry(error, false),
            async |instance| instance.send(method, request.clone(), options.clone()).await,
        );
        attempted.await.map_or_else(
            || Err(self.no_instance_for(|instance| instance.takes(method))),
            |(_, outcome)| outcome,
        )
    }

    /// A call with a stream of messages is opened where it can be; what happens to it later is for whoever reads it to judge.
    async fn open(
        &self,
        method: u32,
        request: Option<Bytes>,
        replies: Arity,
        options: CallOptions,
    ) -> Result<Rc<dyn Exchange>, RpcError> {
        let attempted = self.attempt(
            |instance| instance.takes(method).is_ok(),
            |error| may_retry(error, false),
            async |instance| instance.open(method, request.clone(), replies, options.clone()).await,
        );
        attempted.await.map_or_else(
            || Err(self.no_instance_for(|instance| instance.takes(method))),
            |(_, outcome)| outcome,
        )
    }
}

/// Keeps one instance connected for as long as somebody holds the upstream.
async fn keep_connected(upstream: std::rc::Weak<Inner>, at: usize, identity: Rc<Identity>) {
    let mut backoff = Backoff::default();
    let mut first = true;
    loop {
        let Some(address) = upstream.upgrade().map(|inner| inner.slots[at].borrow().address) else { return };
        let dialled = dial(&upstream, address, &identity).await;
        let Some(inner) = upstream.upgrade() else { return };
        if std::mem::take(&mut first) {
            inner.untried.set(inner.untried.get() - 1);
        }
        match dialled {
            Ok(instance) => {
                tracing::info!(service = &*inner.service, instance = &*instance.name, %address, "connected");
                let leaving = instance.client.leaving();
                inner.set(at, Some(instance), None);
                drop(inner);
                backoff.reset();
                leaving.await;
                let Some(inner) = upstream.upgrade() else { return };
                inner.set(at, None, Some("the connection ended".into()));
                tracing::info!(service = &*inner.service, %address, "disconnected");
            }
            Err(error) => {
                let trouble = error.to_string();
                let told = inner.slots[at].borrow().trouble.as_ref() == Some(&trouble);
                if error.code == Code::Unavailable || told {
                    tracing::debug!(service = &*inner.service, %address, %error, "cannot connect");
                } else {
                    // Not just away: a wrong secret, another cluster, another service. Waiting won't mend it.
                    tracing::warn!(service = &*inner.service, %address, %error, "cannot connect");
                }
                inner.set(at, None, Some(trouble));
            }
        }
        let pause_ms = backoff.next_ms(u64::from_ne_bytes(random_bytes()));
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
    }
}

impl Inner {
    /// Whether an instance is connected that serves this schema.
    fn serves(&self, fingerprint: Fingerprint) -> bool {
        let is_it = |instance: &Instance| instance.schema.fingerprint() == fingerprint;
        self.slots.iter().any(|slot| slot.borrow().connected.as_ref().is_some_and(is_it))
    }

    /// A schema that is met for the first time, compared with the one that callers were built with.
    fn learn(&self, schema: Rc<EncodedSchema>, address: SocketAddr) -> Known {
        let adapter = self.built_with.as_ref().and_then(|ours| ServiceAdapter::new(ours, &schema));
        for words in adapter.iter().flat_map(ServiceAdapter::refusals) {
            tracing::warn!(service = &*self.service, %address, words, "built with another schema than is served there");
        }
        let known = Known { schema, adapter: adapter.map(Rc::new) };
        self.schemas.borrow_mut().keep(known.clone(), |fingerprint| self.serves(fingerprint));
        known
    }

    fn set(&self, at: usize, connected: Option<Instance>, trouble: Option<String>) {
        let mut slot = self.slots[at].borrow_mut();
        (slot.connected, slot.trouble) = (connected, trouble);
        drop(slot);
        self.changes.send_modify(|count| *count += 1);
    }
}

/// Connects, and learns the instance's name and schema.
async fn dial(
    upstream: &std::rc::Weak<Inner>,
    address: SocketAddr,
    identity: &Identity,
) -> Result<Instance, RpcError> {
    let Some(service) = upstream.upgrade().map(|inner| Rc::clone(&inner.service)) else {
        return Err(RpcError::new(Code::Cancelled, "nobody wants the connection any more"));
    };
    let client = Client::connect_to(&service, address, identity).await?;
    let hello = client.ready().await?;
    let fingerprint = hello.schema.ok_or_else(|| {
        RpcError::new(Code::Protocol, format!("{address} serves no schema: is it a service?"))
    })?;
    let find = |inner: Rc<Inner>| inner.schemas.borrow().find(fingerprint);
    let known = match upstream.upgrade().and_then(find) {
        Some(known) => known,
        None => {
            let schema = Rc::new(fetch_schema(&client, fingerprint).await?);
            let Some(inner) = upstream.upgrade() else { return Err(unavailable(&schema.schema().name)) };
            let name = &schema.schema().name;
            if **name != *inner.service {
                let words = format!("{address} is an instance of {name}, not of {}", inner.service);
                return Err(RpcError::new(Code::Protocol, words));
            }
            inner.learn(schema, address)
        }
    };
    let name = if hello.instance.is_empty() { address.to_string() } else { hello.instance.clone() };
    Ok(Instance { name: name.into(), client, schema: known.schema, adapter: known.adapter })
}

/// Fetches the schema that an instance serves, and checks that it is the one that it announced.
///
/// # Errors
/// Those of the call, and [`Code::Protocol`] for a schema that breaks a rule or is not the announced one.
pub async fn fetch_schema(client: &Client, announced: Fingerprint) -> Result<EncodedSchema, RpcError> {
    let fetched = match BuiltinClient::new(client.clone()).schema(CallOptions::default()).await {
        Ok(fetched) => fetched,
        // A peer that doesn't want us says why when it ends the connection.
        Err(error) if error.code == Code::ConnectionLost => {
            return Err(client.closed().await.err().unwrap_or(error));
        }
        Err(error) => return Err(error),
    };
    let schema = EncodedSchema::decode(Bytes::from(fetched.schema.0))
        .map_err(|error| RpcError::new(Code::Protocol, error.to_string()))?;
    if schema.fingerprint() == announced {
        Ok(schema)
    } else {
        Err(RpcError::new(Code::Protocol, "the schema is not the one that HELLO announced"))
    }
}

#[cfg(test)]
mod tests;
