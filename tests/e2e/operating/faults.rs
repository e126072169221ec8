//! Faults on purpose: who is told, what is refused, how they end, and what is reported.

use std::time::{Duration, Instant};

use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::has_ended;
use serde_json::Value;

use super::load::Load;
use super::{answering, process, until_state};

const WHALE: &str = r#"{"name":"Whale","quantity":1}"#;

/// What `micronet fault report ID` says.
#[track_caller]
fn report(network: &Network, id: &str) -> Value {
    let said = network.command(&["fault", "report", id, "--json"]).check(0).stdout;
    serde_json::from_str(&said).expect("report prints JSON")
}

/// Waits until a fault is over, and all is well again.
fn until_well(network: &Network, id: &str) -> Value {
    until("all to be well again", || {
        let fault = report(network, id);
        let is_well = fault["over"] == true && fault["report"]["recovered_after_ms"].is_u64();
        if is_well { Ok(fault) } else { Err(fault.to_string()) }
    })
}

#[test]
fn one_that_is_failed_gets_no_calls_until_it_recovers() {
    let network = Network::start("toystore");
    let load = Load::start(&network);
    let said = network.command(&["fault", "fail", "product-1", "--for", "1h"]).check(0).stdout;
    assert!(said.starts_with("fault 1: product-1 is failed, for 3"), "{said}");
    assert_eq!(answering(&network), ["product-2"]);
    let words = process(&network, "product-1")["words"][0].as_str().unwrap_or_default().to_owned();
    assert!(words.starts_with("fault 1: is failed for 3"), "{words}");
    // The other is the last one now.
    for fault in ["fail", "stall", "partition"] {
        let refused = network.command(&["fault", fault, "product-2"]).check(1);
        for words in ["product would have no healthy instance without product-2", "--force"] {
            assert!(refused.stderr.contains(words), "{}", refused.stderr);
        }
    }
    let said = network.command(&["fault", "recover", "product"]).check(0).stdout;
    assert_eq!(said, "fault 1 is over: product-1 is failed\n");
    until("product-1 to be called again", || {
        let names = answering(&network);
        if names == ["product-1", "product-2"] { Ok(()) } else { Err(names.join(", ")) }
    });
    load.check_none_failed();
    let fault = until_well(&network, "1");
    assert_eq!(fault["report"]["ejected"]["state"], "blocked", "{fault}");
    assert_eq!(fault["report"]["ejected"]["by"], "gateway-1", "{fault}");
}

#[test]
fn a_service_can_be_failed_as_a_whole_with_force() {
    let network = Network::start("toystore");
    network.command(&["fault", "fail", "product"]).check(1);
    network.command(&["fault", "fail", "product", "--force"]).check(0);
    let answer = network.http().get("/products/Tux").check(503);
    assert_eq!(answer.at("/error/message"), "Sorry, product service is unavailable right now");
    network.command(&["fault", "clear", "all"]).check(0);
    until("the shop to be open", || {
        let answer = network.http().get("/products/Tux");
        if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
    });
    let said = network.command(&["fault", "clear", "all"]).check(0).stdout;
    assert_eq!(said, "no fault was in force\n");
}

#[test]
fn one_that_stalls_goes_on_when_the_time_is_over_and_the_report_has_numbers() {
    let network = Network::start("toystore");
    let load = Load::start(&network);
    network.command(&["fault", "stall", "product-2", "--for", "3s"]).check(0);
    let fault = until_well(&network, "1");
    let report = &fault["report"];
    assert_eq!(report["detected"]["by"], "gateway-1", "{fault}");
    assert_eq!(report["detected"]["instance"], "product-2", "{fault}");
    let detected_ms = report["detected"]["after_ms"].as_u64().expect("a time");
    assert!((1..3_000).contains(&detected_ms), "{fault}");
    assert_eq!(fault["kind"], "Stall", "{fault}");
    until("product-2 to answer again", || {
        let names = answering(&network);
        if names.iter().any(|name| name == "product-2") { Ok(()) } else { Err(names.join(", ")) }
    });
    // It is the same process that goes on.
    assert_eq!(process(&network, "product-2")["restarts"], 0);
    let said = network.command(&["fault", "report"]).check(0).stdout;
    for words in ["fault 1: product-2 is stalled (over)", "gateway-1 saw product-2 as", "ms after its end"] {
        assert!(said.contains(words), "{words:?} is missing in: {said}");
    }
    let said = network.command(&["fault", "list"]).check(0).stdout;
    assert!(said.contains("product-2 is stalled"), "{said}");
    drop(load);
}

#[test]
fn one_that_is_slow_takes_longer_until_its_time_is_over() {
    let network = Network::start("toystore");
    network.command(&["fault", "latency", "product-1", "300ms", "--for", "2s"]).check(0);
    let took = || {
        let begin = Instant::now();
        HttpClient::connect(network.address("product-1")).get("/products/Tux").check(200);
        begin.elapsed()
    };
    assert!(took() >= Duration::from_millis(300));
    until("product-1 to be fast again", || {
        let took = took();
        if took < Duration::from_millis(300) { Ok(()) } else { Err(format!("{took:?}")) }
    });
}

#[test]
fn one_that_fails_calls_is_ejected_and_the_report_counts_them() {
    let network = Network::start("toystore");
    let load = Load::start(&network);
    let last = network.command(&["fault", "errors", "product", "100%"]).check(1).stderr;
    assert!(last.contains("--force"), "{last}");
    network.command(&["fault", "errors", "product-1", "100%", "--for", "1h"]).check(0);
    let fault = until("product-1 to be ejected", || {
        let fault = report(&network, "1");
        if fault["report"]["ejected"]["state"] == "ejected" { Ok(fault) } else { Err(fault.to_string()) }
    });
    let count = |name: &str| fault["report"][name].as_u64().expect("a count");
    assert!(count("failed") > 0 && count("calls") >= count("failed"), "{fault}");
    network.command(&["fault", "clear", "1"]).check(0);
    until_well(&network, "1");
    drop(load);
}

#[test]
fn those_that_are_cut_off_from_each_other_find_each_other_again() {
    let network = Network::start("toystore");
    network.command(&["fault", "partition", "order", "--from", "product", "--force", "--for", "1h"]).check(0);
    // The gateway reaches both.
    network.http().get("/products/Tux").check(200);
    network.http().get("/orders/log").check(200);
    let fault = until("order to notice", || {
        let fault = report(&network, "1");
        if fault["report"]["ejected"].is_object() { Ok(fault) } else { Err(fault.to_string()) }
    });
    assert_eq!(fault["report"]["ejected"]["by"], "order-1", "{fault}");
    network.http().post("/orders", WHALE).check(503);
    network.command(&["fault", "recover", "order"]).check(0);
    until_well(&network, "1");
    network.http().post("/orders", WHALE).check(201);
}

#[test]
fn what_would_break_nothing_is_refused() {
    let network = Network::start_to_kill("toystore");
    let refused = network.command(&["fault", "fail", "gateway", "--force"]).check(1).stderr;
    assert!(refused.contains("no process of the network calls gateway-1"), "{refused}");
    network.kill("product-2");
    until_state(&network, "product-2", "Stopped");
    let refused = network.command(&["fault", "stall", "product-2"]).check(1).stderr;
    assert!(refused.contains("product-2 doesn't run"), "{refused}");
    let refused = network.command(&["fault", "latency", "product-1", "0ms"]).check(1).stderr;
    assert!(refused.contains("it disturbs nothing"), "{refused}");
    network.command(&["fault", "clear", "7"]).check(1);
}

#[test]
fn one_that_is_stalled_does_not_outlive_a_network_that_was_killed() {
    let mut network = Network::start("toystore");
    let pids = network.pids();
    network.command(&["fault", "stall", "product-2", "--for", "1h"]).check(0);
    network.up().kill();
    until("the end of all processes", || {
        let left: Vec<&u32> = pids.iter().filter(|pid| !has_ended(**pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn one_that_is_stopped_while_it_is_stalled_drains_first() {
    let network = Network::start("toystore");
    network.command(&["fault", "stall", "product-2", "--for", "1h"]).check(0);
    network.command(&["stop", "product-2"]).check(0);
    assert_eq!(process(&network, "product-2")["last_exit"], "exit status: 0");
    network.stop();
}
