//! The order store as it should be: a list of decisions, and the rules in their plainest words.

use std::collections::BTreeMap;

use micronet_wire::schema::Decimal;

use super::super::*;

/// How long tokens are remembered: about five steps.
pub(super) const KEEPING: Keeping = Keeping { kept_us: 15, all_max: 1_000, one_max: 1_000 };

/// Something that changes the store.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Decide(Attempt, Verdict),
    Disown(Held),
    SetStatus(i64, OrderStatus),
    /// Asks what became of a token.
    Ask(String),
}

/// What a write comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Decided(Decision),
    Disowned(bool),
    Is(Order),
    Refused(OrderError),
    TokenReused,
    TokenWithdrawn,
    /// What was asked for, and what became of it.
    Asked(Option<(Buy, Recalled)>),
}

/// The name of the instance that disowns, and what it says.
pub(super) const SWEEPER: &str = "order-9";

/// Why a held reservation was disowned.
pub(super) fn stopped() -> Refusal {
    Refusal { code: "UNAVAILABLE".into(), message: "it stopped".into(), available: None }
}

/// A decided attempt.
#[derive(Clone, Debug)]
struct Row {
    /// None after it was abandoned.
    token_key: Option<String>,
    body_hash: [u8; 32],
    reservation: String,
    product: String,
    quantity: i64,
    customer: Option<i64>,
    decision: Decision,
    /// Until when it is remembered that it came to nothing.
    expires_us: Option<i64>,
    is_purged: bool,
}

/// What the store should hold.
#[derive(Default)]
pub(super) struct Model {
    /// In the order of their decisions.
    rows: Vec<Row>,
    /// Tokens that never will be used, and until when that is remembered.
    withdrawn: BTreeMap<String, i64>,
    /// The feed: key, time and change.
    pub(super) changes: Vec<(String, i64, OrderChange)>,
}

impl Model {
    /// The orders, by number.
    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.rows.iter().filter_map(|row| match &row.decision {
            Decision::Confirmed(order) => Some(order),
            Decision::Refused(_) => None,
        })
    }

    fn there(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_purged)
    }

    fn find(&self, token_key: &str) -> Option<&Row> {
        self.there().find(|row| row.token_key.as_deref() == Some(token_key))
    }

    /// What became of a token; `None` if nothing was decided.
    pub(super) fn decided(&self, token_key: &str) -> Option<&Decision> {
        self.find(token_key).map(|row| &row.decision)
    }

    /// Whether somebody was told that nothing will come of a token.
    pub(super) fn is_withdrawn(&self, token_key: &str, now_us: i64) -> bool {
        self.withdrawn.get(token_key).is_some_and(|until| *until >= now_us)
    }

    /// Whether anything was decided on a reservation.
    pub(super) fn is_reserved(&self, reservation: &str) -> bool {
        self.there().any(|row| row.reservation == reservation)
    }

    /// The lines of the order log, each with its place.
    pub(super) fn log(&self) -> Vec<(i64, String)> {
        let lines = (1..).zip(&self.rows).filter(|(_, row)| !row.is_purged).map(|(place, row)| {
            let id = match &row.decision {
                Decision::Confirmed(order) => order.order_num,
                Decision::Refused(_) => -1,
            };
            (place, format!("{id} {} {}\n", row.product, row.quantity))
        });
        lines.collect()
    }

    /// Forgets what came to nothing and is over, but for the last decision. How many rows.
    pub(super) fn purge(&mut self, now_us: i64) -> u64 {
        let last = self.rows.len().saturating_sub(1);
        let mut purged = 0;
        for (at, row) in self.rows.iter_mut().enumerate() {
            if !row.is_purged && row.expires_us.is_some_and(|until| until < now_us) && at != last {
                (row.is_purged, purged) = (true, purged + 1);
            }
        }
        let before = self.withdrawn.len();
        self.withdrawn.retain(|_, until| *until >= now_us);
        purged + (before - self.withdrawn.len()) as u64
    }

    /// What the write should come to.
    pub(super) fn apply(&mut self, write: &Write, now_us: i64) -> Outcome {
        match write {
            Write::Decide(attempt, verdict) => self.decide(attempt, verdict, now_us),
            Write::Disown(held) => Outcome::Disowned(self.disown(held, now_us)),
            Write::SetStatus(order_num, to) => self.set_status(*order_num, *to, now_us),
            Write::Ask(token_key) => Outcome::Asked(self.ask(token_key, now_us)),
        }
    }

    fn ask(&mut self, token_key: &str, now_us: i64) -> Option<(Buy, Recalled)> {
        if let Some(row) = self.find(token_key) {
            let quantity = u32::try_from(row.quantity).unwrap();
            let customer = row.customer.map(i64::unsigned_abs);
            let buy = Buy { name: row.product.clone(), quantity, customer };
            return Some((buy, Recalled::Decided(row.decision.clone())));
        }
        if !self.is_withdrawn(token_key, now_us) {
            self.withdrawn.insert(token_key.to_owned(), now_us + KEEPING.kept_us);
        }
        None
    }

    /// The decision that stands: the first, on the token or else on the reservation.
    fn decide(&mut self, attempt: &Attempt, verdict: &Verdict, now_us: i64) -> Outcome {
        let abandons = matches!(verdict, Verdict::Abandon(_));
        let by_token = self.find(&attempt.token_key);
        let by_reservation = self.there().find(|row| row.reservation == attempt.reservation);
        // Who abandons doesn't claim the token.
        let stands = by_reservation.or(by_token.filter(|_| !abandons));
        if stands.is_some() {
            return match by_token.or(by_reservation) {
                Some(row) if by_token.is_some() && row.body_hash != attempt.body_hash => Outcome::TokenReused,
                Some(row) => Outcome::Decided(row.decision.clone()),
                None => unreachable!(),
            };
        }
        if !abandons && self.is_withdrawn(&attempt.token_key, now_us) {
            return Outcome::TokenWithdrawn;
        }
        let decision = match verdict {
            Verdict::Place { price_minor } => Decision::Confirmed(self.place(attempt, *price_minor, now_us)),
            Verdict::Refuse(refusal) | Verdict::Decline(refusal) | Verdict::Abandon(refusal) => {
                if !matches!(verdict, Verdict::Refuse(_)) {
                    self.tell_abandoned(
                        &attempt.reservation,
                        &attempt.product,
                        attempt.quantity.into(),
                        now_us,
                    );
                }
                Decision::Refused(refusal.clone())
            }
        };
        self.rows.push(Row {
            token_key: (!abandons).then(|| attempt.token_key.clone()),
            body_hash: attempt.body_hash,
            reservation: attempt.reservation.clone(),
            product: attempt.product.clone(),
            quantity: attempt.quantity.into(),
            customer: attempt.customer,
            expires_us: matches!(decision, Decision::Refused(_)).then_some(now_us + KEEPING.kept_us),
            decision: decision.clone(),
            is_purged: false,
        });
        Outcome::Decided(decision)
    }

    fn disown(&mut self, held: &Held, now_us: i64) -> bool {
        if self.is_reserved(&held.reservation) {
            return false;
        }
        self.tell_abandoned(&held.reservation, &held.product, held.quantity, now_us);
        self.rows.push(Row {
            token_key: None,
            body_hash: [0; 32],
            reservation: held.reservation.clone(),
            product: held.product.clone(),
            quantity: held.quantity,
            customer: None,
            decision: Decision::Refused(stopped()),
            expires_us: Some(now_us + KEEPING.kept_us),
            is_purged: false,
        });
        true
    }

    fn tell_abandoned(&mut self, reservation: &str, product: &str, quantity: i64, now_us: i64) {
        let change = OrderChange::Abandoned { name: product.to_owned(), quantity: quantity.unsigned_abs() };
        self.changes.push((reservation.to_owned(), now_us, change));
    }

    /// The next order, of this attempt.
    fn place(&mut self, attempt: &Attempt, price_minor: i64, now_us: i64) -> Order {
        let order_num = 1 + i64::try_from(self.orders().count()).unwrap();
        let quantity = i64::from(attempt.quantity);
        let order = Order {
            order_num,
            token_key: attempt.token_key.clone(),
            reservation: attempt.reservation.clone(),
            product: attempt.product.clone(),
            quantity,
            price_minor,
            total_minor: price_minor * quantity,
            status: OrderStatus::Processing,
            status_at_us: now_us,
            customer: attempt.customer,
            created_at_us: attempt.came_at_us,
            decided_at_us: now_us,
        };
        let change = OrderChange::Placed {
            order_num: order_num.unsigned_abs(),
            name: order.product.clone(),
            quantity: u64::from(attempt.quantity),
            total: Decimal(order.total_minor),
            customer: attempt.customer.map(i64::unsigned_abs),
        };
        self.changes.push((order.reservation.clone(), now_us, change));
        order
    }

    fn set_status(&mut self, number: i64, to: OrderStatus, now_us: i64) -> Outcome {
        let order_num = number.unsigned_abs();
        let order = self.rows.iter_mut().find_map(|row| match &mut row.decision {
            Decision::Confirmed(order) if order.order_num == number => Some(order),
            _ => None,
        });
        let Some(order) = order else { return Outcome::Refused(OrderError::OrderNotFound { order_num }) };
        let from = order.status;
        match (from, to) {
            _ if from == to => return Outcome::Is(order.clone()),
            (OrderStatus::Processing, OrderStatus::Shipped | OrderStatus::Cancelled)
            | (OrderStatus::Shipped, OrderStatus::Delivered) => {}
            _ => {
                let allowed = from.next().to_vec();
                return Outcome::Refused(OrderError::InvalidTransition { order_num, from, to, allowed });
            }
        }
        (order.status, order.status_at_us) = (to, now_us);
        let order = order.clone();
        let change = if to == OrderStatus::Cancelled {
            OrderChange::Cancelled {
                order_num,
                name: order.product.clone(),
                quantity: order.quantity.unsigned_abs(),
                total: Decimal(order.total_minor),
                customer: order.customer.map(i64::unsigned_abs),
            }
        } else {
            OrderChange::Moved { order_num, from, to }
        };
        self.changes.push((order.reservation.clone(), now_us, change));
        Outcome::Is(order)
    }
}
