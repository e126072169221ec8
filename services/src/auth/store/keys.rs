//! The public halves of signing keys.

use micronet_wire::authority::ACCESS_TOKEN_S;
use sqlx::{FromRow, Row as _};

use super::{AuthStore, Expiry, Result};
use crate::database::Row;

/// A key signs for so long at most, in seconds: thirty days.
pub const KEY_S: i64 = 30 * 24 * 3_600;

/// So long after a key has signed last it is still published, in seconds: until the last token has expired, and a while for clocks
/// that differ.
const PUBLISHED_S: i64 = ACCESS_TOKEN_S.cast_signed() + 120;

/// The public half of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name.
    pub kid: String,
    /// The point's first coordinate, in base64url.
    pub x: String,
    /// The second.
    pub y: String,
    /// When it was made.
    pub created_at: i64,
    /// When it was replaced.
    pub retired_at: Option<i64>,
}

impl AuthStore {
    /// The keys that something valid may be signed with, the newest first.
    pub async fn keys(&self, now_us: i64) -> Result<Vec<PublicKey>> {
        let query =
            "SELECT * FROM signing_keys WHERE created_at > $1 AND (retired_at IS NULL OR retired_at > $2)
            ORDER BY created_at DESC, kid";
        // A machine that is gone retires none of its keys. All go by their age.
        Ok(sqlx::query_as(query)
            .bind(now_us - 2 * KEY_S * 1_000_000)
            .bind(now_us - PUBLISHED_S * 1_000_000)
            .fetch_all(&mut *self.database.read().await?)
            .await?)
    }

    /// Publishes a key, and retires those that it replaces.
    pub async fn add_key(&self, key: PublicKey, replaced: Vec<String>) -> Result<()> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let query = "INSERT INTO signing_keys (kid, x, y, created_at) VALUES ($1, $2, $3, $4)";
                    sqlx::query(query)
                        .bind(&key.kid)
                        .bind(&key.x)
                        .bind(&key.y)
                        .bind(key.created_at)
                        .execute(&mut *tx)
                        .await?;
                    for kid in replaced {
                        let query =
                            "UPDATE signing_keys SET retired_at = $2 WHERE kid = $1 AND retired_at IS NULL";
                        sqlx::query(query).bind(kid).bind(key.created_at).execute(&mut *tx).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// Keys that nothing valid was signed with.
pub(super) const fn expired(now_us: i64) -> Expiry {
    (
        "SELECT 1 FROM signing_keys WHERE retired_at < $1 LIMIT 1",
        &["DELETE FROM signing_keys WHERE kid IN
            (SELECT kid FROM signing_keys WHERE retired_at < $1 ORDER BY retired_at LIMIT $2)"],
        now_us - PUBLISHED_S * 1_000_000,
    )
}

impl FromRow<'_, Row> for PublicKey {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            kid: row.try_get("kid")?,
            x: row.try_get("x")?,
            y: row.try_get("y")?,
            created_at: row.try_get("created_at")?,
            retired_at: row.try_get("retired_at")?,
        })
    }
}
