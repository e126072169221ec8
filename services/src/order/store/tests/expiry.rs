//! For how long it is remembered what became of an attempt.

use super::*;
use crate::calls::Token;
use crate::once::KEPT_US;
use crate::store::StoreError;

on_both_databases! {
    tokio: [
        orders_keep_their_tokens_and_refusals_lose_theirs,
        a_token_that_was_asked_for_is_no_attempt,
        refusals_from_before_have_their_time_too,
    ],
    threads: [],
}

/// Later than anything is remembered that is over now.
const LATE: i64 = 100 * KEPT_US;

async fn purge(store: &OrderStore, now_us: i64) -> u64 {
    let mut purged = 0;
    while let rows @ 1.. = store.purge(now_us).await.unwrap() {
        purged += rows;
    }
    purged
}

async fn orders_keep_their_tokens_and_refusals_lose_theirs(on: On) {
    let (_place, store) = empty(on).await;
    let decided_at = 10;
    let out_of_stock = async |token: &str, now_us: i64| {
        let verdict = Verdict::Refuse(refusal("OUT_OF_STOCK"));
        store.decide(attempt(token, "Tux", 2), verdict, now_us).await.unwrap();
    };
    out_of_stock("refused", decided_at).await;
    let abandoned = Verdict::Abandon(refusal("UNAVAILABLE"));
    store.decide(attempt("abandoned", "Tux", 2), abandoned, decided_at).await.unwrap();
    place_tux(&store, "order", 2_599).await;
    out_of_stock("last", decided_at).await;
    assert_eq!(store.log_text(0, 10).await.unwrap().last, 4);
    assert_eq!(purge(&store, decided_at + KEPT_US).await, 0);
    assert!(matches!(recall(&store, "refused").await, Recalled::Decided(Decision::Refused(_))));
    assert_eq!(purge(&store, LATE).await, 2, "all refusals but the last decision");
    assert!(matches!(recall(&store, "refused").await, Recalled::Open { .. }));
    assert!(matches!(recall(&store, "order").await, Recalled::Decided(Decision::Confirmed(_))));
    // Whoever has read the log to its end misses nothing that comes.
    out_of_stock("refused", LATE).await;
    let page = store.log_text(4, 10).await.unwrap();
    assert_eq!((page.lines, page.last), (1, 5), "{page:?}");
    assert_eq!(purge(&store, LATE).await, 1, "what was the last decision");
}

async fn a_token_that_was_asked_for_is_no_attempt(on: On) {
    let (_place, store) = empty(on).await;
    let token = |key: &str| Token { holder: "tester".to_owned(), key: key.to_owned() };
    let withdrawn = async |key: &str| {
        let recalled = store.recall(key, &BODY, 9).await;
        assert!(matches!(recalled, Err(StoreError::TokenWithdrawn)), "{key}: {recalled:?}");
        for verdict in [Verdict::Place { price_minor: 1 }, Verdict::Refuse(refusal("OUT_OF_STOCK"))] {
            let attempt = Attempt { reservation: "another".to_owned(), ..attempt(key, "Tux", 2) };
            let late = store.decide(attempt, verdict, 9).await;
            assert!(matches!(late, Err(StoreError::TokenWithdrawn)), "{key}: {late:?}");
        }
    };
    assert_eq!(store.ask(token("late"), 1).await.unwrap(), None);
    withdrawn("late").await;
    assert_eq!(store.ask(token("late"), 2).await.unwrap(), None);
    let abandoned = Verdict::Abandon(refusal("UNAVAILABLE"));
    store.decide(attempt("abandoned", "Tux", 2), abandoned.clone(), 7).await.unwrap();
    assert_eq!(store.ask(token("abandoned"), 8).await.unwrap(), None);
    withdrawn("abandoned").await;
    // What product may hold for it has to go back all the same.
    store.decide(attempt("late", "Tux", 2), abandoned, 9).await.unwrap();
    assert_eq!(told(&store).await.len(), 2);
    // Its time is that of a token.
    assert_eq!(purge(&store, KEPT_US + 9).await, 3);
    place(&store, Attempt { reservation: "another".to_owned(), ..attempt("late", "Tux", 2) }, 1).await;
    let buy = Buy { name: "Tux".into(), quantity: 2, customer: None };
    let (asked, placed) = store.ask(token("late"), 9).await.unwrap().unwrap();
    assert!(asked == buy && matches!(placed, Recalled::Decided(_)), "{asked:?} {placed:?}");
}

async fn refusals_from_before_have_their_time_too(on: On) {
    let place = TestDatabase::new(on);
    let before = Database::open(place.location(), &OrderStore::MIGRATIONS[..3]).await.unwrap();
    let inserted: Result<()> = before
        .write(|tx| {
            Box::pin(async move {
                let query = "INSERT INTO orders (token_key, body_hash, reservation, product, quantity, state, owner,
                        lease_until_us, decided_seq, refusal_code, refusal_message, created_at_us, decided_at_us)
                    VALUES ($1, $2, $1, 'Tux', 1, 'refused', 'order-1', 1, $3, 'OUT_OF_STOCK', 'none', 1, 7)";
                for (token, place) in [("a", 1_i64), ("b", 2)] {
                    sqlx::query(query).bind(token).bind(&BODY[..]).bind(place).execute(&mut *tx).await?;
                }
                Ok(())
            })
        })
        .await;
    inserted.unwrap();
    before.close().await;
    let store = open(place.location()).await;
    assert_eq!(purge(&store, KEPT_US + 7).await, 0);
    assert_eq!(purge(&store, KEPT_US + 8).await, 1);
}
