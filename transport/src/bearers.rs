//! Who shows an access token: decided here, without asking anybody. The public keys and what is revoked are known in advance, and
//! followed by tasks of their own ([`follow`]).
//!
//! A token's signature is checked once; after that it is found by its text, and what costs is one look into a table. While the
//! authority is away, tokens go on being verified by what is known; after a silence of [`REVOCATIONS_SILENCE_S_MAX`], or where the
//! authority was never reached, no token can be judged, and requests with one are answered with SERVICE_UNAVAILABLE.

mod asker;
mod follow;
mod remembered;
mod revoked;
mod token;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use micronet_wire::authority::{Key, Keys, RevocationNews};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{
    REVOCATIONS_SILENCE_S_MAX, TOKEN_FIRST_WORD_MS, TOKEN_KEYS_MAX, TOKEN_KEYS_PAUSE_MS, TOKEN_KEYS_WAIT_MS,
};
use tokio::sync::{Notify, watch};

pub use self::asker::Asker;
pub use self::follow::{Following, follow, follow_at};
use self::remembered::{Memory, Remembered};
use self::revoked::Revocations;
pub use self::token::Verified;
use self::token::{key_of, read, refused};

/// Whom a process believes by their access tokens: nobody until it [follows](follow) an authority.
pub struct Bearers {
    state: RefCell<State>,
    /// Counts changes of what is revoked.
    revisions: watch::Sender<u64>,
    /// Counts the times at which the keys were asked for.
    asked: watch::Sender<u64>,
    /// Counts up when the authority has told what is needed to judge anybody.
    told: watch::Sender<u64>,
    /// Somebody showed a token whose key isn't known.
    wanted: Rc<Notify>,
    counts: Counts,
}

/// What has been decided.
#[derive(Debug, Default)]
struct Counts {
    reused: Cell<usize>,
    verified: Cell<usize>,
    refused: Cell<usize>,
}

#[derive(Default)]
struct State {
    /// Since when an authority is followed, if one is.
    followed_us: Option<i64>,
    /// By `kid`; `None` until they were told.
    keys: Option<HashMap<String, DecodingKey>>,
    /// When the keys were asked for last because one wasn't known.
    wanted_us: i64,
    revoked: Revocations,
    /// When something of the revocations was heard last; `None` until all that there are were told.
    heard_us: Option<i64>,
    revision: u64,
    known: Memory,
}

/// Why a token isn't believed.
enum Doubt {
    Refused(RpcError),
    /// It names a key that isn't known.
    Key,
}

impl From<RpcError> for Doubt {
    fn from(error: RpcError) -> Self {
        Self::Refused(error)
    }
}

impl From<Doubt> for RpcError {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Refused(error) => error,
            Doubt::Key => refused("the access token is signed by a key that is not known"),
        }
    }
}

impl Default for Bearers {
    fn default() -> Self {
        Self {
            state: RefCell::default(),
            revisions: watch::Sender::new(0),
            asked: watch::Sender::new(0),
            told: watch::Sender::new(0),
            wanted: Rc::default(),
            counts: Counts::default(),
        }
    }
}

impl fmt::Debug for Bearers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Bearers")
            .field("followed_us", &state.followed_us)
            .field("keys", &state.keys.as_ref().map(HashMap::len))
            .field("revoked", &state.revoked.len())
            .finish_non_exhaustive()
    }
}

impl Bearers {
    /// Who shows this token, at this time in microseconds since 1970. It waits only where the token names a key that isn't known:
    /// for the keys to be asked for, and not for long.
    ///
    /// # Errors
    /// [`Code::InvalidCredentials`] or [`Code::TokenExpired`] where the token is at fault, [`Code::Unavailable`] where it can't be
    /// judged, since the authority was not heard of for too long.
    pub async fn verify(&self, token: &str, unix_us: i64) -> Result<Rc<Verified>, RpcError> {
        self.first_word(unix_us).await;
        let judged = match self.judge(token, unix_us) {
            Err(Doubt::Key) if self.asks_again(unix_us).await => self.judge(token, unix_us),
            judged => judged,
        };
        if judged.is_err() {
            count(&self.counts.refused);
        }
        judged.map_err(RpcError::from)
    }

    /// Whether somebody who was verified before is still to be believed.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify).
    pub fn recheck(&self, who: &Verified, unix_us: i64) -> Result<(), RpcError> {
        let state = self.state.borrow();
        who.expired(unix_us.div_euclid(1_000_000))?;
        state.informed(unix_us)?;
        if state.revoked.hold(who) { Err(is_revoked()) } else { Ok(()) }
    }

    /// Counts up whenever something more is revoked: whoever holds on to somebody who was verified asks again
    /// ([`recheck`](Self::recheck)).
    #[must_use]
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.revisions.subscribe()
    }

    /// The same of a token that was verified before and is good still; `None` of any other.
    fn remembered(&self, token: &str, unix_us: i64) -> Option<Rc<Verified>> {
        let verified = self.state.borrow_mut().remembered(token, unix_us)?.ok()?;
        count(&self.counts.reused);
        Some(verified)
    }

    fn judge(&self, token: &str, unix_us: i64) -> Result<Rc<Verified>, Doubt> {
        let state = &mut *self.state.borrow_mut();
        if let Some(known) = state.remembered(token, unix_us) {
            return known.inspect(|_| count(&self.counts.reused)).map_err(Doubt::Refused);
        }
        if state.followed_us.is_none() {
            return Err(refused("the bearer token is not known here").into());
        }
        let kid = key_of(token)?;
        state.informed(unix_us)?;
        let key = state.keys.as_ref().and_then(|keys| keys.get(&kid)).ok_or(Doubt::Key)?;
        let verified = Rc::new(read(token, key, unix_us)?);
        if state.revoked.hold(&verified) {
            return Err(is_revoked().into());
        }
        let known = Remembered { verified: Rc::clone(&verified), revision: Cell::new(state.revision) };
        state.known.put(token.into(), Rc::new(known));
        count(&self.counts.verified);
        Ok(verified)
    }

    /// Waits for the authority's first word, where it can't be long: who has just started is asked before it was told.
    async fn first_word(&self, unix_us: i64) {
        let Some(left_us) = self.state.borrow().waits_for_us(unix_us) else { return };
        let mut told = self.told.subscribe();
        let informed = async {
            while self.state.borrow().waits_for_us(unix_us).is_some() && told.changed().await.is_ok() {}
        };
        let _ = tokio::time::timeout(Duration::from_micros(left_us), informed).await;
    }

    /// Has the keys asked for again, unless that was just done; whether they were.
    async fn asks_again(&self, unix_us: i64) -> bool {
        let mut asked = self.asked.subscribe();
        {
            let mut state = self.state.borrow_mut();
            let pause_us = i64::try_from(TOKEN_KEYS_PAUSE_MS * 1_000).unwrap_or(i64::MAX);
            if unix_us.saturating_sub(state.wanted_us) < pause_us {
                return false;
            }
            state.wanted_us = unix_us;
        }
        self.wanted.notify_one();
        tokio::time::timeout(Duration::from_millis(TOKEN_KEYS_WAIT_MS), asked.changed()).await.is_ok()
    }

    // ---- what the authority says ----

    fn begins(&self, unix_us: i64) {
        self.state.borrow_mut().followed_us = Some(unix_us);
    }

    /// The keys that hold from now on.
    fn set_keys(&self, keys: &Keys) {
        let usable =
            keys.keys.iter().take(TOKEN_KEYS_MAX).filter_map(|key| Some((key.kid.clone(), usable(key)?)));
        let keys: HashMap<String, DecodingKey> = usable.collect();
        let mut state = self.state.borrow_mut();
        if state.keys.iter().flat_map(HashMap::keys).any(|kid| !keys.contains_key(kid)) {
            // Nothing is believed any more for the sake of a key that is gone.
            state.known.clear();
        }
        state.keys = Some(keys);
        drop(state);
        self.told.send_modify(|count| *count += 1);
    }

    /// The keys were asked for, with or without success.
    fn keys_asked(&self) {
        self.asked.send_modify(|count| *count += 1);
    }

    fn hear(&self, news: &RevocationNews, unix_us: i64) {
        let (mut state, now_s) = (self.state.borrow_mut(), unix_us.div_euclid(1_000_000));
        let Some(revocation) = &news.revocation else {
            // All that there is was told.
            state.heard_us = Some(unix_us);
            state.revoked.forget_expired(now_s);
            drop(state);
            return self.told.send_modify(|count| *count += 1);
        };
        state.heard_us = state.heard_us.map(|_| unix_us);
        state.revoked.add(revocation, now_s);
        state.revision += 1;
        drop(state);
        self.revisions.send_modify(|count| *count += 1);
    }
}

impl State {
    /// What is known of a token that was verified before.
    fn remembered(&mut self, token: &str, unix_us: i64) -> Option<Result<Rc<Verified>, RpcError>> {
        let known = self.known.get(token)?;
        let verified = Rc::clone(&known.verified);
        let is_new = known.revision.replace(self.revision) != self.revision;
        if is_new && self.revoked.hold(&verified) {
            self.known.forget(token);
            return Some(Err(is_revoked()));
        }
        if let Err(expired) = verified.expired(unix_us.div_euclid(1_000_000)) {
            self.known.forget(token);
            return Some(Err(expired));
        }
        Some(self.informed(unix_us).map(|()| verified))
    }

    /// For how long to wait for the authority's first word, if it hasn't come and there is hope.
    fn waits_for_us(&self, unix_us: i64) -> Option<u64> {
        if self.heard_us.is_some() && self.keys.is_some() {
            return None;
        }
        let since_us = u64::try_from(unix_us.saturating_sub(self.followed_us?)).unwrap_or(0);
        (TOKEN_FIRST_WORD_MS * 1_000).checked_sub(since_us)
    }

    /// Whether what is revoked is known well enough to believe anybody.
    fn informed(&self, unix_us: i64) -> Result<(), RpcError> {
        let words = match self.heard_us {
            None => "access tokens can't be verified yet: the service auth has not been reached",
            Some(heard_us) if unix_us.saturating_sub(heard_us) > REVOCATIONS_SILENCE_S_MAX * 1_000_000 => {
                "access tokens can't be verified any more: the service auth has been silent for too long"
            }
            Some(_) if self.keys.is_none() => "access tokens can't be verified yet: the keys are not known",
            Some(_) => return Ok(()),
        };
        Err(RpcError::new(Code::Unavailable, words))
    }
}

/// A key that tokens can be verified by: it is for ES256 and nothing else.
fn usable(key: &Key) -> Option<DecodingKey> {
    let made_for = [&*key.kty, &*key.crv, &*key.r#use, &*key.alg];
    let decoded = DecodingKey::from_ec_components(&key.x, &key.y).ok().filter(|decoded| {
        made_for == ["EC", "P-256", "sig", "ES256"]
            && decoded.try_get_as_bytes().is_ok_and(|point| point.len() == POINT_BYTES)
    });
    if decoded.is_none() {
        tracing::warn!(kid = key.kid, ?made_for, "a key of tokens can't be used here");
    }
    decoded
}

/// A point of P-256, not compressed: a byte that says so, and two coordinates.
const POINT_BYTES: usize = 1 + 2 * 32;

fn is_revoked() -> RpcError {
    refused("the access token was revoked: sign in again")
}

fn count(of: &Cell<usize>) {
    of.set(of.get() + 1);
}

#[cfg(test)]
mod tests;
