//! The description of a running network at /openapi.json: valid by somebody else's judgement, and true.

pub(crate) mod description;
mod docs;
mod hostile;
mod keys;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use micronet_tests::network::Network;
use micronet_tests::process::run;
use micronet_tests::program::root;
use serde_json::{Value, json};

use self::description::{document, operations};
use crate::external::may_skip;

/// The Python that has a module: what tests/run has installed, else what is there.
pub(crate) fn python_with(module: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let candidates = [target.join("python/bin/python3"), PathBuf::from("python3")];
    let found = candidates.into_iter().find(|python| {
        let asked = Command::new(python).args(["-c", &format!("import {module}")]).output();
        asked.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        may_skip(module);
    }
    found
}

/// Asks for everything that the document of a port describes, and has both judged.
fn check(network: &Network, port: SocketAddr, title: &str, tags: &[&str], python: Option<&PathBuf>) {
    let document = document(port);
    assert_eq!(document["info"]["title"], title);
    let named = document["tags"].as_array().expect("tags").iter().map(|tag| tag["name"].clone());
    assert_eq!(named.collect::<Vec<_>>(), tags);
    let token = network.folder().operator_token();
    let mut answers = Vec::new();
    let mut count = 0;
    for operation in operations(&document) {
        let answer = operation.ask(port, &token);
        let shown = format!("{} {} at {title}: {}", operation.verb, operation.target(), answer.shown());
        assert_ne!(answer.at("/error/code"), "ROUTE_NOT_FOUND", "{shown}");
        let shows_example =
            operation.described["requestBody"]["content"]["application/json"]["example"].is_object();
        let is_misunderstood = matches!(answer.status(), 400 | 401 | 403 | 405 | 415 | 422 | 500..);
        assert!(!(shows_example && is_misunderstood), "the example isn't taken: {shown}");
        if let Some(schema) = operation.schema_of(&answer) {
            answers.push(json!({ "what": shown, "schema": schema, "body": answer.json() }));
        }
        count += 1;
    }
    assert!(count >= 4, "{count} operations");
    let Some(python) = python else { return };
    let write = |name: &str, value: &Value| {
        let path = network.folder().path().join(format!("{title}-{name}.json"));
        std::fs::write(&path, value.to_string()).expect("the folder can be written");
        path
    };
    let mut checking = Command::new(python);
    checking.arg("-B").arg(root().join("tests/e2e/openapi/check.py"));
    checking.arg(write("document", &document)).arg(write("answers", &Value::Array(answers)));
    run(checking).check(0);
}

#[test]
fn the_document_is_valid_and_says_what_is_answered() {
    let network = Network::start("shop");
    let python = python_with("openapi_spec_validator");
    check(&network, network.address("product-1"), "product", &["product", "operation"], python.as_ref());
    check(&network, network.address("order-1"), "order", &["order", "operation"], python.as_ref());
    // The gateway last: what it leads to stops and breaks parts of the network too.
    let tags = ["gateway", "auth", "control", "node", "order", "product", "user", "operation"];
    check(&network, network.gateway(), "micronet", &tags, python.as_ref());
}
