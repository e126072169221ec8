//! `micronet call`: any method by its name, with JSON, straight to an instance.

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::process::{micronet, run};

/// Runs `micronet call` on a network, and checks its exit code and what stdout or stderr has to hold.
#[track_caller]
fn check(network: &Network, arguments: &[&str], code: i32, words: &[&str]) {
    let finished = network.command(&[&["call"], arguments].concat()).check(code);
    let (said, silent) =
        if code == 0 { (&finished.stdout, &finished.stderr) } else { (&finished.stderr, &finished.stdout) };
    assert_eq!(silent, "", "{arguments:?}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in what {arguments:?} says: {said}");
    }
}

#[test]
fn methods_are_called_by_name() {
    let network = Network::start("shop");
    check(
        &network,
        &["product.query", r#"{"name":"Tux"}"#],
        0,
        &["{\"id\":2,\"name\":\"Tux\",\"price\":25.99,\"quantity\":80,"],
    );
    let buy = ["order.buy", r#"{"name":"Whale","quantity":1}"#, "--token", "my-first-whale"];
    check(&network, &buy, 0, &["{\"order_num\":3}\n"]);
    check(&network, &buy, 0, &["{\"order_num\":3}\n"]);
    check(&network, &["order.buy", r#"{"name":"Whale","quantity":1}"#], 0, &["{\"order_num\":4}\n"]);
    check(&network, &["order.get", r#"{"order_num":4}"#], 0, &["\"name\":\"Whale\""]);
    // What it is called with besides harms nobody who doesn't read it.
    let tenant = ["order.get", r#"{"order_num":4}"#, "--metadata", "tenant=one", "--metadata", "note="];
    check(&network, &tenant, 0, &["\"name\":\"Whale\""]);
    check(&network, &["order.log", "--metadata", "Tenant=one"], 2, &["a key of the metadata"]);
    check(&network, &["order.log", "--metadata", "tenant"], 2, &["KEY=VALUE"]);
    check(&network, &["product.inventory"], 0, &[r#"{"name":"Whale","initial":94,"quantity":92,"#]);
    check(&network, &["order.log"], 0, &["3 Whale 1\n4 Whale 1\n"]);
    let second = network.address("product-2").to_string();
    check(&network, &["product.query", r#"{"name":"Tux"}"#, "--to", &second], 0, &["25.99"]);
}

#[test]
fn what_there_is_to_call_is_listed() {
    let network = Network::start("shop");
    check(
        &network,
        &["product"],
        0,
        &[
            "product.query",
            "product.reserve",
            "product.inventory",
            "shop:read",
            "public",
            "services",
            "GET /api/v1/products/{name}",
            "One product by its name, or by its number.",
        ],
    );
    check(&network, &["order"], 0, &["order.buy", "order.get", "order.log", "orders:read"]);
}

#[test]
fn a_method_is_described_before_it_is_called() {
    let network = Network::start("shop");
    let words =
        ["Who may call it: anybody", "GET /api/v1/products/{name}", "Its name", "PRODUCT_NOT_FOUND", "Try: "];
    check(&network, &["product.query", "--describe"], 0, &words);
    check(&network, &["product.inventory", "--describe"], 0, &["shop:read", "Type Stock"]);
    // Who forgets the request is told where to look.
    check(&network, &["product.query"], 2, &["name", "micronet call product.query --describe"]);
}

#[test]
fn what_fails_says_how() {
    let network = Network::start("shop");
    let order = network.address("order-1").to_string();
    let whales = r#"{"name":"Whale","quantity":1000}"#;
    check(
        &network,
        &["order.buy", whales],
        3,
        &["OUT_OF_STOCK", r#"{"OutOfStock":{"order_num":-1,"#, "\"available\":94"],
    );
    check(&network, &["product.query", r#"{"name":"Unicorn"}"#], 3, &["PRODUCT_NOT_FOUND", "Unicorn"]);
    check(&network, &["product.nothing"], 2, &["no method \"nothing\"", "micronet call product"]);
    check(&network, &["nothing.query"], 2, &["no service \"nothing\"", "product, order"]);
    check(&network, &["product.query", r#"{"name":7}"#], 2, &["name", "string"]);
    check(&network, &["product.query", "{"], 2, &["line 1"]);
    check(&network, &["product.query", r#"{"name":"Tux"}"#, "--to", &order], 1, &["an instance of order"]);
    check(&network, &["product.query", "{}", "--to", "127.0.0.1:1"], 6, &["127.0.0.1:1", "is it running?"]);
    let token = ["order.buy", r#"{"name":"Whale","quantity":1}"#, "--token", "once"];
    check(&network, &token, 0, &["\"order_num\":3"]);
    check(
        &network,
        &["order.buy", r#"{"name":"Whale","quantity":2}"#, "--token", "once"],
        4,
        &["TOKEN_REUSED"],
    );
}

#[test]
fn a_stranger_may_do_what_is_public_only() {
    let network = Network::start("shop");
    check(&network, &["--anonymous", "product.query", r#"{"name":"Tux"}"#], 0, &["25.99"]);
    check(&network, &["--anonymous", "product.inventory"], 5, &["UNAUTHENTICATED", "shop:read"]);
    check(&network, &["--anonymous", "order.log"], 5, &["UNAUTHENTICATED", "orders:read"]);
    let reserve = ["--anonymous", "product.reserve", r#"{"name":"Tux","quantity":1}"#];
    check(&network, &reserve, 5, &["UNAUTHENTICATED", "service"]);
    // The token of another network is refused, not ignored.
    let theirs = Network::start("shop");
    let address = network.address("product-1").to_string();
    check(
        &theirs,
        &["product.query", r#"{"name":"Tux"}"#, "--to", &address],
        5,
        &["BAD_PROOF", "--anonymous"],
    );
}

#[test]
fn without_a_network_it_says_how_to_start_one() {
    let folder = Folder::new();
    let finished = run(micronet(folder.path(), &["call", "nothing"])).check(1);
    for word in ["no network runs on", "micronet up", "--to"] {
        assert!(finished.stderr.contains(word), "{}", finished.stderr);
    }
    assert!(!folder.path().exists(), "asking created the folder");
}
