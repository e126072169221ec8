//! Spans, as a collector of OpenTelemetry's own making reads them: PyPI's `oteltest`.

use std::path::PathBuf;
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::ports;
use micronet_tests::process::Process;
use micronet_tests::program::root;
use serde_json::Value;

use crate::external::may_skip;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// The Python that has oteltest: what tests/run has installed, else what is there.
fn python() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let candidates = [target.join("python/bin/python3"), PathBuf::from("python3")];
    let found = candidates.into_iter().find(|python| {
        let asked = Command::new(python).args(["-c", "import oteltest.sink"]).output();
        asked.is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        may_skip("oteltest");
    }
    found
}

/// The spans of the trace that the collector has printed.
fn spans(sink: &Process, trace: &str) -> Vec<Value> {
    let said = sink.stdout();
    let spans = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    spans.filter(|span| span["trace_id"] == trace).collect()
}

#[test]
fn a_collector_gets_the_spans_of_a_request_with_their_parents() {
    let Some(python) = python() else { return };
    let port = ports::free();
    let mut command = Command::new(python);
    command.arg("-B").arg(root().join("tests/e2e/otlp/sink.py")).arg(port.to_string());
    let sink = Process::start("sink", &mut command);
    let endpoint = format!("http://127.0.0.1:{port}");
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue%20team"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let network = Network::start_with(Folder::new(), &["--demo", "toystore"], &environment);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("Content-Type", "application/json"),
        ("traceparent", traceparent.as_str()),
        ("X-Request-ID", "an-order"),
    ];
    let order = br#"{"name":"Whale","quantity":1}"#;
    network.http().request("POST", "/orders", &headers, order).check(201);

    let is_kind = |span: &&Value, kind: &str, service: &str| {
        span["kind"] == kind && span["resource"]["service.name"] == service
    };
    let found = until("the spans of gateway, order and product", || {
        let all = spans(&sink, TRACE);
        let of = |kind: &str, service: &str| all.iter().find(|span| is_kind(span, kind, service)).cloned();
        let found = [
            of("SPAN_KIND_SERVER", "gateway"),
            of("SPAN_KIND_CLIENT", "gateway"),
            of("SPAN_KIND_SERVER", "order"),
            of("SPAN_KIND_SERVER", "product"),
        ];
        let found: Option<Vec<Value>> = found.into_iter().collect();
        found.ok_or_else(|| format!("{all:?}\n{}", sink.said()))
    });
    let [edge, attempt, order, product] = &found[..] else { panic!("{found:?}") };
    assert_eq!(edge["parent_span_id"], PARENT);
    assert_eq!(attempt["parent_span_id"], edge["span_id"]);
    assert_eq!(order["parent_span_id"], attempt["span_id"]);
    let made = spans(&sink, TRACE).into_iter().find(|span| span["span_id"] == product["parent_span_id"]);
    let made = made.expect("the span of the call by which it came to product");
    assert!(
        is_kind(&&made, "SPAN_KIND_CLIENT", "order") && made["parent_span_id"] == order["span_id"],
        "{made}"
    );

    let check = |span: &Value, name: &str, attributes: &[(&str, &str)]| {
        assert_eq!(span["name"], name, "{span}");
        for (key, value) in attributes {
            assert_eq!(span["attributes"][key], **value, "{key} of {span}");
        }
        let nanoseconds = |key: &str| span[key].as_str().expect("a time").parse::<u64>().expect("a number");
        assert!(nanoseconds("endTimeUnixNano") >= nanoseconds("startTimeUnixNano"), "{span}");
    };
    check(
        edge,
        "POST /orders",
        &[
            ("http.request.method", "POST"),
            ("http.route", "/orders"),
            ("http.response.status_code", "201"),
            ("url.path", "/orders"),
            ("url.scheme", "http"),
            ("client.address", "127.0.0.1"),
            ("micronet.request_id", "an-order"),
        ],
    );
    let rpc = [("rpc.system", "micronet"), ("rpc.service", "order"), ("rpc.method", "buy")];
    check(
        attempt,
        "order/buy",
        &[&rpc[..], &[("micronet.instance", "order-1"), ("micronet.attempt", "1")]].concat(),
    );
    check(order, "order/buy", &rpc);
    check(product, "product/reserve", &[("rpc.service", "product"), ("rpc.method", "reserve")]);
    assert_eq!(order["resource"]["service.instance.id"], "order-1");
    assert_eq!(order["resource"]["deployment.environment.name"], "test");
    assert_eq!(order["headers"]["x-team"], "blue team");

    let not_sampled = traceparent.replace(TRACE, &TRACE.replace('0', "1")).replace("-01", "-00");
    network.http().request("GET", "/products/Tux", &[("traceparent", &not_sampled)], b"").check(200);
    network.http().request("GET", "/no/where?a=b&token=hidden", &[("X-Request-ID", "last")], b"").check(404);
    let last = until("the last request's span", || {
        let said = sink.stdout();
        let spans = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut of_last = spans.filter(|span| span["attributes"]["micronet.request_id"] == "last");
        of_last.next().ok_or_else(|| sink.said())
    });
    check(&last, "GET", &[("url.path", "/no/where"), ("url.query", "a=b&token=***")]);
    assert!(spans(&sink, &TRACE.replace('0', "1")).is_empty(), "who began the trace doesn't want it kept");
    let page = network.http().get("/metrics").check(200).text();
    assert!(page.contains(r#"micronet_otlp_spans_total{outcome="sent"}"#), "{page}");
}

#[test]
fn a_collector_that_is_away_is_in_nobodys_way() {
    let endpoint = format!("http://127.0.0.1:{}", ports::free());
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "10")];
    let network = Network::start_with(Folder::new(), &["--demo", "toystore"], &environment);
    let mut http = network.http();
    until("spans to be lost and counted", || {
        http.get("/products/Tux").check(200);
        let page = http.get("/metrics").check(200).text();
        let line = page.lines().find(|line| line.starts_with(r#"micronet_otlp_spans_total{outcome="lost"}"#));
        let lost = line.and_then(|line| line.split(' ').next_back()?.parse::<f64>().ok()).unwrap_or(0.0);
        if lost >= 1.0 { Ok(()) } else { Err(format!("{line:?}")) }
    });
}
