//! Uploads of many products: each gets in once, whoever dies in the middle, and what is wrong is told by its place.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use micronet_services::product::api::{InventoryAfter, ProductClient, Stock};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Finished, Process, micronet};
use micronet_tests::rpc::{self, Caller};
use micronet_wire::service::CallOptions;
use serde_json::{Value, json};

use crate::watch::products_file;

/// Products of the upload.
const PRODUCTS: usize = 20_000;

/// Pieces of each product.
fn quantity(number: usize) -> u64 {
    number as u64 % 7
}

fn file(network: &Network) -> PathBuf {
    let path = network.folder().path().join("products.jsonl");
    products_file(&path, PRODUCTS, |number| {
        format!(r#"{{"name":"Item {number}","price":{}.25,"quantity":{}}}"#, number % 100, quantity(number))
    });
    path
}

/// What is on sale, as the second instance knows it.
fn inventory(network: &Network) -> BTreeMap<String, Stock> {
    let identity = Caller::Operator.identity(network.folder());
    rpc::call(network.address("product-2"), &identity, async |client| {
        let client = ProductClient::new(client);
        let (mut all, mut after) = (BTreeMap::new(), None);
        loop {
            let page = InventoryAfter { after, limit: None };
            let page = client.inventory(&page, CallOptions::default()).await.expect("an inventory");
            for stock in page.products {
                let twice = all.insert(stock.name.clone(), stock);
                assert!(twice.is_none(), "{twice:?} is there twice");
            }
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    })
}

fn total(network: &Network) -> u64 {
    let list = network.http().get("/products?per_page=1").check(200);
    list.at("/pagination/total").as_u64().expect("a number")
}

/// Starts to upload the file, and waits until some products are in.
fn begin(network: &Network, file: &str, more: u64) -> Process {
    let from = total(network);
    let arguments = ["call", "product.upload", "--file", file, "--token", "the-upload"];
    let mut upload = Process::start("upload", &mut micronet(network.folder().path(), &arguments));
    until("some products to be in", || match total(network) {
        now if now >= from + more => Ok(()),
        now if upload.is_running() => Err(format!("{now} products")),
        now => panic!("it ended with {now} products; {}", upload.said()),
    });
    upload
}

#[test]
fn an_upload_that_was_killed_goes_on_where_it_was() {
    let network = Network::start_to_kill("shop");
    let demo = inventory(&network);
    let path = file(&network);
    let file = path.to_str().expect("a path");
    // Whoever uploads dies, and then the instance that it is uploaded to.
    let mut upload = begin(&network, file, 1_000);
    upload.kill();
    assert!(total(&network) < PRODUCTS as u64, "it was killed too late");
    let mut upload = begin(&network, file, 3_000);
    network.kill("product-1");
    assert_eq!(upload.wait().code(), Some(8), "{}", upload.said());
    assert!(upload.stderr().contains("CONNECTION_LOST"), "{}", upload.stderr());
    assert!(total(&network) < PRODUCTS as u64, "it was killed too late");

    let expected = json!({"created": PRODUCTS, "updated": 0, "unchanged": 0, "refused": 0, "refusals": []});
    let again = || network.command(&["call", "product.upload", "--file", file, "--token", "the-upload"]);
    check(&again().check(0), &expected);
    let now = inventory(&network);
    let bought = network.http().post("/orders", r#"{"name":"Item 6","quantity":2}"#).check(201);
    assert!(bought.at("/data/order_num").is_u64(), "{}", bought.shown());
    // And again: nothing happens, and what was sold stays sold.
    check(&again().check(0), &expected);
    until("the order to be settled", || match &inventory(&network)["Item 6"] {
        Stock { initial: 6, quantity: 4, reserved: 0, sold: 2, .. } => Ok(()),
        other => Err(format!("{other:?}")),
    });

    assert_eq!(now.len(), demo.len() + PRODUCTS);
    assert!(demo.iter().all(|(name, stock)| now.get(name) == Some(stock)));
    for number in 0..PRODUCTS {
        let stock = &now[&format!("Item {number}")];
        let pieces = quantity(number);
        assert_eq!((stock.initial, stock.quantity), (pieces, pieces), "{stock:?}");
    }
}

/// Checks what an upload says.
#[track_caller]
fn check(finished: &Finished, expected: &Value) {
    let report: Value = serde_json::from_str(&finished.stdout).expect("a report is JSON");
    assert_eq!(report, *expected);
}

/// Uploads lines by stdin.
#[track_caller]
fn upload(network: &Network, flags: &[&str], lines: &str) -> Finished {
    let arguments = [&["call", "product.upload"], flags].concat();
    let mut command = micronet(network.folder().path(), &arguments);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    child.stdin.take().expect("stdin").write_all(lines.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn what_is_wrong_is_told_by_its_place() {
    let network = Network::start("shop");
    // What breaks a rule is refused, and the others get in.
    let lines = concat!(
        "{\"name\":\"Fox\",\"price\":1.50,\"quantity\":3}\n",
        "{\"name\":\"Yak\",\"price\":-2}\n",
        "\n",
        "{\"name\":\"Cow\",\"price\":-1}\n",
        "{\"name\":\"Tux\",\"price\":30}\n",
    );
    let expected = json!({"created": 1, "updated": 1, "unchanged": 0, "refused": 2, "refusals": [
        {"index": 1, "reason": "price: expected at least 0.00, found -2.00"},
        {"index": 2, "reason": "price: expected at least 0.00, found -1.00"},
    ]});
    check(&upload(&network, &["-", "--token", "one"], lines).check(0), &expected);
    check(&upload(&network, &["--token", "one"], lines).check(0), &expected);
    let tux = network.http().get("/products/Tux").check(200);
    assert_eq!(
        (tux.at("/data/price").to_string(), tux.at("/data/quantity").as_u64()),
        ("30.0".into(), Some(80))
    );

    // What is no product at all isn't sent, nor what is behind it.
    for wrong in ["{\"name\":\"Hen\"", "{\"name\":\"Hen\"}", "[]", "Hen", "{\"name\":7,\"price\":1}"] {
        let lines = format!("{{\"name\":\"Hare\",\"price\":1}}\n{wrong}\n{{\"name\":\"Hen\",\"price\":1}}\n");
        let said = upload(&network, &["-"], &lines).check(1);
        assert!(said.stderr.contains("line 2 was not sent"), "{}", said.stderr);
    }
    network.http().get("/products/Hen").check(404);

    let other = upload(&network, &["-", "--token", "one"], "{\"name\":\"Fox\",\"price\":1}\n").check(4);
    assert!(other.stderr.contains("TOKEN_REUSED"), "{}", other.stderr);
    let stranger = upload(&network, &["-", "--anonymous"], lines).check(5);
    assert!(stranger.stderr.contains("UNAUTHENTICATED"), "{}", stranger.stderr);
    let json = upload(&network, &["-", "--anonymous", "--json"], lines).check(5);
    assert!(json.stdout.contains(r#""code":"UNAUTHENTICATED""#), "{}", json.stdout);
    network.command(&["call", "product.upload", "--file", "/nowhere/at/all"]).check(1);
    network.command(&["call", "product.query", "--file", "/nowhere/at/all"]).check(2);
}
