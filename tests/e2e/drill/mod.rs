//! Drills on real networks: each kind, what is refused, how they are given up, and what is reported.

mod abort;
mod kinds;
mod refused;

use micronet_tests::http_client::Answer;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::Value;

const DRILLS: &str = "/api/v1/control/drills";

/// A drill that is soon over, as JSON.
#[track_caller]
fn drill(network: &Network, arguments: &[&str]) -> Value {
    drill_for(network, "2s", arguments)
}

/// One whose fault lasts so long. One that is refused since callers still recover from what was before is tried again.
#[track_caller]
fn drill_for(network: &Network, duration: &str, arguments: &[&str]) -> Value {
    let short = ["--load", "40/s", "--duration", duration, "--quiet", "1s", "--json"];
    let arguments = [&["drill"], arguments, &short[..]].concat();
    until("a drill to end", || {
        let said = network.command(&arguments);
        let json = serde_json::from_str(&said.stdout);
        json.map_err(|_| {
            if said.stderr.contains("the network is not well") { said.stderr } else { panic!("{said:?}") }
        })
    })
}

/// Asks the control service as the operator, through the gateway.
#[track_caller]
fn control(network: &Network, method: &str, path: &str, body: &str) -> Answer {
    let token = format!("Bearer {}", network.folder().operator_token());
    let headers = [("Authorization", &*token), ("Content-Type", "application/json")];
    network.http().request(method, path, &headers, body.as_bytes())
}

/// Begins a stall of product-2 over HTTP that lasts for long, and waits until it is in force. Its number.
#[track_caller]
fn begin(network: &Network) -> String {
    let request = r#"{"kind":"Stall","service":"product-2","load_per_s":40,"duration_s":300,"quiet_s":1}"#;
    let begun = control(network, "POST", DRILLS, request).check(202);
    assert_eq!(begun.at("/data/state"), "Preparing", "{}", begun.shown());
    let id = begun.at("/data/id").to_string();
    until_state(network, &id, "Fault");
    id
}

/// Waits until a drill stands so.
#[track_caller]
fn until_state(network: &Network, id: &str, state: &str) -> Value {
    until(&format!("drill {id} to be in {state}"), || {
        let answer = control(network, "GET", &format!("{DRILLS}/{id}"), "").check(200);
        let drill = answer.at("/data");
        if drill["state"] == state { Ok(drill) } else { Err(drill.to_string()) }
    })
}

/// Checks that nothing is broken any more.
#[track_caller]
fn check_mended(network: &Network) {
    let faults = control(network, "GET", "/api/v1/control/faults", "").check(200);
    assert_eq!(faults.at("/data/in_force"), Value::Array(Vec::new()), "{}", faults.shown());
}
