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
        let services = about["services"].as_array().unwrap();
        let of = |name: &str| services.iter().find(|each| each["service"] == name);
        assert!(of("order").is_some() && of("user").is_some(), "{about}");
        assert_eq!(of("product").unwrap()["instances"][1]["instance"], "product-2");
    }
    assert!(network.command(&["call", "gateway"]).check(0).stdout.contains("about"));
    // It is where the network's file says, too.
    let to = network.gateway_rpc().to_string();
    run(micronet(network.folder().path(), &["call", "--to", &to, "gateway.about"])).check(0);
}

#[test]
fn the_gateway_tells_how_its_instances_are() {
    let network = Network::start("shop");
    let table = network.command(&["instances"]).check(0).stdout;
    for instance in ["user-1", "product-1", "product-2", "order-1"] {
        let row = table.lines().find(|line| line.contains(&format!("  {instance}  "))).unwrap_or("");
        assert!(row.contains("  up  "), "{table}");
    }
    let json = network.command(&["instances", "product", "--json", "--history"]).check(0).stdout;
    let seen: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(seen["seen_by"], "gateway-1");
    assert_eq!(seen["services"][0]["instances"][1]["instance"], "product-2");
    assert!(seen["services"][0]["instances"][1]["history"].as_array().is_some_and(|all| !all.is_empty()));
    // A service sees those that it calls itself.
    let of_order = network.command(&["instances", "--seen-by", "order"]).check(0).stdout;
    assert!(of_order.contains("product-1") && !of_order.contains("order-1"), "{of_order}");
    let refused = network.command(&["instances", "toys"]).check(2).stderr;
    assert!(refused.contains("calls no service \"toys\""), "{refused}");
    let refused = network.command(&["instances", "--anonymous"]).check(5).stderr;
    assert!(refused.contains("network:read"), "{refused}");
}

#[test]
fn the_operator_says_how_instances_are_picked() {
    let network = Network::start("shop");
    let set = |arguments: &[&str]| network.command(&[&["call", "gateway.set_balancer"], arguments].concat());
    let least = r#"{"service":"product","algorithm":"least_connections"}"#;
    assert!(set(&[least, "--anonymous"]).check(5).stderr.contains("balancer:write"));
    assert!(set(&[least]).check(0).stdout.contains("\"acting\":\"least_connections\""));
    let stats = network.http().get("/stats").check(200);
    let services = stats.at("/data/services");
    let product = services.as_array().unwrap().iter().find(|each| each["service"] == "product").unwrap();
    assert_eq!(product["algorithm"], "least_connections");
    let resident = &product["instances"][0]["usage"]["resident_bytes"];
    assert!(resident.as_u64().is_some_and(|bytes| bytes > 1 << 20), "{resident}");
    network.http().get("/algorithm/round_robin").check(401);
}
