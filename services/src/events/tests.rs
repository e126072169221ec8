//! Tests of the feed and of relays, on a feed of numbers.

mod relays;
mod watching;

use futures_util::future::join_all;

use self::watching::{
    a_slow_watcher_holds_nobody_up, a_watcher_goes_on_where_another_has_ended,
    a_watcher_hears_what_is_written_from_now_on, a_watcher_of_some_hears_of_the_others_by_beats,
    what_another_instance_writes_is_heard_too,
};
use super::*;
use crate::database::testing::{On, TestDatabase, on_both_databases};
use crate::database::{Location, Migration};

on_both_databases! {
    tokio: [
        the_feed_is_read_in_order_and_in_parts,
        what_is_rolled_back_is_not_told,
        what_expires_goes_a_few_at_a_time,
        what_a_consumer_has_not_heard_stays,
        what_a_consumer_that_was_never_reached_has_not_heard_stays,
        a_follower_never_goes_back,
        an_event_that_is_none_is_an_error,
        a_watcher_hears_what_is_written_from_now_on,
        a_watcher_goes_on_where_another_has_ended,
        what_another_instance_writes_is_heard_too,
        a_watcher_of_some_hears_of_the_others_by_beats,
        a_slow_watcher_holds_nobody_up,
    ],
    threads: [],
}

/// A change: the next number of its key.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
struct Counted {
    /// From 1.
    number: u64,
}

async fn open(location: &Location) -> Database {
    Database::open(location, &[Migration::events_and_replies(1)]).await.unwrap()
}

async fn empty(on: On) -> (TestDatabase, Database) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    (place, database)
}

async fn count(database: &Database, key: &'static str, number: u64, now_us: i64) {
    let counted: Result<(), DatabaseError> = database
        .write(move |tx| Box::pin(async move { append(tx, key, &Counted { number }, now_us).await }))
        .await;
    counted.unwrap();
}

async fn all(database: &Database) -> Vec<Recorded<Counted>> {
    read(database, 0, 1_000).await.unwrap()
}

async fn numbers(database: &Database) -> Vec<u64> {
    all(database).await.into_iter().map(|event| event.change.number).collect()
}

async fn cursor(database: &Database, consumer: &str) -> i64 {
    told_through(&mut database.read().await.unwrap(), consumer).await.unwrap()
}

async fn the_feed_is_read_in_order_and_in_parts(on: On) {
    let (_place, database) = empty(on).await;
    assert_eq!(oldest(&database).await.unwrap(), 0);
    join_all((1..=20).map(|number| count(&database, "a", number, 5))).await;
    let events = all(&database).await;
    assert!(events.iter().map(|event| event.change.number).eq(1..=20), "{events:?}");
    assert!(events.iter().is_sorted_by_key(|event| event.id));
    assert_eq!((events[0].key.as_str(), events[0].at_us), ("a", 5));
    assert_eq!(oldest(&database).await.unwrap(), events[0].id);
    let part: Vec<Recorded<Counted>> = read(&database, events[4].id, 3).await.unwrap();
    assert_eq!(part, events[5..8]);
    let none: Vec<Recorded<Counted>> = read(&database, events[19].id, 3).await.unwrap();
    assert_eq!(none, []);
}

async fn what_is_rolled_back_is_not_told(on: On) {
    let (_place, database) = empty(on).await;
    let undone: Result<(), DatabaseError> = database
        .write(|tx| {
            Box::pin(async move {
                append(tx, "a", &Counted { number: 1 }, 5).await?;
                Err(DatabaseError::Overloaded)
            })
        })
        .await;
    assert!(undone.is_err());
    count(&database, "a", 2, 5).await;
    assert_eq!(numbers(&database).await, [2]);
}

async fn what_expires_goes_a_few_at_a_time(on: On) {
    let (_place, database) = empty(on).await;
    for number in 1..=70 {
        count(&database, "a", number, 1).await;
    }
    for number in 71..=79 {
        count(&database, "a", number, KEPT_US + 2).await;
    }
    assert_eq!(numbers(&database).await.len(), 79, "until it is looked for them all are kept");
    count(&database, "a", 80, KEPT_US + 2).await;
    assert!(numbers(&database).await.into_iter().eq(65..=80));
    for number in 81..=96 {
        count(&database, "a", number, KEPT_US + 2).await;
    }
    assert!(numbers(&database).await.into_iter().eq(71..=96));
    assert_eq!(oldest(&database).await.unwrap(), all(&database).await[0].id);
}

async fn what_a_consumer_has_not_heard_stays(on: On) {
    let (_place, database) = empty(on).await;
    for number in 1..=6 {
        count(&database, "a", number, 1).await;
    }
    let third = all(&database).await[2].id;
    for (consumer, through) in [("quick", i64::MAX), ("slow", third)] {
        let noted = database.write(move |tx| Box::pin(advance(tx, consumer, through))).await;
        noted.unwrap();
    }
    for number in 7..=16 {
        count(&database, "a", number, 1 + 2 * KEPT_US).await;
    }
    assert!(numbers(&database).await.into_iter().eq(4..=16), "those that both have heard are gone");
}

/// A relay that has never told anything has a consumer nevertheless, who is to hear all once it is there.
async fn what_a_consumer_that_was_never_reached_has_not_heard_stays(on: On) {
    let (_place, database) = empty(on).await;
    let relay = Relay::new(&database, "consumer");
    let away = async |events: &[Recorded<Counted>]| events.first().map(|event| event.id);
    assert_eq!(relay.tell_all(&away).await, Told::Yes, "there is nothing to tell yet");
    for number in 1..=6 {
        count(&database, "a", number, 1).await;
    }
    assert_eq!(relay.tell_all(&away).await, Told::No);
    for number in 7..=16 {
        count(&database, "a", number, 1 + 2 * KEPT_US).await;
    }
    assert!(numbers(&database).await.into_iter().eq(1..=16));
}

async fn a_follower_never_goes_back(on: On) {
    let (_place, database) = empty(on).await;
    for (through, stands) in [(3, 3), (2, 3), (3, 3), (8, 8)] {
        database.write(move |tx| Box::pin(advance_followed(tx, "order", through))).await.unwrap();
        database.write(move |tx| Box::pin(advance(tx, "product", through))).await.unwrap();
        let mut reading = database.read().await.unwrap();
        assert_eq!(followed_through(&mut reading, "order").await.unwrap(), stands);
        assert_eq!(told_through(&mut reading, "product").await.unwrap(), stands);
        assert_eq!(followed_through(&mut reading, "product").await.unwrap(), 0, "another one's is its own");
    }
}

async fn an_event_that_is_none_is_an_error(on: On) {
    let (_place, database) = empty(on).await;
    count(&database, "a", 1, 5).await;
    let read: Result<Vec<Recorded<String>>, _> = read(&database, 0, 10).await;
    assert!(matches!(read, Err(DatabaseError::Corrupt(_))), "{read:?}");
}
