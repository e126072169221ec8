//! What was not decided: under which names it is reserved, and how it is given up.

use super::*;
use crate::calls::Token;

on_both_databases! {
    tokio: [
        reservations_follow_from_the_token_and_from_what_was_abandoned,
        what_is_held_for_nobody_is_disowned_and_nothing_else,
        what_an_older_build_left_undecided_is_disowned,
    ],
    threads: [],
}

fn held(reservation: &str) -> Held {
    Held { reservation: reservation.to_owned(), product: "Tux".to_owned(), quantity: 2 }
}

/// The reservation that the token's next attempt gets.
async fn reservation(store: &OrderStore, token: &str) -> String {
    match recall(store, token).await {
        Recalled::Open { reservation } => reservation,
        other => panic!("{token} is not open: {other:?}"),
    }
}

async fn disown(store: &OrderStore, held: Held, now_us: i64) -> bool {
    store.disown(held, refusal("UNAVAILABLE"), "order-2".to_owned(), now_us).await.unwrap()
}

async fn reservations_follow_from_the_token_and_from_what_was_abandoned(on: On) {
    let (_place, store) = empty(on).await;
    let mut names = Vec::new();
    for token in ["a", "a#1", "b"] {
        for _ in 0..3 {
            let name = reservation(&store, token).await;
            assert_eq!(reservation(&store, token).await, name, "nothing was decided");
            let abandoned = Attempt { reservation: name.clone(), ..attempt(token, "Tux", 2) };
            store.decide(abandoned, Verdict::Abandon(refusal("unavailable")), 7).await.unwrap();
            names.push(name);
        }
    }
    // What was only found at product counts too.
    let disowned = reservation(&store, "a").await;
    assert!(disown(&store, held(&disowned), 8).await);
    names.extend([reservation(&store, "a").await, disowned]);
    assert!(names.iter().all(|name| name.len() == 40), "{names:?}");
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
}

async fn what_is_held_for_nobody_is_disowned_and_nothing_else(on: On) {
    let (_place, store) = empty(on).await;
    let order = place_tux(&store, "order", 100).await;
    refuse(&store, attempt("refused", "Tux", 2), "x").await;
    for decided in ["reservation of order", "reservation of refused"] {
        assert!(!disown(&store, held(decided), 8).await, "{decided}");
    }
    assert!(disown(&store, held("reservation of forgotten"), 8).await);
    assert!(!disown(&store, held("reservation of forgotten"), 9).await, "once is enough");
    assert_eq!(store.by_number(1).await.unwrap(), order);
    assert_eq!(told(&store).await[1..], [("reservation of forgotten".to_owned(), "abandoned")]);
    // Whoever works on it still hears so, and its token is free.
    let late = store.decide(attempt("forgotten", "Tux", 2), Verdict::Place { price_minor: 1 }, 9).await;
    assert!(matches!(late.unwrap(), Decision::Refused(_)));
    assert!(matches!(recall(&store, "forgotten").await, Recalled::Open { .. }));
}

async fn what_an_older_build_left_undecided_is_disowned(on: On) {
    let (_place, store) = empty(on).await;
    let inserted: Result<()> = store
        .database()
        .write(|tx| {
            Box::pin(async move {
                let query =
                    "INSERT INTO orders (token_key, body_hash, reservation, product, quantity, state, owner,
                        lease_until_us, created_at_us)
                    VALUES ('a', $1, 'an old one', 'Tux', 2, 'pending', 'order-1', 9, 1)";
                sqlx::query(query).bind(&BODY[..]).execute(tx).await?;
                Ok(())
            })
        })
        .await;
    inserted.unwrap();
    let left = Held { reservation: "an old one".to_owned(), ..held("") };
    assert_eq!(recall(&store, "a").await, Recalled::Left(left.clone()));
    let asked = store.ask(Token { holder: "tester".into(), key: "a".into() }, 6).await.unwrap();
    assert!(matches!(asked, Some((_, Recalled::Left(_)))), "{asked:?}");
    let attempted = store.decide(attempt("a", "Tux", 2), Verdict::Place { price_minor: 1 }, 7).await.unwrap();
    assert!(
        matches!(&attempted, Decision::Refused(no) if no.message == "another instance is at it"),
        "{attempted:?}"
    );
    assert!(disown(&store, left.clone(), 8).await);
    assert!(!disown(&store, left, 8).await);
    assert_eq!(place_tux(&store, "a", 100).await.order_num, 1);
    assert_eq!(store.log_text(0, 10).await.unwrap().text, "-1 Tux 2\n1 Tux 2\n");
    assert_eq!(told(&store).await[0], ("an old one".to_owned(), "abandoned"));
}
