//! The order store as it should be: a list of attempts, and the rules in their plainest words.

use std::collections::BTreeMap;

use micronet_wire::schema::Decimal;

use super::super::*;

/// How long tokens are remembered: about five steps.
pub(super) const KEEPING: Keeping = Keeping { kept_us: 15, all_max: 1_000, one_max: 1_000 };

/// Something that changes the store. An attempt is one that a worker has seen.
#[derive(Clone, Debug)]
pub(super) enum Write {
    Intend(NewAttempt),
    Confirm(Attempt, i64),
    Refuse(Attempt, Refusal),
    Abandon(Attempt, Refusal),
    SetStatus(i64, OrderStatus),
    /// Asks what became of a token.
    Ask(String),
}

/// What a write comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Found(Intent),
    Decided(Decision),
    Is(Order),
    Refused(OrderError),
    TokenReused,
    TokenWithdrawn,
    /// What was asked for, and what became of it.
    Asked(Option<(Buy, Intent)>),
}

/// What became of an attempt.
#[derive(Clone, Debug)]
pub(super) enum State {
    Pending,
    Decided(Decision),
}

/// An attempt, and what became of it.
#[derive(Clone, Debug)]
struct Row {
    attempt: Attempt,
    body_hash: [u8; 32],
    customer: Option<i64>,
    state: State,
    /// Whether its token finds it: not after it was abandoned.
    has_token: bool,
    /// Until when it is remembered that it came to nothing.
    expires_us: Option<i64>,
    is_purged: bool,
}

/// What the store should hold.
#[derive(Default)]
pub(super) struct Model {
    rows: Vec<Row>,
    /// The rows in the order of their decisions.
    decided: Vec<usize>,
    /// Tokens that never will be used, and until when that is remembered.
    withdrawn: BTreeMap<String, i64>,
    /// The feed: key, time and change.
    pub(super) changes: Vec<(String, i64, OrderChange)>,
}

impl Model {
    /// The orders, by number.
    pub(super) fn orders(&self) -> impl Iterator<Item = &Order> {
        self.decided.iter().filter_map(|row| match &self.rows[*row].state {
            State::Decided(Decision::Confirmed(order)) => Some(order),
            _ => None,
        })
    }

    /// Attempts that somebody has to abandon.
    pub(super) fn recoverable(&self, owner: Option<&str>, now_us: i64) -> Vec<&Attempt> {
        let pending = self.rows.iter().filter(|row| matches!(row.state, State::Pending));
        let nobodys = |attempt: &&Attempt| {
            attempt.lease_until_us < now_us || owner.is_some_and(|owner| owner == attempt.owner)
        };
        pending.map(|row| &row.attempt).filter(nobodys).collect()
    }

    pub(super) fn outcome(&self, token_key: &str) -> Option<Intent> {
        self.find(token_key).map(|row| match row.state.clone() {
            State::Pending => Intent::Pending(row.attempt.clone()),
            State::Decided(decision) => Intent::Decided(decision),
        })
    }

    /// The lines of the order log, each with its place.
    pub(super) fn log(&self) -> Vec<(i64, String)> {
        let rows = (1..).zip(self.decided.iter().map(|row| &self.rows[*row]));
        let lines = rows.filter(|(_, row)| !row.is_purged).map(|(place, Row { attempt, state, .. })| {
            let id = match state {
                State::Decided(Decision::Confirmed(order)) => order.order_num,
                _ => -1,
            };
            (place, format!("{id} {} {}\n", attempt.product, attempt.quantity))
        });
        lines.collect()
    }

    /// Forgets what came to nothing and is over, but for the last decision. How many rows.
    pub(super) fn purge(&mut self, now_us: i64) -> u64 {
        let last = self.decided.last().copied();
        let mut purged = 0;
        for (at, row) in self.rows.iter_mut().enumerate() {
            if !row.is_purged && row.expires_us.is_some_and(|until| until < now_us) && Some(at) != last {
                (row.is_purged, purged) = (true, purged + 1);
            }
        }
        let before = self.withdrawn.len();
        self.withdrawn.retain(|_, until| *until >= now_us);
        purged + (before - self.withdrawn.len()) as u64
    }

    /// Whether an attempt was forgotten.
    pub(super) fn is_purged(&self, attempt: &Attempt) -> bool {
        self.rows.iter().any(|row| row.attempt.id == attempt.id && row.is_purged)
    }

    /// What the write should come to. Of what it really came to only the number of a new row is taken.
    pub(super) fn apply(&mut self, write: &Write, now_us: i64, really: &Outcome) -> Outcome {
        match write {
            Write::Intend(new) => self.intend(new, really),
            Write::Confirm(attempt, price_minor) => self.decide(attempt, |model, row| {
                let order = model.place(row, *price_minor, now_us);
                Decision::Confirmed(order)
            }),
            Write::Refuse(attempt, refusal) => self.decide(attempt, |model, row| {
                model.rows[row].expires_us = Some(now_us + KEEPING.kept_us);
                Decision::Refused(refusal.clone())
            }),
            Write::Abandon(attempt, refusal) => self.decide(attempt, |model, row| {
                let Row { attempt, has_token, expires_us, .. } = &mut model.rows[row];
                (*has_token, *expires_us) = (false, Some(now_us + KEEPING.kept_us));
                let (name, quantity) = (attempt.product.clone(), attempt.quantity.unsigned_abs());
                let key = attempt.reservation.clone();
                model.changes.push((key, now_us, OrderChange::Abandoned { name, quantity }));
                Decision::Refused(Refusal { available: None, ..refusal.clone() })
            }),
            Write::SetStatus(order_num, to) => self.set_status(*order_num, *to, now_us),
            Write::Ask(token_key) => Outcome::Asked(self.ask(token_key, now_us)),
        }
    }

    fn find(&self, token_key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.has_token && !row.is_purged && row.attempt.token_key == token_key)
    }

    fn intend(&mut self, new: &NewAttempt, really: &Outcome) -> Outcome {
        if let Some(row) = self.find(&new.token_key) {
            if row.body_hash != new.body_hash {
                return Outcome::TokenReused;
            }
            return Outcome::Found(self.outcome(&new.token_key).unwrap());
        }
        if self.is_withdrawn(&new.token_key, new.now_us) {
            return Outcome::TokenWithdrawn;
        }
        let Outcome::Found(Intent::Fresh(fresh)) = really else { panic!("{new:?} is new, but: {really:?}") };
        assert!(self.rows.iter().all(|row| row.attempt.id < fresh.id), "a row's number was given before");
        let attempt = Attempt {
            id: fresh.id,
            token_key: new.token_key.clone(),
            reservation: new.reservation.clone(),
            product: new.product.clone(),
            quantity: i64::from(new.quantity),
            owner: new.owner.clone(),
            lease_until_us: new.lease_until_us,
            created_at_us: new.now_us,
        };
        let (body_hash, customer) = (new.body_hash, new.customer);
        let row = Row {
            attempt,
            body_hash,
            customer,
            state: State::Pending,
            has_token: true,
            expires_us: None,
            is_purged: false,
        };
        self.rows.push(row.clone());
        Outcome::Found(Intent::Fresh(row.attempt))
    }

    fn is_withdrawn(&self, token_key: &str, now_us: i64) -> bool {
        self.withdrawn.get(token_key).is_some_and(|until| *until >= now_us)
    }

    fn ask(&mut self, token_key: &str, now_us: i64) -> Option<(Buy, Intent)> {
        if let Some(Row { attempt, customer, .. }) = self.find(token_key) {
            let quantity = u32::try_from(attempt.quantity).unwrap();
            let customer = customer.map(i64::unsigned_abs);
            let buy = Buy { name: attempt.product.clone(), quantity, customer };
            return self.outcome(token_key).map(|intent| (buy, intent));
        }
        if !self.is_withdrawn(token_key, now_us) {
            self.withdrawn.insert(token_key.to_owned(), now_us + KEEPING.kept_us);
        }
        None
    }

    /// The decision that stands: the first.
    fn decide(&mut self, attempt: &Attempt, decision: impl FnOnce(&mut Self, usize) -> Decision) -> Outcome {
        let row = self.rows.iter().position(|row| row.attempt.id == attempt.id).unwrap();
        if let State::Decided(decision) = &self.rows[row].state {
            return Outcome::Decided(decision.clone());
        }
        let decision = decision(self, row);
        self.rows[row].state = State::Decided(decision.clone());
        self.decided.push(row);
        Outcome::Decided(decision)
    }

    /// The next order, of this row.
    fn place(&mut self, row: usize, price_minor: i64, now_us: i64) -> Order {
        let order_num = 1 + i64::try_from(self.orders().count()).unwrap();
        let Row { attempt, customer, .. } = self.rows[row].clone();
        let order = Order {
            order_num,
            token_key: attempt.token_key,
            reservation: attempt.reservation,
            product: attempt.product,
            quantity: attempt.quantity,
            price_minor,
            total_minor: price_minor * attempt.quantity,
            status: OrderStatus::Processing,
            status_at_us: now_us,
            customer,
            created_at_us: attempt.created_at_us,
            decided_at_us: now_us,
        };
        let change = OrderChange::Placed {
            order_num: order_num.unsigned_abs(),
            name: order.product.clone(),
            quantity: order.quantity.unsigned_abs(),
            total: Decimal(order.total_minor),
            customer: customer.map(i64::unsigned_abs),
        };
        self.changes.push((order.reservation.clone(), now_us, change));
        order
    }

    fn set_status(&mut self, number: i64, to: OrderStatus, now_us: i64) -> Outcome {
        let order_num = number.unsigned_abs();
        let order = self.rows.iter_mut().find_map(|row| match &mut row.state {
            State::Decided(Decision::Confirmed(order)) if order.order_num == number => Some(order),
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
