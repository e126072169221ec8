//! A declared network: links with latency, and calls that aren't allowed.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use serde_json::Value;

const SITES: &str = "
[segment.edge]
members = ['gateway']

[segment.shop]
members = ['order', 'product', 'user']

[[link]]
between = ['edge', 'shop']
latency = '60ms'
";

const ONLY_ORDERS: &str = "
[[allow]]
from = 'edge'
to = 'order'

[[allow]]
from = 'order'
to = ['product', 'user']
";

/// A file with a plan.
fn plan(folder: &Folder, text: &str) -> PathBuf {
    let file = folder.path().join("sites.toml");
    fs::create_dir_all(folder.path()).expect("a folder can be made");
    fs::write(&file, text).expect("a file can be written");
    file
}

/// Waits until a request for a product is answered so, and says how long it took then.
#[track_caller]
fn until_answered(network: &Network, status: u16, least: Duration) -> (Value, Duration) {
    until(&format!("products to be answered with {status} after {least:?}"), || {
        let mut http = network.http();
        let asked = Instant::now();
        let answer = http.get("/products/Tux");
        let took = asked.elapsed();
        match answer.status() == status && took >= least {
            true => Ok((answer.json(), took)),
            false => Err(format!("{took:?}: {}", answer.shown())),
        }
    })
}

#[test]
fn a_declared_network_is_as_it_says_and_changes_while_it_runs() {
    let folder = Folder::new();
    let file = plan(&folder, SITES);
    let file = file.to_str().expect("a path in UTF-8");
    let network = Network::start_in(folder, &["--demo", "toystore", "--network", file]);
    // There and back.
    until_answered(&network, 200, Duration::from_millis(120));
    let shown = network.command(&["net"]).check(0).stdout;
    assert!(shown.starts_with("edge (gateway)\n└─ 60ms ── shop (order, product, user)\n"), "{shown}");
    let of_gateway = network.command(&["net", "--json", "gateway-1"]).check(0).stdout;
    let of_gateway: Value = serde_json::from_str(&of_gateway).expect("net prints JSON");
    let links = of_gateway["links"].as_array().expect("links");
    assert!(!links.is_empty() && links.iter().all(|link| link["latency_us"] == 60_000), "{of_gateway}");
    // Orders reach products, which the gateway may not ask itself.
    plan(network.folder(), &format!("{SITES}{ONLY_ORDERS}"));
    let shown = network.command(&["net", "--network", file, "--apply"]).check(0).stdout;
    assert!(shown.contains("ALLOWED  TO CALL"), "{shown}");
    let (refused, took) = until_answered(&network, 403, Duration::ZERO);
    let words = "the network allows no connection to product: gateway may not call product: only order (allow rule on line ";
    assert!(refused["error"]["message"].as_str().is_some_and(|said| said.starts_with(words)), "{refused}");
    assert!(took < Duration::from_millis(60), "it fails here: {took:?}");
    let ordered = network.http().post("/orders", r#"{"name":"Whale","quantity":1}"#);
    assert!(ordered.status() < 300, "{}", ordered.shown());
    // What is wrong with a plan is said before anything changes.
    plan(network.folder(), &SITES.replace("'user'", "'usher'"));
    let wrong = network.command(&["net", "--network", file, "--apply"]).check(2).stderr;
    assert!(wrong.contains("sites.toml, line 6: \"usher\" is neither a service nor an instance"), "{wrong}");
    let shown = network.command(&["net", "--clear"]).check(0).stdout;
    assert!(shown.starts_with("No plan holds"), "{shown}");
    until_answered(&network, 200, Duration::ZERO);
}
