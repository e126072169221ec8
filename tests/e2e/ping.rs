//! `micronet ping`: a healthy instance, and the ways in which it can be unwell, each made for real.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use micronet_tests::folder::Folder;
use micronet_tests::machine::Machine;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet, run};
use micronet_tests::server::Server;
use rustix::process::Signal;
use serde_json::Value;

/// A ping at work, whose lines are read as they come.
pub(crate) struct Ping {
    process: Process,
    _folder: Option<Folder>,
}

impl Ping {
    fn start(target: &str, flags: &[&str]) -> Self {
        let folder = Folder::new();
        let ping = Self::start_in(folder.path(), target, flags);
        Self { _folder: Some(folder), ..ping }
    }

    /// The same with what is in a data folder.
    pub(crate) fn start_in(data: &Path, target: &str, flags: &[&str]) -> Self {
        let arguments = [&["ping", target, "--json", "--interval", "100"], flags].concat();
        Self { process: Process::start("ping", &mut micronet(data, &arguments)), _folder: None }
    }

    /// The lines so far; the last may be cut short.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.process.stdout().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a heartbeat of which something is true, among those after the first `seen`; all lines then.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, seen: usize, found: impl Fn(&Value) -> bool) -> usize {
        until(what, || {
            let lines = self.lines();
            let fresh = lines.get(seen..).unwrap_or_default();
            if fresh.iter().any(&found) { Ok(lines.len()) } else { Err(self.process.said()) }
        })
    }

    /// Stops it as Ctrl-C does; its exit code and summary.
    pub(crate) fn stop(mut self) -> (Option<i32>, Value) {
        self.process.signal(Signal::INT);
        let status = self.process.wait();
        (status.code(), self.lines().pop().unwrap_or_default()["summary"].take())
    }
}

pub(crate) fn is_fine(line: &Value) -> bool {
    line["verdict"] == "fine"
}

/// An answer that did not come in time, and what was said of it.
pub(crate) fn is_missing(line: &Value, verdict: &str) -> bool {
    line["answered"] == false && line["verdict"] == verdict
}

fn product(folder: &Folder) -> Server {
    Server::start(folder.path(), "product-1", &["service", "product"])
}

#[test]
fn an_instance_of_the_network_is_watched_by_name() {
    let network = Network::start("toystore");
    for (target, instance) in [
        ("product-2", "product-2"),
        ("order", "order-1"),
        ("gateway", "gateway-1"),
        (&*network.address("user-1").to_string(), "user-1"),
    ] {
        let said = network.command(&["ping", target, "--count", "3", "--interval", "50"]).check(0).stdout;
        assert!(said.starts_with("PING ") && said.contains(&format!(": {instance} of micronet, ")), "{said}");
        assert!(
            said.contains(&format!("\n{target}: seq=3 time=")) || said.contains("-1: seq=3 time="),
            "{said}"
        );
        assert!(said.contains("3 heartbeats, 3 answered (0 late), 0.0% lost\n"), "{said}");
        assert!(said.contains("round trip min/avg/max/mdev/p50/p90/p99 = "), "{said}");
        assert!(!said.contains('\x1b'), "colours in a pipe: {said}");
    }
    let said = network.command(&["ping", "product-1", "--count", "2", "--interval", "50", "--json"]).check(0);
    let lines: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["connected"]["peer"]["instance"], "product-1");
    let pong = &lines[2]["pong"];
    assert_eq!(pong["bytes_received"], lines[2]["bytes_sent"], "{}", lines[2]);
    assert_eq!((&pong["health"], &pong["instance_calls_in_flight"]), (&"SERVING".into(), &0.into()));
    assert_eq!((&lines[3]["summary"]["sent"], &lines[3]["summary"]["lost"]), (&2.into(), &0.into()));
    for (target, words) in [
        ("nobody", "neither an instance nor a service"),
        ("localhost:x", "not an address"),
        (&*network.gateway().to_string(), "HTTP, not micronet's RPC"),
    ] {
        let refused = network.command(&["ping", target, "--count", "1"]).check(2);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

#[test]
fn a_stopped_process_is_told_from_a_dead_link_and_known_when_it_is_back() {
    let folder = Folder::new();
    let mut server = product(&folder);
    let ping = Ping::start(&server.address().to_string(), &["--timeout", "300"]);
    let seen = ping.until("an answer", 0, is_fine);
    server.process().signal(Signal::STOP);
    let seen = ping.until("what a stopped process looks like", seen, |line| is_missing(line, "stalled"));
    let line = ping.lines()[seen - 1].clone();
    assert_eq!(line["new_connection"], "silent", "{line}");
    assert_eq!(line["unacknowledged_bytes"], 0, "{line}");
    server.process().signal(Signal::CONT);
    let seen = ping.until("the process to be back", seen, |line| {
        line["verdict"] == "stalled" && line["pong"]["scheduler_lag_us"].as_u64() >= Some(250_000)
    });
    ping.until("an answer as before", seen, is_fine);
    let (code, summary) = ping.stop();
    // Every answer came, though some were late.
    assert_eq!((code, &summary["lost"]), (Some(0), &0.into()), "{summary}");
    assert!(summary["late"].as_u64() >= Some(1), "{summary}");
}

#[test]
fn a_process_that_was_stopped_before_is_stalled_too() {
    let folder = Folder::new();
    let mut server = product(&folder);
    server.process().signal(Signal::STOP);
    let address = server.address().to_string();
    let arguments = ["ping", &address, "--count", "2", "--interval", "50", "--timeout", "200"];
    let said = run(micronet(folder.path(), &arguments)).check(1).stdout;
    assert!(said.contains("seq=2 no answer") && said.contains("100.0% lost"), "{said}");
    assert!(said.contains("at last: stalled process (stalled process 2)"), "{said}");
    server.process().signal(Signal::CONT);
}

#[test]
fn a_killed_process_is_gone_and_found_again() {
    let folder = Folder::new();
    let mut server = product(&folder);
    let ping = Ping::start(&server.address().to_string(), &["--timeout", "300"]);
    let seen = ping.until("an answer", 0, is_fine);
    server.process().kill();
    let seen = ping.until("nobody to be there", seen, |line| is_missing(line, "gone"));
    server.restart(folder.path());
    ping.until("an answer as before", seen, is_fine);
    let (code, summary) = ping.stop();
    assert_eq!((code, &summary["verdict"]), (Some(1), &"fine".into()), "{summary}");
    assert!(summary["lost"].as_u64() >= Some(1), "{summary}");
}

/// A service on another machine.
fn product_there(link: &Machine, folder: &Folder) -> (Process, String) {
    let address = link.there(10086);
    let arguments = ["service", "product", "--listen", &address, "--insecure"];
    let process = Process::start("product-1", &mut link.run(&micronet(folder.path(), &arguments)));
    until("the service to listen", || {
        if process.stdout().contains("listening on ") { Ok(()) } else { Err(process.said()) }
    });
    (process, address)
}

#[test]
fn a_pulled_cable_is_a_dead_link() {
    let Some(link) = Machine::start() else { return };
    let folder = Folder::new();
    let (_server, address) = product_there(&link, &folder);
    let ping = Ping::start(&address, &["--timeout", "300"]);
    let seen = ping.until("an answer", 0, is_fine);
    link.unplug();
    let seen = ping.until("a dead link", seen, |line| is_missing(line, "dead_link"));
    let line = ping.lines()[seen - 1].clone();
    assert_eq!(line["new_connection"], "unreachable", "{line}");
    assert!(line["unacknowledged_bytes"].as_u64() > Some(0), "{line}");
    let (code, summary) = ping.stop();
    assert_eq!((code, &summary["verdict"]), (Some(1), &"dead_link".into()), "{summary}");
}

#[test]
fn a_full_link_is_congested() {
    let Some(link) = Machine::start() else { return };
    let folder = Folder::new();
    let (_server, address) = product_there(&link, &folder);
    link.narrow(800);
    let ping = Ping::start(&address, &["--timeout", "200"]);
    let seen = ping.until("an answer", 0, is_fine);
    let full = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| fill(&link.there(9).parse().expect("an address"), &full));
        // The answers come, and late, and it isn't the process that is late.
        let late = |line: &Value| {
            line["late"] == true
                && line["verdict"] == "congested"
                && line["pong"]["scheduler_lag_us"].as_u64() < Some(200_000)
        };
        let mut seen = seen;
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..3 {
                seen = ping.until("a late answer", seen, late);
            }
        }));
        full.store(false, Ordering::Relaxed);
        if let Err(failed) = found {
            std::panic::resume_unwind(failed);
        }
    });
    let seen = ping.lines().len();
    ping.until("the link to be free again", seen, is_fine);
    let (_, summary) = ping.stop();
    assert!(summary["verdicts"]["congested"].as_u64() >= Some(3), "{summary}");
}

/// Keeps the queue before a link as long as a socket's buffer allows; the kernel has the sender wait for it.
fn fill(to: &SocketAddr, while_true: &AtomicBool) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    while while_true.load(Ordering::Relaxed) {
        let _ = socket.send_to(&[0; 1_400], to);
    }
}
