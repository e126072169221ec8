//! `micronet why`: the way of a request through a real network, told afterwards.

use std::thread;

use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What `micronet why ID --json` says, once it is remembered.
#[track_caller]
fn why(network: &Network, id: &str) -> Value {
    until("the request to be remembered", || {
        let said = network.command(&["why", id, "--json"]);
        let why: Value = serde_json::from_str(&said.stdout).unwrap_or_default();
        let is_known = why["hops"].as_array().is_some_and(|hops| !hops.is_empty());
        if is_known { Ok(why) } else { Err(format!("{} {}", said.stdout, said.stderr)) }
    })
}

/// The places where a request went: how deep each is, who it was, and what was asked.
fn way(why: &Value) -> Vec<String> {
    let hops = why["hops"].as_array().expect("hops");
    let shown = |hop: &Value| {
        let text = |name: &str| hop[name].as_str().expect("a text").to_owned();
        format!("{} {} {} {}", hop["depth"], text("instance"), text("what"), text("code"))
    };
    hops.iter().map(shown).collect()
}

fn sentences(why: &Value) -> String {
    let outcome = why["outcome"].as_array().expect("an outcome");
    outcome.iter().map(|words| words.as_str().expect("words")).collect::<Vec<_>>().join("\n")
}

fn get(mut http: HttpClient, request_id: &str) -> Answer {
    http.request("GET", "/products/Tux", &[("X-Request-ID", request_id)], b"")
}

/// Two at once, one of which is at product-1 when that is killed.
#[test]
fn a_request_that_was_tried_elsewhere_tells_its_story() {
    let network = Network::start_to_kill("toystore");
    network.command(&["fault", "latency", "product-1", "20s", "--for", "1h"]).check(0);
    let (told, answered) = std::sync::mpsc::channel();
    for id in ["first", "second"] {
        let (http, told) = (network.http(), told.clone());
        thread::spawn(move || drop(told.send((id, get(http, id)))));
    }
    // The one that came to product-2 is back, so the other waits at product-1.
    let (at_once, answer) = answered.recv().expect("an answer");
    assert_eq!(answer.check(200).header("X-Micronet-Instance"), Some("product-2"));
    network.kill("product-1");
    let (retried, answer) = answered.recv().expect("another answer");
    assert_eq!(answer.check(200).header("X-Micronet-Instance"), Some("product-2"));

    let story = why(&network, retried);
    assert_eq!(
        way(&story),
        [
            "0 gateway-1 GET /products/{name} OK",
            "1 product-1 product.query CONNECTION_LOST",
            "1 product-2 product.query OK"
        ]
    );
    let told = sentences(&story);
    for words in [
        "It was answered 200 by product-2, after ",
        "product-1 was picked first, and failed after ",
        " with CONNECTION_LOST",
        "product-2 was tried next, and answered after ",
    ] {
        assert!(told.contains(words), "{words:?} is missing in {told}");
    }
    let shown = network.command(&["why", retried]).check(0).stdout;
    for words in
        ["not picked: it was tried already", "> product-2  up", "queue", "GET /products/Tux", "as anonymous"]
    {
        assert!(shown.contains(words), "{words:?} is missing in\n{shown}");
    }
    assert!(!shown.contains('\x1b'), "colours are for terminals");
    eprintln!("{shown}");
    assert_eq!(
        way(&why(&network, at_once)),
        ["0 gateway-1 GET /products/{name} OK", "1 product-2 product.query OK"]
    );
}

#[test]
fn an_order_is_followed_to_those_whom_the_order_service_asks() {
    let network = Network::start("toystore");
    let parent = "00f067aa0ba902b7";
    let traceparent = format!("00-{TRACE}-{parent}-01");
    let json = ("Content-Type", "application/json");
    let headers = [json, ("X-Request-ID", "an-order"), ("traceparent", traceparent.as_str())];
    network.http().request("POST", "/orders", &headers, br#"{"name":"Whale","quantity":1}"#).check(201);
    let by_request = why(&network, "an-order");
    let way = way(&by_request);
    assert_eq!(way[..2], ["0 gateway-1 POST /orders OK", "1 order-1 order.buy OK"]);
    let reserved = way.iter().find(|hop| hop.starts_with("2 product-"));
    assert!(reserved.is_some_and(|hop| hop.contains("product.reserve OK")), "{way:?}");
    assert_eq!(by_request["trace_id"], TRACE, "the client's trace is kept");
    assert_eq!(why(&network, TRACE)["hops"], by_request["hops"], "and finds it too");
    let records = by_request["processes"].as_array().expect("processes").iter();
    let records: Vec<&Value> =
        records.flat_map(|process| process["records"].as_array().expect("records")).collect();
    let edge = records.iter().find(|record| record["kind"] == "Edge").expect("the gateway's");
    assert_eq!(edge["parent_span_id"], parent);
    assert!(records.len() >= 4 && records.iter().all(|record| record["trace_id"] == TRACE), "{records:?}");
    let spans: Vec<&Value> = records
        .iter()
        .flat_map(|record| {
            record["attempts"].as_array().expect("attempts").iter().map(|attempt| &attempt["span_id"])
        })
        .collect();
    let served = records.iter().filter(|record| record["kind"] == "Served");
    assert!(served.clone().all(|record| spans.contains(&&record["parent_span_id"])), "{records:?}");
}

#[test]
fn what_is_refused_is_told_by_the_id_in_its_answer() {
    let network = Network::start("toystore");
    let mut http = network.http();
    let missing = http.get("/products/Nessie").check(404);
    let id = missing.at("/meta/request_id").as_str().expect("an id").to_owned();
    assert_eq!(missing.header("X-Request-ID"), Some(&*id));
    let told = sentences(&why(&network, &id));
    assert!(told.contains("It failed with 404 "), "{told}");
    let nowhere = http.get("/no/where?token=hidden").check(404);
    let id = nowhere.at("/meta/request_id").as_str().expect("an id").to_owned();
    let nowhere = why(&network, &id);
    assert!(sentences(&nowhere).contains("No service was asked."), "{nowhere}");
    assert!(!nowhere.to_string().contains("hidden"), "{nowhere}");
    network.command(&["fault", "fail", "product", "--force"]).check(0);
    let away = http.get("/products/Tux").check(503);
    let id = away.at("/meta/request_id").as_str().expect("an id").to_owned();
    let told = sentences(&why(&network, &id));
    assert!(told.contains("No instance could be picked (product-1: ") && told.contains("fault 1"), "{told}");
}

#[test]
fn of_what_nobody_remembers_it_is_said_how_far_they_do() {
    let network = Network::start("toystore");
    let said = network.command(&["why", "never-asked"]).check(1);
    for words in [
        "nobody remembers the request never-asked",
        "gateway-1: everything since 20",
        "order-1: everything since",
    ] {
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
}
