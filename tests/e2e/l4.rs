//! TCP through the gateway's virtual ports: whatever a service speaks, its instances speak it there too.

use std::net::SocketAddr;
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::ports;
use micronet_tests::process::{self, micronet};
use micronet_tests::server::Server;
use rustix::process::Signal;

use crate::external::has;

/// Which instance answers on a new connection.
fn who(port: SocketAddr) -> String {
    let answer = HttpClient::connect(port).get("/products/Tux").check(200);
    answer.header("X-Micronet-Instance").expect("who answered").to_owned()
}

#[test]
fn http_and_rpc_pass_through_to_the_instances() {
    let network = Network::start("shop");
    let product = network.virtual_port("product");
    let mut instances: Vec<String> = (0..4).map(|_| who(product)).collect();
    instances.sort();
    assert_eq!(instances, ["product-1", "product-1", "product-2", "product-2"]);
    let order = network.virtual_port("order");
    let called =
        network.command(&["call", "--to", &order.to_string(), "order.get", r#"{"order_num":2}"#]).check(0);
    assert!(called.stdout.contains("59.99"), "{}", called.stdout);
    // What has passed is in the statistics.
    let stats = network.http().get("/stats").check(200).at("/data");
    let port =
        stats["tcp"].as_array().expect("ports").iter().find(|port| port["name"] == "product").expect("it");
    assert_eq!(
        (&port["address"], &port["algorithm"]),
        (&product.to_string().into(), &"least_connections".into())
    );
    let backends = port["backends"].as_array().expect("backends");
    let sum = |field: &str| backends.iter().filter_map(|backend| backend[field].as_u64()).sum::<u64>();
    assert_eq!(sum("total"), 4, "{port}");
    assert!(sum("sent_bytes") > 4 * 40 && sum("received_bytes") > 4 * 200, "{port}");
    if has("nc") {
        let mut shell = Command::new("/bin/sh");
        let line = r"printf 'GET /products/Tux HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' | nc localhost $PORT";
        shell.args(["-c", line]).env("PORT", product.port().to_string());
        let said = process::run(shell).check(0).stdout;
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.contains(r#""price":25.99"#), "{said}");
    }
    // What the gateway sees of an instance holds here too.
    network.kill("product-1");
    let mut http = network.http();
    until("the gateway to miss product-1", || match who(product) {
        other if other == "product-2" && http.get("/products/Tux").status() == 200 => Ok(()),
        other => Err(other),
    });
    for _ in 0..4 {
        assert_eq!(who(product), "product-2");
    }
}

#[test]
fn an_instance_that_leaves_gets_no_new_connections() {
    let folder = Folder::new();
    let mut products: Vec<Server> = ["product-1", "product-2"]
        .map(|name| Server::start(folder.path(), name, &["service", "product", "--demo", "shop"]))
        .into();
    let peers = format!("product={},{}", products[0].address(), products[1].address());
    let front = SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let l4 = format!("{front}=product@round_robin");
    let _gateway = Server::start(folder.path(), "gateway-1", &["gateway", "--peer", &peers, "--l4", &l4]);
    assert_ne!(who(front), who(front), "both are there");
    // It announces that it drains, and is gone soon after; who is in its backlog by then is reset.
    products[0].process().signal(Signal::TERM);
    until("product-1 to be left out", || {
        let answer = HttpClient::connect(front).try_request("GET", "/products/Tux", &[], b"")?;
        match answer.header("X-Micronet-Instance") {
            Some("product-2") => Ok(()),
            other => Err(format!("{other:?} answered")),
        }
    });
    for _ in 0..4 {
        assert_eq!(who(front), "product-2");
    }
}

#[test]
fn virtual_ports_can_be_left_out() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--no-l4"]);
    assert!(!network.has_virtual_ports());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let l4 = format!("{port}=127.0.0.1:1");
    let listen = ["gateway", "--listen", "127.0.0.1:0", "--l4", &l4];
    let refused = process::run(micronet(folder.path(), &listen)).check(1);
    assert!(
        refused.stderr.contains(&port.to_string()) && refused.stderr.contains("--l4"),
        "{}",
        refused.stderr
    );
}
