//! Tests of uploads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use micronet_wire::encoding;
use micronet_wire::principal::Principal;
use micronet_wire::schema::{Blob, Decimal, EncodedSchema};
use micronet_wire::service::{CallError, Exchange, Reply};

use super::*;
use crate::database::Database;
use crate::database::testing::{On, TestDatabase, on_both_databases};
use crate::once::Keeping;
use crate::product::api::{ProductChange, ProductMethods, Refusal, product_schema};
use crate::product::store::Which;
use crate::store::Store as _;

on_both_databases! {
    tokio: [
        products_are_created_updated_left_or_refused,
        a_repeat_gets_the_stored_report_and_does_nothing,
        an_upload_that_broke_off_goes_on_where_it_was,
        a_token_stands_for_the_same_products,
        what_became_of_an_upload_can_be_asked,
        a_stock_is_counted_without_what_is_promised_or_sold,
        reports_tell_a_part_of_many_refusals,
    ],
    threads: [],
}

/// The requests of a call: some, and then the end or a broken link.
#[derive(Debug)]
struct Coming {
    requests: RefCell<VecDeque<Bytes>>,
    breaks: bool,
}

impl Exchange for Coming {
    fn poll_message(&self, _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RpcError>> {
        Poll::Ready(match self.requests.borrow_mut().pop_front() {
            None if self.breaks => Err(RpcError::new(Code::Cancelled, "the call is over")),
            next => Ok(next),
        })
    }
    fn poll_room(&self, _: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        unreachable!("an upload has no stream of replies")
    }
    fn send(&self, _: Bytes) -> Result<(), RpcError> {
        unreachable!("an upload has no stream of replies")
    }
    fn finish(&self) {}
    fn poll_reply(&self, _: &mut Context<'_>) -> Poll<Result<Reply, RpcError>> {
        unreachable!("a handler has no reply to wait for")
    }
    fn cancel(&self) {}
}

async fn empty(on: On) -> (TestDatabase, ProductStore) {
    let place = TestDatabase::new(on);
    let database = Database::open(place.location(), ProductStore::MIGRATIONS).await.unwrap();
    (place, ProductStore::over(database, Keeping::default()))
}

async fn upload_some(
    store: &ProductStore,
    token: &str,
    products: &[NewProduct],
    breaks: bool,
) -> Answer<Uploaded> {
    let requests = products.iter().map(|product| encoding::encode(product).unwrap()).collect();
    let exchange = Rc::new(Coming { requests: RefCell::new(requests), breaks });
    let context = CallContext {
        principal: Principal::Operator,
        token: Some(token.to_owned()),
        exchange: Some(exchange),
        ..CallContext::default()
    };
    let schema = Rc::new(EncodedSchema::new(product_schema()).unwrap());
    let at = schema.schema().methods.iter().position(|method| method.name == "upload").unwrap();
    let requests = Incoming::of_requests(&context, &schema, at).unwrap();
    upload(store, &context, requests).await
}

async fn uploaded(store: &ProductStore, token: &str, products: &[NewProduct]) -> Uploaded {
    upload_some(store, token, products, false).await.unwrap()
}

fn product(name: &str, price: i64, quantity: Option<u64>) -> NewProduct {
    NewProduct { name: name.to_owned(), price: Decimal(price), quantity }
}

fn many(count: u64) -> Vec<NewProduct> {
    (0..count).map(|number| product(&format!("Item {number}"), 100, Some(10))).collect()
}

fn report(created: u64, updated: u64, unchanged: u64) -> Uploaded {
    Uploaded { created, updated, unchanged, ..Uploaded::default() }
}

/// Price, pieces on sale and pieces sold.
async fn row(store: &ProductStore, name: &str) -> (i64, i64, i64) {
    let product = store.find(&Which::of(name)).await.unwrap();
    (product.price_minor, product.quantity, product.sold)
}

async fn sell(store: &ProductStore, name: &str, pieces: u32) {
    let key = format!("{name} {pieces}");
    store.purchase(&key, [1; 32], Which::of(name), pieces, 5).await.unwrap();
}

async fn changes(store: &ProductStore) -> Vec<ProductChange> {
    let (events, _) = store.events(0, 5_000).await.unwrap();
    events.into_iter().map(|event| event.change).collect()
}

async fn products_are_created_updated_left_or_refused(on: On) {
    let (_place, store) = empty(on).await;
    let first = [product("Tux", 2_599, Some(80)), product("Whale", 3_499, None)];
    assert_eq!(uploaded(&store, "1", &first).await, report(2, 0, 0));
    assert_eq!(row(&store, "Whale").await, (3_499, 0, 0));
    let second = [
        product("Tux", 2_599, Some(80)),
        product("Whale", 3_000, None),
        product("7", 5, None),
        product("", 5, None),
        product("Cow", -1, None),
        product("Zero \0", 5, None),
        product("Fox", 5, Some(3)),
        product("Fox", 6, None),
    ];
    let done = uploaded(&store, "2", &second).await;
    let refused = |index, reason: &str| Refusal { index, reason: reason.to_owned() };
    let refusals = vec![
        refused(2, "name: expected one line of text that is no number, found \"7\""),
        refused(3, "name: expected at least 1 character, found 0"),
        refused(4, "price: expected at least 0.00, found -0.01"),
        refused(5, "name: expected one line of text that is no number, found \"Zero \\u0000\""),
    ];
    assert_eq!(done, Uploaded { refused: 4, refusals, ..report(1, 2, 1) });
    assert_eq!(row(&store, "Whale").await, (3_000, 0, 0));
    // The later of two of one name holds, and what it doesn't say stays.
    assert_eq!(row(&store, "Fox").await, (6, 3, 0));
    assert_eq!(changes(&store).await.len(), 5);
}

async fn a_repeat_gets_the_stored_report_and_does_nothing(on: On) {
    let (_place, store) = empty(on).await;
    for count in [0, 1, 100, 250] {
        let token = format!("t{count}");
        let first = uploaded(&store, &token, &many(count)).await;
        assert_eq!((first.created + first.updated + first.unchanged, first.refused), (count, 0));
        // What has happened since is not undone.
        for sold in &many(count)[..usize::from(count > 0)] {
            sell(&store, &sold.name, u32::try_from(count).unwrap() % 7 + 1).await;
        }
        let before = changes(&store).await;
        assert_eq!(uploaded(&store, &token, &many(count)).await, first);
        assert_eq!(changes(&store).await, before);
    }
}

async fn an_upload_that_broke_off_goes_on_where_it_was(on: On) {
    let (_place, store) = empty(on).await;
    let all = many(450);
    let broken = upload_some(&store, "t", &all[..250], true).await.unwrap_err();
    assert!(matches!(broken, CallError::Rpc(error) if error.code == Code::Cancelled));
    assert_eq!(changes(&store).await.len(), 200, "whole batches");
    // What was uploaded is on sale, and what was sold since stays sold.
    sell(&store, "Item 3", 4).await;
    assert_eq!(row(&store, "Item 3").await, (100, 6, 4));
    assert_eq!(uploaded(&store, "t", &all).await, report(450, 0, 0));
    assert_eq!(row(&store, "Item 3").await, (100, 6, 4));
    let created: Vec<String> = changes(&store)
        .await
        .into_iter()
        .filter_map(|change| match change {
            ProductChange::Created { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    assert!(created.iter().eq(all.iter().map(|product| &product.name)));
}

async fn a_token_stands_for_the_same_products(on: On) {
    let (_place, store) = empty(on).await;
    let all = many(250);
    uploaded(&store, "t", &all).await;
    let before = changes(&store).await.len();
    let mut early = all.clone();
    early[3].price = Decimal(1);
    let mut late = all.clone();
    late[249].quantity = None;
    let mut swapped = all.clone();
    swapped.swap(7, 8);
    let mut more = all.clone();
    more.push(product("More", 1, None));
    for other in [&early[..], &late, &swapped, &more, &all[..200], &all[..249], &[]] {
        let refused = upload_some(&store, "t", other, false).await.unwrap_err();
        assert!(
            matches!(refused, CallError::Rpc(error) if error.code == Code::TokenReused),
            "{}",
            other.len()
        );
    }
    assert_eq!(changes(&store).await.len(), before);
    let missing = CallContext::default();
    assert_eq!(missing.token().unwrap_err().code, Code::TokenMissing);
}

async fn what_became_of_an_upload_can_be_asked(on: On) {
    let (_place, store) = empty(on).await;
    let asked = async |token: &str| {
        let (principal, token) = (Principal::Operator, token.to_owned());
        let asked = Asked { method: ProductMethods::UPLOAD, token, principal };
        outcome(&store, &asked).await.unwrap()
    };
    let done =
        |report: &Uploaded| TokenOutcome::Done { reply: Blob(encoding::encode(report).unwrap().to_vec()) };
    let all = many(150);
    for (token, products) in [("none", &[][..]), ("some", &all[..7]), ("many", &all[..])] {
        let report = uploaded(&store, token, products).await;
        assert_eq!(asked(token).await, done(&report), "{token}");
    }
    // Begun, and then repeated to its end.
    let broken = [&all[..], &[product("More", 1, None)]].concat();
    upload_some(&store, "broken", &broken, true).await.unwrap_err();
    assert_eq!(asked("broken").await, TokenOutcome::Running);
    let report = uploaded(&store, "broken", &broken).await;
    assert_eq!(asked("broken").await, done(&report));
    // What was said to be never started, never is.
    for products in [&[][..], &broken] {
        let token = format!("never {}", products.len());
        assert_eq!(asked(&token).await, TokenOutcome::NeverStarted);
        let refused = upload_some(&store, &token, products, false).await.unwrap_err();
        assert!(matches!(refused, CallError::Rpc(error) if error.code == Code::TokenWithdrawn));
        assert_eq!(asked(&token).await, TokenOutcome::NeverStarted);
    }
}

async fn a_stock_is_counted_without_what_is_promised_or_sold(on: On) {
    let (_place, store) = empty(on).await;
    uploaded(&store, "1", &[product("Tux", 100, Some(10))]).await;
    sell(&store, "Tux", 3).await;
    store.reserve("r", [1; 32], Which::of("Tux"), 2, 5).await.unwrap();
    for (token, quantity) in [("2", 0), ("3", 50), ("4", 1)] {
        assert_eq!(uploaded(&store, token, &[product("Tux", 100, Some(quantity))]).await, report(0, 1, 0));
        let tux = store.find(&Which::of("Tux")).await.unwrap();
        assert_eq!((tux.quantity, tux.reserved, tux.sold), (i64::try_from(quantity).unwrap(), 2, 3));
        assert_eq!(tux.initial, tux.quantity + tux.reserved + tux.sold);
        assert!(matches!(changes(&store).await.last(), Some(ProductChange::Stock { .. })));
    }
}

async fn reports_tell_a_part_of_many_refusals(on: On) {
    let (_place, store) = empty(on).await;
    let bad: Vec<NewProduct> = (0..330_u64).map(|number| product(&number.to_string(), 1, None)).collect();
    let report = uploaded(&store, "t", &bad).await;
    assert_eq!((report.refused, report.refusals.len()), (330, 100));
    assert!(report.refusals.iter().map(|refusal| refusal.index).eq(0..100));
    assert_eq!(changes(&store).await, []);
}
