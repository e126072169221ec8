//! `micronet tasks`: what the processes of a real network are doing, while a request hangs in one of them.

use std::io::Write;
use std::net::TcpStream;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{micronet, run};
use serde_json::Value;

const REQUEST_ID: &str = "sleeper";

/// What a process says of itself.
#[track_caller]
fn seen(network: &Network, target: &str) -> Value {
    let said = network.command(&["tasks", target, "--json"]).check(0).stdout;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The request that hangs, as a process sees it on that side of a call.
#[track_caller]
fn hangs(network: &Network, target: &str, kind: &str) -> Value {
    until("the request to hang", || {
        let seen = seen(network, target);
        let under_way = seen["under_way"].as_array().expect("requests");
        let found = under_way.iter().find(|each| each["request_id"] == REQUEST_ID && each["kind"] == kind);
        found.cloned().ok_or_else(|| seen.to_string())
    })
}

/// How many tasks a process has for this.
fn tasks(seen: &Value, name: &str) -> u64 {
    let kinds = seen["kinds"].as_array().expect("kinds");
    let found = kinds.iter().find(|kind| kind["name"] == name);
    found.and_then(|kind| kind["tasks"].as_u64()).unwrap_or_default()
}

#[test]
fn a_process_tells_its_tasks_and_which_request_hangs_where() {
    let network = Network::start_in(Folder::new(), &["--demo", "toystore", "--port", "product=0"]);
    network.command(&["fault", "latency", "product-1", "50s", "--for", "1h"]).check(0);
    let mut client = TcpStream::connect(network.gateway()).expect("the gateway is there");
    write!(client, "GET /products/Tux HTTP/1.1\r\nHost: a\r\nX-Request-ID: {REQUEST_ID}\r\n\r\n")
        .expect("it reads");

    // The gateway waits for the instance, and knows for how long.
    let edge = hangs(&network, "gateway-1", "Edge");
    assert_eq!(
        (&edge["http"], &edge["waits_for"]),
        (&"GET /products/{name}".into(), &"product-1".into()),
        "{edge}"
    );
    assert_eq!((&edge["service"], &edge["method"]), (&"product".into(), &"query".into()), "{edge}");
    assert!(edge["waits_us"].as_u64() <= edge["age_us"].as_u64(), "{edge}");
    // The handler sleeps at the instance.
    let served = hangs(&network, "product-1", "Served");
    assert_eq!((&served["method"], &served["from"]), (&"query".into(), &"gateway-1".into()), "{served}");
    assert_eq!(served["waits_for"], "", "{served}");

    // Whose tasks they are.
    let (gateway, product) = (seen(&network, "gateway-1"), seen(&network, "product"));
    assert!(tasks(&gateway, "connection") >= 1 && tasks(&gateway, "dialled connection") >= 1, "{gateway}");
    assert!(tasks(&product, "connection") >= 1 && tasks(&product, "purge") == 1, "{product}");
    let named: u64 =
        product["kinds"].as_array().expect("kinds").iter().filter_map(|kind| kind["tasks"].as_u64()).sum();
    let all = product["runtime"]["tasks"].as_u64().expect("a number");
    assert!(named <= all && all <= named + 10, "only libraries have tasks without a name: {product}");
    let counts = |seen: &Value, name: &str| seen["runtime"][name].as_u64().expect("a count");
    let later = seen(&network, "product-1");
    for name in ["busy_us", "parks"] {
        assert!(counts(&product, name) < counts(&later, name), "{name}: {product} {later}");
    }
    // By its id it is the same process.
    let pid = product["pid"].to_string();
    assert_eq!(seen(&network, &pid)["instance"], "product-1");

    // For people.
    let said = network.command(&["tasks", "gateway"]).check(0).stdout;
    for words in [
        "gateway-1, process ",
        "% of the time",
        "GET /products/{name} → product.query",
        "product-1, ",
        REQUEST_ID,
    ] {
        assert!(said.contains(words), "{words:?} is missing in {said}");
    }
    check_stacks(&network, product["tells_stacks"] == true);

    refused(&network);
}

/// Where tasks wait is told by a program that was built for it; else it is said how to build one.
fn check_stacks(network: &Network, tells: bool) {
    let said = network.command(&["tasks", "product-1", "--stacks"]);
    if !tells {
        let said = said.check(1);
        assert!(said.stdout.contains("handles product.query"), "{said:?}");
        assert!(said.stderr.contains("cargo build --release --features taskdump"), "{said:?}");
        return;
    }
    let said = said.check(0).stdout;
    for words in
        ["× connection", "× purge", "transport/src/server/rpc.rs:", "transport/src/faults.rs:", "tokio"]
    {
        assert!(said.contains(words), "{words:?} is missing in {said}");
    }
    // It has done no harm: the request hangs as before, and others are answered.
    hangs(network, "product-1", "Served");
}

/// Who has no token learns nothing, and what isn't there isn't asked.
fn refused(network: &Network) {
    let stranger = Folder::new();
    let address = network.address("product-1").to_string();
    let said = run(micronet(stranger.path(), &["tasks", &address, "--json"]));
    assert!(said.code != Some(0) && said.stdout.is_empty(), "{said:?}");
    assert!(said.stderr.contains("only its operator may ask"), "{said:?}");
    let own = std::process::id().to_string();
    for (target, words) in
        [(&*own, "is none of the network"), ("nobody", "neither an instance nor a service")]
    {
        let said = network.command(&["tasks", target]).check(2);
        assert!(said.stderr.contains(words), "{said:?}");
    }
}
