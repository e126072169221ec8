//! The audit log: what somebody has done is in it, whatever happens to the gateway.

use micronet_tests::folder::Folder;
use micronet_tests::http_client::Answer;
use micronet_tests::patience::until;
use micronet_tests::server::Server;
use serde_json::{Value, json};

use super::{Browser, network};

/// The entries of the newest actions, the newest first.
fn log(browser: &mut Browser, token: &str, query: &str) -> Answer {
    browser.ask(Some(token), &format!("GET /api/v1/audit?per_page=100{query}"), &Value::Null).check(200)
}

#[test]
fn an_action_that_was_answered_is_in_the_log_though_the_gateway_is_killed() {
    let network = network(&["--no-restart", "--port", &format!("gateway={}", micronet_tests::ports::free())]);
    let mut browser = Browser::at(network.gateway());
    let manager = browser.manager();
    // What is written down while auth is away waits in the gateway's journal.
    network.kill("auth-1");
    let mut numbers = Vec::new();
    for _ in 0..20 {
        let order = json!({ "name": "Whale", "quantity": 1 });
        let placed = browser.ask(Some(&manager.access), "POST /orders", &order).check(201);
        numbers.push(placed.header("X-Request-ID").expect("an id").to_owned());
    }
    network.kill("gateway-1");
    network.command(&["start", "auth-1"]).check(0);
    network.command(&["start", "gateway-1"]).check(0);
    let mut browser = Browser::at(network.gateway());
    let mut shown = until("the entries to be told", || {
        let manager = browser.ask(Some(&manager.access), "GET /auth/me", &Value::Null);
        if manager.status() != 200 {
            return Err(manager.shown());
        }
        let all = log(&mut browser, &browser_token(&network), "");
        let entries: Vec<Value> = all.at("/data").as_array().cloned().unwrap_or_default();
        let orders: Vec<Value> = entries.into_iter().filter(|entry| entry["action"] == "order.buy").collect();
        if orders.len() >= numbers.len() { Ok(orders) } else { Err(all.shown()) }
    });
    // Each once, and none that wasn't.
    shown.reverse();
    let ids: Vec<&str> = shown.iter().map(|entry| entry["request_id"].as_str().unwrap_or_default()).collect();
    assert_eq!(ids, numbers);
    for entry in &shown {
        let wanted = json!(["1", "1", "POST", "/orders", "127.0.0.1", 201, "ok"]);
        let names = ["subject", "organization", "method", "path", "address", "status", "outcome"];
        assert_eq!(Value::Array(names.iter().map(|name| entry[name].clone()).collect()), wanted, "{entry}");
    }
}

#[test]
fn who_signs_in_does_so_from_somewhere() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let wrong = json!({ "email": "client@demo.example", "password": "a guess" });
    browser.ask(None, "POST /auth/login", &wrong).check(401);
    let nobody = json!({ "email": "nobody@demo.example", "password": "a guess" });
    browser.ask(None, "POST /api/v1/auth/login", &nobody).check(401);
    browser.register("other");
    let manager = browser.manager();
    let all = until("where from to be told", || {
        let all = log(&mut browser, &manager.access, "");
        let entries = all.at("/data").as_array().cloned().unwrap_or_default();
        let placed = entries.iter().filter(|entry| entry["address"] == "127.0.0.1").count();
        if placed == 5 && entries.len() == placed { Ok(entries) } else { Err(all.shown()) }
    });
    let names = ["action", "subject", "organization", "method", "path", "status", "outcome"];
    let shown: Vec<Value> =
        all.iter().rev().map(|entry| names.iter().map(|name| entry[name].clone()).collect()).collect();
    let refused = (401, "INVALID_CREDENTIALS");
    for wanted in [
        json!(["auth.login", "2", "1", "POST", "/auth/login", refused.0, refused.1]),
        json!(["auth.login", "", "", "POST", "/api/v1/auth/login", refused.0, refused.1]),
        json!(["auth.register", "", "", "POST", "/auth/register", 201, "ok"]),
        json!(["auth.login", "3", "2", "POST", "/auth/login", 200, "ok"]),
        json!(["auth.login", "1", "1", "POST", "/auth/login", 200, "ok"]),
    ] {
        assert!(shown.contains(&wanted), "{wanted} isn't in {shown:?}");
    }
}

#[test]
fn what_a_user_asks_of_a_safe_method_is_not_in_the_log() {
    let folder = Folder::new();
    let start = |instance: &str, arguments: &[&str]| Server::start(folder.path(), instance, arguments);
    let bench = start("bench-1", &["bench", "serve"]);
    let auth = start("auth-1", &["service", "auth", "--demo", "shop"]);
    let (bench, auth) = (format!("bench={}", bench.address()), format!("auth={}", auth.address()));
    let behind = ["gateway", "--rpc", "127.0.0.1:0", "--peer", &bench, "--peer", &auth];
    let gateway = start("gateway-1", &behind);
    let mut browser = Browser::at(gateway.address());
    let manager = browser.manager();
    let item = json!({ "id": 1, "name": "a", "amount": 1.5, "active": true });
    browser.ask(Some(&manager.access), "POST /api/v1/bench/item", &item).check(200);
    browser.ask(Some(&manager.access), "GET /api/v1/bench/delay?us=1", &Value::Null).check(200);
    // It would change something, if it weren't refused.
    browser.ask(Some(&manager.access), "POST /api/v1/bench/stall", &json!({ "ms": 1 })).check(403);
    let all = until("the last action to be told", || {
        let all = log(&mut browser, &manager.access, "");
        if all.text().contains("bench.stall") { Ok(all) } else { Err(all.shown()) }
    });
    let entries = all.at("/data").as_array().cloned().unwrap_or_default();
    let of_bench: Vec<&Value> = entries
        .iter()
        .map(|entry| &entry["action"])
        .filter(|action| action.as_str().is_some_and(|action| action.starts_with("bench.")))
        .collect();
    assert_eq!(of_bench, ["bench.stall"], "{}", all.shown());
}

/// A fresh access token of the demonstration's manager.
fn browser_token(network: &micronet_tests::network::Network) -> String {
    Browser::at(network.gateway()).manager().access
}

#[test]
fn the_log_says_who_did_what_and_nothing_that_is_secret() {
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let (manager, other) = (browser.manager(), browser.register("other"));
    let client = browser.sign_in("client@demo.example", "client-demo");
    let said = json!({ "name": "Penguin", "price": 1.5, "quantity": 3 });
    browser.ask(Some(&manager.access), "POST /api/v1/products?x=hidden-1", &said).check(422);
    browser.ask(Some(&manager.access), "POST /api/v1/products", &said).check(201);
    browser.ask(Some(&client.access), "DELETE /api/v1/users/3", &Value::Null).check(403);
    browser.ask(Some(&client.access), "GET /products/Tux", &Value::Null).check(200);
    let changed = json!({ "current_password": "client-demo", "new_password": "hidden-2 hidden-2" });
    browser.ask(Some(&client.access), "POST /auth/password", &changed);
    let operator = network.folder().operator_token();
    browser.ask(Some(&operator), "POST /api/v1/outcomes/order.buy/hidden-3", &Value::Null).check(200);
    let all = until("the entries to be told", || {
        let all = log(&mut browser, &manager.access, "");
        if all.text().contains("micronet.outcome") { Ok(all) } else { Err(all.shown()) }
    });
    let entries = all.at("/data").as_array().cloned().unwrap_or_default();
    let found = |action: &str, outcome: &str| -> Vec<&Value> {
        entries.iter().filter(|entry| entry["action"] == action && entry["outcome"] == outcome).collect()
    };
    assert_eq!(found("product.create", "ok").len(), 1, "{}", all.shown());
    assert_eq!(found("product.create", "INVALID_INPUT").len(), 1, "{}", all.shown());
    let refused = found("user.remove", "INSUFFICIENT_PERMISSIONS");
    assert_eq!(refused.len(), 1, "{}", all.shown());
    assert_eq!((&refused[0]["object"], &refused[0]["subject"]), (&json!("users/3"), &json!("2")));
    assert_eq!(found("micronet.outcome", "ok")[0]["subject"], "operator");
    assert!(entries.iter().all(|entry| entry["action"] != "product.query"), "{}", all.shown());
    for secret in ["hidden", &manager.access, &client.access, &operator, "client-demo", "manager-demo"] {
        assert!(!all.text().contains(secret), "{}", all.shown());
    }
    // Who belongs elsewhere sees what was done there; who may not read the log sees none of it.
    let theirs = log(&mut browser, &other.access, "");
    let organizations = theirs.at("/data").as_array().cloned().unwrap_or_default();
    let mine =
        browser.ask(Some(&other.access), "GET /auth/me", &Value::Null).at("/data/account/organization_id");
    let mine = mine.to_string();
    assert!(organizations.iter().all(|entry| entry["organization"] == mine.as_str()), "{}", theirs.shown());
    let client = browser.ask(Some(&browser_token_of_client(&network)), "GET /api/v1/audit", &Value::Null);
    assert!(matches!(client.status(), 401 | 403), "{}", client.shown());
}

/// A fresh access token of the demonstration's client, whose password may have been changed.
fn browser_token_of_client(network: &micronet_tests::network::Network) -> String {
    let mut browser = Browser::at(network.gateway());
    for password in ["hidden-2 hidden-2", "client-demo"] {
        let who = json!({ "email": "client@demo.example", "password": password });
        let answer = browser.ask(None, "POST /auth/login", &who);
        if answer.status() == 200 {
            return super::Tokens::of(&answer).access;
        }
    }
    panic!("the client can't sign in");
}
