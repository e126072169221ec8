//! A server that stands still for a second, as arithmetic says and as a loop sees it that waits for answers.

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet, run};
use micronet_tests::server::Server;
use serde_json::Value;

use super::figure;

/// How much shorter than arithmetic says it may be, in seconds: the stall begins a little before the next request is due.
const SHORTER_S_MAX: f64 = 0.06;
/// How much longer: the machine does other things besides.
const LONGER_S_MAX: f64 = 0.25;

/// Measures for four seconds, the server standing still in one of them, once it has answered `before` calls.
fn measured(flags: &[&str], before: u64) -> Value {
    let folder = Folder::new();
    let server = Server::start(folder.path(), "bench-1", &["bench", "serve", "--stall"]);
    let address = server.address().to_string();
    let usual = ["bench", "rpc", &address, "--duration", "4s", "--warm-up", "0", "--repeat", "1", "--json"];
    let mut bench = Process::start("bench", &mut micronet(folder.path(), &[&usual[..], flags].concat()));
    until("the load to be under way", || match echoes(&mut HttpClient::connect(server.address())) {
        seen if seen >= before => Ok(()),
        seen => Err(format!("{seen} calls of {before}: {}", bench.said())),
    });
    run(micronet(folder.path(), &["call", "--to", &address, "bench.stall", r#"{"ms":1000}"#])).check(0);
    assert_eq!(bench.wait().code(), Some(0), "{}", bench.said());
    serde_json::from_str(&bench.stdout()).expect("the results are JSON")
}

/// How many calls of `echo` were answered.
fn echoes(http: &mut HttpClient) -> u64 {
    let metrics = http.get("/metrics").check(200).text();
    let counts = metrics
        .lines()
        .filter(|line| line.contains("micronet_rpc_server_requests_total") && line.contains("echo"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn an_open_loop_sees_all_who_would_have_asked_meanwhile() {
    // 200 a second for 4 s, and 1 s of stall: a quarter of the 800 waits for from 0 to 1 s, evenly spread.
    let results = measured(&["--rate", "200/s"], 200);
    assert_eq!(results["runs"][0]["repetitions"][0]["requests"], 800, "{results}");
    for (name, wanted_s) in [("P50", 0.0), ("P90", 0.6), ("P99", 0.96), ("max", 1.0)] {
        let seen_s = figure(&results, 0, "latency", name) / 1e9;
        let more_s = seen_s - wanted_s;
        assert!(
            (-SHORTER_S_MAX..LONGER_S_MAX).contains(&more_s),
            "{name} is {seen_s} s and not {wanted_s} s"
        );
    }
}

#[test]
fn a_closed_loop_of_one_sees_one_slow_call() {
    let results = measured(&["--in-flight", "1"], 200);
    let requests = results["runs"][0]["repetitions"][0]["requests"].as_u64().expect("requests");
    assert!(requests > 300, "{requests}");
    let at = |name| figure(&results, 0, "latency", name) / 1e9;
    assert!(at("max") >= 0.9 && at("P99") < 0.25, "{} {}", at("max"), at("P99"));
}
