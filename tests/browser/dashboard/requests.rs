//! Requests as they pass, and why one of them went as it did.

use micronet_tests::network::Network;

use super::{panel, sign_in};

#[test]
fn a_request_comes_by_and_tells_its_way() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Manager");
    panel(&page, "Request explorer");
    page.shows("pass");
    let buy = [("Content-Type", "application/json"), ("X-Request-ID", "a-whale")];
    network.http().request("POST", "/orders", &buy, br#"{"name":"Whale","quantity":1}"#).check(201);
    let requests = page.at("region", "Requests");
    requests.at("link", "POST /orders").click();
    page.shows("request a-whale");
    let fall = page.at("table", "Where the request went, and when");
    for hop in ["gateway-1", "order-1", "product-", "product.reserve"] {
        fall.shows(hop);
    }
    // Its bars lie one within the other.
    let widths = fall.script("return [...arguments[0].querySelectorAll('.fall-bar')].map((bar) => bar.getBoundingClientRect().width)");
    let widths: Vec<f64> =
        widths.as_array().expect("widths").iter().filter_map(serde_json::Value::as_f64).collect();
    assert!(
        widths.len() >= 3 && widths.iter().all(|width| *width > 0.0 && *width <= widths[0] + 1.0),
        "{widths:?}"
    );
    page.shows("Picked order-1 of 1 by");
    page.at("link", "All requests").click();
    page.at("textbox", "Request id").fill("nobody-knows");
    page.press(&["Enter"]);
    page.shows("Nobody remembers nobody-knows");
}
