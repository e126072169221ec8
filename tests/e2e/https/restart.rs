//! The gateway is started anew, and its sockets stay open.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet};
use rustix::process::Signal;

use super::Edge;
use super::load::{Load, kept_alive, on_a_new_connection};

#[test]
fn no_request_fails_and_no_connection_is_refused_while_it_is_started_anew() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--no-l4"]);
    let gateway = network.gateway();
    let first = pid_of_gateway(&network);
    let load = Load::of(3, move || on_a_new_connection(gateway, "/products/Tux"))
        .and(2, || kept_alive(gateway, "/products/Whale"));
    load.more(100);
    for _ in 0..3 {
        network.command(&["restart", "gateway"]).check(0);
        load.more(100);
    }
    load.check();
    assert_ne!(pid_of_gateway(&network), first);
    // What the operator says reaches the new process, on a socket that was handed over too.
    network.command(&["instances", "product"]).check(0);
    network.command(&["call", "gateway.about"]).check(0);
    // Nobody is left of those before.
    until("those before to be gone", || match gateways(network.folder()) {
        pids if pids.len() == 1 => Ok(()),
        pids => Err(format!("{pids:?}")),
    });
    network.stop();
}

#[test]
fn connections_wait_for_a_gateway_that_was_killed() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--no-l4"]);
    let gateway = network.gateway();
    on_a_new_connection(gateway, "/products/Tux").expect("an answer");
    network.kill("gateway-1");
    on_a_new_connection(gateway, "/health").expect("an answer of the next one");
    // One that was stopped by the operator refuses them.
    network.command(&["stop", "gateway"]).check(0);
    let refused = on_a_new_connection(gateway, "/health").expect_err("nobody listens");
    assert!(refused.starts_with("connecting: "), "{refused}");
    network.command(&["start", "gateway"]).check(0);
    on_a_new_connection(gateway, "/health").expect("an answer");
    network.stop();
}

#[test]
fn a_gateway_goes_on_whose_successor_does_not_get_ready() {
    let edge = Edge::new();
    let file = edge.path("plain.toml");
    fs::write(&file, "[tls]\n").expect("the settings can be written");
    let flags = ["--demo", "shop", "--no-l4", "--gateway-config", &file.display().to_string()];
    let network = Network::start_in(edge.folder, &flags);
    let (gateway, first) = (network.gateway(), pid_of_gateway(&network));
    fs::write(&file, "[tls]\nhsts = \"max-age=1\"\n[nothing]\n").expect("the settings can be written");
    let said = network.command(&["restart", "gateway"]).check(1);
    assert!(said.stderr.contains("gateway-1 did not start"), "{}", said.stderr);
    on_a_new_connection(gateway, "/products/Tux").expect("an answer of the one before");
    assert_eq!(pid_of_gateway(&network), first);
    fs::write(&file, "").expect("the settings can be written");
    network.command(&["restart", "gateway"]).check(0);
    on_a_new_connection(gateway, "/products/Tux").expect("an answer");
    assert_ne!(pid_of_gateway(&network), first);
    network.stop();
}

/// As systemd does it (sd_listen_fds(3)): the socket is the third descriptor, and stays open when the gateway ends.
const ACTIVATE: &str = "
import os, socket, sys
held = socket.socket(fileno=int(sys.argv[1]))
os.dup2(held.fileno(), 3, inheritable=True)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_socket_of_systemd_is_served_and_stays_open() {
    if !crate::external::has("python3") {
        return;
    }
    let folder = Folder::new();
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("an address");
    // The child inherits it, as if systemd had opened it.
    rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty()).expect("a descriptor");
    let start = |listen: &str| {
        let ours = micronet(folder.path(), &["gateway", "--listen", listen, "--rpc", "127.0.0.1:0"]);
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&held).to_string();
        let mut command = Command::new("python3");
        command.args(["-c", ACTIVATE, &descriptor]).arg(ours.get_program()).args(ours.get_args());
        Process::start("gateway", &mut command)
    };
    for _ in 0..2 {
        let mut gateway = start(&address.to_string());
        // It may not even be ready.
        on_a_new_connection(address, "/health").expect("an answer");
        gateway.signal(Signal::TERM);
        let load = Load::of(1, move || on_a_new_connection(address, "/health"));
        gateway.wait();
        let next = start(&address.to_string());
        load.more(20);
        load.check();
        drop(next);
    }
    // A socket for which there is no use is told, rather than left without anybody who accepts.
    let mut gateway = start("127.0.0.1:0");
    assert_eq!(gateway.wait().code(), Some(2));
    assert!(gateway.stderr().contains(&format!("a socket was opened for {address}")), "{}", gateway.said());
}

fn pid_of_gateway(network: &Network) -> u64 {
    let said = network.command(&["ps", "gateway", "--json"]).check(0).stdout;
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    said["processes"][0]["pid"].as_u64().unwrap_or_else(|| panic!("no pid in {said}"))
}

/// The processes that run as this folder's gateway.
fn gateways(folder: &Folder) -> Vec<u32> {
    let is_it = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("\0gateway\0") && line.contains(&folder.path().display().to_string())
    };
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_it).collect()
}
