//! Attempts to buy: what is known of a token, and the decision on an attempt. Runs within the caller's transaction.

use std::collections::BTreeMap;
use std::fmt::Write;

use micronet_wire::error::Code;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::orders::Order;
use super::{KEY_BYTES_MAX, NAME_CHARS_MAX, PRICE_MINOR_MAX, Result};
use crate::database::{Connection, DatabaseError, Row, is_storable, padded, placeholders};
use crate::events;
use crate::once::PURGED_AT_ONCE;
use crate::order::api::{Buy, OrderChange};
use crate::store::StoreError;

/// What somebody wants to buy, under which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Principal, method and token, joined: the name of this one intention to buy.
    pub token_key: String,
    /// The request's body, hashed, so that a token that comes back with another body is noticed.
    pub body_hash: [u8; 32],
    /// The token under which product sets the pieces aside, as [`super::OrderStore::recall`] has said it.
    pub reservation: String,
    /// The product's name, whether or not such a product exists.
    pub product: String,
    /// How many.
    pub quantity: u32,
    /// The user who buys, if one does.
    pub customer: Option<i64>,
    /// The instance that works on it.
    pub owner: String,
    /// When it came.
    pub came_at_us: i64,
}

/// What an attempt is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An order: product holds its pieces.
    Place {
        /// The price of one, as it was reserved, in minor units.
        price_minor: i64,
    },
    /// No order, because product said no: it holds nothing, and doesn't have to hear of it.
    Refuse(Refusal),
    /// No order for a reason that is not product's, which may hold pieces all the same, because another copy of the request came further.
    Decline(Refusal),
    /// No order, because it isn't known what product has done. The token is free for another attempt.
    Abandon(Refusal),
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

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// Its attempt was decided.
    Decided(Decision),
    /// Nothing was decided yet: an attempt reserves its pieces under this token.
    Open {
        /// As long as nobody abandons an attempt, it is the same for all copies of a request, wherever they come.
        reservation: String,
    },
    /// An attempt of a build that wrote its attempts down before they were decided.
    Left(Held),
}

/// Pieces that product holds under a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The token under which it does.
    pub reservation: String,
    /// The product's name.
    pub product: String,
    /// How many.
    pub quantity: i64,
}

/// What an attempt came to. The first decision stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is this order.
    Confirmed(Order),
    /// It is no order.
    Refused(Refusal),
}

impl Attempt {
    pub(super) fn check(&self, verdict: &Verdict) -> Result<()> {
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
        match verdict {
            Verdict::Place { price_minor } if !(0..=PRICE_MINOR_MAX).contains(price_minor) => {
                Err(StoreError::Invalid("a price is between 0 and 10,000,000.00"))
            }
            _ => Ok(()),
        }
    }
}

/// The reservations of a token's attempts: the first has the number 0, and each that was abandoned is followed by another one. Names
/// of one token differ in their last 8 digits, so the last one is found by its place in the index.
fn reservation(token_key: &str, number: u32) -> String {
    let mut name = String::with_capacity(40);
    for byte in &Sha256::digest(token_key)[..16] {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    let _ = write!(name, "{number:08x}");
    name
}

/// A token, and the hash of the request that bears it.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) token_key: String,
    pub(super) body_hash: [u8; 32],
}

/// What is known of these tokens, in one statement. This promises nothing: whoever decides looks again.
pub(super) async fn recall(
    connection: &mut Connection,
    questions: &[Question],
    now_us: i64,
) -> Result<Vec<Result<Recalled>>> {
    let wanted = padded(questions);
    let query = format!(
        "WITH wanted (wanted_key, lowest, highest) AS (VALUES {})
        SELECT wanted_key, orders.*,
            (SELECT max(reservation) FROM orders WHERE reservation BETWEEN lowest AND highest) AS last_reservation,
            (SELECT count(*) FROM tokens WHERE tokens.token_key = wanted_key AND expires_us >= $1) AS is_withdrawn
        FROM wanted LEFT JOIN orders ON orders.token_key = wanted_key",
        placeholders(2, 3, wanted.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(query)).bind(now_us);
    for Question { token_key, .. } in wanted {
        query = query.bind(token_key).bind(reservation(token_key, 0)).bind(reservation(token_key, u32::MAX));
    }
    let mut rows = BTreeMap::new();
    for row in query.fetch_all(connection).await? {
        rows.insert(row.try_get::<String, _>("wanted_key")?, row);
    }
    let known = questions.iter().map(|question| match rows.get(&question.token_key) {
        Some(row) => known(row, question),
        None => Err(DatabaseError::Corrupt("a token was not looked up".into()).into()),
    });
    Ok(known.collect())
}

/// What a row of [`recall`] says.
fn known(row: &Row, question: &Question) -> Result<Recalled> {
    if row.try_get::<Option<&str>, _>("state")?.is_some() {
        let body_hash: Vec<u8> = row.try_get("body_hash")?;
        return if body_hash == question.body_hash {
            Ok(outcome(row)?)
        } else {
            Err(StoreError::TokenReused)
        };
    }
    if row.try_get::<i64, _>("is_withdrawn")? > 0 {
        return Err(StoreError::TokenWithdrawn);
    }
    let last: Option<&str> = row.try_get("last_reservation")?;
    let next = match last {
        None => 0,
        Some(last) => last
            .get(32..)
            .and_then(|number| u32::from_str_radix(number, 16).ok()?.checked_add(1))
            .ok_or_else(|| DatabaseError::Corrupt(format!("the reservation {last:?} of a token")))?,
    };
    Ok(Recalled::Open { reservation: reservation(&question.token_key, next) })
}

/// Decides that a reservation is for no order, unless something was decided on it: its attempt was forgotten in a crash, or written down
/// by a build that did so before it decided. Whether this is what decides.
pub(super) async fn disown(
    tx: &mut Connection,
    held: &Held,
    refusal: &Refusal,
    owner: &str,
    now_us: i64,
    expires_us: i64,
) -> Result<bool> {
    let query = "INSERT INTO orders
            (body_hash, reservation, product, quantity, state, owner, lease_until_us, created_at_us,
             decided_seq, refusal_code, refusal_message, decided_at_us, expires_us)
        VALUES ($1, $2, $3, $4, 'refused', $5, $6, $6,
            (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders), $7, $8, $6, $9)
        ON CONFLICT (reservation) DO UPDATE SET
            token_key = NULL, state = excluded.state, decided_seq = excluded.decided_seq,
            refusal_code = excluded.refusal_code, refusal_message = excluded.refusal_message,
            decided_at_us = excluded.decided_at_us, expires_us = excluded.expires_us
        WHERE orders.state = 'pending'";
    let disowned = sqlx::query(query)
        .bind(&[0_u8; 32][..])
        .bind(&held.reservation)
        .bind(&held.product)
        .bind(held.quantity)
        .bind(owner)
        .bind(now_us)
        .bind(&refusal.code)
        .bind(&refusal.message)
        .bind(expires_us)
        .execute(&mut *tx)
        .await?;
    let is_first = disowned.rows_affected() > 0;
    if is_first {
        // Product may hold pieces under this reservation: it has to give them back.
        let (name, quantity) = (held.product.clone(), held.quantity.unsigned_abs());
        events::append(tx, &held.reservation, &OrderChange::Abandoned { name, quantity }, now_us).await?;
    }
    Ok(is_first)
}

/// What a token asked for, and what became of it.
pub(super) async fn asked(tx: &mut Connection, token_key: &str) -> Result<Option<(Buy, Recalled)>> {
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
fn outcome(row: &Row) -> std::result::Result<Recalled, sqlx::Error> {
    Ok(match row.try_get("state")? {
        "confirmed" => Recalled::Decided(Decision::Confirmed(Order::from_row(row)?)),
        "refused" => Recalled::Decided(Decision::Refused(Refusal::from_row(row)?)),
        "pending" => Recalled::Left(Held {
            reservation: row.try_get("reservation")?,
            product: row.try_get("product")?,
            quantity: row.try_get("quantity")?,
        }),
        other => return Err(sqlx::Error::Decode(format!("order state {other:?}").into())),
    })
}

/// The decision in this row. That another build is still at it counts as a no that may be otherwise the next time.
pub(super) fn decision(row: &Row) -> std::result::Result<Decision, sqlx::Error> {
    Ok(match outcome(row)? {
        Recalled::Decided(decision) => decision,
        Recalled::Open { .. } | Recalled::Left(_) => Decision::Refused(Refusal {
            code: Code::Unavailable.name().into(),
            message: "another instance is at it".into(),
            available: None,
        }),
    })
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
