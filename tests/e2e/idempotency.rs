//! A write that is repeated with its key happens once.

use std::sync::Barrier;
use std::thread;

use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;

use crate::envelope::check_envelope;

const WHALE: &str = r#"{"name":"Whale","quantity":3}"#;

fn log(http: &mut HttpClient) -> String {
    http.get("/orders/log").check(200).text()
}

#[test]
fn a_repeat_is_answered_alike_and_buys_nothing() {
    let network = Network::start("toystore");
    let mut http = network.http();
    for target in ["/orders", "/api/v1/orders", "/orders"] {
        let answer = http.post_once("my-whales", target, WHALE).check(201);
        assert_eq!(answer.at("/data/order_num"), 1, "{}", answer.shown());
    }
    // The same JSON, written otherwise, is the same request.
    let spaced = http.post_once("my-whales", "/orders", r#" { "quantity" : 3, "name" : "\u0057hale" } "#);
    assert_eq!(spaced.check(201).at("/data/order_num"), 1);
    // Without a key, or with another, it is another order.
    assert_eq!(http.post("/orders", WHALE).at("/data/order_num"), 2);
    assert_eq!(http.post_once("more-whales", "/orders", WHALE).at("/data/order_num"), 3);
    assert_eq!(http.get("/products/Whale").at("/data/quantity"), 94 - 9);
    assert_eq!(log(&mut http), "1 Whale 3\n2 Whale 3\n3 Whale 3\n");
}

#[test]
fn a_key_that_comes_back_with_another_body_is_refused() {
    let network = Network::start("toystore");
    let mut http = network.http();
    http.post_once("key", "/orders", WHALE).check(201);
    for other in [r#"{"name":"Whale","quantity":4}"#, r#"{"name":"Tux","quantity":3}"#] {
        let answer = http.post_once("key", "/orders", other).check(422);
        check_envelope(&answer);
        assert_eq!(answer.at("/error/code"), "TOKEN_REUSED", "{}", answer.shown());
    }
    assert_eq!(log(&mut http), "1 Whale 3\n");
}

#[test]
fn a_refusal_is_repeated_too() {
    let network = Network::start("toystore");
    let mut http = network.http();
    for _ in 0..3 {
        let many = http.post_once("many", "/orders", r#"{"name":"Whale","quantity":1000}"#).check(409);
        assert_eq!(many.at("/error/details/available"), 94, "{}", many.shown());
        http.post_once("none", "/orders", r#"{"name":"invalid","quantity":1}"#).check(404);
        // The stock changes in between, but what was decided stays.
        http.post("/orders", WHALE).check(201);
    }
    let refused: Vec<String> =
        log(&mut http).lines().filter(|line| line.starts_with("-1 ")).map(str::to_owned).collect();
    assert_eq!(refused, ["-1 Whale 1000", "-1 invalid 1"]);
}

#[test]
fn the_keys_of_different_callers_and_methods_are_different_keys() {
    let network = Network::start("toystore");
    let mut http = network.http();
    assert_eq!(http.post_once("key", "/orders", WHALE).check(201).at("/data/order_num"), 1);
    let sold = http.post_once("key", "/api/v1/products/Whale/purchase", r#"{"quantity":3}"#).check(200);
    assert_eq!(sold.at("/data/quantity"), 3);
    let bearer = format!("Bearer {}", network.folder().operator_token());
    let headers =
        [("Content-Type", "application/json"), ("Idempotency-Key", "key"), ("Authorization", &bearer)];
    let operator = http.request("POST", "/orders", &headers, WHALE.as_bytes()).check(201);
    assert_eq!(operator.at("/data/order_num"), 2);
}

#[test]
fn of_many_repeats_at_once_one_buys() {
    let network = Network::start("toystore");
    for round in 1..=5 {
        let (gateway, key) = (network.gateway(), format!("round-{round}"));
        let barrier = Barrier::new(8);
        let numbers: Vec<_> = thread::scope(|scope| {
            let buyers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut http = HttpClient::connect(gateway);
                        barrier.wait();
                        http.post_once(&key, "/orders", WHALE).check(201).at("/data/order_num")
                    })
                })
                .collect();
            buyers.into_iter().map(|buyer| buyer.join().expect("a buyer")).collect()
        });
        assert!(numbers.iter().all(|number| *number == round), "round {round}: {numbers:?}");
    }
    let mut http = network.http();
    assert_eq!(http.get("/products/Whale").at("/data/quantity"), 94 - 15);
    assert_eq!(log(&mut http), "1 Whale 3\n2 Whale 3\n3 Whale 3\n4 Whale 3\n5 Whale 3\n");
}
