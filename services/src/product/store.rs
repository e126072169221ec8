//! The catalog, its stock, and the reservations by which stock leaves it exactly once.
//!
//! ```text
//!             reserve                      settle              restore
//! (no token) ---------> reserved ------------------> settled ----------> returned     purchase: straight to settled
//!     |  |                  |\ restore: straight to returned
//!     |  |                  | release
//!     |  | release          v
//!     |  +------------> released           (a tombstone if it was never reserved: a late reserve finds it)
//!     | reserve
//!     +------> refused_unknown | refused_stock
//! ```
//!
//! A token is remembered until nobody can ask for it any more: for its time after a purchase or a refusal, for a day after the
//! pieces came back, or after the order can't be cancelled any more.
//!
//! A token is the name of one intention to buy. Its outcome, a refusal too, is stored in the transaction that makes it
//! true, so a repeat gets the stored outcome and changes nothing. For every product, at every moment:
//! `initial = quantity + reserved + sold`; the table checks it.
//!
//! This module owns the SQL of the product service. It reads no clock: `now_us` (microseconds since 1970) is an argument.

mod catalog;
mod reservations;
mod take;
mod upload;

#[cfg(test)]
mod tests;

use micronet_wire::limits::ERROR_DETAIL_BYTES_MAX;
use micronet_wire::principal::Principal;

use self::catalog::check_name;
pub use self::catalog::{Change, Filter, NewProduct, Product, Which, is_number};
use self::reservations::Settling;
pub use self::reservations::{Held, Recalled, Reservation, Taken};
use self::take::{Goal, Request};
pub use self::upload::{BATCH, UploadItem};
use super::api::{ProductChange, ProductError, ProductInfo};
use crate::calls::{Token, key_for};
use crate::database::{Batch, Connection, Database, DatabaseResult, Migration};
use crate::demo::Demo;
use crate::events::{self, Recorded};
use crate::once::{self, Keeping, Once};
use crate::paging::Page;
use crate::store::{Store, StoreError, StoreResult};

/// A product's name is at most this long, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// A token is at most this long.
pub const TOKEN_BYTES_MAX: usize = 512;

/// The highest price, in minor units: ten million in a currency of cents.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000;

/// The most pieces of one product that may ever come in.
pub const STOCK_MAX: i64 = 1_000_000_000_000;

/// Products that the catalog holds at most.
pub const PRODUCTS_MAX: i64 = 100_000;

/// Names that are told when an import is refused for those that are taken.
pub(super) const NAMES_TOLD_MAX: usize = 16;

// They fit an error's detail.
const _: () = assert!(NAMES_TOLD_MAX * (NAME_CHARS_MAX * 4 + 3) + 64 <= ERROR_DETAIL_BYTES_MAX);

/// What an operation of this store comes to.
type Result<T> = StoreResult<T, ProductError>;

/// The product service's database. Clones share it.
#[derive(Clone, Debug)]
pub struct ProductStore {
    database: Database,
    keeping: Keeping,
    reserving: Batch<Request, Result<Reservation>>,
    selling: Batch<Request, Result<(Reservation, String)>>,
    settling: Batch<Settling, Result<Taken>>,
}

impl Store for ProductStore {
    const SERVICE: &'static str = "product";
    const MIGRATIONS: &'static [Migration] = &[
        Migration {
            version: 1,
            name: "catalog and reservations",
            sqlite: include_str!("migrations/0001_catalog_and_reservations.sqlite.sql"),
            postgres: include_str!("migrations/0001_catalog_and_reservations.postgres.sql"),
        },
        Migration::events_and_replies(2),
        Migration::tokens(3),
        Migration {
            version: 4,
            name: "reservations expire",
            sqlite: include_str!("migrations/0004_reservations_expire.sqlite.sql"),
            postgres: include_str!("migrations/0004_reservations_expire.postgres.sql"),
        },
        Migration {
            version: 5,
            name: "held reservations",
            sqlite: include_str!("migrations/0005_held_reservations.sql"),
            postgres: include_str!("migrations/0005_held_reservations.sql"),
        },
    ];
    type Error = ProductError;

    fn over(database: Database, keeping: Keeping) -> Self {
        let reserving = database.batch(|tx, requests| Box::pin(take::take_all(tx, requests, Goal::Reserve)));
        let selling = database.batch(|tx, requests| Box::pin(take::sell_all(tx, requests)));
        let settling = database.lazy_batch(|tx, settlings| Box::pin(reservations::settle_all(tx, settlings)));
        Self { database, keeping, reserving, selling, settling }
    }

    fn database(&self) -> &Database {
        &self.database
    }

    async fn seed(&self, demo: Demo, now_us: i64) -> Result<bool> {
        self.database.write(move |tx| Box::pin(seed(tx, demo, now_us))).await
    }

    async fn purge(&self, now_us: i64) -> DatabaseResult<u64> {
        let purged = once::purge(&self.database, now_us).await?;
        if !once::is_any(&self.database, reservations::DUE, now_us).await? {
            return Ok(purged);
        }
        Ok(purged + self.database.write(move |tx| Box::pin(reservations::purge(tx, now_us))).await?)
    }
}

/// Inserts the demonstration products, and what its orders have taken of them, if there never was a product.
async fn seed(tx: &mut Connection, demo: Demo, now_us: i64) -> Result<bool> {
    if demo == Demo::None || !catalog::is_empty(&mut *tx).await? {
        return Ok(false);
    }
    for product in demo.products() {
        let name = product.name.to_owned();
        let new = NewProduct { name, price_minor: product.price_minor, quantity: product.quantity };
        let created = catalog::create(&mut *tx, &new, now_us).await?;
        for (order_num, order) in (1..).zip(demo.orders()).filter(|(_, order)| order.product == product.name)
        {
            let service = Principal::Service { name: "order".into() };
            let token = key_for(&service, "product.reserve", &Demo::reservation(order_num));
            take::seed_sold(&mut *tx, &token, &created, order.quantity, now_us).await?;
        }
    }
    Ok(true)
}

/// Puts products into the catalog, all or none.
async fn create(tx: &mut Connection, new: &[NewProduct], now_us: i64) -> Result<Vec<ProductInfo>> {
    catalog::check_room(&mut *tx, new.len()).await?;
    let refused = match catalog::taken_names(&mut *tx, new).await? {
        names if names.is_empty() => None,
        mut names if new.len() > 1 => {
            let count = names.len() as u64;
            names.truncate(NAMES_TOLD_MAX);
            Some(ProductError::ProductsAlreadyExist { names, count })
        }
        names => Some(ProductError::ProductAlreadyExists { name: names.concat() }),
    };
    if let Some(refusal) = refused {
        return Err(StoreError::Refused(refusal));
    }
    let mut created = Vec::with_capacity(new.len());
    for product in new {
        created.push(catalog::create(&mut *tx, product, now_us).await?.into());
    }
    Ok(created)
}

impl ProductStore {
    /// The product on sale that is named so.
    pub async fn find(&self, which: &Which) -> Result<Product> {
        let mut connection = self.database.read().await?;
        catalog::find(&mut connection, which).await
    }

    /// A page of the products on sale, in an order of [`crate::paging::order_by`], and how many there are.
    pub async fn list(&self, filter: &Filter, order: &str, page: Page) -> Result<(Vec<Product>, i64)> {
        let mut snapshot = self.database.snapshot().await?;
        catalog::list(&mut snapshot, filter, order, page).await
    }

    /// Products on sale after a number, in the order of their numbers.
    pub async fn inventory(&self, after: i64, limit: u32) -> Result<Vec<Product>> {
        let query = "SELECT * FROM products WHERE removed_at_us IS NULL AND id > $1 ORDER BY id LIMIT $2";
        let mut connection = self.database.read().await?;
        Ok(sqlx::query_as(query).bind(after).bind(i64::from(limit)).fetch_all(&mut *connection).await?)
    }

    /// Puts products into the catalog, all or none.
    pub async fn create(&self, once: Once, new: Vec<NewProduct>) -> Result<Vec<ProductInfo>> {
        for product in &new {
            product.check()?;
        }
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { create(tx, &new, now_us).await })
        })
        .await
    }

    /// Changes a product's name or price.
    pub async fn update(&self, once: Once, which: Which, change: Change) -> Result<ProductInfo> {
        change.name.as_deref().map_or(Ok(()), check_name)?;
        change.price_minor.map_or(Ok(()), catalog::check_price)?;
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { Ok(catalog::update(tx, &which, &change, now_us).await?.into()) })
        })
        .await
    }

    /// Takes a product out of the catalog. What is reserved of it may still be settled or released.
    pub async fn remove(&self, once: Once, which: Which) -> Result<ProductInfo> {
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { Ok(catalog::remove(tx, &which, now_us).await?.into()) })
        })
        .await
    }

    /// Adds pieces to the stock.
    pub async fn restock(&self, once: Once, which: Which, pieces: u32) -> Result<ProductInfo> {
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { Ok(catalog::restock(tx, &which, pieces, now_us).await?.into()) })
        })
        .await
    }

    /// Sets pieces aside for the token, or stores why not.
    pub async fn reserve(
        &self,
        token: &str,
        body_hash: [u8; 32],
        which: Which,
        quantity: u32,
        now_us: i64,
    ) -> Result<Reservation> {
        let request = Request::parse(token, body_hash, which, quantity, now_us, self.keeping.kept_us)?;
        self.reserving.write(request).await?
    }

    /// Sells pieces at once, without an order: reserve and settle in one transaction. Also the product's name, as it is now; empty
    /// if nothing was sold.
    pub async fn purchase(
        &self,
        token: &str,
        body_hash: [u8; 32],
        which: Which,
        quantity: u32,
        now_us: i64,
    ) -> Result<(Reservation, String)> {
        let request = Request::parse(token, body_hash, which, quantity, now_us, self.keeping.kept_us)?;
        self.selling.write(request).await?
    }

    /// Turns the token's reserved pieces into sold ones. Settling again changes nothing, even after they came back.
    pub async fn settle(&self, token: &str, now_us: i64) -> Result<Taken> {
        let token = reservations::parse_token(token)?;
        self.settling.write(Settling { token, now_us }).await?
    }

    /// Gives the token's reserved pieces back. Releasing again, or after a refusal, changes nothing. A token never seen
    /// gets a tombstone, so that its reserve, if it is still on the way, comes too late.
    ///
    /// Returns [`Reservation::Released`], or the refusal that the token had.
    pub async fn release(&self, token: &str, now_us: i64) -> Result<Reservation> {
        let token = reservations::parse_token(token)?;
        self.database
            .write_lazily(move |tx| Box::pin(async move { reservations::release(tx, &token, now_us).await }))
            .await
    }

    /// Puts the token's sold pieces back on sale. Restoring again changes nothing.
    pub async fn restore(&self, token: &str, now_us: i64) -> Result<Taken> {
        let token = reservations::parse_token(token)?;
        self.database
            .write_lazily(move |tx| Box::pin(async move { reservations::restore(tx, &token, now_us).await }))
            .await
    }

    /// The order of the token's pieces can't be cancelled any more, so they never come back, and the token can be forgotten.
    pub async fn finish(&self, token: &str, now_us: i64) -> Result<()> {
        let token = reservations::parse_token(token)?;
        self.database
            .write_lazily(move |tx| Box::pin(async move { reservations::finish(tx, &token, now_us).await }))
            .await
    }

    /// What became of a token that asked for pieces; `None` if it never did, and never will.
    pub async fn ask(&self, token: Token, now_us: i64) -> Result<Option<Recalled>> {
        let keeping = self.keeping;
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let found = reservations::recall(&mut *tx, &token.key).await?;
                    if found.is_none() {
                        once::withdraw(tx, keeping, &token, now_us).await?;
                    }
                    Ok(found)
                })
            })
            .await
    }

    /// The encoded reply of a write that happens once; `None` if nothing was done under the token, and never will be.
    pub async fn ask_once(&self, token: Token, now_us: i64) -> Result<Option<Vec<u8>>> {
        once::ask(&self.database, self.keeping, token, now_us).await
    }

    /// What became of a token; `None` if it was never seen.
    pub async fn reservation(&self, token: &str) -> Result<Option<Reservation>> {
        let mut connection = self.database.read().await?;
        reservations::state(&mut connection, token).await
    }

    /// What tokens that begin with `prefix` have held since before `before_us`, the oldest first, and at most so many.
    pub async fn held(&self, prefix: &str, before_us: i64, limit: u32) -> Result<Vec<Held>> {
        let mut connection = self.database.read().await?;
        reservations::held(&mut connection, prefix, before_us, limit).await
    }

    /// What has changed, from the event after `after`; and the id of the oldest event that is still there.
    pub async fn events(&self, after: i64, limit: u32) -> Result<(Vec<Recorded<ProductChange>>, i64)> {
        Ok(events::answer(&self.database, after, limit).await?)
    }
}
