//! Certificates that are replaced while a network runs.

use std::fs;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::rpc::call;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::service::CallOptions;

use super::{holder, openssl, shown};

fn mark(network: &Network, name: &str) -> String {
    let rows = shown(network);
    let row = rows.iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"));
    row.1["sha256"].as_str().expect("a mark").to_owned()
}

#[test]
fn a_new_certificate_is_for_new_connections() {
    if !openssl::is_there() {
        return;
    }
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]);
    let product = network.address("product-1");
    let first = mark(&network, "product-1");
    assert_eq!(openssl::presented(product), first);
    let operator = holder(network.folder(), "operator");
    call(product, &operator, async |client| {
        let builtin = BuiltinClient::new(client.clone());
        builtin.instance(CallOptions::default()).await.expect("an answer");
        network.command(&["certs", "rotate", "product-1"]).check(0);
        let second = mark(&network, "product-1");
        assert_ne!(first, second);
        until("the new certificate", || match openssl::presented(product) {
            mark if mark == second => Ok(()),
            mark => Err(mark),
        });
        // The connection of before is the same, and goes on.
        assert!(client.is_serving());
        builtin.instance(CallOptions::default()).await.expect("an answer on the old connection");
    });
    // The gateway's connection to it too: nothing is dialled again.
    let gateway = network.folder().read("logs/gateway-1.log");
    assert!(!gateway.contains("disconnected"), "{gateway}");
    for _ in 0..4 {
        network.http().get("/products/Tux").check(200);
    }
}

#[test]
fn up_renews_what_is_about_to_expire() {
    if !openssl::is_there() {
        return;
    }
    let flags = ["--demo", "shop", "--mtls", "--certificate-lifetime", "8s"];
    let network = Network::start_in(Folder::new(), &flags);
    let instances = ["user-1", "product-1", "product-2", "order-1"];
    let certs = network.folder().path().join("certs");
    // Those of the beginning, kept aside until they have expired.
    let firsts = instances.map(|instance| {
        let kept = network.folder().path().join(format!("{instance}.first"));
        fs::copy(certs.join(format!("{instance}.pem")), &kept).expect("a copy");
        kept.display().to_string()
    });
    let expired = |file: &String| !openssl::run(&["x509", "-noout", "-in", file, "-checkend", "0"], b"").good;
    let mut http = network.http();
    until("the end of the first certificates, with requests all the time", || {
        http.get("/products/Tux").check(200);
        if firsts.iter().all(expired) { Ok(()) } else { Err("they are good".into()) }
    });
    http.post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    for instance in instances {
        let log = network.folder().read(&format!("logs/{instance}.log"));
        assert!(log.contains("certificates were read again"), "{log}");
        // Whoever comes now meets a good certificate, and is taken by its own good one.
        network.command(&["call", instance.rsplit_once('-').expect("NAME-1").0]).check(0);
    }
    let rows = shown(&network);
    assert!(rows.iter().all(|(_, row)| row["status"] == "good"), "{rows:?}");
    let gateway = network.folder().read("logs/gateway-1.log");
    assert!(!gateway.contains("disconnected"), "{gateway}");
}
