//! `micronet ping` over TLS.

use std::fs;
use std::path::Path;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::process::{micronet, run};
use micronet_tests::server::Server;
use rustix::process::Signal;
use serde_json::Value;

use crate::ping::{Ping, is_fine, is_missing};

/// A CA with the certificates of product and of the operator.
fn certified(cluster: &str) -> Folder {
    let folder = Folder::new();
    for arguments in [
        &["certs", "init", "--cluster", cluster][..],
        &["certs", "issue", "product"],
        &["certs", "issue", "user"],
        &["certs", "issue", "operator"],
    ] {
        run(micronet(folder.path(), arguments)).check(0);
    }
    folder
}

fn product(folder: &Folder, flags: &[&str]) -> Server {
    Server::start(folder.path(), "product-1", &[&["service", "product"], flags].concat())
}

#[track_caller]
fn check_refused(folder: &Path, target: &str, flags: &[&str], words: &[&str]) {
    let arguments = [&["ping", target, "--count", "1"], flags].concat();
    let said = run(micronet(folder, &arguments)).check(2).stderr;
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in: {said}");
    }
}

#[test]
fn a_network_in_tls_is_watched_as_any_other() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]);
    for target in ["product-1", "order", &*network.address("user-1").to_string()] {
        let said = network.command(&["ping", target, "--count", "3", "--interval", "50"]).check(0).stdout;
        assert!(said.contains("3 heartbeats, 3 answered (0 late), 0.0% lost\n"), "{said}");
    }
    let said = network.command(&["ping", "product-2", "--count", "2", "--interval", "50", "--json"]).check(0);
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["connected"]["peer"]["instance"], "product-2");
    // What is counted is the connection's bytes, inside TLS, on both sides.
    assert_eq!(lines[2]["pong"]["bytes_received"], lines[2]["bytes_sent"], "{}", lines[2]);
    check_refused(network.folder().path(), "product-1", &["--anonymous"], &["everybody by certificate"]);
}

#[test]
fn a_stopped_process_is_stalled_in_tls_too() {
    let folder = certified("lab");
    let mut server = product(&folder, &["--mtls", "--cluster", "lab"]);
    let address = server.address().to_string();
    let ping = Ping::start_in(folder.path(), &address, &["--mtls", "--timeout", "300"]);
    let seen = ping.until("an answer", 0, is_fine);
    server.process().signal(Signal::STOP);
    let seen = ping.until("what a stopped process looks like", seen, |line| is_missing(line, "stalled"));
    assert_eq!(ping.lines()[seen - 1]["new_connection"], "silent");
    // Whoever comes now gets no further than the kernel.
    let arguments = ["ping", &address, "--mtls", "--count", "1", "--interval", "50", "--timeout", "200"];
    let said = run(micronet(folder.path(), &arguments)).check(1).stdout;
    assert!(said.contains("at last: stalled process (stalled process 1)"), "{said}");
    server.process().signal(Signal::CONT);
    let seen = ping.until("the process to be back", seen, |line| line["answered"] == true);
    ping.until("an answer as before", seen, is_fine);
    server.process().kill();
    let seen = ping.lines().len();
    ping.until("nobody to be there", seen, |line| is_missing(line, "gone"));
    assert_eq!(ping.stop().0, Some(1));
}

#[test]
fn a_handshake_that_fails_is_told() {
    let (folder, other) = (certified("lab"), certified("lab"));
    let server = product(&folder, &["--mtls", "--cluster", "lab"]);
    let address = server.address().to_string();
    check_refused(folder.path(), &address, &[], &["TLS_REQUIRED", "add --mtls"]);
    check_refused(other.path(), &address, &["--mtls"], &["WRONG_IDENTITY", "not of the CA of this cluster"]);
    // Here it is the instance that refuses: the CA is its own, but the operator's certificate is of the other one.
    let theirs = other.path().join("certs");
    fs::copy(folder.path().join("certs/ca.pem"), theirs.join("ca.pem")).unwrap();
    check_refused(other.path(), &address, &["--mtls"], &["WRONG_IDENTITY", "the peer refused TLS"]);
    let plain = product(&other, &[]);
    let flags = ["--certs", &*folder.path().join("certs").display().to_string()];
    check_refused(folder.path(), &plain.address().to_string(), &flags, &["doesn't speak TLS"]);
}
