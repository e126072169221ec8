//! A declared network: links with latency, and calls that aren't allowed.

use std::fmt::Debug;
use std::fs;
use std::ops::RangeBounds;
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

/// Waits until a request for a product is answered so, after so long a time.
#[track_caller]
fn until_answered(network: &Network, status: u16, after: impl RangeBounds<Duration> + Debug) -> Value {
    until(&format!("products to be answered with {status} after {after:?}"), || {
        let mut http = network.http();
        let asked = Instant::now();
        let answer = http.get("/products/Tux");
        let took = asked.elapsed();
        match answer.status() == status && after.contains(&took) {
            true => Ok(answer.json()),
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
    until_answered(&network, 200, Duration::from_millis(120)..);
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
    // It fails here: nothing has gone there and back.
    let refused = until_answered(&network, 403, ..Duration::from_millis(60));
    let words = "the network allows no connection to product: gateway may not call product: only order (allow rule on line ";
    assert!(refused["error"]["message"].as_str().is_some_and(|said| said.starts_with(words)), "{refused}");
    let ordered = network.http().post("/orders", r#"{"name":"Whale","quantity":1}"#);
    assert!(ordered.status() < 300, "{}", ordered.shown());
    // What is wrong with a plan is said before anything changes.
    plan(network.folder(), &SITES.replace("'user'", "'usher'"));
    let wrong = network.command(&["net", "--network", file, "--apply"]).check(2).stderr;
    assert!(wrong.contains("sites.toml, line 6: \"usher\" is neither a service nor an instance"), "{wrong}");
    let shown = network.command(&["net", "--clear"]).check(0).stdout;
    assert!(shown.starts_with("No plan holds"), "{shown}");
    until_answered(&network, 200, ..);
}
