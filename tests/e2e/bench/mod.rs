//! `micronet bench`: each kind of load by the program itself, and what it says of it.

mod kinds;
mod refused;
mod saved;
mod serve;
mod stall;
mod wrk;

use std::net::SocketAddr;

use micronet_tests::folder::Folder;
use micronet_tests::patience::until;
use micronet_tests::process::{Finished, Process, micronet, run};
use serde_json::Value;

/// Measures for a moment, with all results as JSON.
const BRIEFLY: [&str; 7] = ["--duration", "500ms", "--warm-up", "100ms", "--repeat", "2", "--json"];

/// Runs `micronet bench ARGUMENTS`.
#[track_caller]
fn bench(folder: &Folder, arguments: &[&str]) -> Finished {
    run(micronet(folder.path(), &[&["bench"], arguments].concat()))
}

/// Measures briefly, and gives the results.
#[track_caller]
fn measured(folder: &Folder, arguments: &[&str]) -> Value {
    json_of(&bench(folder, &[arguments, &BRIEFLY].concat()).check(0))
}

#[track_caller]
fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("the results are no JSON ({error}): {}", finished.stdout))
}

/// The median of a figure of a run.
#[track_caller]
fn figure(results: &Value, run: usize, group: &str, name: &str) -> f64 {
    let figures = results["figures"][run].as_array().expect("figures");
    let found = figures.iter().find(|figure| figure["group"] == group && figure["name"] == name);
    let median = found.and_then(|figure| figure["median"].as_f64());
    median.unwrap_or_else(|| panic!("no {group} {name} in {:#}", results["figures"][run]))
}

/// Checks that each repetition of a run has answers and no errors, and what its processes are by their roles.
#[track_caller]
fn check_run(results: &Value, run: usize, repetitions: usize, roles: &[&str]) {
    let seen = results["runs"][run]["repetitions"].as_array().expect("repetitions");
    assert_eq!(seen.len(), repetitions, "{results}");
    for repetition in seen {
        assert!(repetition["requests"].as_u64() > Some(0), "{repetition}");
        assert_eq!(repetition["errors"], serde_json::json!({}), "{repetition}");
        let parts: Vec<&str> = repetition["cpu"]
            .as_array()
            .expect("processes")
            .iter()
            .filter_map(|cpu| cpu["role"].as_str())
            .collect();
        assert_eq!(parts, roles, "{}", repetition["cpu"]);
        for cpu in repetition["cpu"].as_array().expect("processes") {
            let number = |name: &str| cpu[name].as_u64().unwrap_or_default();
            let is_idle = number("user_us") + number("system_us") == 0;
            assert!(!is_idle || cpu["role"] == "other", "it has worked: {cpu}");
        }
    }
    assert!(figure(results, run, "throughput", "") > 0.0);
    let at = |name| figure(results, run, "latency", name);
    assert!(0.0 < at("P50") && at("P50") <= at("P99") && at("P99") <= at("max"), "{results}");
}

/// An echo of its own, on a free port.
struct Echo {
    _process: Process,
    address: SocketAddr,
}

impl Echo {
    fn start(folder: &Folder) -> Self {
        let mut command = micronet(folder.path(), &["bench", "echo", "--listen", "127.0.0.1:0"]);
        let process = Process::start("echo", &mut command);
        let address = until("the echo to listen", || {
            let said = process.stdout();
            let address = said.lines().find_map(|line| line.strip_prefix("listening on ")?.parse().ok());
            address.ok_or_else(|| process.said())
        });
        Self { _process: process, address }
    }
}
