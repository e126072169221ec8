//! No input makes a mistake of ours: every operation of a network is asked with values that it can't mean.

use std::fmt::Write as _;
use std::net::SocketAddr;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use serde_json::{Map, Value, json};

use super::description::{Operation, UNLIMITED, document, name, operations};
use crate::envelope::check_headers;

/// What stands in a path or a query, percent-encoded or not.
const TEXTS: [&str; 28] = [
    "",
    "0",
    "-0",
    "-1",
    "1.5",
    "1e309",
    "NaN",
    "18446744073709551616",
    "9223372036854775808",
    "%00",
    "%0A",
    "%20",
    "%FF",
    "%",
    "%zz",
    "%2F..%2F..",
    "..;",
    "%E2%80%AE",
    "%F0%9F%92%A5",
    "%C0%AF",
    "null",
    "true",
    "%5B%5D",
    "%7B%7D",
    "'%3B%20DROP%20TABLE%20products--",
    "%25s%25n",
    "2026-13-45T99:99:99Z",
    "%ED%A0%80",
];

/// Bodies that are no request of anything.
const BODIES: [&[u8]; 17] = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"0",
    b"\"x\"",
    b"{",
    b"{\"",
    b"{\"a\":1,\"a\":2}",
    b"{}{}",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{\"\\ud800\":1}",
    b"{\"a\":1e999999999}",
    b"{\"\\u0000\":null}",
    b"nul",
    b"{\"__proto__\":{}}",
];

/// What a member of a body is replaced with.
fn values() -> Vec<Value> {
    let deep = (0..40).fold(json!(1), |inside, _| json!([inside]));
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("\0"),
        json!("\n"),
        json!("\u{202e}"),
        json!("💥".repeat(300)),
        json!("x".repeat(70_000)),
        json!("-1"),
        json!("99999999999999999999"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"Unknown": {}}),
        deep,
    ]
}

/// Headers that decide something, with values that can't be meant.
const HEADERS: [(&str, &str); 12] = [
    ("Idempotency-Key", ""),
    ("Idempotency-Key", "two words"),
    ("Idempotency-Key", "0123456789012345678901234567890123456789012345678901234567890123456789"),
    ("Authorization", "Bearer"),
    ("Authorization", "Basic x:y"),
    ("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
    ("Content-Type", "application/xml"),
    ("Content-Type", "application/json; charset=\"\\"),
    ("Accept", "text/html;q=1, */*;q=0"),
    ("Accept", ",,;;q=x"),
    ("X-Request-ID", "a b\tc"),
    ("traceparent", "00-0-0-0"),
];

/// Asks, and checks that whatever is wrong is the asker's mistake.
struct Asker {
    gateway: SocketAddr,
    http: HttpClient,
    authorization: String,
    count: usize,
}

impl Asker {
    #[track_caller]
    fn ask(&mut self, operation: &Operation<'_>, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let named = |wanted: &str| headers.iter().any(|(name, _)| *name == wanted);
        let mut all = headers.to_vec();
        for (name, value) in
            [("Authorization", self.authorization.as_str()), ("Content-Type", "application/json")]
        {
            if !named(name) {
                all.push((name, value));
            }
        }
        if !self.http.is_open() {
            self.http = HttpClient::connect(self.gateway);
        }
        let answer = self.http.request(&operation.verb.to_ascii_uppercase(), target, &all, body);
        self.count += 1;
        let shown = || {
            let body = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            format!("{} {target} {headers:?} {body}: {}", operation.verb, answer.shown())
        };
        assert!(answer.status() < 500, "{}", shown());
        check_headers(&answer);
        if answer.status() >= 400 {
            assert_eq!(answer.at("/success"), false, "{}", shown());
            assert!(answer.at("/error/code").is_string(), "{}", shown());
        }
    }
}

#[test]
fn no_input_makes_a_mistake_of_ours() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--gateway-config", UNLIMITED]);
    let document = document(network.gateway());
    let authorization = format!("Bearer {}", network.folder().operator_token());
    let (gateway, http) = (network.gateway(), network.http());
    let mut asker = Asker { gateway, http, authorization, count: 0 };
    for operation in operations(&document) {
        let plain = plain_target(&operation);
        for text in TEXTS {
            for parameter in operation.parameters("path") {
                let target = operation.path.replace(&format!("{{{}}}", name(parameter)), text);
                asker.ask(&operation, &without_names(&target), &[], operation.body().as_bytes());
            }
            let mut target = plain.clone();
            for (at, parameter) in operation.parameters("query").enumerate() {
                let _ = write!(target, "{}{}={text}", if at == 0 { '?' } else { '&' }, name(parameter));
            }
            asker.ask(&operation, &target, &[], operation.body().as_bytes());
            asker.ask(&operation, &format!("{plain}?{text}"), &[], operation.body().as_bytes());
            asker.ask(&operation, &format!("{plain}?x={text}&x"), &[], operation.body().as_bytes());
        }
        for header in HEADERS {
            asker.ask(&operation, &plain, &[header], operation.body().as_bytes());
        }
        for body in BODIES {
            asker.ask(&operation, &plain, &[], body);
        }
        let Some(schema) = operation.body_schema() else { continue };
        let example = serde_json::from_str::<Map<String, Value>>(&operation.body()).unwrap_or_default();
        let members = schema["properties"].as_object().into_iter().flatten();
        for (member, _) in members {
            for value in values() {
                let mut body = example.clone();
                body.insert(member.clone(), value);
                asker.ask(&operation, &plain, &[], Value::Object(body).to_string().as_bytes());
            }
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        asker.ask(&operation, &plain, &[], deep.as_bytes());
    }
    println!("{} requests", asker.count);
    assert!(asker.count > 5_000, "{} requests", asker.count);
    // All of them are still there.
    for instance in ["product-1", "user-1", "order-1", "node-1"] {
        HttpClient::connect(network.address(instance)).get("/health").check(200);
    }
    network.http().get("/products/Tux").check(200);
}

/// A target that names nothing that is there, so that nothing of the network is stopped.
fn plain_target(operation: &Operation<'_>) -> String {
    without_names(operation.path)
}

fn without_names(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "nobody-9" } else { part });
    parts.collect::<Vec<_>>().join("/")
}
