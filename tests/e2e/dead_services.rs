//! Services that die and come back: who hears what, and that nothing is sold meanwhile.

use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::server::Server;

use crate::envelope::check_envelope;

const WHALE: &str = r#"{"name":"Whale","quantity":1}"#;

/// Checks that an answer says that a service is away.
#[track_caller]
fn check_away(answer: &Answer, service: &str) {
    assert_eq!(answer.status(), 503, "{}", answer.shown());
    check_envelope(answer);
    let sorry = format!("Sorry, {service} service is unavailable right now");
    assert_eq!(answer.at("/error/message"), sorry, "{}", answer.shown());
    assert_eq!(answer.at("/error/code"), "SERVICE_UNAVAILABLE", "{}", answer.shown());
    assert!(answer.header("Retry-After").is_some_and(|s| s.parse::<u32>().is_ok()), "{}", answer.shown());
}

/// The same for a write. The one that was under way when the service died can't know whether it was carried out, and says so.
#[track_caller]
fn check_away_for_write(answer: &Answer, service: &str) {
    if answer.at("/error/code") != "CONNECTION_LOST" {
        return check_away(answer, service);
    }
    assert_eq!(answer.status(), 503, "{}", answer.shown());
    let words = format!(
        "Sorry, {service} service is unavailable right now: whether it had done this already is not known"
    );
    assert!(answer.text().contains(&words), "{}", answer.shown());
}

/// Asks until a service that was started again is found.
fn until_good(what: &str, mut ask: impl FnMut() -> Answer) -> Answer {
    until(what, || {
        let answer = ask();
        if answer.status() < 300 { Ok(answer) } else { Err(answer.shown()) }
    })
}

fn quantity(http: &mut HttpClient, toy: &str) -> u64 {
    let answer = http.get(&format!("/products/{toy}")).check(200);
    answer.at("/data/quantity").as_u64().expect("a quantity")
}

#[test]
fn without_order_nothing_is_bought_and_the_rest_goes_on() {
    let network = Network::start_to_kill("toystore");
    let mut http = network.http();
    http.post("/orders", WHALE).check(201);
    network.kill("order-1");
    for _ in 0..3 {
        check_away_for_write(&http.post("/orders", WHALE), "order");
        check_away(&http.get("/orders/1"), "order");
        assert_eq!(quantity(&mut http, "Whale"), 93);
    }
    // It is started again by hand, on the port where the others look for it.
    let products = format!("product={},{}", network.address("product-1"), network.address("product-2"));
    let address = network.address("order-1").to_string();
    let arguments = ["service", "order", "--peer", &products];
    let _order = Server::start_on(network.folder().path(), "order-1", &address, &arguments, &[]);
    let placed = until_good("order to be found again", || http.post_once("again", "/orders", WHALE));
    assert_eq!(placed.at("/data/order_num"), 2);
    assert_eq!(quantity(&mut http, "Whale"), 92);
    // Those who asked while it was away have left no trace: nobody wrote down their attempts.
    assert_eq!(http.get("/orders/log").text(), "1 Whale 1\n2 Whale 1\n");
}

#[test]
fn without_product_nothing_is_sold_and_the_attempts_are_on_record() {
    let network = Network::start_to_kill("toystore");
    let mut http = network.http();
    http.post("/orders", WHALE).check(201);
    network.kill("product-1");
    network.kill("product-2");
    for _ in 0..3 {
        check_away(&http.get("/products/Whale"), "product");
        check_away(&http.post("/orders", WHALE), "product");
    }
    // What product has no part in works.
    assert_eq!(http.get("/orders/1").check(200).at("/data/quantity"), 1);
    assert_eq!(http.get("/orders/log").text(), "1 Whale 1\n-1 Whale 1\n-1 Whale 1\n-1 Whale 1\n");
    let address = network.address("product-2").to_string();
    let _product =
        Server::start_on(network.folder().path(), "product-2", &address, &["service", "product"], &[]);
    until_good("product to be found again", || http.get("/products/Whale"));
    assert_eq!(quantity(&mut http, "Whale"), 93);
    let placed = until_good("order to find product again", || http.post("/orders", WHALE));
    assert_eq!(placed.at("/data/order_num"), 2);
}

#[test]
fn without_one_instance_of_product_no_request_fails() {
    let network = Network::start_to_kill("toystore");
    let mut http = network.http();
    for _ in 0..4 {
        http.get("/products/Tux").check(200);
    }
    network.kill("product-1");
    // From the very first request on, reads and writes go to the one that is left.
    for _ in 0..50 {
        let answer = http.get("/products/Tux").check(200);
        assert_eq!(answer.header("X-Micronet-Instance"), Some("product-2"), "{}", answer.shown());
    }
    http.post("/orders", WHALE).check(201);
    let address = network.address("product-1").to_string();
    let _product =
        Server::start_on(network.folder().path(), "product-1", &address, &["service", "product"], &[]);
    until("product-1 to take its turn again", || {
        let answer = http.get("/products/Tux").check(200);
        if answer.header("X-Micronet-Instance") == Some("product-1") { Ok(()) } else { Err(answer.shown()) }
    });
}

#[test]
fn an_instance_that_dies_under_load_costs_no_read() {
    let network = Network::start_to_kill("toystore");
    let gateway = network.gateway();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut http = HttpClient::connect(gateway);
                    // Until the other instance has been silent for long enough to be certain that it is gone.
                    let (mut asked, mut in_a_row) = (0, 0);
                    while in_a_row < 20 {
                        let answer = http.get("/products/Bird").check(200);
                        let alone = answer.header("X-Micronet-Instance") == Some("product-1");
                        in_a_row = if alone { in_a_row + 1 } else { 0 };
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        network.kill("product-2");
        for reader in readers {
            assert!(reader.join().expect("a reader") >= 20);
        }
    });
}
