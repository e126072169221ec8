//! The description of a port, as tests walk through it.

use std::net::SocketAddr;

use micronet_tests::http_client::{Answer, HttpClient};
use serde_json::Value;

use crate::envelope::check_headers;

/// Settings of a gateway that lets everybody ask as often as they like.
pub(crate) const UNLIMITED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/openapi/unlimited.toml");

/// The document of a port.
pub(crate) fn document(port: SocketAddr) -> Value {
    let answer = HttpClient::connect(port).get("/openapi.json").check(200);
    check_headers(&answer);
    assert_eq!(answer.header("Content-Type"), Some("application/json"), "{}", answer.shown());
    let again = HttpClient::connect(port).get("/openapi.json");
    assert_eq!(answer.text(), again.text(), "the document changes from one request to the next");
    answer.json()
}

/// An operation of a document.
pub(crate) struct Operation<'a> {
    pub(crate) document: &'a Value,
    pub(crate) path: &'a str,
    pub(crate) verb: &'a str,
    pub(crate) described: &'a Value,
}

pub(crate) fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(move |(path, item)| {
        let operations = item.as_object().expect("a path item");
        operations.iter().map(move |(verb, described)| Operation { document, path, verb, described })
    })
}

impl<'a> Operation<'a> {
    /// Its parameters that stand in a certain place.
    pub(crate) fn parameters(&self, place: &'static str) -> impl Iterator<Item = &'a Value> {
        let all = self.described["parameters"].as_array();
        all.into_iter().flatten().filter(move |parameter| parameter["in"] == place)
    }

    /// Whether an Idempotency-Key makes a difference to it.
    pub(crate) fn takes_a_key(&self) -> bool {
        let all = self.described["parameters"].as_array();
        all.into_iter().flatten().any(|one| one["$ref"] == "#/components/parameters/IdempotencyKey")
    }

    /// The schema of its body, if it has one.
    pub(crate) fn body_schema(&self) -> Option<&'a Value> {
        let schema = &self.described["requestBody"]["content"]["application/json"]["schema"];
        match schema["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')),
            None => Some(schema).filter(|schema| schema.is_object()),
        }
    }

    /// A target for it: parameters get their example, or something of their type.
    pub(crate) fn target(&self) -> String {
        let target = self.parameters("path").fold(self.path.to_owned(), |target, parameter| {
            target.replace(&format!("{{{}}}", name(parameter)), &value(parameter))
        });
        let required = self.parameters("query").filter(|parameter| parameter["required"] == true);
        let query: Vec<_> =
            required.map(|parameter| format!("{}={}", name(parameter), value(parameter))).collect();
        if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
    }

    /// The body that it shows, or an empty object where it has one and shows none.
    pub(crate) fn body(&self) -> String {
        let content = &self.described["requestBody"]["content"]["application/json"];
        match &content["example"] {
            Value::Null if content.is_null() => String::new(),
            Value::Null => "{}".to_owned(),
            example => example.to_string(),
        }
    }

    /// Asks for it, with the body that the document shows if it shows one.
    pub(crate) fn ask(&self, port: SocketAddr, token: &str) -> Answer {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Content-Type", "application/json")];
        if self.described["security"].is_array() {
            headers.push(("Authorization", &authorization));
        }
        let verb = self.verb.to_ascii_uppercase();
        HttpClient::connect(port).request(&verb, &self.target(), &headers, self.body().as_bytes())
    }

    /// Where the document describes the body of this answer; `None` for one without JSON.
    pub(crate) fn schema_of(&self, answer: &Answer) -> Option<String> {
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

/// The name of a parameter.
pub(crate) fn name(parameter: &Value) -> &str {
    parameter["name"].as_str().expect("a name")
}

/// A value of a parameter, as it stands in a target.
fn value(parameter: &Value) -> String {
    match &parameter["schema"] {
        schema if schema["examples"][0].is_string() => {
            schema["examples"][0].as_str().expect("text").replace(' ', "%20")
        }
        schema if schema["examples"][0].is_number() => schema["examples"][0].to_string(),
        schema if schema["type"] == "integer" => "1".to_owned(),
        schema if schema["enum"].is_array() => schema["enum"][0].as_str().expect("text").to_owned(),
        _ => "Tux".to_owned(),
    }
}
