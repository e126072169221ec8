//! The decision on attempts: those that are decided at once, in a few statements. Runs within the caller's transaction.

use std::collections::{BTreeMap, BTreeSet};

use micronet_wire::schema::Decimal;
use sqlx::{AssertSqlSafe, Row as _};

use super::Result;
use super::attempts::{Attempt, Decision, Verdict, decision};
use super::orders::Order;
use crate::database::{Connection, DatabaseResult, padded, placeholders, sized};
use crate::events;
use crate::order::api::{OrderChange, OrderStatus};
use crate::store::StoreError;

/// An attempt on which it is decided.
#[derive(Debug)]
pub(super) struct Deciding {
    pub(super) attempt: Attempt,
    pub(super) verdict: Verdict,
    pub(super) now_us: i64,
    /// Until when a refusal is remembered.
    pub(super) expires_us: i64,
}

/// Decides on these attempts, in their order, unless that was done before, and tells whoever has to know. The decisions that stand.
pub(super) async fn decide_all(
    tx: &mut Connection,
    deciding: &[Deciding],
) -> DatabaseResult<Vec<Result<Decision>>> {
    let Known { mut taken, withdrawn, mut order_num, mut decided_seq } = known(&mut *tx, deciding).await?;
    let (mut rows, mut decisions) = (Vec::with_capacity(deciding.len()), Vec::with_capacity(deciding.len()));
    for one in deciding {
        let names = one.names();
        let is_withdrawn = one.token_key().is_some_and(|token_key| {
            withdrawn.get(token_key).is_some_and(|until_us| *until_us >= one.now_us)
        });
        if is_withdrawn || names.iter().flatten().any(|name| taken.contains(name)) {
            // It may be one of these that stands.
            write_down(&mut *tx, std::mem::take(&mut rows)).await?;
            decisions.push(stands(&mut *tx, &one.attempt).await?);
            continue;
        }
        taken.extend(names.into_iter().flatten());
        decided_seq += 1;
        let decision = match &one.verdict {
            Verdict::Place { price_minor } => {
                order_num += 1;
                Decision::Confirmed(one.order(order_num, *price_minor))
            }
            Verdict::Refuse(refusal) | Verdict::Decline(refusal) | Verdict::Abandon(refusal) => {
                Decision::Refused(refusal.clone())
            }
        };
        rows.push(Decided { one, decided_seq, decision: decision.clone() });
        decisions.push(Ok(decision));
    }
    write_down(tx, rows).await?;
    Ok(decisions)
}

/// A decision, and its place in the log.
struct Decided<'a> {
    one: &'a Deciding,
    decided_seq: i64,
    decision: Decision,
}

/// Writes decisions down, and what others have to hear of them.
async fn write_down(tx: &mut Connection, rows: Vec<Decided<'_>>) -> DatabaseResult<()> {
    let Some(last) = rows.last() else { return Ok(()) };
    insert(&mut *tx, &rows).await?;
    let changes: Vec<_> = rows.iter().filter_map(Decided::change).collect();
    events::append_all(tx, &changes, last.one.now_us).await
}

/// A name of which there is one at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Token(String),
    Reservation(String),
}

/// What attempts are decided in view of.
#[derive(Default)]
struct Known {
    /// What is decided already.
    taken: BTreeSet<Name>,
    /// Tokens of which somebody was told that nothing will ever come of them, and until when that holds.
    withdrawn: BTreeMap<String, i64>,
    /// The highest numbers so far.
    order_num: i64,
    decided_seq: i64,
}

async fn known(tx: &mut Connection, deciding: &[Deciding]) -> DatabaseResult<Known> {
    let wanted = padded(deciding);
    let query = format!(
        "WITH wanted (wanted_key, wanted_reservation) AS (VALUES {})
        SELECT wanted_key, wanted_reservation,
            (SELECT count(*) FROM orders WHERE token_key = wanted_key) AS by_key,
            (SELECT count(*) FROM orders WHERE reservation = wanted_reservation) AS by_reservation,
            (SELECT max(expires_us) FROM tokens WHERE token_key = wanted_key) AS withdrawn_until,
            (SELECT coalesce(max(order_num), 0) FROM orders) AS last_order,
            (SELECT coalesce(max(decided_seq), 0) FROM orders) AS last_decision
        FROM wanted",
        placeholders(1, 2, wanted.len())
    );
    let mut query = sqlx::query(AssertSqlSafe(query));
    for Deciding { attempt, .. } in wanted {
        query = query.bind(&attempt.token_key).bind(&attempt.reservation);
    }
    let mut known = Known::default();
    for row in query.fetch_all(tx).await? {
        let count = |column: &str| row.try_get::<i64, _>(column);
        if count("by_key")? > 0 {
            known.taken.insert(Name::Token(row.try_get("wanted_key")?));
        }
        if let Some(until_us) = row.try_get("withdrawn_until")? {
            known.withdrawn.insert(row.try_get("wanted_key")?, until_us);
        }
        if count("by_reservation")? > 0 {
            known.taken.insert(Name::Reservation(row.try_get("wanted_reservation")?));
        }
        (known.order_num, known.decided_seq) = (count("last_order")?, count("last_decision")?);
    }
    Ok(known)
}

async fn insert(tx: &mut Connection, rows: &[Decided<'_>]) -> DatabaseResult<()> {
    for part in sized(rows) {
        let query = format!(
            "INSERT INTO orders
                (token_key, body_hash, reservation, product, quantity, customer, state, owner, lease_until_us, created_at_us,
                 decided_seq, decided_at_us, order_num, price_minor, total_minor, status, status_at_us,
                 refusal_code, refusal_message, refusal_available, expires_us)
            VALUES {}",
            placeholders(1, 21, part.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query));
        for Decided { one, decided_seq, decision } in part {
            let attempt = &one.attempt;
            let (order, refusal) = match decision {
                Decision::Confirmed(order) => (Some(order), None),
                Decision::Refused(refusal) => (None, Some(refusal)),
            };
            query = query
                .bind(one.token_key())
                .bind(&attempt.body_hash[..])
                .bind(&attempt.reservation)
                .bind(&attempt.product)
                .bind(i64::from(attempt.quantity))
                .bind(attempt.customer)
                .bind(if order.is_some() { "confirmed" } else { "refused" })
                .bind(&attempt.owner)
                .bind(attempt.came_at_us)
                .bind(attempt.came_at_us)
                .bind(*decided_seq)
                .bind(one.now_us)
                .bind(order.map(|order| order.order_num))
                .bind(order.map(|order| order.price_minor))
                .bind(order.map(|order| order.total_minor))
                .bind(order.map(|order| order.status.name()))
                .bind(order.map(|order| order.status_at_us))
                .bind(refusal.map(|refusal| &refusal.code))
                .bind(refusal.map(|refusal| &refusal.message))
                .bind(refusal.and_then(|refusal| refusal.available))
                .bind(refusal.map(|_| one.expires_us));
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

impl Deciding {
    /// The token that will hear the decision again; none if it is free for another attempt.
    fn token_key(&self) -> Option<&String> {
        (!matches!(self.verdict, Verdict::Abandon(_))).then_some(&self.attempt.token_key)
    }

    /// The names that it takes.
    fn names(&self) -> [Option<Name>; 2] {
        [
            self.token_key().cloned().map(Name::Token),
            Some(Name::Reservation(self.attempt.reservation.clone())),
        ]
    }

    /// The order that it becomes.
    fn order(&self, order_num: i64, price_minor: i64) -> Order {
        let Attempt { token_key, reservation, product, quantity, customer, came_at_us, .. } =
            self.attempt.clone();
        Order {
            order_num,
            token_key,
            reservation,
            product,
            quantity: quantity.into(),
            price_minor,
            total_minor: price_minor * i64::from(quantity),
            status: OrderStatus::Processing,
            status_at_us: self.now_us,
            customer,
            created_at_us: came_at_us,
            decided_at_us: self.now_us,
        }
    }
}

impl Decided<'_> {
    /// What others have to hear of it, and under which key.
    fn change(&self) -> Option<(&str, OrderChange)> {
        let attempt = &self.one.attempt;
        let (name, quantity) = (attempt.product.clone(), u64::from(attempt.quantity));
        let change = match (&self.decision, &self.one.verdict) {
            (Decision::Confirmed(order), _) => OrderChange::Placed {
                order_num: order.order_num.unsigned_abs(),
                name,
                quantity,
                total: Decimal(order.total_minor),
                customer: order.customer.map(i64::unsigned_abs),
            },
            // Product holds nothing.
            (Decision::Refused(_), Verdict::Refuse(_)) => return None,
            (Decision::Refused(_), _) => OrderChange::Abandoned { name, quantity },
        };
        Some((&attempt.reservation, change))
    }
}

/// What was decided before on an attempt.
async fn stands(tx: &mut Connection, attempt: &Attempt) -> DatabaseResult<Result<Decision>> {
    let query = "SELECT * FROM orders WHERE token_key = $1";
    if let Some(row) = sqlx::query(query).bind(&attempt.token_key).fetch_optional(&mut *tx).await? {
        if row.try_get::<Vec<u8>, _>("body_hash")? != attempt.body_hash {
            return Ok(Err(StoreError::TokenReused));
        }
        return Ok(Ok(decision(&row)?));
    }
    let query = "SELECT * FROM orders WHERE reservation = $1";
    Ok(match sqlx::query(query).bind(&attempt.reservation).fetch_optional(tx).await? {
        Some(row) => Ok(decision(&row)?),
        None => Err(StoreError::TokenWithdrawn),
    })
}
