//! What the gateway answers, and how: status, envelope, headers, and what each error names.

use micronet_tests::http_client::{Answer, HttpClient};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::{Value, json};

use crate::envelope::{check_envelope, check_headers, check_timestamp};

/// A request, and what its answer has to have.
struct Case {
    request: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
    /// Places in the answer's JSON, and what stands there; a string has to be contained.
    holds: &'static [(&'static str, &'static str)],
}

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

#[track_caller]
fn check(http: &mut HttpClient, case: &Case) {
    let (method, target) = case.request.split_once(' ').expect("METHOD TARGET");
    let answer = http.request(method, target, case.headers, case.body.as_bytes());
    let shown = format!("{} {}\nis answered with\n{}", case.request, case.body, answer.shown());
    assert_eq!(answer.status(), case.status, "{shown}");
    check_envelope(&answer);
    for (pointer, wanted) in case.holds {
        let holds = match answer.at(pointer) {
            Value::String(text) => text.contains(wanted),
            other => format!("{other}") == **wanted,
        };
        assert!(holds, "{pointer} should be {wanted}\n{shown}");
    }
}

#[test]
fn a_toy_is_shown_and_the_price_is_a_number() {
    let network = Network::start("shop");
    let mut http = network.http();
    for target in ["/products/Tux", "/api/v1/products/Tux", "/products/%54ux", "/products/Tux?"] {
        let answer = http.get(target).check(200);
        check_envelope(&answer);
        assert!(
            answer.text().contains(r#""data":{"id":2,"name":"Tux","price":25.99,"quantity":80,"#),
            "{}",
            answer.shown()
        );
        assert!(instance(&answer).starts_with("product-"), "{}", answer.shown());
    }
    let laptop = http.get("/products/Laptop").check(200);
    assert!(laptop.text().contains(r#""price":999.00"#), "{}", laptop.shown());
}

#[test]
fn an_order_is_placed_and_read_again() {
    let network = Network::start("shop");
    let mut http = network.http();
    let placed = http.post("/orders", r#"{"name":"Whale","quantity":2}"#).check(201);
    check_envelope(&placed);
    assert_eq!(placed.at("/data"), json!({ "order_num": 3 }), "{}", placed.shown());
    assert_eq!(instance(&placed), "order-1");
    let more = http.post("/api/v1/orders", r#"{"quantity":1,"name":"Tux"}"#).check(201);
    assert_eq!(more.at("/data/order_num"), 4);
    for target in ["/orders/3", "/api/v1/orders/3"] {
        let order = http.get(target).check(200);
        check_envelope(&order);
        let text = order.text();
        for part in
            [r#""order_num":3,"name":"Whale","quantity":2,"price":34.99,"total":69.98"#, r#""status":""#]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        check_timestamp(&order.at("/data/created_at"), &text);
    }
    assert_eq!(http.get("/products/Whale").at("/data/quantity"), 92);
    // The second order of the demonstration data.
    let second = http.get("/orders/2").check(200).text();
    assert!(second.contains(r#""total":59.99"#) && second.contains(r#""status":"Processing""#), "{second}");
}

#[test]
fn every_error_says_what_is_wrong() {
    let case = |request, headers, body, status, holds| Case { request, headers, body, status, holds };
    let cases = [
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":1000}"#,
            409,
            &[
                ("/error/code", "OUT_OF_STOCK"),
                ("/error/details/order_num", "-1"),
                ("/error/details/requested", "1000"),
                ("/error/details/available", "94"),
                ("/error/message", "94 are in stock"),
            ],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Unicorn","quantity":1}"#,
            404,
            &[
                ("/error/code", "PRODUCT_NOT_FOUND"),
                ("/error/details/order_num", "-1"),
                ("/error/details/name", "Unicorn"),
            ],
        ),
        case("POST /orders", JSON, r#"{"name":"Whale","#, 400, &[("/error/message", "line 1, column 17")]),
        case(
            "POST /orders",
            JSON,
            "{\"name\":\"Whale\",\n\"quantity\":1]",
            400,
            &[("/error/message", "line 2, column 13")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":1}x"#,
            400,
            &[("/error/message", "column 30")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":"one"}"#,
            422,
            &[("/error/code", "INVALID_INPUT"), ("/error/details/faults/0/field", "quantity")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":7,"quantity":1}"#,
            422,
            &[("/error/details/faults/0/field", "name")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":-1}"#,
            422,
            &[("/error/details/faults/0/field", "quantity")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":1.5}"#,
            422,
            &[("/error/details/faults/0/field", "quantity")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":4294967296}"#,
            422,
            &[("/error/details/faults/0/field", "quantity")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":0}"#,
            422,
            &[("/error/message", "quantity")],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"quantity":"one","colour":"blue"}"#,
            422,
            &[
                ("/error/code", "INVALID_INPUT"),
                ("/error/message", "quantity"),
                ("/error/details/faults/0/code", "TYPE"),
                ("/error/details/faults/1/code", "UNKNOWN"),
                ("/error/details/faults/2/code", "MISSING"),
                ("/error/details/faults/2/field", "name"),
            ],
        ),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale"}"#,
            422,
            &[("/error/code", "MISSING_REQUIRED_FIELD"), ("/error/details/faults/0/field", "quantity")],
        ),
        case("POST /orders", JSON, "", 422, &[("/error/code", "MISSING_REQUIRED_FIELD")]),
        case(
            "POST /orders",
            JSON,
            r#"{"name":"Whale","quantity":1,"colour":"blue"}"#,
            422,
            &[("/error/details/faults/0/field", "colour")],
        ),
        case(
            "POST /orders",
            &[("Content-Type", "text/plain")],
            "{}",
            415,
            &[("/error/code", "UNSUPPORTED_MEDIA_TYPE")],
        ),
        case("POST /orders", &[], "{}", 415, &[("/error/message", "application/json")]),
        case(
            "GET /products/Unicorn",
            &[],
            "",
            404,
            &[("/error/code", "PRODUCT_NOT_FOUND"), ("/error/details/name", "Unicorn")],
        ),
        case("GET /products/Tux", JSON, "{}", 400, &[("/error/message", "no body")]),
        case("GET /products/%zz", &[], "", 400, &[("/error/message", "percent-encoding")]),
        case("GET /products/Tux?colour=blue", &[], "", 422, &[("/error/details/faults/0/field", "colour")]),
        case("GET /orders/999", &[], "", 404, &[("/error/code", "ORDER_NOT_FOUND")]),
        case("GET /orders/first", &[], "", 422, &[("/error/details/faults/0/field", "order_num")]),
        case("GET /nowhere", &[], "", 404, &[("/error/code", "ROUTE_NOT_FOUND")]),
        case("GET /production", &[], "", 404, &[("/error/message", "/production")]),
        case("GET /products/Tux/price", &[], "", 404, &[]),
        case("GET /api/v1/inventory", &[], "", 401, &[("/error/code", "UNAUTHENTICATED")]),
        case(
            "GET /orders/log",
            &[("Authorization", "Bearer wrong")],
            "",
            401,
            &[("/error/message", "bearer")],
        ),
        case("GET /products/Tux", &[("Authorization", "Bearer wrong")], "", 401, &[]),
        case(
            "POST /orders",
            &[("Idempotency-Key", "two words")],
            "",
            400,
            &[("/error/message", "Idempotency-Key")],
        ),
    ];
    let network = Network::start("shop");
    let mut http = network.http();
    for each in &cases {
        check(&mut http, each);
    }
    // All of them came over one connection, and nothing was sold.
    assert!(http.is_open());
    assert_eq!(http.get("/products/Whale").at("/data/quantity"), 94);
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    let network = Network::start("shop");
    let mut http = network.http();
    let cases = [
        ("POST", "/products/Tux", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("PUT", "/orders", "GET, HEAD, OPTIONS, POST"),
        ("BREW", "/orders/1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("DELETE", "/api/v1/inventory", "GET, HEAD, OPTIONS"),
    ];
    for (method, target, allow) in cases {
        let answer = http.request(method, target, &[], b"").check(405);
        check_envelope(&answer);
        assert_eq!(answer.header("Allow"), Some(allow), "{method} {target}: {}", answer.shown());
        let options = http.request("OPTIONS", target, &[], b"").check(204);
        check_headers(&options);
        assert_eq!((options.header("Allow"), options.text().as_str()), (Some(allow), ""), "{target}");
    }
}

#[test]
fn head_says_what_get_would() {
    let network = Network::start("shop");
    let mut http = network.http();
    for (target, status) in [("/products/Tux", 200), ("/products/Unicorn", 404), ("/nowhere", 404)] {
        let id = [("X-Request-ID", "the-same-for-both")];
        let get = http.request("GET", target, &id, b"").check(status);
        let head = http.request("HEAD", target, &id, b"").check(status);
        assert_eq!(head.text(), "");
        for name in ["Content-Type", "X-Request-ID", "X-API-Version"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {target}");
        }
        // The timestamp within may be a digit longer or shorter.
        let length =
            |answer: &Answer| answer.header("Content-Length").and_then(|bytes| bytes.parse::<usize>().ok());
        assert!(length(&head).is_some_and(|bytes| bytes.abs_diff(get.text().len()) <= 7), "{}", head.shown());
    }
}

#[test]
fn a_request_id_is_adopted_or_made() {
    let network = Network::start("shop");
    let mut http = network.http();
    let mut id_of = |given: &str| {
        let answer = http.request("GET", "/products/Tux", &[("X-Request-ID", given)], b"").check(200);
        check_envelope(&answer);
        answer.header("X-Request-ID").unwrap_or_default().to_owned()
    };
    assert_eq!(id_of("my-request.7"), "my-request.7");
    let (first, second) = (id_of(""), id_of(""));
    assert_ne!(first, second);
    for unusable in ["two words", "a\"quote", &"x".repeat(65)] {
        assert_ne!(id_of(unusable), unusable);
    }
}

#[test]
fn the_two_instances_of_product_take_turns() {
    let network = Network::start("shop");
    let mut http = network.http();
    let seen: Vec<String> = (0..8).map(|_| instance(&http.get("/products/Tux")).to_owned()).collect();
    let (first, second) = (&seen[0], &seen[1]);
    assert_eq!([first.as_str().min(second), first.as_str().max(second)], ["product-1", "product-2"]);
    for (at, name) in seen.iter().enumerate() {
        assert_eq!(name, if at % 2 == 0 { first } else { second }, "{seen:?}");
    }
}

#[test]
fn the_order_log_is_for_those_who_may_read_orders() {
    let network = Network::start("shop");
    let mut http = network.http();
    http.post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    let refused = http.get("/orders/log").check(401);
    check_envelope(&refused);
    assert_eq!(refused.header("WWW-Authenticate"), Some("Bearer"));
    assert!(refused.text().contains("orders:read"), "{}", refused.shown());
    let bearer = format!("Bearer {}", network.folder().operator_token());
    for target in ["/orders/log", "/api/v1/orders/log", "/orders/log?after=0&limit=10"] {
        let log = http.request("GET", target, &[("Authorization", &bearer)], b"").check(200);
        check_headers(&log);
        assert!(log.text().ends_with("\n3 Whale 1\n"), "{}", log.shown());
    }
    let whale = json!({ "name": "Whale", "initial": 94, "quantity": 93, "reserved": 0, "sold": 1 });
    // The order is certain before product is told that its reservation is sold.
    until("the sale to be settled", || {
        let inventory =
            http.request("GET", "/api/v1/inventory", &[("Authorization", &bearer)], b"").check(200);
        let products = inventory.at("/data/products");
        let settled = products.as_array().is_some_and(|all| all.contains(&whale));
        if settled { Ok(()) } else { Err(inventory.shown()) }
    });
}

fn instance(answer: &Answer) -> &str {
    answer.header("X-Micronet-Instance").unwrap_or_default()
}
