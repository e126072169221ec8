//! `micronet tap`: what passes, shown while it passes, and captures that Wireshark's decoder reads; never a secret, and never in the way.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::HttpClient;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet, run};
use micronet_tests::wireshark::{Packet, packets, tshark};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::access;

/// The password of an account of the demonstration.
const PASSWORD: &str = "client-demo";

/// A tap that runs, and what it has said so far.
struct Tap(Process);

impl Tap {
    fn start(network: &Network, arguments: &[&str]) -> Self {
        let mut command = micronet(network.folder().path(), &[&["tap"], arguments].concat());
        Self(Process::start("tap", &mut command))
    }

    /// Makes requests until it has seen enough and ends; what it said, and its last line.
    #[track_caller]
    fn until_done(mut self, mut request: impl FnMut()) -> (String, String) {
        until("the tap to have seen enough", || {
            request();
            if self.0.is_running() { Err(self.0.said()) } else { Ok(()) }
        });
        let status = self.0.wait();
        assert_eq!(status.code(), Some(0), "{}", self.0.said());
        (self.0.stdout(), self.0.stderr())
    }
}

fn sign_in(http: &mut HttpClient) -> String {
    let who = format!(r#"{{"email":"client@demo.example","password":"{PASSWORD}"}}"#);
    let answer = http.post("/auth/login", &who).check(200);
    answer.at("/data/access_token").as_str().expect("a token").to_owned()
}

/// What Wireshark has to complain of in a capture.
fn faults(file: &Path) -> Vec<Packet> {
    let filter = "_ws.malformed || _ws.lua || _ws.expert.severity == 0x800000";
    packets(file, filter, &["frame.number", "_ws.col.Info", "_ws.expert.message"], &[])
}

fn objects(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[test]
fn requests_are_shown_as_they_pass_and_chosen_by_filters() {
    let network = Network::start("shop");
    let mut http = network.http();
    let ask = |http: &mut HttpClient| {
        http.get("/products/Tux").check(200);
        http.get("/products/Nobody").check(404);
        // There are only so many whales, and this is asked until enough was seen.
        let ordered = http.post("/orders", r#"{"name":"Whale","quantity":1}"#);
        assert!([201, 409].contains(&ordered.status()), "{}", ordered.shown());
    };

    let (lines, last) = Tap::start(&network, &["--count", "6"]).until_done(|| ask(&mut http));
    assert!(!lines.contains('\x1b'), "no colours in a pipe: {lines}");
    assert!(lines.contains("GET /products/Tux") && lines.contains("  200  "), "{lines}");
    assert!(lines.contains("  404  ") && lines.contains("anonymous"), "{lines}");
    assert!(last.contains("6 calls in ") && last.contains(", 0 lost"), "{last}");
    // In columns: the statuses stand below each other.
    let shown: Vec<&str> = lines.lines().filter(|line| line.contains(" gateway-1 ")).collect();
    assert_eq!(shown.len(), 6, "{lines}");
    let columns: Vec<_> = shown.iter().map(|line| line.find("GET ").or_else(|| line.find("POST "))).collect();
    assert!(columns.iter().all(|column| *column == columns[0]), "{lines}");

    let (lines, _) =
        Tap::start(&network, &["--status", "404", "--count", "2", "--json"]).until_done(|| ask(&mut http));
    let objects_404 = objects(&lines);
    assert!(objects_404.iter().all(|call| call["http"]["status"] == 404), "{lines}");
    let request_id = objects_404[0]["request_id"].as_str().expect("an id");
    assert!(network.command(&["why", request_id]).check(0).stdout.contains("/products/Nobody"));

    let (lines, _) =
        Tap::start(&network, &["product", "--method", "query", "--count", "4", "--json", "--payload"])
            .until_done(|| ask(&mut http));
    // Of one that began before the tap did, the request is not known.
    let calls: Vec<_> = objects(&lines).into_iter().filter(|call| !call["request"].is_null()).collect();
    assert!(!calls.is_empty(), "{lines}");
    for call in calls {
        let seen_by = call["seen_by"].as_str().unwrap_or_default();
        assert!(seen_by.starts_with("product-") && call["method"] == "query", "{call}");
        assert!(call["request"]["name"] == "Tux" || call["request"]["name"] == "Nobody", "{call}");
        assert_eq!(call["reply"].is_null(), call["code"] != "OK", "{call}");
    }

    // What nobody does isn't shown; a tap ends when its time is over.
    let tap = Tap::start(&network, &["--slower-than", "1h", "--for", "1500ms"]);
    let (lines, last) = tap.until_done(|| ask(&mut http));
    assert!(lines.is_empty() && last.contains("0 calls in 1."), "{lines}{last}");
    let (lines, _) = Tap::start(&network, &["order", "--made", "--service", "product", "--count", "1"])
        .until_done(|| ask(&mut http));
    assert!(lines.contains("> product.") && lines.contains(" order-1 "), "{lines}");
}

#[test]
fn it_needs_its_permission_and_a_target() {
    let network = Network::start("shop");
    let address = network.address("product-1").to_string();
    for arguments in [&["tap", "--anonymous"][..], &["tap", "--at", &address, "--anonymous"]] {
        let said = network.command(arguments).check(1).stderr;
        assert!(said.contains("tap:read"), "{said}");
    }
    let said = network.command(&["tap", "nothing"]).check(1).stderr;
    assert!(said.contains("nothing") && said.contains("product-1"), "{said}");
    assert!(network.command(&["tap", "--pcap", "a", "--failed"]).check(2).stderr.contains("--failed"));
    // With the operator's token an instance is tapped without the control service.
    let mut http = network.http();
    let (lines, _) = Tap::start(&network, &["--at", &address, "--count", "1"])
        .until_done(|| _ = http.get("/products/Tux"));
    assert!(lines.contains("product-1"), "{lines}");
}

#[test]
fn no_secret_is_in_what_a_tap_writes() {
    let network = access::network(&[]);
    let captures = Folder::new();
    fs::create_dir_all(captures.path()).expect("a folder");
    let file = |name: &str| captures.path().join(name);
    let (of_gateway, of_auth) = (file("gateway.pcap"), file("auth.pcap"));
    let text = |path: &Path| path.display().to_string();
    let lines = Tap::start(&network, &["--payload", "--json", "--service", "auth", "--count", "6"]);
    let taps = [
        Tap::start(
            &network,
            &[
                "gateway",
                "--pcap",
                &text(&of_gateway),
                "--service",
                "auth",
                "--method",
                "login",
                "--count",
                "12",
            ],
        ),
        Tap::start(&network, &["auth", "--pcap", &text(&of_auth), "--method", "login", "--count", "12"]),
    ];
    let mut http = network.http();
    let mut tokens = Vec::new();
    let (said, _) = lines.until_done(|| tokens.push(sign_in(&mut http)));
    for tap in taps {
        tap.until_done(|| tokens.push(sign_in(&mut http)));
    }
    let operator = network.folder().operator_token();
    let hidden: Vec<&str> = tokens.iter().map(String::as_str).chain([PASSWORD, &operator]).collect();
    let logins = objects(&said);
    assert!(logins.iter().any(|call| call["request"]["password"] == "***"), "{said}");
    assert!(logins.iter().any(|call| call["reply"]["access_token"] == "***"), "{said}");
    for (name, bytes) in [
        ("json", said.into_bytes()),
        ("gateway", fs::read(&of_gateway).unwrap()),
        ("auth", fs::read(&of_auth).unwrap()),
    ] {
        assert!(bytes.len() > 1_000, "{name}");
        for secret in &hidden {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{name} holds {secret}");
        }
        // What is no secret is there.
        assert!(bytes.windows(19).any(|window| window == b"client@demo.example"), "{name}");
    }
    assert_eq!(faults(&of_auth).len(), 0, "{:?}", faults(&of_auth));
}

#[test]
fn a_capture_that_begins_late_in_tls_is_dissected_by_name() {
    let network = Network::start_in(Folder::new(), &["--demo", "shop", "--mtls"]);
    let mut http = network.http();
    let captures = Folder::new();
    fs::create_dir_all(captures.path()).expect("a folder");
    let file = captures.path().join("late.pcap");
    // The connections are open for long when it begins.
    for _ in 0..20 {
        http.get("/products/Tux").check(200);
    }
    let tap = Tap::start(&network, &["product", "--pcap", &file.display().to_string(), "--count", "60"]);
    let (_, last) = tap.until_done(|| _ = http.get("/products/Tux").check(200));
    assert!(last.contains("60 frames in ") && last.contains(", 0 lost"), "{last}");

    assert_eq!(faults(&file).len(), 0, "{:?}", faults(&file));
    let queries = "micronet.method.name == \"product.query\" && micronet.kind == 16";
    let asked: Vec<Packet> = packets(&file, queries, &["micronet.message", "tcp.dstport"], &[]);
    assert!(asked.len() >= 10, "{} requests", asked.len());
    let ports = ["product-1", "product-2"].map(|name| network.address(name).port().to_string());
    for packet in &asked {
        assert!(
            packet.one("micronet.message").is_some_and(|said| said.contains("\"name\":\"Tux\"")),
            "{packet:?}"
        );
        assert!(packet.one("tcp.dstport").is_some_and(|port| ports.iter().any(|known| known == port)));
    }
    // Each conversation says its schema once, first of all.
    let beacons = packets(&file, "micronet.kind == 8", &["tcp.stream"], &[]);
    let streams: BTreeSet<_> = beacons.iter().map(|packet| packet.one("tcp.stream")).collect();
    assert!(!beacons.is_empty() && beacons.len() == streams.len(), "{beacons:?}");
    // TCP has nothing to complain of: no byte is missing or comes twice, and all checksums are right.
    let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let filter = "tcp.analysis.flags || tcp.checksum.status == 0 || ip.checksum.status == 0";
    let complaints = packets(&file, filter, &["frame.number", "_ws.expert.message"], &checks);
    assert_eq!(complaints.len(), 0, "{complaints:?}");
    assert!(tshark(&file, &["-q", "-z", "io,phs"]).stdout.contains("micronet"));
}

#[test]
fn whoever_reads_a_tap_slowly_loses_and_delays_nobody() {
    let network = Network::start("shop");
    let mut http = network.http();
    let operator = format!("Bearer {}", network.folder().operator_token());
    // What is asked for by somebody in particular comes from no cache.
    let headers = [("Authorization", operator.as_str())];
    let mut ask = |bytes: usize| {
        let mut answered = 0;
        while answered < bytes {
            answered += http.request("GET", "/products", &headers, b"").check(200).text().len();
        }
    };
    // Nobody reads what it writes to its stdout.
    let mut command = micronet(network.folder().path(), &["tap", "gateway", "--pcap", "-"]);
    let mut tap = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // More than the gateway's queue holds (4 MiB) and what is on the way: JSON is longer than frames. Waiting for a reader would take for ever.
    ask(14 << 20);

    let captures = Folder::new();
    fs::create_dir_all(captures.path()).expect("a folder");
    let file = captures.path().join("slow.pcap");
    let (mut stdout, mut to) = (tap.stdout.take().expect("a pipe"), fs::File::create(&file).expect("a file"));
    let reading = thread::spawn(move || std::io::copy(&mut stdout, &mut to));
    // The connection has outlived that: what was kept comes, and then what passes now.
    until("what passes now", || {
        let path = "/products/Nobody-at-last";
        http.request("GET", path, &headers, b"");
        let seen = fs::read(&file).expect("a file");
        let is_there = seen.windows(14).any(|window| window == b"Nobody-at-last");
        if is_there { Ok(()) } else { Err(format!("{} bytes", seen.len())) }
    });
    let pid = i32::try_from(tap.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, Signal::INT).expect("it runs");
    assert!(tap.wait().expect("it ends").success());
    reading.join().expect("it reads").expect("it writes");
    let mut last = String::new();
    tap.stderr.take().expect("a pipe").read_to_string(&mut last).expect("text");
    assert!(last.contains(" frames in ") && !last.contains(", 0 lost"), "{last}");
    // What is there is whole.
    let mut capinfos = Command::new("capinfos");
    capinfos.arg("-c").arg(&file);
    let said = run(capinfos).check(0);
    assert!(said.stderr.is_empty() && said.stdout.contains("Number of packets"), "{said:?}");
}
