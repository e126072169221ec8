//! The store against its model, over random sequences of what callers, workers and recovery may do.

use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use super::model::{KEEPING, Model, Outcome, Write};
use crate::database::testing::sequences::check_sequences;
use crate::database::testing::{On, on_both_databases};
use crate::order::service::SORT_KEYS;
use crate::paging::order_by;

on_both_databases! {
    tokio: [],
    threads: [whoever_works_on_attempts_the_store_does_as_its_model],
}

const PRODUCTS: [&str; 4] = ["Tux", "tux", "Gold Fish", "Élan"];
const OWNERS: [&str; 3] = ["order-1", "order-2", "order-3"];
const SORTS: [&str; 8] =
    ["order_num", "-order_num", "name", "-name", "quantity", "-quantity", "total", "-total"];

/// Something that somebody does. A worker chooses among the attempts that anybody has ever seen.
#[derive(Clone, Debug)]
enum Act {
    Intend { token: u8, product: &'static str, quantity: u32, customer: Option<i64>, owner: &'static str },
    Confirm(usize, i64),
    Refuse(usize, &'static str),
    Abandon(usize, &'static str),
    SetStatus(i64, OrderStatus),
    Ask(u8),
}

/// One step: what waits for the writer together; an instance that recovers; or a look.
#[derive(Clone, Debug)]
enum Step {
    Acts(Vec<Act>),
    Recover { owner: Option<&'static str>, limit: u32, later_us: i64 },
    Purge { later_us: i64 },
    Look { filter: Filter, sort: &'static str, page: Page },
    Log { after: usize, limit: u32 },
}

/// How long an attempt is its owner's: about three steps.
const LEASE_US: i64 = 8;

fn step() -> impl Strategy<Value = Step> {
    let owner = option::of(select(&OWNERS[..]));
    let recover = (owner, 1..4_u32, 0..4_i64).prop_map(|(owner, limit, later_us)| Step::Recover {
        owner,
        limit,
        later_us,
    });
    let purge = (0..12_i64).prop_map(|later_us| Step::Purge { later_us });
    let log = (0..12_usize, 1..8_u32).prop_map(|(after, limit)| Step::Log { after, limit });
    prop_oneof![5 => vec(act(), 1..6).prop_map(Step::Acts), 1 => recover, 2 => look(), 1 => log, 1 => purge]
}

fn act() -> impl Strategy<Value = Act> {
    let intend = (0..6_u8, select(&PRODUCTS[..]), 1..3_u32, option::of(1..3_i64), select(&OWNERS[..]))
        .prop_map(|(token, product, quantity, customer, owner)| Act::Intend {
            token,
            product,
            quantity,
            customer,
            owner,
        });
    let code = || select(&["OUT_OF_STOCK", "UNAVAILABLE"][..]);
    // Mostly one of the newest.
    let which = || 0..6_usize;
    prop_oneof![
        4 => intend,
        4 => (which(), 0..4_i64).prop_map(|(which, price_minor)| Act::Confirm(which, price_minor)),
        1 => (which(), code()).prop_map(|(which, code)| Act::Refuse(which, code)),
        1 => (which(), code()).prop_map(|(which, code)| Act::Abandon(which, code)),
        1 => (0..6_u8).prop_map(Act::Ask),
        3 => (1..8_i64, select(&OrderStatus::ALL[..])).prop_map(|(number, to)| Act::SetStatus(number, to)),
    ]
}

fn look() -> impl Strategy<Value = Step> {
    let page = (1..4_u32, 1..6_u32).prop_map(|(number, size)| Page::of(Some(number), Some(size)));
    let filter = (
        option::weighted(0.3, select(&OrderStatus::ALL[..])),
        option::weighted(0.3, 1..3_i64),
        option::weighted(0.3, select(&PRODUCTS[..])),
    );
    (filter, select(&SORTS[..]), page).prop_map(|((status, customer, product), sort, page)| {
        let filter = Filter { status, customer, product: product.map(str::to_owned) };
        Step::Look { filter, sort, page }
    })
}

/// A store and its model, and who works on them.
struct Shop {
    store: OrderStore,
    model: Model,
    /// Attempts that anybody has ever seen, the oldest first.
    seen: Vec<Attempt>,
    now_us: i64,
    reservations: u32,
}

fn whoever_works_on_attempts_the_store_does_as_its_model(on: On) {
    check_sequences(on, OrderStore::MIGRATIONS, step(), async |database, steps| {
        let (store, model) = (OrderStore::over(database, KEEPING), Model::default());
        let mut shop = Shop { store, model, seen: Vec::new(), now_us: 0, reservations: 0 };
        for step in steps {
            match step {
                Step::Acts(acts) => {
                    let writes = acts.iter().filter_map(|act| shop.write(act)).collect();
                    shop.carry_out(writes).await;
                }
                Step::Recover { owner, limit, later_us } => shop.recover(owner, limit, later_us).await,
                Step::Purge { later_us } => shop.purge(later_us).await,
                Step::Look { filter, sort, page } => shop.check_page(&filter, sort, page).await,
                Step::Log { after, limit } => shop.check_log(after, limit).await,
            }
        }
        shop.check_lookups().await;
        shop.check_feed().await;
    });
}

impl Shop {
    /// What is written when somebody does this; nothing if there is no attempt to work on yet.
    fn write(&mut self, act: &Act) -> Option<Write> {
        let attempt = |which: &usize| self.seen.iter().rev().nth(*which).cloned();
        let refusal = |code: &str| Refusal {
            code: code.to_owned(),
            message: format!("words of {code}"),
            available: Some(3),
        };
        Some(match act {
            Act::Intend { token, product, quantity, customer, owner } => {
                self.now_us += 1;
                self.reservations += 1;
                Write::Intend(NewAttempt {
                    token_key: format!("token {token}"),
                    body_hash: [u8::try_from(*quantity).unwrap(); 32],
                    reservation: format!("reservation {}", self.reservations),
                    product: (*product).to_owned(),
                    quantity: *quantity,
                    customer: *customer,
                    owner: (*owner).to_owned(),
                    lease_until_us: self.now_us + LEASE_US,
                    now_us: self.now_us,
                })
            }
            Act::Confirm(which, price_minor) => Write::Confirm(attempt(which)?, *price_minor),
            Act::Refuse(which, code) => Write::Refuse(attempt(which)?, refusal(code)),
            Act::Abandon(which, code) => Write::Abandon(attempt(which)?, refusal(code)),
            Act::SetStatus(order_num, to) => Write::SetStatus(*order_num, *to),
            Act::Ask(token) => Write::Ask(format!("token {token}")),
        })
    }

    /// Does all this at once: it is queued in this order, and shares a transaction.
    async fn carry_out(&mut self, writes: Vec<Write>) {
        self.now_us += 1;
        let performed = writes.iter().map(|write| perform(&self.store, write, self.now_us));
        let outcomes = join_all(performed).await;
        for (write, outcome) in writes.iter().zip(outcomes) {
            assert_eq!(outcome, self.model.apply(write, self.now_us, &outcome), "{write:?}");
            if let Outcome::Found(Intent::Fresh(attempt)) = outcome {
                self.seen.push(attempt);
            }
        }
    }

    /// What an instance does at its start (with its name), and now and then (without).
    async fn recover(&mut self, owner: Option<&str>, limit: u32, later_us: i64) {
        self.now_us += later_us;
        let left = self.store.recoverable(owner, self.now_us, limit).await.unwrap();
        let mut expected = self.model.recoverable(owner, self.now_us);
        expected.truncate(limit as usize);
        assert_eq!(left.iter().collect::<Vec<_>>(), expected, "{owner:?}");
        let refusal = Refusal { code: "UNAVAILABLE".into(), message: "it stopped".into(), available: None };
        self.carry_out(left.into_iter().map(|attempt| Write::Abandon(attempt, refusal.clone())).collect())
            .await;
    }

    async fn check_page(&self, filter: &Filter, sort: &str, page: Page) {
        let order = order_by(Some(sort), &SORT_KEYS, "order_num").unwrap();
        let (orders, total) = self.store.list(filter, &order, page).await.unwrap();
        let matches = |order: &&Order| {
            filter.status.is_none_or(|status| order.status == status)
                && filter.customer.is_none_or(|customer| order.customer == Some(customer))
                && filter.product.as_ref().is_none_or(|product| order.product == *product)
        };
        let mut expected: Vec<_> = self.model.orders().filter(matches).collect();
        expected.sort_by_key(|order| match sort.trim_start_matches('-') {
            "name" => (order.product.clone(), 0, order.order_num),
            "quantity" => (String::new(), order.quantity, order.order_num),
            "total" => (String::new(), order.total_minor, order.order_num),
            _ => (String::new(), 0, order.order_num),
        });
        if sort.starts_with('-') {
            expected.reverse();
        }
        assert_eq!(usize::try_from(total).unwrap(), expected.len(), "{filter:?}");
        let [before, size] = [page.offset(), page.limit()].map(|count| usize::try_from(count).unwrap());
        let expected: Vec<_> = expected.into_iter().skip(before).take(size).collect();
        assert_eq!(orders.iter().collect::<Vec<_>>(), expected, "{filter:?} {sort} {page:?}");
    }

    /// What a service does all the time. Nobody works any more on what is so old.
    async fn purge(&mut self, later_us: i64) {
        self.now_us += later_us;
        let mut purged = 0;
        while let rows @ 1.. = self.store.purge(self.now_us).await.unwrap() {
            purged += rows;
        }
        assert_eq!(purged, self.model.purge(self.now_us), "at {}", self.now_us);
        self.seen.retain(|attempt| !self.model.is_purged(attempt));
    }

    async fn check_log(&self, after: usize, limit: u32) {
        let after = i64::try_from(after).unwrap();
        let mut lines = self.model.log();
        lines.retain(|(place, _)| *place > after);
        lines.truncate(limit as usize);
        let last = lines.last().map_or(after, |(place, _)| *place);
        let count = u32::try_from(lines.len()).unwrap();
        let text = lines.into_iter().map(|(_, line)| line).collect();
        let page = LogPage { text, lines: count, last };
        assert_eq!(self.store.log_text(after, limit).await.unwrap(), page);
    }

    /// Every token and number, those that nobody has too.
    async fn check_lookups(&self) {
        for token in (0..7).map(|token| format!("token {token}")) {
            assert_eq!(self.store.outcome(&token).await.unwrap(), self.model.outcome(&token), "{token}");
        }
        let placed: Vec<_> = self.model.orders().collect();
        for (number, order) in (1..).zip(&placed) {
            assert_eq!(order.order_num, number, "numbers have no gaps");
            assert_eq!(self.store.by_number(number).await.unwrap(), **order);
        }
        let next = i64::try_from(placed.len()).unwrap() + 1;
        let beyond = self.store.by_number(next).await;
        assert!(matches!(beyond, Err(StoreError::Refused(OrderError::OrderNotFound { .. }))), "{beyond:?}");
        self.check_log(0, 1_000).await;
    }

    /// The feed tells each change once and in order; a consumer that has heard nothing is told the same.
    async fn check_feed(&self) {
        let (mut told, mut after) = (Vec::new(), 0);
        loop {
            let (events, _) = self.store.events(after, 7).await.unwrap();
            let Some(last) = events.last() else { break };
            assert!(events.iter().is_sorted_by_key(|event| event.id) && events[0].id > after);
            after = last.id;
            told.extend(events);
        }
        assert_eq!(self.store.untold("product", 500).await.unwrap(), told);
        let told: Vec<_> = told.into_iter().map(|event| (event.key, event.at_us, event.change)).collect();
        assert_eq!(told, self.model.changes);
    }
}

async fn perform(store: &OrderStore, write: &Write, now_us: i64) -> Outcome {
    let outcome = match write.clone() {
        Write::Intend(new) => store.intend(new).await.map(Outcome::Found),
        Write::Confirm(attempt, price_minor) => {
            store.confirm(&attempt, price_minor, now_us).await.map(Outcome::Decided)
        }
        Write::Refuse(attempt, refusal) => {
            store.refuse(&attempt, refusal, now_us).await.map(Outcome::Decided)
        }
        Write::Abandon(attempt, refusal) => {
            store.abandon(&attempt, refusal, now_us).await.map(Outcome::Decided)
        }
        Write::SetStatus(order_num, to) => store.set_status(order_num, to, now_us).await.map(Outcome::Is),
        Write::Ask(key) => {
            store.ask(Token { holder: "tester".into(), key }, now_us).await.map(Outcome::Asked)
        }
    };
    outcome.unwrap_or_else(|error| match error {
        StoreError::Refused(error) => Outcome::Refused(error),
        StoreError::TokenReused => Outcome::TokenReused,
        StoreError::TokenWithdrawn => Outcome::TokenWithdrawn,
        StoreError::TokensFull | StoreError::Invalid(_) | StoreError::Database(_) => {
            panic!("{write:?}: {error}")
        }
    })
}
