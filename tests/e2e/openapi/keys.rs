//! Every write that isn't idempotent by itself happens once under an Idempotency-Key, whichever service it is of.

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use serde_json::{Value, json};

use super::description::{Operation, UNLIMITED, document, operations};
use crate::envelope::check_envelope;

/// A write, and another one that is not the same.
fn other(body: &str) -> String {
    let mut body: Value = serde_json::from_str(body).unwrap_or_else(|_| json!({}));
    for (member, value) in
        [("quantity", json!(2)), ("for_ms", json!(2_000)), ("name", json!("Ada Other")), ("price", json!(2))]
    {
        if body.get(member).is_some_and(|known| *known != value) {
            body[member] = value;
            return body.to_string();
        }
    }
    body.to_string()
}

#[test]
fn every_write_happens_once_under_its_key() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--gateway-config", UNLIMITED]);
    let document = document(network.gateway());
    let bearer = format!("Bearer {}", network.folder().operator_token());
    let ask = |verb: &str, target: &str, key: &str, body: &str| -> Answer {
        let headers = [
            ("Content-Type", "application/json"),
            ("Authorization", bearer.as_str()),
            ("Idempotency-Key", key),
        ];
        HttpClient::connect(network.gateway()).request(verb, target, &headers, body.as_bytes())
    };
    let mut seen = Vec::new();
    // What is deleted is needed before.
    let (last, first): (Vec<_>, Vec<_>) = operations(&document)
        .filter(Operation::takes_a_key)
        .partition(|operation| operation.verb == "delete");
    for operation in first.into_iter().chain(last) {
        let id = operation.described["operationId"].as_str().expect("an id").to_owned();
        // Whoever signs in is of another kind: its tokens are told once, and its tests are auth's.
        if id.starts_with("auth.") || operation.described["x-alias-of"].is_string() {
            continue;
        }
        let (verb, target, body) =
            (operation.verb.to_ascii_uppercase(), operation.target(), operation.body());
        // Where the description shows no body, or one that is there already.
        let body = match id.as_str() {
            "control.drill" => {
                r#"{"duration_s":1,"kind":"Slow","load_per_s":1,"quiet_s":1,"service":"node"}"#.to_owned()
            }
            "control.disturb" => r#"{"delay_us":1}"#.to_owned(),
            "user.create" => r#"{"name":"Key Holder","email":"keys@example.com"}"#.to_owned(),
            "product.import" => r#"{"products":[{"name":"Fox","price":1}]}"#.to_owned(),
            _ => body,
        };
        let first = ask(&verb, &target, &id, &body);
        check_envelope(&first);
        assert!(first.status() < 300, "{id}: {}", first.shown());
        let again = ask(&verb, &target, &id, &body);
        assert_eq!(
            (again.status(), again.at("/data")),
            (first.status(), first.at("/data")),
            "{id} isn't answered alike: {}",
            again.shown()
        );
        if other(&body) != body && !body.is_empty() {
            let refused = ask(&verb, &target, &id, &other(&body)).check(422);
            check_envelope(&refused);
            assert_eq!(refused.at("/error/code"), "TOKEN_REUSED", "{id}: {}", refused.shown());
        }
        seen.push(id);
    }
    for service in ["user", "product", "order", "control"] {
        assert!(seen.iter().any(|id| id.starts_with(service)), "{service} has no write in {seen:?}");
    }
}
