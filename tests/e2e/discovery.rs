//! Instances that a gateway is told of while it runs: by names, by a file, and by themselves.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use micronet_gateway::api::{Announcement, GatewayClient};
use micronet_tests::dns::NameServer;
use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::ports;
use micronet_tests::process::{self, micronet};
use micronet_tests::rpc::{self, Caller};
use micronet_tests::server::Server;
use micronet_wire::error::Code;
use micronet_wire::service::CallOptions;
use rustix::process::Signal;
use serde_json::Value;

const PRODUCT: [&str; 4] = ["service", "product", "--demo", "shop"];

fn start_product(folder: &Folder, instance: &str, listen: SocketAddr) -> Server {
    Server::start_on(folder.path(), instance, &listen.to_string(), &PRODUCT, &[])
}

/// A gateway with these flags, its own service on the port that comes with it.
fn start_gateway(folder: &Folder, flags: &[&str]) -> (Server, SocketAddr) {
    let rpc = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
    let text = rpc.to_string();
    let arguments = [&["gateway", "--rpc", &text], flags].concat();
    (Server::start(folder.path(), "gateway-1", &arguments), rpc)
}

/// Who answers a few calls; the status where nobody does.
fn who(gateway: &Server) -> BTreeSet<String> {
    let mut http = HttpClient::connect(gateway.address());
    let mut answers = (0..4).map(|_| http.get("/products/Tux"));
    let name = |answer: micronet_tests::http_client::Answer| match answer.header("X-Micronet-Instance") {
        Some(instance) => instance.to_owned(),
        None => answer.status().to_string(),
    };
    (&mut answers).map(name).collect()
}

#[track_caller]
fn until_answered_by(gateway: &Server, wanted: &[&str]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|&name| name.to_owned()).collect();
    until(&format!("answers by {wanted:?}"), || {
        let seen = who(gateway);
        if seen == wanted { Ok(()) } else { Err(format!("{seen:?}")) }
    });
}

/// Two addresses of this machine with the same port.
fn two_hosts() -> [SocketAddr; 2] {
    let port = ports::free();
    [1, 2].map(|host| SocketAddr::from(([127, 0, 0, host], port)))
}

#[test]
fn calls_follow_a_name_whose_addresses_change() {
    let folder = Folder::new();
    let hosts = two_hosts();
    let _products =
        [start_product(&folder, "product-1", hosts[0]), start_product(&folder, "product-2", hosts[1])];
    let names = NameServer::start();
    let ips: Vec<IpAddr> = hosts.iter().map(SocketAddr::ip).collect();
    names.set_addresses("product.test", &ips[..1]);
    let peer = format!("product=dns:product.test:{}", hosts[0].port());
    let server = names.address().to_string();
    let (gateway, rpc) = start_gateway(&folder, &["--peer", &peer, "--dns-server", &server]);
    // The first answer was waited for.
    assert_eq!(who(&gateway), BTreeSet::from(["product-1".to_owned()]));
    names.set_addresses("product.test", &ips);
    until_answered_by(&gateway, &["product-1", "product-2"]);
    names.set_addresses("product.test", &ips[1..]);
    until_answered_by(&gateway, &["product-2"]);
    // A name that is gone, and a server that is away, take nobody along.
    for silent in [false, true] {
        if silent {
            names.fall_silent();
        } else {
            names.set_addresses("product.test", &[]);
        }
        let asked = names.asked();
        until("two more questions", || match names.asked() {
            more if more >= asked + 4 => Ok(()),
            few => Err(format!("{few} after {asked}")),
        });
        assert_eq!(who(&gateway), BTreeSet::from(["product-2".to_owned()]));
        let seen = process::run(micronet(folder.path(), &["instances", "--to", &rpc.to_string()])).check(0);
        assert!(seen.stdout.contains("\n  dns: "), "why nothing is found is shown: {}", seen.stdout);
    }
    names.set_addresses("product.test", &ips[..1]);
    until_answered_by(&gateway, &["product-1"]);
}

#[test]
fn srv_records_say_hosts_ports_and_weights() {
    let folder = Folder::new();
    let hosts = [1, 2, 3].map(|host| SocketAddr::from(([127, 0, 0, host], ports::free())));
    let _products: Vec<Server> = (1..)
        .zip(hosts)
        .map(|(number, host)| start_product(&folder, &format!("product-{number}"), host))
        .collect();
    let names = NameServer::start();
    for (number, host) in (1..).zip(hosts) {
        names.set_addresses(&format!("host-{number}.test"), &[host.ip()]);
    }
    let records = [
        (1, 10, hosts[0].port(), "host-1.test"),
        (1, 20, hosts[1].port(), "host-2.test"),
        (2, 10, hosts[2].port(), "host-3.test"),
    ];
    names.set_services("_rpc._tcp.product.test", &records);
    let server = names.address().to_string();
    let peer = ["--peer", "product=srv:_rpc._tcp.product.test", "--dns-server", &server];
    let (gateway, _) = start_gateway(&folder, &peer);
    assert_eq!(who(&gateway), BTreeSet::from(["product-1".to_owned(), "product-2".to_owned()]));
    names.set_services("_rpc._tcp.product.test", &records[2..]);
    until_answered_by(&gateway, &["product-3"]);
}

#[test]
fn a_file_is_read_again_when_it_changes() {
    let folder = Folder::new();
    let hosts = two_hosts();
    let _products =
        [start_product(&folder, "product-1", hosts[0]), start_product(&folder, "product-2", hosts[1])];
    let path = folder.path().join("peers.toml");
    // A file is replaced at once, as editors do it.
    let write = |text: &str| {
        let new = path.with_extension("new");
        fs::write(&new, text).expect("a file");
        fs::rename(&new, &path).expect("a file");
    };
    write(&format!("[product]\ninstances = [\"{}\"]\n", hosts[0]));
    let flag = path.display().to_string();
    let (mut gateway, _) = start_gateway(&folder, &["--peers", &flag]);
    assert_eq!(who(&gateway), BTreeSet::from(["product-1".to_owned()]));
    write(&format!(
        "[product]\nbalancer = \"round_robin\"\ninstances = [{{ address = \"{}\", weight = 7 }}]\n",
        hosts[1]
    ));
    until_answered_by(&gateway, &["product-2"]);
    write("[product\n");
    until("the gateway to say that the file is broken", || {
        let said = gateway.process().said();
        if said.contains("peers.toml") && said.contains("they stay as they were") {
            Ok(())
        } else {
            Err(said)
        }
    });
    assert_eq!(who(&gateway), BTreeSet::from(["product-2".to_owned()]));
    write(&format!("[product]\ninstances = [\"{}\", \"{}\"]\n", hosts[0], hosts[1]));
    until_answered_by(&gateway, &["product-1", "product-2"]);
}

#[test]
fn an_instance_that_registers_is_called_until_it_leaves() {
    let folder = Folder::new();
    let (mut gateway, rpc) = start_gateway(&folder, &["--peer", "product"]);
    assert_eq!(
        who(&gateway),
        BTreeSet::from(["503".to_owned()]),
        "a service of which only the name is known"
    );
    let register = rpc.to_string();
    let arguments = [&PRODUCT[..], &["--register", &register]].concat();
    let mut first = Server::start(folder.path(), "product-1", &arguments);
    until_answered_by(&gateway, &["product-1"]);
    let mut second = Server::start(folder.path(), "product-2", &arguments);
    until_answered_by(&gateway, &["product-1", "product-2"]);
    // One says goodbye, the other one is killed.
    first.process().signal(Signal::TERM);
    until_answered_by(&gateway, &["product-2"]);
    first.process().wait();
    first.restart(folder.path());
    until_answered_by(&gateway, &["product-1", "product-2"]);
    second.process().kill();
    until_answered_by(&gateway, &["product-1"]);
    // The gateway knows nobody when it comes back; who is there says so again.
    gateway.process().kill();
    gateway.restart(folder.path());
    until_answered_by(&gateway, &["product-1"]);
}

#[test]
fn a_certificate_is_enough_to_register_with() {
    let folder = Folder::new();
    for arguments in [
        &["certs", "init"][..],
        &["certs", "issue", "gateway", "--instance", "gateway-1"],
        &["certs", "issue", "product", "--instance", "product-1"],
    ] {
        process::run(micronet(folder.path(), arguments)).check(0);
    }
    let (gateway, rpc) = start_gateway(&folder, &["--mtls", "--peer", "product", "--peer", "order"]);
    assert_eq!(who(&gateway), BTreeSet::from(["503".to_owned()]));
    let register = rpc.to_string();
    let arguments = [&PRODUCT[..], &["--mtls", "--register", &register]].concat();
    let mut product = Server::start(folder.path(), "product-1", &arguments);
    until_answered_by(&gateway, &["product-1"]);
    product.process().kill();
    until_answered_by(&gateway, &["503"]);
}

#[test]
fn only_a_service_itself_registers_its_instances() {
    let folder = Folder::new();
    let (gateway, rpc) = start_gateway(&folder, &["--peer", "product", "--peer", "order"]);
    let check = |caller: Caller, service: &str, address: &str, wanted: Option<Code>| {
        let announcement = Announcement {
            service: service.into(),
            instance: "product-9".into(),
            address: address.into(),
            weight: 100,
        };
        let found = rpc::call(rpc, &caller.identity(&folder), async |client| {
            let options = CallOptions::default();
            let mut words = GatewayClient::new(client).register(&announcement, options).await?;
            words.next().await
        });
        assert_eq!(found.err().map(|error| error.code), wanted, "{caller:?} {service} {address}");
    };
    check(Caller::Stranger, "product", "127.0.0.1:1", Some(Code::Unauthenticated));
    check(Caller::Operator, "product", "127.0.0.1:1", Some(Code::InsufficientPermissions));
    check(Caller::Member("order"), "product", "127.0.0.1:1", Some(Code::InsufficientPermissions));
    check(Caller::Member("user"), "user", "127.0.0.1:1", Some(Code::InvalidInput));
    check(Caller::Member("product"), "product", "localhost:1", Some(Code::InvalidInput));
    check(Caller::Member("product"), "product", "127.0.0.1:0", Some(Code::InvalidInput));
    check(Caller::Member("product"), "product", "127.0.0.1:1", None);
    drop(gateway);
}

/// Where the gateway of a network tells about itself.
fn rpc_of_gateway(network: &Network) -> String {
    let file: Value = serde_json::from_str(&network.folder().read("network.json")).expect("JSON");
    let entries = file["entries"].as_array().expect("entries");
    let found = entries.iter().find(|entry| entry["service"] == "gateway" && entry["protocol"] == "rpc");
    found.and_then(|entry| entry["address"].as_str()).expect("an address").to_owned()
}

#[test]
fn an_instance_that_registered_is_known_to_the_next_gateway() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--no-l4"]);
    let rpc = rpc_of_gateway(&network);
    let arguments = [&PRODUCT[..], &["--register", &rpc]].concat();
    let mut third = Server::start(network.folder().path(), "product-9", &arguments);
    let expect = |what: &str, known: bool| {
        until(what, || {
            let said = network.command(&["instances", "product", "--json"]).check(0).stdout;
            if said.contains("product-9") == known { Ok(()) } else { Err(said) }
        });
    };
    expect("the gateway to know it", true);
    for _ in 0..2 {
        network.command(&["restart", "gateway"]).check(0);
        expect("the next gateway to know it", true);
    }
    third.process().signal(Signal::TERM);
    expect("it to have left", false);
    network.stop();
}
