//! Organizations and accounts, sessions and what they were given, and the audit log.
//!
//! No secret is in it that would let somebody in: of passwords there are Argon2id hashes; of refresh tokens, tickets and codes, which
//! are random, their SHA-256; of signing keys the public halves.
//!
//! What ends sessions or revokes tokens is an event of the feed, written in the same transaction: verifiers and Redis follow it.
//! This module owns the SQL of the service `auth`. It reads no clock: times (microseconds since 1970) are arguments.

mod accounts;
mod attempts;
mod audit;
mod changes;
mod keys;
mod organizations;
mod roles;
mod sessions;
#[cfg(test)]
mod tests;
mod tickets;

use micronet_wire::schema::Hidden;

use super::api::AuthError;
use crate::calls::Token;
use crate::database::{Connection, Database, DatabaseError, Migration};
use crate::demo::Demo;
use crate::once::{self, Keeping};
use crate::store::{Store, StoreResult};

pub use self::accounts::{Account, Change, Listing, NewAccount};
pub use self::attempts::Attempt;
pub use self::audit::AuditFilter;
pub use self::changes::AuthChange;
pub use self::keys::{KEY_S, PublicKey};
pub use self::organizations::{NewOrganization, Organization};
pub use self::roles::{Role, Roles};
pub use self::sessions::{Ending, Given, NewSession, Refreshed, Session};

/// Rows of one kind that one job of a purge removes at most.
const PURGED_AT_ONCE: i64 = 64;

/// What an operation of this store comes to.
type Result<T> = StoreResult<T, AuthError>;

/// The hash under which a random secret is stored.
pub type SecretHash = [u8; 32];

/// The database of `auth`. Clones share it.
#[derive(Clone, Debug)]
pub struct AuthStore {
    database: Database,
    keeping: Keeping,
}

impl Store for AuthStore {
    const SERVICE: &'static str = "auth";
    const MIGRATIONS: &'static [Migration] = &[
        Migration {
            version: 1,
            name: "accounts",
            sqlite: include_str!("migrations/0001_accounts.sqlite.sql"),
            postgres: include_str!("migrations/0001_accounts.postgres.sql"),
        },
        Migration::events_and_replies(2),
        Migration::tokens(3),
    ];
    type Error = AuthError;

    fn over(database: Database, keeping: Keeping) -> Self {
        Self { database, keeping }
    }

    fn database(&self) -> &Database {
        &self.database
    }

    /// Enters the demonstration's organization and accounts if there never was one.
    async fn seed(&self, demo: Demo, now_us: i64) -> Result<bool> {
        self.database.write(move |tx| Box::pin(seed(tx, demo, now_us))).await
    }

    /// Besides tokens: sessions, tickets and attempts after their time, keys that nothing valid was signed with, and old entries of
    /// the audit log.
    async fn purge(&self, now_us: i64) -> std::result::Result<u64, DatabaseError> {
        let mut purged = once::purge(&self.database, now_us).await?;
        for (is_any, removal, before_us) in [
            sessions::expired(now_us),
            tickets::expired(now_us),
            attempts::expired(now_us),
            keys::expired(now_us),
            audit::expired(now_us),
        ] {
            if !once::is_any(&self.database, is_any, before_us).await? {
                continue;
            }
            purged += self.database.write(move |tx| Box::pin(purge_some(tx, removal, before_us))).await?;
        }
        Ok(purged)
    }
}

/// What finds rows that can go, the statements that remove some of them, and the time before which they are too old.
type Expiry = (&'static str, &'static [&'static str], i64);

async fn purge_some(
    tx: &mut Connection,
    removal: &'static [&'static str],
    before_us: i64,
) -> std::result::Result<u64, DatabaseError> {
    let mut removed = 0;
    for statement in removal {
        let done = sqlx::query(*statement).bind(before_us).bind(PURGED_AT_ONCE).execute(&mut *tx).await?;
        removed = done.rows_affected();
    }
    Ok(removed)
}

impl AuthStore {
    /// The encoded reply of a write that happens once; `None` if nothing was done under the token, and never will be.
    pub async fn ask_once(&self, token: Token, now_us: i64) -> Result<Option<Vec<u8>>> {
        once::ask(&self.database, self.keeping, token, now_us).await
    }

    /// The place in the feed before everything that happened at this time or later.
    pub async fn feed_before(&self, at_us: i64) -> Result<u64> {
        // From the newest backwards, so that only what is recent is looked at.
        let query = "SELECT id FROM events WHERE at_us < $1 ORDER BY id DESC LIMIT 1";
        let found: Option<i64> =
            sqlx::query_scalar(query).bind(at_us).fetch_optional(&mut *self.database.read().await?).await?;
        Ok(found.unwrap_or(0).unsigned_abs())
    }

    /// Forgets that Redis was ever told what happens: nothing is kept for it any more.
    pub async fn forget_consumer(&self, consumer: &'static str) -> Result<()> {
        let query = "DELETE FROM deliveries WHERE consumer = $1";
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(query).bind(consumer).execute(tx).await?;
                    Ok(())
                })
            })
            .await
    }
}

async fn seed(tx: &mut Connection, demo: Demo, now_us: i64) -> Result<bool> {
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM organizations").fetch_one(&mut *tx).await?;
    let Some(organization) = demo.organization().filter(|_| rows == 0) else { return Ok(false) };
    let new = NewOrganization { name: organization.name.to_owned(), slug: organization.slug.to_owned() };
    let home = organizations::insert(&mut *tx, &new, now_us).await?;
    for account in organization.accounts {
        let new = NewAccount {
            organization_id: home.id,
            email: account.email.to_owned(),
            hashed_password: Hidden(account.hashed_password.to_owned()),
            full_name: account.full_name.to_owned(),
            roles: Roles::of(&[account.role]).unwrap_or_default(),
        };
        accounts::insert(&mut *tx, &new, now_us).await?;
    }
    Ok(true)
}
