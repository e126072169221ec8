//! `micronet shop`: the customer's three modes, and their summary.

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::process::{micronet, run};
use serde_json::Value;

/// Runs customers, and tells how many requests of a kind they made, of which how many were good.
fn requests(network: &Network, kind: &str, arguments: &[&str]) -> (u64, u64) {
    let finished = network.command(&[&["shop", "--json"], arguments].concat()).check(0);
    let summary: Value = serde_json::from_str(&finished.stdout).expect("the summary is JSON");
    let rows = summary["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["name"] == kind);
    let count = |name: &str| row.map_or(Some(0), |row| row[name].as_u64());
    count("requests").zip(count("good")).unwrap_or_else(|| panic!("no counts of {kind} in {summary}"))
}

#[test]
fn customers_ask_and_buy_as_often_as_told() {
    let network = Network::start("toystore");
    let lines = network.command(&["shop", "query", "Tux", "3"]).check(0).stdout;
    assert_eq!(lines.matches("Tux: 25.99, 80 in stock").count(), 3, "{lines}");
    let lines = network.command(&["shop", "buy", "Whale", "2", "3"]).check(0).stdout;
    for order in 1..=3 {
        assert!(lines.contains(&format!("order {order}: 2 x Whale")), "{lines}");
    }
    let no = network.command(&["shop", "buy", "Whale", "1000"]).check(0).stdout;
    assert!(no.contains("out of stock") && no.contains("88 are in stock"), "{no}");
    let mut http = network.http();
    assert_eq!(http.get("/products/Whale").at("/data/quantity"), 88);
    assert_eq!(http.get("/orders/log").text(), "1 Whale 2\n2 Whale 2\n3 Whale 2\n-1 Whale 1000\n");
}

#[test]
fn many_customers_at_once_are_summed_up() {
    let network = Network::start("toystore");
    assert_eq!(requests(&network, "query", &["--clients", "4", "query", "Bird", "50"]), (200, 200));
    // There are 98: nothing is sold twice, and the rest was told so.
    assert_eq!(requests(&network, "buy", &["--clients", "4", "buy", "Bird", "1", "30"]), (120, 98));
    let mut http = network.http();
    assert_eq!(http.get("/products/Bird").at("/data/quantity"), 0);
    let log = http.get("/orders/log").text();
    assert_eq!(log.lines().filter(|line| !line.starts_with("-1 ")).count(), 98, "{log}");
    assert_eq!(log.lines().filter(|line| *line == "-1 Bird 1").count(), 22, "{log}");
}

#[test]
fn a_random_customer_buys_with_the_probability_that_was_given() {
    let network = Network::start("toystore");
    let mut http = network.http();
    assert_eq!(requests(&network, "query", &["random", "40", "-p", "0"]), (40, 40));
    assert_eq!(http.get("/orders/log").text(), "");
    // Each look at a toy that is in stock is followed by an order.
    assert_eq!(requests(&network, "buy", &["random", "20", "-p", "1"]), (20, 20));
    assert_eq!(http.get("/orders/log").text().lines().count(), 20);
}

#[test]
fn a_shop_that_is_away_is_a_failure() {
    let network = Network::start_to_kill("toystore");
    network.kill("order-1");
    let finished = network.command(&["shop", "buy", "Tux", "1"]).check(1);
    assert!(finished.stdout.contains("503"), "{}", finished.stdout);
    let folder = Folder::new();
    let finished = run(micronet(folder.path(), &["shop", "query", "Tux", "--to", "127.0.0.1:1"])).check(1);
    for word in ["127.0.0.1:1", "micronet up"] {
        assert!(finished.stderr.contains(word), "{}", finished.stderr);
    }
}
