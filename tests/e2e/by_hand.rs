//! Each service started by hand, as its own process, told by flags or environment where the others are.

use std::net::SocketAddr;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::patience::until;
use micronet_tests::process::{micronet, run};
use micronet_tests::server::Server;
use rustix::process::Signal;

const TUX: &str = r#"{"name":"Tux","quantity":1}"#;

/// An address as the environment has it.
fn text(server: &Server) -> String {
    server.address().to_string()
}

/// Asks until the servers have found each other.
fn until_status(what: &str, status: u16, mut ask: impl FnMut() -> Answer) -> Answer {
    until(what, || {
        let answer = ask();
        if answer.status() == status { Ok(answer) } else { Err(answer.shown()) }
    })
}

#[test]
fn catalog_order_and_front_end_find_each_other_by_the_environment() {
    let folder = Folder::new();
    let data = folder.path();
    let catalog = Server::start(data, "product-1", &["service", "product", "--demo", "toystore"]);
    let at_catalog = text(&catalog);
    let order = Server::start_with(data, "order-1", &["service", "order"], &[("CATALOG", &at_catalog)]);
    let at_order = text(&order);
    let peers = [("CATALOG", at_catalog.as_str()), ("ORDER", at_order.as_str())];
    let front = Server::start_with(data, "gateway-1", &["gateway"], &peers);
    let mut http = HttpClient::connect(front.address());
    http.get("/products/Tux").check(200);
    assert_eq!(http.post("/orders", TUX).check(201).at("/data/order_num"), 1);
    assert_eq!(http.get("/orders/log").check(200).text(), "1 Tux 1\n");
    // A customer finds the front-end by the environment too.
    let mut shop = micronet(data, &["shop", "buy", "Tux", "2"]);
    shop.env("FRONT", text(&front));
    let shop = run(shop).check(0);
    assert!(shop.stdout.starts_with("order 2: 2 x Tux"), "{}", shop.stdout);
}

#[test]
fn a_flag_outdoes_the_environment() {
    let folder = Folder::new();
    let data = folder.path();
    let first = Server::start(data, "product-1", &["service", "product"]);
    let second = Server::start(data, "product-2", &["service", "product"]);
    let both = format!("product={},{}", first.address(), second.address());
    let wrong = [("CATALOG", "127.0.0.1:1"), ("ORDER", "127.0.0.1:1")];
    let front = Server::start_with(data, "gateway-1", &["gateway", "--peer", &both], &wrong);
    let mut http = HttpClient::connect(front.address());
    let mut instance =
        || http.get("/products/Tux").check(200).header("X-Micronet-Instance").map(str::to_owned);
    assert_ne!(instance(), instance());
}

#[test]
fn the_order_of_starting_does_not_matter() {
    let folder = Folder::new();
    let data = folder.path();
    // The services get their ports here, and are dead when the front-end starts.
    let mut catalog = Server::start(data, "product-1", &["service", "product", "--demo", "toystore"]);
    let peer = format!("product={}", catalog.address());
    let mut order = Server::start(data, "order-1", &["service", "order", "--peer", &peer]);
    let (at_catalog, at_order) = (text(&catalog), text(&order));
    let peers = [("CATALOG", at_catalog.as_str()), ("ORDER", at_order.as_str())];
    catalog.process().kill();
    order.process().kill();
    let front = Server::start_with(data, "gateway-1", &["gateway"], &peers);
    let mut http = HttpClient::connect(front.address());
    // It has seen no schema yet, so it can't say that there is no such path.
    http.get("/products/Tux").check(503);
    http.post("/orders", TUX).check(503);
    order.restart(data);
    until("the order service to be found, which misses product", || {
        let answer = http.post("/orders", TUX);
        if answer.text().contains("Sorry, product service") { Ok(()) } else { Err(answer.shown()) }
    });
    catalog.restart(data);
    until_status("the product service to be found", 200, || http.get("/products/Tux"));
    until_status("order to find product", 201, || http.post("/orders", TUX));
    http.get("/nowhere").check(404);
}

#[test]
fn a_stranger_to_the_cluster_is_refused() {
    let (folder, other) = (Folder::new(), Folder::new());
    let catalog = Server::start(folder.path(), "product-1", &["service", "product"]);
    let at_catalog = text(&catalog);
    let peers = [("CATALOG", at_catalog.as_str()), ("ORDER", at_catalog.as_str())];
    // Another secret, and another name: neither gets in. Nor is a service taken for another one.
    let wrong_secret = Server::start_with(other.path(), "gateway-1", &["gateway"], &peers);
    let wrong_name =
        Server::start_with(folder.path(), "gateway-2", &["gateway", "--cluster", "theirs"], &peers);
    for front in [&wrong_secret, &wrong_name] {
        HttpClient::connect(front.address()).get("/products/Tux").check(503);
    }
    let right = Server::start_with(folder.path(), "gateway-3", &["gateway"], &peers);
    let mut http = HttpClient::connect(right.address());
    http.get("/products/Tux").check(200);
    http.post("/orders", TUX).check(503);
}

#[test]
fn a_server_that_cannot_listen_says_why() {
    let folder = Folder::new();
    let catalog = Server::start(folder.path(), "product-1", &["service", "product"]);
    let taken = text(&catalog);
    for (arguments, code, words) in [
        (
            &["service", "product", "--instance", "product-2", "--listen", taken.as_str()][..],
            1,
            [taken.as_str(), "in use"],
        ),
        (&["gateway", "--listen", &taken], 1, [&taken, "in use"]),
        (&["service", "product", "--listen", "0.0.0.0:0"], 2, ["0.0.0.0", "--insecure"]),
        (&["gateway", "--listen", "0.0.0.0:0"], 2, ["0.0.0.0", "--insecure"]),
        (&["service", "nothing"], 2, ["nothing", "product"]),
        (&["gateway", "--peer", "foo=1.2.3.4"], 2, ["the port is missing", "foo=1.2.3.4:PORT"]),
        (&["gateway", "--log", "bogus"], 2, ["\"bogus\" is no level", "debug"]),
    ] {
        let finished = run(micronet(folder.path(), arguments)).check(code);
        assert_eq!(finished.stdout, "", "{arguments:?}");
        for word in words {
            assert!(finished.stderr.contains(word), "{word:?} is missing in: {}", finished.stderr);
        }
    }
}

#[test]
fn a_signal_ends_a_server() {
    let folder = Folder::new();
    let mut catalog = Server::start(folder.path(), "product-1", &["service", "product"]);
    let at_catalog: SocketAddr = catalog.address();
    let mut front =
        Server::start_with(folder.path(), "gateway-1", &["gateway"], &[("CATALOG", &at_catalog.to_string())]);
    HttpClient::connect(front.address()).get("/products/Tux").check(200);
    for (server, signal) in [(&mut front, Signal::INT), (&mut catalog, Signal::TERM)] {
        server.process().signal(signal);
        let status = server.process().wait();
        assert_eq!(status.code(), Some(0), "{}", server.process().said());
    }
}
