//! Tests of the attempts, the orders and the log.

mod expiry;
mod model;
mod properties;
mod undecided;

use super::*;
use crate::database::Location;
use crate::database::testing::{On, TestDatabase, on_both_databases, runtime};
use crate::store::StoreError;

on_both_databases! {
    tokio: [
        an_attempt_is_decided_once,
        a_refusal_is_stored_and_the_first_one_stands,
        a_token_with_another_body_is_refused_in_every_state,
        what_was_never_seen_is_open_or_an_error,
        arguments_outside_their_limits_are_refused,
        the_feed_tells_what_product_has_to_know_in_order,
        an_order_goes_its_way_and_no_other,
        a_list_is_filtered_and_sorted,
        an_abandoned_attempt_excludes_its_order_and_frees_its_token,
        the_log_is_the_toy_stores_own,
        the_log_is_in_the_order_of_decision_and_a_line_stays_a_line,
        demo_orders_are_seeded_once_and_numbers_go_on_after_them,
    ],
    threads: [numbers_have_no_gaps_and_no_repeats_under_two_instances],
}

const BODY: [u8; 32] = [1; 32];

async fn open(location: &Location) -> OrderStore {
    OrderStore::over(Database::open(location, OrderStore::MIGRATIONS).await.unwrap(), Keeping::default())
}

async fn empty(on: On) -> (TestDatabase, OrderStore) {
    let place = TestDatabase::new(on);
    let store = open(place.location()).await;
    (place, store)
}

fn attempt(token: &str, product: &str, quantity: u32) -> Attempt {
    Attempt {
        token_key: token.to_owned(),
        body_hash: BODY,
        reservation: format!("reservation of {token}"),
        product: product.to_owned(),
        quantity,
        customer: None,
        owner: "order-1".to_owned(),
        came_at_us: 5,
    }
}

fn refusal(code: &str) -> Refusal {
    Refusal { code: code.to_owned(), message: format!("words of {code}"), available: Some(3) }
}

async fn recall(store: &OrderStore, token: &str) -> Recalled {
    store.recall(token, &BODY, 6).await.unwrap()
}

async fn place(store: &OrderStore, attempt: Attempt, price_minor: i64) -> Order {
    match store.decide(attempt.clone(), Verdict::Place { price_minor }, 7).await.unwrap() {
        Decision::Confirmed(order) => order,
        Decision::Refused(refusal) => panic!("{attempt:?} was refused: {refusal:?}"),
    }
}

/// Places an order for two of Tux.
async fn place_tux(store: &OrderStore, token: &str, price_minor: i64) -> Order {
    place(store, attempt(token, "Tux", 2), price_minor).await
}

async fn refuse(store: &OrderStore, attempt: Attempt, code: &str) {
    let decision = store.decide(attempt, Verdict::Refuse(refusal(code)), 7).await.unwrap();
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

async fn an_attempt_is_decided_once(on: On) {
    let (_place, store) = empty(on).await;
    let first = Attempt { customer: Some(9), ..attempt("a", "Tux", 2) };
    let order = place(&store, first.clone(), 2_599).await;
    let expected = Order {
        order_num: 1,
        token_key: "a".to_owned(),
        reservation: "reservation of a".to_owned(),
        product: "Tux".to_owned(),
        quantity: 2,
        price_minor: 2_599,
        total_minor: 5_198,
        status: OrderStatus::Processing,
        status_at_us: 7,
        customer: Some(9),
        created_at_us: 5,
        decided_at_us: 7,
    };
    assert_eq!(order, expected);
    let stands = Decision::Confirmed(expected.clone());
    // Whatever another copy of the request comes to, and whatever it reserved.
    let other = Attempt { reservation: "another".to_owned(), ..first.clone() };
    for copy in [first, other] {
        for verdict in [
            Verdict::Place { price_minor: 1 },
            Verdict::Refuse(refusal("OUT_OF_STOCK")),
            Verdict::Decline(refusal("CUSTOMER_NOT_FOUND")),
        ] {
            assert_eq!(store.decide(copy.clone(), verdict, 9).await.unwrap(), stands);
        }
    }
    let abandoned = store.decide(attempt("a", "Tux", 2), Verdict::Abandon(refusal("UNAVAILABLE")), 9).await;
    assert_eq!(abandoned.unwrap(), stands);
    assert_eq!(recall(&store, "a").await, Recalled::Decided(stands));
    assert_eq!(store.by_number(1).await.unwrap(), expected);
    assert_eq!(told(&store).await, [("reservation of a".to_owned(), "placed")]);
}

async fn a_refusal_is_stored_and_the_first_one_stands(on: On) {
    let (_place, store) = empty(on).await;
    let first = Decision::Refused(refusal("out_of_stock"));
    refuse(&store, attempt("a", "Tux", 2), "out_of_stock").await;
    let again = Verdict::Refuse(refusal("unknown_product"));
    assert_eq!(store.decide(attempt("a", "Tux", 2), again, 8).await.unwrap(), first);
    assert_eq!(recall(&store, "a").await, Recalled::Decided(first.clone()));
    let late = store.decide(attempt("a", "Tux", 2), Verdict::Place { price_minor: 1 }, 9).await;
    assert_eq!(late.unwrap(), first);
    assert_eq!(told(&store).await, [], "product knows what it refused itself");
    assert_eq!(numbers(&store, 1, 10).await, (vec![], 0), "a refusal takes no number");
    let declined = Verdict::Decline(refusal("CUSTOMER_NOT_FOUND"));
    store.decide(attempt("b", "Tux", 2), declined, 9).await.unwrap();
    assert_eq!(told(&store).await, [("reservation of b".to_owned(), "abandoned")]);
    assert!(matches!(recall(&store, "b").await, Recalled::Decided(Decision::Refused(_))));
}

async fn a_token_with_another_body_is_refused_in_every_state(on: On) {
    let (_place, store) = empty(on).await;
    place_tux(&store, "confirmed", 1).await;
    refuse(&store, attempt("refused", "Tux", 2), "x").await;
    for token in ["confirmed", "refused"] {
        let other = [2; 32];
        assert!(matches!(store.recall(token, &other, 6).await, Err(StoreError::TokenReused)), "{token}");
        let other = Attempt { body_hash: other, ..attempt(token, "Tux", 3) };
        let decided = store.decide(other, Verdict::Place { price_minor: 1 }, 8).await;
        assert!(matches!(decided, Err(StoreError::TokenReused)), "{token}");
    }
}

async fn what_was_never_seen_is_open_or_an_error(on: On) {
    let (_place, store) = empty(on).await;
    assert!(matches!(recall(&store, "a").await, Recalled::Open { .. }));
    let unknown = OrderError::OrderNotFound { order_num: 1 };
    refused(store.set_status(1, OrderStatus::Shipped, 1).await, &unknown);
    refused(store.by_number(1).await, &unknown);
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
        Attempt { owner: String::new(), ..attempt("a", "Tux", 1) },
        Attempt { reservation: "\0".to_owned(), ..attempt("a", "Tux", 1) },
    ];
    for bad in bad {
        let decided = store.decide(bad.clone(), Verdict::Refuse(refusal("x")), 1).await;
        assert!(matches!(decided, Err(StoreError::Invalid(_))), "{bad:?}");
    }
    let most = attempt("a", "Tux", u32::MAX);
    for price_minor in [-1, PRICE_MINOR_MAX + 1] {
        let decided = store.decide(most.clone(), Verdict::Place { price_minor }, 1).await;
        assert!(matches!(decided, Err(StoreError::Invalid(_))), "{price_minor}");
    }
    let order = place(&store, most, PRICE_MINOR_MAX).await;
    assert_eq!(order.total_minor, PRICE_MINOR_MAX * i64::from(u32::MAX), "the highest total fits");
}

async fn the_feed_tells_what_product_has_to_know_in_order(on: On) {
    let (_place, store) = empty(on).await;
    place_tux(&store, "b", 100).await;
    place_tux(&store, "a", 100).await;
    refuse(&store, attempt("d", "Tux", 2), "out_of_stock").await;
    for _ in 0..2 {
        let abandoned = Verdict::Abandon(refusal("unavailable"));
        store.decide(attempt("c", "Tux", 2), abandoned, 6).await.unwrap();
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
        place_tux(&store, token, 100).await;
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
        place(&store, Attempt { customer, ..attempt(token, product, 1) }, 100).await;
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
    let first = attempt("a", "Tux", 2);
    let given_up = Decision::Refused(refusal("unavailable"));
    for now_us in [6, 7] {
        let abandoned = Verdict::Abandon(refusal("unavailable"));
        assert_eq!(store.decide(first.clone(), abandoned, now_us).await.unwrap(), given_up);
    }
    // Whoever still works on it comes too late, until there is another attempt.
    let late = |verdict: Verdict| store.decide(first.clone(), verdict, 8);
    assert_eq!(late(Verdict::Place { price_minor: 1 }).await.unwrap(), given_up);
    assert_eq!(late(Verdict::Refuse(refusal("out_of_stock"))).await.unwrap(), given_up);
    let order = place(&store, Attempt { reservation: "another".into(), ..first.clone() }, 1).await;
    assert_eq!((order.order_num, order.reservation.as_str()), (1, "another"));
    assert_eq!(late(Verdict::Place { price_minor: 1 }).await.unwrap(), Decision::Confirmed(order));
    assert_eq!(store.log_text(0, 10).await.unwrap().text, "-1 Tux 2\n1 Tux 2\n");
    let of = |reservation: &str, what: &'static str| (reservation.to_owned(), what);
    assert_eq!(told(&store).await, [of("reservation of a", "abandoned"), of("another", "placed")]);
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
        let attempt = attempt(&token, product, quantity);
        if placed {
            place(&store, attempt, 100).await;
        } else {
            refuse(&store, attempt, "x").await;
        }
    }
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
    for (token, product) in [("c", "naïve\u{85}\t"), ("b", "two\nlines 7\r\\")] {
        refuse(&store, attempt(token, product, 1), "x").await;
    }
    place(&store, attempt("a", "Gold Fish", 1), 1).await;
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
    assert_eq!(place_tux(&store, "a", 1).await.order_num, 3);
    assert_eq!(place_tux(&store, "b", 1).await.order_num, 4);
    assert_eq!(numbers(&store, 1, 3).await, (vec![4, 3, 2], 4));
    assert_eq!(numbers(&store, 2, 3).await, (vec![1], 4));
    assert_eq!(numbers(&store, 4, 3).await, (vec![], 4));

    for demo in [Demo::ToyStore, Demo::None] {
        let (_place, store) = empty(on).await;
        assert!(!store.seed(demo, 3).await.unwrap());
        assert_eq!(numbers(&store, 1, 10).await.1, 0);
    }
}

/// Decides on `count` attempts on one instance, refusing every third, and returns the numbers that were given.
fn place_orders(location: &Location, instance: &'static str, count: usize) -> Vec<i64> {
    runtime().block_on(async {
        let store = open(location).await;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..count {
            let store = store.clone();
            calls.spawn(async move {
                let token = format!("{instance}{number}");
                let attempt = attempt(&token, "Tux", 1);
                if number % 3 == 0 {
                    refuse(&store, attempt, "x").await;
                    return None;
                }
                // A decision whose answer was lost is asked for again.
                let first = place(&store, attempt.clone(), 1).await;
                assert_eq!(place(&store, attempt, 1).await, first);
                Some(first.order_num)
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
