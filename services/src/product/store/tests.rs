//! Tests of the catalog and the reservations.

mod expiry;
mod model;
mod properties;

use micronet_wire::schema::{Decimal, Timestamp};

use super::*;
use crate::database::Location;
use crate::database::testing::{On, TestDatabase, on_both_databases, runtime};

on_both_databases! {
    tokio: [
        demos_are_seeded_once_and_with_the_ids_that_they_promise,
        the_catalog_can_be_looked_up_listed_and_changed,
        a_removed_product_frees_its_name_and_keeps_its_promises,
        a_reservation_is_made_once_and_settled_once,
        a_release_gives_back_once_and_leaves_a_tombstone,
        what_is_held_for_long_is_found_by_whoever_holds_it,
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
    ProductStore::over(Database::open(location, ProductStore::MIGRATIONS).await.unwrap(), Keeping::default())
}

/// Id, name, price and stock of a product.
type Row = (i64, &'static str, i64, i64);

/// Where a product's pieces are: on sale, reserved, sold.
async fn pieces(store: &ProductStore, name: &str) -> (i64, i64, i64) {
    let product = store.find(&Which::of(name)).await.unwrap();
    assert_eq!(product.initial, product.quantity + product.reserved + product.sold);
    (product.quantity, product.reserved, product.sold)
}

fn tux(quantity: i64) -> Taken {
    Taken { product_id: 1, quantity, price_minor: 2_599 }
}

/// A write that happens once, under a token of its own.
fn once(key: &str, now_us: i64) -> Once {
    Once { token: Token { holder: "tester".to_owned(), key: key.to_owned() }, body_hash: BODY, now_us }
}

async fn create(store: &ProductStore, name: &str, price_minor: i64, quantity: i64) -> Result<ProductInfo> {
    let new = NewProduct { name: name.to_owned(), price_minor, quantity };
    let key = format!("create {name} {price_minor} {quantity}");
    Ok(store.create(once(&key, 10), vec![new]).await?.remove(0))
}

fn not_found(name: &str) -> ProductError {
    ProductError::ProductNotFound { name: name.to_owned() }
}

fn not_reserved(state: &str) -> ProductError {
    ProductError::NotReserved { state: state.to_owned() }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T>, why: &ProductError) {
    match outcome {
        Err(StoreError::Refused(error)) => assert_eq!(error, *why),
        other => panic!("{why:?} should have come, not {other:?}"),
    }
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
        let rows = store.inventory(0, 1_000).await.unwrap();
        let seen: Vec<_> = rows.iter().map(|p| (p.id, p.name.as_str(), p.price_minor, p.quantity)).collect();
        assert_eq!(seen, expected, "{demo}");
        if demo != Demo::None {
            assert!(!store.seed(Demo::Shop, 6).await.unwrap(), "not twice");
            assert_eq!(store.inventory(0, 1_000).await.unwrap(), rows);
        }
    }
}

async fn the_catalog_can_be_looked_up_listed_and_changed(on: On) {
    let (_place, store) = toys(on).await;
    let by_name = store.find(&Which::of("Whale")).await.unwrap();
    assert_eq!(by_name, store.find(&Which::of("2")).await.unwrap());
    for unknown in ["whale", "99", "99999999999999999999", "", "Wh\0ale"] {
        refused(store.find(&Which::of(unknown)).await, &not_found(unknown));
    }
    let page = Page::of(Some(2), Some(2));
    let (products, total) = store.list(&Filter::default(), "id ASC", page).await.unwrap();
    assert_eq!(products.iter().map(|p| p.id).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(total, 4);

    let fish = create(&store, "Gold Fish", 500, 3).await.unwrap();
    assert_eq!((fish.id, fish.quantity, fish.created_at), (5, 3, Timestamp(10)));
    let taken = |name: &str| ProductError::ProductAlreadyExists { name: name.to_owned() };
    refused(create(&store, "Tux", 1, 1).await, &taken("Tux"));

    let change = Change { price_minor: Some(450), ..Change::default() };
    let fish = store.update(once("reprice", 12), Which::Id(5), change).await.unwrap();
    assert_eq!((fish.name.as_str(), fish.price, fish.updated_at), ("Gold Fish", Decimal(450), Timestamp(12)));
    let rename = Change { name: Some("Bird".to_owned()), ..Change::default() };
    refused(store.update(once("rename", 13), Which::Id(5), rename.clone()).await, &taken("Bird"));
    refused(store.update(once("rename nothing", 13), Which::Id(99), rename).await, &not_found("99"));

    let restocked = store.restock(once("restock", 14), Which::of("Gold Fish"), 7).await.unwrap();
    assert_eq!(restocked.quantity, 10);
    refused(store.restock(once("restock nothing", 14), Which::Id(99), 1).await, &not_found("99"));
}

async fn a_removed_product_frees_its_name_and_keeps_its_promises(on: On) {
    let (_place, store) = toys(on).await;
    store.reserve("a", BODY, Which::of("Tux"), 3, 1).await.unwrap();
    let removed = store.remove(once("remove", 2), Which::Id(1)).await.unwrap();
    assert_eq!(store.remove(once("remove", 3), Which::Id(1)).await.unwrap(), removed, "the stored reply");
    refused(store.remove(once("remove again", 3), Which::Id(1)).await, &not_found("1"));
    assert_eq!(store.reserve("b", BODY, Which::of("Tux"), 1, 4).await.unwrap(), Reservation::UnknownProduct);
    assert_eq!(store.settle("a", 5).await.unwrap(), tux(3));
    let again = create(&store, "Tux", 100, 1).await.unwrap();
    assert_eq!(again.id, 5, "an id is never given twice");
    assert!(!store.seed(Demo::ToyStore, 7).await.unwrap());
}

async fn a_reservation_is_made_once_and_settled_once(on: On) {
    let (_place, store) = toys(on).await;
    for now_us in 1..4 {
        let reservation = store.reserve("a", BODY, Which::of("Tux"), 2, now_us).await.unwrap();
        assert_eq!(reservation, Reservation::Reserved(tux(2)));
        assert_eq!(pieces(&store, "Tux").await, (78, 2, 0));
    }
    // A price that changes later is not the reservation's.
    let change = Change { price_minor: Some(1), ..Change::default() };
    store.update(once("reprice", 4), Which::Id(1), change).await.unwrap();
    for now_us in 5..8 {
        assert_eq!(store.settle("a", now_us).await.unwrap(), tux(2));
        assert_eq!(pieces(&store, "Tux").await, (78, 0, 2));
    }
    let late = store.reserve("a", BODY, Which::of("Tux"), 2, 9).await.unwrap();
    assert_eq!(late, Reservation::Settled(tux(2)));
    refused(store.release("a", 10).await, &not_reserved("settled"));
    assert_eq!(pieces(&store, "Tux").await, (78, 0, 2));
    refused(store.settle("never seen", 11).await, &not_reserved("never reserved"));
}

async fn a_release_gives_back_once_and_leaves_a_tombstone(on: On) {
    let (_place, store) = toys(on).await;
    store.reserve("a", BODY, Which::of("Tux"), 2, 1).await.unwrap();
    for now_us in 2..4 {
        assert_eq!(store.release("a", now_us).await.unwrap(), Reservation::Released);
        assert_eq!(pieces(&store, "Tux").await, (80, 0, 0));
    }
    // Released before it was ever seen: whatever its body, the reserve that comes late takes nothing.
    assert_eq!(store.release("b", 4).await.unwrap(), Reservation::Released);
    for (token, body) in [("a", BODY), ("b", BODY), ("b", OTHER_BODY)] {
        assert_eq!(store.reserve(token, body, Which::of("Tux"), 2, 5).await.unwrap(), Reservation::Released);
        assert_eq!(
            store.purchase(token, body, Which::of("Tux"), 2, 5).await.unwrap().0,
            Reservation::Released
        );
        refused(store.settle(token, 6).await, &not_reserved("released"));
    }
    assert_eq!(pieces(&store, "Tux").await, (80, 0, 0));
}

async fn what_is_held_for_long_is_found_by_whoever_holds_it(on: On) {
    let (_place, store) = toys(on).await;
    for (token, product, now_us) in [
        ("é/late", "Tux", 9),
        ("é/b", "Tux", 5),
        ("é/sold", "Tux", 1),
        ("é/a", "Whale", 5),
        ("e/another's", "Tux", 1),
    ] {
        store.reserve(token, BODY, Which::of(product), 2, now_us).await.unwrap();
    }
    store.reserve("é/refused", BODY, Which::of("invalid"), 2, 1).await.unwrap();
    store.release("é/released", 1).await.unwrap();
    store.settle("é/sold", 2).await.unwrap();
    let of = |token: &str, product: &str| Held { token: token.into(), product: product.into(), quantity: 2 };
    let held = async |before_us, limit| store.held("é/", before_us, limit).await.unwrap();
    assert_eq!(held(4, 9).await, []);
    assert_eq!(held(5, 9).await, [of("é/a", "Whale"), of("é/b", "Tux")]);
    assert_eq!(held(9, 1).await, [of("é/a", "Whale")]);
    assert_eq!(held(9, 9).await.len(), 3);
}

async fn a_refusal_is_stored_and_outlives_its_reason(on: On) {
    let (_place, store) = toys(on).await;
    let out_of_stock = Reservation::OutOfStock { available: 80 };
    assert_eq!(store.reserve("a", BODY, Which::of("Tux"), 81, 1).await.unwrap(), out_of_stock);
    assert_eq!(
        store.reserve("b", BODY, Which::of("invalid"), 1, 1).await.unwrap(),
        Reservation::UnknownProduct
    );
    store.restock(once("restock", 2), Which::Id(1), 1_000).await.unwrap();
    create(&store, "invalid", 1, 1).await.unwrap();

    assert_eq!(store.reserve("a", BODY, Which::of("Tux"), 81, 3).await.unwrap(), out_of_stock);
    assert_eq!(store.purchase("a", BODY, Which::of("Tux"), 81, 3).await.unwrap().0, out_of_stock);
    assert_eq!(
        store.reserve("b", BODY, Which::of("invalid"), 1, 3).await.unwrap(),
        Reservation::UnknownProduct
    );
    // There is nothing to give back, and the refusal stays what it was.
    assert_eq!(store.release("a", 4).await.unwrap(), out_of_stock);
    assert_eq!(store.reservation("a").await.unwrap(), Some(out_of_stock));
    refused(store.settle("a", 5).await, &not_reserved("refused"));
    assert_eq!(pieces(&store, "Tux").await, (1_080, 0, 0));
}

async fn a_token_with_another_body_is_refused(on: On) {
    let (_place, store) = toys(on).await;
    store.reserve("a", BODY, Which::of("Tux"), 2, 1).await.unwrap();
    store.reserve("b", BODY, Which::of("invalid"), 2, 1).await.unwrap();
    for token in ["a", "b"] {
        assert!(matches!(
            store.reserve(token, OTHER_BODY, Which::of("Tux"), 3, 2).await,
            Err(StoreError::TokenReused)
        ));
        assert!(matches!(
            store.purchase(token, OTHER_BODY, Which::of("Tux"), 3, 2).await,
            Err(StoreError::TokenReused)
        ));
    }
    assert_eq!(pieces(&store, "Tux").await, (78, 2, 0));
}

async fn a_purchase_sells_at_once_and_once(on: On) {
    let (_place, store) = toys(on).await;
    for now_us in 1..4 {
        let sold = store.purchase("a", BODY, Which::of("Tux"), 80, now_us).await.unwrap().0;
        assert_eq!(sold, Reservation::Settled(tux(80)));
        assert_eq!(pieces(&store, "Tux").await, (0, 0, 80));
    }
    let none_left = store.purchase("b", BODY, Which::of("Tux"), 1, 4).await.unwrap().0;
    assert_eq!(none_left, Reservation::OutOfStock { available: 0 });
    assert_eq!(store.settle("a", 5).await.unwrap(), tux(80));
}

async fn arguments_outside_their_limits_are_refused_before_anything_happens(on: On) {
    let (_place, store) = toys(on).await;
    let long = "x".repeat(1_000);
    let errors = [
        store.reserve("", BODY, Which::of("Tux"), 1, 1).await.unwrap_err(),
        store.reserve(&long, BODY, Which::of("Tux"), 1, 1).await.unwrap_err(),
        store.reserve("a", BODY, Which::of(""), 1, 1).await.unwrap_err(),
        store.reserve("a", BODY, Which::of(&long), 1, 1).await.unwrap_err(),
        store.purchase("a", BODY, Which::of("Tux"), 0, 1).await.unwrap_err(),
        create(&store, "", 1, 1).await.map(drop).unwrap_err(),
        create(&store, "Fish", -1, 1).await.map(drop).unwrap_err(),
        create(&store, "Fish", PRICE_MINOR_MAX + 1, 1).await.map(drop).unwrap_err(),
        create(&store, "Fish", 1, STOCK_MAX + 1).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    }
    create(&store, "Sand", 1, STOCK_MAX).await.unwrap();
    let full = ProductError::StockFull { name: "Sand".into(), pieces_max: STOCK_MAX.unsigned_abs() };
    refused(store.restock(once("restock", 2), Which::Id(5), 1).await, &full);
    assert_eq!(pieces(&store, "Sand").await, (STOCK_MAX, 0, 0), "the refused restock left nothing behind");
    // The most that a request can ask for is refused for lack of stock, not for its size.
    let most = store.reserve("b", BODY, Which::of("Tux"), u32::MAX, 3).await.unwrap();
    assert_eq!(most, Reservation::OutOfStock { available: 80 });
}

async fn what_was_acknowledged_is_there_after_reopening(on: On) {
    let (place, store) = toys(on).await;
    store.reserve("a", BODY, Which::of("Tux"), 2, 1).await.unwrap();
    store.purchase("b", BODY, Which::of("Bird"), 5, 1).await.unwrap();
    let before = store.inventory(0, 1_000).await.unwrap();
    store.database().close().await;
    let store = open(place.location()).await;
    assert_eq!(store.inventory(0, 1_000).await.unwrap(), before);
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
            calls.spawn(async move { store.reserve(&token, BODY, Which::of("Drone"), 1, 1).await.unwrap() });
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
        create(&store, "Drone", 9_900, 100).await.unwrap();
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
