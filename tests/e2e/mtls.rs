//! Networks whose links are all TLS with certificates for both sides.

mod commands;
pub(crate) mod openssl;
mod ping;
mod refusals;
mod rotation;

use std::collections::BTreeSet;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{HttpClient, raw};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_transport::identity::Identity;
use micronet_transport::tls::{Tls, TlsFiles};
use serde_json::Value;

/// Who has this certificate, as our own client presents it.
pub(crate) fn holder(folder: &Folder, name: &str) -> Identity {
    let certs = folder.path().join("certs");
    let files = TlsFiles { ca: certs.join("ca.pem"), own: certs.join(format!("{name}.pem")) };
    Identity { tls: Some(Tls::load(files, false).expect("the certificate is good")), ..Identity::default() }
}

/// What `certs show --json` says, by name.
fn shown(network: &Network) -> Vec<(String, Value)> {
    let shown = network.command(&["certs", "show", "--json"]).check(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    let rows = shown.as_array().expect("a list").iter();
    rows.map(|row| (row["name"].as_str().unwrap_or_default().to_owned(), row.clone())).collect()
}

#[test]
fn a_whole_network_works_in_tls() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]);
    // The gateway calls product, and order calls product and user.
    let mut http = network.http();
    assert_eq!(http.get("/products/Tux").check(200).at("/data/price"), 25.99);
    let user = r#"{"name":"Ada Lovelace","email":"ada@example.org"}"#;
    let operator = format!("Bearer {}", network.folder().operator_token());
    let headers = [("Authorization", operator.as_str()), ("Content-Type", "application/json")];
    let user = http.request("POST", "/api/v1/users", &headers, user.as_bytes()).check(201).at("/data/id");
    let order = format!(r#"{{"name":"Whale","quantity":2,"customer":{user}}}"#);
    let number = http.post("/orders", &order).check(201).at("/data/order_num");
    assert_eq!(http.post("/orders", r#"{"name":"Whale","quantity":1,"customer":99999}"#).status(), 404);
    // Order's relays tell product that it is sold, and user what was bought.
    until("the order to be told to product and user", || {
        let inventory = network.command(&["call", "product.inventory"]).check(0).stdout;
        let inventory: Value = serde_json::from_str(&inventory).map_err(|error| error.to_string())?;
        let products = inventory["products"].as_array().ok_or("no products")?;
        let whale = products.iter().find(|product| product["name"] == "Whale").ok_or("no whale")?;
        let line = http.request("GET", &format!("/api/v1/users/{user}"), &headers, b"").text();
        if whale["sold"] == 2 && whale["reserved"] == 0 && line.contains("\"orders\":1") {
            Ok(())
        } else {
            Err(format!("{whale}\n{line}"))
        }
    });
    // The operator's tools find the certificates in the data folder.
    let found = network.command(&["call", "order.get", &format!(r#"{{"order_num":{number}}}"#)]).check(0);
    assert!(found.stdout.contains("\"name\":\"Whale\""), "{}", found.stdout);
    let bought = network.command(&["shop", "buy", "Bird", "1", "3"]).check(0).stdout;
    assert_eq!(bought.matches("1 x Bird").count(), 3, "{bought}");
    // No service answers anything in plaintext.
    for instance in ["user-1", "product-1", "product-2", "order-1"] {
        let answer = raw(network.address(instance), "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("TLS_REQUIRED"), "{answer}");
    }
    network.stop();
}

#[test]
fn everybody_has_a_certificate_of_its_own() {
    let network = Network::start_in(Folder::new(), &["--profile", "shop", "--mtls", "--cluster", "lab"]);
    let rows = shown(&network);
    let ids: Vec<&str> = rows.iter().filter_map(|(_, row)| row["spiffe_id"].as_str()).collect();
    let wanted = [
        "spiffe://lab",
        "spiffe://lab/service/auth/auth-1",
        "spiffe://lab/service/control/control-1",
        "spiffe://lab/service/gateway/gateway-1",
        "spiffe://lab/operator",
        "spiffe://lab/service/order/order-1",
        "spiffe://lab/service/product/product-1",
        "spiffe://lab/service/product/product-2",
        "spiffe://lab/service/user/user-1",
    ];
    assert_eq!(ids, wanted);
    let marks: BTreeSet<&str> = rows.iter().filter_map(|(_, row)| row["sha256"].as_str()).collect();
    assert_eq!(marks.len(), wanted.len(), "each is another one");
    assert!(rows.iter().all(|(_, row)| row["status"] == "good"), "{rows:?}");
    let said =
        network.command(&["call", "product.query", r#"{"name":"Tux"}"#, "--anonymous"]).check(2).stderr;
    assert!(said.contains("everybody by certificate"), "{said}");
}

#[test]
fn a_service_that_dies_is_found_again() {
    let folder = Folder::new();
    let network = Network::start_in(folder, &["--demo", "shop", "--mtls"]);
    network.kill("product-1");
    for _ in 0..5 {
        HttpClient::connect(network.gateway()).get("/products/Tux").check(200);
    }
}
