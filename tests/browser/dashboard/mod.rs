//! The dashboard, section by section, as a client and as a manager.

mod balancing;
mod chat;
mod client;
mod crowd;
mod drills;
mod failure;
mod keyboard;
mod looks;
mod operations;
mod requests;
mod signin;
mod stale;

use micronet_tests::network::Network;

use crate::page::Page;

/// Opens the dashboard, and signs in by the role selector: `Client` or `Manager`.
#[track_caller]
fn sign_in(network: &Network, role: &str) -> Page {
    let page = Page::open(network.gateway(), "/");
    page.at("button", &format!("{role} …")).click();
    page.at("navigation", "Panels").wait();
    page.shows("Live");
    page
}

/// Goes to a panel by the menu.
#[track_caller]
fn panel(page: &Page, name: &str) {
    page.at("navigation", "Panels").at("link", name).click();
    page.at("main", name).wait();
}

/// The card of a service in the overview.
fn card<'page>(page: &'page Page, service: &str) -> crate::locator::Locator<'page> {
    page.at("listitem", service)
}

/// Whether a colour of the CSSOM is more red than green, or more green than red.
fn hue(color: &str) -> &'static str {
    let numbers: Vec<f64> = color
        .split(|each: char| !each.is_ascii_digit() && each != '.')
        .filter_map(|each| each.parse().ok())
        .collect();
    match numbers[..] {
        [red, green, ..] if red > green * 1.3 => "red",
        [red, green, ..] if green > red * 1.3 => "green",
        _ => "neither",
    }
}
