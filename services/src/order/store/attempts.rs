//! Attempts to buy: what is known of a token, and the decision on an attempt. Runs within the caller's transaction.

use std::collections::BTreeMap;
use std::fmt::Write;

use micronet_wire::error::Code;
use micronet_wire::schema::Decimal;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::orders::Order;
use super::{KEY_BYTES_MAX, NAME_CHARS_MAX, PRICE_MINOR_MAX, Result};
use crate::database::{Connection, DatabaseError, Query, Row, is_storable};
use crate::events;
use crate::once::PURGED_AT_ONCE;
use crate::order::api::{Buy, OrderChange, OrderStatus};
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

/// What is known of these tokens, in one statement. This promises nothing: [`decide`] looks again.
pub(super) async fn recall(
    connection: &mut Connection,
    questions: &[Question],
    now_us: i64,
) -> Result<Vec<Result<Recalled>>> {
    // There are few such statements, so that they stay prepared: what is missing to the next power of two is asked for twice.
    let count = questions.len().next_power_of_two();
    let mut query = String::from("WITH wanted (wanted_key, lowest, highest) AS (VALUES ($2, $3, $4)");
    for first in (5..).step_by(3).take(count - 1) {
        let _ = write!(query, ", (${first}, ${}, ${})", first + 1, first + 2);
    }
    query.push_str(
        ") SELECT wanted_key, orders.*,
            (SELECT max(reservation) FROM orders WHERE reservation BETWEEN lowest AND highest) AS last_reservation,
            (SELECT count(*) FROM tokens WHERE tokens.token_key = wanted_key AND expires_us >= $1) AS is_withdrawn
        FROM wanted LEFT JOIN orders ON orders.token_key = wanted_key",
    );
    let mut query = sqlx::query(AssertSqlSafe(query)).bind(now_us);
    for Question { token_key, .. } in questions.iter().cycle().take(count) {
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

/// Decides on an attempt, unless that was done before, and tells whoever has to know. The decision that stands.
pub(super) async fn decide(
    tx: &mut Connection,
    attempt: &Attempt,
    verdict: &Verdict,
    now_us: i64,
    expires_us: i64,
) -> Result<Decision> {
    let decided = match verdict {
        Verdict::Place { price_minor } => place(&mut *tx, attempt, *price_minor, now_us).await?,
        Verdict::Refuse(refusal) | Verdict::Decline(refusal) | Verdict::Abandon(refusal) => {
            let is_free = matches!(verdict, Verdict::Abandon(_));
            let no = No { refusal, token_key: (!is_free).then_some(&attempt.token_key), now_us, expires_us };
            let is_held = !matches!(verdict, Verdict::Refuse(_));
            let refused = refuse(&mut *tx, attempt, &no).await?;
            if refused.is_some() && is_held {
                record_abandoned(&mut *tx, &attempt.held(), now_us).await?;
            }
            refused
        }
    };
    match decided {
        Some(decision) => Ok(decision),
        None => stands(tx, attempt).await,
    }
}

/// Makes the attempt an order with the next number; `None` if something else was decided.
async fn place(
    tx: &mut Connection,
    attempt: &Attempt,
    price_minor: i64,
    now_us: i64,
) -> Result<Option<Decision>> {
    // Not if somebody was told that it will never happen.
    let query = "INSERT INTO orders
            (token_key, body_hash, reservation, product, quantity, customer, state, owner, lease_until_us, created_at_us,
             order_num, decided_seq, price_minor, total_minor, status, status_at_us, decided_at_us)
        SELECT $1, $2, $3, $4, $5, $6, 'confirmed', $7, $8, $8,
            (SELECT coalesce(max(order_num), 0) + 1 FROM orders),
            (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders),
            $9, $10, $11, $12, $12
        WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE token_key = $1 AND expires_us >= $12)
        ON CONFLICT DO NOTHING RETURNING *";
    let placed = attempt
        .bound(query, Some(&attempt.token_key))
        .bind(price_minor)
        .bind(price_minor * i64::from(attempt.quantity))
        .bind(OrderStatus::Processing.name())
        .bind(now_us)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(order) = placed.as_ref().map(Order::from_row).transpose()? else { return Ok(None) };
    let change = OrderChange::Placed {
        order_num: order.order_num.unsigned_abs(),
        name: order.product.clone(),
        quantity: order.quantity.unsigned_abs(),
        total: Decimal(order.total_minor),
        customer: order.customer.map(i64::unsigned_abs),
    };
    events::append(tx, &order.reservation, &change, now_us).await?;
    Ok(Some(Decision::Confirmed(order)))
}

/// How an attempt is refused.
struct No<'a> {
    refusal: &'a Refusal,
    /// The token that hears it again; none if it is free.
    token_key: Option<&'a String>,
    now_us: i64,
    /// Until when it is remembered.
    expires_us: i64,
}

/// Refuses the attempt; `None` if something else was decided.
async fn refuse(tx: &mut Connection, attempt: &Attempt, no: &No<'_>) -> Result<Option<Decision>> {
    let query = "INSERT INTO orders
            (token_key, body_hash, reservation, product, quantity, customer, state, owner, lease_until_us, created_at_us,
             decided_seq, refusal_code, refusal_message, refusal_available, decided_at_us, expires_us)
        SELECT $1, $2, $3, $4, $5, $6, 'refused', $7, $8, $8,
            (SELECT coalesce(max(decided_seq), 0) + 1 FROM orders), $9, $10, $11, $12, $13
        WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE token_key = $1 AND expires_us >= $12)
        ON CONFLICT DO NOTHING";
    let refused = attempt
        .bound(query, no.token_key)
        .bind(&no.refusal.code)
        .bind(&no.refusal.message)
        .bind(no.refusal.available)
        .bind(no.now_us)
        .bind(no.expires_us)
        .execute(tx)
        .await?;
    Ok((refused.rows_affected() > 0).then(|| Decision::Refused(no.refusal.clone())))
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
        record_abandoned(tx, held, now_us).await?;
    }
    Ok(is_first)
}

/// Product may hold pieces under this reservation: it has to give them back.
async fn record_abandoned(tx: &mut Connection, held: &Held, now_us: i64) -> Result<()> {
    let (name, quantity) = (held.product.clone(), held.quantity.unsigned_abs());
    let change = OrderChange::Abandoned { name, quantity };
    Ok(events::append(tx, &held.reservation, &change, now_us).await?)
}

/// What was decided before on an attempt.
async fn stands(tx: &mut Connection, attempt: &Attempt) -> Result<Decision> {
    let query = "SELECT * FROM orders WHERE token_key = $1";
    if let Some(row) = sqlx::query(query).bind(&attempt.token_key).fetch_optional(&mut *tx).await? {
        if row.try_get::<Vec<u8>, _>("body_hash")? != attempt.body_hash {
            return Err(StoreError::TokenReused);
        }
        return Ok(decision(&row)?);
    }
    let query = "SELECT * FROM orders WHERE reservation = $1";
    match sqlx::query(query).bind(&attempt.reservation).fetch_optional(tx).await? {
        Some(row) => Ok(decision(&row)?),
        None => Err(StoreError::TokenWithdrawn),
    }
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
fn decision(row: &Row) -> std::result::Result<Decision, sqlx::Error> {
    Ok(match outcome(row)? {
        Recalled::Decided(decision) => decision,
        Recalled::Open { .. } | Recalled::Left(_) => Decision::Refused(Refusal {
            code: Code::Unavailable.name().into(),
            message: "another instance is at it".into(),
            available: None,
        }),
    })
}

impl Attempt {
    /// A statement with what an attempt is as its first eight parameters.
    fn bound(&self, query: &'static str, token_key: Option<&String>) -> Query {
        sqlx::query(query)
            .bind(token_key)
            .bind(&self.body_hash[..])
            .bind(&self.reservation)
            .bind(&self.product)
            .bind(i64::from(self.quantity))
            .bind(self.customer)
            .bind(&self.owner)
            .bind(self.came_at_us)
    }

    /// What product holds for it, if it does.
    fn held(&self) -> Held {
        let (reservation, product) = (self.reservation.clone(), self.product.clone());
        Held { reservation, product, quantity: self.quantity.into() }
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
