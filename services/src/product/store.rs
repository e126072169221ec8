//! The catalog, its stock, and the reservations by which stock leaves it exactly once.
//!
//! ```text
//!             reserve                      settle
//! (no token) ---------> reserved ------------------> settled        purchase: straight to settled
//!     |  |                  | release
//!     |  | release          v
//!     |  +------------> released           (a tombstone if it was never reserved: a late reserve finds it)
//!     | reserve
//!     +------> refused_unknown | refused_stock
//! ```
//!
//! A token is the name of one intention to buy. Its outcome, a refusal too, is stored in the transaction that makes it
//! true, so a repeat gets the stored outcome and changes nothing. For every product, at every moment:
//! `initial = quantity + reserved + sold`; the table checks it.
//!
//! This module owns the SQL of the product service. It reads no clock: `now_us` (microseconds since 1970) is an argument.

mod catalog;
mod reservations;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::catalog::{NewProduct, Product, ProductChange};
use self::reservations::{Goal, Request};
pub use self::reservations::{Reservation, Taken};
use crate::database::{Database, DatabaseError, Location, Migration};
use crate::demo::Demo;

/// A product's name is at most this long.
pub const NAME_BYTES_MAX: usize = 200;

/// A token is at most this long.
pub const TOKEN_BYTES_MAX: usize = 512;

/// The highest price, in minor units: ten million in a currency of cents.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000;

/// The most pieces of one product that may ever come in.
pub const STOCK_MAX: i64 = 1_000_000_000_000;

/// Products that the catalog holds at most, so that the inventory fits one answer.
pub const PRODUCTS_MAX: i64 = 10_000;

/// Rows of one listing at most.
pub const LIST_ROWS_MAX: u32 = 1_000;

/// The schema's history.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "catalog and reservations",
    sqlite: include_str!("migrations/0001_catalog_and_reservations.sqlite.sql"),
    postgres: include_str!("migrations/0001_catalog_and_reservations.postgres.sql"),
}];

/// Why a store operation failed.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// The token was used before for a request with another body. The caller is at fault; a retry cannot help.
    TokenReused,
    /// No reservation bears this token.
    UnknownToken,
    /// The token has no reserved pieces to settle: it was released or refused.
    NotReserved(Reservation),
    /// The token's pieces are sold already and cannot go back by a release.
    AlreadySettled(Taken),
    /// No product on sale has this id.
    UnknownProduct,
    /// Another product on sale bears this name.
    NameTaken,
    /// The catalog holds [`PRODUCTS_MAX`] products already.
    CatalogFull,
    /// An argument is outside its limits; the words say which, and are safe to show.
    Invalid(&'static str),
    /// The database failed.
    Database(DatabaseError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenReused => f.write_str("the token was used before with another request"),
            Self::UnknownToken => f.write_str("no reservation bears this token"),
            Self::NotReserved(_) => f.write_str("the token has nothing reserved: it was released or refused"),
            Self::AlreadySettled(_) => f.write_str("the token's pieces are sold already"),
            Self::UnknownProduct => f.write_str("no such product"),
            Self::NameTaken => f.write_str("another product bears this name"),
            Self::CatalogFull => write!(f, "the catalog is full: {PRODUCTS_MAX} products"),
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

/// The product service's database. Clones share it.
#[derive(Clone, Debug)]
pub struct ProductStore {
    database: Database,
}

impl ProductStore {
    /// Opens the database, creating and migrating it where needed.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(location, MIGRATIONS).await? })
    }

    /// The database below, for its health, its statistics and its end.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Inserts the demonstration products if there never was a product. Returns whether it did.
    pub async fn seed(&self, demo: Demo, now_us: i64) -> Result<bool, StoreError> {
        self.database.write(move |tx| Box::pin(catalog::seed(tx, demo, now_us))).await
    }

    /// The product on sale that bears this name.
    pub async fn by_name(&self, name: &str) -> Result<Option<Product>, StoreError> {
        // What no product can be called is not asked for: PostgreSQL takes a zero byte for an error.
        if catalog::check_name(name).is_err() {
            return Ok(None);
        }
        let query = "SELECT * FROM products WHERE name = $1 AND removed_at_us IS NULL";
        Ok(sqlx::query_as(query).bind(name).fetch_optional(&mut *self.database.read().await?).await?)
    }

    /// The product on sale with this id.
    pub async fn by_id(&self, id: i64) -> Result<Option<Product>, StoreError> {
        let query = "SELECT * FROM products WHERE id = $1 AND removed_at_us IS NULL";
        Ok(sqlx::query_as(query).bind(id).fetch_optional(&mut *self.database.read().await?).await?)
    }

    /// Products on sale by id, `limit` of them (at most [`LIST_ROWS_MAX`]) from `offset`, and how many there are.
    pub async fn list(&self, offset: u32, limit: u32) -> Result<(Vec<Product>, i64), StoreError> {
        let query = "SELECT * FROM products WHERE removed_at_us IS NULL ORDER BY id LIMIT $1 OFFSET $2";
        let mut snapshot = self.database.snapshot().await?;
        let products = sqlx::query_as(query)
            .bind(i64::from(limit.min(LIST_ROWS_MAX)))
            .bind(i64::from(offset))
            .fetch_all(&mut *snapshot)
            .await?;
        Ok((products, catalog::count(&mut snapshot).await?))
    }

    /// Every product on sale, in one consistent picture. No more than [`PRODUCTS_MAX`].
    pub async fn inventory(&self) -> Result<Vec<Product>, StoreError> {
        let query = "SELECT * FROM products WHERE removed_at_us IS NULL ORDER BY id";
        Ok(sqlx::query_as(query).fetch_all(&mut *self.database.read().await?).await?)
    }

    /// Puts a product into the catalog.
    pub async fn create(&self, product: NewProduct, now_us: i64) -> Result<Product, StoreError> {
        catalog::check_name(&product.name)?;
        catalog::check_price(product.price_minor)?;
        catalog::check_stock(product.quantity)?;
        self.database
            .write(move |tx| Box::pin(async move { catalog::create(tx, &product, now_us).await }))
            .await
    }

    /// Changes a product's name or price.
    pub async fn update(&self, id: i64, change: ProductChange, now_us: i64) -> Result<Product, StoreError> {
        change.name.as_deref().map_or(Ok(()), catalog::check_name)?;
        change.price_minor.map_or(Ok(()), catalog::check_price)?;
        self.database
            .write(move |tx| Box::pin(async move { catalog::update(tx, id, &change, now_us).await }))
            .await
    }

    /// Takes a product out of the catalog. What is reserved of it may still be settled or released.
    pub async fn remove(&self, id: i64, now_us: i64) -> Result<(), StoreError> {
        self.database.write(move |tx| Box::pin(catalog::remove(tx, id, now_us))).await
    }

    /// Adds pieces to the stock.
    pub async fn restock(&self, id: i64, pieces: u32, now_us: i64) -> Result<Product, StoreError> {
        self.database.write(move |tx| Box::pin(catalog::restock(tx, id, i64::from(pieces), now_us))).await
    }

    /// Sets pieces aside for the token, or stores why not.
    pub async fn reserve(
        &self,
        token: &str,
        body_hash: [u8; 32],
        name: &str,
        quantity: u32,
        now_us: i64,
    ) -> Result<Reservation, StoreError> {
        let request = Request::parse(token, body_hash, name, quantity, now_us)?;
        self.database
            .write(|tx| Box::pin(async move { reservations::take(tx, &request, Goal::Reserve).await }))
            .await
    }

    /// Sells pieces at once, without an order: reserve and settle in one transaction.
    pub async fn purchase(
        &self,
        token: &str,
        body_hash: [u8; 32],
        name: &str,
        quantity: u32,
        now_us: i64,
    ) -> Result<Reservation, StoreError> {
        let request = Request::parse(token, body_hash, name, quantity, now_us)?;
        self.database
            .write(|tx| Box::pin(async move { reservations::take(tx, &request, Goal::Sell).await }))
            .await
    }

    /// Turns the token's reserved pieces into sold ones. Settling again changes nothing.
    pub async fn settle(&self, token: &str, now_us: i64) -> Result<Taken, StoreError> {
        let token = reservations::parse_token(token)?;
        self.database
            .write(move |tx| Box::pin(async move { reservations::settle(tx, &token, now_us).await }))
            .await
    }

    /// Gives the token's reserved pieces back. Releasing again, or after a refusal, changes nothing. A token never seen
    /// gets a tombstone, so that its reserve, if it is still on the way, comes too late.
    ///
    /// Returns [`Reservation::Released`], or the refusal that the token had.
    pub async fn release(&self, token: &str, now_us: i64) -> Result<Reservation, StoreError> {
        let token = reservations::parse_token(token)?;
        self.database
            .write(move |tx| Box::pin(async move { reservations::release(tx, &token, now_us).await }))
            .await
    }

    /// What became of a token; `None` if it was never seen.
    pub async fn reservation(&self, token: &str) -> Result<Option<Reservation>, StoreError> {
        let mut connection = self.database.read().await?;
        Ok(reservations::find(&mut connection, token).await?.map(|stored| stored.reservation))
    }
}
