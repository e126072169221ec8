//! The toy store's thirteen cases by their names, each over HTTP and over the binary RPC. (Nothing else is tested in this module:
//! `tests/run toystore` runs just these.)

mod cases;
mod customer;

pub(crate) use self::cases::same;
pub(crate) use self::customer::{Said, Store, Way};

pub(crate) const WAYS: [Way; 2] = [Way::Http, Way::Rpc];

/// A test for each case, by its name, and the table of all of them, in the order of the original run.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(cases::$name);
        })*

        /// What each case does to a toy store, and what has to come of it.
        pub(crate) const CASES: [fn(&Store); 13] = [$(cases::$name),*];
    };
}

cases! {
    app_client_query_valid
    app_client_query_invalid
    microservices_frontend_catalog_valid
    microservices_frontend_catalog_invalid
    microservices_frontend_order_valid
    microservices_frontend_order_invalid
    microservices_frontend_order_outofstock
    app_client_buy_valid
    app_client_buy_invalid
    app_client_buy_outofstock
    microservices_order_cata_valid
    microservices_order_cata_invalid
    microservices_order_cata_outofstock
}

/// Each case has a store of its own, each way.
fn check(case: fn(&Store)) {
    for way in WAYS {
        case(&Store::start(way));
    }
}
