//! A service dies, everybody sees it at once, and the chat brings it back.

use micronet_tests::network::Network;
use micronet_tests::patience::until;

use super::{card, hue, panel, sign_in};
use crate::page::Page;

/// Says something in the chat.
#[track_caller]
fn say(page: &Page, line: &str) {
    page.at("textbox", "Command").fill(line);
    page.at("button", "Send").click();
}

/// The colours of a service's badge in the overview.
#[track_caller]
fn badge(page: &Page, service: &str) -> String {
    let colours = "const style = getComputedStyle(arguments[0].querySelector('.badge')); return style.color";
    card(page, service).script(colours).as_str().unwrap_or_default().to_owned()
}

/// Waits until a service is shown in this colour.
#[track_caller]
fn until_hue(page: &Page, service: &str, wanted: &str) {
    until(&format!("the card of {service} to be {wanted}"), || {
        let color = badge(page, service);
        if hue(&color) == wanted { Ok(()) } else { Err(color) }
    });
}

#[test]
fn a_killed_service_turns_red_and_the_chat_recovers_it() {
    let network = Network::start_to_kill("shop");
    let (page, chat) = (sign_in(&network, "Manager"), sign_in(&network, "Manager"));
    panel(&chat, "ChatOps");
    chat.at("log", "Conversation").shows("help");
    card(&page, "user").shows("RUNNING");
    until_hue(&page, "user", "green");

    network.kill("user-1");
    card(&page, "user").shows("STOPPED");
    card(&page, "user").shows("Sorry, user service is unavailable right now");
    until_hue(&page, "user", "red");
    chat.at("log", "Conversation").shows("user-1");
    panel(&page, "Activity log");
    page.at("log", "Activity").shows("user-1");
    panel(&page, "Network overview");
    let node = page.at("button", "user, port…");
    until("user to be shown as failed", || {
        let color = node.script("return getComputedStyle(arguments[0].querySelector('.node-shape')).fill");
        let seen = hue(color.as_str().unwrap_or_default());
        if seen == "red" { Ok(()) } else { Err(format!("{color} of {}", node.text())) }
    });
    // A call says so at once.
    network.http().get("/users/1").check(503);

    say(&chat, "recover user");
    chat.at("log", "Conversation").shows("recover");
    say(&chat, "start user");
    until("user to be shown as well", || {
        let color = node.script("return getComputedStyle(arguments[0].querySelector('.node-shape')).fill");
        if hue(color.as_str().unwrap_or_default()) == "green" { Ok(()) } else { Err(color.to_string()) }
    });
    panel(&page, "Overview");
    card(&page, "user").shows("RUNNING");
    until_hue(&page, "user", "green");
}

#[test]
fn a_manager_simulates_a_failure_and_recovers() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Manager");
    panel(&page, "Network management");
    let user = page.at("region", "user");
    user.at("button", "Simulate Failure user").click();
    page.at("dialog", "").at("button", "Cancel").click();
    network.http().get("/products/Tux").check(200);
    user.at("button", "Simulate Failure user").click();
    page.at("dialog", "").at("button", "Simulate Failure").click();
    user.shows("STOPPED (BLOCKED)");
    let refused = network.http().get("/users/1").check(503);
    assert!(refused.text().contains("Sorry, user service is unavailable right now"), "{}", refused.shown());
    panel(&page, "Data operations");
    page.at("alert", "").shows("Sorry, user service is unavailable right now");
    panel(&page, "Network management");
    user.at("button", "Recover Service user").click();
    user.shows("RUNNING");
    // Clients scale and weigh, too.
    let product = page.at("region", "product");
    product.at("spinbutton", "Instances").fill("3");
    product.at("button", "Scale product").click();
    product.shows("product-3");
    product.at("spinbutton", "Weight of product-1").fill("3");
    page.press(&["Enter"]);
    page.shows("product-1 has the weight 3");
    page.expect("status of 503");
}
