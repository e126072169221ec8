//! A drill from the question to the report.

use micronet_tests::network::Network;

use super::{panel, sign_in};

#[test]
fn a_drill_is_asked_for_seen_and_reported() {
    let network = Network::start("shop");
    let (page, client) = (sign_in(&network, "Manager"), sign_in(&network, "Client"));
    for each in [&page, &client] {
        panel(each, "Failure drills");
    }
    page.at("combobox", "Service").choose("product");
    page.at("spinbutton", "Load, requests a second").fill("10");
    page.at("spinbutton", "For how long, in seconds").fill("2");
    page.at("button", "Start").click();
    page.at("dialog", "Break product on purpose?").at("button", "Start the drill").click();
    page.at("button", "Abort and recover").wait();
    // Whoever may only look sees it too, and can't end it.
    client.shows("product");
    for each in [&page, &client] {
        each.shows("What happened");
        each.at("table", "Before, during and after the fault").shows("before");
        each.shows("Detected");
    }
    page.at("button", "Abort and recover").gone();
    assert!(client.at("button", "Abort and recover").all().is_empty());
    // What a drill costs is the machine's matter; that it is told is the page's.
    let operator = format!("Bearer {}", network.folder().operator_token());
    let drills = network
        .http()
        .request("GET", "/api/v1/control/drills", &[("Authorization", &operator)], b"")
        .check(200);
    let grade = drills.at("/data/drills/0/report/grade");
    let grade = grade.as_str().unwrap_or_else(|| panic!("no grade: {}", drills.shown()));
    assert!(["Held", "Bent", "Broke"].contains(&grade), "{grade}");
    for each in [&page, &client] {
        each.at("main", "Failure drills").shows(grade);
    }
}
