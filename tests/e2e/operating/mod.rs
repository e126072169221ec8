//! Operating a running network by `micronet ps`, `start`, `stop`, `restart`, `scale`, `drain`, `logs` and `fault`.

mod disturbed;
mod faults;
mod load;
mod logs;
mod network;
mod processes;
mod rolling;

use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::Value;

/// What `micronet ps NAME` says.
#[track_caller]
fn processes(network: &Network, name: &str) -> Vec<Value> {
    let said = network.command(&["ps", name, "--json"]).check(0).stdout;
    let json: Value = serde_json::from_str(&said).expect("ps prints JSON");
    json["processes"].as_array().expect("processes").clone()
}

/// What it says of one instance.
#[track_caller]
fn process(network: &Network, name: &str) -> Value {
    processes(network, name).remove(0)
}

/// Waits until an instance stands so.
#[track_caller]
fn until_state(network: &Network, name: &str, state: &str) -> Value {
    until(&format!("{name} to be {state}"), || {
        let process = process(network, name);
        if process["state"] == state { Ok(process) } else { Err(process.to_string()) }
    })
}

/// The names of the instances that answer some requests for a product.
fn answering(network: &Network) -> Vec<String> {
    let mut http = network.http();
    let mut names: Vec<String> = (0..20)
        .filter_map(|_| http.get("/products/Tux").check(200).header("X-Micronet-Instance").map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}
