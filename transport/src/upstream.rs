//! The instances of one service, as those who call it see them: a warm connection to each, one picked for each call, and a
//! failed call tried again where that is safe.
//!
//! A service of which no instance can be reached fails at once: nothing is dialled, and no timer is waited for, while a caller
//! waits. Connections are made and made again by a task for each instance.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{ATTEMPTS_MAX, DEADLINE_US_DEFAULT};
use micronet_wire::schema::{EncodedSchema, Fingerprint, ServiceSchema};
use micronet_wire::service::{CallOptions, Caller, Reply};
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::balance::RoundRobin;
use crate::client::Client;
use crate::clock;
use crate::identity::{Identity, random_bytes};
use crate::retry::may_retry;

/// A connected instance, ready for calls.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Its name, as `product-1`.
    pub name: Rc<str>,
    /// The connection to it.
    pub client: Client,
    /// The schema that it serves: payloads to and from it are in this one.
    pub schema: Rc<EncodedSchema>,
}

/// The instances of one service. Clones share them; dropping the last one closes the connections.
#[derive(Debug, Clone)]
pub struct Upstream(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Rc<str>,
    /// The schema that callers were built with, if they were.
    built_with: Option<ServiceSchema>,
    slots: Vec<RefCell<Slot>>,
    balancer: RefCell<RoundRobin>,
    schemas: RefCell<HashMap<Fingerprint, Rc<EncodedSchema>>>,
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

    /// The same for callers that were built with a schema: an instance that serves these methods otherwise is not connected, and
    /// the log says why.
    #[must_use]
    pub fn connect_typed(
        built_with: ServiceSchema,
        addresses: &[SocketAddr],
        identity: &Rc<Identity>,
    ) -> Self {
        let service = built_with.name.clone();
        Self::start(&service, addresses, identity, Some(built_with))
    }

    fn start(
        service: &str,
        addresses: &[SocketAddr],
        identity: &Rc<Identity>,
        built_with: Option<ServiceSchema>,
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

    /// All schemas that instances have served, so that routes outlive the instances that announced them; those that are served now
    /// come first.
    #[must_use]
    pub fn schemas(&self) -> Vec<Rc<EncodedSchema>> {
        let served = |schema: &Rc<EncodedSchema>| {
            let serves = |instance: &Instance| instance.schema.fingerprint() == schema.fingerprint();
            self.0.slots.iter().any(|slot| slot.borrow().connected.as_ref().is_some_and(serves))
        };
        let mut schemas: Vec<_> = self.0.schemas.borrow().values().cloned().collect();
        schemas.sort_by_key(|schema| (!served(schema), schema.fingerprint()));
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

    /// The next instance in turn that can take a call and is not among `tried`.
    #[must_use]
    pub fn pick(&self, tried: &[Rc<str>]) -> Option<Instance> {
        let slots = &self.0.slots;
        let usable = |at: usize| {
            let slot = slots[at].borrow();
            slot.connected
                .as_ref()
                .is_some_and(|instance| instance.client.can_call() && !tried.contains(&instance.name))
        };
        let at = self.0.balancer.borrow_mut().pick(slots.len(), usable)?;
        slots[at].borrow().connected.clone()
    }

    /// Calls an instance, and others after it for as long as `may_retry` says so of the failure. The last instance that was called
    /// and what came of it; `None` when no instance can be reached.
    pub async fn attempt<T, E>(
        &self,
        may_retry: impl Fn(&E) -> bool,
        mut call: impl AsyncFnMut(&Instance) -> Result<T, E>,
    ) -> Option<(Instance, Result<T, E>)> {
        let mut tried: Vec<Rc<str>> = Vec::new();
        let mut last = None;
        while tried.len() < ATTEMPTS_MAX as usize {
            let Some(instance) = self.pick(&tried) else { break };
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
        let repeatable = options.idempotent || options.token.is_some();
        let attempted = self.attempt(
            |error| may_retry(error, repeatable),
            async |instance| instance.client.call(method, request.clone(), options.clone()).await,
        );
        attempted.await.map_or_else(|| Err(self.no_instance()), |(_, outcome)| outcome)
    }

    /// Only an instance that couldn't take the call at all is passed over: what is on its way isn't sent again.
    async fn send(&self, method: u32, request: Bytes, options: CallOptions) -> Result<(), RpcError> {
        let attempted = self.attempt(
            |error| may_retry(error, false),
            async |instance| instance.client.send(method, request.clone(), options.clone()).await,
        );
        attempted.await.map_or_else(|| Err(self.no_instance()), |(_, outcome)| outcome)
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
    let known = upstream.upgrade().and_then(|inner| inner.schemas.borrow().get(&fingerprint).cloned());
    let schema = match known {
        Some(schema) => schema,
        None => Rc::new(fetch_schema(&client, fingerprint).await?),
    };
    if let Some(inner) = upstream.upgrade() {
        let name = &schema.schema().name;
        if **name != *inner.service {
            let words = format!("{address} is an instance of {name}, not of {}", inner.service);
            return Err(RpcError::new(Code::Protocol, words));
        }
        if let Some(Err(words)) = inner.built_with.as_ref().map(|ours| ours.check_same_calls(schema.schema()))
        {
            tracing::warn!(service = &*inner.service, %address, words, "built with another schema than is served there");
            return Err(RpcError::new(Code::Protocol, words));
        }
        inner.schemas.borrow_mut().insert(fingerprint, Rc::clone(&schema));
    }
    let name = if hello.instance.is_empty() { address.to_string() } else { hello.instance.clone() };
    Ok(Instance { name: name.into(), client, schema })
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
mod tests {
    use super::*;

    #[test]
    fn a_broken_link_is_told_as_a_service_that_is_away() {
        let check = |code, harmless, expected, words: &str| {
            let told = told_to_caller("toys", harmless, RpcError::new(code, "inner words"));
            assert_eq!(told.code, expected, "{code} {harmless}");
            assert!(told.message.contains(words), "{code} {harmless}: {}", told.message);
        };
        let away = "Sorry, toys service is unavailable right now";
        check(Code::Draining, false, Code::Unavailable, away);
        check(Code::ConnectionLost, true, Code::Unavailable, away);
        check(Code::Silent, true, Code::Unavailable, away);
        check(
            Code::ConnectionLost,
            false,
            Code::ConnectionLost,
            "whether it had done this already is not known",
        );
        check(Code::Silent, false, Code::Silent, away);
        check(Code::Internal, true, Code::Internal, "inner words");
    }
}
