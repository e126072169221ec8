//! Tests of stored replies, on a table of notes.

use futures_util::future::join_all;

use super::*;
use crate::database::testing::{On, TestDatabase, on_both_databases, runtime};
use crate::database::{Location, Migration};

on_both_databases! {
    tokio: [
        a_repeat_gets_the_stored_reply_and_does_nothing,
        repeats_that_wait_together_do_it_once,
        a_refusal_is_not_stored_and_leaves_nothing,
        another_request_under_the_token_is_refused,
        a_reply_is_kept_for_its_time_and_then_the_token_is_free,
        expired_replies_go_a_few_at_a_time,
        a_reply_of_another_type_is_an_error_and_nothing_happens,
    ],
    threads: [two_instances_do_it_once],
}

const NOTES: Migration = Migration {
    version: 1,
    name: "notes",
    sqlite: "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, words TEXT NOT NULL)",
    postgres: "CREATE TABLE notes (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, words TEXT NOT NULL)",
};

/// What a note comes to.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
struct Noted {
    /// How many notes there are now.
    notes: u64,
    /// What was noted.
    words: String,
}

type Result<T> = StoreResult<T, &'static str>;

async fn open(location: &Location) -> Database {
    Database::open(location, &[NOTES, Migration::events_and_replies(2)]).await.unwrap()
}

async fn empty(on: On) -> (TestDatabase, Database) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    (place, database)
}

/// Notes these words under a token, at a time; words that begin with "no" are refused after they were noted.
async fn note(database: &Database, token: &str, words: &str, now_us: i64) -> Result<Noted> {
    let once = Once { key: token.to_owned(), body_hash: [u8::try_from(words.len()).unwrap(); 32], now_us };
    let words = words.to_owned();
    once.run(database, |tx| {
        Box::pin(async move {
            sqlx::query("INSERT INTO notes (words) VALUES ($1)").bind(&words).execute(&mut *tx).await?;
            if words.starts_with("no") {
                return Err(StoreError::Refused("not this"));
            }
            let notes: i64 = sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(tx).await?;
            Ok(Noted { notes: notes.unsigned_abs(), words })
        })
    })
    .await
}

async fn rows(database: &Database, table: &'static str) -> i64 {
    let query = match table {
        "notes" => "SELECT count(*) FROM notes",
        _ => "SELECT count(*) FROM replies",
    };
    sqlx::query_scalar(query).fetch_one(&mut *database.read().await.unwrap()).await.unwrap()
}

fn noted(notes: u64, words: &str) -> Noted {
    Noted { notes, words: words.to_owned() }
}

async fn a_repeat_gets_the_stored_reply_and_does_nothing(on: On) {
    let (place, database) = empty(on).await;
    assert_eq!(note(&database, "a", "one", 1).await.unwrap(), noted(1, "one"));
    assert_eq!(note(&database, "b", "other", 2).await.unwrap(), noted(2, "other"));
    assert_eq!(note(&database, "a", "one", 3).await.unwrap(), noted(1, "one"), "as it was then");
    database.close().await;
    let database = open(place.location()).await;
    assert_eq!(note(&database, "a", "one", 4).await.unwrap(), noted(1, "one"), "after a restart too");
    assert_eq!(rows(&database, "notes").await, 2);
}

async fn repeats_that_wait_together_do_it_once(on: On) {
    let (_place, database) = empty(on).await;
    let replies = join_all((0..20).map(|now_us| note(&database, "a", "one", now_us))).await;
    for reply in replies {
        assert_eq!(reply.unwrap(), noted(1, "one"));
    }
    assert_eq!((rows(&database, "notes").await, rows(&database, "replies").await), (1, 1));
}

fn two_instances_do_it_once(on: On) {
    let place = TestDatabase::new(on);
    runtime().block_on(async { open(place.location()).await.close().await });
    let instance = |location: Location| {
        std::thread::spawn(move || {
            runtime().block_on(async {
                let database = open(&location).await;
                let mut replies = Vec::new();
                for token in 0..50 {
                    replies.push(note(&database, &token.to_string(), "one", token).await.unwrap());
                }
                database.close().await;
                replies
            })
        })
    };
    let [one, other] = [instance(place.location().clone()), instance(place.location().clone())];
    let replies = one.join().unwrap();
    assert_eq!(replies, other.join().unwrap(), "whoever did it, both say the same");
    assert!(replies.iter().map(|reply| reply.notes).eq(1..=50), "{replies:?}");
}

async fn a_refusal_is_not_stored_and_leaves_nothing(on: On) {
    let (_place, database) = empty(on).await;
    for now_us in 1..3 {
        let refused = note(&database, "a", "no", now_us).await;
        assert!(matches!(refused, Err(StoreError::Refused("not this"))), "{refused:?}");
        assert_eq!((rows(&database, "notes").await, rows(&database, "replies").await), (0, 0));
    }
    // The token is as good as new, even for another request.
    assert_eq!(note(&database, "a", "yes", 3).await.unwrap(), noted(1, "yes"));
}

async fn another_request_under_the_token_is_refused(on: On) {
    let (_place, database) = empty(on).await;
    note(&database, "a", "one", 1).await.unwrap();
    for words in ["other", "no"] {
        let reused = note(&database, "a", words, 2).await;
        assert!(matches!(reused, Err(StoreError::TokenReused)), "{reused:?}");
    }
    assert_eq!(note(&database, "a", "one", 3).await.unwrap(), noted(1, "one"));
    assert_eq!(rows(&database, "notes").await, 1);
}

async fn a_reply_is_kept_for_its_time_and_then_the_token_is_free(on: On) {
    let (_place, database) = empty(on).await;
    note(&database, "a", "one", 1).await.unwrap();
    assert_eq!(note(&database, "a", "one", KEPT_US + 1).await.unwrap(), noted(1, "one"));
    // A repeat doesn't prolong it.
    let again = KEPT_US + 2;
    assert_eq!(note(&database, "a", "other", again).await.unwrap(), noted(2, "other"));
    assert_eq!(note(&database, "a", "other", again + KEPT_US).await.unwrap(), noted(2, "other"));
    assert_eq!(rows(&database, "replies").await, 1, "the row was replaced");
}

async fn expired_replies_go_a_few_at_a_time(on: On) {
    let (_place, database) = empty(on).await;
    for number in 0..10 {
        note(&database, &format!("old {number}"), "one", 1 + number).await.unwrap();
    }
    note(&database, "young", "one", KEPT_US).await.unwrap();
    assert_eq!(rows(&database, "replies").await, 11);
    let later = KEPT_US + 100;
    note(&database, "young", "one", later).await.unwrap();
    assert_eq!(rows(&database, "replies").await, 11, "a repeat stores nothing, and removes nothing");
    for (number, left) in (0..).zip([8, 5, 4, 5]) {
        note(&database, &format!("new {number}"), "one", later).await.unwrap();
        assert_eq!(rows(&database, "replies").await, left, "after {number} more");
    }
    assert_eq!(note(&database, "young", "one", later).await.unwrap().notes, 11, "what is young stays");
}

async fn a_reply_of_another_type_is_an_error_and_nothing_happens(on: On) {
    let (_place, database) = empty(on).await;
    let tried = Once { key: "a".to_owned(), body_hash: [1; 32], now_us: 1 };
    let stored = tried.clone().run(&database, |_| Box::pin(async { Result::Ok(String::from("words")) }));
    assert_eq!(stored.await.unwrap(), "words");
    let decoded = tried.run(&database, |_| Box::pin(async { Result::Ok(noted(1, "one")) })).await;
    assert!(matches!(decoded, Err(StoreError::Database(DatabaseError::Corrupt(_)))), "{decoded:?}");
}
