//! The store against its model, over random sequences of what callers and sellers may do.

use futures_util::future::join_all;
use micronet_wire::schema::Decimal;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sha2::{Digest as _, Sha256};

use super::super::*;
use super::model::{Model, Outcome, Request, Write};
use crate::database::testing::sequences::check_sequences;
use crate::database::testing::{On, on_both_databases};
use crate::once::KEPT_US;
use crate::paging::{contains, order_by};
use crate::user::service::SORT_KEYS;

on_both_databases! {
    tokio: [],
    threads: [whatever_is_told_the_store_does_as_its_model],
}

const NAMES: [&str; 4] = ["Ada", "ada", "50%_\\", "ΟΔΟΣ"];
const EMAILS: [&str; 6] = ["ada@a.com", "ADA@a.com", "é@b.org", "É@b.org", "x_y@b.org", "grace@a.com"];
const TEXTS: [&str; 9] = ["", "ada", "A.COM", "%", "_", "\\", "οδ", "é", "zzz"];
const SORTS: [&str; 10] =
    ["id", "-id", "name", "-name", "email", "-email", "orders", "-orders", "spent", "-spent"];
const SELLERS: [&str; 2] = ["service:order", "service:market"];

/// Something that somebody does.
#[derive(Clone, Debug)]
enum Act {
    Create(&'static str, &'static str),
    Update(i64, Option<&'static str>, Option<&'static str>),
    Remove(i64),
    /// A seller tells its events from some that it has told before (or the next) to some later, or earlier, one.
    Tell {
        seller: &'static str,
        again: u64,
        events: u64,
    },
    Seen(i64),
}

/// One step: what waits for the writer together, each with its token and how much later it comes; or a look.
#[derive(Clone, Debug)]
enum Step {
    Acts(Vec<(Act, u8, i64)>),
    Look { text: &'static str, sort: &'static str, page: Page },
}

fn step() -> impl Strategy<Value = Step> {
    let later = || prop_oneof![30 => Just(1_i64), 1 => Just(KEPT_US / 2 + 1)];
    let page = (1..4_u32, 1..4_u32).prop_map(|(number, size)| Page::of(Some(number), Some(size)));
    let look = (select(&TEXTS[..]), select(&SORTS[..]), page);
    prop_oneof![
        3 => vec((act(), 0..6_u8, later()), 1..6).prop_map(Step::Acts),
        1 => look.prop_map(|(text, sort, page)| Step::Look { text, sort, page }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let id = || 1..7_i64;
    let (name, email) = (|| select(&NAMES[..]), || select(&EMAILS[..]));
    prop_oneof![
        4 => (name(), email()).prop_map(|(name, email)| Act::Create(name, email)),
        2 => (id(), option::of(name()), option::of(email()))
            .prop_map(|(id, name, email)| Act::Update(id, name, email)),
        1 => id().prop_map(Act::Remove),
        3 => (select(&SELLERS[..]), 0..6_u64, 0..8_u64)
            .prop_map(|(seller, again, events)| Act::Tell { seller, again, events }),
        1 => id().prop_map(Act::Seen),
    ]
}

/// What a seller's feed says at this place; some of its events are no user's.
fn purchase(seller: &str, event: u64) -> Option<Purchase> {
    let salt = event * 7 + seller.len() as u64;
    let orders = if salt.is_multiple_of(3) { -1 } else { 1 };
    let spent = Decimal(i64::from(orders) * i64::try_from(salt).unwrap());
    (!salt.is_multiple_of(5)).then(|| Purchase { event, user: salt % 6 + 1, orders, spent })
}

fn whatever_is_told_the_store_does_as_its_model(on: On) {
    check_sequences(on, UserStore::MIGRATIONS, step(), async |database, steps| {
        let store = UserStore::over(database, Keeping::default());
        let (mut model, mut now_us) = (Model::default(), 0);
        for step in steps {
            match step {
                Step::Acts(acts) => {
                    let requests = acts.into_iter().map(|(act, token, later_us)| {
                        now_us += later_us;
                        Request { write: write(&model, &act), token, now_us }
                    });
                    let requests: Vec<_> = requests.collect();
                    // They are queued in this order, and share a transaction.
                    let outcomes = join_all(requests.iter().map(|request| perform(&store, request))).await;
                    for (request, outcome) in requests.iter().zip(outcomes) {
                        assert_eq!(outcome, model.apply(request), "{request:?}");
                    }
                    check_users(&store, &model).await;
                }
                Step::Look { text, sort, page } => check_page(&store, &model, text, sort, page).await,
            }
        }
        let (told, _) = store.events(0, 500).await.unwrap();
        let told: Vec<_> = told.into_iter().map(|event| (event.key, event.at_us, event.change)).collect();
        assert_eq!(told, model.changes, "the feed tells each change once and in order");
    });
}

/// What is written when somebody does this.
fn write(model: &Model, act: &Act) -> Write {
    match *act {
        Act::Create(name, email) => Write::Create(name.to_owned(), email.to_owned()),
        Act::Update(id, name, email) => {
            Write::Update(id, Change { name: name.map(str::to_owned), email: email.map(str::to_owned) })
        }
        Act::Remove(id) => Write::Remove(id),
        Act::Tell { seller, again, events } => {
            let after = model.counted(seller).saturating_sub(again);
            let through = after + events;
            let purchases = (after + 1..=through).filter_map(|event| purchase(seller, event)).collect();
            Write::Count(seller.to_owned(), Purchases { through, purchases })
        }
        Act::Seen(id) => Write::Seen(id),
    }
}

async fn perform(store: &UserStore, request: &Request) -> Outcome {
    let Request { write, token, now_us } = request.clone();
    let body_hash = Sha256::digest(format!("{write:?}")).into();
    let once = |method: &str| Once {
        token: Token { holder: "tester".to_owned(), key: format!("{method}/{token}") },
        body_hash,
        now_us,
    };
    let outcome = match write {
        Write::Create(name, email) => store.create(once("create"), name, email).await.map(Outcome::Told),
        Write::Update(id, change) => store.update(id, change, now_us).await.map(Outcome::Is),
        Write::Remove(id) => store.remove(once("remove"), id).await.map(Outcome::Told),
        Write::Count(seller, told) => store.count(seller, told).await.map(|()| Outcome::Done),
        Write::Seen(id) => store.seen(id, now_us).await.map(|()| Outcome::Done),
    };
    outcome.unwrap_or_else(|error| match error {
        StoreError::Refused(error) => Outcome::Refused(error),
        StoreError::TokenReused => Outcome::TokenReused,
        StoreError::TokenWithdrawn
        | StoreError::TokensFull
        | StoreError::Invalid(_)
        | StoreError::Database(_) => panic!("{request:?}: {error}"),
    })
}

async fn check_users(store: &UserStore, model: &Model) {
    for id in 1..8 {
        let found = match store.find(id).await {
            Ok(user) => Some(user),
            Err(StoreError::Refused(UserError::UserNotFound { .. })) => None,
            Err(error) => panic!("{id}: {error}"),
        };
        assert_eq!(found.as_ref(), model.users.get(&id), "{id}");
    }
}

async fn check_page(store: &UserStore, model: &Model, text: &str, sort: &str, page: Page) {
    let order = order_by(Some(sort), &SORT_KEYS, "id").unwrap();
    let (users, total) = store.list(&contains(text), &order, page).await.unwrap();
    let contains = |words: &str| folded(words).contains(&folded(text));
    let matches = |user: &&User| contains(&user.name) || contains(&user.email);
    let mut expected: Vec<_> = model.users.values().filter(matches).collect();
    expected.sort_by_key(|user| match sort.trim_start_matches('-') {
        "name" => (user.name.clone(), 0, user.id),
        "email" => (user.email.to_lowercase(), 0, user.id),
        "orders" => (String::new(), user.orders, user.id),
        "spent" => (String::new(), user.spent_minor, user.id),
        _ => (String::new(), 0, user.id),
    });
    if sort.starts_with('-') {
        expected.reverse();
    }
    assert_eq!(usize::try_from(total).unwrap(), expected.len(), "{text:?}");
    let [before, size] = [page.offset(), page.limit()].map(|count| usize::try_from(count).unwrap());
    let expected: Vec<_> = expected.into_iter().skip(before).take(size).collect();
    assert_eq!(users.iter().collect::<Vec<_>>(), expected, "{text:?} {sort} {page:?}");
}
