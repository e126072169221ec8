//! Confirmed orders, and the log of all decisions. Runs within the caller's transaction.

use std::fmt::Write;

use micronet_wire::schema::Decimal;
use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::Result;
use crate::database::{Connection, Query, Row, is_storable};
use crate::demo::Demo;
use crate::events;
use crate::order::api::{OrderChange, OrderError, OrderStatus};
use crate::paging::Page;
use crate::store::StoreError;

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
    /// Where it is on its way.
    pub status: OrderStatus,
    /// Since when.
    pub status_at_us: i64,
    /// The user who bought it, if one did.
    pub customer: Option<i64>,
    /// When the attempt came.
    pub created_at_us: i64,
    /// When it was confirmed.
    pub decided_at_us: i64,
}

/// Which orders a list holds: those that have all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Where they are on their way.
    pub status: Option<OrderStatus>,
    /// Who bought them.
    pub customer: Option<i64>,
    /// What was bought.
    pub product: Option<String>,
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

pub(super) async fn seed(tx: &mut Connection, demo: Demo, now_us: i64) -> Result<bool> {
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut *tx).await?;
    if rows > 0 {
        return Ok(false);
    }
    // No event tells of them: the seeded stock is what was left after them.
    let query = "INSERT INTO orders
            (token_key, body_hash, reservation, product, quantity, state, owner, lease_until_us, decided_seq,
             order_num, price_minor, total_minor, status, status_at_us, created_at_us, decided_at_us)
        VALUES ($1, $2, $1, $3, $4, 'confirmed', 'demo', $5, $6, $6, $7, $8, $9, $5, $5, $5)";
    for (order_num, order) in (1_i64..).zip(demo.orders()) {
        sqlx::query(query)
            .bind(Demo::reservation(order_num))
            .bind(&[0_u8; 32][..])
            .bind(order.product)
            .bind(order.quantity)
            .bind(now_us)
            .bind(order_num)
            .bind(order.price_minor)
            .bind(order.price_minor * order.quantity)
            .bind(order.status.name())
            .execute(&mut *tx)
            .await?;
    }
    Ok(!demo.orders().is_empty())
}

pub(super) async fn by_number(connection: &mut Connection, order_num: i64) -> Result<Order> {
    let query = "SELECT * FROM orders WHERE order_num = $1";
    let found = sqlx::query_as(query).bind(order_num).fetch_optional(connection).await?;
    let not_found = || StoreError::Refused(OrderError::OrderNotFound { order_num: order_num.unsigned_abs() });
    found.ok_or_else(not_found)
}

pub(super) async fn list(
    snapshot: &mut Connection,
    filter: &Filter,
    order: &str,
    page: Page,
) -> Result<(Vec<Order>, i64)> {
    if filter.product.as_deref().is_some_and(|product| !is_storable(product)) {
        return Ok((Vec::new(), 0));
    }
    // Which conditions there are is ours to say; what they compare with is bound.
    let conditions = filter.conditions();
    let mut wanted = "FROM orders WHERE state = 'confirmed'".to_owned();
    for (column, place) in conditions.iter().zip(1..) {
        let _ = write!(wanted, " AND {column} = ${place}");
    }
    let (limit, offset) = (conditions.len() + 1, conditions.len() + 2);
    let rows = format!("SELECT * {wanted} ORDER BY {order} LIMIT ${limit} OFFSET ${offset}");
    let rows = filter.bind(sqlx::query(AssertSqlSafe(rows))).bind(page.limit()).bind(page.offset());
    let rows = rows.fetch_all(&mut *snapshot).await?;
    let orders = rows.iter().map(Order::from_row).collect::<std::result::Result<_, _>>()?;
    let count = filter.bind(sqlx::query(AssertSqlSafe(format!("SELECT count(*) AS total {wanted}"))));
    let total = count.fetch_one(snapshot).await?.try_get("total")?;
    Ok((orders, total))
}

impl Filter {
    /// The columns that have to have what [`Filter::bind`] binds, in its order.
    fn conditions(&self) -> Vec<&'static str> {
        let all = [
            (self.status.is_some(), "status"),
            (self.customer.is_some(), "customer"),
            (self.product.is_some(), "product"),
        ];
        all.into_iter().filter(|(given, _)| *given).map(|(_, column)| column).collect()
    }

    fn bind(&self, mut query: Query) -> Query {
        if let Some(status) = self.status {
            query = query.bind(status.name());
        }
        if let Some(customer) = self.customer {
            query = query.bind(customer);
        }
        match &self.product {
            Some(product) => query.bind(product.clone()),
            None => query,
        }
    }
}

pub(super) async fn set_status(
    tx: &mut Connection,
    order_num: i64,
    to: OrderStatus,
    now_us: i64,
) -> Result<Order> {
    let before = by_number(&mut *tx, order_num).await?;
    let from = before.status;
    if from == to {
        return Ok(before);
    }
    let number = order_num.unsigned_abs();
    if !from.next().contains(&to) {
        let allowed = from.next().to_vec();
        return Err(StoreError::Refused(OrderError::InvalidTransition {
            order_num: number,
            from,
            to,
            allowed,
        }));
    }
    let query = "UPDATE orders SET status = $2, status_at_us = $3 WHERE order_num = $1 RETURNING *";
    let order: Order =
        sqlx::query_as(query).bind(order_num).bind(to.name()).bind(now_us).fetch_one(&mut *tx).await?;
    let change = match to {
        OrderStatus::Cancelled => OrderChange::Cancelled {
            order_num: number,
            name: order.product.clone(),
            quantity: order.quantity.unsigned_abs(),
            total: Decimal(order.total_minor),
            customer: order.customer.map(i64::unsigned_abs),
        },
        _ => OrderChange::Moved { order_num: number, from, to },
    };
    events::append(tx, &order.reservation, &change, now_us).await?;
    Ok(order)
}

pub(super) async fn log_text(connection: &mut Connection, after: i64, limit: u32) -> Result<LogPage> {
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
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        let status: String = row.try_get("status")?;
        let status = OrderStatus::ALL.into_iter().find(|known| known.name() == status);
        let unknown = || sqlx::Error::Decode("an order's status is none of ours".into());
        Ok(Self {
            order_num: row.try_get("order_num")?,
            token_key: row.try_get("token_key")?,
            reservation: row.try_get("reservation")?,
            product: row.try_get("product")?,
            quantity: row.try_get("quantity")?,
            price_minor: row.try_get("price_minor")?,
            total_minor: row.try_get("total_minor")?,
            status: status.ok_or_else(unknown)?,
            status_at_us: row.try_get("status_at_us")?,
            customer: row.try_get("customer")?,
            created_at_us: row.try_get("created_at_us")?,
            decided_at_us: row.try_get("decided_at_us")?,
        })
    }
}
