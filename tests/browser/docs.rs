//! The API's page, /docs.

use micronet_tests::network::Network;

use crate::accessibility::check;
use crate::page::Page;

#[test]
fn it_lists_what_can_be_asked() {
    let network = Network::start("shop");
    let page = Page::open(network.gateway(), "/docs");
    page.shows("/api/v1/products/{name}");
    page.at("searchbox", "Search").fill("watch");
    page.shows("/api/v1/events/products/watch");
    page.at("searchbox", "Search").fill("");
    page.shows("orders:read");
    check(&page, "docs");
}
