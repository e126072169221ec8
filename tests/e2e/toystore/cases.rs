//! What each case does, and what has to come of it.
//!
//! `app_client` is the customer's own program, `microservices_frontend` is what the front-end does with its catalog and
//! its order server, `microservices_order_cata` is what the order server does with the catalog: it takes stock, and
//! leaves no line in the order log.

use std::fmt::Debug;

use super::customer::{Said, Store};

/// Checks that two things are the same, and says in which way of calling they were not.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "so that both stand in the call as they are")]
pub(crate) fn same<T: PartialEq + Debug>(store: &Store, seen: T, wanted: T) {
    assert_eq!(seen, wanted, "over {:?}", store.way);
}

pub(super) fn app_client_query_valid(store: &Store) {
    let said = store.app_client_query("Tux");
    same(store, said, Said::toy("Tux", "25.99", 80));
}

pub(super) fn app_client_query_invalid(store: &Store) {
    let said = store.app_client_query("invalid");
    same(store, said, Said::NoSuchToy);
}

pub(super) fn microservices_frontend_catalog_valid(store: &Store) {
    let said = store.frontend_catalog("Tux");
    same(store, said, Said::toy("Tux", "25.99", 80));
}

pub(super) fn microservices_frontend_catalog_invalid(store: &Store) {
    let said = store.frontend_catalog("invalid");
    same(store, said, Said::NoSuchToy);
}

pub(super) fn microservices_frontend_order_valid(store: &Store) {
    let (before, placed) = (store.stock("Whale"), store.orders_placed());
    let said = store.frontend_order("Whale", 1);
    same(store, said, Said::Ordered(placed + 1));
    same(store, store.stock("Whale"), before - 1);
    same(store, store.log().last().cloned(), Some(format!("{} Whale 1", placed + 1)));
}

pub(super) fn microservices_frontend_order_invalid(store: &Store) {
    let said = store.frontend_order("invalid", 1);
    same(store, said, Said::NoSuchToy);
    same(store, store.log().last().cloned(), Some("-1 invalid 1".into()));
}

pub(super) fn microservices_frontend_order_outofstock(store: &Store) {
    let before = store.stock("Whale");
    let said = store.frontend_order("Whale", 1000);
    same(store, said, Said::OutOfStock { available: before });
    same(store, store.stock("Whale"), before);
    same(store, store.log().last().cloned(), Some("-1 Whale 1000".into()));
}

pub(super) fn app_client_buy_valid(store: &Store) {
    let (before, placed) = (store.stock("Elephant"), store.orders_placed());
    let said = store.app_client_buy("Elephant", 1);
    same(store, said, Said::Ordered(placed + 1));
    same(store, store.stock("Elephant"), before - 1);
    same(store, store.log().last().cloned(), Some(format!("{} Elephant 1", placed + 1)));
}

pub(super) fn app_client_buy_invalid(store: &Store) {
    let said = store.app_client_buy("invalid", 1);
    same(store, said, Said::NoSuchToy);
    same(store, store.log().last().cloned(), Some("-1 invalid 1".into()));
}

pub(super) fn app_client_buy_outofstock(store: &Store) {
    let before = store.stock("Elephant");
    let said = store.app_client_buy("Elephant", 1000);
    same(store, said, Said::OutOfStock { available: before });
    same(store, store.stock("Elephant"), before);
    same(store, store.log().last().cloned(), Some("-1 Elephant 1000".into()));
}

pub(super) fn microservices_order_cata_valid(store: &Store) {
    let (before, log) = (store.stock("Bird"), store.log());
    let said = store.order_cata("Bird", 1);
    same(store, said, Said::Taken("39.99".into()));
    same(store, store.stock("Bird"), before - 1);
    same(store, store.log(), log);
}

pub(super) fn microservices_order_cata_invalid(store: &Store) {
    let log = store.log();
    let said = store.order_cata("invalid", 1);
    same(store, said, Said::NoSuchToy);
    same(store, store.log(), log);
}

pub(super) fn microservices_order_cata_outofstock(store: &Store) {
    let (before, log) = (store.stock("Bird"), store.log());
    let said = store.order_cata("Bird", 1000);
    same(store, said, Said::OutOfStock { available: before });
    same(store, store.stock("Bird"), before);
    same(store, store.log(), log);
}
