//! The store against its model, over random sequences of what callers, workers and sweepers may do.

use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use super::model::{KEEPING, Model, Outcome, SWEEPER, Write, stopped};
use crate::database::testing::sequences::{by_effect, check_sequences};
use crate::database::testing::{On, on_both_databases};
use crate::order::service::SORT_KEYS;
use crate::paging::order_by;
use crate::store::StoreError;

on_both_databases! {
    tokio: [],
    threads: [whoever_works_on_attempts_the_store_does_as_its_model],
}

const PRODUCTS: [&str; 4] = ["Tux", "tux", "Gold Fish", "Élan"];
const SORTS: [&str; 8] =
    ["order_num", "-order_num", "name", "-name", "quantity", "-quantity", "total", "-total"];

/// Something that somebody does. A worker has recalled the token just now, or holds on to a reservation of long ago.
#[derive(Clone, Debug)]
enum Act {
    Decide {
        token: u8,
        product: &'static str,
        quantity: u32,
        customer: Option<i64>,
        old: Option<usize>,
        verdict: Verdict,
    },
    Disown {
        old: usize,
    },
    SetStatus(i64, OrderStatus),
    Ask(u8),
}

/// One step: what waits for the writer together; or a look.
#[derive(Clone, Debug)]
enum Step {
    Acts(Vec<Act>),
    Recall { token: u8, body: u8 },
    Purge { later_us: i64 },
    Look { filter: Filter, sort: &'static str, page: Page },
    Log { after: usize, limit: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let recall = (0..6_u8, 1..3_u8).prop_map(|(token, body)| Step::Recall { token, body });
    let purge = (0..12_i64).prop_map(|later_us| Step::Purge { later_us });
    let log = (0..12_usize, 1..8_u32).prop_map(|(after, limit)| Step::Log { after, limit });
    prop_oneof![5 => vec(act(), 1..6).prop_map(Step::Acts), 2 => recall, 2 => look(), 1 => log, 1 => purge]
}

fn act() -> impl Strategy<Value = Act> {
    let what = (0..6_u8, select(&PRODUCTS[..]), 1..3_u32, option::of(1..3_i64));
    // Mostly one of the newest.
    let old = || 0..6_usize;
    let decide = (what, option::weighted(0.3, old()), verdict()).prop_map(
        |((token, product, quantity, customer), old, verdict)| Act::Decide {
            token,
            product,
            quantity,
            customer,
            old,
            verdict,
        },
    );
    prop_oneof![
        8 => decide,
        1 => old().prop_map(|old| Act::Disown { old }),
        1 => (0..6_u8).prop_map(Act::Ask),
        3 => (1..8_i64, select(&OrderStatus::ALL[..])).prop_map(|(number, to)| Act::SetStatus(number, to)),
    ]
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let refusal = || {
        select(&["OUT_OF_STOCK", "UNAVAILABLE"][..]).prop_map(|code| Refusal {
            code: code.to_owned(),
            message: format!("words of {code}"),
            available: Some(3),
        })
    };
    prop_oneof![
        4 => (0..4_i64).prop_map(|price_minor| Verdict::Place { price_minor }),
        1 => refusal().prop_map(Verdict::Refuse),
        1 => refusal().prop_map(Verdict::Decline),
        2 => refusal().prop_map(Verdict::Abandon),
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
    /// Reservations that anybody has ever had, the oldest first.
    reservations: Vec<String>,
    now_us: i64,
}

fn whoever_works_on_attempts_the_store_does_as_its_model(on: On) {
    check_sequences(on, OrderStore::MIGRATIONS, step(), async |database, steps| {
        let (store, model) = (OrderStore::over(database, KEEPING), Model::default());
        let mut shop = Shop { store, model, reservations: Vec::new(), now_us: 0 };
        for step in steps {
            match step {
                Step::Acts(acts) => {
                    let mut writes = Vec::new();
                    for act in &acts {
                        writes.extend(shop.write(act).await);
                    }
                    shop.carry_out(writes).await;
                }
                Step::Recall { token, body } => drop(shop.recall(token, body).await),
                Step::Purge { later_us } => shop.purge(later_us).await,
                Step::Look { filter, sort, page } => shop.check_page(&filter, sort, page).await,
                Step::Log { after, limit } => shop.check_log(after, limit).await,
            }
        }
        shop.check_lookups().await;
        shop.check_feed().await;
    });
}

fn key(token: u8) -> String {
    format!("token {token}")
}

impl Shop {
    /// What is known of a token, which is what the model knows; the reservation of its next attempt.
    async fn recall(&mut self, token: u8, body: u8) -> Option<String> {
        let (key, body_hash) = (key(token), [body; 32]);
        let recalled = self.store.recall(&key, &body_hash, self.now_us).await;
        let decided = self.model.decided(&key);
        match recalled {
            Ok(Recalled::Decided(decision)) => assert_eq!(Some(&decision), decided),
            Ok(Recalled::Open { reservation }) => {
                assert_eq!((decided, self.model.is_withdrawn(&key, self.now_us)), (None, false));
                assert!(!self.model.is_reserved(&reservation), "{reservation}");
                self.reservations.retain(|known| *known != reservation);
                self.reservations.push(reservation.clone());
                return Some(reservation);
            }
            Err(StoreError::TokenReused) => assert!(self.model.decided(&key).is_some()),
            Err(StoreError::TokenWithdrawn) => {
                assert_eq!((decided, self.model.is_withdrawn(&key, self.now_us)), (None, true));
            }
            other => panic!("{other:?}"),
        }
        None
    }

    /// What is written when somebody does this; nothing if there is nothing to work on.
    async fn write(&mut self, act: &Act) -> Option<Write> {
        let old = |shop: &Self, which: usize| shop.reservations.iter().rev().nth(which).cloned();
        Some(match act {
            Act::Decide { token, product, quantity, customer, old: which, verdict } => {
                let body = u8::try_from(*quantity).unwrap();
                let reservation = match which {
                    Some(which) => old(self, *which)?,
                    None => self.recall(*token, body).await?,
                };
                let attempt = Attempt {
                    token_key: key(*token),
                    body_hash: [body; 32],
                    reservation,
                    product: (*product).to_owned(),
                    quantity: *quantity,
                    customer: *customer,
                    owner: "order-1".to_owned(),
                    came_at_us: self.now_us,
                };
                Write::Decide(attempt, verdict.clone())
            }
            Act::Disown { old: which } => {
                let reservation = old(self, *which)?;
                Write::Disown(Held { reservation, product: "Tux".to_owned(), quantity: 2 })
            }
            Act::SetStatus(order_num, to) => Write::SetStatus(*order_num, *to),
            Act::Ask(token) => Write::Ask(key(*token)),
        })
    }

    /// Does all this at once: it is queued in this order, and shares a transaction. What is decided is so together.
    async fn carry_out(&mut self, writes: Vec<Write>) {
        self.now_us += 1;
        let performed = writes.iter().map(|write| perform(&self.store, write, self.now_us));
        let outcomes = join_all(performed).await;
        let done = writes.iter().zip(outcomes).collect();
        for (write, outcome) in by_effect(done, |(write, _)| matches!(write, Write::Decide(..)).then_some(()))
        {
            assert_eq!(outcome, self.model.apply(write, self.now_us), "{write:?}");
        }
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

    /// What a service does all the time.
    async fn purge(&mut self, later_us: i64) {
        self.now_us += later_us;
        let mut purged = 0;
        while let rows @ 1.. = self.store.purge(self.now_us).await.unwrap() {
            purged += rows;
        }
        assert_eq!(purged, self.model.purge(self.now_us), "at {}", self.now_us);
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
    async fn check_lookups(&mut self) {
        for token in 0..7 {
            self.recall(token, 1).await;
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
        Write::Decide(attempt, verdict) => store.decide(attempt, verdict, now_us).await.map(Outcome::Decided),
        Write::Disown(held) => {
            store.disown(held, stopped(), SWEEPER.to_owned(), now_us).await.map(Outcome::Disowned)
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
