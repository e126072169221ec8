//! The description of a running network at /openapi.json: valid by somebody else's judgement, and true.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use micronet_tests::process::run;
use micronet_tests::program::root;
use serde_json::{Value, json};

use crate::envelope::check_headers;
use crate::external::may_skip;

/// The Python that has openapi-spec-validator: what tests/run has installed, else what is there.
fn python() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let candidates = [target.join("python/bin/python3"), PathBuf::from("python3")];
    let found = candidates.into_iter().find(|python| {
        let asked = Command::new(python).args(["-c", "import openapi_spec_validator"]).output();
        asked.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        may_skip("openapi-spec-validator");
    }
    found
}

/// The document of a port.
fn document(port: SocketAddr) -> Value {
    let answer = HttpClient::connect(port).get("/openapi.json").check(200);
    check_headers(&answer);
    assert_eq!(answer.header("Content-Type"), Some("application/json"), "{}", answer.shown());
    let again = HttpClient::connect(port).get("/openapi.json");
    assert_eq!(answer.text(), again.text(), "the document changes from one request to the next");
    answer.json()
}

/// An operation of a document.
struct Operation<'a> {
    document: &'a Value,
    path: &'a str,
    verb: &'a str,
    described: &'a Value,
}

fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(move |(path, item)| {
        let operations = item.as_object().expect("a path item");
        operations.iter().map(move |(verb, described)| Operation { document, path, verb, described })
    })
}

impl<'a> Operation<'a> {
    /// Its parameters that stand in a certain place.
    fn parameters(&self, place: &'static str) -> impl Iterator<Item = &'a Value> {
        let all = self.described["parameters"].as_array();
        all.into_iter().flatten().filter(move |parameter| parameter["in"] == place)
    }

    /// A target for it: parameters get their example, or something of their type.
    fn target(&self) -> String {
        let value = |parameter: &Value| match &parameter["schema"] {
            schema if schema["examples"][0].is_string() => {
                schema["examples"][0].as_str().expect("text").replace(' ', "%20")
            }
            schema if schema["examples"][0].is_number() => schema["examples"][0].to_string(),
            schema if schema["type"] == "integer" => "1".to_owned(),
            schema if schema["enum"].is_array() => schema["enum"][0].as_str().expect("text").to_owned(),
            _ => "Tux".to_owned(),
        };
        let name = |parameter: &Value| parameter["name"].as_str().expect("a name").to_owned();
        let target = self.parameters("path").fold(self.path.to_owned(), |target, parameter| {
            target.replace(&format!("{{{}}}", name(parameter)), &value(parameter))
        });
        let required = self.parameters("query").filter(|parameter| parameter["required"] == true);
        let query: Vec<_> =
            required.map(|parameter| format!("{}={}", name(parameter), value(parameter))).collect();
        if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
    }

    /// Asks for it, with the body that the document shows if it shows one.
    fn ask(&self, port: SocketAddr, token: &str) -> Answer {
        let content = &self.described["requestBody"]["content"]["application/json"];
        let body = match &content["example"] {
            Value::Null if content.is_null() => String::new(),
            Value::Null => "{}".to_owned(),
            example => example.to_string(),
        };
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Content-Type", "application/json")];
        if self.described["security"].is_array() {
            headers.push(("Authorization", &authorization));
        }
        let verb = self.verb.to_ascii_uppercase();
        HttpClient::connect(port).request(&verb, &self.target(), &headers, body.as_bytes())
    }

    /// Where the document describes the body of this answer; `None` for one without JSON.
    fn schema_of(&self, answer: &Answer) -> Option<String> {
        let escaped = self.path.replace('/', "~1");
        let response = format!("/paths/{escaped}/{}/responses/{}", self.verb, answer.status());
        let described = self.document.pointer(&response);
        let described = described.unwrap_or_else(|| {
            panic!("{} {} doesn't say that it answers {}", self.verb, self.path, answer.shown())
        });
        let response = match described["$ref"].as_str() {
            Some(reference) => reference.trim_start_matches('#').to_owned(),
            None => response,
        };
        let schema = format!("{response}/content/application~1json/schema");
        self.document.pointer(&schema).map(|_| schema)
    }
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
    let python = python();
    check(&network, network.address("product-1"), "product", &["product"], python.as_ref());
    check(&network, network.address("order-1"), "order", &["order"], python.as_ref());
    // The gateway last: what it leads to stops and breaks parts of the network too.
    let tags = ["gateway", "auth", "control", "node", "order", "product", "user"];
    check(&network, network.gateway(), "micronet", &tags, python.as_ref());
}
