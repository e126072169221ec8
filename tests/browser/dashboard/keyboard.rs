//! Without a mouse: Tab reaches everything that can be used, in the order in which it stands, and Enter uses it.

use micronet_tests::network::Network;
use serde_json::Value;

use super::{card, panel};
use crate::page::Page;

/// All that can be used by keys now, as numbers that the page keeps; what arrow keys reach within a group isn't among them.
const REACHABLE: &str = "
    globalThis.reachable = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
        .filter((each) => each.tabIndex >= 0 && !each.disabled && each.checkVisibility({ visibilityProperty: true }) && !each.closest('[inert]'));
    return reachable.length;";
const FOCUSED: &str = "return reachable.indexOf(document.activeElement)";
const MISSED: &str = "
    const missed = new Set(arguments[0]);
    return reachable.filter((each, at) => !missed.has(at) && each.isConnected && !each.disabled && each.checkVisibility()).map((each) => each.outerHTML.slice(0, 120));";
/// Whether what has the focus shows that.
const VISIBLE: &str = "
    const style = getComputedStyle(document.activeElement);
    const inner = document.activeElement.querySelector('.node-box');
    const drawn = (each) => each.outlineStyle !== 'none' && parseFloat(each.outlineWidth) > 0 || each.boxShadow !== 'none';
    return drawn(style) || (inner && (drawn(getComputedStyle(inner)) || parseFloat(getComputedStyle(inner).strokeWidth) > 1)) ? '' : document.activeElement.outerHTML.slice(0, 120)";

/// Presses Tab through the whole page.
#[track_caller]
fn tab_through(page: &Page, name: &str) {
    page.browser.script(
        "document.activeElement.blur(); window.getSelection().removeAllRanges(); document.body.focus()",
        Vec::new(),
    );
    let count = page.browser.script(REACHABLE, Vec::new()).as_u64().expect("a number");
    assert!(count > 5, "{name} has {count} things to reach");
    let mut seen: Vec<i64> = Vec::new();
    for _ in 0..count + 3 {
        page.press(&["Tab"]);
        let Some(at) = page.browser.script(FOCUSED, Vec::new()).as_i64() else { continue };
        if at >= 0 && !seen.contains(&at) {
            let hidden = page.browser.script(VISIBLE, Vec::new());
            assert_eq!(hidden, "", "{name}: nothing shows that this has the focus");
            seen.push(at);
        }
    }
    let missed = page.browser.script(MISSED, vec![serde_json::json!(seen)]);
    assert_eq!(missed, Value::Array(Vec::new()), "{name}: Tab doesn't reach these");
}

/// Presses Tab until something of this role and name has the focus.
#[track_caller]
fn tab_to(page: &Page, role: &'static str, name: &str) {
    for _ in 0..150 {
        page.press(&["Tab"]);
        if page.at(role, name).is("focused") {
            return;
        }
    }
    panic!("Tab doesn't come to the {role} {name:?}");
}

#[test]
fn everything_is_reached_and_used_by_keys() {
    let network = Network::start("shop");
    let page = Page::open(network.gateway(), "/");
    page.at("button", "Manager …").wait();
    tab_to(&page, "button", "Manager …");
    page.press(&["Enter"]);
    page.at("main", "Overview").wait();
    card(&page, "user").shows("RUNNING");
    tab_through(&page, "Overview");
    tab_to(&page, "link", "Network management");
    page.press(&["Enter"]);
    page.at("main", "Network management").wait();
    let user = page.at("region", "user");
    user.shows("RUNNING");
    tab_through(&page, "Network management");
    // From the menu to a failure and back, with the question between.
    tab_to(&page, "button", "Simulate Failure user");
    page.press(&["Enter"]);
    let question = page.at("dialog", "");
    question.wait();
    page.press(&["Escape"]);
    question.gone();
    assert!(user.at("button", "Simulate Failure user").is("focused"), "the focus is lost");
    page.press(&["Enter"]);
    question.wait();
    page.press(&["Tab", "Enter"]);
    user.shows("STOPPED (BLOCKED)");
    tab_to(&page, "button", "Recover Service user");
    page.press(&["Enter"]);
    user.shows("RUNNING");

    panel(&page, "Network overview");
    page.at("button", "product-1…").wait();
    tab_through(&page, "Network overview");
    // The nodes of the picture are one stop; arrow keys go among them.
    tab_to(&page, "button", "gateway…");
    page.press(&["ArrowRight", "Enter"]);
    page.at("region", "Details").wait();
    page.press(&["Escape"]);
    for name in ["Load balancer analytics", "Data operations", "Tests", "ChatOps"] {
        panel(&page, name);
        tab_through(&page, name);
    }
}
