//! Tests of the catalog and the reservations.

use super::*;
use crate::database::testing::{On, TestDatabase, on_both_databases, runtime};

on_both_databases! {
    tokio: [
        demos_are_seeded_once_and_with_the_ids_that_they_promise,
        the_catalog_can_be_looked_up_listed_and_changed,
        a_removed_product_frees_its_name_and_keeps_its_promises,
        a_reservation_is_made_once_and_settled_once,
        a_release_gives_back_once_and_leaves_a_tombstone,
        a_refusal_is_stored_and_outlives_its_reason,
        a_token_with_another_body_is_refused,
        a_purchase_sells_at_once_and_once,
        arguments_outside_their_limits_are_refused_before_anything_happens,
        what_was_acknowledged_is_there_after_reopening,
    ],
    threads: [two_instances_never_oversell_and_neither_is_starved],
}

const BODY: [u8; 32] = [1; 32];
const OTHER_BODY: [u8; 32] = [2; 32];

/// A toy store of its own, in a database that goes with it.
async fn toys(on: On) -> (TestDatabase, ProductStore) {
    let place = TestDatabase::new(on);
    let store = open(place.location()).await;
    assert!(store.seed(Demo::ToyStore, 1).await.unwrap());
    (place, store)
}

async fn open(location: &Location) -> ProductStore {
    ProductStore::open(location).await.unwrap()
}

/// Id, name, price and stock of a product.
type Row = (i64, &'static str, i64, i64);

/// Where a product's pieces are: on sale, reserved, sold.
async fn pieces(store: &ProductStore, name: &str) -> (i64, i64, i64) {
    let product = store.by_name(name).await.unwrap().unwrap();
    assert_eq!(product.initial, product.quantity + product.reserved + product.sold);
    (product.quantity, product.reserved, product.sold)
}

fn tux(quantity: i64) -> Taken {
    Taken { product_id: 1, quantity, price_minor: 2_599 }
}

fn new(name: &str, price_minor: i64, quantity: i64) -> NewProduct {
    NewProduct { name: name.to_owned(), price_minor, quantity }
}

async fn demos_are_seeded_once_and_with_the_ids_that_they_promise(on: On) {
    let cases: [(Demo, &[Row]); 3] = [
        (
            Demo::Shop,
            &[
                (1, "Laptop", 99_900, 50),
                (2, "Tux", 2_599, 80),
                (3, "Whale", 3_499, 94),
                (4, "Elephant", 2_999, 87),
                (5, "Bird", 3_999, 98),
            ],
        ),
        (
            Demo::ToyStore,
            &[
                (1, "Tux", 2_599, 80),
                (2, "Whale", 3_499, 94),
                (3, "Elephant", 2_999, 87),
                (4, "Bird", 3_999, 98),
            ],
        ),
        (Demo::None, &[]),
    ];
    for (demo, expected) in cases {
        let place = TestDatabase::new(on);
        let store = open(place.location()).await;
        assert_eq!(store.seed(demo, 5).await.unwrap(), demo != Demo::None);
        let rows = store.inventory().await.unwrap();
        let seen: Vec<_> = rows.iter().map(|p| (p.id, p.name.as_str(), p.price_minor, p.quantity)).collect();
        assert_eq!(seen, expected, "{demo}");
        if demo != Demo::None {
            assert!(!store.seed(Demo::Shop, 6).await.unwrap(), "not twice");
            assert_eq!(store.inventory().await.unwrap(), rows);
        }
    }
}

async fn the_catalog_can_be_looked_up_listed_and_changed(on: On) {
    let (_place, store) = toys(on).await;
    assert_eq!(store.by_name("Whale").await.unwrap(), store.by_id(2).await.unwrap());
    assert_eq!(store.by_name("whale").await.unwrap(), None);
    assert_eq!(store.by_id(99).await.unwrap(), None);
    let (page, total) = store.list(1, 2).await.unwrap();
    assert_eq!(page.iter().map(|p| p.id).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(total, 4);

    let fish = store.create(new("Gold Fish", 500, 3), 10).await.unwrap();
    assert_eq!((fish.id, fish.initial, fish.quantity, fish.created_at_us), (5, 3, 3, 10));
    assert!(matches!(store.create(new("Tux", 1, 1), 11).await, Err(StoreError::NameTaken)));

    let change = ProductChange { price_minor: Some(450), ..ProductChange::default() };
    let fish = store.update(5, change, 12).await.unwrap();
    assert_eq!((fish.name.as_str(), fish.price_minor, fish.updated_at_us), ("Gold Fish", 450, 12));
    let rename = ProductChange { name: Some("Bird".to_owned()), ..ProductChange::default() };
    assert!(matches!(store.update(5, rename.clone(), 13).await, Err(StoreError::NameTaken)));
    assert!(matches!(store.update(99, rename, 13).await, Err(StoreError::UnknownProduct)));

    let fish = store.restock(5, 7, 14).await.unwrap();
    assert_eq!((fish.initial, fish.quantity), (10, 10));
    assert!(matches!(store.restock(99, 1, 14).await, Err(StoreError::UnknownProduct)));
}

async fn a_removed_product_frees_its_name_and_keeps_its_promises(on: On) {
    let (_place, store) = toys(on).await;
    store.reserve("a", BODY, "Tux", 3, 1).await.unwrap();
    store.remove(1, 2).await.unwrap();
    assert!(matches!(store.remove(1, 3).await, Err(StoreError::UnknownProduct)));
    assert_eq!(store.reserve("b", BODY, "Tux", 1, 4).await.unwrap(), Reservation::UnknownProduct);
    assert_eq!(store.settle("a", 5).await.unwrap(), tux(3));
    let again = store.create(new("Tux", 100, 1), 6).await.unwrap();
    assert_eq!(again.id, 5, "an id is never given twice");
    assert!(!store.seed(Demo::ToyStore, 7).await.unwrap());
}

async fn a_reservation_is_made_once_and_settled_once(on: On) {
    let (_place, store) = toys(on).await;
    for now_us in 1..4 {
        let reservation = store.reserve("a", BODY, "Tux", 2, now_us).await.unwrap();
        assert_eq!(reservation, Reservation::Reserved(tux(2)));
        assert_eq!(pieces(&store, "Tux").await, (78, 2, 0));
    }
    // A price that changes later is not the reservation's.
    let change = ProductChange { price_minor: Some(1), ..ProductChange::default() };
    store.update(1, change, 4).await.unwrap();
    for now_us in 5..8 {
        assert_eq!(store.settle("a", now_us).await.unwrap(), tux(2));
        assert_eq!(pieces(&store, "Tux").await, (78, 0, 2));
    }
    let late = store.reserve("a", BODY, "Tux", 2, 9).await.unwrap();
    assert_eq!(late, Reservation::Settled(tux(2)));
    assert!(
        matches!(store.release("a", 10).await, Err(StoreError::AlreadySettled(taken)) if taken == tux(2))
    );
    assert_eq!(pieces(&store, "Tux").await, (78, 0, 2));
    assert!(matches!(store.settle("never seen", 11).await, Err(StoreError::UnknownToken)));
}

async fn a_release_gives_back_once_and_leaves_a_tombstone(on: On) {
    let (_place, store) = toys(on).await;
    store.reserve("a", BODY, "Tux", 2, 1).await.unwrap();
    for now_us in 2..4 {
        assert_eq!(store.release("a", now_us).await.unwrap(), Reservation::Released);
        assert_eq!(pieces(&store, "Tux").await, (80, 0, 0));
    }
    // Released before it was ever seen: whatever its body, the reserve that comes late takes nothing.
    assert_eq!(store.release("b", 4).await.unwrap(), Reservation::Released);
    for (token, body) in [("a", BODY), ("b", BODY), ("b", OTHER_BODY)] {
        assert_eq!(store.reserve(token, body, "Tux", 2, 5).await.unwrap(), Reservation::Released);
        assert_eq!(store.purchase(token, body, "Tux", 2, 5).await.unwrap(), Reservation::Released);
        let settled = store.settle(token, 6).await;
        assert!(matches!(settled, Err(StoreError::NotReserved(Reservation::Released))));
    }
    assert_eq!(pieces(&store, "Tux").await, (80, 0, 0));
}

async fn a_refusal_is_stored_and_outlives_its_reason(on: On) {
    let (_place, store) = toys(on).await;
    let out_of_stock = Reservation::OutOfStock { available: 80 };
    assert_eq!(store.reserve("a", BODY, "Tux", 81, 1).await.unwrap(), out_of_stock);
    assert_eq!(store.reserve("b", BODY, "invalid", 1, 1).await.unwrap(), Reservation::UnknownProduct);
    store.restock(1, 1_000, 2).await.unwrap();
    store.create(new("invalid", 1, 1), 2).await.unwrap();

    assert_eq!(store.reserve("a", BODY, "Tux", 81, 3).await.unwrap(), out_of_stock);
    assert_eq!(store.purchase("a", BODY, "Tux", 81, 3).await.unwrap(), out_of_stock);
    assert_eq!(store.reserve("b", BODY, "invalid", 1, 3).await.unwrap(), Reservation::UnknownProduct);
    // There is nothing to give back, and the refusal stays what it was.
    assert_eq!(store.release("a", 4).await.unwrap(), out_of_stock);
    assert_eq!(store.reservation("a").await.unwrap(), Some(out_of_stock));
    assert!(matches!(store.settle("a", 5).await, Err(StoreError::NotReserved(_))));
    assert_eq!(pieces(&store, "Tux").await, (1_080, 0, 0));
}

async fn a_token_with_another_body_is_refused(on: On) {
    let (_place, store) = toys(on).await;
    store.reserve("a", BODY, "Tux", 2, 1).await.unwrap();
    store.reserve("b", BODY, "invalid", 2, 1).await.unwrap();
    for token in ["a", "b"] {
        assert!(matches!(store.reserve(token, OTHER_BODY, "Tux", 3, 2).await, Err(StoreError::TokenReused)));
        assert!(matches!(store.purchase(token, OTHER_BODY, "Tux", 3, 2).await, Err(StoreError::TokenReused)));
    }
    assert_eq!(pieces(&store, "Tux").await, (78, 2, 0));
}

async fn a_purchase_sells_at_once_and_once(on: On) {
    let (_place, store) = toys(on).await;
    for now_us in 1..4 {
        let sold = store.purchase("a", BODY, "Tux", 80, now_us).await.unwrap();
        assert_eq!(sold, Reservation::Settled(tux(80)));
        assert_eq!(pieces(&store, "Tux").await, (0, 0, 80));
    }
    let none_left = store.purchase("b", BODY, "Tux", 1, 4).await.unwrap();
    assert_eq!(none_left, Reservation::OutOfStock { available: 0 });
    assert_eq!(store.settle("a", 5).await.unwrap(), tux(80));
}

async fn arguments_outside_their_limits_are_refused_before_anything_happens(on: On) {
    let (_place, store) = toys(on).await;
    let long = "x".repeat(1_000);
    let errors = [
        store.reserve("", BODY, "Tux", 1, 1).await.unwrap_err(),
        store.reserve(&long, BODY, "Tux", 1, 1).await.unwrap_err(),
        store.reserve("a", BODY, "", 1, 1).await.unwrap_err(),
        store.reserve("a", BODY, &long, 1, 1).await.unwrap_err(),
        store.purchase("a", BODY, "Tux", 0, 1).await.unwrap_err(),
        store.create(new("", 1, 1), 1).await.unwrap_err(),
        store.create(new("Fish", -1, 1), 1).await.unwrap_err(),
        store.create(new("Fish", PRICE_MINOR_MAX + 1, 1), 1).await.unwrap_err(),
        store.create(new("Fish", 1, STOCK_MAX + 1), 1).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    }
    store.create(new("Sand", 1, STOCK_MAX), 1).await.unwrap();
    assert!(matches!(store.restock(5, 1, 2).await, Err(StoreError::Invalid(_))));
    assert_eq!(pieces(&store, "Sand").await, (STOCK_MAX, 0, 0), "the refused restock left nothing behind");
    // The most that a request can ask for is refused for lack of stock, not for its size.
    let most = store.reserve("b", BODY, "Tux", u32::MAX, 3).await.unwrap();
    assert_eq!(most, Reservation::OutOfStock { available: 80 });
}

async fn what_was_acknowledged_is_there_after_reopening(on: On) {
    let (place, store) = toys(on).await;
    store.reserve("a", BODY, "Tux", 2, 1).await.unwrap();
    store.purchase("b", BODY, "Bird", 5, 1).await.unwrap();
    let before = store.inventory().await.unwrap();
    store.database().close().await;
    let store = open(place.location()).await;
    assert_eq!(store.inventory().await.unwrap(), before);
    assert_eq!(store.settle("a", 2).await.unwrap(), tux(2));
}

/// How the reserves of one instance ended: reserved, out of stock.
fn reserve_all(location: &Location, prefix: &'static str, count: usize) -> (usize, usize) {
    runtime().block_on(async {
        let store = open(location).await;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..count {
            let store = store.clone();
            let token = format!("{prefix}{number}");
            calls.spawn(async move { store.reserve(&token, BODY, "Drone", 1, 1).await.unwrap() });
        }
        let results = calls.join_all().await;
        let reserved = results.iter().filter(|r| matches!(r, Reservation::Reserved(_))).count();
        let refused =
            results.iter().filter(|r| matches!(r, Reservation::OutOfStock { available: 0 })).count();
        store.database().close().await;
        (reserved, refused)
    })
}

fn two_instances_never_oversell_and_neither_is_starved(on: On) {
    let place = TestDatabase::new(on);
    runtime().block_on(async {
        let store = open(place.location()).await;
        store.create(new("Drone", 9_900, 100), 1).await.unwrap();
        store.database().close().await;
    });
    // Each instance has tokens of its own; the second run repeats them all, as if every answer had been lost.
    for run in 0..2 {
        let other = place.location().clone();
        let other = std::thread::spawn(move || reserve_all(&other, "b", 200));
        let (reserved, refused) = reserve_all(place.location(), "a", 200);
        let (other_reserved, other_refused) = other.join().unwrap();
        assert_eq!(reserved + other_reserved, 100, "run {run}");
        assert_eq!(refused + other_refused, 300, "run {run}: every call was answered");
    }
    runtime().block_on(async {
        assert_eq!(pieces(&open(place.location()).await, "Drone").await, (0, 100, 0));
    });
}
