//! Who comes in, and how.

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;

use super::{panel, sign_in};
use crate::page::Page;

#[test]
fn an_account_signs_in_and_out() {
    let network = Network::start("shop");
    let page = Page::open(network.gateway(), "/#/log");
    let (address, password) = (page.at("textbox", "E-mail address"), page.at("textbox", "Password"));
    address.fill("manager@demo.example");
    password.fill("wrong-password");
    page.expect("status of 401");
    page.at("button", "Sign in").click();
    page.at("alert", "").shows("password");
    password.fill("manager-demo");
    page.press(&["Enter"]);
    // To where they wanted to go, as who they are, also after the page was loaded again.
    page.at("main", "Activity log").wait();
    page.shows("manager");
    page.go("/#/log");
    page.at("main", "Activity log").wait();
    page.at("button", "Sign out").click();
    page.at("button", "Manager …").wait();
    assert!(!page.text().contains("Activity log"));
    // Nothing of the session is left.
    let kept = page
        .browser
        .script("return sessionStorage.length + localStorage.length + document.cookie.length", Vec::new());
    assert_eq!(kept, 0, "the page keeps something");
}

#[test]
fn the_first_manager_comes_by_the_link_that_is_printed() {
    let mut network = Network::start_in(Folder::new(), &["--demo", "none"]);
    let said = network.up().stdout();
    let link = said
        .split_whitespace()
        .find(|word| word.contains("/#/setup/"))
        .unwrap_or_else(|| panic!("no link in {said}"));
    let path = link.split_once("/#/").map(|(_, fragment)| format!("/#/{fragment}")).expect("a fragment");
    let page = Page::open(network.gateway(), &path);
    for (label, text) in [
        ("Your name", "Ada"),
        ("E-mail address", "ada@example.com"),
        ("Password", "correct horse"),
        ("Organization", "Analytical"),
    ] {
        page.at("textbox", label).fill(text);
    }
    // The code is nowhere to be seen any more.
    let address = page.browser.script("return location.href", Vec::new());
    assert!(
        !address.as_str().unwrap_or_default().contains(path.rsplit('/').next().expect("a code")),
        "{address}"
    );
    page.at("button", "Make the account and sign in").click();
    page.at("main", "Overview").wait();
    page.shows("Ada");
    panel(&page, "Network management");
}

#[test]
fn the_selector_signs_in_by_role() {
    let network = Network::start("shop");
    for role in ["Client", "Manager"] {
        let page = sign_in(&network, role);
        page.shows(&role.to_lowercase());
    }
}
