//! The network goes: what the page shows is old then, and it says so.

use micronet_tests::network::Network;

use super::{card, sign_in};

#[test]
fn what_is_old_is_not_taken_for_new() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Client");
    card(&page, "product").shows("RUNNING");
    // Of what can't be reached the console tells by itself.
    for words in ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to"] {
        page.expect(words);
    }
    let _folder = network.stop();
    page.at("alert", "").shows("What is shown is old.");
    page.shows("Disconnected");
    page.at("button", "Try now").wait();
    // What was known stands there still.
    card(&page, "product").wait();
}
