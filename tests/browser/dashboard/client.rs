//! A client looks and tests, and controls nothing: neither in the page nor with the token that the page has.

use micronet_tests::network::Network;
use serde_json::{Value, json};

use super::{card, panel, sign_in};
use crate::page::Page;

/// The access token of who is signed in.
fn token(page: &Page) -> String {
    let kept = page.browser.script("return sessionStorage.getItem('micronet.session')", Vec::new());
    let kept: Value = serde_json::from_str(kept.as_str().unwrap_or_default()).expect("the session is JSON");
    let tokens = kept.as_object().expect("an object").values().filter_map(Value::as_str);
    tokens.filter(|text| text.starts_with("eyJ")).map(str::to_owned).next().expect("an access token")
}

#[test]
fn what_only_managers_may_is_not_there_for_a_client_and_refused() {
    let network = Network::start("shop");
    let page = sign_in(&network, "Client");
    card(&page, "user").shows("RUNNING");
    assert!(card(&page, "user").at("link", "").all().is_empty(), "a client can manage");
    let menu = page.at("navigation", "Panels").at("link", "").all();
    assert!(
        !menu.contains(&"Network management".to_owned()) && menu.contains(&"Tests".to_owned()),
        "{menu:?}"
    );
    // Nor by the address.
    page.go("/#/manage");
    page.at("main", "Overview").wait();

    panel(&page, "Network overview");
    page.at("button", "product-1…").click();
    let details = page.at("region", "Details");
    details.shows("Address");
    assert_eq!(details.at("button", "").all(), ["Close details"]);
    panel(&page, "Load balancer analytics");
    page.shows("round_robin");
    assert!(page.at("button", "Apply").all().is_empty());
    panel(&page, "Failure drills");
    page.shows("No drill was run");
    assert!(page.at("button", "Start").all().is_empty());
    panel(&page, "Data operations");
    assert!(page.at("button", "Create user").all().is_empty());
    page.at("tab", "Products").click();
    page.at("button", "Purchase").wait();
    assert!(page.at("button", "Create product").all().is_empty());

    let authorization = format!("Bearer {}", token(&page));
    let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
    let mut http = network.http();
    let drill = json!({ "kind": "KillInstance", "service": "product", "load_per_s": 10, "duration_s": 2 });
    for (method, path, body) in [
        ("POST", "/api/v1/control/processes/user/fail", json!({ "force": true })),
        ("POST", "/api/v1/control/processes/user/recover", json!({})),
        ("POST", "/api/v1/control/processes/user/stop", json!({})),
        ("POST", "/api/v1/control/processes/product-1/drain", json!({})),
        ("PUT", "/api/v1/control/processes/product-1/weight", json!({ "weight": 2 })),
        ("POST", "/api/v1/control/services/product/scale", json!({ "count": 3 })),
        ("POST", "/api/v1/control/drills", drill),
        ("PUT", "/api/v1/balancer/product", json!({ "algorithm": "ip_hash" })),
        ("POST", "/users", json!({ "name": "Eve", "email": "eve@example.com" })),
    ] {
        let answer = http.request(method, path, &headers, body.to_string().as_bytes()).check(403);
        assert_eq!(
            answer.at("/error/code"),
            "INSUFFICIENT_PERMISSIONS",
            "{method} {path}: {}",
            answer.shown()
        );
    }
    // Looking is theirs.
    http.request("GET", "/api/v1/control/drills", &headers, b"").check(200);
    panel(&page, "Overview");
    card(&page, "user").shows("RUNNING");
}
