//! Attempts to sign in: after a few that failed, an address has to wait, longer each time.
//!
//! An attempt counts as failed from its beginning, so that those which come at once don't all pass; a success forgets them. Whether
//! there is an account makes no difference.

use micronet_wire::authority::AuditEntry;

use super::accounts::{self, Account};
use super::{AuthStore, Expiry, Result, SecretHash, audit};
use crate::database::Connection;

/// Attempts that may fail before the first pause.
pub(super) const FREE_ATTEMPTS: i64 = 5;

/// The longest pause, in seconds.
pub(super) const PAUSE_S_MAX: i64 = 300;

/// After so long without an attempt all is forgotten, in microseconds.
const FORGOTTEN_US: i64 = 3_600 * 1_000_000;

/// An attempt to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is not looked at.
    Refused {
        /// For so long, in seconds.
        retry_after_s: u32,
    },
    /// The password is to be compared with that of this account, if there is one.
    Begun(Option<Account>),
}

/// The pause after so many failures, in seconds: 1, 2, 4 and so on.
fn pause_s(failures: i64) -> i64 {
    let doublings = u32::try_from((failures - FREE_ATTEMPTS).clamp(-1, 30)).ok();
    doublings.map_or(0, |doublings| (1_i64 << doublings).min(PAUSE_S_MAX))
}

impl AuthStore {
    /// Begins an attempt to sign in with this address, whose hash is `hash`.
    pub async fn begin_attempt(&self, email: String, hash: SecretHash, now_us: i64) -> Result<Attempt> {
        self.database.write(move |tx| Box::pin(async move { begin(tx, &email, &hash, now_us).await })).await
    }

    /// The attempt has failed: what stands in the audit log of it.
    pub async fn attempt_failed(&self, entry: AuditEntry) -> Result<()> {
        self.database.write(move |tx| Box::pin(async move { audit::insert(tx, &entry).await })).await
    }

    /// The password was right: what failed before is forgotten.
    pub async fn attempt_succeeded(&self, hash: SecretHash) -> Result<()> {
        self.database.write(move |tx| Box::pin(async move { forget(tx, &hash).await })).await
    }
}

async fn begin(tx: &mut Connection, email: &str, hash: &SecretHash, now_us: i64) -> Result<Attempt> {
    let query = "SELECT failures, last_at, free_at FROM attempts WHERE email_hash = $1";
    let row: Option<(i64, i64, i64)> = sqlx::query_as(query).bind(&hash[..]).fetch_optional(&mut *tx).await?;
    let (failures, free_at) = match row {
        Some((failures, last_at, free_at)) if last_at + FORGOTTEN_US > now_us => (failures, free_at),
        _ => (0, 0),
    };
    if free_at > now_us {
        let seconds = free_at.abs_diff(now_us).div_ceil(1_000_000);
        return Ok(Attempt::Refused { retry_after_s: u32::try_from(seconds).unwrap_or(u32::MAX) });
    }
    let failures = failures + 1;
    let query = "INSERT INTO attempts (email_hash, failures, last_at, free_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (email_hash) DO UPDATE SET failures = $2, last_at = $3, free_at = $4";
    sqlx::query(query)
        .bind(&hash[..])
        .bind(failures)
        .bind(now_us)
        .bind(now_us + pause_s(failures) * 1_000_000)
        .execute(&mut *tx)
        .await?;
    Ok(Attempt::Begun(accounts::find_by_email(tx, email).await?))
}

pub(super) async fn forget(tx: &mut Connection, hash: &SecretHash) -> Result<()> {
    sqlx::query("DELETE FROM attempts WHERE email_hash = $1").bind(&hash[..]).execute(tx).await?;
    Ok(())
}

/// What is forgotten.
pub(super) const fn expired(now_us: i64) -> Expiry {
    (
        "SELECT 1 FROM attempts WHERE last_at < $1 LIMIT 1",
        &["DELETE FROM attempts WHERE email_hash IN
            (SELECT email_hash FROM attempts WHERE last_at < $1 ORDER BY last_at LIMIT $2)"],
        now_us - FORGOTTEN_US,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<i64> = (1..=8).map(pause_s).collect();
        assert_eq!(pauses, [0, 0, 0, 0, 1, 2, 4, 8]);
        assert_eq!((pause_s(13), pause_s(14), pause_s(1_000_000)), (256, PAUSE_S_MAX, PAUSE_S_MAX));
    }
}
