//! The reservations: what became of every token that asked for pieces. Runs within the caller's transaction.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::catalog::{self, Product};
use super::{Result, TOKEN_BYTES_MAX};
use crate::database::{Connection, DatabaseResult, Row, is_storable, padded, placeholders};
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

pub(super) fn parse_token(token: &str) -> Result<String> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !is_storable(token) {
        return Err(StoreError::Invalid("a token has 1 to 512 bytes, none of them zero"));
    }
    Ok(token.to_owned())
}

/// A token whose pieces are sold.
pub(super) struct Settling {
    pub(super) token: String,
    pub(super) now_us: i64,
}

/// Settles all of these. Each product moves once for all of them.
pub(super) async fn settle_all(
    tx: &mut Connection,
    settlings: &[Settling],
) -> DatabaseResult<Vec<Result<Taken>>> {
    let Some(last) = settlings.last() else { return Ok(Vec::new()) };
    let wanted = padded(settlings);
    // What is reserved has no end yet, and what is settled neither.
    let query = format!(
        "UPDATE reservations SET state = 'settled', updated_at_us = $1 WHERE state = 'reserved' AND token IN {}
        RETURNING token, body_hash, state, product_id, quantity, price_minor, available",
        placeholders(2, wanted.len(), 1)
    );
    let mut query = sqlx::query(AssertSqlSafe(query)).bind(last.now_us);
    for settling in wanted {
        query = query.bind(&settling.token);
    }
    let (mut settled, mut moves) = (BTreeMap::new(), BTreeMap::<i64, Moves>::new());
    for row in query.fetch_all(&mut *tx).await? {
        if let Reservation::Settled(taken) = Stored::from_row(&row)?.reservation {
            let moves = moves.entry(taken.product_id).or_default();
            (moves.reserved, moves.sold) = (moves.reserved - taken.quantity, moves.sold + taken.quantity);
            settled.insert(row.try_get::<String, _>("token")?, taken);
        }
    }
    move_all(&mut *tx, moves, last.now_us).await?;
    let mut outcomes = Vec::with_capacity(settlings.len());
    for Settling { token, .. } in settlings {
        outcomes.push(match settled.get(token) {
            Some(taken) => Ok(*taken),
            None => match find(&mut *tx, token).await?.map(|stored| stored.reservation) {
                // What has come back was sold before: a settling that is repeated late changes nothing.
                Some(Reservation::Settled(taken) | Reservation::Returned(taken)) => Ok(taken),
                other => Err(not_reserved(other)),
            },
        });
    }
    Ok(outcomes)
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
#[derive(Clone, Copy, Default)]
pub(super) struct Moves {
    /// To the reserved ones.
    pub(super) reserved: i64,
    /// To the sold ones.
    pub(super) sold: i64,
}

pub(super) async fn move_all(
    tx: &mut Connection,
    moves: BTreeMap<i64, Moves>,
    now_us: i64,
) -> DatabaseResult<()> {
    for (product_id, moves) in moves {
        move_pieces(&mut *tx, product_id, moves, now_us).await?;
    }
    Ok(())
}

async fn move_pieces(tx: &mut Connection, product_id: i64, moves: Moves, now_us: i64) -> DatabaseResult<()> {
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
pub(super) async fn purge(tx: &mut Connection, now_us: i64) -> DatabaseResult<u64> {
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

pub(super) async fn name_of(tx: &mut Connection, taken: Taken) -> DatabaseResult<String> {
    let query = "SELECT name FROM products WHERE id = $1";
    Ok(sqlx::query_scalar(query).bind(taken.product_id).fetch_one(tx).await?)
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
pub(super) fn state_of(reservation: Reservation) -> &'static str {
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
pub(super) struct Stored {
    pub(super) body_hash: Option<Vec<u8>>,
    pub(super) reservation: Reservation,
}

async fn find(connection: &mut Connection, token: &str) -> DatabaseResult<Option<Stored>> {
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
