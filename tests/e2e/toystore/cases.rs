//! What each case does, and what has to come of it.
//!
//! `app_client` is the customer's own program, `microservices_frontend` is what the front-end does with its catalog and
//! its order server, `microservices_order_cata` is what the order server does with the catalog: it takes stock, and
//! leaves no line in the order log.

use std::fmt::Debug;

use super::customer::{Said, Store};

/// What a case does to a fresh toy store, and what has to come of it.
pub(super) type Case = fn(&Store);

/// The cases in the order of the original run.
pub(super) const CASES: [(&str, Case); 13] = [
    ("app_client_query_valid", app_client_query_valid),
    ("app_client_query_invalid", app_client_query_invalid),
    ("microservices_frontend_catalog_valid", microservices_frontend_catalog_valid),
    ("microservices_frontend_catalog_invalid", microservices_frontend_catalog_invalid),
    ("microservices_frontend_order_valid", microservices_frontend_order_valid),
    ("microservices_frontend_order_invalid", microservices_frontend_order_invalid),
    ("microservices_frontend_order_outofstock", microservices_frontend_order_outofstock),
    ("app_client_buy_valid", app_client_buy_valid),
    ("app_client_buy_invalid", app_client_buy_invalid),
    ("app_client_buy_outofstock", app_client_buy_outofstock),
    ("microservices_order_cata_valid", microservices_order_cata_valid),
    ("microservices_order_cata_invalid", microservices_order_cata_invalid),
    ("microservices_order_cata_outofstock", microservices_order_cata_outofstock),
];

/// Checks that two things are the same, and says in which way of calling they were not.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "so that both stand in the call as they are")]
pub(super) fn same<T: PartialEq + Debug>(store: &Store, seen: T, wanted: T) {
    assert_eq!(seen, wanted, "over {:?}", store.way);
}

fn app_client_query_valid(store: &Store) {
    let said = store.app_client_query("Tux");
    same(store, said, Said::toy("Tux", "25.99", 80));
}

fn app_client_query_invalid(store: &Store) {
    let said = store.app_client_query("invalid");
    same(store, said, Said::NoSuchToy);
}

fn microservices_frontend_catalog_valid(store: &Store) {
    let said = store.frontend_catalog("Tux");
    same(store, said, Said::toy("Tux", "25.99", 80));
}

fn microservices_frontend_catalog_invalid(store: &Store) {
    let said = store.frontend_catalog("invalid");
    same(store, said, Said::NoSuchToy);
}

fn microservices_frontend_order_valid(store: &Store) {
    let (before, placed) = (store.stock("Whale"), store.orders_placed());
    let said = store.frontend_order("Whale", 1);
    same(store, said, Said::Ordered(placed + 1));
    same(store, store.stock("Whale"), before - 1);
    same(store, store.log().last().cloned(), Some(format!("{} Whale 1", placed + 1)));
}

fn microservices_frontend_order_invalid(store: &Store) {
    let said = store.frontend_order("invalid", 1);
    same(store, said, Said::NoSuchToy);
    same(store, store.log().last().cloned(), Some("-1 invalid 1".into()));
}

fn microservices_frontend_order_outofstock(store: &Store) {
    let before = store.stock("Whale");
    let said = store.frontend_order("Whale", 1000);
    same(store, said, Said::OutOfStock { available: before });
    same(store, store.stock("Whale"), before);
    same(store, store.log().last().cloned(), Some("-1 Whale 1000".into()));
}

fn app_client_buy_valid(store: &Store) {
    let (before, placed) = (store.stock("Elephant"), store.orders_placed());
    let said = store.app_client_buy("Elephant", 1);
    same(store, said, Said::Ordered(placed + 1));
    same(store, store.stock("Elephant"), before - 1);
    same(store, store.log().last().cloned(), Some(format!("{} Elephant 1", placed + 1)));
}

fn app_client_buy_invalid(store: &Store) {
    let said = store.app_client_buy("invalid", 1);
    same(store, said, Said::NoSuchToy);
    same(store, store.log().last().cloned(), Some("-1 invalid 1".into()));
}

fn app_client_buy_outofstock(store: &Store) {
    let before = store.stock("Elephant");
    let said = store.app_client_buy("Elephant", 1000);
    same(store, said, Said::OutOfStock { available: before });
    same(store, store.stock("Elephant"), before);
    same(store, store.log().last().cloned(), Some("-1 Elephant 1000".into()));
}

fn microservices_order_cata_valid(store: &Store) {
    let (before, log) = (store.stock("Bird"), store.log());
    let said = store.order_cata("Bird", 1);
    same(store, said, Said::Taken("39.99".into()));
    same(store, store.stock("Bird"), before - 1);
    same(store, store.log(), log);
}

fn microservices_order_cata_invalid(store: &Store) {
    let log = store.log();
    let said = store.order_cata("invalid", 1);
    same(store, said, Said::NoSuchToy);
    same(store, store.log(), log);
}

fn microservices_order_cata_outofstock(store: &Store) {
    let (before, log) = (store.stock("Bird"), store.log());
    let said = store.order_cata("Bird", 1000);
    same(store, said, Said::OutOfStock { available: before });
    same(store, store.stock("Bird"), before);
    same(store, store.log(), log);
}
