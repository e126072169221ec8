//! The store against its model, over random sequences of what callers may do.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::*;
use super::model::{Model, Outcome, Request, Write};
use crate::calls::Token;
use crate::database::testing::On;
use crate::database::testing::on_both_databases;
use crate::database::testing::sequences::{by_effect, check_sequences};
use crate::paging::{contains, folded, order_by};
use crate::product::service::SORT_KEYS;

on_both_databases! {
    tokio: [],
    threads: [whatever_callers_do_the_store_does_as_its_model],
}

/// Names with letters whose case is no simple matter, and with what LIKE gives a meaning.
const NAMES: [&str; 8] = ["Tux", "tux", "Gold Fish", "50%_\\", "ΟΔΟΣ", "ΟΔΟΣΑ", "Élan", "7"];
const TEXTS: [&str; 10] = ["", "u", "TU", "%", "_", "\\", "οδοΣ", "ς", "é", "zzz"];
const SORTS: [&str; 8] = ["id", "-id", "name", "-name", "price", "-price", "quantity", "-quantity"];

/// One step: writes that wait for the writer together, or a look at a page of the catalog.
#[derive(Clone, Debug)]
enum Step {
    Writes { later_us: i64, writes: Vec<(Write, u8)> },
    Purge,
    Look { text: &'static str, filter: Filter, sort: &'static str, page: Page },
}

fn step() -> impl Strategy<Value = Step> {
    let writes = (later(), vec((write(), 0..5_u8), 1..6));
    let writes = writes.prop_map(|(later_us, writes)| Step::Writes { later_us, writes });
    prop_oneof![3 => writes, 1 => look(), 1 => Just(Step::Purge)]
}

fn write() -> impl Strategy<Value = Write> {
    let change = (option::of(select(&NAMES[..])), option::of(0..4_i64)).prop_map(|(name, price_minor)| {
        let name = name.map(str::to_owned);
        Change { name, price_minor }
    });
    prop_oneof![
        4 => vec(new_product(), 1..4).prop_map(Write::Create),
        2 => (which(), change).prop_map(|(which, change)| Write::Update(which, change)),
        1 => which().prop_map(Write::Remove),
        1 => (which(), prop_oneof![1..4_u32, Just(u32::MAX)]).prop_map(|(which, n)| Write::Restock(which, n)),
        4 => (which(), 1..4_u32).prop_map(|(which, pieces)| Write::Reserve(which, pieces)),
        2 => (which(), 1..4_u32).prop_map(|(which, pieces)| Write::Purchase(which, pieces)),
        2 => Just(Write::Settle),
        2 => Just(Write::Release),
        2 => Just(Write::Restore),
        1 => Just(Write::Finish),
        1 => Just(Write::Ask),
    ]
}

fn new_product() -> impl Strategy<Value = NewProduct> {
    let quantity = prop_oneof![6 => 0..9_i64, 1 => Just(STOCK_MAX)];
    (select(&NAMES[..]), 0..4_i64, quantity).prop_map(|(name, price_minor, quantity)| {
        let name = name.to_owned();
        NewProduct { name, price_minor, quantity }
    })
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![(1..8_i64).prop_map(Which::Id), select(&NAMES[..]).prop_map(Which::of)]
}

/// How much later writes are than those before them. Two long times are more than a reply is kept; the feed is kept for longer
/// than all of them together.
fn later() -> impl Strategy<Value = i64> {
    prop_oneof![30 => Just(1_i64), 1 => Just(once::KEPT_US / 2 + 1)]
}

fn look() -> impl Strategy<Value = Step> {
    let page = (1..4_u32, 1..6_u32).prop_map(|(number, size)| Page::of(Some(number), Some(size)));
    let price = prop_oneof![Just((0, PRICE_MINOR_MAX)), (0..3_i64, 0..3_i64)];
    let in_stock = option::of(any::<bool>());
    (select(&TEXTS[..]), price, in_stock, select(&SORTS[..]), page).prop_map(
        |(text, (price_min, more), in_stock, sort, page)| {
            let (quantity_min, quantity_max) = match in_stock {
                None => (0, STOCK_MAX),
                Some(true) => (1, STOCK_MAX),
                Some(false) => (0, 0),
            };
            let price_max = price_min + more;
            let filter =
                Filter { name_like: contains(text), price_min, price_max, quantity_min, quantity_max };
            Step::Look { text, filter, sort, page }
        },
    )
}

fn whatever_callers_do_the_store_does_as_its_model(on: On) {
    check_sequences(on, ProductStore::MIGRATIONS, step(), async |database, steps| {
        let store = ProductStore::over(database, Keeping::default());
        let (mut model, mut now_us) = (Model::default(), 0);
        for step in steps {
            match step {
                Step::Writes { later_us, writes } => {
                    now_us += later_us;
                    let requests = writes.into_iter().map(|(write, token)| Request { write, token, now_us });
                    let requests: Vec<_> = requests.collect();
                    // They are queued in this order, and share a transaction. Those of one kind may be done together.
                    let outcomes = join_all(requests.iter().map(|request| perform(&store, request))).await;
                    let done =
                        by_effect(requests.iter().zip(outcomes).collect(), |(request, _)| request.batch());
                    for together in done
                        .chunk_by(|(one, _), (next, _)| one.batch().is_some() && one.batch() == next.batch())
                    {
                        let told = model.changes.len();
                        for (request, outcome) in together {
                            assert_eq!(*outcome, model.apply(request, outcome), "{request:?}");
                        }
                        model.move_once(told);
                    }
                    check_stock(&store, &model).await;
                }
                Step::Purge => {
                    let mut purged = 0;
                    while let rows @ 1.. = store.purge(now_us).await.unwrap() {
                        purged += rows;
                    }
                    assert_eq!(purged, model.purge(now_us) as u64, "at {now_us}");
                }
                Step::Look { text, filter, sort, page } => {
                    check_page(&store, &model, text, &filter, sort, page).await;
                }
            }
        }
        check_lookups(&store, &model).await;
        check_feed(&store, &model).await;
    });
}

async fn perform(store: &ProductStore, request: &Request) -> Outcome {
    let (token, body_hash, now_us) = (request.token(), request.body_hash(), request.now_us);
    let once = Once { token: Token { holder: "tester".to_owned(), key: request.key() }, body_hash, now_us };
    let outcome = match request.write.clone() {
        Write::Create(new) => store.create(once, new).await.map(Outcome::Entered),
        Write::Update(which, change) => {
            store.update(once, which, change).await.map(|info| Outcome::Entered(vec![info]))
        }
        Write::Remove(which) => store.remove(once, which).await.map(|info| Outcome::Entered(vec![info])),
        Write::Restock(which, pieces) => {
            store.restock(once, which, pieces).await.map(|info| Outcome::Entered(vec![info]))
        }
        Write::Reserve(which, pieces) => {
            store.reserve(&token, body_hash, which, pieces, now_us).await.map(Outcome::Became)
        }
        Write::Purchase(which, pieces) => {
            let sold = store.purchase(&token, body_hash, which, pieces, now_us).await;
            sold.map(|(became, _)| Outcome::Became(became))
        }
        Write::Settle => store.settle(&token, now_us).await.map(Outcome::Moved),
        Write::Release => store.release(&token, now_us).await.map(Outcome::Became),
        Write::Restore => store.restore(&token, now_us).await.map(Outcome::Moved),
        Write::Finish => store.finish(&token, now_us).await.map(|()| Outcome::Done),
        Write::Ask => {
            let asked = store.ask(Token { holder: "tester".into(), key: token }, now_us).await;
            asked.map(|found| {
                Outcome::Asked(found.map(|known| (known.reservation, known.wanted, known.quantity)))
            })
        }
    };
    outcome.unwrap_or_else(|error| match error {
        StoreError::Refused(error) => Outcome::Refused(error),
        StoreError::TokenReused => Outcome::TokenReused,
        StoreError::Invalid(_) => Outcome::Invalid,
        StoreError::TokenWithdrawn => Outcome::TokenWithdrawn,
        error @ (StoreError::TokensFull | StoreError::Database(_)) => {
            panic!("{request:?}: {error}")
        }
    })
}

async fn check_stock(store: &ProductStore, model: &Model) {
    let inventory = store.inventory(0, 1_000).await.unwrap();
    assert_eq!(inventory.iter().collect::<Vec<_>>(), model.on_sale().collect::<Vec<_>>());
    for product in inventory {
        assert_eq!(product.initial, product.quantity + product.reserved + product.sold, "{product:?}");
    }
}

async fn check_page(
    store: &ProductStore,
    model: &Model,
    text: &str,
    filter: &Filter,
    sort: &str,
    page: Page,
) {
    let order = order_by(Some(sort), &SORT_KEYS, "id").unwrap();
    let (products, total) = store.list(filter, &order, page).await.unwrap();
    let mut expected = model.list(filter, text);
    expected.sort_by_key(|product| match sort.trim_start_matches('-') {
        "name" => (folded(&product.name), 0, product.id),
        "price" => (String::new(), product.price_minor, product.id),
        "quantity" => (String::new(), product.quantity, product.id),
        _ => (String::new(), 0, product.id),
    });
    if sort.starts_with('-') {
        expected.reverse();
    }
    assert_eq!(usize::try_from(total).unwrap(), expected.len(), "{text:?} {filter:?}");
    let [before, size] = [page.offset(), page.limit()].map(|count| usize::try_from(count).unwrap());
    let expected: Vec<_> = expected.into_iter().skip(before).take(size).collect();
    assert_eq!(products.iter().collect::<Vec<_>>(), expected, "{text:?} {filter:?} {sort} {page:?}");
}

/// Every name, number and token, those that nobody bears too.
async fn check_lookups(store: &ProductStore, model: &Model) {
    let ids = (0..9).map(Which::Id);
    for which in NAMES.iter().map(|name| Which::of(name)).chain(ids) {
        let found = match store.find(&which).await {
            Ok(product) => Some(product),
            Err(StoreError::Refused(ProductError::ProductNotFound { .. })) => None,
            Err(error) => panic!("{which:?}: {error}"),
        };
        assert_eq!(found.as_ref(), model.find(&which), "{which:?}");
    }
    for token in (0..6).map(|token| format!("token {token}")) {
        assert_eq!(store.reservation(&token).await.unwrap(), model.reservation(&token), "{token}");
    }
}

/// The feed tells each change once and in order, and whoever reads it from the start knows the catalog and its stock.
async fn check_feed(store: &ProductStore, model: &Model) {
    let (mut told, mut after) = (Vec::new(), 0);
    loop {
        let (events, _) = store.events(after, 7).await.unwrap();
        let Some(last) = events.last() else { break };
        assert!(events.iter().is_sorted_by_key(|event| event.id) && events[0].id > after);
        after = last.id;
        told.extend(events);
    }
    let mut catalog: BTreeMap<u64, (String, i64, [u64; 3], bool)> = BTreeMap::new();
    for event in &told {
        match event.change.clone() {
            ProductChange::Created { product, name, price, quantity } => {
                assert!(catalog.insert(product, (name, price.0, [quantity, 0, 0], true)).is_none());
            }
            ProductChange::Updated { product, name, price } => {
                let known = catalog.get_mut(&product).unwrap();
                (known.0, known.1) = (name, price.0);
            }
            ProductChange::Removed { product, name } => {
                let known = catalog.get_mut(&product).unwrap();
                assert_eq!(known.0, name);
                known.3 = false;
            }
            ProductChange::Stock { product, quantity, reserved, sold } => {
                catalog.get_mut(&product).unwrap().2 = [quantity, reserved, sold];
            }
        }
    }
    let expected = model.products().map(|(product, on_sale)| {
        let pieces = [product.quantity, product.reserved, product.sold].map(i64::unsigned_abs);
        (product.id.unsigned_abs(), (product.name.clone(), product.price_minor, pieces, on_sale))
    });
    assert_eq!(catalog, expected.collect());
    let told: Vec<_> = told.into_iter().map(|event| (event.key, event.at_us, event.change)).collect();
    assert_eq!(told, model.changes);
}
