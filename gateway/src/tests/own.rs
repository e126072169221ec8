//! The gateway's own service: on its HTTP port beside what it routes, and on its RPC port.

use micronet_transport::client::Client;
use micronet_transport::upstream::fetch_schema;
use micronet_wire::network::InstanceState;
use micronet_wire::service::CallOptions;

use super::*;
use crate::api::GatewayClient;

#[test]
fn the_gateway_answers_for_itself_over_http() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let about = ["200 OK", "\"name\":\"micronet\"", "\"instance\":\"things-1\"", "\"state\":\"Up\""];
        check(&gateway, "GET / HTTP/1.1", &about).await;
        check(&gateway, "GET / HTTP/1.1", &["X-Micronet-Instance: gateway-1", "\"cluster\":\"test\""]).await;
        check(&gateway, "PUT / HTTP/1.1", &["405 ", "Allow: GET, HEAD, OPTIONS"]).await;
        check(&gateway, "GET /openapi.json HTTP/1.1", &["\"gateway.about\"", "\"things.get\""]).await;
        // What it routes is still there.
        check(&gateway, "GET /things/cup HTTP/1.1", &["200 OK", "X-Micronet-Instance: things-1"]).await;
    });
}

const BROWSER: &str = "\nAccept: text/html,application/xhtml+xml,*/*;q=0.8";

#[test]
fn browsers_get_the_dashboard() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let page =
            ["200 OK", "<!doctype html>", "Vary: Accept", "script-src 'self'", "Cache-Control: no-cache"];
        check(&gateway, &format!("GET / HTTP/1.1{BROWSER}"), &page).await;
        let raw = |method: &str| format!("{method} / HTTP/1.1\r\nHost: test\r\nAccept: text/html\r\n\r\n");
        let page = exchange(&gateway, &raw("GET")).await;
        let tag = page.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("it has a tag").trim();
        let again = format!("GET / HTTP/1.1{BROWSER}\nIf-None-Match: {tag}");
        check(&gateway, &again, &["304 Not Modified"]).await;
        let head = exchange(&gateway, &raw("HEAD")).await;
        assert!(head.contains("text/html") && !head.contains("<!doctype"), "{head}");
        // What the API says of itself is where it was, and differs by what is accepted.
        check(&gateway, "GET / HTTP/1.1", &["200 OK", "\"dashboard\":\"/dashboard\"", "Vary: Accept"]).await;
        check(&gateway, "GET /dashboard/main.js HTTP/1.1", &["200 OK", "text/javascript", "import "]).await;
        check(&gateway, "GET /dashboard/other.js HTTP/1.1", &["404 ", "ROUTE_NOT_FOUND"]).await;
        check(&gateway, "PUT /dashboard/main.js HTTP/1.1", &["405 ", "Allow: GET, HEAD, OPTIONS"]).await;
    });
}

#[test]
fn the_gateway_answers_for_itself_over_rpc() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (_trigger, drain) = channel();
        let serving = server::serve(listener, gateway.service(), identity("gateway"), drain);
        tokio::task::spawn_local(serving);
        let client = Client::connect(address, &identity("tool")).await.unwrap();
        let hello = client.ready().await.unwrap();
        let schema = fetch_schema(&client, hello.schema.unwrap()).await.unwrap();
        assert_eq!(schema.schema().name, "gateway");
        let about = GatewayClient::new(client).about(CallOptions::default()).await.unwrap();
        assert_eq!(about.instance, "gateway-1");
        let service = &about.services[0];
        assert_eq!((service.service.as_str(), service.instances.len()), ("things", 1));
        assert_eq!(service.instances[0].state, InstanceState::Up);
    });
}

const OPERATOR: &str = "\nAuthorization: Bearer sesame";

#[test]
fn what_passes_is_measured() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        for _ in 0..3 {
            check(&gateway, "GET /things/cup HTTP/1.1", &["200 OK"]).await;
        }
        check(&gateway, "GET /things/panic HTTP/1.1", &["500 "]).await;
        let stats = [
            "200 OK",
            "\"lately\":{\"requests\":4,",
            "\"errors\":1,\"error_percent\":25.00,",
            "\"service\":\"things\",\"algorithm\":\"round_robin\"",
            "\"distribution\":{\"fairness\":1.0000,\"variation\":0.0000}",
            "\"share_percent\":100.00,\"fair_percent\":100.00",
            "\"name\":\"http\",\"percent\":100.00",
            "\"name\":\"loopback\",\"percent\":100.00",
            "\"usage\":{\"instance\":\"things-1\"",
        ];
        check(&gateway, "GET /stats HTTP/1.1", &stats).await;
        let metrics = [
            "Content-Type: text/plain; version=0.0.4\r\n",
            "http_requests_total{endpoint=\"/things/{name}\",method=\"GET\",status=\"200\"} 3\n",
            "http_requests_total{endpoint=\"/things/{name}\",method=\"GET\",status=\"500\"} 1\n",
            "micronet_rpc_client_requests_total{code=\"OK\",method=\"get\",peer=\"things-1\",service=\"things\"} 3\n",
            "micronet_instance_state{peer=\"things-1\",service=\"things\",state=\"up\"} 1\n",
        ];
        check(&gateway, "GET /metrics HTTP/1.1", &metrics).await;
        // A path that a stranger makes up is no label.
        check(&gateway, "GET /no/such/path HTTP/1.1", &["404 "]).await;
        let nowhere = "http_requests_total{endpoint=\"none\",method=\"GET\",status=\"404\"} 1\n";
        check(&gateway, "GET /metrics HTTP/1.1", &[nowhere]).await;
    });
}

#[test]
fn who_may_says_how_instances_are_picked() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let put = |headers: &str, service: &str, algorithm: &str| {
            let json = "\nContent-Type: application/json\n\n";
            format!("PUT /api/v1/balancer/{service} HTTP/1.1{headers}{json}{{\"algorithm\":\"{algorithm}\"}}")
        };
        check(&gateway, &put("", "things", "p2c_ewma"), &["401 "]).await;
        check(&gateway, "GET /api/v1/balancer/things HTTP/1.1", &["\"algorithm\":\"round_robin\""]).await;
        check(&gateway, &put(OPERATOR, "things", "p2c_ewma"), &["200 OK", "\"acting\":\"p2c_ewma\""]).await;
        check(
            &gateway,
            "GET /api/v1/balancer HTTP/1.1",
            &["\"algorithm\":\"p2c_ewma\"", "\"name\":\"ip_hash\""],
        )
        .await;
        check(&gateway, &put(OPERATOR, "toys", "p2c_ewma"), &["404 ", "NO_SUCH_SERVICE"]).await;
        check(
            &gateway,
            &put(OPERATOR, "things", "dice"),
            &["422 ", "\"field\":\"algorithm\"", "round_robin"],
        )
        .await;
        // The lab has no nodes here.
        check(&gateway, "GET /algorithm/least_connections HTTP/1.1", &["401 "]).await;
        let lab = format!("GET /algorithm/least_connections HTTP/1.1{OPERATOR}");
        check(&gateway, &lab, &["404 ", "\"service\":\"node\""]).await;
    });
}

#[test]
fn instances_and_targets_are_those_that_are_called() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        check(&gateway, "GET /api/v1/instances HTTP/1.1", &["401 "]).await;
        let instances = |query: &str| format!("GET /api/v1/instances{query} HTTP/1.1{OPERATOR}");
        let one = ["\"seen_by\":\"gateway-1\"", "\"instance\":\"things-1\"", "\"history\":[]"];
        check(&gateway, &instances(""), &one).await;
        check(&gateway, &instances("?history=true"), &["\"history\":[{\"at\":"]).await;
        check(&gateway, &instances("?service=toys"), &["\"services\":[]"]).await;
        let targets = [
            "Content-Type: application/json\r\n",
            "\r\n\r\n[{\"targets\":[\"127.0.0.1:",
            "\"__scheme__\":\"http\",\"__meta_micronet_cluster\":\"test\",\"__meta_micronet_service\":\"things\"",
            "\"__meta_micronet_instance\":\"things-1\"}}]\n",
        ];
        check(&gateway, "GET /api/v1/targets HTTP/1.1", &targets).await;
        check(&gateway, "POST /api/v1/targets HTTP/1.1", &["405 "]).await;
    });
}
