//! `micronet load`: what is asked is asked as often as told, and what goes wrong is seen.

mod stub;

use std::fs;
use std::thread;
use std::time::Duration;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Finished, Process, micronet, run};
use micronet_tests::server::Server;
use rustix::process::Signal;
use serde_json::{Value, json};

use self::stub::Stub;

/// More connections than a test makes.
const ANY: usize = 10_000;

/// Loads without a network.
fn load(arguments: &[&str]) -> Finished {
    run(micronet(Folder::new().path(), &[&["load"], arguments].concat()))
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).expect("the results are JSON")
}

/// The row of a target.
fn row<'r>(results: &'r Value, name: &str) -> &'r Value {
    let rows = results["rows"].as_array().expect("rows");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {results}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_closed_loop_asks_exactly_as_often_as_told() {
    let stub = Stub::start(ANY);
    let results = json_of(&load(&["-n", "137", "-c", "5", &stub.target("GET", "/ok"), "--json"]).check(0));
    let all = &results["rows"][0];
    assert_eq!((&all["requests"], &all["good"], &all["bytes"]), (&137.into(), &137.into(), &274.into()));
    assert_eq!((&results["clients"], &results["loop"]["kind"]), (&5.into(), &"closed".into()));
    assert_eq!((stub.requests("/ok"), stub.connections()), (137, 5), "{results}");
    let windows = results["windows"].as_array().expect("windows");
    assert_eq!(windows.iter().map(|window| number(&window["answers"])).sum::<f64>(), 137.0, "{results}");
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let network = Network::start("toystore");
    for arrivals in ["fixed", "poisson"] {
        let arguments = ["load", "--rate", "100", "--duration", "2s", "--arrivals", arrivals, "--seed", "7"];
        let arguments = [&arguments[..], &["/products/Tux", "--json", "--max-errors", "0"]].concat();
        let results = json_of(&network.command(&arguments).check(0));
        let row = row(&results, "GET /products/Tux");
        let requests = number(&row["requests"]);
        assert_eq!((&row["good"], &row["never_sent"]), (&row["requests"], &0.into()), "{results}");
        match arrivals {
            "fixed" => assert_eq!(requests, 200.0, "{results}"),
            // Four standard deviations; and the seed gives the same number again.
            _ => assert!((143.0..257.0).contains(&requests), "{results}"),
        }
        // The schedule is not run through faster than it was written.
        assert!(number(&results["elapsed_s"]) >= 1.8, "{results}");
        assert_eq!(results["loop"], json!({ "kind": "open", "rate_per_s": 100.0, "arrivals": arrivals }));
        assert_eq!(row["instances"].as_object().map(serde_json::Map::len), Some(2), "{results}");
    }
}

#[test]
fn failures_are_counted_by_their_kind_and_nothing_is_sent_twice() {
    let check = |connections_max: usize, method: &str, path: &str, timeout: &str, wanted: Value| {
        let stub = Stub::start(connections_max);
        let target = format!("{} {{\"a\":1}}", stub.target(method, path));
        let arguments = ["-n", "5", "-c", "1", &target, "--json", "--timeout", timeout];
        let finished = load(&arguments);
        let results = json_of(&finished);
        let row = &results["rows"][0];
        assert_eq!((&row["requests"], &row["errors"]), (&5.into(), &wanted), "{path}: {results}");
        let answered = wanted.as_object().is_some_and(|kinds| {
            kinds.keys().all(|kind| kind.starts_with(|first: char| first.is_ascii_digit()))
        });
        // Errors alone are no failure of the command, but silence is.
        assert_eq!(finished.code, Some(i32::from(!answered)), "{path}: {}", finished.stderr);
        let sent = 5 - wanted["no connection"].as_u64().unwrap_or(0);
        assert_eq!(stub.requests_of_at_least(path, sent), sent, "{path}: {results}");
    };
    check(ANY, "GET", "/missing", "30s", json!({ "404": 5 }));
    check(ANY, "GET", "/busy", "30s", json!({ "503 STUB": 5 }));
    check(ANY, "POST", "/reset", "30s", json!({ "connection reset": 5 }));
    check(ANY, "GET", "/silent", "50ms", json!({ "no answer in time": 5 }));
    check(1, "POST", "/reset", "30s", json!({ "connection reset": 1, "no connection": 4 }));
}

#[test]
fn what_finds_no_client_in_time_was_never_sent() {
    let stub = Stub::start(ANY);
    let flags = ["--rate", "100", "-d", "1s", "-c", "2", "--timeout", "200ms", "--json", "--fail-if-errors"];
    let results = json_of(&load(&[&flags[..], &[&stub.target("GET", "/silent")]].concat()).check(1));
    let row = &results["rows"][0];
    let (timed_out, never_sent) = (&row["errors"]["no answer in time"], &row["never_sent"]);
    assert_eq!((&row["requests"], &row["errors"]["never sent"]), (&100.into(), never_sent), "{results}");
    assert_eq!(number(timed_out) + number(never_sent), 100.0, "{results}");
    assert!(number(never_sent) >= 50.0, "two clients wait 200 ms each time: {results}");
    let timed_out = timed_out.as_u64().unwrap_or(0);
    assert_eq!(stub.requests_of_at_least("/silent", timed_out), timed_out, "{results}");
    assert_eq!(results["bounds"][0]["kept"], false, "{results}");
}

#[test]
fn a_mix_is_asked_by_its_weights_and_a_seed_repeats_it() {
    let stub = Stub::start(ANY);
    let (a, b) = (format!("70:{}", stub.target("GET", "/a")), format!("30:{}", stub.target("GET", "/b")));
    let counts = |seed: &str| {
        let results = json_of(&load(&["-n", "1000", &a, &b, "--seed", seed, "--json"]).check(0));
        let rows = results["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), 3, "{results}");
        assert_eq!(rows[2]["requests"], 1000, "{results}");
        [0, 1].map(|place| number(&rows[place]["requests"]))
    };
    let first = counts("7");
    assert_eq!(first.iter().sum::<f64>(), 1000.0);
    // Four standard deviations.
    assert!((642.0..758.0).contains(&first[0]), "{first:?}");
    assert_eq!([stub.requests("/a"), stub.requests("/b")].map(|count| count as f64), first);
    assert_eq!(counts("7"), first);
    assert_ne!(counts("8"), first);
}

#[test]
fn a_call_counts_as_a_request_does() {
    let network = Network::start("toystore");
    let check = |target: &str, flags: &[&str], good: u64, errors: Value| {
        let arguments = [&["load", "-n", "200", "--json", target][..], flags].concat();
        let results = json_of(&network.command(&arguments).check(0));
        let row = &results["rows"][0];
        assert_eq!((&row["requests"], &row["good"]), (&200.into(), &good.into()), "{results}");
        assert_eq!(row["errors"], errors, "{results}");
        let instances = row["instances"].as_object().expect("instances");
        let answers: f64 = instances.values().map(number).sum();
        (answers, instances.keys().cloned().collect::<Vec<_>>())
    };
    let both = (200.0, vec!["product-1".to_owned(), "product-2".to_owned()]);
    assert_eq!(check("GET /products/Tux", &[], 200, json!({})), both);
    assert_eq!(check(r#"rpc:product.query {"name":"Tux"}"#, &[], 200, json!({})), both);
    assert_eq!(check(r#"rpc:product.query {"name":"Tux"}"#, &["--connections", "7"], 200, json!({})), both);
    let errors = json!({ "404 PRODUCT_NOT_FOUND": 200 });
    assert_eq!(check("GET /products/Nobody", &[], 0, errors), both);
    let errors = json!({ "PRODUCT_NOT_FOUND": 200 });
    assert_eq!(check(r#"rpc:product.query {"name":"Nobody"}"#, &[], 0, errors), both);
    // The operator's token opens what strangers don't see.
    assert_eq!(check("rpc:order.list", &[], 200, json!({})).0, 200.0);
    let errors = json!({ "UNAUTHENTICATED": 200 });
    assert_eq!(check("rpc:order.list", &["--anonymous"], 0, errors).0, 200.0);
    // Each write has a token of its own.
    let (tux, bought) =
        (r#"rpc:product.purchase {"name":"Tux","quantity":1}"#, json!({ "OUT_OF_STOCK": 120 }));
    assert_eq!(check(tux, &[], 80, bought).0, 200.0);
}

#[test]
fn a_stall_of_the_server_is_in_the_latencies_of_an_open_loop() {
    let folder = Folder::new();
    let mut server = Server::start(folder.path(), "product-1", &["service", "product", "--demo", "toystore"]);
    let target = format!(r#"rpc://{}/product.purchase {{"name":"Tux","quantity":1}}"#, server.address());
    let arguments = ["load", "--rate", "50", "--duration", "4s", "-c", "2", &target, "--json"];
    let mut load = Process::start("load", &mut micronet(folder.path(), &arguments));
    bought(&server, 80, &load);
    server.process().signal(Signal::STOP);
    thread::sleep(Duration::from_secs(1));
    server.process().signal(Signal::CONT);
    assert_eq!(load.wait().code(), Some(0), "{}", load.said());
    let results: Value = serde_json::from_str(&load.stdout()).expect("the results are JSON");
    let row = &results["rows"][0];
    // Fifty were due while nobody answered. The two clients had sent two of them: the others waited for these.
    assert_eq!((&row["requests"], &row["never_sent"]), (&200.into(), &0.into()), "{results}");
    assert!(number(&row["latency_us"]["p99"]) >= 700_000.0, "{results}");
    assert!(number(&row["latency_us"]["p90"]) >= 200_000.0, "{results}");
    assert!(number(&row["late"]) >= 30.0, "{results}");
}

/// Waits until fewer pieces of Tux are left than these.
fn bought(server: &Server, before: u64, load: &Process) -> u64 {
    until("a purchase", || match stock(server) {
        left if left < before => Ok(()),
        _ => Err(load.said()),
    });
    stock(server)
}

fn stock(server: &Server) -> u64 {
    HttpClient::connect(server.address())
        .get("/products/Tux")
        .at("/data/quantity")
        .as_u64()
        .expect("a number")
}

#[test]
fn calls_go_on_when_an_instance_is_back() {
    let folder = Folder::new();
    let mut server = Server::start(folder.path(), "product-1", &["service", "product", "--demo", "toystore"]);
    let target = format!(r#"rpc://{}/product.purchase {{"name":"Tux","quantity":1}}"#, server.address());
    let arguments = ["load", "--rate", "10", "--duration", "1h", &target, "--json"];
    let mut load = Process::start("load", &mut micronet(folder.path(), &arguments));
    bought(&server, 80, &load);
    server.process().kill();
    server.restart(folder.path());
    bought(&server, stock(&server), &load);
    load.signal(Signal::INT);
    assert_eq!(load.wait().code(), Some(130), "{}", load.said());
    let results: Value = serde_json::from_str(&load.stdout()).expect("the results are JSON");
    let row = &results["rows"][0];
    assert!(number(&row["good"]) >= 2.0, "{results}");
    let kinds = row["errors"].as_object().expect("kinds");
    assert!(
        kinds.keys().all(|kind| ["no connection", "connection lost"].contains(&kind.as_str())),
        "{results}"
    );
}

#[test]
fn without_targets_the_running_network_is_read() {
    let network = Network::start("toystore");
    let plot = network.folder().path().join("load.svg");
    let plot = plot.to_str().expect("a path that is text");
    let said = network.command(&["load", "-n", "100", "-c", "2", "--svg", plot, "--max-p95", "1h"]).check(0);
    for word in [
        "REQUESTS ",
        "P99.9",
        "GET /products/Tux ",
        "GET /products ",
        "all ",
        "by 2 clients",
        "answered by: product-1 ",
        "Latencies\n",
        "█",
        "max-p95 3600.000 s: ",
        "closed loop, seed ",
    ] {
        assert!(said.stdout.contains(word), "{word:?} is missing in: {}", said.stdout);
    }
    assert!(!said.stdout.contains('\x1b') && !said.stderr.contains('\x1b'), "{}", said.stderr);
    let svg = fs::read_to_string(plot).expect("a drawing");
    assert!(svg.starts_with("<svg ") && svg.contains(">P99<"), "{svg}");
}

#[test]
fn ctrl_c_shows_what_was_measured_so_far() {
    let stub = Stub::start(ANY);
    let folder = Folder::new();
    let arguments = ["load", "--rate", "200", "-d", "1h", "-c", "3", "--timeout", "1h", "--json"];
    let targets = [stub.target("GET", "/ok"), format!("2:{}", stub.target("GET", "/silent"))];
    let targets = targets.each_ref().map(String::as_str);
    let command = &mut micronet(folder.path(), &[&arguments[..], &targets, &["--seed", "1"]].concat());
    let mut load = Process::start("load", command);
    until("three that wait", || if stub.requests("/silent") == 3 { Ok(()) } else { Err(load.said()) });
    load.signal(Signal::INT);
    assert_eq!(load.wait().code(), Some(130), "{}", load.said());
    let results: Value = serde_json::from_str(&load.stdout()).expect("the results are JSON");
    assert_eq!((&results["interrupted"], &results["unfinished"]), (&true.into(), &3.into()), "{results}");
    let answered = results["rows"].as_array().and_then(|rows| rows.first()).map(|row| number(&row["good"]));
    assert_eq!(answered.unwrap_or(0.0), stub.requests("/ok") as f64, "{results}");
}

#[test]
fn an_instance_is_put_beside_what_is_aimed_at() {
    let network = Network::start("toystore");
    let arguments = ["load", "instance", "product-2", "--rate", "50", "-d", "1s"];
    let finished = network.command(&[&arguments[..], &["--json"]].concat());
    let results = json_of(&finished);
    assert_eq!(
        (&results["instance"], &results["called"]),
        (&"product-2".into(), &"rpc:product.query".into())
    );
    assert_eq!(results["at_rate"]["good"], 50, "{results}");
    assert_eq!(results["at_rate"]["instances"], json!({ "product-2": 50 }), "{results}");
    assert!(number(&results["full_speed"]["good"]) > 0.0, "{results}");
    for phase in ["at_rate", "full_speed"] {
        assert!(number(&results[phase]["resident_bytes_max"]) > 1e6, "{results}");
        assert!(number(&results[phase]["cpu_percent"]) > 0.0, "{results}");
    }
    let met = results["met"].as_array().expect("what is aimed at");
    assert_eq!(met.len(), 5, "{results}");
    let all_met = met.iter().all(|aim| aim["met"] == true);
    assert_eq!(finished.code, Some(i32::from(!all_met)), "{results}");
    // Errors alone miss the aim, so that this machine's speed decides nothing here.
    let said =
        network.command(&[&arguments[..], &["--target", r#"product.query {"name":"Nobody"}"#]].concat());
    assert_eq!(said.code, Some(1), "{}", said.stdout);
    for word in ["answers a second", "P95", "512.0 MB", "FULL SPEED", "failed at 50/s: PRODUCT_NOT_FOUND 50"]
    {
        assert!(said.stdout.contains(word), "{word:?} is missing in: {}", said.stdout);
    }
    let refused = network.command(&["load", "instance", "nobody"]).check(2);
    assert!(refused.stderr.contains("name one of "), "{}", refused.stderr);
}

#[test]
fn what_can_not_be_asked_is_refused() {
    for (arguments, code, word) in [
        (&["/x", "toystore"][..], 2, "is no target"),
        (&["-n", "5", "toystore"], 2, "behind these words"),
        (&["Tux"], 2, "neither a path nor a URL"),
        (&["--arrivals", "poisson", "/x"], 2, "--rate"),
        (&["--rate", "0", "/x"], 2, "a rate is"),
        (&["--header", "Host: x", "/x"], 2, "written already"),
        (&["http://127.0.0.1:1/x"], 1, "can't be reached"),
        (&["--to", "127.0.0.1:1"], 1, "nobody answers at 127.0.0.1:1"),
        (&["rpc://127.0.0.1:1/product.query"], 6, "is it running?"),
        (&["rpc:product.query"], 1, "no network runs"),
    ] {
        let finished = load(arguments).check(code);
        assert!(finished.stderr.contains(word), "{word:?} is missing in: {}", finished.stderr);
    }
    let network = Network::start("toystore");
    for (target, word) in [
        ("rpc:product.fly", "no method \"fly\""),
        ("rpc:product.watch", "no single answer"),
        (r#"rpc:product.query {"nom":"Tux"}"#, "--describe"),
        ("rpc:toys.query", "no service \"toys\""),
    ] {
        let finished = network.command(&["load", target]).check(2);
        assert!(finished.stderr.contains(word), "{word:?} is missing in: {}", finished.stderr);
    }
}
