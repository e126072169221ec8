//! The API's page, /docs.

use micronet_tests::network::Network;

use crate::accessibility::check;
use crate::page::Page;

#[test]
fn the_page_lists_what_can_be_asked_and_asks_it() {
    let network = Network::start("shop");
    let page = Page::open(network.gateway(), "/docs");
    page.shows("/api/v1/products/{name}");
    check(&page, "docs");
}
