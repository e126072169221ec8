//! Tests of tokens, on a table of notes.

mod properties;

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
        what_has_expired_is_purged_a_few_at_a_time_and_nothing_else,
        a_token_that_was_asked_for_before_its_write_is_withdrawn,
        what_was_done_is_told_and_what_was_refused_never_happens,
        where_there_is_no_room_the_new_write_is_refused_and_no_old_one_forgotten,
        replies_that_were_stored_before_there_were_tokens_are_found,
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

const MIGRATIONS: &[Migration] = &[NOTES, Migration::events_and_replies(2), Migration::tokens(3)];

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
    Database::open(location, MIGRATIONS).await.unwrap()
}

async fn empty(on: On) -> (TestDatabase, Database) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    (place, database)
}

fn token(holder: &str, key: &str) -> Token {
    Token { holder: holder.to_owned(), key: key.to_owned() }
}

/// Notes these words under a token, at a time; words that begin with "no" are refused after they were noted.
async fn note(database: &Database, key: &str, words: &str, now_us: i64) -> Result<Noted> {
    note_as(database, Keeping::default(), token("me", key), words, now_us).await
}

async fn note_as(
    database: &Database,
    keeping: Keeping,
    token: Token,
    words: &str,
    now_us: i64,
) -> Result<Noted> {
    let once = Once { token, body_hash: [u8::try_from(words.len()).unwrap(); 32], now_us };
    let words = words.to_owned();
    once.run(database, keeping, |tx| {
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

/// What became of a note.
async fn asked(database: &Database, key: &str, now_us: i64) -> Option<Noted> {
    let reply: Result<_> = ask(database, Keeping::default(), token("me", key), now_us).await;
    reply.unwrap().map(|reply| encoding::decode(&reply).unwrap())
}

async fn rows(database: &Database, table: &'static str) -> i64 {
    let query = match table {
        "notes" => "SELECT count(*) FROM notes",
        "tokens" => "SELECT count(*) FROM tokens",
        _ => "SELECT CAST(coalesce(sum(kept), 0) AS BIGINT) FROM token_holders WHERE holder <> ''",
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
    assert_eq!((rows(&database, "notes").await, rows(&database, "tokens").await), (1, 1));
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
        assert_eq!((rows(&database, "notes").await, rows(&database, "tokens").await), (0, 0));
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
    assert_eq!(rows(&database, "tokens").await, 1, "the row was replaced");
}

async fn what_has_expired_is_purged_a_few_at_a_time_and_nothing_else(on: On) {
    let (_place, database) = empty(on).await;
    let many = PURGED_AT_ONCE + 10;
    join_all((0..many).map(async |number| {
        note(&database, &format!("old {number}"), "one", 1).await.unwrap();
    }))
    .await;
    note(&database, "young", "one", KEPT_US).await.unwrap();
    assert_eq!(purge(&database, KEPT_US + 1).await.unwrap(), 0, "they are in their time yet");
    let later = KEPT_US + 2;
    for purged in [PURGED_AT_ONCE, 10, 0] {
        assert_eq!(purge(&database, later).await.unwrap(), purged.unsigned_abs());
    }
    assert_eq!((rows(&database, "tokens").await, rows(&database, "holders").await), (1, 1));
    assert_eq!(note(&database, "young", "one", later).await.unwrap().notes, 75, "what is young stays");
}

async fn a_token_that_was_asked_for_before_its_write_is_withdrawn(on: On) {
    let (_place, database) = empty(on).await;
    for now_us in 1..3 {
        assert_eq!(asked(&database, "a", now_us).await, None);
    }
    for words in ["one", "other"] {
        let late = note(&database, "a", words, 3).await;
        assert!(matches!(late, Err(StoreError::TokenWithdrawn)), "{late:?}");
    }
    assert_eq!(rows(&database, "notes").await, 0);
    assert_eq!(asked(&database, "a", 4).await, None);
    // Tokens of others are other tokens, and after its time it is free.
    note(&database, "b", "one", 5).await.unwrap();
    note(&database, "a", "one", KEPT_US + 2).await.unwrap();
}

async fn what_was_done_is_told_and_what_was_refused_never_happens(on: On) {
    let (_place, database) = empty(on).await;
    note(&database, "done", "one", 1).await.unwrap();
    assert_eq!(asked(&database, "done", 2).await, Some(noted(1, "one")));
    assert_eq!(note(&database, "done", "one", 3).await.unwrap(), noted(1, "one"), "asking changes nothing");
    assert!(matches!(note(&database, "no", "no", 4).await, Err(StoreError::Refused(_))));
    assert_eq!(asked(&database, "no", 5).await, None);
    assert!(matches!(note(&database, "no", "yes", 6).await, Err(StoreError::TokenWithdrawn)));
    // What waits together is taken in its order.
    let (late, never) = tokio::join!(note(&database, "both", "one", 7), asked(&database, "both", 7));
    assert_eq!((late.unwrap(), never.unwrap()), (noted(2, "one"), noted(2, "one")));
    let (never, late) = tokio::join!(asked(&database, "neither", 8), note(&database, "neither", "one", 8));
    assert!(never.is_none() && matches!(late, Err(StoreError::TokenWithdrawn)), "{late:?}");
}

async fn where_there_is_no_room_the_new_write_is_refused_and_no_old_one_forgotten(on: On) {
    let (_place, database) = empty(on).await;
    let keeping = Keeping { kept_us: 100, all_max: 3, one_max: 2 };
    let write = async |holder: &str, key: &str, now_us| {
        note_as(&database, keeping, token(holder, key), "one", now_us).await.map(|noted| noted.notes)
    };
    let full = |written: Result<u64>| assert!(matches!(written, Err(StoreError::TokensFull)), "{written:?}");
    assert_eq!(write("me", "a", 1).await.unwrap(), 1);
    assert_eq!(write("me", "b", 2).await.unwrap(), 2);
    full(write("me", "c", 3).await);
    let refused: Result<_> = ask(&database, keeping, token("me", "c"), 3).await;
    assert!(matches!(refused, Err(StoreError::TokensFull)), "a tombstone needs room too: {refused:?}");
    assert_eq!(write("you", "d", 4).await.unwrap(), 3, "others have their own");
    full(write("they", "e", 5).await);
    assert_eq!(rows(&database, "notes").await, 3, "what was refused has done nothing");
    // To the last moment of its time.
    assert_eq!(write("me", "a", 101).await.unwrap(), 1);
    assert_eq!(purge(&database, 101).await.unwrap(), 0);
    assert_eq!(purge(&database, 102).await.unwrap(), 1);
    assert_eq!(write("me", "c", 102).await.unwrap(), 4);
    // A token whose time is over makes room for itself.
    assert_eq!(write("me", "b", 103).await.unwrap(), 5);
    full(write("they", "e", 103).await);
    assert_eq!((rows(&database, "tokens").await, rows(&database, "holders").await), (3, 3));
}

async fn replies_that_were_stored_before_there_were_tokens_are_found(on: On) {
    let place = TestDatabase::new(on);
    let before = Database::open(place.location(), &MIGRATIONS[..2]).await.unwrap();
    let stored: Result<()> = before
        .write(|tx| {
            Box::pin(async move {
                let query =
                    "INSERT INTO replies (token_key, body_hash, reply, created_at_us) VALUES ($1, $2, $3, 7)";
                for (key, words) in [("6:user/7/notes.note/a:1", "one"), ("8:operator/notes.note/b", "other")]
                {
                    let reply = encoding::encode(&noted(1, words)).unwrap();
                    let body_hash = [u8::try_from(words.len()).unwrap(); 32];
                    sqlx::query(query).bind(key).bind(&body_hash[..]).bind(&*reply).execute(&mut *tx).await?;
                }
                Ok(())
            })
        })
        .await;
    stored.unwrap();
    before.close().await;
    let database = open(place.location()).await;
    let key = "6:user/7/notes.note/a:1";
    assert_eq!(note(&database, key, "one", KEPT_US + 7).await.unwrap(), noted(1, "one"));
    let query = "SELECT holder, kept FROM token_holders ORDER BY holder";
    let holders: Vec<(String, i64)> =
        sqlx::query_as(query).fetch_all(&mut *database.read().await.unwrap()).await.unwrap();
    let expected = [("", 2), ("operator", 1), ("user/7", 1)];
    assert_eq!(holders, expected.map(|(holder, kept)| (holder.to_owned(), kept)));
    assert_eq!(purge(&database, KEPT_US + 8).await.unwrap(), 2);
    assert_eq!(rows(&database, "notes").await, 0);
}

async fn a_reply_of_another_type_is_an_error_and_nothing_happens(on: On) {
    let (_place, database) = empty(on).await;
    let tried = Once { token: token("me", "a"), body_hash: [1; 32], now_us: 1 };
    let stored = tried
        .clone()
        .run(&database, Keeping::default(), |_| Box::pin(async { Result::Ok(String::from("words")) }));
    assert_eq!(stored.await.unwrap(), "words");
    let decoded =
        tried.run(&database, Keeping::default(), |_| Box::pin(async { Result::Ok(noted(1, "one")) })).await;
    assert!(matches!(decoded, Err(StoreError::Database(DatabaseError::Corrupt(_)))), "{decoded:?}");
}
