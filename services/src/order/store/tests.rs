//! Tests of the attempts, the orders and the log.

mod expiry;
mod model;
mod properties;

use super::*;
use crate::database::Location;
use crate::database::testing::{On, TestDatabase, on_both_databases, runtime};

on_both_databases! {
    tokio: [
        an_attempt_is_written_down_once_and_confirmed_once,
        a_refusal_is_stored_and_the_first_one_stands,
        a_token_with_another_body_is_refused_in_every_state,
        what_was_never_seen_is_an_error_and_not_a_row,
        arguments_outside_their_limits_are_refused,
        the_feed_tells_what_product_has_to_know_in_order,
        an_order_goes_its_way_and_no_other,
        a_list_is_filtered_and_sorted,
        an_abandoned_attempt_excludes_its_order_and_frees_its_token,
        abandoning_is_safe_from_any_other_token,
        recovery_finds_what_is_ones_own_or_expired_and_never_live_work,
        the_log_is_the_toy_stores_own,
        the_log_is_in_the_order_of_decision_and_a_line_stays_a_line,
        demo_orders_are_seeded_once_and_numbers_go_on_after_them,
    ],
    threads: [numbers_have_no_gaps_and_no_repeats_under_two_instances],
}

const BODY: [u8; 32] = [1; 32];

/// When leases end in these tests, unless they say otherwise.
const LEASE_US: i64 = 1_000;

async fn open(location: &Location) -> OrderStore {
    OrderStore::over(Database::open(location, OrderStore::MIGRATIONS).await.unwrap(), Keeping::default())
}

async fn empty(on: On) -> (TestDatabase, OrderStore) {
    let place = TestDatabase::new(on);
    let store = open(place.location()).await;
    (place, store)
}

fn attempt(token: &str, product: &str, quantity: u32) -> NewAttempt {
    NewAttempt {
        token_key: token.to_owned(),
        body_hash: BODY,
        reservation: format!("reservation of {token}"),
        product: product.to_owned(),
        quantity,
        customer: None,
        owner: "order-1".to_owned(),
        lease_until_us: LEASE_US,
        now_us: 5,
    }
}

fn refusal(code: &str) -> Refusal {
    Refusal { code: code.to_owned(), message: format!("words of {code}"), available: Some(3) }
}

async fn intend(store: &OrderStore, token: &str) -> Attempt {
    match store.intend(attempt(token, "Tux", 2)).await.unwrap() {
        Intent::Fresh(attempt) => attempt,
        other => panic!("{token} is not fresh: {other:?}"),
    }
}

/// The attempt that waits for its decision under this token.
async fn pending(store: &OrderStore, token: &str) -> Attempt {
    match store.outcome(token).await.unwrap() {
        Some(Intent::Pending(attempt)) => attempt,
        other => panic!("{token} is not pending: {other:?}"),
    }
}

async fn confirm(store: &OrderStore, token: &str, price_minor: i64) -> Order {
    let attempt = pending(store, token).await;
    match store.confirm(&attempt, price_minor, 7).await.unwrap() {
        Decision::Confirmed(order) => order,
        Decision::Refused(refusal) => panic!("{token} was refused: {refusal:?}"),
    }
}

async fn refuse(store: &OrderStore, token: &str, code: &str) {
    let attempt = pending(store, token).await;
    let decision = store.refuse(&attempt, refusal(code), 7).await.unwrap();
    assert_eq!(decision, Decision::Refused(refusal(code)));
}

/// The numbers on a page of the newest orders, and how many there are.
async fn numbers(store: &OrderStore, page: u32, per_page: u32) -> (Vec<i64>, i64) {
    let page = Page::of(Some(page), Some(per_page));
    let (orders, total) = store.list(&Filter::default(), "order_num DESC", page).await.unwrap();
    (orders.iter().map(|order| order.order_num).collect(), total)
}

/// What the feed tells: of which reservation, and what.
async fn told(store: &OrderStore) -> Vec<(String, &'static str)> {
    let what = |change: &OrderChange| match change {
        OrderChange::Placed { .. } => "placed",
        OrderChange::Abandoned { .. } => "abandoned",
        OrderChange::Moved { .. } => "moved",
        OrderChange::Cancelled { .. } => "cancelled",
    };
    let (events, _) = store.events(0, 500).await.unwrap();
    events.into_iter().map(|event| (event.key, what(&event.change))).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T>, why: &OrderError) {
    match outcome {
        Err(StoreError::Refused(error)) => assert_eq!(error, *why),
        other => panic!("{why:?} should have come, not {other:?}"),
    }
}

fn tokens(attempts: &[Attempt]) -> Vec<&str> {
    attempts.iter().map(|attempt| attempt.token_key.as_str()).collect()
}

async fn an_attempt_is_written_down_once_and_confirmed_once(on: On) {
    let (_place, store) = empty(on).await;
    let fresh = intend(&store, "a").await;
    assert_eq!((fresh.id, fresh.quantity, fresh.owner.as_str()), (1, 2, "order-1"));

    // A repeat finds the first one's reservation, not its own.
    let repeat = NewAttempt { reservation: "another".to_owned(), ..attempt("a", "Tux", 2) };
    assert_eq!(store.intend(repeat.clone()).await.unwrap(), Intent::Pending(fresh.clone()));

    let order = confirm(&store, "a", 2_599).await;
    let expected = Order {
        order_num: 1,
        token_key: "a".to_owned(),
        reservation: fresh.reservation.clone(),
        product: "Tux".to_owned(),
        quantity: 2,
        price_minor: 2_599,
        total_minor: 5_198,
        status: OrderStatus::Processing,
        status_at_us: 7,
        customer: None,
        created_at_us: 5,
        decided_at_us: 7,
    };
    assert_eq!(order, expected);
    let stands = Decision::Confirmed(expected.clone());
    assert_eq!(store.confirm(&fresh, 1, 9).await.unwrap(), stands, "the first confirmation stands");
    assert_eq!(store.intend(repeat).await.unwrap(), Intent::Decided(stands.clone()));
    assert_eq!(store.outcome("a").await.unwrap(), Some(Intent::Decided(stands.clone())));
    assert_eq!(store.by_number(1).await.unwrap(), expected.clone());

    assert_eq!(store.refuse(&fresh, refusal("out_of_stock"), 10).await.unwrap(), stands);
    assert_eq!(store.abandon(&fresh, refusal("unavailable"), 10).await.unwrap(), stands);
}

async fn a_refusal_is_stored_and_the_first_one_stands(on: On) {
    let (_place, store) = empty(on).await;
    let attempted = intend(&store, "a").await;
    let first = Decision::Refused(refusal("out_of_stock"));
    assert_eq!(store.refuse(&attempted, refusal("out_of_stock"), 7).await.unwrap(), first);
    assert_eq!(store.refuse(&attempted, refusal("unknown_product"), 8).await.unwrap(), first);
    assert_eq!(store.intend(attempt("a", "Tux", 2)).await.unwrap(), Intent::Decided(first.clone()));
    assert_eq!(store.confirm(&attempted, 1, 9).await.unwrap(), first);
    assert_eq!(told(&store).await, [], "product knows what it refused itself");
    assert_eq!(numbers(&store, 1, 10).await, (vec![], 0), "a refusal takes no number");
}

async fn a_token_with_another_body_is_refused_in_every_state(on: On) {
    let (_place, store) = empty(on).await;
    for token in ["pending", "confirmed", "refused"] {
        intend(&store, token).await;
    }
    confirm(&store, "confirmed", 1).await;
    refuse(&store, "refused", "x").await;
    for token in ["pending", "confirmed", "refused"] {
        let other = NewAttempt { body_hash: [2; 32], ..attempt(token, "Tux", 3) };
        assert!(matches!(store.intend(other).await, Err(StoreError::TokenReused)), "{token}");
    }
}

async fn what_was_never_seen_is_an_error_and_not_a_row(on: On) {
    let (_place, store) = empty(on).await;
    let (_other_place, other) = empty(on).await;
    let stranger = intend(&other, "a").await;
    assert!(matches!(store.confirm(&stranger, 1, 1).await, Err(StoreError::Database(_))));
    assert!(matches!(store.refuse(&stranger, refusal("x"), 1).await, Err(StoreError::Database(_))));
    assert!(matches!(store.abandon(&stranger, refusal("x"), 1).await, Err(StoreError::Database(_))));
    let unknown = OrderError::OrderNotFound { order_num: 1 };
    refused(store.set_status(1, OrderStatus::Shipped, 1).await, &unknown);
    refused(store.by_number(1).await, &unknown);
    assert_eq!(store.outcome("a").await.unwrap(), None);
    assert_eq!(store.log_text(0, 10).await.unwrap(), LogPage::default());
}

async fn arguments_outside_their_limits_are_refused(on: On) {
    let (_place, store) = empty(on).await;
    let long = "x".repeat(1_000);
    let bad = [
        attempt("", "Tux", 1),
        attempt(&long, "Tux", 1),
        attempt("a", "", 1),
        attempt("a", &long, 1),
        attempt("a", "Tux", 0),
        NewAttempt { owner: String::new(), ..attempt("a", "Tux", 1) },
    ];
    for bad in bad {
        assert!(matches!(store.intend(bad.clone()).await, Err(StoreError::Invalid(_))), "{bad:?}");
    }
    store.intend(attempt("a", "Tux", u32::MAX)).await.unwrap();
    for price_minor in [-1, PRICE_MINOR_MAX + 1] {
        let attempted = pending(&store, "a").await;
        assert!(matches!(store.confirm(&attempted, price_minor, 1).await, Err(StoreError::Invalid(_))));
    }
    let order = confirm(&store, "a", PRICE_MINOR_MAX).await;
    assert_eq!(order.total_minor, PRICE_MINOR_MAX * i64::from(u32::MAX), "the highest total fits");
}

async fn the_feed_tells_what_product_has_to_know_in_order(on: On) {
    let (_place, store) = empty(on).await;
    let mut attempts = Vec::new();
    for token in ["a", "b", "c", "d"] {
        attempts.push(intend(&store, token).await);
    }
    confirm(&store, "b", 100).await;
    confirm(&store, "a", 100).await;
    refuse(&store, "d", "out_of_stock").await;
    for _ in 0..2 {
        store.abandon(&attempts[2], refusal("unavailable"), 6).await.unwrap();
        store.set_status(1, OrderStatus::Cancelled, 8).await.unwrap();
    }
    store.set_status(2, OrderStatus::Shipped, 9).await.unwrap();
    let of = |token: &str, what: &'static str| (format!("reservation of {token}"), what);
    let expected =
        [of("b", "placed"), of("a", "placed"), of("c", "abandoned"), of("b", "cancelled"), of("a", "moved")];
    assert_eq!(told(&store).await, expected);
    let (later, oldest) = store.events(3, 1).await.unwrap();
    assert_eq!((later.len(), later[0].id, later[0].at_us, oldest), (1, 4, 8, 1));
}

async fn an_order_goes_its_way_and_no_other(on: On) {
    let (_place, store) = empty(on).await;
    for token in ["shipped", "cancelled"] {
        intend(&store, token).await;
        confirm(&store, token, 100).await;
    }
    let way = [
        (1, OrderStatus::Delivered, false),
        (1, OrderStatus::Shipped, true),
        (1, OrderStatus::Shipped, true),
        (1, OrderStatus::Cancelled, false),
        (1, OrderStatus::Processing, false),
        (1, OrderStatus::Delivered, true),
        (1, OrderStatus::Cancelled, false),
        (2, OrderStatus::Cancelled, true),
        (2, OrderStatus::Cancelled, true),
        (2, OrderStatus::Shipped, false),
    ];
    for (number, to, goes) in way {
        let before = store.by_number(number).await.unwrap().status;
        match store.set_status(number, to, 9).await {
            Ok(order) => assert!(goes && order.status == to, "{number} {to}"),
            Err(StoreError::Refused(OrderError::InvalidTransition { from, to: wanted, .. })) => {
                assert!(!goes && from == before && wanted == to, "{number} {to}");
                assert_eq!(store.by_number(number).await.unwrap().status, before);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

async fn a_list_is_filtered_and_sorted(on: On) {
    let (_place, store) = empty(on).await;
    for (token, product, customer) in [("a", "Tux", Some(7)), ("b", "Bird", Some(7)), ("c", "Tux", None)] {
        let new = NewAttempt { customer, ..attempt(token, product, 1) };
        store.intend(new).await.unwrap();
        confirm(&store, token, 100).await;
    }
    store.set_status(1, OrderStatus::Shipped, 9).await.unwrap();
    let found = async |filter: Filter, order: &str| {
        let (orders, total) = store.list(&filter, order, Page::of(None, None)).await.unwrap();
        assert_eq!(orders.len() as i64, total);
        orders.iter().map(|order| order.order_num).collect::<Vec<_>>()
    };
    let of = |status, customer, product: Option<&str>| Filter {
        status,
        customer,
        product: product.map(str::to_owned),
    };
    let newest = "order_num DESC, order_num DESC";
    assert_eq!(found(Filter::default(), newest).await, [3, 2, 1]);
    assert_eq!(found(Filter::default(), "product ASC, order_num ASC").await, [2, 1, 3]);
    assert_eq!(found(of(Some(OrderStatus::Processing), None, None), newest).await, [3, 2]);
    assert_eq!(found(of(None, Some(7), None), newest).await, [2, 1]);
    assert_eq!(found(of(None, None, Some("Tux")), newest).await, [3, 1]);
    assert_eq!(found(of(Some(OrderStatus::Shipped), Some(7), Some("Tux")), newest).await, [1]);
    assert_eq!(found(of(None, None, Some("T\0x")), newest).await, [0; 0]);
}

async fn an_abandoned_attempt_excludes_its_order_and_frees_its_token(on: On) {
    let (_place, store) = empty(on).await;
    let first = intend(&store, "a").await;
    let given_up = Decision::Refused(Refusal { available: None, ..refusal("unavailable") });
    for now_us in [6, 7] {
        assert_eq!(store.abandon(&first, refusal("unavailable"), now_us).await.unwrap(), given_up);
    }
    let again = NewAttempt { reservation: "another".into(), ..attempt("a", "Tux", 2) };
    let Intent::Fresh(second) = store.intend(again).await.unwrap() else { panic!("the token is not free") };
    // Whoever still worked on the first comes too late, and can't touch the second, which bears the same token.
    assert_eq!(store.confirm(&first, 1, 8).await.unwrap(), given_up);
    assert_eq!(store.refuse(&first, refusal("out_of_stock"), 8).await.unwrap(), given_up);
    assert_eq!(pending(&store, "a").await, second);
    let order = confirm(&store, "a", 1).await;
    assert_eq!((order.order_num, order.reservation.as_str()), (1, "another"));
    assert_eq!(store.log_text(0, 10).await.unwrap().text, "-1 Tux 2\n1 Tux 2\n");
    assert_eq!(store.abandon(&second, refusal("unavailable"), 9).await.unwrap(), Decision::Confirmed(order));
}

async fn abandoning_is_safe_from_any_other_token(on: On) {
    let (_place, store) = empty(on).await;
    let attempted = intend(&store, "a").await;
    for token in ["a#1", "a 1", "a/1", ""] {
        let _ = store.intend(NewAttempt { reservation: token.into(), ..attempt(token, "Tux", 1) }).await;
    }
    let decision = store.abandon(&attempted, refusal("unavailable"), 6).await.unwrap();
    assert!(matches!(decision, Decision::Refused(_)));
    intend(&store, "b").await;
}

async fn recovery_finds_what_is_ones_own_or_expired_and_never_live_work(on: On) {
    let (_place, store) = empty(on).await;
    let work = [
        ("mine", "order-1", 900),
        ("expired", "order-2", 100),
        ("live", "order-2", 900),
        ("done", "order-1", 1),
    ];
    for (token, owner, lease_until_us) in work {
        let new = NewAttempt { owner: owner.to_owned(), lease_until_us, ..attempt(token, "Tux", 1) };
        store.intend(new).await.unwrap();
    }
    confirm(&store, "done", 1).await;

    let at_start = store.recoverable(Some("order-1"), 500, 10).await.unwrap();
    assert_eq!(tokens(&at_start), ["mine", "expired"]);
    assert_eq!(tokens(&store.recoverable(Some("order-1"), 500, 1).await.unwrap()), ["mine"]);
    assert_eq!(tokens(&store.recoverable(None, 500, 10).await.unwrap()), ["expired"]);
}

async fn the_log_is_the_toy_stores_own(on: On) {
    let (_place, store) = empty(on).await;
    let buys = [
        ("Whale", 1, true),
        ("invalid", 1, false),
        ("Whale", 1_000, false),
        ("Elephant", 1, true),
        ("invalid", 1, false),
        ("Elephant", 1_000, false),
    ];
    for (number, (product, quantity, placed)) in buys.into_iter().enumerate() {
        let token = number.to_string();
        store.intend(attempt(&token, product, quantity)).await.unwrap();
        if placed {
            confirm(&store, &token, 100).await;
        } else {
            refuse(&store, &token, "x").await;
        }
    }
    store.intend(attempt("pending", "Bird", 1)).await.unwrap();
    let lines = [
        "1 Whale 1\n",
        "-1 invalid 1\n",
        "-1 Whale 1000\n",
        "2 Elephant 1\n",
        "-1 invalid 1\n",
        "-1 Elephant 1000\n",
    ];
    let whole = LogPage { text: lines.concat(), lines: 6, last: 6 };
    assert_eq!(store.log_text(0, 100).await.unwrap(), whole);

    let (mut after, mut pages) = (0, Vec::new());
    loop {
        let page = store.log_text(after, 4).await.unwrap();
        if page.lines == 0 {
            assert_eq!(page.last, after);
            break;
        }
        after = page.last;
        pages.push(page.text);
    }
    assert_eq!(pages, [lines[..4].concat(), lines[4..].concat()]);
}

async fn the_log_is_in_the_order_of_decision_and_a_line_stays_a_line(on: On) {
    let (_place, store) = empty(on).await;
    for (token, product) in [("a", "Gold Fish"), ("b", "two\nlines 7\r\\"), ("c", "naïve\u{85}\t")] {
        store.intend(attempt(token, product, 1)).await.unwrap();
    }
    for token in ["c", "b"] {
        refuse(&store, token, "x").await;
    }
    confirm(&store, "a", 1).await;
    let expected = "-1 naïve\\u{85}\\t 1\n-1 two\\nlines 7\\r\\\\ 1\n1 Gold Fish 1\n";
    assert_eq!(store.log_text(0, 10).await.unwrap().text, expected);
}

async fn demo_orders_are_seeded_once_and_numbers_go_on_after_them(on: On) {
    let (place, store) = empty(on).await;
    assert!(store.seed(Demo::Shop, 3).await.unwrap());
    assert!(!store.seed(Demo::Shop, 4).await.unwrap());
    let second = store.by_number(2).await.unwrap();
    assert_eq!((second.status, second.total_minor), (OrderStatus::Processing, 5_999));
    assert_eq!(told(&store).await, []);
    assert_eq!(store.log_text(0, 10).await.unwrap().text, "1 Laptop 1\n2 Toy Bundle 1\n");
    store.database().close().await;

    // Numbers go on after a restart, too.
    let store = open(place.location()).await;
    intend(&store, "a").await;
    assert_eq!(confirm(&store, "a", 1).await.order_num, 3);
    intend(&store, "b").await;
    assert_eq!(confirm(&store, "b", 1).await.order_num, 4);
    assert_eq!(numbers(&store, 1, 3).await, (vec![4, 3, 2], 4));
    assert_eq!(numbers(&store, 2, 3).await, (vec![1], 4));
    assert_eq!(numbers(&store, 4, 3).await, (vec![], 4));

    for demo in [Demo::ToyStore, Demo::None] {
        let (_place, store) = empty(on).await;
        assert!(!store.seed(demo, 3).await.unwrap());
        assert_eq!(numbers(&store, 1, 10).await.1, 0);
    }
}

/// Carries out `count` attempts on one instance, refusing every third, and returns the numbers that were given.
fn place_orders(location: &Location, instance: &'static str, count: usize) -> Vec<i64> {
    runtime().block_on(async {
        let store = open(location).await;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..count {
            let store = store.clone();
            calls.spawn(async move {
                let token = format!("{instance}{number}");
                store.intend(attempt(&token, "Tux", 1)).await.unwrap();
                if number % 3 == 0 {
                    refuse(&store, &token, "x").await;
                    return None;
                }
                // A confirmation whose answer was lost is asked for again.
                let attempted = pending(&store, &token).await;
                let first = store.confirm(&attempted, 1, 6).await.unwrap();
                assert_eq!(store.confirm(&attempted, 1, 7).await.unwrap(), first);
                let Decision::Confirmed(Order { order_num: first, .. }) = first else { panic!("{first:?}") };
                Some(first)
            });
        }
        let numbers = calls.join_all().await.into_iter().flatten().collect();
        store.database().close().await;
        numbers
    })
}

fn numbers_have_no_gaps_and_no_repeats_under_two_instances(on: On) {
    let place = TestDatabase::new(on);
    let other = place.location().clone();
    let other = std::thread::spawn(move || place_orders(&other, "b", 150));
    let mut numbers = place_orders(place.location(), "a", 150);
    numbers.extend(other.join().unwrap());
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());

    runtime().block_on(async {
        let store = open(place.location()).await;
        let log = store.log_text(0, 1_000).await.unwrap();
        let refused = log.text.lines().filter(|line| *line == "-1 Tux 1").count();
        assert_eq!((log.lines, log.last, refused), (300, 300, 100));
        assert_eq!(store.events(0, 500).await.unwrap().0.len(), 200, "each confirmation is told once");
    });
}
