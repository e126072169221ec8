//! Writes that happen once: what became of idempotency tokens (SPEC.md 6.4).
//!
//! ```text
//!               run: effect and reply
//! (no row) ---------------------------> replied    a repeat gets the reply
//!     | ask: "never started"                        after its time it is purged, and the token is free
//!     +-------------------------------> tombstone  the write is refused, should it still come
//! ```
//!
//! The reply stands in the same transaction as the effect, so a repeat finds both or neither; one that comes while the first
//! copy runs waits behind it for the writer, or for the database where that runs in another instance. A refusal changes nothing
//! and is not stored: a repeat is judged anew. What has its own durable record of a token, as reservations and orders have,
//! keeps only its tombstones here.
//!
//! A token is remembered for its whole time, whatever else comes: where there is no room for another one, the new write is
//! refused, and no old one forgotten.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use micronet_wire::encoding;
use micronet_wire::limits::DEADLINE_US_MAX;
use micronet_wire::schema::Message;
use sqlx::Row as _;

use crate::calls::Token;
use crate::database::{BoxFuture, Connection, Database, DatabaseError};
use crate::store::{StoreError, StoreResult};

const HOUR_US: i64 = 3_600 * 1_000_000;

/// How long a token is remembered, unless the operator says otherwise, in hours.
pub const KEPT_HOURS: u32 = 24;

/// The shortest time that the operator may choose, in hours.
pub const KEPT_HOURS_MIN: u32 = 1;

/// The longest, in hours: thirty days.
pub const KEPT_HOURS_MAX: u32 = 30 * 24;

/// [`KEPT_HOURS`] in microseconds.
pub const KEPT_US: i64 = KEPT_HOURS as i64 * HOUR_US;

/// Tokens that one service remembers in this table at most.
pub const TOKENS_MAX: i64 = 1_000_000;

/// Those among them that may be of one principal, so that nobody alone shuts out all others.
pub const TOKENS_OF_ONE_MAX: i64 = TOKENS_MAX / 4;

/// Rows that one job of a purge removes at most.
pub const PURGED_AT_ONCE: i64 = 64;

const _: () = {
    // No copy of a call can outlive what its token was promised: the call's deadline ends it before.
    assert!(KEPT_HOURS_MIN as i64 * HOUR_US >= DEADLINE_US_MAX as i64);
    assert!(KEPT_HOURS_MIN <= KEPT_HOURS && KEPT_HOURS <= KEPT_HOURS_MAX);
    assert!(TOKENS_OF_ONE_MAX < TOKENS_MAX);
};

/// For how long tokens are remembered, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// For how long, in microseconds. It holds for tokens from now on; those from before have their own time.
    pub kept_us: i64,
    /// How many in all.
    pub all_max: i64,
    /// How many of one principal.
    pub one_max: i64,
}

impl Default for Keeping {
    fn default() -> Self {
        Self::for_hours(KEPT_HOURS)
    }
}

impl Keeping {
    /// Tokens are remembered for so many hours.
    #[must_use]
    pub fn for_hours(hours: u32) -> Self {
        Self { kept_us: i64::from(hours) * HOUR_US, all_max: TOKENS_MAX, one_max: TOKENS_OF_ONE_MAX }
    }
}

/// A write under a token.
#[derive(Clone, Debug)]
pub struct Once {
    /// The token, with whose it is and for what.
    pub token: Token,
    /// The hash of the request: [`request_hash`](crate::calls::request_hash).
    pub body_hash: [u8; 32],
    /// Now, in microseconds since 1970.
    pub now_us: i64,
}

impl Once {
    /// Runs `effect` and stores its reply, both in one transaction; a repeat gets the stored reply.
    ///
    /// # Errors
    /// Those of the effect; [`StoreError::TokenReused`] when the token comes back with another request,
    /// [`StoreError::TokenWithdrawn`] after it was [asked](ask) for, [`StoreError::TokensFull`] when there is no room.
    pub async fn run<T, E, F>(self, database: &Database, keeping: Keeping, effect: F) -> StoreResult<T, E>
    where
        T: Message + Send,
        E: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, StoreResult<T, E>> + Send + 'static,
    {
        database.write(move |tx| Box::pin(self.run_within(tx, keeping, effect))).await
    }

    async fn run_within<T, E, F>(self, tx: &mut Connection, keeping: Keeping, effect: F) -> StoreResult<T, E>
    where
        T: Message,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, StoreResult<T, E>>,
    {
        match find(&mut *tx, &self.token.key, self.now_us).await? {
            Some(Known::Replied { body_hash, .. }) if body_hash != self.body_hash => {
                Err(StoreError::TokenReused)
            }
            Some(Known::Replied { reply, .. }) => encoding::decode(&reply).map_err(|error| corrupt(&error)),
            Some(Known::Withdrawn) => Err(StoreError::TokenWithdrawn),
            None => {
                let reply = effect(&mut *tx).await?;
                let encoded = encoding::encode(&reply).map_err(|error| corrupt(&error))?;
                keep(tx, keeping, &self.token, Some((&self.body_hash, &encoded)), self.now_us).await?;
                Ok(reply)
            }
        }
    }
}

/// What became of a write that happens [`Once`]: its encoded reply; or `None`, when nothing was done under the token, and never
/// will be.
///
/// # Errors
/// [`StoreError::TokensFull`] when there is no room for that promise, and those of the database.
pub async fn ask<E: Send + 'static>(
    database: &Database,
    keeping: Keeping,
    token: Token,
    now_us: i64,
) -> StoreResult<Option<Vec<u8>>, E> {
    database.write(move |tx| Box::pin(async move { withdraw(tx, keeping, &token, now_us).await })).await
}

/// The encoded reply of a write that happens [`Once`], if it was done; nothing is promised otherwise.
///
/// # Errors
/// Those of the database.
pub async fn recall(
    database: &Database,
    token: &Token,
    now_us: i64,
) -> Result<Option<Vec<u8>>, DatabaseError> {
    let query = "SELECT reply FROM tokens WHERE token_key = $1 AND expires_us >= $2";
    let found: Option<Option<Vec<u8>>> = sqlx::query_scalar(query)
        .bind(&token.key)
        .bind(now_us)
        .fetch_optional(&mut *database.read().await?)
        .await?;
    Ok(found.flatten())
}

/// Leaves a tombstone for a token that nothing was done under. The reply, if something was.
///
/// # Errors
/// As of [`ask`].
pub async fn withdraw<E>(
    tx: &mut Connection,
    keeping: Keeping,
    token: &Token,
    now_us: i64,
) -> StoreResult<Option<Vec<u8>>, E> {
    match find(&mut *tx, &token.key, now_us).await? {
        Some(Known::Replied { reply, .. }) => return Ok(Some(reply)),
        Some(Known::Withdrawn) => {}
        None => keep(tx, keeping, token, None, now_us).await?,
    }
    Ok(None)
}

/// What this table knows of a token.
enum Known {
    Replied { body_hash: Vec<u8>, reply: Vec<u8> },
    Withdrawn,
}

/// What is known of a token, unless its time is over.
async fn find(tx: &mut Connection, key: &str, now_us: i64) -> Result<Option<Known>, sqlx::Error> {
    let query = "SELECT holder, body_hash, reply, expires_us FROM tokens WHERE token_key = $1";
    let Some(row) = sqlx::query(query).bind(key).fetch_optional(&mut *tx).await? else { return Ok(None) };
    if row.try_get::<i64, _>("expires_us")? < now_us {
        // It comes again before it was purged.
        sqlx::query("DELETE FROM tokens WHERE token_key = $1").bind(key).execute(&mut *tx).await?;
        discount(tx, BTreeMap::from([(row.try_get("holder")?, 1)])).await?;
        return Ok(None);
    }
    let (body_hash, reply): (Option<Vec<u8>>, Option<Vec<u8>>) =
        (row.try_get("body_hash")?, row.try_get("reply")?);
    Ok(Some(match body_hash.zip(reply) {
        Some((body_hash, reply)) => Known::Replied { body_hash, reply },
        None => Known::Withdrawn,
    }))
}

/// Remembers a token that isn't known: with a request's hash and the reply to it, or as a tombstone.
async fn keep<E>(
    tx: &mut Connection,
    keeping: Keeping,
    token: &Token,
    replied: Option<(&[u8; 32], &[u8])>,
    now_us: i64,
) -> StoreResult<(), E> {
    let query = "INSERT INTO token_holders (holder, kept) VALUES ($1, 1), ('', 1)
        ON CONFLICT (holder) DO UPDATE SET kept = token_holders.kept + 1 RETURNING holder, kept";
    for row in sqlx::query(query).bind(&token.holder).fetch_all(&mut *tx).await? {
        let (holder, kept): (String, i64) = (row.try_get("holder")?, row.try_get("kept")?);
        if kept > if holder.is_empty() { keeping.all_max } else { keeping.one_max } {
            return Err(StoreError::TokensFull);
        }
    }
    let query =
        "INSERT INTO tokens (token_key, holder, body_hash, reply, expires_us) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(query)
        .bind(&token.key)
        .bind(&token.holder)
        .bind(replied.map(|(body_hash, _)| &body_hash[..]))
        .bind(replied.map(|(_, reply)| reply))
        .bind(now_us + keeping.kept_us)
        .execute(tx)
        .await?;
    Ok(())
}

/// So many tokens of these holders are gone.
async fn discount(tx: &mut Connection, mut gone: BTreeMap<String, i64>) -> Result<(), sqlx::Error> {
    // Nobody's name is empty: that row counts all.
    gone.insert(String::new(), gone.values().sum());
    for (holder, tokens) in gone {
        let query = "UPDATE token_holders SET kept = kept - $2 WHERE holder = $1";
        sqlx::query(query).bind(&holder).bind(tokens).execute(&mut *tx).await?;
        let query = "DELETE FROM token_holders WHERE holder = $1 AND kept = 0";
        sqlx::query(query).bind(&holder).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Removes some of the tokens whose time was over before `now_us`, the oldest first, in a job of its own. How many; 0 when no such
/// token is left.
///
/// # Errors
/// Those of the database.
pub async fn purge(database: &Database, now_us: i64) -> Result<u64, DatabaseError> {
    if !is_any(database, "SELECT 1 FROM tokens WHERE expires_us < $1 LIMIT 1", now_us).await? {
        return Ok(0);
    }
    database.write(move |tx| Box::pin(purge_some(tx, now_us))).await
}

async fn purge_some(tx: &mut Connection, now_us: i64) -> Result<u64, DatabaseError> {
    let query = "DELETE FROM tokens WHERE token_key IN
        (SELECT token_key FROM tokens WHERE expires_us < $1 ORDER BY expires_us LIMIT $2) RETURNING holder";
    let holders: Vec<String> =
        sqlx::query_scalar(query).bind(now_us).bind(PURGED_AT_ONCE).fetch_all(&mut *tx).await?;
    let purged = holders.len() as u64;
    let mut gone = BTreeMap::new();
    for holder in holders {
        *gone.entry(holder).or_default() += 1;
    }
    discount(tx, gone).await?;
    Ok(purged)
}

/// Whether a query by the time finds a row: a purge that would find nothing needn't bother the writer.
///
/// # Errors
/// Those of the database.
pub async fn is_any(database: &Database, query: &'static str, now_us: i64) -> Result<bool, DatabaseError> {
    let row = sqlx::query(query).bind(now_us).fetch_optional(&mut *database.read().await?).await?;
    Ok(row.is_some())
}

fn corrupt<E>(error: &dyn std::fmt::Display) -> StoreError<E> {
    StoreError::Database(DatabaseError::Corrupt(format!("a stored reply: {error}")))
}
