//! Sessions, and the refresh tokens that go on in them.
//!
//! ```text
//!                 refresh: used, and the next one is given
//! (start) ─▶ unused ────────────────────────────────────▶ used
//!               │                                           │ comes again
//!               ▼ sign out, password, deactivation          ▼
//!             the session ends: its row and those of its tokens go, and its access tokens are revoked
//! ```
//!
//! A token that comes again is in two hands, and nobody can tell whose were first: the session ends for both. Only a repeat of the
//! very request, under its idempotency token and at once, is answered again.

use micronet_wire::authority::ACCESS_TOKEN_S;
use micronet_wire::schema::Timestamp;
use sqlx::{FromRow, Row as _};

use super::accounts::{self, Account};
use super::changes::{AuthChange, record};
use super::{AuthStore, Expiry, Result, SecretHash, attempts, audit};
use crate::auth::api::AuthError;
use crate::database::{Connection, Row};
use crate::store::StoreError;
use micronet_wire::authority::AuditEntry;

/// How long a session lasts without being ended, in seconds: thirty days.
pub(super) const SESSION_S: i64 = 30 * 24 * 3_600;

/// Sessions that an account has at most: the oldest ends when one more begins.
pub(super) const SESSIONS_MAX: i64 = 20;

/// Within so long a repeat of a refresh is answered again, in microseconds.
const REPEAT_US: i64 = 60_000_000;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub account_id: i64,
    /// When it began.
    pub created_at: i64,
    /// When tokens were last given in it.
    pub seen_at: i64,
    /// When it ends by itself.
    pub expires_at: i64,
}

/// What is given with an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The hash of the refresh token.
    pub refresh: SecretHash,
    /// The access token's claim `jti`.
    pub jti: String,
}

/// A session that is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Its name.
    pub id: String,
    /// The account, as it was when its password was checked.
    pub account: Account,
    /// What it begins with.
    pub given: Given,
    /// The hash of the address that was given, whose failed attempts are forgotten.
    pub email_hash: SecretHash,
    /// What stands in the audit log.
    pub entry: AuditEntry,
}

/// What came of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The tokens are given, in this session.
    Given(Account, Session),
    /// The refresh token isn't known, its session is over, or its account may not sign in.
    Unknown,
    /// It was used before: its session has ended.
    Reused,
}

/// Which sessions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One of an account's.
    One {
        /// The account.
        account: i64,
        /// The session.
        session: String,
    },
    /// All of an account's but one.
    OthersOf {
        /// The account.
        account: i64,
        /// The one that stays.
        but: String,
    },
    /// All of an account's.
    AllOf {
        /// The account.
        account: i64,
    },
}

impl AuthStore {
    /// Begins a session; `None` if the account was changed or deactivated while its password was looked at.
    pub async fn start_session(&self, new: NewSession, now_us: i64) -> Result<Option<Session>> {
        self.database.write(move |tx| Box::pin(async move { start(tx, &new, now_us).await })).await
    }

    /// Exchanges a refresh token. `key` is the hash of the request's idempotency token.
    pub async fn refresh(
        &self,
        token: SecretHash,
        key: SecretHash,
        given: Given,
        now_us: i64,
    ) -> Result<Refreshed> {
        self.database
            .write(move |tx| Box::pin(async move { refresh(tx, &token, &key, &given, now_us).await }))
            .await
    }

    /// Ends sessions. How many ended.
    pub async fn end_sessions(&self, which: Ending, now_us: i64) -> Result<u32> {
        self.database.write(move |tx| Box::pin(async move { end(tx, &which, now_us).await })).await
    }

    /// The session of a refresh token, used or not.
    pub async fn session_of(&self, token: SecretHash) -> Result<Option<Session>> {
        let query = "SELECT sessions.* FROM sessions JOIN refresh_tokens ON session_id = sessions.id
            WHERE token_hash = $1";
        Ok(sqlx::query_as(query).bind(&token[..]).fetch_optional(&mut *self.database.read().await?).await?)
    }

    /// The session of this name, and its account; `None` if it is over.
    pub async fn session(&self, id: String, now_us: i64) -> Result<Option<(Account, Session)>> {
        let mut connection = self.database.read().await?;
        let query = "SELECT * FROM sessions WHERE id = $1 AND expires_at > $2";
        let found: Option<Session> =
            sqlx::query_as(query).bind(id).bind(now_us).fetch_optional(&mut *connection).await?;
        let Some(session) = found else { return Ok(None) };
        Ok(Some((accounts::find(&mut connection, session.account_id).await?, session)))
    }

    /// The sessions of an account, the newest first.
    pub async fn sessions(&self, account: i64, now_us: i64) -> Result<Vec<Session>> {
        let query = "SELECT * FROM sessions WHERE account_id = $1 AND expires_at > $2
            ORDER BY created_at DESC, id";
        Ok(sqlx::query_as(query)
            .bind(account)
            .bind(now_us)
            .fetch_all(&mut *self.database.read().await?)
            .await?)
    }
}

async fn start(tx: &mut Connection, new: &NewSession, now_us: i64) -> Result<Option<Session>> {
    let account = accounts::find(&mut *tx, new.account.id).await?;
    if !account.is_active || account.hashed_password != new.account.hashed_password {
        return Ok(None);
    }
    let query =
        "SELECT id FROM sessions WHERE account_id = $1 ORDER BY created_at DESC, id LIMIT 1000 OFFSET $2";
    let crowded: Vec<String> =
        sqlx::query_scalar(query).bind(account.id).bind(SESSIONS_MAX - 1).fetch_all(&mut *tx).await?;
    for session in crowded {
        end(&mut *tx, &Ending::One { account: account.id, session }, now_us).await?;
    }
    let query =
        "INSERT INTO sessions (id, account_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $3, $4)
        RETURNING *";
    let session: Session = sqlx::query_as(query)
        .bind(&new.id)
        .bind(account.id)
        .bind(now_us)
        .bind(now_us + SESSION_S * 1_000_000)
        .fetch_one(&mut *tx)
        .await?;
    give(&mut *tx, &new.id, &new.given, now_us).await?;
    attempts::forget(&mut *tx, &new.email_hash).await?;
    audit::insert(&mut *tx, &new.entry).await?;
    record(tx, account.id, &AuthChange::SessionStarted { session: new.id.clone() }, now_us).await?;
    Ok(Some(session))
}

async fn give(tx: &mut Connection, session: &str, given: &Given, now_us: i64) -> Result<()> {
    let query = "INSERT INTO refresh_tokens (token_hash, session_id, jti, issued_at) VALUES ($1, $2, $3, $4)";
    sqlx::query(query)
        .bind(&given.refresh[..])
        .bind(session)
        .bind(&given.jti)
        .bind(now_us)
        .execute(tx)
        .await?;
    Ok(())
}

async fn refresh(
    tx: &mut Connection,
    token: &SecretHash,
    key: &SecretHash,
    given: &Given,
    now_us: i64,
) -> Result<Refreshed> {
    let query =
        "SELECT used_at, used_key, sessions.* FROM refresh_tokens JOIN sessions ON session_id = sessions.id
        WHERE token_hash = $1";
    let Some(row) = sqlx::query(query).bind(&token[..]).fetch_optional(&mut *tx).await? else {
        return Ok(Refreshed::Unknown);
    };
    let session = Session::from_row(&row)?;
    let used_at: Option<i64> = row.try_get("used_at")?;
    let used_key: Option<Vec<u8>> = row.try_get("used_key")?;
    let is_repeat =
        used_key.as_deref() == Some(&key[..]) && used_at.is_some_and(|at| now_us - at < REPEAT_US);
    let account = accounts::find(&mut *tx, session.account_id).await?;
    if used_at.is_some() && !is_repeat {
        end(tx, &Ending::One { account: account.id, session: session.id }, now_us).await?;
        return Ok(Refreshed::Reused);
    }
    if session.expires_at <= now_us || !account.is_active {
        return Ok(Refreshed::Unknown);
    }
    if used_at.is_none() {
        let query = "UPDATE refresh_tokens SET used_at = $2, used_key = $3 WHERE token_hash = $1";
        sqlx::query(query).bind(&token[..]).bind(now_us).bind(&key[..]).execute(&mut *tx).await?;
    }
    give(&mut *tx, &session.id, given, now_us).await?;
    let query = "UPDATE sessions SET seen_at = $2 WHERE id = $1";
    sqlx::query(query).bind(&session.id).bind(now_us).execute(tx).await?;
    Ok(Refreshed::Given(account, session))
}

/// Ends sessions and revokes their access tokens, in the transaction of why.
pub(super) async fn end(tx: &mut Connection, which: &Ending, now_us: i64) -> Result<u32> {
    let (account, one, but) = match which {
        Ending::One { account, session } => (*account, session.as_str(), ""),
        Ending::OthersOf { account, but } => (*account, "", but.as_str()),
        Ending::AllOf { account } => (*account, "", ""),
    };
    let query =
        "DELETE FROM sessions WHERE account_id = $1 AND ($2 = '' OR id = $2) AND id <> $3 RETURNING id";
    let ended: Vec<String> =
        sqlx::query_scalar(query).bind(account).bind(one).bind(but).fetch_all(&mut *tx).await?;
    if let (Ending::One { session, .. }, true) = (which, ended.is_empty()) {
        return Err(StoreError::Refused(AuthError::SessionNotFound { id: session.clone() }));
    }
    let lasting_us = ACCESS_TOKEN_S.cast_signed() * 1_000_000;
    for session in &ended {
        let query = "DELETE FROM refresh_tokens WHERE session_id = $1 RETURNING jti, issued_at";
        let rows = sqlx::query(query).bind(session).fetch_all(&mut *tx).await?;
        let mut tokens = Vec::new();
        for row in rows {
            if row.try_get::<i64, _>("issued_at")? + lasting_us > now_us {
                tokens.push(row.try_get("jti")?);
            }
        }
        // A token's claims are in whole seconds, and may be a second ahead where others were revoked.
        let until = Timestamp(now_us + lasting_us + 2_000_000);
        let change = AuthChange::SessionEnded { session: session.clone(), tokens, until };
        record(&mut *tx, account, &change, now_us).await?;
    }
    Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
}

/// Sessions after their time: their access tokens have expired with them.
pub(super) const fn expired(now_us: i64) -> Expiry {
    (
        "SELECT 1 FROM sessions WHERE expires_at < $1 LIMIT 1",
        &[
            "DELETE FROM refresh_tokens WHERE session_id IN
                (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at, id LIMIT $2)",
            "DELETE FROM sessions WHERE id IN
                (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at, id LIMIT $2)",
        ],
        now_us,
    )
}

impl FromRow<'_, Row> for Session {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            account_id: row.try_get("account_id")?,
            created_at: row.try_get("created_at")?,
            seen_at: row.try_get("seen_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}
