//! Confirmed orders, and the log of all decisions. Runs within the caller's transaction.

use std::fmt::Write;

use sqlx::{FromRow, Row as _};

use super::StoreError;
use crate::database::{Connection, Row};
use crate::demo::Demo;

/// An attempt that was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, from 1, without gaps.
    pub order_num: i64,
    /// Principal, method and token, joined.
    pub token_key: String,
    /// The token under which the product service holds or sold its pieces.
    pub reservation: String,
    /// The product's name when it was bought.
    pub product: String,
    /// How many.
    pub quantity: i64,
    /// The price of one, in minor units.
    pub price_minor: i64,
    /// The price of all, in minor units.
    pub total_minor: i64,
    /// Where it is on its way ("Processing").
    pub status: String,
    /// Whether the product service knows its pieces as sold.
    pub settled: bool,
    /// When the attempt came.
    pub created_at_us: i64,
    /// When it was confirmed.
    pub decided_at_us: i64,
}

/// A part of the order log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Whole lines, each with its newline character.
    pub text: String,
    /// How many lines.
    pub lines: u32,
    /// What to pass as `after` for the next page; on an empty page what was passed for this one.
    pub last: i64,
}

pub(super) async fn seed(tx: &mut Connection, demo: Demo, now_us: i64) -> Result<bool, StoreError> {
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *tx).await?;
    if rows > 0 {
        return Ok(false);
    }
    // They are settled: the seeded stock is what was left after them.
    let query = "INSERT INTO orders
            (token_key, body_hash, reservation, product, quantity, state, owner, lease_until_us, decided_seq,
             order_num, price_minor, total_minor, status, settled, created_at_us, decided_at_us)
        VALUES ($1, $2, $1, $3, $4, 'confirmed', 'demo', $5, $6, $6, $7, $7 * $4, $8, 1, $5, $5)";
    for (order_num, order) in (1_i64..).zip(demo.orders()) {
        sqlx::query(query)
            .bind(format!("demo:{order_num}"))
            .bind(&[0_u8; 32][..])
            .bind(order.product)
            .bind(order.quantity)
            .bind(now_us)
            .bind(order_num)
            .bind(order.price_minor)
            .bind(order.status)
            .execute(&mut *tx)
            .await?;
    }
    Ok(!demo.orders().is_empty())
}

pub(super) async fn by_number(
    connection: &mut Connection,
    order_num: i64,
) -> Result<Option<Order>, StoreError> {
    let query = "SELECT * FROM orders WHERE order_num = $1";
    Ok(sqlx::query_as(query).bind(order_num).fetch_optional(connection).await?)
}

pub(super) async fn list(
    snapshot: &mut Connection,
    offset: u32,
    limit: u32,
) -> Result<(Vec<Order>, i64), StoreError> {
    // Numbers have no gaps, so the highest is the count and a page is a range of them: no page costs more than another.
    let total: i64 = sqlx::query_scalar("SELECT coalesce(max(order_num), 0) FROM orders")
        .fetch_one(&mut *snapshot)
        .await?;
    let query = "SELECT * FROM orders WHERE order_num <= $1 ORDER BY order_num DESC LIMIT $2";
    let orders = sqlx::query_as(query)
        .bind(total - i64::from(offset))
        .bind(i64::from(limit))
        .fetch_all(snapshot)
        .await?;
    Ok((orders, total))
}

pub(super) async fn set_status(
    tx: &mut Connection,
    order_num: i64,
    status: &str,
) -> Result<Order, StoreError> {
    let query = "UPDATE orders SET status = $2 WHERE order_num = $1 RETURNING *";
    let order = sqlx::query_as(query).bind(order_num).bind(status).fetch_optional(tx).await?;
    order.ok_or(StoreError::UnknownOrder)
}

pub(super) async fn log_text(
    connection: &mut Connection,
    after: i64,
    limit: u32,
) -> Result<LogPage, StoreError> {
    let query = "SELECT decided_seq, coalesce(order_num, -1), product, quantity FROM orders
        WHERE decided_seq > $1 ORDER BY decided_seq LIMIT $2";
    let rows: Vec<(i64, i64, String, i64)> =
        sqlx::query_as(query).bind(after).bind(i64::from(limit)).fetch_all(connection).await?;
    let mut page = LogPage { last: after, ..LogPage::default() };
    for (decided_seq, id, product, quantity) in rows {
        push_line(&mut page.text, id, &product, quantity);
        page.lines += 1;
        page.last = decided_seq;
    }
    Ok(page)
}

fn push_line(text: &mut String, id: i64, product: &str, quantity: i64) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{id} ");
    for character in product.chars() {
        if character.is_control() || character == '\\' {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    let _ = writeln!(text, " {quantity}");
}

impl FromRow<'_, Row> for Order {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            order_num: row.try_get("order_num")?,
            token_key: row.try_get("token_key")?,
            reservation: row.try_get("reservation")?,
            product: row.try_get("product")?,
            quantity: row.try_get("quantity")?,
            price_minor: row.try_get("price_minor")?,
            total_minor: row.try_get("total_minor")?,
            status: row.try_get("status")?,
            settled: row.try_get::<i64, _>("settled")? != 0,
            created_at_us: row.try_get("created_at_us")?,
            decided_at_us: row.try_get("decided_at_us")?,
        })
    }
}
