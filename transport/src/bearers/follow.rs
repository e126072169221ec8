//! Following the authority: its keys are asked for now and then, and at once when one isn't known; its revocations are a stream that
//! is opened again wherever it ends.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_wire::authority::{AuthorityClient, RevocationNews, RevocationsAfter, authority_schema};
use micronet_wire::error::RpcError;
use micronet_wire::limits::TOKEN_KEYS_REFRESH_MS;
use micronet_wire::schema::SchemaError;
use micronet_wire::service::CallOptions;
use tokio::task::JoinSet;

use super::Bearers;
use crate::backoff::Backoff;
use crate::clock;
use crate::identity::{Identity, random_bytes};
use crate::resume::Resuming;
use crate::tasks;
use crate::upstream::Upstream;

/// The tasks that follow an authority, for as long as this lives.
pub struct Following(#[expect(dead_code, reason = "it ends its tasks when it is dropped")] JoinSet<()>);

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Following")
    }
}

/// Has a process believe whom this authority has signed in. How it stands with it is among the process's metrics.
///
/// Must be called on a `LocalRuntime` or within a `LocalSet`.
pub fn follow(identity: &Identity, authority: &Upstream) -> Following {
    let bearers = &identity.bearers;
    bearers.begins(clock::unix_us());
    watch(identity);
    let mut tasks = JoinSet::new();
    tasks.spawn_local(tasks::named("keys of access tokens", keys(Rc::downgrade(bearers), authority.clone())));
    tasks.spawn_local(tasks::named("revocations", revocations(Rc::downgrade(bearers), authority.clone())));
    Following(tasks)
}

/// The same for an authority of which nothing else is wanted, with instances at these addresses and wherever else they are found.
///
/// # Errors
/// When the authority's schema breaks a rule, which a test keeps from happening.
pub fn follow_at(identity: &Rc<Identity>, addresses: &[SocketAddr]) -> Result<Following, SchemaError> {
    let authority = Upstream::connect_typed(authority_schema(), addresses, identity)?;
    Ok(follow(identity, &authority))
}

async fn keys(bearers: Weak<Bearers>, authority: Upstream) {
    let mut changes = authority.changes();
    let client = AuthorityClient::new(authority);
    let mut backoff = Backoff::default();
    loop {
        let asked = client.keys(CallOptions::default()).await;
        let Some(bearers) = bearers.upgrade() else { return };
        let (pause_ms, come) = match asked {
            Ok(keys) => {
                bearers.set_keys(&keys);
                backoff.reset();
                (TOKEN_KEYS_REFRESH_MS, false)
            }
            Err(error) => {
                tracing::debug!(%error, "the keys of tokens can't be had");
                (backoff.next_ms(u64::from_ne_bytes(random_bytes())), true)
            }
        };
        bearers.keys_asked();
        let wanted = Rc::clone(&bearers.wanted);
        drop(bearers);
        tokio::select! {
            () = wanted.notified() => {}
            // An instance came, where there was none.
            _ = changes.changed(), if come => {}
            () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
        }
    }
}

async fn revocations(bearers: Weak<Bearers>, authority: Upstream) {
    let mut changes = authority.changes();
    let client = AuthorityClient::new(authority);
    let (mut backoff, mut last) = (Backoff::default(), None);
    loop {
        let open = async |after| {
            let options = CallOptions::default();
            client.revocations(&RevocationsAfter { after }, options).await
        };
        let mut news = Resuming::new(last, open, |news: &RevocationNews| news.through);
        let ended = loop {
            match news.next().await {
                Ok(Some(news)) => {
                    let Some(bearers) = bearers.upgrade() else { return };
                    bearers.hear(&news, clock::unix_us());
                    backoff.reset();
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        last = news.last();
        if let Some(error) = ended {
            complain(&error);
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(Duration::from_millis(backoff.next_ms(u64::from_ne_bytes(random_bytes())))) => {}
        }
    }
}

fn complain(error: &RpcError) {
    tracing::warn!(%error, "what is revoked can't be followed");
}

/// Shows among the metrics how the process stands with its authority.
fn watch(identity: &Identity) {
    type Look = fn(&Bearers) -> usize;
    let all: [(&str, &str, Look); 8] = [
        (
            "micronet_authority_silence_seconds",
            "How long nothing has been heard of what is revoked; beyond 900 no token is believed.",
            Bearers::silence_s,
        ),
        (
            "micronet_authority_known",
            "Whether all that is revoked was told at least once: 1 or 0.",
            |bearers| usize::from(bearers.state.borrow().heard_us.is_some()),
        ),
        ("micronet_token_keys", "Keys that tokens are verified by.", |bearers| {
            bearers.state.borrow().keys.as_ref().map_or(0, HashMap::len)
        }),
        ("micronet_revocations", "Revocations that are known and still matter.", |bearers| {
            bearers.state.borrow().revoked.len()
        }),
        ("micronet_tokens_remembered", "Verified tokens that are remembered.", |bearers| {
            bearers.state.borrow().known.len()
        }),
        (
            "micronet_tokens_verified",
            "Tokens whose signature was checked since the start, and was right.",
            |bearers| bearers.counts.verified.get(),
        ),
        ("micronet_tokens_reused", "Requests since the start whose token was remembered.", |bearers| {
            bearers.counts.reused.get()
        }),
        ("micronet_tokens_refused", "Requests since the start whose token was refused.", |bearers| {
            bearers.counts.refused.get()
        }),
    ];
    for (name, help, look) in all {
        let bearers = Rc::downgrade(&identity.bearers);
        identity
            .network
            .metrics()
            .watch(name, help, move || bearers.upgrade().map_or(0, |bearers| look(&bearers)));
    }
}

impl Bearers {
    /// How long nothing was heard of what is revoked, since it is followed, in whole seconds.
    fn silence_s(&self) -> usize {
        let state = self.state.borrow();
        let since_us = state.heard_us.or(state.followed_us).unwrap_or(0);
        usize::try_from((clock::unix_us() - since_us) / 1_000_000).unwrap_or(0)
    }
}
