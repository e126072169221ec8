//! The durable log of attempts to buy, and the orders that came of them.
//!
//! ```text
//!                     place (gets its number)
//! product reserves ---------------------------> confirmed: Processing -> Shipped -> Delivered
//!      | | refuse                                      \---> Cancelled
//!      | +------------> refused              (product said no: it holds nothing; or there is no such customer)
//!      | abandon, disown
//!      +--------------> refused              (product may hold pieces)
//! ```
//!
//! Before an attempt is decided there is nothing of it here: what product holds is the trace that it leaves. **Its row decides**: an
//! attempt's row is written once, and so placing and abandoning exclude each other, in one transaction; product is told afterwards
//! through the feed of events, as often as it takes, to settle or to release what it holds. So it doesn't matter who else works on
//! the same attempt, or how late: all copies of a request reserve under one token, which follows from theirs, and the first decision
//! stands. What a crash forgets is found among what product holds, and disowned. An abandoned attempt frees its token, so a repeat
//! with it is a new attempt.
//!
//! Numbers are given when an order is confirmed, as the highest plus one within the one writer's transaction, so they
//! have no gaps. An order's row, and with it its token, is never deleted, so no number is given twice. What came to nothing is
//! remembered for as long as a token is, and then purged, but for the last decision, whose place in the log stays taken.
//!
//! This module owns the SQL of the order service. It reads no clock: times (microseconds since 1970) are arguments.

mod attempts;
mod decide;
mod orders;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::attempts::Question;
pub use self::attempts::{Attempt, Decision, Held, Recalled, Refusal, Verdict};
use self::decide::Deciding;
pub use self::orders::{Filter, LogPage, Order};
use super::api::{Buy, OrderChange, OrderError, OrderStatus};
use crate::calls::Token;
use crate::database::{Batch, Database, DatabaseError, Migration};
use crate::demo::Demo;
use crate::events::{self, Recorded};
use crate::once::{self, Keeping};
use crate::paging::Page;
use crate::store::{Store, StoreError, StoreResult};
use crate::together::Together;

/// A product's name is at most this long, in characters, whether or not such a product exists.
pub const NAME_CHARS_MAX: usize = 200;

/// A token key, a reservation's token or an owner's name is at most this long.
pub const KEY_BYTES_MAX: usize = 512;

/// The highest price, in minor units: ten million in a currency of cents.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000;

/// Rows of one page of the log at most.
pub const ROWS_MAX: u32 = 1_000;

// Every total fits its column.
const _: () = assert!(PRICE_MINOR_MAX <= i64::MAX / (u32::MAX as i64));

/// What an operation of this store comes to.
type Result<T> = StoreResult<T, OrderError>;

/// The order service's database. Clones share it.
#[derive(Clone, Debug)]
pub struct OrderStore {
    database: Database,
    keeping: Keeping,
    recalling: Arc<Together<Question, Result<Recalled>>>,
    deciding: Batch<Deciding, Result<Decision>>,
}

impl Store for OrderStore {
    const SERVICE: &'static str = "order";
    const MIGRATIONS: &'static [Migration] = &[
        Migration {
            version: 1,
            name: "orders",
            sqlite: include_str!("migrations/0001_orders.sqlite.sql"),
            postgres: include_str!("migrations/0001_orders.postgres.sql"),
        },
        Migration::events_and_replies(2),
        Migration::tokens(3),
        Migration {
            version: 4,
            name: "refusals expire",
            sqlite: include_str!("migrations/0004_refusals_expire.sqlite.sql"),
            postgres: include_str!("migrations/0004_refusals_expire.postgres.sql"),
        },
    ];
    type Error = OrderError;

    fn over(database: Database, keeping: Keeping) -> Self {
        let deciding = database.batch(|tx, deciding| Box::pin(decide::decide_all(tx, deciding)));
        Self { database, keeping, recalling: Arc::default(), deciding }
    }

    fn database(&self) -> &Database {
        &self.database
    }

    /// Inserts the demonstration orders if there never was an attempt.
    async fn seed(&self, demo: Demo, now_us: i64) -> Result<bool> {
        self.database.write(move |tx| Box::pin(orders::seed(tx, demo, now_us))).await
    }

    async fn purge(&self, now_us: i64) -> std::result::Result<u64, DatabaseError> {
        let purged = once::purge(&self.database, now_us).await?;
        if !once::is_any(&self.database, attempts::DUE, now_us).await? {
            return Ok(purged);
        }
        Ok(purged + self.database.write(move |tx| Box::pin(attempts::purge(tx, now_us))).await?)
    }
}

impl OrderStore {
    /// What is known of a token whose request has this hash. It promises nothing: [`OrderStore::decide`] looks again.
    pub async fn recall(&self, token_key: &str, body_hash: &[u8; 32], now_us: i64) -> Result<Recalled> {
        let question = Question { token_key: token_key.to_owned(), body_hash: *body_hash };
        let answer = async |questions: Vec<Question>| {
            let answers = async {
                let mut connection = self.database.read().await?;
                attempts::recall(&mut connection, &questions, now_us).await
            };
            answers.await.unwrap_or_else(|error: StoreError<_>| vec![Err(error); questions.len()])
        };
        self.recalling.ask(question, answer).await
    }

    /// Decides on an attempt, and gives an order the next number. The decision that stands: this one, unless there was one already.
    pub async fn decide(&self, attempt: Attempt, verdict: Verdict, now_us: i64) -> Result<Decision> {
        attempt.check(&verdict)?;
        let expires_us = now_us + self.keeping.kept_us;
        self.deciding.write(Deciding { attempt, verdict, now_us, expires_us }).await?
    }

    /// Decides that what product holds is for no order, unless something was decided on it before. Whether this is what decides.
    pub async fn disown(&self, held: Held, refusal: Refusal, owner: String, now_us: i64) -> Result<bool> {
        let expires_us = now_us + self.keeping.kept_us;
        self.database
            .write(move |tx| {
                Box::pin(
                    async move { attempts::disown(tx, &held, &refusal, &owner, now_us, expires_us).await },
                )
            })
            .await
    }

    /// What became of a token; `None` if nothing was decided under it, and never will be. Never [`Recalled::Open`].
    pub async fn ask(&self, token: Token, now_us: i64) -> Result<Option<(Buy, Recalled)>> {
        let keeping = self.keeping;
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let found = attempts::asked(&mut *tx, &token.key).await?;
                    if found.is_none() {
                        once::withdraw(tx, keeping, &token, now_us).await?;
                    }
                    Ok(found)
                })
            })
            .await
    }

    /// The order with this number.
    pub async fn by_number(&self, order_num: i64) -> Result<Order> {
        let mut connection = self.database.read().await?;
        orders::by_number(&mut connection, order_num).await
    }

    /// A page of the orders, in an order of [`crate::paging::order_by`], and how many there are.
    pub async fn list(&self, filter: &Filter, order: &str, page: Page) -> Result<(Vec<Order>, i64)> {
        let mut snapshot = self.database.snapshot().await?;
        orders::list(&mut snapshot, filter, order, page).await
    }

    /// Moves an order along its way, if it can go there. Where it is already changes nothing.
    pub async fn set_status(&self, order_num: i64, to: OrderStatus, now_us: i64) -> Result<Order> {
        self.database.write(move |tx| Box::pin(orders::set_status(tx, order_num, to, now_us))).await
    }

    /// What has changed, from the event after `after`; and the id of the oldest event that is still there.
    pub async fn events(&self, after: i64, limit: u32) -> Result<(Vec<Recorded<OrderChange>>, i64)> {
        Ok(events::answer(&self.database, after, limit).await?)
    }

    /// What a consumer to whom the feed is relayed may not know yet.
    pub async fn untold(&self, consumer: &str, limit: u32) -> Result<Vec<Recorded<OrderChange>>> {
        let through = events::told_through(&mut *self.database.read().await?, consumer).await?;
        Ok(events::read(&self.database, through, limit).await?)
    }

    /// The order log: a line `id name qty` for each decided attempt, in the order of decision, from the one after
    /// `after`; the id is the order's number, or -1 when none was placed.
    ///
    /// A name may contain spaces, since it stands between the first and the last one. In it a backslash is written as
    /// `\\` and a control character as `\n`, `\r`, `\t` or `\u{85}`, so a line stays a line.
    pub async fn log_text(&self, after: i64, limit: u32) -> Result<LogPage> {
        let mut connection = self.database.read().await?;
        orders::log_text(&mut connection, after, limit.min(ROWS_MAX)).await
    }
}
