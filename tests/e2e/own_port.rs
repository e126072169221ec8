//! HTTP on a service's own port, beside its RPC: the same answers as through the gateway.

use std::net::SocketAddr;
use std::process::Command;

use micronet_tests::http_client::{Answer, HttpClient, raw};
use micronet_tests::network::Network;
use micronet_tests::process::run;
use serde_json::Value;

use crate::envelope::{check_envelope, check_headers};
use crate::external::has;

/// An instance, METHOD TARGET, headers, and a body.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What has to be the same: all but the moment, the request's id, and who answered.
fn comparable(answer: &Answer) -> (u16, Vec<Option<String>>, Value) {
    let header = |name| answer.header(name).map(str::to_owned);
    let headers = ["Content-Type", "X-API-Version", "Allow", "WWW-Authenticate", "Retry-After"].map(header);
    let mut body = answer.json();
    if let Some(meta) = body.get_mut("meta") {
        *meta = Value::Null;
    }
    (answer.status(), headers.into(), body)
}

#[test]
fn a_service_answers_as_the_gateway_does() {
    let network = Network::start("shop");
    let token = format!("Bearer {}", network.folder().operator_token());
    let operator: &[(&str, &str)] = &[("Authorization", &token)];
    let json: &[(&str, &str)] = &[JSON];
    let key: &[(&str, &str)] = &[JSON, ("Idempotency-Key", "of-both-ports")];
    let cases: &[Case<'_>] = &[
        ("product-1", "GET /products/Tux", &[], ""),
        ("product-2", "GET /api/v1/products/%54ux", &[], ""),
        ("product-1", "HEAD /products/Tux", &[], ""),
        ("product-1", "OPTIONS /products/Tux", &[], ""),
        ("product-1", "PUT /products/Tux", &[], ""),
        ("product-1", "GET /products/Nobody", &[], ""),
        ("product-1", "GET /products/Tux?size=1", &[], ""),
        ("product-1", "GET /products/%zz", &[], ""),
        ("product-1", "GET /api/v1/inventory", &[], ""),
        ("product-1", "GET /api/v1/inventory", &[("Authorization", "Bearer wrong")], ""),
        ("product-1", "GET /api/v1/inventory", operator, ""),
        ("product-1", "POST /api/v1/products/Tux/purchase", json, r#"{"quantity":0}"#),
        ("product-1", "POST /api/v1/products/Tux/purchase", key, r#"{"quantity":2}"#),
        ("order-1", "POST /orders", key, r#"{"name":"Whale","quantity":1}"#),
        ("order-1", "POST /orders", key, r#"{"name":"Whale","quantity":2}"#),
        ("order-1", "POST /orders", json, r#"{"name":"Whale","quantity":1000}"#),
        ("order-1", "POST /orders", json, r#"{"name":"Whale"}"#),
        ("order-1", "POST /orders", json, r#"{"name":"Whale","quantity":}"#),
        ("order-1", "POST /orders", &[], r#"{"name":"Whale","quantity":1}"#),
        ("order-1", "GET /orders/1", &[], ""),
        ("order-1", "GET /orders/log", &[], ""),
        ("order-1", "GET /orders/log", operator, ""),
    ];
    for (instance, request, headers, body) in cases {
        let (method, target) = request.split_once(' ').expect("METHOD TARGET");
        let ask =
            |port: SocketAddr| HttpClient::connect(port).request(method, target, headers, body.as_bytes());
        let (own, through) = (ask(network.address(instance)), ask(network.gateway()));
        let shown = format!("{request}: {}\n\nand through the gateway: {}", own.shown(), through.shown());
        assert_eq!(comparable(&own), comparable(&through), "{shown}");
        check_headers(&own);
        if own.header("Content-Type") == Some("application/json") && method != "HEAD" {
            check_envelope(&own);
        }
        if through.header("X-Micronet-Instance").is_some() {
            assert_eq!(own.header("X-Micronet-Instance"), Some(*instance), "{shown}");
        } else {
            assert_eq!(own.header("X-Micronet-Instance"), None, "{shown}");
        }
    }
    // Another service's paths are not there, and the answer says what is.
    let mut order = HttpClient::connect(network.address("order-1"));
    let nowhere = order.get("/products/Tux").check(404);
    assert_eq!(nowhere.at("/error/code"), "ROUTE_NOT_FOUND");
    assert_eq!(nowhere.at("/error/details/pages/0"), "/schema");
    assert!(
        nowhere.text().contains(r#"{"http":"POST /orders","method":"order.buy"}"#),
        "{}",
        nowhere.shown()
    );
    // OPTIONS of the server as a whole.
    for port in [network.gateway(), network.address("order-1")] {
        let answer = raw(port, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(
            answer.starts_with("HTTP/1.1 204 ")
                && answer.contains("\r\nAllow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n"),
            "{answer}"
        );
        assert!(!answer.contains("\r\nContent-Type") && !answer.contains("\r\nContent-Length"), "{answer}");
    }
}

#[test]
fn one_port_speaks_rpc_and_http_at_once() {
    let network = Network::start("shop");
    let product = network.address("product-1");
    let mut http = HttpClient::connect(product);
    let to = product.to_string();
    for garbage in
        [&b"GET ?\r\n\r\n"[..], b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", b"GET / HT", b"\x89"]
    {
        let answer = raw(product, garbage);
        let wanted = if garbage[0] == 0x89 { "\u{fffd}MNP" } else { "HTTP/1.1 400 " };
        assert!(answer.starts_with(wanted), "{garbage:?}: {answer:?}");
        http.get("/products/Tux").check(200);
        let called = network.command(&["call", "product.query", r#"{"name":"Tux"}"#, "--to", &to]).check(0);
        assert!(called.stdout.contains("25.99"), "{}", called.stdout);
    }
    assert_eq!(raw(product, ""), "");
}

#[test]
fn curl_reaches_a_service_without_the_gateway() {
    if !has("curl") {
        return;
    }
    let network = Network::start("shop");
    let shell = |instance: &str, line: &str| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).env("PORT", network.address(instance).port().to_string());
        run(shell).check(0).stdout
    };
    let cases = [
        (
            "product-2",
            "curl -s localhost:$PORT/products/Tux",
            r#""data":{"id":2,"name":"Tux","price":25.99,"quantity":80,"#,
        ),
        ("product-2", "curl -si localhost:$PORT/products/Tux", "X-Micronet-Instance: product-2"),
        ("product-2", "curl -s localhost:$PORT/schema", r#"{"service":"product","#),
        ("product-2", "curl -s localhost:$PORT/schema?format=binary | sha256sum", "  -"),
        ("product-2", "curl -s localhost:$PORT/stats", r#""instance":"product-2","#),
        ("product-2", "curl -s localhost:$PORT/connections", r#""others":"shown to the operator"#),
        ("product-2", "curl -si -H 'accept: text/html' localhost:$PORT/", "<a href=\"/schema\">"),
        ("product-2", "curl -s localhost:$PORT/openapi.json", "\"operationId\": \"product.query\""),
        (
            "order-1",
            r#"curl -s localhost:$PORT/orders --json '{"name":"Whale","quantity":1}' -H 'expect: 100-continue'"#,
            r#""data":{"order_num":3}"#,
        ),
        ("order-1", "curl -s localhost:$PORT/orders/3 localhost:$PORT/orders/3", r#""name":"Whale""#),
    ];
    for (instance, line, wanted) in cases {
        let said = shell(instance, line);
        assert!(said.contains(wanted), "{line} says {said}");
    }
}
