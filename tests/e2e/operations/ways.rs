//! The ways to an operation, and what comes of it in a form that all of them have.

use std::collections::BTreeSet;
use std::fs;

use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use serde_json::{Value, json};

use super::steps::{Step, Who};

/// What an operation came to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The HTTP status, where there is one.
    pub(super) status: Option<u16>,
    /// The error's code; empty for a success.
    pub(super) code: String,
    /// The answer, or the error's details, without times. Null where the way shows none.
    pub(super) value: Value,
    /// The fields with faults.
    pub(super) faults: BTreeSet<String>,
}

impl Outcome {
    /// Whether both came to the same thing, as far as both ways show it.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.code == other.code && self.faults == other.faults && self.value == other.value
    }
}

/// A way to take steps.
pub(super) trait Way {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// Takes a step.
    fn take(&mut self, step: &Step) -> Outcome;
}

/// HTTP, through the gateway or on the service's own port.
pub(super) struct ByHttp<'n> {
    network: &'n Network,
    operator: String,
    through_gateway: bool,
}

impl<'n> ByHttp<'n> {
    pub(super) fn through_the_gateway(network: &'n Network) -> Self {
        Self { network, operator: operator_token(network), through_gateway: true }
    }

    pub(super) fn on_the_services_own_port(network: &'n Network) -> Self {
        Self { network, operator: operator_token(network), through_gateway: false }
    }
}

fn operator_token(network: &Network) -> String {
    let path = network.folder().path().join("operator.token");
    fs::read_to_string(path).expect("the operator's token").trim().to_owned()
}

impl Way for ByHttp<'_> {
    fn name(&self) -> &'static str {
        if self.through_gateway { "through the gateway" } else { "on the service's own port" }
    }

    fn take(&mut self, step: &Step) -> Outcome {
        let service = step.method.split_once('.').expect("service.method").0;
        let address = match self.through_gateway {
            true => self.network.gateway(),
            false => self.network.address(&format!("{service}-1")),
        };
        let (method, target) = step.http.split_once(' ').expect("METHOD TARGET");
        let bearer = format!("Bearer {}", self.operator);
        let mut headers = Vec::new();
        match step.who {
            Who::Operator => headers.push(("Authorization", bearer.as_str())),
            Who::Anyone => {}
        }
        if !step.body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        if !step.token.is_empty() {
            headers.push(("Idempotency-Key", step.token));
        }
        let answer = HttpClient::connect(address).request(method, target, &headers, step.body.as_bytes());
        let body = answer.json();
        let shown = answer.shown();
        if answer.header("Content-Type").is_some_and(|of| of.starts_with("text/plain")) {
            let (code, value, faults) = (String::new(), text(&answer.text()), BTreeSet::new());
            return Outcome { status: Some(answer.status()), code, value, faults };
        }
        if body["success"] == true {
            assert_eq!(body["meta"]["version"], "v1", "{shown}");
            let value = match body.get("pagination") {
                Some(pagination) => json!({ "items": body["data"], "pagination": pagination }),
                None => body["data"].clone(),
            };
            let (code, faults) = (String::new(), BTreeSet::new());
            return Outcome { status: Some(answer.status()), code, value: timeless(value), faults };
        }
        let error = &body["error"];
        let code = error["code"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned();
        let faults = error["details"]["faults"].as_array();
        let field = |fault: &Value| fault["field"].as_str().expect("a fault names its field").to_owned();
        let faults: BTreeSet<String> = faults.into_iter().flatten().map(field).collect();
        let value = if faults.is_empty() { error["details"].clone() } else { Value::Null };
        Outcome { status: Some(answer.status()), code, value, faults }
    }
}

/// `micronet call`.
pub(super) struct ByCall<'n> {
    network: &'n Network,
}

impl<'n> ByCall<'n> {
    pub(super) fn new(network: &'n Network) -> Self {
        Self { network }
    }
}

impl Way for ByCall<'_> {
    fn name(&self) -> &'static str {
        "by micronet call"
    }

    fn take(&mut self, step: &Step) -> Outcome {
        let mut arguments = vec!["call", "--json", step.method, step.request];
        if !step.token.is_empty() {
            arguments.extend(["--token", step.token]);
        }
        if step.who == Who::Anyone {
            arguments.push("--anonymous");
        }
        let finished = self.network.command(&arguments);
        let parsed = |text: &str| {
            serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
        };
        if finished.code == Some(0) {
            let is_json = finished.stdout.starts_with(['{', '[']);
            let value = if is_json { timeless(parsed(&finished.stdout)) } else { text(&finished.stdout) };
            return Outcome { status: None, code: String::new(), value, faults: BTreeSet::new() };
        }
        let error = parsed(&finished.stdout);
        let code = error["error"]["code"].as_str().expect("an error has a code").to_owned();
        let faults = error["error"]["details"]["faults"].as_array();
        let field = |fault: &Value| fault["field"].as_str().expect("a fault names its field").to_owned();
        let faults: BTreeSet<String> = faults.into_iter().flatten().map(field).collect();
        let value = if faults.is_empty() { error["error"]["details"].clone() } else { Value::Null };
        Outcome { status: None, code, value, faults }
    }
}

/// An answer that is text.
fn text(shown: &str) -> Value {
    Value::String(shown.trim_end().to_owned())
}

/// The same value without the times in it, which are never the same twice.
fn timeless(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_time = |name: &str| matches!(name, "created_at" | "updated_at" | "at");
            Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| {
                        let value = if is_time(&name) { json!("some time") } else { timeless(value) };
                        (name, value)
                    })
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(timeless).collect()),
        other => other,
    }
}
