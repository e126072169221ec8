//! The users, and the count of what each has bought.
//!
//! The count follows the feed of whoever sells: purchases are counted, and the place up to which they reach in that feed is noted,
//! in one transaction. So each counts once, however often it is told.
//!
//! This module owns the SQL of the user service. It reads no clock: times (microseconds since 1970) are arguments.

#[cfg(test)]
mod tests;

use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::api::{Purchase, Purchases, UserChange, UserError};
use crate::calls::Token;
use crate::database::{Connection, Database, Migration, Row, is_storable};
use crate::demo::Demo;
use crate::events::{self, Recorded};
use crate::once::{self, Keeping, Once};
use crate::paging::{Page, folded};
use crate::store::{EMAIL_BYTES_MAX, NAME_CHARS_MAX, Store, StoreError, StoreResult, row_id};

/// What an operation of this store comes to.
type Result<T> = StoreResult<T, UserError>;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The number, never given twice.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The e-mail address, as it was given; unique whatever its case.
    pub email: String,
    /// Orders that weren't cancelled.
    pub orders: i64,
    /// What they cost together, in minor units.
    pub spent_minor: i64,
    /// When the user last did something, as far as it was noticed.
    pub last_seen_us: Option<i64>,
    /// When the user was entered.
    pub created_at_us: i64,
    /// When the name or the address last changed.
    pub updated_at_us: i64,
}

/// What is to change about a user; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// The new e-mail address.
    pub email: Option<String>,
}

/// The user service's database. Clones share it.
#[derive(Clone, Debug)]
pub struct UserStore {
    database: Database,
    keeping: Keeping,
}

impl Store for UserStore {
    const SERVICE: &'static str = "user";
    const MIGRATIONS: &'static [Migration] = &[
        Migration {
            version: 1,
            name: "users",
            sqlite: include_str!("migrations/0001_users.sqlite.sql"),
            postgres: include_str!("migrations/0001_users.postgres.sql"),
        },
        Migration::events_and_replies(2),
        Migration::tokens(3),
    ];
    type Error = UserError;

    fn over(database: Database, keeping: Keeping) -> Self {
        Self { database, keeping }
    }

    fn database(&self) -> &Database {
        &self.database
    }

    /// Inserts the demonstration users if there never was one.
    async fn seed(&self, demo: Demo, now_us: i64) -> Result<bool> {
        self.database.write(move |tx| Box::pin(seed(tx, demo, now_us))).await
    }
}

impl UserStore {
    /// The user with this number.
    pub async fn find(&self, id: i64) -> Result<User> {
        let mut connection = self.database.read().await?;
        find(&mut connection, id).await
    }

    /// A page of the users that match a pattern ([`crate::paging::contains`]), in an order of [`crate::paging::order_by`], and
    /// how many there are.
    pub async fn list(&self, pattern: &str, order: &str, page: Page) -> Result<(Vec<User>, i64)> {
        let wanted = "FROM users WHERE search LIKE $1 ESCAPE '\\'";
        let mut snapshot = self.database.snapshot().await?;
        // The order is one of ours, never the caller's text.
        let users =
            sqlx::query_as(AssertSqlSafe(format!("SELECT * {wanted} ORDER BY {order} LIMIT $2 OFFSET $3")))
                .bind(pattern)
                .bind(page.limit())
                .bind(page.offset())
                .fetch_all(&mut *snapshot)
                .await?;
        let total = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) {wanted}")));
        Ok((users, total.bind(pattern).fetch_one(&mut *snapshot).await?))
    }

    /// Enters a user, and returns the number: what is stored for a repeat shouldn't outlive a user who is forgotten.
    pub async fn create(&self, once: Once, name: String, email: String) -> Result<u64> {
        check(Some(&name), Some(&email))?;
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { Ok(create(tx, &name, &email, now_us).await?.id.unsigned_abs()) })
        })
        .await
    }

    /// Changes a user's name or e-mail address.
    pub async fn update(&self, id: i64, change: Change, now_us: i64) -> Result<User> {
        check(change.name.as_deref(), change.email.as_deref())?;
        self.database.write(move |tx| Box::pin(async move { update(tx, id, &change, now_us).await })).await
    }

    /// Forgets a user, and returns the number.
    pub async fn remove(&self, once: Once, id: i64) -> Result<u64> {
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { Ok(remove(tx, id, now_us).await?.id.unsigned_abs()) })
        })
        .await
    }

    /// The encoded reply of a write that happens once; `None` if nothing was done under the token, and never will be.
    pub async fn ask_once(&self, token: Token, now_us: i64) -> Result<Option<Vec<u8>>> {
        once::ask(&self.database, self.keeping, token, now_us).await
    }

    /// Counts what a seller tells, in the order of its feed; what was counted before is passed over.
    pub async fn count(&self, seller: String, told: Purchases) -> Result<()> {
        self.database.write(|tx| Box::pin(async move { count(tx, &seller, &told).await })).await
    }

    /// Notes that a user has just done something.
    pub async fn seen(&self, id: i64, now_us: i64) -> Result<()> {
        let query = "UPDATE users SET last_seen_us = $2 WHERE id = $1";
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(query).bind(id).bind(now_us).execute(tx).await?;
                    Ok(())
                })
            })
            .await
    }

    /// What has changed, from the event after `after`; and the id of the oldest event that is still there.
    pub async fn events(&self, after: i64, limit: u32) -> Result<(Vec<Recorded<UserChange>>, i64)> {
        Ok(events::answer(&self.database, after, limit).await?)
    }
}

async fn seed(tx: &mut Connection, demo: Demo, now_us: i64) -> Result<bool> {
    let entered = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM events) AS rows_ever";
    let rows: i64 = sqlx::query_scalar(entered).fetch_one(&mut *tx).await?;
    if rows > 0 {
        return Ok(false);
    }
    for user in demo.users() {
        insert(&mut *tx, user.id, user.name, user.email, now_us).await?;
    }
    let highest = "UPDATE highest_user SET id = (SELECT coalesce(max(id), 0) FROM users)";
    sqlx::query(highest).execute(tx).await?;
    Ok(!demo.users().is_empty())
}

async fn find(connection: &mut Connection, id: i64) -> Result<User> {
    let query = "SELECT * FROM users WHERE id = $1";
    let found = sqlx::query_as(query).bind(id).fetch_optional(connection).await?;
    found.ok_or_else(|| StoreError::Refused(UserError::UserNotFound { id: id.unsigned_abs() }))
}

async fn create(tx: &mut Connection, name: &str, email: &str, now_us: i64) -> Result<User> {
    // One row remembers the highest number, so that none is given twice, not even a forgotten user's.
    let next = "UPDATE highest_user SET id = id + 1 RETURNING id";
    let id: i64 = sqlx::query_scalar(next).fetch_one(&mut *tx).await?;
    let user = insert(&mut *tx, id, name, email, now_us).await?;
    record(tx, id, &UserChange::Created { user: id.unsigned_abs() }, now_us).await?;
    Ok(user)
}

async fn insert(tx: &mut Connection, id: i64, name: &str, email: &str, now_us: i64) -> Result<User> {
    let query = "INSERT INTO users
            (id, name, email, email_key, search, orders, spent_minor, created_at_us, updated_at_us)
        VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $6) RETURNING *";
    sqlx::query_as(query)
        .bind(id)
        .bind(name)
        .bind(email)
        .bind(folded(email))
        .bind(search(name, email))
        .bind(now_us)
        .fetch_one(tx)
        .await
        .map_err(|error| address_taken(error, email))
}

async fn update(tx: &mut Connection, id: i64, change: &Change, now_us: i64) -> Result<User> {
    let before = find(&mut *tx, id).await?;
    let name = change.name.as_ref().unwrap_or(&before.name);
    let email = change.email.as_ref().unwrap_or(&before.email);
    if *name == before.name && *email == before.email {
        return Ok(before);
    }
    let query = "UPDATE users SET name = $2, email = $3, email_key = $4, search = $5, updated_at_us = $6
        WHERE id = $1 RETURNING *";
    let user = sqlx::query_as(query)
        .bind(id)
        .bind(name)
        .bind(email)
        .bind(folded(email))
        .bind(search(name, email))
        .bind(now_us)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| address_taken(error, email))?;
    record(tx, id, &UserChange::Updated { user: id.unsigned_abs() }, now_us).await?;
    Ok(user)
}

async fn remove(tx: &mut Connection, id: i64, now_us: i64) -> Result<User> {
    let user = find(&mut *tx, id).await?;
    sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(&mut *tx).await?;
    record(tx, id, &UserChange::Removed { user: id.unsigned_abs() }, now_us).await?;
    Ok(user)
}

async fn count(tx: &mut Connection, seller: &str, told: &Purchases) -> Result<()> {
    let counted = events::followed_through(&mut *tx, seller).await?.unsigned_abs();
    for Purchase { user, orders, spent, .. } in told.purchases.iter().filter(|told| told.event > counted) {
        // Users who were forgotten count no more.
        let query = "SELECT orders, spent_minor FROM users WHERE id = $1";
        let row: Option<(i64, i64)> =
            sqlx::query_as(query).bind(row_id(*user)).fetch_optional(&mut *tx).await?;
        let Some((so_far, spent_minor)) = row else { continue };
        // A sum too great for its column stays at the greatest, rather than to hold up everybody's count.
        let query = "UPDATE users SET orders = $2, spent_minor = $3 WHERE id = $1";
        sqlx::query(query)
            .bind(row_id(*user))
            .bind(so_far.saturating_add(i64::from(*orders)))
            .bind(spent_minor.saturating_add(spent.0))
            .execute(&mut *tx)
            .await?;
    }
    events::advance_followed(tx, seller, row_id(told.through)).await?;
    Ok(())
}

async fn record(tx: &mut Connection, id: i64, change: &UserChange, now_us: i64) -> Result<()> {
    Ok(events::append(tx, &id.to_string(), change, now_us).await?)
}

/// What a search looks into.
fn search(name: &str, email: &str) -> String {
    folded(&format!("{name}\n{email}"))
}

fn check(name: Option<&str>, email: Option<&str>) -> Result<()> {
    if name.is_some_and(|name| name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !is_storable(name))
    {
        return Err(StoreError::Invalid("a user's name has 1 to 200 characters, none of them zero"));
    }
    if email.is_some_and(|email| email.is_empty() || email.len() > EMAIL_BYTES_MAX || !is_storable(email)) {
        return Err(StoreError::Invalid("an e-mail address has 1 to 254 bytes, none of them zero"));
    }
    Ok(())
}

fn address_taken(error: sqlx::Error, email: &str) -> StoreError<UserError> {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        return StoreError::Refused(UserError::UserAlreadyExists { email: email.to_owned() });
    }
    error.into()
}

impl FromRow<'_, Row> for User {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            orders: row.try_get("orders")?,
            spent_minor: row.try_get("spent_minor")?,
            last_seen_us: row.try_get("last_seen_us")?,
            created_at_us: row.try_get("created_at_us")?,
            updated_at_us: row.try_get("updated_at_us")?,
        })
    }
}
