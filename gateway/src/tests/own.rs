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
