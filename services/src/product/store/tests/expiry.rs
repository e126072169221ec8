//! For how long it is remembered what became of a token.

use super::*;
use crate::calls::Token;
use crate::once::KEPT_US;

on_both_databases! {
    tokio: [
        what_may_still_move_is_never_forgotten,
        what_is_over_is_remembered_for_its_time,
        a_token_that_was_asked_for_takes_nothing,
        rows_from_before_have_their_time_too,
    ],
    threads: [],
}

/// Later than anything is remembered that is over now.
const LATE: i64 = 100 * KEPT_US;

/// Purges to the end; how much.
async fn purge(store: &ProductStore, now_us: i64) -> u64 {
    let mut purged = 0;
    while let rows @ 1.. = store.purge(now_us).await.unwrap() {
        purged += rows;
    }
    purged
}

async fn reserve(store: &ProductStore, token: &str, now_us: i64) -> Reservation {
    store.reserve(token, BODY, Which::of("Tux"), 2, now_us).await.unwrap()
}

async fn what_may_still_move_is_never_forgotten(on: On) {
    let (_place, store) = toys(on).await;
    for token in ["reserved", "cancelled", "shipped"] {
        assert_eq!(reserve(&store, token, 1).await, Reservation::Reserved(tux(2)));
    }
    store.settle("cancelled", 2).await.unwrap();
    store.settle("shipped", 2).await.unwrap();
    assert_eq!(purge(&store, LATE).await, 0);
    assert_eq!(store.restore("cancelled", LATE).await.unwrap(), tux(2), "however late it is cancelled");
    store.finish("shipped", LATE).await.unwrap();
    store.finish("reserved", LATE).await.unwrap();
    assert_eq!(purge(&store, LATE + KEPT_US).await, 0, "whoever tells of it again is heard for a while");
    store.finish("shipped", LATE + 1).await.unwrap();
    assert_eq!(purge(&store, LATE + KEPT_US + 1).await, 2, "finished again is not finished later");
    assert_eq!(store.reservation("reserved").await.unwrap(), Some(Reservation::Reserved(tux(2))));
    refused(store.settle("shipped", LATE + KEPT_US + 2).await, &not_reserved("never reserved"));
    assert_eq!(pieces(&store, "Tux").await.1, 2, "what is reserved");
}

async fn what_is_over_is_remembered_for_its_time(on: On) {
    let (_place, store) = toys(on).await;
    let buy = async |token: &'static str, name, quantity, now_us| {
        store.purchase(token, BODY, Which::of(name), quantity, now_us).await.unwrap().0
    };
    let short = buy("short", "Tux", 1_000, 1).await;
    assert!(matches!(short, Reservation::OutOfStock { .. }));
    assert_eq!(buy("unknown", "Kraken", 1, 1).await, Reservation::UnknownProduct);
    assert_eq!(buy("sold", "Tux", 2, 2).await, Reservation::Settled(tux(2)));
    let before = pieces(&store, "Tux").await;
    reserve(&store, "released", 2).await;
    store.release("released", 2).await.unwrap();
    store.release("never seen", 2).await.unwrap();
    assert_eq!(purge(&store, KEPT_US + 1).await, 0);
    assert_eq!(buy("short", "Tux", 1_000, KEPT_US + 1).await, short);
    assert_eq!(buy("sold", "Tux", 2, KEPT_US + 1).await, Reservation::Settled(tux(2)));
    assert_eq!(purge(&store, KEPT_US + 2).await, 2);
    assert_eq!(purge(&store, KEPT_US + 3).await, 3);
    assert_eq!(pieces(&store, "Tux").await, before, "what is forgotten moves nothing");
}

async fn a_token_that_was_asked_for_takes_nothing(on: On) {
    let (_place, store) = toys(on).await;
    let before = pieces(&store, "Tux").await;
    let asked = async |key: &str, now_us| {
        store.ask(Token { holder: "tester".into(), key: key.into() }, now_us).await.unwrap()
    };
    assert_eq!(asked("late", 1).await, None);
    for _ in 0..2 {
        let late = store.reserve("late", BODY, Which::of("Tux"), 2, 2).await;
        assert!(matches!(late, Err(StoreError::TokenWithdrawn)), "{late:?}");
        let late = store.purchase("late", BODY, Which::of("Kraken"), 2, 2).await;
        assert!(matches!(late, Err(StoreError::TokenWithdrawn)), "{late:?}");
    }
    assert_eq!((pieces(&store, "Tux").await, asked("late", 3).await), (before, None));
    store.purchase("sold", BODY, Which::Id(1), 2, 4).await.unwrap();
    let sold = asked("sold", 5).await.unwrap();
    assert_eq!((sold.reservation, &*sold.sold), (Reservation::Settled(tux(2)), "Tux"));
    assert_eq!((&*sold.wanted, sold.quantity), ("1", 2));
    // The order's own way to say never.
    store.release("never", 6).await.unwrap();
    assert_eq!(reserve(&store, "never", 7).await, Reservation::Released);
}

async fn rows_from_before_have_their_time_too(on: On) {
    let place = TestDatabase::new(on);
    let before = Database::open(place.location(), &ProductStore::MIGRATIONS[..3]).await.unwrap();
    let inserted: Result<()> = before
        .write(|tx| {
            Box::pin(async move {
                let query = "INSERT INTO reservations
                        (token, body_hash, state, product_id, quantity, price_minor, available, created_at_us, updated_at_us)
                    VALUES ($1, $2, $3, $4, 2, $5, $6, 1, 7)";
                let product = NewProduct { name: "Tux".into(), price_minor: 2_599, quantity: 10 };
                let tux = catalog::create(&mut *tx, &product, 1).await?;
                for state in ["reserved", "settled", "returned", "released", "refused_unknown", "refused_stock"] {
                    let insert = sqlx::query(query).bind(state).bind(&BODY[..]).bind(state);
                    insert.bind(tux.id).bind(2_599_i64).bind(0_i64).execute(&mut *tx).await?;
                }
                Ok(())
            })
        })
        .await;
    inserted.unwrap();
    before.close().await;
    let store = open(place.location()).await;
    assert_eq!(purge(&store, KEPT_US + 7).await, 0);
    assert_eq!(purge(&store, LATE).await, 4);
    assert_eq!(store.reservation("settled").await.unwrap(), Some(Reservation::Settled(tux(2))));
    let token = Token { holder: "tester".into(), key: "reserved".into() };
    assert_eq!(store.ask(token, LATE).await.unwrap().unwrap().wanted, "", "nobody wrote it down");
}
