//! `micronet up --profile`: which part of everything runs, where, and with which data.

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::process::{micronet, run};

/// The instances that a network says it runs.
fn instances(network: &mut Network) -> Vec<String> {
    let said = network.up().stdout();
    let rows = said.lines().skip_while(|line| !line.starts_with("SERVICE")).skip(1);
    // Where TCP is passed through stands below the table.
    let rows = rows.take_while(|line| !line.is_empty() && !line.starts_with("TCP "));
    let mut instances: Vec<String> =
        rows.filter_map(|row| row.split_whitespace().nth(1).map(str::to_owned)).collect();
    // The gateway has a row for each of its ports.
    instances.dedup();
    instances
}

#[test]
fn the_toy_store_is_a_front_end_a_catalog_and_an_order_server() {
    let mut network = Network::start_in(Folder::new(), &["--profile", "toystore"]);
    assert_eq!(instances(&mut network), ["gateway-1", "product-1", "order-1", "control-1"]);
    let said = network.up().stdout();
    for word in ["profile: toystore, demo: toystore", "/orders/log", "load toystore --clients 1..5"] {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    let mut http = network.http();
    http.get("/products/Laptop").check(404);
    assert_eq!(http.get("/products/Tux").check(200).at("/data/quantity"), 80);
    assert_eq!(http.get("/").check(200).at("/data/name"), "micronet");
    // As the toy store's front end always did.
    assert_eq!(http.get("/Tux").check(200).at("/data/price"), 25.99);
    http.post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    // The log is open to everybody, and nobody looks for a service that the profile leaves out.
    assert_eq!(http.get("/orders/log").check(200).text(), "1 Whale 1\n");
    http.get("/nothing/of/this/name").check(404);
}

#[test]
fn the_shop_is_its_services_and_its_data() {
    let mut network = Network::start_in(Folder::new(), &["--profile", "shop"]);
    let instances = instances(&mut network);
    for instance in ["gateway-1", "product-1", "product-2", "order-1"] {
        assert!(instances.iter().any(|each| each == instance), "{instances:?}");
    }
    network.http().get("/products/Laptop").check(200);
    network.http().get("/orders/log").check(401);
}

#[test]
fn data_of_another_profile_is_refused() {
    let folder = Network::start_in(Folder::new(), &["--profile", "shop"]).stop();
    let up = ["up", "--base-port", "0", "--profile", "toystore"];
    let finished = run(micronet(folder.path(), &up)).check(1);
    for word in ["made with --demo shop, not toystore", "--fresh", "--data"] {
        assert!(finished.stderr.contains(word), "{word:?} is missing in: {}", finished.stderr);
    }
}
