//! The reservations: what became of every token that asked for pieces. Runs within the caller's transaction.

use sqlx::{FromRow, Row as _};

use super::catalog::{self, Product, Which};
use super::{Result, TOKEN_BYTES_MAX};
use crate::database::{Connection, DatabaseError, Row, is_storable};
use crate::once::{KEPT_US, PURGED_AT_ONCE};
use crate::product::api::ProductError;
use crate::store::StoreError;

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
    /// The pieces were sold, and came back.
    Returned(Taken),
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

/// What a token asked for, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// What became of it.
    pub reservation: Reservation,
    /// The product's name or number, as it was asked for.
    pub wanted: String,
    /// How many were asked for.
    pub quantity: i64,
    /// The product's name as it is now, if it was sold; else empty.
    pub sold: String,
}

/// Pieces that a token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The token.
    pub token: String,
    /// The product's name, as it was asked for.
    pub product: String,
    /// How many.
    pub quantity: i64,
}

/// How long it is remembered what became of an order's pieces, after nothing more can: whoever tells of them again comes sooner.
const ENDED_KEPT_US: i64 = KEPT_US;

/// A request for pieces whose arguments are within their limits.
pub(super) struct Request {
    token: String,
    body_hash: [u8; 32],
    which: Which,
    quantity: i64,
    now_us: i64,
    /// Until when what is over at once is remembered.
    expires_us: i64,
}

impl Request {
    pub(super) fn parse(
        token: &str,
        body_hash: [u8; 32],
        which: Which,
        quantity: u32,
        now_us: i64,
        kept_us: i64,
    ) -> Result<Self> {
        if let Which::Name(name) = &which {
            catalog::check_name_length(name)?;
        }
        if quantity == 0 {
            return Err(StoreError::Invalid("the quantity is at least 1"));
        }
        let quantity = i64::from(quantity);
        let (token, expires_us) = (parse_token(token)?, now_us + kept_us);
        Ok(Self { token, body_hash, which, quantity, now_us, expires_us })
    }
}

pub(super) fn parse_token(token: &str) -> Result<String> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !is_storable(token) {
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

pub(super) async fn take(tx: &mut Connection, request: &Request, goal: Goal) -> Result<Reservation> {
    if let Some(stored) = find(&mut *tx, &request.token).await? {
        // A tombstone has no hash: whatever the request was, it came too late.
        return match stored.body_hash {
            Some(hash) if hash != request.body_hash => Err(StoreError::TokenReused),
            _ => Ok(stored.reservation),
        };
    }
    let outcome = match catalog::find(&mut *tx, &request.which).await {
        Ok(product) if product.quantity < request.quantity => {
            Reservation::OutOfStock { available: product.quantity }
        }
        Ok(product) => {
            let taken = Taken {
                product_id: product.id,
                quantity: request.quantity,
                price_minor: product.price_minor,
            };
            let (moves, outcome) = match goal {
                Goal::Reserve => (Moves { reserved: taken.quantity, sold: 0 }, Reservation::Reserved(taken)),
                Goal::Sell => (Moves { reserved: 0, sold: taken.quantity }, Reservation::Settled(taken)),
            };
            move_pieces(&mut *tx, taken.product_id, moves, request.now_us).await?;
            outcome
        }
        Err(StoreError::Refused(ProductError::ProductNotFound { .. })) => Reservation::UnknownProduct,
        Err(error) => return Err(error),
    };
    // What an order holds may move for as long as the order may.
    let is_over = !matches!((goal, outcome), (Goal::Reserve, Reservation::Reserved(_)));
    insert(tx, request, outcome, is_over.then_some(request.expires_us)).await?;
    Ok(outcome)
}

/// Sells pieces at once. Also the name of the product, on sale or not any more; empty if nothing was sold.
pub(super) async fn sell(tx: &mut Connection, request: &Request) -> Result<(Reservation, String)> {
    let outcome = take(&mut *tx, request, Goal::Sell).await?;
    let name = match outcome {
        Reservation::Settled(taken) => name_of(tx, taken).await?,
        _ => String::new(),
    };
    Ok((outcome, name))
}

async fn insert(
    tx: &mut Connection,
    request: &Request,
    outcome: Reservation,
    expires_us: Option<i64>,
) -> Result<()> {
    let (taken, available) = match outcome {
        Reservation::Reserved(taken) | Reservation::Settled(taken) | Reservation::Returned(taken) => {
            (Some(taken), None)
        }
        Reservation::OutOfStock { available } => (None, Some(available)),
        Reservation::Released | Reservation::UnknownProduct => (None, None),
    };
    // Not if somebody was told that it will never happen.
    let query = "INSERT INTO reservations
            (token, body_hash, state, product_id, wanted, quantity, price_minor, available, created_at_us, updated_at_us,
             expires_us)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10
        WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE token_key = $1 AND expires_us >= $9)";
    let inserted = sqlx::query(query)
        .bind(&request.token)
        .bind(&request.body_hash[..])
        .bind(state_of(outcome))
        .bind(taken.map(|taken| taken.product_id))
        .bind(request.which.text())
        .bind(request.quantity)
        .bind(taken.map(|taken| taken.price_minor))
        .bind(available)
        .bind(request.now_us)
        .bind(expires_us)
        .execute(tx)
        .await?;
    if inserted.rows_affected() == 0 { Err(StoreError::TokenWithdrawn) } else { Ok(()) }
}

pub(super) async fn settle(tx: &mut Connection, token: &str, now_us: i64) -> Result<Taken> {
    // What is reserved has no end yet, and what is settled neither.
    let query = "UPDATE reservations SET state = 'settled', updated_at_us = $2 WHERE token = $1 AND state = 'reserved'
        RETURNING body_hash, state, product_id, quantity, price_minor, available";
    let settled: Option<Stored> =
        sqlx::query_as(query).bind(token).bind(now_us).fetch_optional(&mut *tx).await?;
    let Some(Stored { reservation: Reservation::Settled(taken), .. }) = settled else {
        return match state(tx, token).await? {
            // What has come back was sold before: a settling that is repeated late changes nothing.
            Some(Reservation::Settled(taken) | Reservation::Returned(taken)) => Ok(taken),
            other => Err(not_reserved(other)),
        };
    };
    let moves = Moves { reserved: -taken.quantity, sold: taken.quantity };
    move_pieces(tx, taken.product_id, moves, now_us).await?;
    Ok(taken)
}

pub(super) async fn release(tx: &mut Connection, token: &str, now_us: i64) -> Result<Reservation> {
    match state(&mut *tx, token).await? {
        None => {
            let query =
                "INSERT INTO reservations (token, state, quantity, created_at_us, updated_at_us, expires_us)
                VALUES ($1, $2, 0, $3, $3, $4)";
            let (state, expires_us) = (state_of(Reservation::Released), now_us + ENDED_KEPT_US);
            sqlx::query(query).bind(token).bind(state).bind(now_us).bind(expires_us).execute(tx).await?;
            Ok(Reservation::Released)
        }
        Some(Reservation::Reserved(taken)) => {
            let moves = Moves { reserved: -taken.quantity, sold: 0 };
            move_pieces(&mut *tx, taken.product_id, moves, now_us).await?;
            set_state(tx, token, Reservation::Released, now_us).await?;
            Ok(Reservation::Released)
        }
        settled @ Some(Reservation::Settled(_) | Reservation::Returned(_)) => Err(not_reserved(settled)),
        Some(done) => Ok(done),
    }
}

pub(super) async fn restore(tx: &mut Connection, token: &str, now_us: i64) -> Result<Taken> {
    let (taken, moves) = match state(&mut *tx, token).await? {
        Some(Reservation::Settled(taken)) => (taken, Moves { reserved: 0, sold: -taken.quantity }),
        // Its settling never came, and never has to.
        Some(Reservation::Reserved(taken)) => (taken, Moves { reserved: -taken.quantity, sold: 0 }),
        Some(Reservation::Returned(taken)) => return Ok(taken),
        other => return Err(not_reserved(other)),
    };
    move_pieces(&mut *tx, taken.product_id, moves, now_us).await?;
    set_state(tx, token, Reservation::Returned(taken), now_us).await?;
    Ok(taken)
}

/// Pieces on their way between the three places where they can be. What neither is reserved nor sold can be bought.
#[derive(Clone, Copy)]
struct Moves {
    /// To the reserved ones.
    reserved: i64,
    /// To the sold ones.
    sold: i64,
}

async fn move_pieces(tx: &mut Connection, product_id: i64, moves: Moves, now_us: i64) -> Result<()> {
    // Products that have left the catalog still have their pieces counted.
    let query = "UPDATE products
        SET quantity = quantity - $2 - $3, reserved = reserved + $2, sold = sold + $3, updated_at_us = $4
        WHERE id = $1 RETURNING *";
    let product: Product = sqlx::query_as(query)
        .bind(product_id)
        .bind(moves.reserved)
        .bind(moves.sold)
        .bind(now_us)
        .fetch_one(&mut *tx)
        .await?;
    catalog::record_stock(tx, &product, now_us).await
}

async fn set_state(tx: &mut Connection, token: &str, reservation: Reservation, now_us: i64) -> Result<()> {
    // What came back never moves again; what is settled may still come back.
    let is_over = matches!(reservation, Reservation::Released | Reservation::Returned(_));
    let query = "UPDATE reservations SET state = $2, updated_at_us = $3, expires_us = $4 WHERE token = $1";
    sqlx::query(query)
        .bind(token)
        .bind(state_of(reservation))
        .bind(now_us)
        .bind(is_over.then_some(now_us + ENDED_KEPT_US))
        .execute(tx)
        .await?;
    Ok(())
}

/// The pieces will never come back: the order can't be cancelled any more. Changes nothing where nothing is settled.
pub(super) async fn finish(tx: &mut Connection, token: &str, now_us: i64) -> Result<()> {
    let query = "UPDATE reservations SET expires_us = $2 WHERE token = $1 AND state = 'settled' AND expires_us IS NULL";
    sqlx::query(query).bind(token).bind(now_us + ENDED_KEPT_US).execute(tx).await?;
    Ok(())
}

/// Whether anything is due for [`purge`].
pub(super) const DUE: &str = "SELECT 1 FROM reservations WHERE expires_us < $1 LIMIT 1";

/// Removes some of the reservations that nobody can ask for any more, the oldest first. How many.
pub(super) async fn purge(tx: &mut Connection, now_us: i64) -> std::result::Result<u64, DatabaseError> {
    let query = "DELETE FROM reservations WHERE token IN
        (SELECT token FROM reservations WHERE expires_us < $1 ORDER BY expires_us LIMIT $2)";
    Ok(sqlx::query(query).bind(now_us).bind(PURGED_AT_ONCE).execute(tx).await?.rows_affected())
}

/// What tokens that begin so have held since before a time, the oldest first.
pub(super) async fn held(
    connection: &mut Connection,
    prefix: &str,
    before_us: i64,
    limit: u32,
) -> Result<Vec<Held>> {
    let query = "SELECT token, coalesce(wanted, name) AS product, reservations.quantity AS quantity
        FROM reservations JOIN products ON products.id = product_id
        WHERE state = 'reserved' AND reservations.created_at_us <= $1 AND substr(token, 1, CAST($2 AS INTEGER)) = $3
        ORDER BY reservations.created_at_us, token LIMIT $4";
    let characters = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
    let rows = sqlx::query(query)
        .bind(before_us)
        .bind(characters)
        .bind(prefix)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    let held = |row: &Row| {
        let (token, product) = (row.try_get("token")?, row.try_get("product")?);
        Ok::<_, sqlx::Error>(Held { token, product, quantity: row.try_get("quantity")? })
    };
    Ok(rows.iter().map(held).collect::<std::result::Result<_, _>>()?)
}

/// What became of a token, with what was asked for; `None` if it was never seen.
pub(super) async fn recall(tx: &mut Connection, token: &str) -> Result<Option<Recalled>> {
    let Some(stored) = find(&mut *tx, token).await? else { return Ok(None) };
    let query = "SELECT coalesce(wanted, '') AS wanted, quantity FROM reservations WHERE token = $1";
    let row = sqlx::query(query).bind(token).fetch_one(&mut *tx).await?;
    let sold = match stored.reservation {
        Reservation::Settled(taken) => name_of(tx, taken).await?,
        _ => String::new(),
    };
    Ok(Some(Recalled {
        reservation: stored.reservation,
        wanted: row.try_get("wanted")?,
        quantity: row.try_get("quantity")?,
        sold,
    }))
}

async fn name_of(tx: &mut Connection, taken: Taken) -> Result<String> {
    let query = "SELECT name FROM products WHERE id = $1";
    Ok(sqlx::query_scalar(query).bind(taken.product_id).fetch_one(tx).await?)
}

/// Sells pieces that left before this database began, under a token of their own.
pub(super) async fn seed_sold(
    tx: &mut Connection,
    token: &str,
    product: &Product,
    quantity: i64,
    now_us: i64,
) -> Result<()> {
    let stock = "UPDATE products SET initial = initial + $2, sold = sold + $2 WHERE id = $1 RETURNING *";
    let stocked: Product = sqlx::query_as(stock).bind(product.id).bind(quantity).fetch_one(&mut *tx).await?;
    catalog::record_stock(&mut *tx, &stocked, now_us).await?;
    let taken = Taken { product_id: product.id, quantity, price_minor: product.price_minor };
    let which = Which::Id(product.id);
    let (token, expires_us) = (token.to_owned(), i64::MAX);
    let request = Request { token, body_hash: [0; 32], which, quantity, now_us, expires_us };
    insert(tx, &request, Reservation::Settled(taken), None).await
}

fn not_reserved(state: Option<Reservation>) -> StoreError<ProductError> {
    let state = match state {
        None => "never reserved",
        Some(Reservation::Reserved(_)) => "reserved",
        Some(Reservation::Settled(_)) => "settled",
        Some(Reservation::Returned(_)) => "returned",
        Some(Reservation::Released) => "released",
        Some(Reservation::UnknownProduct | Reservation::OutOfStock { .. }) => "refused",
    };
    StoreError::Refused(ProductError::NotReserved { state: state.into() })
}

/// The words of the table's `state` column.
fn state_of(reservation: Reservation) -> &'static str {
    match reservation {
        Reservation::Reserved(_) => "reserved",
        Reservation::Settled(_) => "settled",
        Reservation::Returned(_) => "returned",
        Reservation::Released => "released",
        Reservation::UnknownProduct => "refused_unknown",
        Reservation::OutOfStock { .. } => "refused_stock",
    }
}

/// What became of a token.
pub(super) async fn state(connection: &mut Connection, token: &str) -> Result<Option<Reservation>> {
    Ok(find(connection, token).await?.map(|stored| stored.reservation))
}

/// A row of the reservations.
struct Stored {
    body_hash: Option<Vec<u8>>,
    reservation: Reservation,
}

async fn find(connection: &mut Connection, token: &str) -> Result<Option<Stored>> {
    let query = "SELECT body_hash, state, product_id, quantity, price_minor, available
        FROM reservations WHERE token = $1";
    Ok(sqlx::query_as(query).bind(token).fetch_optional(connection).await?)
}

impl FromRow<'_, Row> for Stored {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
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
            "returned" => Reservation::Returned(taken()?),
            "released" => Reservation::Released,
            "refused_unknown" => Reservation::UnknownProduct,
            "refused_stock" => Reservation::OutOfStock { available: row.try_get("available")? },
            other => return Err(sqlx::Error::Decode(format!("reservation state {other:?}").into())),
        };
        Ok(Self { body_hash: row.try_get("body_hash")?, reservation })
    }
}
