//! What a network counts, by the judgement of Prometheus itself: its tool takes every page, its server finds and reads all, and what is
//! deployed with it (tools/deploy) says what it should.

mod dashboards;
mod rules;
mod server;

use std::io::Write;
use std::process::{Command, Stdio};

use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;

use self::server::Prometheus;
use crate::external::has;

/// Who has a page of metrics in the network of these tests, besides others.
const INSTANCES: [&str; 5] = ["gateway-1", "order-1", "product-1", "product-2", "user-1"];

/// Some of everything that is counted.
fn traffic(network: &Network) {
    let mut http = network.http();
    for _ in 0..5 {
        http.get("/products/Tux").check(200);
    }
    http.get("/products/Nothing").check(404);
    http.post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    http.get("/orders/log").check(401);
    let _ = network.command(&["call", "product.query", r#"{"name":"Tux"}"#]).check(0);
}

#[test]
fn promtool_takes_every_page() {
    let network = Network::start("shop");
    if !has("promtool") {
        return;
    }
    traffic(&network);
    let ports = INSTANCES.map(|instance| network.address(instance));
    for port in ports.into_iter().chain([network.gateway_rpc()]) {
        let answer = HttpClient::connect(port).get("/metrics").check(200);
        assert_eq!(answer.header("Content-Type"), Some("text/plain; version=0.0.4"), "{}", answer.shown());
        let mut promtool = Command::new("promtool");
        promtool
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut checking = promtool.spawn().expect("promtool runs");
        let page = answer.text();
        checking.stdin.take().expect("its stdin").write_all(page.as_bytes()).expect("it reads");
        let judged = checking.wait_with_output().expect("it ends");
        let words = [judged.stdout, judged.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert!(judged.status.success() && words.iter().all(String::is_empty), "{words:?} of {page}");
    }
}

#[test]
fn ops_pages_are_on_every_port() {
    let network = Network::start("shop");
    for instance in INSTANCES {
        let mut http = HttpClient::connect(network.address(instance));
        let health = http.get("/health").check(200);
        assert_eq!((health.at("/status"), health.at("/instance")), ("healthy".into(), instance.into()));
        assert_eq!(health.at("/checks/redis/status"), "not configured");
        let database = if instance == "gateway-1" { "not configured" } else { "healthy" };
        assert_eq!(health.at("/checks/database/status"), database, "{instance}");
        let counted = http.get("/metrics").check(200).text().contains("\nactive_database_connections ");
        assert_eq!(counted, database == "healthy", "{instance}");
        assert_eq!(http.get("/ready").check(200).at("/status"), "ready");
        assert_eq!(http.get("/alive").check(200).at("/status"), "alive");
        http.post("/health", "").check(405);
    }
    // They are described with the rest.
    let described = network.http().get("/openapi.json").json();
    assert!(described["paths"]["/health"].is_object() && described["paths"]["/stats"].is_object());
}

#[test]
fn a_real_prometheus_finds_and_reads_all() {
    if !has("prometheus") || !has("curl") {
        return;
    }
    let network = Network::start("shop");
    let prometheus = Prometheus::start(&network);
    until("all targets to be up", || {
        let targets = prometheus.ask("/api/v1/targets", "")?;
        let active = targets["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
        let are_up = active.iter().all(|target| target["health"] == "up");
        let names = |instance| active.iter().any(|target| target["labels"]["instance"] == instance);
        if are_up && INSTANCES.into_iter().all(names) { Ok(()) } else { Err(targets.to_string()) }
    });
    let query =
        "sum(rate(http_requests_total{job=\"gateway\",endpoint=\"/products/{name}\",status=\"200\"}[10s]))";
    let rate = until("a rate of requests", || {
        traffic(&network);
        prometheus.value(query).and_then(|rate| if rate > 0.0 { Ok(rate) } else { Err(rate.to_string()) })
    });
    assert!(rate < 1e6, "{rate}");
    for query in [
        "sum(rate(micronet_rpc_server_requests_total{job=\"product\",method=\"query\",code=\"OK\"}[10s]))",
        "sum(rate(micronet_rpc_client_requests_total{job=\"gateway\",peer=\"product-1\"}[10s]))",
        "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[10s])))",
        "sum(micronet_instance_state{job=\"gateway\",state=\"up\"})",
    ] {
        until(query, || {
            prometheus
                .value(query)
                .and_then(|value| if value > 0.0 { Ok(()) } else { Err(value.to_string()) })
        });
    }
}
