//! Forms and tests: what users, products and orders there are, and what can be done with them.

use micronet_tests::network::Network;

use super::{panel, sign_in};

#[test]
fn a_manager_creates_finds_buys_and_ships() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Manager");
    panel(&page, "Data operations");
    let create = page.at("region", "Create user");
    // What is wrong stands beside the field, and nothing is sent.
    create.at("textbox", "E-mail").fill("nobody");
    create.at("button", "Create user").click();
    create.shows("fill out this field");
    create.at("textbox", "Name").fill("Annie Easley");
    create.at("textbox", "E-mail").fill("annie@example.com");
    create.at("button", "Create user").click();
    page.shows("Annie Easley, was created");
    page.expect("status of 409");
    create.at("textbox", "Name").fill("Annie Easley");
    create.at("textbox", "E-mail").fill("annie@example.com");
    create.at("button", "Create user").click();
    create.shows("annie@example.com");
    page.at("searchbox", "Search by name or e-mail").fill("Easley");
    page.shows("1 in all");

    page.at("tab", "Products").click();
    let create = page.at("region", "Create product");
    create.at("textbox", "Name").fill("Llama");
    create.at("spinbutton", "Price").fill("12.50");
    create.at("spinbutton", "Pieces").fill("2");
    create.at("button", "Create product").click();
    page.shows("Llama, was created");
    page.at("searchbox", "Search by name").fill("Llama");
    page.at("button", "Purchase one Llama").click();
    page.shows("1 Llama sold for");
    page.at("button", "Purchase one Llama").click();
    // The list is told at once.
    page.at("table", "Products").shows("0");

    page.at("tab", "Orders").click();
    let create = page.at("region", "Create order");
    create.at("textbox", "Product").fill("Llama");
    create.at("button", "Create order").click();
    create.at("alert", "").shows("Llama");
    create.at("textbox", "Product").fill("Whale");
    create.at("spinbutton", "Pieces").fill("2");
    create.at("button", "Create order").click();
    page.shows("was placed: 2 Whale");
    let update = page.at("region", "Update order");
    update.at("spinbutton", "Number").fill("2");
    update.at("combobox", "Status").choose("Shipped");
    update.at("button", "Update order").click();
    page.shows("Order 2 is Shipped now");
    assert_eq!(network.http().get("/orders/2").check(200).at("/data/status"), "Shipped");
}

#[test]
fn a_clients_tests_say_ok_or_failed() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Client");
    panel(&page, "Tests");
    let results = page.at("log", "Results");
    for test in ["User (REST)", "User (RPC)", "Product (REST)", "Order (REST)", "Load Balancing"] {
        page.at("button", test).click();
        results.shows(test);
    }
    page.at("button", "Clear").click();
    results.shows("No test was run yet.");
    page.at("button", "Test All Services").click();
    results.shows("5 of 5 tests passed");
    assert_eq!(results.text().matches("OK").count(), 6, "{}", results.text());

    // One of the services is gone.
    network.command(&["stop", "order"]).check(0);
    page.at("button", "Order (REST)").click();
    page.expect("status of 503");
    results.shows("FAILED");
    results.shows("Sorry, order service is unavailable right now");
}
