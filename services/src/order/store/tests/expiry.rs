//! For how long it is remembered what became of an attempt.

use super::*;
use crate::calls::Token;
use crate::once::KEPT_US;

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
    intend(&store, "pending").await;
    let refused = intend(&store, "refused").await;
    store.refuse(&refused, refusal("OUT_OF_STOCK"), decided_at).await.unwrap();
    let abandoned = intend(&store, "abandoned").await;
    store.abandon(&abandoned, refusal("UNAVAILABLE"), decided_at).await.unwrap();
    intend(&store, "order").await;
    confirm(&store, "order", 2_599).await;
    let last = intend(&store, "last").await;
    store.refuse(&last, refusal("OUT_OF_STOCK"), decided_at).await.unwrap();
    assert_eq!(store.log_text(0, 10).await.unwrap().last, 4);
    assert_eq!(purge(&store, decided_at + KEPT_US).await, 0);
    assert!(matches!(store.outcome("refused").await.unwrap(), Some(Intent::Decided(_))));
    assert_eq!(purge(&store, LATE).await, 2, "all refusals but the last decision");
    assert_eq!(store.outcome("refused").await.unwrap(), None);
    let pending = store.outcome("pending").await.unwrap();
    assert!(matches!(pending, Some(Intent::Pending(_))), "{pending:?}");
    let order = store.outcome("order").await.unwrap();
    assert!(matches!(order, Some(Intent::Decided(Decision::Confirmed(_)))), "{order:?}");
    // Whoever has read the log to its end misses nothing that comes.
    let attempt = intend(&store, "refused").await;
    store.refuse(&attempt, refusal("OUT_OF_STOCK"), LATE).await.unwrap();
    let page = store.log_text(4, 10).await.unwrap();
    assert_eq!((page.lines, page.last), (1, 5), "{page:?}");
    assert_eq!(purge(&store, LATE).await, 1, "what was the last decision");
}

async fn a_token_that_was_asked_for_is_no_attempt(on: On) {
    let (_place, store) = empty(on).await;
    let token = |key: &str| Token { holder: "tester".to_owned(), key: key.to_owned() };
    assert_eq!(store.ask(token("late"), 1).await.unwrap(), None);
    let late = store.intend(attempt("late", "Tux", 2)).await;
    assert!(matches!(late, Err(StoreError::TokenWithdrawn)), "{late:?}");
    assert_eq!(store.ask(token("late"), 2).await.unwrap(), None);
    let abandoned = intend(&store, "abandoned").await;
    store.abandon(&abandoned, refusal("UNAVAILABLE"), 7).await.unwrap();
    assert_eq!(store.ask(token("abandoned"), 8).await.unwrap(), None);
    assert!(matches!(store.intend(attempt("abandoned", "Tux", 2)).await, Err(StoreError::TokenWithdrawn)));
    // Its time is that of a token.
    assert_eq!(purge(&store, KEPT_US + 9).await, 2);
    intend(&store, "late").await;
    let buy = Buy { name: "Tux".into(), quantity: 2, customer: None };
    let (asked, running) = store.ask(token("late"), 9).await.unwrap().unwrap();
    assert!(asked == buy && matches!(running, Intent::Pending(_)), "{asked:?} {running:?}");
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
