//! Writes that happen once: the stored replies of idempotency tokens (SPEC.md 6.4).
//!
//! The reply stands in the same transaction as the effect, so a repeat finds both or neither. A refusal changes nothing and
//! is not stored: a repeat is judged anew. What has its own durable record of a token, as reservations and orders have, doesn't
//! need this table.

#[cfg(test)]
mod tests;

use micronet_wire::encoding;
use micronet_wire::schema::Message;
use sqlx::Row as _;

use crate::database::{BoxFuture, Connection, Database, DatabaseError};
use crate::store::{StoreError, StoreResult};

/// How long a repeat finds the stored reply.
pub const KEPT_US: i64 = 24 * 3_600 * 1_000_000;

/// Expired replies that are removed whenever one is stored: more than one, so that the table shrinks back after a burst.
const PURGED_AT_ONCE: i64 = 4;

/// A write under a token.
#[derive(Clone, Debug)]
pub struct Once {
    /// Principal, method and token, joined: [`token_key`](crate::calls::token_key).
    pub key: String,
    /// The hash of the request: [`request_hash`](crate::calls::request_hash).
    pub body_hash: [u8; 32],
    /// Now, in microseconds since 1970.
    pub now_us: i64,
}

impl Once {
    /// Runs `effect` and stores its reply, both in one transaction; a repeat gets the stored reply.
    ///
    /// # Errors
    /// Those of the effect, and [`StoreError::TokenReused`] when the token comes back with another request.
    pub async fn run<T, E, F>(self, database: &Database, effect: F) -> StoreResult<T, E>
    where
        T: Message + Send,
        E: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, StoreResult<T, E>> + Send + 'static,
    {
        database.write(move |tx| Box::pin(self.run_within(tx, effect))).await
    }

    async fn run_within<T, E, F>(self, tx: &mut Connection, effect: F) -> StoreResult<T, E>
    where
        T: Message,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, StoreResult<T, E>>,
    {
        if let Some((body_hash, reply)) = self.find(&mut *tx).await? {
            if body_hash != self.body_hash {
                return Err(StoreError::TokenReused);
            }
            return encoding::decode(&reply).map_err(|error| corrupt(&error));
        }
        let reply = effect(&mut *tx).await?;
        self.store(tx, &encoding::encode(&reply).map_err(|error| corrupt(&error))?).await?;
        Ok(reply)
    }

    async fn find(&self, tx: &mut Connection) -> Result<Option<(Vec<u8>, Vec<u8>)>, sqlx::Error> {
        let query = "SELECT body_hash, reply FROM replies WHERE token_key = $1 AND created_at_us >= $2";
        let row = sqlx::query(query).bind(&self.key).bind(self.now_us - KEPT_US).fetch_optional(tx).await?;
        row.map(|row| Ok((row.try_get("body_hash")?, row.try_get("reply")?))).transpose()
    }

    async fn store(&self, tx: &mut Connection, reply: &[u8]) -> Result<(), sqlx::Error> {
        let expired = "DELETE FROM replies WHERE token_key IN (SELECT token_key FROM replies
            WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)";
        sqlx::query(expired).bind(self.now_us - KEPT_US).bind(PURGED_AT_ONCE).execute(&mut *tx).await?;
        // The row of a token that has expired, and comes again before it was removed, is replaced.
        let query = "INSERT INTO replies (token_key, body_hash, reply, created_at_us) VALUES ($1, $2, $3, $4)
            ON CONFLICT (token_key) DO UPDATE SET body_hash = $2, reply = $3, created_at_us = $4";
        sqlx::query(query)
            .bind(&self.key)
            .bind(&self.body_hash[..])
            .bind(reply)
            .bind(self.now_us)
            .execute(tx)
            .await?;
        Ok(())
    }
}

fn corrupt<E>(error: &dyn std::fmt::Display) -> StoreError<E> {
    StoreError::Database(DatabaseError::Corrupt(format!("a stored reply: {error}")))
}
