//! Attempts to buy: from intent, by lease and recovery, to the decision. Runs within the caller's transaction.

use micronet_wire::schema::Decimal;
use sqlx::{FromRow, Row as _};

use super::orders::Order;
use super::{KEY_BYTES_MAX, NAME_CHARS_MAX, Result};
use crate::database::{Connection, DatabaseError, Row, is_storable};
use crate::events;
use crate::once::PURGED_AT_ONCE;
use crate::order::api::{Buy, OrderChange, OrderStatus};
use crate::store::StoreError;

/// What is written down when somebody wants to buy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttempt {
    /// Principal, method and token, joined: the name of this one intention to buy.
    pub token_key: String,
    /// The request's body, hashed, so that a token that comes back with another body is noticed.
    pub body_hash: [u8; 32],
    /// A fresh identifier, under which the product service reserves the stock.
    pub reservation: String,
    /// The product's name, whether or not such a product exists.
    pub product: String,
    /// How many.
    pub quantity: u32,
    /// The user who buys, if one does.
    pub customer: Option<i64>,
    /// The instance that works on it.
    pub owner: String,
    /// Until when nobody else may.
    pub lease_until_us: i64,
    /// Now.
    pub now_us: i64,
}

/// An attempt that is not decided yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The row, in the order in which attempts came.
    pub id: i64,
    /// Principal, method and token, joined.
    pub token_key: String,
    /// The token under which the product service reserves the stock for it.
    pub reservation: String,
    /// The product's name.
    pub product: String,
    /// How many.
    pub quantity: i64,
    /// The instance that works on it.
    pub owner: String,
    /// Until when nobody else may.
    pub lease_until_us: i64,
    /// When it came.
    pub created_at_us: i64,
}

/// Why an attempt was refused: enough to give the same answer again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error's code.
    pub code: String,
    /// The error's words.
    pub message: String,
    /// What there was in stock, where that was the reason.
    pub available: Option<i64>,
}

/// What [`super::OrderStore::intend`] found or made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A new attempt: the caller carries it out.
    Fresh(Attempt),
    /// The token's attempt is under way, here or elsewhere, or was left by a crash.
    Pending(Attempt),
    /// The token's attempt was decided.
    Decided(Decision),
}

/// What an attempt came to. The first decision stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is this order.
    Confirmed(Order),
    /// It is no order.
    Refused(Refusal),
}

impl NewAttempt {
    pub(super) fn check(&self) -> Result<()> {
        let is_key = |key: &str| !key.is_empty() && key.len() <= KEY_BYTES_MAX && is_storable(key);
        if !(is_key(&self.token_key) && is_key(&self.reservation) && is_key(&self.owner)) {
            return Err(StoreError::Invalid(
                "a token, a reservation and an owner have 1 to 512 bytes, none of them zero",
            ));
        }
        if self.product.is_empty()
            || self.product.chars().count() > NAME_CHARS_MAX
            || !is_storable(&self.product)
        {
            return Err(StoreError::Invalid("a product's name has 1 to 200 characters, none of them zero"));
        }
        if self.quantity == 0 {
            return Err(StoreError::Invalid("the quantity is at least 1"));
        }
        Ok(())
    }
}

pub(super) async fn intend(tx: &mut Connection, new: &NewAttempt) -> Result<Intent> {
    if let Some((body_hash, outcome)) = find(&mut *tx, &new.token_key).await? {
        return if body_hash == new.body_hash { Ok(outcome) } else { Err(StoreError::TokenReused) };
    }
    // Not if somebody was told that it will never happen.
    let query = "INSERT INTO orders
            (token_key, body_hash, reservation, product, quantity, customer, state, owner, lease_until_us, created_at_us)
        SELECT $1, $2, $3, $4, $5, $6, 'pending', $7, $8, $9
        WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE token_key = $1 AND expires_us >= $9) RETURNING *";
    let attempt: Option<Attempt> = sqlx::query_as(query)
        .bind(&new.token_key)
        .bind(&new.body_hash[..])
        .bind(&new.reservation)
        .bind(&new.product)
        .bind(i64::from(new.quantity))
        .bind(new.customer)
        .bind(&new.owner)
        .bind(new.lease_until_us)
        .bind(new.now_us)
        .fetch_optional(tx)
        .await?;
    attempt.map(Intent::Fresh).ok_or(StoreError::TokenWithdrawn)
}

pub(super) async fn confirm(
    tx: &mut Connection,
    attempt: &Attempt,
    price_minor: i64,
    now_us: i64,
) -> Result<Decision> {
    let query = "UPDATE orders SET
            state = 'confirmed',
            order_num = (SELECT coalesce(max(order_num), 0) + 1 FROM orders),
            decided_seq = (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders),
            price_minor = $2, total_minor = $2 * quantity, status = $3, status_at_us = $4, decided_at_us = $4
        WHERE id = $1 AND state = 'pending' RETURNING *";
    let confirmed: Option<Order> = sqlx::query_as(query)
        .bind(attempt.id)
        .bind(price_minor)
        .bind(OrderStatus::Processing.name())
        .bind(now_us)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(order) = confirmed else { return decision(tx, attempt).await };
    let change = OrderChange::Placed {
        order_num: order.order_num.unsigned_abs(),
        name: order.product.clone(),
        quantity: order.quantity.unsigned_abs(),
        total: Decimal(order.total_minor),
        customer: order.customer.map(i64::unsigned_abs),
    };
    events::append(tx, &order.reservation, &change, now_us).await?;
    Ok(Decision::Confirmed(order))
}

/// Who says no to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refuser {
    /// Product, which so holds nothing, and doesn't have to hear of it.
    Product,
    /// Somebody else: product may hold pieces all the same, because another copy of the request came further.
    Another,
}

pub(super) async fn refuse(
    tx: &mut Connection,
    attempt: &Attempt,
    refusal: &Refusal,
    refuser: Refuser,
    now_us: i64,
    expires_us: i64,
) -> Result<Decision> {
    let query = "UPDATE orders SET
            state = 'refused',
            decided_seq = (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders),
            refusal_code = $2, refusal_message = $3, refusal_available = $4, decided_at_us = $5, expires_us = $6
        WHERE id = $1 AND state = 'pending'";
    let refused = sqlx::query(query)
        .bind(attempt.id)
        .bind(&refusal.code)
        .bind(&refusal.message)
        .bind(refusal.available)
        .bind(now_us)
        .bind(expires_us)
        .execute(&mut *tx)
        .await?;
    if refused.rows_affected() > 0 && refuser == Refuser::Another {
        record_abandoned(&mut *tx, attempt, now_us).await?;
    }
    decision(tx, attempt).await
}

/// Product may hold pieces for this attempt: it has to give them back.
async fn record_abandoned(tx: &mut Connection, attempt: &Attempt, now_us: i64) -> Result<()> {
    let (name, quantity) = (attempt.product.clone(), attempt.quantity.unsigned_abs());
    let change = OrderChange::Abandoned { name, quantity };
    Ok(events::append(tx, &attempt.reservation, &change, now_us).await?)
}

pub(super) async fn abandon(
    tx: &mut Connection,
    attempt: &Attempt,
    refusal: &Refusal,
    now_us: i64,
    expires_us: i64,
) -> Result<Decision> {
    let query = "UPDATE orders SET
            state = 'refused', token_key = NULL,
            decided_seq = (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders),
            refusal_code = $2, refusal_message = $3, decided_at_us = $4, expires_us = $5
        WHERE id = $1 AND state = 'pending'";
    let abandoned = sqlx::query(query)
        .bind(attempt.id)
        .bind(&refusal.code)
        .bind(&refusal.message)
        .bind(now_us)
        .bind(expires_us)
        .execute(&mut *tx)
        .await?;
    if abandoned.rows_affected() > 0 {
        record_abandoned(&mut *tx, attempt, now_us).await?;
    }
    decision(tx, attempt).await
}

/// The decision on an attempt: the one just made, or the one that stood already.
async fn decision(tx: &mut Connection, attempt: &Attempt) -> Result<Decision> {
    let row = sqlx::query("SELECT * FROM orders WHERE id = $1").bind(attempt.id).fetch_optional(tx).await?;
    match row.as_ref().map(outcome).transpose()? {
        Some(Intent::Decided(decision)) => Ok(decision),
        Some(Intent::Fresh(_) | Intent::Pending(_)) | None => {
            Err(DatabaseError::Corrupt("an attempt to buy is gone".into()).into())
        }
    }
}

/// The token's row: its body's hash, and what became of it.
pub(super) async fn find(connection: &mut Connection, token_key: &str) -> Result<Option<(Vec<u8>, Intent)>> {
    let query = "SELECT * FROM orders WHERE token_key = $1";
    let Some(row) = sqlx::query(query).bind(token_key).fetch_optional(connection).await? else {
        return Ok(None);
    };
    Ok(Some((row.try_get("body_hash")?, outcome(&row)?)))
}

/// What a token asked for, and what became of it.
pub(super) async fn recall(tx: &mut Connection, token_key: &str) -> Result<Option<(Buy, Intent)>> {
    let query = "SELECT * FROM orders WHERE token_key = $1";
    let Some(row) = sqlx::query(query).bind(token_key).fetch_optional(tx).await? else { return Ok(None) };
    let (quantity, customer): (i64, Option<i64>) = (row.try_get("quantity")?, row.try_get("customer")?);
    let buy = Buy {
        name: row.try_get("product")?,
        quantity: u32::try_from(quantity).unwrap_or(u32::MAX),
        customer: customer.map(i64::unsigned_abs),
    };
    Ok(Some((buy, outcome(&row)?)))
}

/// Whether anything is due for [`purge`].
pub(super) const DUE: &str = "SELECT 1 FROM orders WHERE expires_us < $1
    AND decided_seq < (SELECT max(decided_seq) FROM orders) LIMIT 1";

/// Removes some of the attempts that came to nothing and that nobody can ask for any more, the oldest first. How many.
pub(super) async fn purge(tx: &mut Connection, now_us: i64) -> std::result::Result<u64, DatabaseError> {
    // The last decision stays: its place in the log must not be given again.
    let query = "DELETE FROM orders WHERE id IN
        (SELECT id FROM orders WHERE expires_us < $1 AND decided_seq < (SELECT max(decided_seq) FROM orders)
        ORDER BY expires_us LIMIT $2)";
    Ok(sqlx::query(query).bind(now_us).bind(PURGED_AT_ONCE).execute(tx).await?.rows_affected())
}

/// What became of the attempt in this row.
fn outcome(row: &Row) -> std::result::Result<Intent, sqlx::Error> {
    Ok(match row.try_get("state")? {
        "pending" => Intent::Pending(Attempt::from_row(row)?),
        "confirmed" => Intent::Decided(Decision::Confirmed(Order::from_row(row)?)),
        "refused" => Intent::Decided(Decision::Refused(Refusal::from_row(row)?)),
        other => return Err(sqlx::Error::Decode(format!("order state {other:?}").into())),
    })
}

pub(super) async fn recoverable(
    connection: &mut Connection,
    owner: Option<&str>,
    now_us: i64,
    limit: u32,
) -> Result<Vec<Attempt>> {
    // No owner is NULL, which equals nothing.
    let query = "SELECT * FROM orders
        WHERE state = 'pending' AND (lease_until_us < $2 OR owner = $1) ORDER BY id LIMIT $3";
    Ok(sqlx::query_as(query).bind(owner).bind(now_us).bind(i64::from(limit)).fetch_all(connection).await?)
}

impl FromRow<'_, Row> for Attempt {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            token_key: row.try_get("token_key")?,
            reservation: row.try_get("reservation")?,
            product: row.try_get("product")?,
            quantity: row.try_get("quantity")?,
            owner: row.try_get("owner")?,
            lease_until_us: row.try_get("lease_until_us")?,
            created_at_us: row.try_get("created_at_us")?,
        })
    }
}

impl FromRow<'_, Row> for Refusal {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            code: row.try_get("refusal_code")?,
            message: row.try_get("refusal_message")?,
            available: row.try_get("refusal_available")?,
        })
    }
}
