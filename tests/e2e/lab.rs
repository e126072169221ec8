//! The load-balancing lab: a gateway and nodes that answer as well or as badly as they are told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::process::{micronet, run};
use serde_json::{Value, json};

use crate::envelope::check_envelope;

mod compare;

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

fn lab() -> Network {
    Network::start_in(Folder::new(), &["--profile", "lab"])
}

/// The nodes as `lab load --json` has them.
#[track_caller]
fn loads(network: &Network, arguments: &[&str]) -> Value {
    let shown = network.command(&[&["lab", "load", "--json"], arguments].concat()).check(0);
    serde_json::from_str(&shown.stdout).expect("JSON")
}

#[test]
fn the_gateway_spreads_requests_over_nodes_with_different_loads() {
    let mut network = lab();
    let said = network.up().stdout();
    for word in ["profile: lab", "/request", "lab load node-2 --slower 10"] {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
    let mut http = network.http();
    let mut seen = BTreeSet::new();
    let mut loads_seen = BTreeSet::new();
    for _ in 0..12 {
        let answer = http.get("/request").check(200);
        check_envelope(&answer);
        let instance = answer.at("/data/instance").as_str().expect("a name").to_owned();
        assert_eq!(answer.header("X-Micronet-Instance"), Some(instance.as_str()));
        loads_seen.insert(answer.at("/data/load").to_string());
        seen.insert(instance);
    }
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), NODES);
    assert_eq!(loads_seen.len(), 3, "the nodes have the same load: {loads_seen:?}");
    let counted = loads(&network, &[]);
    let requests: u64 = (0..3).filter_map(|at| counted[at]["requests"].as_u64()).sum();
    assert_eq!(requests, 12, "{counted}");
}

#[test]
fn a_node_answers_on_its_own_port() {
    let network = lab();
    for node in NODES {
        let mut http = HttpClient::connect(network.address(node));
        assert_eq!(http.get("/").check(200).at("/data/message"), format!("Hello from {node}"));
        let data = http.get("/api/data").check(200);
        assert_eq!(data.at("/data/instance"), node, "{}", data.shown());
        assert!(data.at("/data/took_us").as_u64().is_some_and(|took| took > 0), "{}", data.shown());
        assert_eq!(http.get("/api/v1/load").check(200).at("/data/requests"), 1);
    }
}

#[test]
fn a_load_is_set_over_http_by_whom_it_is_allowed() {
    let network = lab();
    let operator = format!("Bearer {}", network.folder().operator_token());
    let mut http = HttpClient::connect(network.address("node-2"));
    let mut put = |body: &Value, authorized: bool| {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(authorized.then_some(("Authorization", operator.as_str())));
        http.request("PUT", "/api/v1/load", &headers, body.to_string().as_bytes())
    };
    let change = json!({ "work_us": 0, "delay": { "Fixed": { "us": 20_000 } }, "payload_bytes": 7 });
    assert_eq!(put(&change, false).check(401).at("/error/code"), "UNAUTHENTICATED");
    let set = put(&change, true).check(200);
    assert_eq!(set.at("/data/load/delay/Fixed/us"), 20_000, "{}", set.shown());
    // What is left out stays as it is.
    assert_eq!(put(&json!({ "slower": 3 }), true).check(200).at("/data/load/payload_bytes"), 7);
    put(&json!({ "slower": 0 }), true).check(422);
    put(&json!({ "errors_per_mille": 1_001 }), true).check(422);

    let began = Instant::now();
    let data = HttpClient::connect(network.address("node-2")).get("/api/data").check(200);
    assert!(began.elapsed() >= Duration::from_millis(60), "three times as long as 20 ms");
    assert_eq!(data.at("/data/payload"), "xxxxxxx");
    let answered = HttpClient::connect(network.address("node-2")).get("/request").check(200);
    assert_eq!(answered.at("/data/load/slower"), 3);

    put(&json!({ "errors_per_mille": 1_000 }), true).check(200);
    let failed = HttpClient::connect(network.address("node-2")).get("/api/data").check(500);
    check_envelope(&failed);
    assert_eq!(failed.at("/error/code"), "INTERNAL");
    assert_eq!(loads(&network, &["node-2"])[0]["failed"], 1);
}

#[test]
fn a_load_is_set_from_the_command_line() {
    let network = lab();
    let first = loads(&network, &[]);
    assert_eq!(first.as_array().map(Vec::len), Some(3));
    let set = loads(&network, &["node-2", "--slower", "10"]);
    assert_eq!((&set[0]["instance"], &set[0]["load"]["slower"]), (&json!("node-2"), &json!(10)));
    let shown = network.command(&["lab", "load"]).check(0).stdout;
    let row = shown.lines().find(|line| line.starts_with("node-2")).expect("its row");
    assert!(row.contains("10 x"), "{shown}");
    let flags = ["node-1", "node-3", "--delay", "lognormal:4ms,0.5", "--errors", "50", "--flap", "500"];
    let set = loads(&network, &flags);
    for at in 0..2 {
        let delay = json!({ "Lognormal": { "median_us": 4_000, "sigma": 0.5 } });
        assert_eq!(set[at]["load"]["delay"], delay, "{set}");
        assert_eq!(
            (&set[at]["load"]["errors_per_mille"], &set[at]["load"]["flap_ms"]),
            (&json!(50), &json!(500))
        );
    }
    loads(&network, &["node-1", "node-2", "node-3", "--reset"]);
    assert_eq!(loads(&network, &[]), first);

    let refused = |arguments: &[&str], word: &str| {
        let refused = network.command(&[&["lab", "load"], arguments].concat()).check(2);
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    };
    refused(&["node-9"], "node-1, node-2, node-3");
    refused(&["--slower", "10"], "which node");
    refused(&["node-1", "--delay", "weibull:1ms"], "no distribution");
    refused(&["node-1", "--slower", "0"], "--slower");
    let nowhere = Folder::new();
    let refused = run(micronet(nowhere.path(), &["lab", "load"])).check(2);
    assert!(refused.stderr.contains("up --profile lab"), "{}", refused.stderr);
}
