//! Rounds of everything that reaches a gateway from outside: from the second on, each has to leave its memory and its descriptors as it
//! found them. `tests/run --long` makes five rounds of it, with slowhttptest, Autobahn's suite and schemathesis among them.

use std::env;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::{until, until_or};
use micronet_tests::program::root;
use micronet_tests::slow::{MODES, Slow};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http_corpus;
use crate::openapi::description::UNLIMITED;

/// A part of a round, by name.
type Stage = (&'static str, fn(&Network));

/// What a round consists of. Whoever has something that a gateway must bear for ever adds it here.
const STAGES: [Stage; 7] = [
    ("requests", requests),
    ("the corpus", corpus),
    ("large bodies", large_bodies),
    ("slow clients", slow_clients),
    ("slowhttptest", slowhttptest),
    ("Autobahn", autobahn),
    ("schemathesis", schemathesis),
];

/// The memory is what it is when it hasn't become less for so long.
const STEADY: Duration = Duration::from_secs(2);

/// How long the gateway may take for as many requests as it ever remembers.
const FILLED_MAX: Duration = Duration::from_secs(180);

/// By how much the memory may differ between the second round and the last, in permille.
const GROWTH_PERMILLE_MAX: u64 = 50;

#[test]
fn rounds_leave_nothing_behind() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("descriptors");
    let rounds: u32 =
        env::var("MICRONET_ROUNDS").map_or(4, |rounds| rounds.parse().expect("a number of rounds"));
    assert!(rounds > 2, "the second round and a later one are compared");
    let network = Network::start_in(
        Folder::new(),
        &["--demo", "shop", "--debug-routes", "--gateway-config", UNLIMITED],
    );
    remember(&network);
    let mut second = None;
    let mut last = (0, 0);
    for round in 1..=rounds {
        for (name, stage) in STAGES {
            stage(&network);
            println!("round {round}, {name}: {:?}", usage(network.gateway()));
        }
        last = settled(network.gateway());
        println!("round {round}: {} KiB, {} descriptors", last.0 / 1024, last.1);
        if round == 2 {
            second = Some(last);
        }
    }
    let (bytes, descriptors) = second.expect("there was a second round");
    assert_eq!(descriptors, last.1, "descriptors after round 2 and round {rounds}");
    assert!(
        last.0.abs_diff(bytes) * 1_000 <= bytes * GROWTH_PERMILLE_MAX,
        "{bytes} bytes after round 2, but {} after round {rounds}",
        last.0
    );
}

/// Has the gateway remember as many requests as it ever will.
fn remember(network: &Network) {
    let mut http = network.http();
    let mut before = 0;
    until_or("the records to be full", FILLED_MAX, || {
        for _ in 0..2_000 {
            http.get("/products/Tux").check(200);
        }
        let page = http.get("/metrics").check(200).text();
        let bytes = sample(&page, "micronet_records_bytes");
        if bytes == std::mem::replace(&mut before, bytes) { Ok(()) } else { Err(format!("{bytes} bytes")) }
    })
    .unwrap_or_else(|failure| panic!("{failure}"));
}

/// The memory that a process has, in bytes, and its descriptors.
fn usage(server: SocketAddr) -> (u64, u64) {
    let page = HttpClient::connect(server).get("/metrics").check(200).text();
    (sample(&page, "process_resident_memory_bytes"), sample(&page, "process_open_fds"))
}

fn sample(page: &str, name: &str) -> u64 {
    let mut samples = page.lines().filter_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    samples.next().unwrap_or_else(|| panic!("no {name} in {page}"))
}

/// The same, once nobody is connected any more but whoever asks.
fn settled(server: SocketAddr) -> (u64, u64) {
    until("the clients to be gone", || {
        let page = HttpClient::connect(server).get("/metrics").check(200).text();
        match sample(&page, "micronet_connections{protocol=\"http\"}") {
            1 => Ok(()),
            open => Err(format!("{open} connections")),
        }
    });
    // What is free goes back to the system a second later.
    let mut seen = (usage(server), Instant::now());
    until("the memory to be given back", || {
        let now = usage(server);
        if now.0 < seen.0.0 {
            seen = (now, Instant::now());
        }
        if seen.1.elapsed() > STEADY { Ok(now) } else { Err(format!("{now:?}")) }
    })
}

fn requests(network: &Network) {
    let mut http = network.http();
    for at in 0..2_000 {
        match at % 4 {
            0 => http.get("/products/Tux").status(),
            1 => http.get("/products").status(),
            2 => http.get(&format!("/nowhere/{at}")).status(),
            _ => http.post("/orders", "{\"name\":\"Nobody\",\"quantity\":1}").status(),
        };
    }
}

fn corpus(network: &Network) {
    http_corpus::check_gateway(network.gateway());
}

fn large_bodies(network: &Network) {
    let body = vec![b'x'; 1 << 20];
    let mut clients: Vec<HttpClient> = (0..8).map(|_| network.http()).collect();
    for client in &mut clients {
        for _ in 0..4 {
            client.request("POST", "/echo", &[("Content-Type", "text/plain")], &body).check(200);
        }
    }
}

/// Slow clients by the thousand, while another one is served.
fn slow_clients(network: &Network) {
    let mut slow = Slow::start(network.gateway(), 2_000);
    let mut http = network.http();
    for _ in 0..5 {
        slow.go_on();
        for _ in 0..10 {
            http.get("/products/Tux").check(200);
            network.http().get("/echo").check(200);
        }
    }
}

/// slowhttptest in each of its modes, where `MICRONET_SLOWHTTPTEST` names the program, while another client is served.
fn slowhttptest(network: &Network) {
    let Ok(program) = env::var("MICRONET_SLOWHTTPTEST") else { return };
    let flags = ["-H", "-B", "-R", "-X"];
    assert_eq!(flags.len(), MODES.len());
    for mode in flags {
        let mut command = Command::new(&program);
        command.args([mode, "-c", "2000", "-r", "1000", "-l", "8", "-i", "1", "-p", "3", "-k", "3"]);
        command.args(["-u", &format!("http://{}/products", network.gateway())]);
        let mut attack =
            command.stdout(Stdio::null()).stdin(Stdio::null()).spawn().expect("slowhttptest starts");
        let (mut http, mut served) = (network.http(), 0);
        while attack.try_wait().expect("it can be asked").is_none() {
            http.get("/products/Tux").check(200);
            network.http().get("/echo").check(200);
            served += 1;
        }
        println!("slowhttptest {mode}: {served} requests of another client were served twice");
        assert!(served > 0, "{mode} ended at once, or let nobody through");
    }
}

/// Autobahn's cases 1-7 and 10, where `MICRONET_AUTOBAHN` names the script that runs them.
fn autobahn(network: &Network) {
    let Some(mut script) = script("MICRONET_AUTOBAHN") else { return };
    script.arg("--at").arg(network.gateway().to_string());
    examine(&mut script);
}

/// schemathesis with all of its checks and all operations but the control service's, five examples each, where `MICRONET_EXAMINE`
/// names the script that runs it.
fn schemathesis(network: &Network) {
    let Some(mut script) = script("MICRONET_EXAMINE") else { return };
    script.arg("schemathesis").arg(network.gateway().to_string()).arg(network.folder().path());
    examine(script.env("MICRONET_EXAMPLES", "5"));
    // What the other stages ask for, in case it was deleted.
    let tux = r#"{"name":"Tux","price":25.99,"quantity":80}"#;
    let bearer = format!("Bearer {}", network.folder().operator_token());
    let headers = [("Content-Type", "application/json"), ("Authorization", &*bearer)];
    let status = network.http().request("POST", "/products", &headers, tux.as_bytes()).status();
    assert!(matches!(status, 201 | 409), "{status}");
}

/// The script that a variable names.
fn script(variable: &str) -> Option<Command> {
    let mut script = Command::new(root().join(env::var_os(variable)?));
    script.current_dir(root());
    Some(script)
}

/// Runs a script for as long as it takes.
fn examine(script: &mut Command) {
    let begun = Instant::now();
    let done = script.stdin(Stdio::null()).output().expect("the script starts");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{script:?}: {said}\n{}", String::from_utf8_lossy(&done.stderr));
    println!("{}\nafter {:?}", said.lines().last().unwrap_or_default(), begun.elapsed());
}
