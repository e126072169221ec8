//! Another algorithm, and what can be seen of it.

use micronet_tests::network::Network;

use super::{panel, sign_in};
use crate::page::Page;

/// Has the page ask for products, and says what it found.
#[track_caller]
fn rotation(page: &Page, words: &str) {
    panel(page, "Tests");
    page.at("button", "Clear").click();
    page.at("button", "Load Balancing").click();
    page.at("log", "Results").shows(words);
}

#[track_caller]
fn balance(page: &Page, algorithm: &str) {
    panel(page, "Load balancer analytics");
    page.at("group", "Service").at("button", "product").click();
    page.at("combobox", "Algorithm").choose(algorithm);
    page.at("button", "Apply").click();
    let question = page.at("dialog", "");
    question.shows(&format!("Balance product by {algorithm}?"));
    question.at("button", "Apply").click();
    page.shows(&format!("product is balanced by {algorithm}"));
}

#[test]
fn another_algorithm_shows_in_who_answers() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Manager");
    rotation(&page, "product-1 6, product-2 6");
    balance(&page, "ip_hash");
    // All that comes from one address goes to one instance.
    rotation(&page, "only one of 2 instances answered");
    panel(&page, "Load balancer analytics");
    page.at("group", "Service").at("button", "product").click();
    page.at("table", "Distribution of calls").shows("product-2");
    balance(&page, "round_robin");
    rotation(&page, "product-1 6, product-2 6");
    let balanced = network.http().get("/api/v1/balancer").check(200);
    assert!(balanced.text().contains("round_robin"), "{}", balanced.shown());
}
