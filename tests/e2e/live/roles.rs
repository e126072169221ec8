//! Who may read the feed.

use micronet_tests::network::Network;
use serde_json::json;

use super::reader::{CLIENT, FEED, bearer};
use crate::websocket::client::Client;

#[test]
fn nobody_reads_the_feed_without_the_permission() {
    let network = Network::start("shop");
    let mut http = network.http();
    let account = json!({
        "email": "a@elsewhere.example", "password": "correct horse", "full_name": "A", "organization": "elsewhere",
    });
    http.post("/auth/register", &account.to_string()).check(201);
    let stranger = bearer(&network, ("a@elsewhere.example", "correct horse"));
    for path in ["live", "history", "alerts"] {
        let path = format!("/api/v1/control/{path}");
        http.get(&path).check(401);
        let refused = http.request("GET", &path, &[("Authorization", &stranger)], b"").check(403);
        assert_eq!(refused.at("/error/code"), "INSUFFICIENT_PERMISSIONS");
    }
    let mut client = Client::try_open(network.gateway(), FEED, &[&format!("Authorization: {stranger}")])
        .unwrap_or_else(|answer| panic!("{answer}"));
    assert_eq!(client.json()["error"]["code"], "INSUFFICIENT_PERMISSIONS");
    assert_eq!(client.closed().0, 4403);
    let viewer = bearer(&network, CLIENT);
    http.request("GET", "/api/v1/control/alerts", &[("Authorization", &viewer)], b"").check(200);
}
