//! The reservations: what became of every token that asked for pieces. Runs within the caller's transaction.

use sqlx::{FromRow, Row as _};

use super::{StoreError, TOKEN_BYTES_MAX, catalog};
use crate::database::{Connection, Row};

/// What a token took out of the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Which product.
    pub product_id: i64,
    /// How many.
    pub quantity: i64,
    /// The price of one at that moment, in minor units.
    pub price_minor: i64,
}

/// What became of a token. A repeat of the same request gets the same answer, or the state that followed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// The pieces are set aside until they are settled or released.
    Reserved(Taken),
    /// The pieces are sold.
    Settled(Taken),
    /// The pieces went back, or were never taken and never will be.
    Released,
    /// Refused: no product on sale bears the name.
    UnknownProduct,
    /// Refused: there were not enough.
    OutOfStock {
        /// How many there were at that moment.
        available: i64,
    },
}

/// A request for pieces whose arguments are within their limits.
pub(super) struct Request {
    token: String,
    body_hash: [u8; 32],
    name: String,
    quantity: i64,
    now_us: i64,
}

impl Request {
    pub(super) fn parse(
        token: &str,
        body_hash: [u8; 32],
        name: &str,
        quantity: u32,
        now_us: i64,
    ) -> Result<Self, StoreError> {
        catalog::check_name(name)?;
        if quantity == 0 {
            return Err(StoreError::Invalid("the quantity is at least 1"));
        }
        let quantity = i64::from(quantity);
        Ok(Self { token: parse_token(token)?, body_hash, name: name.to_owned(), quantity, now_us })
    }
}

pub(super) fn parse_token(token: &str) -> Result<String, StoreError> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || token.contains('\0') {
        return Err(StoreError::Invalid("a token has 1 to 512 bytes, none of them zero"));
    }
    Ok(token.to_owned())
}

/// Whether pieces are set aside or sold at once.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    Reserve,
    Sell,
}

pub(super) async fn take(
    tx: &mut Connection,
    request: &Request,
    goal: Goal,
) -> Result<Reservation, StoreError> {
    if let Some(stored) = find(&mut *tx, &request.token).await? {
        // A tombstone has no hash: whatever the request was, it came too late.
        return match stored.body_hash {
            Some(hash) if hash != request.body_hash => Err(StoreError::TokenReused),
            _ => Ok(stored.reservation),
        };
    }
    let outcome = match take_pieces(&mut *tx, request, goal).await? {
        Some(taken) => match goal {
            Goal::Reserve => Reservation::Reserved(taken),
            Goal::Sell => Reservation::Settled(taken),
        },
        None => why_refused(&mut *tx, &request.name).await?,
    };
    insert(tx, request, outcome).await?;
    Ok(outcome)
}

/// Moves the pieces if there are enough: one statement, so that nothing can come between the check and the change.
async fn take_pieces(
    tx: &mut Connection,
    request: &Request,
    goal: Goal,
) -> Result<Option<Taken>, StoreError> {
    let (reserved, sold) = match goal {
        Goal::Reserve => (request.quantity, 0),
        Goal::Sell => (0, request.quantity),
    };
    let query = "UPDATE products
        SET quantity = quantity - $2, reserved = reserved + $3, sold = sold + $4, updated_at_us = $5
        WHERE name = $1 AND removed_at_us IS NULL AND quantity >= $2
        RETURNING id, price_minor";
    let row: Option<(i64, i64)> = sqlx::query_as(query)
        .bind(&request.name)
        .bind(request.quantity)
        .bind(reserved)
        .bind(sold)
        .bind(request.now_us)
        .fetch_optional(tx)
        .await?;
    Ok(row.map(|(product_id, price_minor)| Taken { product_id, quantity: request.quantity, price_minor }))
}

async fn why_refused(tx: &mut Connection, name: &str) -> Result<Reservation, StoreError> {
    let query = "SELECT quantity FROM products WHERE name = $1 AND removed_at_us IS NULL";
    let available: Option<i64> = sqlx::query_scalar(query).bind(name).fetch_optional(tx).await?;
    Ok(available.map_or(Reservation::UnknownProduct, |available| Reservation::OutOfStock { available }))
}

async fn insert(tx: &mut Connection, request: &Request, outcome: Reservation) -> Result<(), StoreError> {
    let (taken, available) = match outcome {
        Reservation::Reserved(taken) | Reservation::Settled(taken) => (Some(taken), None),
        Reservation::OutOfStock { available } => (None, Some(available)),
        Reservation::Released | Reservation::UnknownProduct => (None, None),
    };
    let query = "INSERT INTO reservations
            (token, body_hash, state, product_id, quantity, price_minor, available, created_at_us, updated_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    sqlx::query(query)
        .bind(&request.token)
        .bind(&request.body_hash[..])
        .bind(state_of(outcome))
        .bind(taken.map(|taken| taken.product_id))
        .bind(request.quantity)
        .bind(taken.map(|taken| taken.price_minor))
        .bind(available)
        .bind(request.now_us)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn settle(tx: &mut Connection, token: &str, now_us: i64) -> Result<Taken, StoreError> {
    let stored = find(&mut *tx, token).await?.ok_or(StoreError::UnknownToken)?;
    let taken = match stored.reservation {
        Reservation::Reserved(taken) => taken,
        Reservation::Settled(taken) => return Ok(taken),
        other => return Err(StoreError::NotReserved(other)),
    };
    let query = "UPDATE products
        SET reserved = reserved - $2, sold = sold + $2, updated_at_us = $3 WHERE id = $1";
    move_pieces(&mut *tx, query, taken, now_us).await?;
    set_state(tx, token, Reservation::Settled(taken), now_us).await?;
    Ok(taken)
}

pub(super) async fn release(
    tx: &mut Connection,
    token: &str,
    now_us: i64,
) -> Result<Reservation, StoreError> {
    let Some(stored) = find(&mut *tx, token).await? else {
        let query = "INSERT INTO reservations (token, state, quantity, created_at_us, updated_at_us)
            VALUES ($1, $2, 0, $3, $3)";
        let state = state_of(Reservation::Released);
        sqlx::query(query).bind(token).bind(state).bind(now_us).execute(tx).await?;
        return Ok(Reservation::Released);
    };
    match stored.reservation {
        Reservation::Reserved(taken) => {
            let query = "UPDATE products
                SET reserved = reserved - $2, quantity = quantity + $2, updated_at_us = $3 WHERE id = $1";
            move_pieces(&mut *tx, query, taken, now_us).await?;
            set_state(tx, token, Reservation::Released, now_us).await?;
            Ok(Reservation::Released)
        }
        Reservation::Settled(taken) => Err(StoreError::AlreadySettled(taken)),
        done => Ok(done),
    }
}

async fn move_pieces(
    tx: &mut Connection,
    query: &'static str,
    taken: Taken,
    now_us: i64,
) -> Result<(), StoreError> {
    sqlx::query(query).bind(taken.product_id).bind(taken.quantity).bind(now_us).execute(tx).await?;
    Ok(())
}

async fn set_state(
    tx: &mut Connection,
    token: &str,
    reservation: Reservation,
    now_us: i64,
) -> Result<(), StoreError> {
    let query = "UPDATE reservations SET state = $2, updated_at_us = $3 WHERE token = $1";
    sqlx::query(query).bind(token).bind(state_of(reservation)).bind(now_us).execute(tx).await?;
    Ok(())
}

/// The words of the table's `state` column.
fn state_of(reservation: Reservation) -> &'static str {
    match reservation {
        Reservation::Reserved(_) => "reserved",
        Reservation::Settled(_) => "settled",
        Reservation::Released => "released",
        Reservation::UnknownProduct => "refused_unknown",
        Reservation::OutOfStock { .. } => "refused_stock",
    }
}

/// A row of the reservations.
pub(super) struct Stored {
    body_hash: Option<Vec<u8>>,
    pub(super) reservation: Reservation,
}

pub(super) async fn find(connection: &mut Connection, token: &str) -> Result<Option<Stored>, StoreError> {
    let query = "SELECT body_hash, state, product_id, quantity, price_minor, available
        FROM reservations WHERE token = $1";
    Ok(sqlx::query_as(query).bind(token).fetch_optional(connection).await?)
}

impl FromRow<'_, Row> for Stored {
    fn from_row(row: &Row) -> Result<Self, sqlx::Error> {
        let taken = || {
            Ok::<_, sqlx::Error>(Taken {
                product_id: row.try_get("product_id")?,
                quantity: row.try_get("quantity")?,
                price_minor: row.try_get("price_minor")?,
            })
        };
        let reservation = match row.try_get("state")? {
            "reserved" => Reservation::Reserved(taken()?),
            "settled" => Reservation::Settled(taken()?),
            "released" => Reservation::Released,
            "refused_unknown" => Reservation::UnknownProduct,
            "refused_stock" => Reservation::OutOfStock { available: row.try_get("available")? },
            other => return Err(sqlx::Error::Decode(format!("reservation state {other:?}").into())),
        };
        Ok(Self { body_hash: row.try_get("body_hash")?, reservation })
    }
}
