//! `micronet up`: what it says, what it refuses, and how it ends.

use std::fs::read_to_string;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{connected, rest};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Finished, has_ended, memory, micronet, run};
use rustix::process::Signal;

/// Runs `micronet up` where it has to refuse, and checks that it says these words.
#[track_caller]
fn check_refused(folder: &Folder, flags: &[&str], code: i32, words: &[&str]) {
    let finished = run(micronet(folder.path(), &[&["up"], flags].concat())).check(code);
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} is missing in: {}", finished.stderr);
    }
    assert_eq!(finished.stdout, "");
}

#[track_caller]
fn check_all_ended(pids: &[u32]) {
    until("the end of all children", || {
        let running: Vec<_> = pids.iter().filter(|pid| !has_ended(**pid)).collect();
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?} run")) }
    });
}

fn is_closed(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

#[test]
fn it_says_what_runs_where_and_what_to_try() {
    let mut network = Network::start("toystore");
    let said = network.up().stdout();
    for (service, instance, protocol) in [
        ("gateway", "gateway-1", "HTTP"),
        ("product", "product-1", "RPC"),
        ("product", "product-2", "RPC"),
        ("order", "order-1", "RPC"),
        ("control", "control-1", "RPC"),
    ] {
        let address = network.address(instance).to_string();
        let row = said
            .lines()
            .find(|line| line.contains(instance))
            .unwrap_or_else(|| panic!("no {instance} in {said}"));
        let columns: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(columns[..4], [service, instance, protocol, &address], "{said}");
        let pid: u32 = columns[4].parse().expect("a process id");
        assert!(network.pids().contains(&pid) && !has_ended(pid), "{said}");
    }
    assert!(said.contains("demo: toystore"), "{said}");
    let (_, things) = said.split_once("Try:\n").expect("things to try");
    let things: Vec<&str> = things.lines().take_while(|line| line.starts_with("  ")).collect();
    // What needs no other program can be tried here; what needs curl is tried where curl is.
    let without_curl: Vec<&str> =
        things.iter().filter(|thing| !thing.trim_start().starts_with("curl ")).copied().collect();
    assert_eq!((things.len(), without_curl.len()), (5, 1), "{said}");
    let finished = shell(without_curl[0]).check(0);
    assert!(finished.stdout.contains("query"), "{}", finished.stdout);
}

fn shell(command: &str) -> Finished {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    run(shell)
}

#[test]
fn a_second_network_on_the_same_folder_is_refused() {
    let mut network = Network::start("shop");
    let pid = network.up().id().to_string();
    check_refused(network.folder(), &["--base-port", "0"], 1, &["already runs", &pid, "--data"]);
    check_refused(network.folder(), &["--base-port", "0", "--fresh"], 1, &["already runs"]);
    network.http().get("/products/Tux").check(200);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let folder = Folder::new();
    let ports = format!("product=0,{port}");
    let words = [&port.to_string(), "product-2", "in use", "--port product="];
    check_refused(&folder, &["--base-port", "0", "--port", &ports], 1, &words);
    let gateway = format!("gateway={port}");
    check_refused(&folder, &["--base-port", "0", "--port", &gateway], 1, &["gateway-1", "in use"]);
    assert!(!folder.path().join("network.json").exists());
    // Nothing of it is left: the folder can be used.
    let _network = Network::start_in(folder, &[]);
}

#[test]
fn an_address_that_others_reach_is_refused() {
    let folder = Folder::new();
    for listen in ["0.0.0.0", "::"] {
        check_refused(&folder, &["--base-port", "0", "--listen", listen], 2, &["--insecure", listen]);
    }
    let network = Network::start_in(folder, &["--listen", "0.0.0.0", "--insecure"]);
    // It listens everywhere, and says where programs on this machine reach it.
    assert!(network.gateway().ip().is_loopback(), "{}", network.gateway());
    network.http().get("/products/Tux").check(200);
}

#[test]
fn other_demonstration_data_than_the_folder_has_is_refused() {
    let folder = Network::start("shop").stop();
    check_refused(&folder, &["--base-port", "0", "--demo", "toystore"], 1, &["--demo shop", "--fresh"]);
    let network = Network::start_in(folder, &["--demo", "toystore", "--fresh"]);
    network.http().get("/products/Laptop").check(404);
}

#[test]
fn fresh_begins_anew() {
    let network = Network::start("toystore");
    network.http().post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    let token = network.folder().operator_token();
    let network = Network::start_in(network.stop(), &["--fresh", "--demo", "toystore"]);
    assert_eq!(network.http().get("/orders/log").text(), "");
    assert_eq!(network.http().get("/products/Whale").at("/data/quantity"), 94);
    // Only the databases are deleted: who may operate the network stays.
    assert_eq!(network.folder().operator_token(), token);
}

#[test]
fn more_instances_take_turns_too() {
    let network = Network::start_in(Folder::new(), &["--port", "product=0,0,0", "--port", "order=0,0"]);
    let mut http = network.http();
    let mut instances_of = |target: &str| {
        let mut seen: Vec<String> = (0..6)
            .filter_map(|_| http.get(target).check(200).header("X-Micronet-Instance").map(str::to_owned))
            .collect();
        seen.sort();
        seen.dedup();
        seen
    };
    assert_eq!(instances_of("/products/Tux"), ["product-1", "product-2", "product-3"]);
    assert_eq!(instances_of("/orders/1"), ["order-1", "order-2"]);
}

#[test]
fn what_only_starting_needed_is_given_back() {
    let mut network = Network::start("toystore");
    for pid in [network.pids(), vec![network.up().id()]].concat() {
        until("less than three quarters of the most that it held", || {
            let (now, most) = (memory(pid, "VmRSS"), memory(pid, "VmHWM"));
            if now * 4 < most * 3 { Ok(()) } else { Err(format!("process {pid}: {now} of {most} bytes")) }
        });
    }
    network.http().get("/products/Tux").check(200);
}

/// A request of which the gateway has the head, and waits for the rest.
fn half_a_request(network: &Network) -> TcpStream {
    let mut stream = connected(network.gateway());
    let head = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    write!(stream, "{head}Content-Length: 29\r\n\r\n{{\"name\":").expect("it can be sent");
    // Another connection is served after this one was read, since one thread does both in turn.
    for _ in 0..2 {
        network.http().get("/products/Tux").check(200);
    }
    stream
}

#[test]
fn a_signal_lets_running_requests_finish() {
    // Under nohup, which the processes started here inherit, a hang-up is ignored as it should be.
    let hang_up = (!ignores_hang_up()).then_some(Signal::HUP);
    for signal in [Signal::INT, Signal::TERM].into_iter().chain(hang_up) {
        let mut network = Network::start("shop");
        let (pids, gateway) = (network.pids(), network.gateway());
        let mut request = half_a_request(&network);
        network.up().signal(signal);
        until("the gateway to take no more connections", || {
            if is_closed(gateway) { Ok(()) } else { Err("it does".into()) }
        });
        // Whoever looks for the network from now on finds none.
        assert!(!network.folder().path().join("network.json").exists());
        request.write_all(b"\"Whale\",\"quantity\":1}").expect("it can be sent");
        request.shutdown(Shutdown::Write).expect("our side closes");
        let answer = rest(&mut request);
        assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("\"order_num\":3"), "{answer}");
        assert!(answer.contains("\r\nConnection: close"), "{answer}");
        assert_eq!(network.up().wait().code(), Some(0), "{}", network.up().said());
        check_all_ended(&pids);
        assert!(network.up().stderr().contains("all stopped"), "{}", network.up().said());
    }
}

/// Whether this process, and so those that it starts, ignore SIGHUP: bit 0 of SigIgn in `/proc/self/status`.
fn ignores_hang_up() -> bool {
    let status = read_to_string("/proc/self/status").expect("Linux shows it");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("there is a mask");
    u64::from_str_radix(mask.trim(), 16).expect("hexadecimal") & 1 != 0
}

#[test]
fn a_second_signal_stops_everything_at_once() {
    let mut network = Network::start("shop");
    let pids = network.pids();
    let _request = half_a_request(&network);
    network.up().signal(Signal::INT);
    until("the first signal to be heard", || {
        let said = network.up().stderr();
        if said.contains("gateway-1 is draining") { Ok(()) } else { Err(said) }
    });
    network.up().signal(Signal::INT);
    assert_eq!(network.up().wait().code(), Some(130), "{}", network.up().said());
    check_all_ended(&pids);
}

#[test]
fn nothing_outlives_a_network_that_was_killed() {
    let mut network = Network::start("toystore");
    network.http().post("/orders", r#"{"name":"Whale","quantity":1}"#).check(201);
    let pids = network.pids();
    network.up().kill();
    check_all_ended(&pids);
    // Its file is still there, and fools nobody.
    assert!(network.folder().path().join("network.json").exists());
    let call = network.command(&["call", "nothing"]).check(1);
    assert!(call.stderr.contains("no network runs on"), "{}", call.stderr);
    let again = Network::start_in(network.into_folder(), &[]);
    assert_eq!(again.http().get("/orders/log").text(), "1 Whale 1\n");
}
