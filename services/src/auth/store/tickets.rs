//! Tickets: good once, and not for long.

use super::accounts::{self, Account};
use super::{AuthStore, Expiry, Result, SecretHash};
use crate::database::Connection;

/// How long a ticket is good, in seconds.
pub(super) const TICKET_S: i64 = 30;

impl AuthStore {
    /// Stores a ticket for a session of an account. When it expires.
    pub async fn issue_ticket(
        &self,
        hash: SecretHash,
        account: i64,
        session: String,
        now_us: i64,
    ) -> Result<i64> {
        let expires_at = now_us + TICKET_S * 1_000_000;
        let query =
            "INSERT INTO tickets (ticket_hash, account_id, session_id, expires_at) VALUES ($1, $2, $3, $4)";
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(query)
                        .bind(&hash[..])
                        .bind(account)
                        .bind(session)
                        .bind(expires_at)
                        .execute(tx)
                        .await?;
                    Ok(expires_at)
                })
            })
            .await
    }

    /// Takes a ticket: the account and the session that it was given to, if it is good and they still are.
    pub async fn take_ticket(&self, hash: SecretHash, now_us: i64) -> Result<Option<(Account, String)>> {
        self.database.write(move |tx| Box::pin(async move { take(tx, &hash, now_us).await })).await
    }
}

async fn take(tx: &mut Connection, hash: &SecretHash, now_us: i64) -> Result<Option<(Account, String)>> {
    let query = "DELETE FROM tickets WHERE ticket_hash = $1 RETURNING account_id, session_id, expires_at";
    let taken: Option<(i64, String, i64)> =
        sqlx::query_as(query).bind(&hash[..]).fetch_optional(&mut *tx).await?;
    let Some((account, session, _)) = taken.filter(|(_, _, expires_at)| *expires_at > now_us) else {
        return Ok(None);
    };
    let query = "SELECT count(*) FROM sessions WHERE id = $1 AND account_id = $2 AND expires_at > $3";
    let lives: i64 =
        sqlx::query_scalar(query).bind(&session).bind(account).bind(now_us).fetch_one(&mut *tx).await?;
    let account = accounts::find(tx, account).await?;
    Ok((lives > 0 && account.is_active).then_some((account, session)))
}

/// Tickets after their time.
pub(super) const fn expired(now_us: i64) -> Expiry {
    (
        "SELECT 1 FROM tickets WHERE expires_at < $1 LIMIT 1",
        &["DELETE FROM tickets WHERE ticket_hash IN
            (SELECT ticket_hash FROM tickets WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)"],
        now_us,
    )
}
