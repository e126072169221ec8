//! Keeping an instance connected: a task for each place in its pool dials, waits until the connection ends, and dials again.

use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{CONNECT_MS_MAX, CONNECTION_AGE_MS, GOOD_SIGNS_MIN, HEARTBEAT_INTERVAL_MS};
use micronet_wire::schema::{EncodedSchema, Fingerprint};
use micronet_wire::service::CallOptions;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::instance::Instance;
use super::member::Member;
use super::{Inner, unavailable};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::clock;
use crate::identity::{Identity, random_bytes};

/// Keeps one place of an instance's pool connected, for as long as both the upstream and the instance are there.
pub(super) async fn keep_connected(
    upstream: Weak<Inner>,
    member: Weak<Member>,
    slot: usize,
    identity: Rc<Identity>,
) {
    let mut backoff = Backoff::default();
    let mut first = slot == 0;
    loop {
        if slot > 0 && !first_is_connected(&upstream, &member).await {
            return;
        }
        let connected = connect(&upstream, &member, &identity).await;
        let (Some(inner), Some(here)) = (upstream.upgrade(), member.upgrade()) else { return };
        if std::mem::take(&mut first) {
            inner.untried.set(inner.untried.get().saturating_sub(1));
        }
        match connected {
            Ok(instance) => {
                backoff.reset();
                let (name, address) = (Rc::clone(&instance.name), here.address);
                tracing::info!(service = &*inner.service, instance = &*name, %address, slot, "connected");
                let mut instance = inner.took(&here, slot, instance);
                drop((inner, here));
                let why = loop {
                    // The one that is there goes only when another has taken its place.
                    let due = Instant::now() + age();
                    tokio::select! {
                        biased;
                        why = ended(&instance) => break why,
                        () = sleep_until(due) => {}
                    }
                    if let Ok(younger) = connect(&upstream, &member, &identity).await {
                        let (Some(inner), Some(here)) = (upstream.upgrade(), member.upgrade()) else {
                            return;
                        };
                        tracing::debug!(
                            service = &*inner.service,
                            instance = &*younger.name,
                            slot,
                            "replaced by age"
                        );
                        let taken = inner.took(&here, slot, younger);
                        std::mem::replace(&mut instance, taken).drain();
                    }
                };
                let (Some(inner), Some(here)) = (upstream.upgrade(), member.upgrade()) else { return };
                inner.gave_up(&here, slot, &why);
                tracing::info!(service = &*inner.service, instance = &*name, %address, slot, why, "disconnected");
            }
            Err(error) => {
                inner.not_reached(&here, &error);
                drop((inner, here));
            }
        }
        sleep(Duration::from_millis(backoff.next_ms(random()))).await;
    }
}

/// Waits until the instance has a connection, so that one that is away is dialled by one task only. False when it is gone.
async fn first_is_connected(upstream: &Weak<Inner>, member: &Weak<Member>) -> bool {
    let Some(mut changes) = upstream.upgrade().map(|inner| inner.changes.subscribe()) else { return false };
    let there = changes.wait_for(|_| member.upgrade().is_none_or(|member| member.is_connected())).await;
    there.is_ok() && member.strong_count() > 0
}

/// Why a connection takes no more calls.
async fn ended(client: &Client) -> String {
    client.leaving().await;
    client.ended().unwrap_or_else(|| "it said goodbye (GOAWAY)".into())
}

/// When a connection is to be replaced: not all at the same time.
fn age() -> Duration {
    let tenth = CONNECTION_AGE_MS / 10;
    Duration::from_millis(CONNECTION_AGE_MS - tenth + random() % (2 * tenth + 1))
}

fn random() -> u64 {
    u64::from_ne_bytes(random_bytes())
}

/// Connects, and waits for as many signs of life as the instance's past asks for.
async fn connect(
    upstream: &Weak<Inner>,
    member: &Weak<Member>,
    identity: &Identity,
) -> Result<Instance, RpcError> {
    let gone = || RpcError::new(Code::Cancelled, "nobody wants the connection any more");
    let instance = dial(upstream, member.upgrade().ok_or_else(gone)?.address, identity).await?;
    let mut signs = 1;
    while signs < good_signs_wanted(upstream, member).ok_or_else(gone)? {
        if signs >= GOOD_SIGNS_MIN {
            wait_for_next_sign(upstream, member).await;
        }
        let answered = timeout(Duration::from_millis(CONNECT_MS_MAX), instance.client.answered()).await;
        answered.map_err(|_| RpcError::new(Code::Silent, "it doesn't answer heartbeats"))??;
        signs += 1;
    }
    Ok(instance)
}

/// How many signs of life an instance has to give before it gets calls.
fn good_signs_wanted(upstream: &Weak<Inner>, member: &Weak<Member>) -> Option<u32> {
    let (upstream, member) = (upstream.upgrade()?, member.upgrade()?);
    let needed = member.ledger.borrow().good_signs_needed(clock::now());
    Some(match needed {
        // Another connection to it stands: that is sign enough.
        _ if member.is_connected() => 1,
        // One that comes and goes is better than none.
        _ if !upstream.has_others_ready(&member) => needed.min(GOOD_SIGNS_MIN),
        _ => needed,
    })
}

/// Who comes and goes has to stay for a while, for as long as others are there.
async fn wait_for_next_sign(upstream: &Weak<Inner>, member: &Weak<Member>) {
    let Some(mut changes) = upstream.upgrade().map(|inner| inner.changes.subscribe()) else { return };
    let is_wanted_now =
        |_: &u64| good_signs_wanted(upstream, member).is_none_or(|signs| signs <= GOOD_SIGNS_MIN);
    let interval = Duration::from_millis(HEARTBEAT_INTERVAL_MS.into());
    // Late, or not at all: the next sign is asked for anyway.
    let _ = timeout(interval, changes.wait_for(is_wanted_now)).await;
}

/// Connects, and learns the instance's name and schema.
async fn dial(
    upstream: &Weak<Inner>,
    address: std::net::SocketAddr,
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
