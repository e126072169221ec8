//! The toy store's thirteen cases by their names, each over HTTP and over the binary RPC, and the whole run of them.

mod cases;
mod customer;

use micronet_tests::network::Network;

use self::cases::{CASES, same};
use self::customer::{Said, Store, Way};

const WAYS: [Way; 2] = [Way::Http, Way::Rpc];

/// A test for each case, by its name: on a store of its own, each way.
macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*

        #[test]
        fn every_case_has_a_test() {
            assert_eq!(CASES.map(|(name, _)| name), [$(stringify!($name)),*]);
        }
    };
}

tests! {
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

fn check(wanted: &str) {
    let (_, case) = CASES.iter().find(|(name, _)| *name == wanted).expect("a case of this name");
    for way in WAYS {
        case(&Store::start(way));
    }
}

#[test]
fn the_whole_run_leaves_its_log_and_its_stock() {
    for way in WAYS {
        let store = Store::start(way);
        for (_, case) in CASES {
            case(&store);
        }
        let log = store.get("/orders/log").check(200);
        assert_eq!(log.header("Content-Type"), Some("text/plain; charset=utf-8"));
        let wanted = "1 Whale 1\n-1 invalid 1\n-1 Whale 1000\n2 Elephant 1\n-1 invalid 1\n-1 Elephant 1000\n";
        same(&store, log.text().as_str(), wanted);
        let stock = ["Tux", "Whale", "Elephant", "Bird"].map(|toy| store.stock(toy));
        same(&store, stock, [80, 93, 86, 97]);
    }
}

#[test]
fn the_log_and_the_stock_outlive_the_network() {
    let store = Store::start(Way::Http);
    let said = store.frontend_order("Whale", 2);
    same(&store, said, Said::Ordered(1));
    let folder = store.network.stop();
    // Whatever data the folder has, it keeps: no --demo is given.
    let network = Network::start_in(folder, &[]);
    let mut http = network.http();
    assert_eq!(http.get("/orders/log").check(200).text(), "1 Whale 2\n");
    assert_eq!(http.get("/products/Whale").at("/data/quantity"), 92);
    assert_eq!(http.get("/orders/1").at("/data/quantity"), 2);
}
