//! All of the toy store's cases in one run, as its report shows them, and what of it lasts.

use micronet_tests::network::Network;

use crate::toystore::{CASES, Said, Store, WAYS, Way, same};

#[test]
fn the_whole_run_leaves_its_log_and_its_stock() {
    for way in WAYS {
        let store = Store::start(way);
        for case in CASES {
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
