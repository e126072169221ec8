//! The durable log of attempts to buy, and the orders that came of them.
//!
//! ```text
//!          intend             confirm (gets its number)       mark_settled
//! (no row) ------> pending ------------------------> confirmed ----------> confirmed, settled
//!                   | | refuse
//!                   | +-----> refused, settled                (product said no: it holds nothing)
//!                   | abandon                mark_settled
//!                   +-------> refused -------------------> refused, settled
//! ```
//!
//! An attempt is written down before anything is done for it, so a crash leaves a pending row and never a forgotten
//! one. **This row decides**: confirming and abandoning exclude each other here, in one transaction, and product is told
//! afterwards, as often as it takes, to settle or to release what it holds. So it doesn't matter who else works on the same
//! attempt, or how late. A pending row belongs to the instance named in it until its lease ends; that instance abandons what
//! its former life left, and any instance abandons what is past its lease. An abandoned attempt frees its token, so a repeat
//! with it is a new attempt.
//!
//! Numbers are given when an order is confirmed, as the highest plus one within the one writer's transaction, so they
//! have no gaps. No row is ever deleted, so none is given twice.
//!
//! This module owns the SQL of the order service. It reads no clock: times (microseconds since 1970) are arguments.

mod attempts;
mod orders;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::attempts::{Attempt, Decision, Intent, NewAttempt, Refusal, Unsettled};
pub use self::orders::{LogPage, Order};
use crate::database::{Database, DatabaseError, Location, Migration};
use crate::demo::Demo;

/// A product's name is at most this long, whether or not such a product exists.
pub const NAME_BYTES_MAX: usize = 200;

/// A token key, a reservation's token or an owner's name is at most this long.
pub const KEY_BYTES_MAX: usize = 512;

/// A status is at most this long.
pub const STATUS_BYTES_MAX: usize = 50;

/// The highest price, in minor units: ten million in a currency of cents.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000;

/// Rows of one listing, or of one page of the log, at most.
pub const LIST_ROWS_MAX: u32 = 1_000;

/// The status of an order that was just confirmed.
pub const STATUS_CONFIRMED: &str = "Processing";

// Every total fits its column.
const _: () = assert!(PRICE_MINOR_MAX <= i64::MAX / (u32::MAX as i64));

/// The schema's history.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "orders",
    sqlite: include_str!("migrations/0001_orders.sqlite.sql"),
    postgres: include_str!("migrations/0001_orders.postgres.sql"),
}];

/// Why a store operation failed.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The token was used before for a request with another body. The caller is at fault; a retry cannot help.
    TokenReused,
    /// There is no such attempt.
    UnknownAttempt,
    /// No order has this number.
    UnknownOrder,
    /// An argument is outside its limits; the words say which, and are safe to show.
    Invalid(&'static str),
    /// The database failed.
    Database(DatabaseError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenReused => f.write_str("the token was used before with another request"),
            Self::UnknownAttempt => f.write_str("there is no such attempt"),
            Self::UnknownOrder => f.write_str("no such order"),
            Self::Invalid(what) => f.write_str(what),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The order service's database. Clones share it.
#[derive(Clone, Debug)]
pub struct OrderStore {
    database: Database,
}

impl OrderStore {
    /// Opens the database, creating and migrating it where needed.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(location, MIGRATIONS).await? })
    }

    /// The database below, for its health, its statistics and its end.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Inserts the demonstration orders if there never was an attempt. Returns whether it did.
    pub async fn seed(&self, demo: Demo, now_us: i64) -> Result<bool, StoreError> {
        self.database.write(move |tx| Box::pin(orders::seed(tx, demo, now_us))).await
    }

    /// Writes down that somebody wants to buy, before anything is done for it; or says what became of the token.
    pub async fn intend(&self, attempt: NewAttempt) -> Result<Intent, StoreError> {
        attempt.check()?;
        self.database.write(|tx| Box::pin(async move { attempts::intend(tx, &attempt).await })).await
    }

    /// Decides that the attempt is an order, and gives it the next number. `price_minor` is the price of one, as it was
    /// reserved. Returns the decision that stands: this one, unless there was one already.
    pub async fn confirm(
        &self,
        attempt: &Attempt,
        price_minor: i64,
        now_us: i64,
    ) -> Result<Decision, StoreError> {
        if !(0..=PRICE_MINOR_MAX).contains(&price_minor) {
            return Err(StoreError::Invalid("a price is between 0 and 10,000,000.00"));
        }
        let attempt = attempt.clone();
        self.database
            .write(move |tx| {
                Box::pin(async move { attempts::confirm(tx, &attempt, price_minor, now_us).await })
            })
            .await
    }

    /// Decides that the attempt is no order, because product said no: it holds nothing for it. Returns the decision that stands.
    pub async fn refuse(
        &self,
        attempt: &Attempt,
        refusal: Refusal,
        now_us: i64,
    ) -> Result<Decision, StoreError> {
        let attempt = attempt.clone();
        self.database
            .write(move |tx| Box::pin(async move { attempts::refuse(tx, &attempt, &refusal, now_us).await }))
            .await
    }

    /// Decides that the attempt is no order, although product may hold pieces for it, and frees its token for a new attempt.
    /// Returns the decision that stands.
    pub async fn abandon(
        &self,
        attempt: &Attempt,
        refusal: Refusal,
        now_us: i64,
    ) -> Result<Decision, StoreError> {
        let attempt = attempt.clone();
        self.database
            .write(move |tx| Box::pin(async move { attempts::abandon(tx, &attempt, &refusal, now_us).await }))
            .await
    }

    /// Decisions that the product service may not know yet, in their order, from the one after `after`.
    pub async fn unsettled(&self, after: i64, limit: u32) -> Result<Vec<Unsettled>, StoreError> {
        let mut connection = self.database.read().await?;
        attempts::unsettled(&mut connection, after, limit.min(LIST_ROWS_MAX)).await
    }

    /// Notes that the product service knows the decision on this reservation. Noting it again changes nothing. Returns false if
    /// there is no such decision.
    pub async fn mark_settled(&self, reservation: &str) -> Result<bool, StoreError> {
        let reservation = reservation.to_owned();
        self.database
            .write(|tx| Box::pin(async move { attempts::mark_settled(tx, &reservation).await }))
            .await
    }

    /// What became of a token; `None` if it was never seen. Never [`Intent::Fresh`].
    pub async fn outcome(&self, token_key: &str) -> Result<Option<Intent>, StoreError> {
        let mut connection = self.database.read().await?;
        Ok(attempts::find(&mut connection, token_key).await?.map(|(_, outcome)| outcome))
    }

    /// Pending attempts that somebody has to abandon, oldest first: those whose lease ended before `now_us`, and with an
    /// `owner` also all of that owner's, whatever their lease.
    ///
    /// An instance names itself at its start, when all that bears its name is left from its former life. Later it
    /// passes `None`, because then what bears its name is its live work.
    pub async fn recoverable(
        &self,
        owner: Option<&str>,
        now_us: i64,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError> {
        let mut connection = self.database.read().await?;
        attempts::recoverable(&mut connection, owner, now_us, limit.min(LIST_ROWS_MAX)).await
    }

    /// The order with this number.
    pub async fn by_number(&self, order_num: i64) -> Result<Option<Order>, StoreError> {
        let mut connection = self.database.read().await?;
        orders::by_number(&mut connection, order_num).await
    }

    /// Orders, the newest first, `limit` of them (at most [`LIST_ROWS_MAX`]) from `offset`, and how many there are.
    pub async fn list(&self, offset: u32, limit: u32) -> Result<(Vec<Order>, i64), StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        orders::list(&mut snapshot, offset, limit.min(LIST_ROWS_MAX)).await
    }

    /// Sets where an order is on its way ("Shipped", "Cancelled").
    pub async fn set_status(&self, order_num: i64, status: &str) -> Result<Order, StoreError> {
        if status.is_empty() || status.len() > STATUS_BYTES_MAX {
            return Err(StoreError::Invalid("a status has 1 to 50 bytes"));
        }
        let status = status.to_owned();
        self.database
            .write(move |tx| Box::pin(async move { orders::set_status(tx, order_num, &status).await }))
            .await
    }

    /// The order log: a line `id name qty` for each decided attempt, in the order of decision, from the one after
    /// `after`; the id is the order's number, or -1 when none was placed.
    ///
    /// A name may contain spaces, since it stands between the first and the last one. In it a backslash is written as
    /// `\\` and a control character as `\n`, `\r`, `\t` or `\u{85}`, so a line stays a line.
    pub async fn log_text(&self, after: i64, limit: u32) -> Result<LogPage, StoreError> {
        let mut connection = self.database.read().await?;
        orders::log_text(&mut connection, after, limit.min(LIST_ROWS_MAX)).await
    }
}
