//! A network that is larger and busier than those of the other tests: a hundred instances, and a thousand events a second.

use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::{Value, json};

use super::panel;
use crate::accessibility::check;
use crate::page::Page;

/// What tells the page of them, behind what the network says.
const CROWD: &str = include_str!("../crowd.js");
/// What the page is told before it is looked at for the first time.
const MESSAGES: u64 = 10;

#[test]
fn a_hundred_instances_and_a_thousand_events_a_second() {
    let network = Network::start("shop");
    let page = Page::open(network.gateway(), "/");
    page.browser.tools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": CROWD }));
    page.go("/");
    page.at("button", "Manager …").click();
    page.at("navigation", "Panels").wait();
    for (name, words) in [
        ("Overview", "crowd-100"),
        ("Server performance", "crowd-100"),
        ("Network overview", "crowd"),
        ("Activity log", "event number"),
    ] {
        panel(&page, name);
        page.shows(words);
        after(&page, MESSAGES);
        let (begun, elements) = (told(&page), size(&page));
        // It keeps up: there is a frame for each message, and what it was told last is what it shows.
        let now = after(&page, begun.messages + 3 * MESSAGES);
        let (frames, messages) = (now.frames - begun.frames, now.messages - begun.messages);
        assert!(frames >= messages, "{name}: {frames} frames for {messages} messages");
        // It doesn't grow with what it was told.
        let grown = size(&page);
        assert!(grown <= elements + elements / 4, "{name}: {elements} elements became {grown}");
    }
    page.browser.script("crowd.going = false", Vec::new());
    let all = told(&page);
    assert!(all.events > 10_000, "{} events", all.events);
    page.shows(&format!("event number {}", all.events));
    page.shows("older ones are forgotten");
    for place in ["network", "servers", "log"] {
        page.go(&format!("/#/{place}"));
        page.shows("crowd");
        check(&page, &format!("crowd-{place}"));
    }
}

/// What the page was told so far, and how many frames it drew.
struct Told {
    messages: u64,
    events: u64,
    frames: u64,
}

fn told(page: &Page) -> Told {
    let crowd = page.browser.script("return window.crowd", Vec::new());
    let number = |name: &str| crowd[name].as_u64().unwrap_or(0);
    Told { messages: number("messages"), events: number("events"), frames: number("frames") }
}

/// How it stands when it was told so many messages.
#[track_caller]
fn after(page: &Page, messages: u64) -> Told {
    until(&format!("{messages} messages"), || {
        let now = told(page);
        if now.messages >= messages { Ok(now) } else { Err(now.messages.to_string()) }
    })
}

/// How many elements the page has.
fn size(page: &Page) -> u64 {
    let count = page.browser.script("return document.querySelectorAll('*').length", Vec::new());
    Value::as_u64(&count).unwrap_or(0)
}
