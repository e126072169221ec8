//! Tests of the users, and of the count of what they have bought.

mod model;
mod properties;

use micronet_wire::schema::Decimal;

use super::*;
use crate::database::Location;
use crate::database::testing::{On, TestDatabase, on_both_databases, runtime};
use crate::paging::contains;

on_both_databases! {
    tokio: [
        demo_users_are_seeded_once_and_numbers_go_on_after_them,
        a_user_is_entered_once_and_can_be_changed,
        an_address_is_one_users_whatever_its_case,
        a_forgotten_user_frees_the_address_and_not_the_number,
        a_search_looks_into_names_and_addresses_and_nowhere_else,
        what_users_have_bought_counts_once_however_often_it_is_told,
        sellers_have_feeds_of_their_own,
        who_was_forgotten_counts_no_more,
        a_user_who_was_seen_has_not_changed,
        the_feed_says_who_and_not_what,
        arguments_outside_their_limits_are_refused,
    ],
    threads: [instances_share_the_numbers_and_the_count],
}

async fn open(location: &Location) -> UserStore {
    UserStore::over(Database::open(location, UserStore::MIGRATIONS).await.unwrap(), Keeping::default())
}

async fn empty(on: On) -> (TestDatabase, UserStore) {
    let place = TestDatabase::new(on);
    let store = open(place.location()).await;
    (place, store)
}

fn once(key: &str, now_us: i64) -> Once {
    Once { token: Token { holder: "tester".to_owned(), key: key.to_owned() }, body_hash: [1; 32], now_us }
}

/// Enters a user under a token of its own.
async fn create(store: &UserStore, name: &str, email: &str) -> Result<u64> {
    store.create(once(&format!("create {name} {email}"), 10), name.to_owned(), email.to_owned()).await
}

fn purchase(event: u64, user: u64, orders: i32, spent: i64) -> Purchase {
    Purchase { event, user, orders, spent: Decimal(spent) }
}

async fn count(store: &UserStore, seller: &str, through: u64, purchases: &[Purchase]) {
    let told = Purchases { through, purchases: purchases.to_vec() };
    store.count(seller.to_owned(), told).await.unwrap();
}

/// Orders of a user, and what they cost.
async fn bought(store: &UserStore, id: i64) -> (i64, i64) {
    let user = store.find(id).await.unwrap();
    (user.orders, user.spent_minor)
}

async fn found(store: &UserStore, text: &str) -> Vec<i64> {
    let (users, total) = store.list(&contains(text), "id ASC, id ASC", Page::of(None, None)).await.unwrap();
    assert_eq!(users.len() as i64, total);
    users.iter().map(|user| user.id).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T>, why: &UserError) {
    match outcome {
        Err(StoreError::Refused(error)) => assert_eq!(error, *why),
        other => panic!("{why:?} should have come, not {other:?}"),
    }
}

fn taken(email: &str) -> UserError {
    UserError::UserAlreadyExists { email: email.to_owned() }
}

fn not_found(id: u64) -> UserError {
    UserError::UserNotFound { id }
}

async fn demo_users_are_seeded_once_and_numbers_go_on_after_them(on: On) {
    let (_place, store) = empty(on).await;
    assert!(store.seed(Demo::Shop, 5).await.unwrap());
    assert!(!store.seed(Demo::Shop, 6).await.unwrap(), "not twice");
    assert_eq!(found(&store, "").await, [1, 2, 3, 123]);
    assert_eq!(create(&store, "Alan Turing", "alan@example.com").await.unwrap(), 124);
    for id in [1, 2, 3, 123, 124] {
        store.remove(once(&format!("remove {id}"), 7), id).await.unwrap();
    }
    assert!(!store.seed(Demo::Shop, 8).await.unwrap(), "those who were forgotten stay forgotten");

    for demo in [Demo::ToyStore, Demo::None] {
        let (_place, store) = empty(on).await;
        assert!(!store.seed(demo, 5).await.unwrap());
        assert_eq!(found(&store, "").await, [0; 0]);
    }
}

async fn a_user_is_entered_once_and_can_be_changed(on: On) {
    let (_place, store) = empty(on).await;
    let ada = create(&store, "Ada Lovelace", "ada@example.com").await.unwrap();
    assert_eq!(create(&store, "Ada Lovelace", "ada@example.com").await.unwrap(), ada, "the stored reply");
    let found = store.find(1).await.unwrap();
    assert_eq!((ada, found.orders, found.last_seen_us), (1, 0, None));

    let change = Change { name: Some("Ada King".into()), email: None };
    let king = store.update(1, change.clone(), 20).await.unwrap();
    assert_eq!((king.name.as_str(), king.email.as_str()), ("Ada King", "ada@example.com"));
    assert_eq!((king.created_at_us, king.updated_at_us), (10, 20));
    let same = store.update(1, change, 30).await.unwrap();
    assert_eq!(same, king, "what changes nothing is no change");
    assert_eq!(store.find(1).await.unwrap(), king);
    refused(store.update(2, Change::default(), 40).await, &not_found(2));
    refused(store.find(2).await, &not_found(2));
}

async fn an_address_is_one_users_whatever_its_case(on: On) {
    let (_place, store) = empty(on).await;
    create(&store, "Ada", "Ada@Example.com").await.unwrap();
    create(&store, "Élan", "élan@example.com").await.unwrap();
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", "ÉLAN@example.com"] {
        refused(create(&store, "Somebody", email).await, &taken(email));
    }
    let other = Change { name: None, email: Some("ada@EXAMPLE.com".into()) };
    refused(store.update(2, other.clone(), 20).await, &taken("ada@EXAMPLE.com"));
    assert_eq!(store.update(1, other, 20).await.unwrap().email, "ada@EXAMPLE.com", "one's own");
    // The numbers of those who were refused are not lost.
    assert_eq!(create(&store, "Grace", "grace@example.com").await.unwrap(), 3);
}

async fn a_forgotten_user_frees_the_address_and_not_the_number(on: On) {
    let (_place, store) = empty(on).await;
    let ada = create(&store, "Ada", "ada@example.com").await.unwrap();
    assert_eq!(store.remove(once("remove", 20), 1).await.unwrap(), ada);
    assert_eq!(store.remove(once("remove", 21), 1).await.unwrap(), ada, "the stored reply");
    refused(store.remove(once("remove again", 22), 1).await, &not_found(1));
    refused(store.find(1).await, &not_found(1));
    assert_eq!(found(&store, "ada").await, [0; 0]);
    assert_eq!(create(&store, "Another", "ADA@example.com").await.unwrap(), 2);
}

async fn a_search_looks_into_names_and_addresses_and_nowhere_else(on: On) {
    let (_place, store) = empty(on).await;
    for (name, email) in
        [("Ada 100%", "first@example.com"), ("Grace", "ada_2@example.org"), ("ΟΔΟΣ", "c@example.org")]
    {
        create(&store, name, email).await.unwrap();
    }
    let cases: [(&str, &[i64]); 8] = [
        ("", &[1, 2, 3]),
        ("ADA", &[1, 2]),
        ("%", &[1]),
        ("_", &[2]),
        ("example.ORG", &[2, 3]),
        ("οδος", &[3]),
        ("οσ", &[3]),
        ("\0Grace", &[]),
    ];
    for (text, ids) in cases {
        assert_eq!(found(&store, text).await, ids, "{text:?}");
    }
    let page = Page::of(Some(2), Some(2));
    let (users, total) = store.list("%%", "name DESC, id DESC", page).await.unwrap();
    assert_eq!((users.iter().map(|user| user.id).collect::<Vec<_>>(), total), (vec![1], 3));
}

async fn what_users_have_bought_counts_once_however_often_it_is_told(on: On) {
    let (_place, store) = empty(on).await;
    create(&store, "Ada", "ada@example.com").await.unwrap();
    create(&store, "Grace", "grace@example.com").await.unwrap();
    let feed =
        [purchase(1, 1, 1, 500), purchase(3, 2, 1, 70), purchase(4, 1, -1, -500), purchase(6, 1, 1, 20)];
    // From which to which of them, and through which event of the feed.
    let told = [
        (0..2, 3, [(1, 500), (1, 70)]),
        (0..2, 3, [(1, 500), (1, 70)]),
        (1..3, 5, [(0, 0), (1, 70)]),
        (0..1, 2, [(0, 0), (1, 70)]),
        (0..4, 6, [(1, 20), (1, 70)]),
        (0..4, 6, [(1, 20), (1, 70)]),
        (4..4, 9, [(1, 20), (1, 70)]),
    ];
    for (range, through, [ada, grace]) in told {
        count(&store, "service:order", through, &feed[range.clone()]).await;
        assert_eq!(bought(&store, 1).await, ada, "{range:?}");
        assert_eq!(bought(&store, 2).await, grace, "{range:?}");
    }
    count(&store, "service:order", 10, &[purchase(9, 1, 1, 1), purchase(10, 1, 1, 1)]).await;
    assert_eq!(bought(&store, 1).await, (2, 21), "event 9 was told as one that is nobody's");
}

async fn sellers_have_feeds_of_their_own(on: On) {
    let (_place, store) = empty(on).await;
    create(&store, "Ada", "ada@example.com").await.unwrap();
    for _ in 0..2 {
        count(&store, "service:order", 1, &[purchase(1, 1, 1, 500)]).await;
        count(&store, "service:market", 1, &[purchase(1, 1, 2, 30)]).await;
        assert_eq!(bought(&store, 1).await, (3, 530));
    }
}

async fn who_was_forgotten_counts_no_more(on: On) {
    let (_place, store) = empty(on).await;
    create(&store, "Ada", "ada@example.com").await.unwrap();
    create(&store, "Grace", "grace@example.com").await.unwrap();
    store.remove(once("remove", 20), 1).await.unwrap();
    count(
        &store,
        "service:order",
        3,
        &[purchase(1, 1, 1, 500), purchase(2, 2, 1, 70), purchase(3, u64::MAX, 1, 1)],
    )
    .await;
    assert_eq!(bought(&store, 2).await, (1, 70));
    refused(store.find(1).await, &not_found(1));
}

async fn a_user_who_was_seen_has_not_changed(on: On) {
    let (_place, store) = empty(on).await;
    create(&store, "Ada", "ada@example.com").await.unwrap();
    store.seen(1, 99).await.unwrap();
    store.seen(7, 99).await.unwrap();
    let ada = store.find(1).await.unwrap();
    assert_eq!((ada.last_seen_us, ada.updated_at_us), (Some(99), 10));
    assert_eq!(store.events(0, 10).await.unwrap().0.len(), 1, "and nobody is told");
}

async fn the_feed_says_who_and_not_what(on: On) {
    let (_place, store) = empty(on).await;
    create(&store, "Ada", "ada@example.com").await.unwrap();
    refused(create(&store, "Eve", "ada@example.com").await, &taken("ada@example.com"));
    store.update(1, Change { name: Some("Ada King".into()), email: None }, 20).await.unwrap();
    store.remove(once("remove", 30), 1).await.unwrap();
    let (events, oldest) = store.events(0, 10).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.key.as_str(), event.at_us, &event.change)).collect();
    let expected = [
        ("1", 10, &UserChange::Created { user: 1 }),
        ("1", 20, &UserChange::Updated { user: 1 }),
        ("1", 30, &UserChange::Removed { user: 1 }),
    ];
    assert_eq!(told, expected);
    assert_eq!(oldest, events[0].id);
}

async fn arguments_outside_their_limits_are_refused(on: On) {
    let (_place, store) = empty(on).await;
    let (long_name, long_email) = ("é".repeat(NAME_CHARS_MAX + 1), "x".repeat(EMAIL_BYTES_MAX + 1));
    let bad =
        [("", "a@b"), (&*long_name, "a@b"), ("A\0", "a@b"), ("A", ""), ("A", &*long_email), ("A", "\0")];
    for (name, email) in bad {
        assert!(matches!(create(&store, name, email).await, Err(StoreError::Invalid(_))), "{name} {email}");
    }
    create(&store, &"é".repeat(NAME_CHARS_MAX), &"x".repeat(EMAIL_BYTES_MAX)).await.unwrap();
    for (name, email) in bad {
        let change = Change { name: Some(name.to_owned()), email: Some(email.to_owned()) };
        assert!(matches!(store.update(1, change, 20).await, Err(StoreError::Invalid(_))), "{name} {email}");
    }
}

/// Enters users on one instance, and tells all that the seller tells; returns the numbers that were given.
fn enter_and_count(location: &Location, instance: &'static str, users: usize) -> Vec<u64> {
    runtime().block_on(async {
        let store = open(location).await;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..users {
            let store = store.clone();
            calls.spawn(async move {
                let email = format!("{instance}{number}@example.com");
                create(&store, "Somebody", &email).await.unwrap()
            });
        }
        for event in 1..=30 {
            count(&store, "service:order", event, &[purchase(event, 1, 1, 100)]).await;
        }
        let numbers = calls.join_all().await;
        store.database().close().await;
        numbers
    })
}

fn instances_share_the_numbers_and_the_count(on: On) {
    let place = TestDatabase::new(on);
    runtime().block_on(async {
        let store = open(place.location()).await;
        create(&store, "Ada", "ada@example.com").await.unwrap();
        store.database().close().await;
    });
    let other = place.location().clone();
    let other = std::thread::spawn(move || enter_and_count(&other, "b", 60));
    let mut numbers = enter_and_count(place.location(), "a", 60);
    numbers.extend(other.join().unwrap());
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=121).collect::<Vec<_>>());
    runtime().block_on(async {
        assert_eq!(bought(&open(place.location()).await, 1).await, (30, 3_000));
    });
}
