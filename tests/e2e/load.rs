//! `micronet load toystore`: how fast the toy store answers.

use std::fs;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Finished, Process, micronet, run};
use rustix::process::Signal;
use serde_json::Value;

fn load(network: &Network, arguments: &[&str]) -> Finished {
    network.command(&[&["load", "toystore"], arguments].concat())
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).expect("the results are JSON")
}

#[test]
fn every_client_asks_and_orders_as_often_as_told() {
    let network = Network::start_in(Folder::new(), &["--profile", "toystore"]);
    let results =
        json(&load(&network, &["--clients", "1..2", "--gets", "30", "--posts", "10", "--json"]).check(0));
    let steps = results["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 2, "{results}");
    for (step, clients) in steps.iter().zip(1_u64..) {
        assert_eq!(step["clients"], clients, "{results}");
        assert_eq!(step["get"]["good"], 30 * clients, "{results}");
        assert_eq!(step["post"]["good"], 10 * clients, "{results}");
        for phase in ["get", "post"] {
            assert!(step[phase]["latency_us"]["p99"].as_f64().is_some_and(|us| us > 0.0), "{results}");
            assert!(step[phase]["total_s"].as_f64().is_some_and(|seconds| seconds > 0.0), "{results}");
        }
    }
    assert_eq!(results["machine"]["cores"].as_u64().map(|cores| cores > 0), Some(true), "{results}");
    // Thirty were really placed.
    let log = network.http().get("/orders/log").check(200).text();
    assert_eq!(log.lines().filter(|line| !line.starts_with("-1 ")).count(), 30, "{log}");
}

#[test]
fn people_see_tables_bars_and_a_drawing() {
    let network = Network::start_in(Folder::new(), &["--profile", "toystore"]);
    let plot = network.folder().path().join("latency.svg");
    let plot = plot.to_str().expect("a path that is text");
    let said = load(&network, &["--clients", "2", "--gets", "20", "--posts", "5", "--plot", plot]).check(0);
    for word in
        ["GET: 20 by each client", "POST: 5 orders by each client", "13.563 s / 13.776 s", "█", "PLACED"]
    {
        assert!(said.stdout.contains(word), "{word:?} is missing in: {}", said.stdout);
    }
    // A pipe gets neither colours nor a progress bar.
    assert!(!said.stdout.contains('\x1b') && !said.stderr.contains('\x1b'), "{}", said.stderr);
    let svg = fs::read_to_string(plot).expect("a drawing");
    assert!(svg.starts_with("<svg ") && svg.matches("<circle").count() == 4, "{svg}");
}

#[test]
fn what_is_sold_out_is_an_answer_and_not_a_failure() {
    let network = Network::start_in(Folder::new(), &["--profile", "toystore"]);
    // Five of each toy are left.
    for (toy, quantity) in [("Tux", 75), ("Whale", 89), ("Elephant", 82), ("Bird", 93)] {
        network.http().post("/orders", &format!(r#"{{"name":"{toy}","quantity":{quantity}}}"#)).check(201);
    }
    // Without the operator's token nobody fills the stock up.
    let elsewhere = Folder::new();
    let url = format!("http://{}/", network.gateway());
    let arguments = ["load", "toystore", "--clients", "2", "--gets", "0", "--posts", "20", "--url", &url];
    let results = json(&run(micronet(elsewhere.path(), &[&arguments[..], &["--json"]].concat())).check(0));
    let step = &results["steps"][0]["post"];
    let (placed, refused) = (step["good"].as_u64(), step["refused"]["out of stock"].as_u64());
    // 20 pieces of four toys against 40 orders, which chance spreads over the toys.
    assert_eq!(placed.zip(refused).map(|(placed, refused)| placed + refused), Some(40), "{results}");
    assert!(placed.is_some_and(|placed| (5..=20).contains(&placed)), "{results}");
    assert!(results["restocked_pieces"].is_null(), "{results}");
    let said = run(micronet(elsewhere.path(), &arguments)).check(0).stdout;
    for word in ["The stock was not filled up: the data folder has no operator's token", "out of stock "] {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
}

/// Starts a measurement that would never end, and waits until it orders.
fn endless_orders(network: &Network) -> Process {
    let arguments = ["load", "toystore", "--clients", "2", "--gets", "0", "--posts", "100000000"];
    let process = Process::start("load", &mut micronet(network.folder().path(), &arguments));
    until("the first order", || {
        let log = network.http().get("/orders/log?limit=1").text();
        if log.is_empty() { Err(process.said()) } else { Ok(()) }
    });
    process
}

#[test]
fn a_gateway_that_dies_is_given_up() {
    let network = Network::start_in(Folder::new(), &["--profile", "toystore", "--no-restart"]);
    let mut load = endless_orders(&network);
    let arguments = ["shop", "query", "Tux", "100000000", "--verbose"];
    let mut shop = Process::start("shop", &mut micronet(network.folder().path(), &arguments));
    until("the first answer", || if shop.stdout().contains("Tux: ") { Ok(()) } else { Err(shop.said()) });
    network.kill("gateway-1");
    for process in [&mut load, &mut shop] {
        assert_eq!(process.wait().code(), Some(1), "{}", process.said());
        let said = process.stdout();
        let end = said.lines().last().unwrap_or_default();
        assert!(end.starts_with("given up: nobody has answered for 5 s (no connection: "), "{end}");
    }
    for nobody in [&["load", "toystore"][..], &["shop", "random"]] {
        let finished = network.command(nobody).check(1);
        for words in ["the gateway of the network on ", "doesn't run", "micronet start gateway"] {
            assert!(finished.stderr.contains(words), "{}", finished.stderr);
        }
    }
}

#[test]
fn ctrl_c_shows_what_was_measured_so_far() {
    let network = Network::start_in(Folder::new(), &["--profile", "toystore"]);
    let mut load = endless_orders(&network);
    load.signal(Signal::INT);
    assert_eq!(load.wait().code(), Some(130), "{}", load.said());
    for word in ["PLACED", "stopped before all was asked"] {
        assert!(load.stdout().contains(word), "{word:?} is missing in: {}", load.said());
    }
}

#[test]
fn what_can_not_be_measured_is_refused() {
    let folder = Folder::new();
    for (arguments, word) in [
        (&["--clients", "5..1"][..], "the range is empty"),
        (&["--clients", "0"], "from 1 to 1000"),
        (&["--gets", "0", "--posts", "0"], "nothing to do"),
        (&["--url", "https://shop"], "TLS"),
    ] {
        let finished = run(micronet(folder.path(), &[&["load", "toystore"], arguments].concat())).check(2);
        assert!(finished.stderr.contains(word), "{word:?} is missing in: {}", finished.stderr);
    }
}
