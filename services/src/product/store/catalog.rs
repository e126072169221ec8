//! The catalog: what is on sale, at which price, and where its pieces are. Runs within the caller's transaction.

use sqlx::{FromRow, Row as _};

use super::{NAME_BYTES_MAX, PRICE_MINOR_MAX, PRODUCTS_MAX, STOCK_MAX, StoreError};
use crate::database::{Connection, Row};
use crate::demo::Demo;

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

/// What is to change about a product; `None` leaves it as it is. Stock changes by [`super::ProductStore::restock`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductChange {
    /// The new name.
    pub name: Option<String>,
    /// The new price of one, in minor units. Reservations keep the price that they were made at.
    pub price_minor: Option<i64>,
}

pub(super) async fn seed(tx: &mut Connection, demo: Demo, now_us: i64) -> Result<bool, StoreError> {
    // Removed products count: a catalog that somebody has emptied stays empty.
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM products").fetch_one(&mut *tx).await?;
    if rows > 0 {
        return Ok(false);
    }
    for product in demo.products() {
        let row = NewProduct {
            name: product.name.to_owned(),
            price_minor: product.price_minor,
            quantity: product.quantity,
        };
        create(&mut *tx, &row, now_us).await?;
    }
    Ok(demo != Demo::None)
}

pub(super) async fn count(connection: &mut Connection) -> Result<i64, StoreError> {
    let query = "SELECT count(*) FROM products WHERE removed_at_us IS NULL";
    Ok(sqlx::query_scalar(query).fetch_one(connection).await?)
}

pub(super) async fn create(
    tx: &mut Connection,
    new: &NewProduct,
    now_us: i64,
) -> Result<Product, StoreError> {
    if count(&mut *tx).await? >= PRODUCTS_MAX {
        return Err(StoreError::CatalogFull);
    }
    let query = "INSERT INTO products
            (name, price_minor, initial, quantity, reserved, sold, created_at_us, updated_at_us)
        VALUES ($1, $2, $3, $3, 0, 0, $4, $4) RETURNING *";
    sqlx::query_as(query)
        .bind(&new.name)
        .bind(new.price_minor)
        .bind(new.quantity)
        .bind(now_us)
        .fetch_one(tx)
        .await
        .map_err(name_taken)
}

pub(super) async fn update(
    tx: &mut Connection,
    id: i64,
    change: &ProductChange,
    now_us: i64,
) -> Result<Product, StoreError> {
    let query = "UPDATE products
        SET name = coalesce($2, name), price_minor = coalesce($3, price_minor), updated_at_us = $4
        WHERE id = $1 AND removed_at_us IS NULL RETURNING *";
    sqlx::query_as(query)
        .bind(id)
        .bind(change.name.as_deref())
        .bind(change.price_minor)
        .bind(now_us)
        .fetch_optional(tx)
        .await
        .map_err(name_taken)?
        .ok_or(StoreError::UnknownProduct)
}

pub(super) async fn remove(tx: &mut Connection, id: i64, now_us: i64) -> Result<(), StoreError> {
    let query = "UPDATE products SET removed_at_us = $2, updated_at_us = $2
        WHERE id = $1 AND removed_at_us IS NULL";
    match sqlx::query(query).bind(id).bind(now_us).execute(tx).await?.rows_affected() {
        0 => Err(StoreError::UnknownProduct),
        _ => Ok(()),
    }
}

pub(super) async fn restock(
    tx: &mut Connection,
    id: i64,
    pieces: i64,
    now_us: i64,
) -> Result<Product, StoreError> {
    let query = "UPDATE products
        SET initial = initial + $2, quantity = quantity + $2, updated_at_us = $3
        WHERE id = $1 AND removed_at_us IS NULL RETURNING *";
    let product: Product = sqlx::query_as(query)
        .bind(id)
        .bind(pieces)
        .bind(now_us)
        .fetch_optional(tx)
        .await?
        .ok_or(StoreError::UnknownProduct)?;
    // An error undoes the update above.
    check_stock(product.initial)?;
    Ok(product)
}

fn name_taken(error: sqlx::Error) -> StoreError {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        return StoreError::NameTaken;
    }
    error.into()
}

impl FromRow<'_, Row> for Product {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
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

pub(super) fn check_name(name: &str) -> Result<(), StoreError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains('\0') {
        return Err(StoreError::Invalid("a product's name has 1 to 200 bytes, none of them zero"));
    }
    Ok(())
}

pub(super) fn check_price(price_minor: i64) -> Result<(), StoreError> {
    if !(0..=PRICE_MINOR_MAX).contains(&price_minor) {
        return Err(StoreError::Invalid("a price is between 0 and 10,000,000.00"));
    }
    Ok(())
}

pub(super) fn check_stock(pieces: i64) -> Result<(), StoreError> {
    if !(0..=STOCK_MAX).contains(&pieces) {
        return Err(StoreError::Invalid("a stock is between 0 and 1,000,000,000,000 pieces"));
    }
    Ok(())
}
