//! The catalog: what is on sale, at which price, and where its pieces are. Runs within the caller's transaction.

use micronet_wire::schema::Decimal;
use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::{NAME_CHARS_MAX, PRICE_MINOR_MAX, PRODUCTS_MAX, Result, STOCK_MAX};
use crate::database::{Connection, DatabaseResult, Row, is_storable};
use crate::events;
use crate::paging::{Page, folded};
use crate::product::api::{ProductChange, ProductError};
use crate::store::StoreError;

/// A product on sale and where its pieces are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its number, from 1, never given twice.
    pub id: i64,
    /// Its name, unique among the products on sale.
    pub name: String,
    /// The price of one, in minor units.
    pub price_minor: i64,
    /// All pieces that ever came in.
    pub initial: i64,
    /// Pieces that may still be bought.
    pub quantity: i64,
    /// Pieces promised to orders that are not settled yet.
    pub reserved: i64,
    /// Pieces sold.
    pub sold: i64,
    /// When it entered the catalog.
    pub created_at_us: i64,
    /// When anything about it last changed.
    pub updated_at_us: i64,
}

/// A product that is to enter the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    /// Its name.
    pub name: String,
    /// The price of one, in minor units.
    pub price_minor: i64,
    /// How many there are.
    pub quantity: i64,
}

impl NewProduct {
    pub(super) fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        check_price(self.price_minor)?;
        check_stock(self.quantity)
    }
}

/// What is to change about a product; `None` leaves it as it is. Stock changes by [`super::ProductStore::restock`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// The new price of one, in minor units. Reservations keep the price that they were made at.
    pub price_minor: Option<i64>,
}

/// Which products a list holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The pattern of their names ([`crate::paging::contains`]).
    pub name_like: String,
    /// The lowest price, in minor units.
    pub price_min: i64,
    /// The highest price, in minor units.
    pub price_max: i64,
    /// The fewest pieces.
    pub quantity_min: i64,
    /// The most pieces.
    pub quantity_max: i64,
}

/// Everything on sale.
impl Default for Filter {
    fn default() -> Self {
        let (price_max, quantity_max) = (PRICE_MINOR_MAX, STOCK_MAX);
        Self { name_like: "%".into(), price_min: 0, price_max, quantity_min: 0, quantity_max }
    }
}

/// How a caller names a product: by its number if the text is one, since no name is, else by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// By its number.
    Id(i64),
    /// By its name.
    Name(String),
}

impl Which {
    /// What this text names.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match text.parse() {
            Ok(id) if is_number(text) => Self::Id(id),
            _ => Self::Name(text.to_owned()),
        }
    }

    /// As the caller named it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Name(name) => name.clone(),
        }
    }

    fn not_found(&self) -> StoreError<ProductError> {
        StoreError::Refused(ProductError::ProductNotFound { name: self.text() })
    }
}

/// Whether a text is a number, which no product's name is.
#[must_use]
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) async fn is_empty(tx: &mut Connection) -> Result<bool> {
    // Removed products count: a catalog that somebody has emptied stays empty.
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM products").fetch_one(tx).await?;
    Ok(rows == 0)
}

/// Refuses more products than the catalog holds.
pub(super) async fn check_room(tx: &mut Connection, more: usize) -> Result<()> {
    if more <= room(tx).await? { Ok(()) } else { Err(full()) }
}

/// How many more products the catalog holds.
pub(super) async fn room(tx: &mut Connection) -> Result<usize> {
    let query = "SELECT count(*) FROM products WHERE removed_at_us IS NULL";
    let count: i64 = sqlx::query_scalar(query).fetch_one(tx).await?;
    Ok(usize::try_from(PRODUCTS_MAX - count).unwrap_or(0))
}

pub(super) fn full() -> StoreError<ProductError> {
    StoreError::Refused(ProductError::CatalogFull { products_max: PRODUCTS_MAX.unsigned_abs() })
}

pub(super) async fn create(tx: &mut Connection, new: &NewProduct, now_us: i64) -> Result<Product> {
    let query = "INSERT INTO products
            (name, search, price_minor, initial, quantity, reserved, sold, created_at_us, updated_at_us)
        VALUES ($1, $2, $3, $4, $4, 0, 0, $5, $5) RETURNING *";
    let product: Product = sqlx::query_as(query)
        .bind(&new.name)
        .bind(folded(&new.name))
        .bind(new.price_minor)
        .bind(new.quantity)
        .bind(now_us)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| name_taken(error, &new.name))?;
    let change = ProductChange::Created {
        product: product.id.unsigned_abs(),
        name: product.name.clone(),
        price: Decimal(product.price_minor),
        quantity: product.quantity.unsigned_abs(),
    };
    record(tx, product.id, &change, now_us).await?;
    Ok(product)
}

/// The names among these that products on sale bear already.
pub(super) async fn taken_names(tx: &mut Connection, new: &[NewProduct]) -> Result<Vec<String>> {
    let mut taken = Vec::new();
    for product in new {
        let query = "SELECT count(*) FROM products WHERE name = $1 AND removed_at_us IS NULL";
        let found: i64 = sqlx::query_scalar(query).bind(&product.name).fetch_one(&mut *tx).await?;
        if found > 0 {
            taken.push(product.name.clone());
        }
    }
    Ok(taken)
}

pub(super) async fn find(connection: &mut Connection, which: &Which) -> Result<Product> {
    look_up(connection, which).await?.ok_or_else(|| which.not_found())
}

/// The same, where it is no failure that there is none.
pub(super) async fn look_up(connection: &mut Connection, which: &Which) -> DatabaseResult<Option<Product>> {
    Ok(match which {
        Which::Id(id) => {
            let query = "SELECT * FROM products WHERE id = $1 AND removed_at_us IS NULL";
            sqlx::query_as(query).bind(id).fetch_optional(connection).await?
        }
        Which::Name(name) if !is_storable(name) => None,
        Which::Name(name) => {
            let query = "SELECT * FROM products WHERE name = $1 AND removed_at_us IS NULL";
            sqlx::query_as(query).bind(name).fetch_optional(connection).await?
        }
    })
}

pub(super) async fn list(
    snapshot: &mut Connection,
    filter: &Filter,
    order: &str,
    page: Page,
) -> Result<(Vec<Product>, i64)> {
    let wanted = "FROM products WHERE removed_at_us IS NULL AND search LIKE $1 ESCAPE '\\'
        AND price_minor BETWEEN $2 AND $3 AND quantity BETWEEN $4 AND $5";
    // The order is one of ours, never the caller's text (`paging::order_by`).
    let rows = format!("SELECT * {wanted} ORDER BY {order} LIMIT $6 OFFSET $7");
    let products = sqlx::query_as(AssertSqlSafe(rows))
        .bind(&filter.name_like)
        .bind(filter.price_min)
        .bind(filter.price_max)
        .bind(filter.quantity_min)
        .bind(filter.quantity_max)
        .bind(page.limit())
        .bind(page.offset())
        .fetch_all(&mut *snapshot)
        .await?;
    let total = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) {wanted}")))
        .bind(&filter.name_like)
        .bind(filter.price_min)
        .bind(filter.price_max)
        .bind(filter.quantity_min)
        .bind(filter.quantity_max)
        .fetch_one(snapshot)
        .await?;
    Ok((products, total))
}

pub(super) async fn update(
    tx: &mut Connection,
    which: &Which,
    change: &Change,
    now_us: i64,
) -> Result<Product> {
    let before = find(&mut *tx, which).await?;
    let name = change.name.as_ref().unwrap_or(&before.name);
    let price_minor = change.price_minor.unwrap_or(before.price_minor);
    if *name == before.name && price_minor == before.price_minor {
        return Ok(before);
    }
    let query = "UPDATE products SET name = $2, search = $3, price_minor = $4, updated_at_us = $5
        WHERE id = $1 RETURNING *";
    let product: Product = sqlx::query_as(query)
        .bind(before.id)
        .bind(name)
        .bind(folded(name))
        .bind(price_minor)
        .bind(now_us)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| name_taken(error, name))?;
    let change = ProductChange::Updated {
        product: product.id.unsigned_abs(),
        name: product.name.clone(),
        price: Decimal(product.price_minor),
    };
    record(tx, product.id, &change, now_us).await?;
    Ok(product)
}

pub(super) async fn remove(tx: &mut Connection, which: &Which, now_us: i64) -> Result<Product> {
    let product = find(&mut *tx, which).await?;
    let query = "UPDATE products SET removed_at_us = $2, updated_at_us = $2 WHERE id = $1";
    sqlx::query(query).bind(product.id).bind(now_us).execute(&mut *tx).await?;
    let change = ProductChange::Removed { product: product.id.unsigned_abs(), name: product.name.clone() };
    record(tx, product.id, &change, now_us).await?;
    Ok(product)
}

pub(super) async fn restock(tx: &mut Connection, which: &Which, pieces: u32, now_us: i64) -> Result<Product> {
    let before = find(&mut *tx, which).await?;
    if before.initial + i64::from(pieces) > STOCK_MAX {
        let pieces_max = STOCK_MAX.unsigned_abs();
        return Err(StoreError::Refused(ProductError::StockFull { name: before.name, pieces_max }));
    }
    let query = "UPDATE products
        SET initial = initial + $2, quantity = quantity + $2, updated_at_us = $3 WHERE id = $1 RETURNING *";
    let product = sqlx::query_as(query)
        .bind(before.id)
        .bind(i64::from(pieces))
        .bind(now_us)
        .fetch_one(&mut *tx)
        .await?;
    record_stock(tx, &product, now_us).await?;
    Ok(product)
}

/// Writes down how much of a product there is now.
pub(super) async fn record_stock(tx: &mut Connection, product: &Product, now_us: i64) -> DatabaseResult<()> {
    let change = ProductChange::Stock {
        product: product.id.unsigned_abs(),
        quantity: product.quantity.unsigned_abs(),
        reserved: product.reserved.unsigned_abs(),
        sold: product.sold.unsigned_abs(),
    };
    record(tx, product.id, &change, now_us).await
}

async fn record(
    tx: &mut Connection,
    product: i64,
    change: &ProductChange,
    now_us: i64,
) -> DatabaseResult<()> {
    events::append(tx, &product.to_string(), change, now_us).await
}

fn name_taken(error: sqlx::Error, name: &str) -> StoreError<ProductError> {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        return StoreError::Refused(ProductError::ProductAlreadyExists { name: name.to_owned() });
    }
    error.into()
}

impl FromRow<'_, Row> for Product {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            price_minor: row.try_get("price_minor")?,
            initial: row.try_get("initial")?,
            quantity: row.try_get("quantity")?,
            reserved: row.try_get("reserved")?,
            sold: row.try_get("sold")?,
            created_at_us: row.try_get("created_at_us")?,
            updated_at_us: row.try_get("updated_at_us")?,
        })
    }
}

pub(super) fn check_name_length(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !is_storable(name) {
        return Err(StoreError::Invalid("a product's name has 1 to 200 characters, none of them zero"));
    }
    Ok(())
}

pub(super) fn check_name(name: &str) -> Result<()> {
    check_name_length(name)?;
    if is_number(name) {
        return Err(StoreError::Invalid("a product's name is not a number"));
    }
    Ok(())
}

pub(super) fn check_price(price_minor: i64) -> Result<()> {
    if !(0..=PRICE_MINOR_MAX).contains(&price_minor) {
        return Err(StoreError::Invalid("a price is between 0 and 10,000,000.00"));
    }
    Ok(())
}

pub(super) fn check_stock(pieces: i64) -> Result<()> {
    if !(0..=STOCK_MAX).contains(&pieces) {
        return Err(StoreError::Invalid("a stock is between 0 and 1,000,000,000,000 pieces"));
    }
    Ok(())
}
