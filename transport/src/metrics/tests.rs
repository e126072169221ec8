//! What a page of metrics says, and that Prometheus' own tool takes it: tests/e2e has that.

use micronet_wire::builtin::builtin_schema;
use micronet_wire::error::Code;

use super::*;

fn page(network: &Network) -> String {
    String::from_utf8(network.metrics().page(network)).unwrap()
}

fn check(page: &str, lines: &[&str]) {
    for line in lines {
        assert!(page.lines().any(|each| each == *line), "{line:?} is missing in:\n{page}");
    }
}

#[test]
fn http_is_counted_by_route_and_status() {
    let network = Network::default();
    let meter = network.metrics().http_broken();
    for (status, ns) in [(400, 40_000), (400, 2_000_000), (413, 20_000_000_000)] {
        meter.answered(status, ns);
    }
    assert!(Rc::ptr_eq(&meter, &network.metrics().http_broken()));
    check(
        &page(&network),
        &[
            "# TYPE http_requests_total counter",
            r#"http_requests_total{endpoint="none",method="none",status="400"} 2"#,
            r#"http_requests_total{endpoint="none",method="none",status="413"} 1"#,
            r#"http_request_duration_seconds_bucket{endpoint="none",method="none",le="0.00005"} 1"#,
            r#"http_request_duration_seconds_bucket{endpoint="none",method="none",le="0.0025"} 2"#,
            r#"http_request_duration_seconds_bucket{endpoint="none",method="none",le="15"} 2"#,
            r#"http_request_duration_seconds_bucket{endpoint="none",method="none",le="+Inf"} 3"#,
            r#"http_request_duration_seconds_count{endpoint="none",method="none"} 3"#,
        ],
    );
}

#[test]
fn calls_are_counted_by_method_and_code() {
    let network = Network::default();
    let schema = builtin_schema();
    let meters = ServerMeters::of(network.metrics(), &schema, &[]);
    let instance = schema.method_named("instance").unwrap().id;
    meters.ended(instance, None, 1_000);
    meters.ended(instance, Some(Code::Overloaded), 1_000);
    meters.ended(instance, Some(Code::Overloaded), 1_000);
    meters.abandoned(instance, 1_000);
    // What a stranger makes up is no label.
    meters.ended(0xdead_beef, Some(Code::UnknownMethod), 1_000);
    check(
        &page(&network),
        &[
            r#"micronet_rpc_server_requests_total{code="OK",method="instance",service="micronet"} 1"#,
            r#"micronet_rpc_server_requests_total{code="OVERLOADED",method="instance",service="micronet"} 2"#,
            r#"micronet_rpc_server_requests_total{code="ABANDONED",method="instance",service="micronet"} 1"#,
            r#"micronet_rpc_server_requests_total{code="OK",method="schema",service="micronet"} 0"#,
            r#"micronet_rpc_server_requests_total{code="UNKNOWN_METHOD",method="unknown",service="unknown"} 1"#,
            r#"micronet_rpc_server_duration_seconds_count{method="instance",service="micronet"} 4"#,
        ],
    );
}

#[test]
fn connections_and_the_process_are_as_they_are_now() {
    let network = Network::default();
    let (one, _two) = (network.metrics().connection("rpc"), network.metrics().connection("rpc"));
    check(&page(&network), &[r#"micronet_connections{protocol="rpc"} 2"#]);
    drop(one);
    let page = page(&network);
    check(&page, &[r#"micronet_connections{protocol="rpc"} 1"#, "# TYPE process_cpu_seconds_total counter"]);
    assert_eq!(network.metrics().connections(), 1);
    let version = format!("micronet_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    check(&page, &[&version]);
}
