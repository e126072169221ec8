//! Attempts to buy: from intent, by lease and recovery, to the decision. Runs within the caller's transaction.

use sqlx::{FromRow, Row as _};

use super::orders::Order;
use super::{KEY_BYTES_MAX, NAME_BYTES_MAX, STATUS_CONFIRMED, StoreError};
use crate::database::{Connection, Row};

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

/// A decision that the product service may not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsettled {
    /// Its place in the order of decisions.
    pub decided_seq: i64,
    /// The token under which the product service may hold pieces.
    pub reservation: String,
    /// Whether they are sold; otherwise they go back.
    pub sold: bool,
}

impl NewAttempt {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let is_key = |key: &str| !key.is_empty() && key.len() <= KEY_BYTES_MAX && !key.contains('\0');
        if !(is_key(&self.token_key) && is_key(&self.reservation) && is_key(&self.owner)) {
            return Err(StoreError::Invalid(
                "a token, a reservation and an owner have 1 to 512 bytes, none of them zero",
            ));
        }
        if self.product.is_empty() || self.product.len() > NAME_BYTES_MAX || self.product.contains('\0') {
            return Err(StoreError::Invalid("a product's name has 1 to 200 bytes, none of them zero"));
        }
        if self.quantity == 0 {
            return Err(StoreError::Invalid("the quantity is at least 1"));
        }
        Ok(())
    }
}

pub(super) async fn intend(tx: &mut Connection, new: &NewAttempt) -> Result<Intent, StoreError> {
    if let Some((body_hash, outcome)) = find(&mut *tx, &new.token_key).await? {
        return if body_hash == new.body_hash { Ok(outcome) } else { Err(StoreError::TokenReused) };
    }
    let query = "INSERT INTO orders
            (token_key, body_hash, reservation, product, quantity, state, owner, lease_until_us, created_at_us)
        VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8) RETURNING *";
    let attempt = sqlx::query_as(query)
        .bind(&new.token_key)
        .bind(&new.body_hash[..])
        .bind(&new.reservation)
        .bind(&new.product)
        .bind(i64::from(new.quantity))
        .bind(&new.owner)
        .bind(new.lease_until_us)
        .bind(new.now_us)
        .fetch_one(tx)
        .await?;
    Ok(Intent::Fresh(attempt))
}

pub(super) async fn confirm(
    tx: &mut Connection,
    attempt: &Attempt,
    price_minor: i64,
    now_us: i64,
) -> Result<Decision, StoreError> {
    let query = "UPDATE orders SET
            state = 'confirmed',
            order_num = (SELECT coalesce(max(order_num), 0) + 1 FROM orders),
            decided_seq = (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders),
            price_minor = $2, total_minor = $2 * quantity, status = $3, decided_at_us = $4
        WHERE id = $1 AND state = 'pending'";
    sqlx::query(query)
        .bind(attempt.id)
        .bind(price_minor)
        .bind(STATUS_CONFIRMED)
        .bind(now_us)
        .execute(&mut *tx)
        .await?;
    decision(tx, attempt).await
}

pub(super) async fn refuse(
    tx: &mut Connection,
    attempt: &Attempt,
    refusal: &Refusal,
    now_us: i64,
) -> Result<Decision, StoreError> {
    let query = "UPDATE orders SET
            state = 'refused',
            decided_seq = (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders),
            refusal_code = $2, refusal_message = $3, refusal_available = $4, decided_at_us = $5, settled = 1
        WHERE id = $1 AND state = 'pending'";
    sqlx::query(query)
        .bind(attempt.id)
        .bind(&refusal.code)
        .bind(&refusal.message)
        .bind(refusal.available)
        .bind(now_us)
        .execute(&mut *tx)
        .await?;
    decision(tx, attempt).await
}

/// The pieces that may be reserved for an abandoned attempt go back when product has been told: it is not settled yet.
pub(super) async fn abandon(
    tx: &mut Connection,
    attempt: &Attempt,
    refusal: &Refusal,
    now_us: i64,
) -> Result<Decision, StoreError> {
    let query = "UPDATE orders SET
            state = 'refused', token_key = NULL,
            decided_seq = (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders),
            refusal_code = $2, refusal_message = $3, decided_at_us = $4
        WHERE id = $1 AND state = 'pending'";
    sqlx::query(query)
        .bind(attempt.id)
        .bind(&refusal.code)
        .bind(&refusal.message)
        .bind(now_us)
        .execute(&mut *tx)
        .await?;
    decision(tx, attempt).await
}

/// The decision on an attempt: the one just made, or the one that stood already.
async fn decision(tx: &mut Connection, attempt: &Attempt) -> Result<Decision, StoreError> {
    let row = sqlx::query("SELECT * FROM orders WHERE id = $1").bind(attempt.id).fetch_optional(tx).await?;
    match row.as_ref().map(outcome).transpose()? {
        Some(Intent::Decided(decision)) => Ok(decision),
        Some(Intent::Fresh(_) | Intent::Pending(_)) | None => Err(StoreError::UnknownAttempt),
    }
}

pub(super) async fn unsettled(
    connection: &mut Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<Unsettled>, StoreError> {
    let query = "SELECT decided_seq, reservation, CASE WHEN state = 'confirmed' THEN 1 ELSE 0 END AS sold
        FROM orders
        WHERE state <> 'pending' AND settled = 0 AND decided_seq > $1 ORDER BY decided_seq LIMIT $2";
    Ok(sqlx::query_as(query).bind(after).bind(i64::from(limit)).fetch_all(connection).await?)
}

pub(super) async fn mark_settled(tx: &mut Connection, reservation: &str) -> Result<bool, StoreError> {
    let query = "UPDATE orders SET settled = 1 WHERE reservation = $1 AND state <> 'pending'";
    Ok(sqlx::query(query).bind(reservation).execute(tx).await?.rows_affected() > 0)
}

/// The token's row: its body's hash, and what became of it.
pub(super) async fn find(
    connection: &mut Connection,
    token_key: &str,
) -> Result<Option<(Vec<u8>, Intent)>, StoreError> {
    let query = "SELECT * FROM orders WHERE token_key = $1";
    let Some(row) = sqlx::query(query).bind(token_key).fetch_optional(connection).await? else {
        return Ok(None);
    };
    Ok(Some((row.try_get("body_hash")?, outcome(&row)?)))
}

/// What became of the attempt in this row.
fn outcome(row: &Row) -> Result<Intent, sqlx::Error> {
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
) -> Result<Vec<Attempt>, StoreError> {
    // No owner is NULL, which equals nothing.
    let query = "SELECT * FROM orders
        WHERE state = 'pending' AND (lease_until_us < $2 OR owner = $1) ORDER BY id LIMIT $3";
    Ok(sqlx::query_as(query).bind(owner).bind(now_us).bind(i64::from(limit)).fetch_all(connection).await?)
}

impl FromRow<'_, Row> for Unsettled {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            decided_seq: row.try_get("decided_seq")?,
            reservation: row.try_get("reservation")?,
            sold: row.try_get::<i64, _>("sold")? != 0,
        })
    }
}

impl FromRow<'_, Row> for Attempt {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
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
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            code: row.try_get("refusal_code")?,
            message: row.try_get("refusal_message")?,
            available: row.try_get("refusal_available")?,
        })
    }
}
