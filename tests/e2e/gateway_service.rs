//! The gateway's own service: what may be asked of the gateway itself, over HTTP and RPC.

use micronet_tests::network::Network;
use micronet_tests::process::{micronet, run};

#[test]
fn the_gateway_is_called_like_any_service() {
    let network = Network::start("shop");
    let called = network.command(&["call", "gateway.about"]).check(0).stdout;
    let over_http = network.http().get("/").check(200);
    for about in [serde_json::from_str(&called).unwrap(), over_http.at("/data")] {
        assert_eq!(about["instance"], "gateway-1");
        let names: Vec<_> =
            about["services"].as_array().unwrap().iter().map(|each| &each["service"]).collect();
        assert_eq!(names, ["control", "node", "order", "product", "user"]);
        assert_eq!(about["services"][3]["instances"][1]["instance"], "product-2");
    }
    assert!(network.command(&["call", "gateway"]).check(0).stdout.contains("about"));
    // It is where the network's file says, too.
    let to = network.gateway_rpc().to_string();
    run(micronet(network.folder().path(), &["call", "--to", &to, "gateway.about"])).check(0);
}
