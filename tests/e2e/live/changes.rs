//! What is told when an instance is killed, comes back, and is operated.

use micronet_tests::network::Network;
use serde_json::Value;

use super::reader::{CLIENT, MANAGER, Reader, bearer};

#[test]
fn an_instance_that_is_killed_is_seen_and_so_is_that_it_comes_back() {
    let network = Network::start_to_kill("shop");
    let mut reader = Reader::open(&network, CLIENT);
    let up = |reader: &Reader| {
        let instance = reader.instance("user-1");
        (instance["process"] == "Running" && instance["health"] == "Up").then(|| instance["pid"].clone())
    };
    let pid = reader.until("user-1 to be up", up);
    assert_eq!(reader.service("user")["status"], "RUNNING");
    network.kill("user-1");
    reader.until("its death", |reader| (reader.instance("user-1")["process"] == "Stopped").then_some(()));
    assert_eq!(reader.instance("user-1")["pid"], Value::Null);
    let died = reader.event("Process", "user-1", "died: signal: 9 (SIGKILL)").expect("its death is told");
    assert_eq!(died["severity"], "Warning");
    assert_eq!(reader.service("user")["status"], "STOPPED");
    assert!(reader.event("Instance", "user", "the service is STOPPED").is_some());
    for (kind, subject) in [("InstanceUnhealthy", "user-1"), ("ServiceUnhealthy", "user")] {
        let active =
            |reader: &Reader| reader.alert(kind, subject).filter(|alert| alert["active"] == true).cloned();
        let alert = reader.until("an alert", active);
        assert!(alert["words"].as_str().is_some_and(|words| words.contains("SIGKILL")), "{alert}");
        assert!(reader.event("Alert", subject, "alert: ").is_some());
    }

    network.command(&["start", "user-1"]).check(0);
    let again = reader.until("user-1 to be up again", up);
    assert_ne!(again, pid);
    assert_eq!(reader.service("user")["status"], "RUNNING");
    assert!(reader.event("Process", "user-1", "is running").is_some());
    let told = reader
        .until("what the operator did", |reader| reader.event("Operator", "user-1", "start user-1").cloned());
    assert_eq!(told["who"], "operator");
    reader.until("the end of the alert", |reader| {
        let alert = reader.alert("ServiceUnhealthy", "user")?;
        (alert["active"] == false && alert["until"].is_string()).then_some(())
    });
    // Who comes now hears the same as who has heard all that has changed.
    let other = Reader::open(&network, CLIENT);
    reader.until("the same", |reader| (reader.lasting() == other.lasting()).then_some(()));
    assert_eq!(reader.lost, 0);
}

#[test]
fn what_passes_is_told_by_the_second_and_remembered() {
    let network = Network::start("shop");
    let mut reader = Reader::open(&network, CLIENT);
    let mut http = network.http();
    (0..20).for_each(|_| drop(http.get("/products/Tux").check(200)));
    reader.until("requests", |reader| {
        let service = reader.service("product");
        (service["per_s"].as_u64()? > 0 && service["p95_ms"].as_f64()? > 0.0).then_some(())
    });
    reader.until("all of them", |reader| (reader.totals()["requests"].as_u64()? >= 20).then_some(()));
    reader.until("who was called", |reader| {
        let shares = ["product-1", "product-2"].map(|name| reader.instance(name)["share_percent"].as_f64());
        shares.into_iter().all(|share| share.is_some_and(|share| share >= 40.0)).then_some(())
    });
    assert!(reader.instance("product-1")["resident_bytes"].as_u64() > Some(1 << 20));
    // The gateway's links, and those of services.
    reader.until("links", |reader| {
        let lasting = reader.lasting();
        let has = |name: &str| lasting.contains_key(&("links", name.to_owned()));
        (has("\"gateway-1\" \"product-1\"") && has("\"order-1\" \"product-2\"")).then_some(())
    });
    let bearer = bearer(&network, CLIENT);
    let mut ask = |path: &str| {
        let path = format!("/api/v1/control/history{path}");
        http.request("GET", &path, &[("Authorization", &bearer)], b"")
    };
    for whose in ["", "?service=product", "?instance=product-1"] {
        let history = ask(whose).check(200);
        assert_eq!(history.at("/data/step_s"), 1);
        let points = history.at("/data/points");
        let points = points.as_array().expect("points");
        assert!(points.iter().any(|point| point["per_s"].as_f64() > Some(0.0)), "{whose}: {points:?}");
        assert!(points.windows(2).all(|two| two[0]["at"].as_str() < two[1]["at"].as_str()));
    }
    assert_eq!(ask("?since_s=3600").check(200).at("/data/step_s"), 10);
    ask("?service=nobody").check(404);
    ask("?since_s=0").check(422);
}

#[test]
fn what_operators_do_is_told_whoever_they_are_and_however_it_ended() {
    let network = Network::start("shop");
    let mut reader = Reader::open(&network, CLIENT);
    let (mut http, bearer) = (network.http(), bearer(&network, MANAGER));
    let bearer = ("Authorization", &*bearer);
    let json = ("Content-Type", "application/json");
    let fail = "/api/v1/control/processes/user/fail";
    http.request("POST", fail, &[("X-Request-ID", "by-hand"), bearer, json], b"{}").check(409);
    http.request("POST", fail, &[bearer, json], br#"{"force":true}"#).check(200);
    reader.until("the service to be blocked", |reader| {
        (reader.service("user")["status"] == "STOPPED (BLOCKED)").then_some(())
    });
    let refused = reader.event("Operator", "user", "fail user failed: user would have no healthy instance");
    let refused = refused.expect("that it was refused is told");
    assert_eq!((&refused["severity"], &refused["request_id"]), (&"Warning".into(), &"by-hand".into()));
    assert!(refused["who"].as_str().is_some_and(|who| who.starts_with("user/")), "{refused}");
    assert!(reader.event("Fault", "user", "fault 1 begins: user is failed").is_some());
    http.request("POST", "/api/v1/control/processes/user/recover", &[bearer], b"").check(200);
    reader.until("it to be over", |reader| {
        (reader.service("user")["running"] == true && reader.event("Fault", "user", "is over").is_some())
            .then_some(())
    });
    let algorithm = br#"{"algorithm":"p2c_ewma"}"#;
    http.request("PUT", "/api/v1/balancer/product", &[bearer, json], algorithm).check(200);
    reader.until("another algorithm", |reader| reader.event("Balancer", "product", "p2c_ewma").map(drop));
    assert_eq!(reader.service("product")["algorithm"], "p2c_ewma");
}
