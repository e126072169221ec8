//! Every panel as it looks, on a desk and on a phone, light and dark.

use micronet_tests::network::Network;

use super::{card, sign_in};
use crate::accessibility::check;
use crate::page::Page;

/// The panels by their places in the address, with words that show that they are there.
const PANELS: [(&str, &str); 12] = [
    ("overview", "RUNNING"),
    ("network", "Topology"),
    ("servers", "product-1"),
    ("balancing", "round_robin"),
    ("traffic", "GET"),
    ("requests", "pass"),
    ("drills", "No drill was run"),
    ("log", "Activity log"),
    ("data", "List users"),
    ("tests", "Test All Services"),
    ("manage", "Simulate Failure"),
    ("chat", "Connected to Network Management ChatOps!"),
];

#[test]
fn the_sign_in_page() {
    let network = Network::start("shop");
    let page = Page::open(network.gateway(), "/");
    page.at("button", "Manager …").wait();
    check(&page, "signin");
}

#[test]
fn every_panel() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Manager");
    card(&page, "product").shows("RUNNING");
    let mut http = network.http();
    for toy in ["Tux", "Whale", "Nobody"] {
        for _ in 0..20 {
            let _ = http.get(&format!("/products/{toy}"));
        }
    }
    for (name, words) in PANELS {
        page.go(&format!("/#/{name}"));
        page.shows(words);
        check(&page, &format!("panel-{name}"));
    }
}

#[test]
fn a_service_that_is_gone() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Manager");
    network.command(&["stop", "user"]).check(0);
    card(&page, "user").shows("Sorry");
    check(&page, "gone-overview");
    page.go("/#/network/user-1");
    page.at("region", "Details").shows("Address");
    check(&page, "gone-network");
}
