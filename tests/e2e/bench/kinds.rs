//! Each kind of load, against what it is made for.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use micronet_tests::folder::Folder;
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process::{Process, micronet};
use micronet_tests::server::Server;
use rustix::process::Signal;

use super::{BRIEFLY, Echo, bench, check_run, figure, json_of, measured};

#[test]
fn rpc_is_measured_on_a_server_of_its_own() {
    let folder = Folder::new();
    let results = measured(&folder, &["rpc", "--in-flight", "16", "--connections", "3"]);
    check_run(&results, 0, 2, &["client", "server"]);
    let run = &results["runs"][0];
    assert_eq!((&run["kind"], &run["settings"]["other"]["method"]), (&"rpc".into(), &"bench.echo".into()));
    assert_eq!(run["settings"]["load"]["closed"]["in_flight"], 16, "{run}");
    assert_eq!(run["settings"]["connections"], 3, "{run}");
    // Where the time went, as the server tells.
    let ledger = &run["repetitions"][0]["ledger"];
    assert_eq!(ledger["replies"], run["repetitions"][0]["requests"], "{ledger}");
    assert_eq!(run["settings"]["payload_bytes"], 64, "{run}");
}

#[test]
fn rpc_streams_and_both_drivers_pass() {
    let folder = Folder::new();
    let check = |arguments: &[&str]| {
        let results = measured(&folder, &[&["rpc"], arguments].concat());
        check_run(&results, 0, 2, &["client", "server"]);
    };
    check(&["--stream", "20", "--in-flight", "4"]);
    check(&["--driver", "mio", "--in-flight", "8", "--connections", "2"]);
    check(&["--driver", "mio", "--in-flight", "1", "--spin", "--sync-server"]);
    check(&["--driver", "mio", "--stream", "5", "--in-flight", "1"]);
    check(&["--driver", "mio", "--rate", "400/s", "--in-flight", "4"]);
    check(&["--rate", "200/s", "--arrivals", "poisson", "--seed", "7", "--payload", "4KiB"]);
}

#[test]
fn rpc_is_measured_over_tls_and_in_a_running_network() {
    let folder = Folder::new();
    let own = measured(&folder, &["rpc", "--mtls"]);
    check_run(&own, 0, 2, &["client", "server"]);
    assert_eq!(own["runs"][0]["settings"]["other"]["security"], "mtls", "{own}");
    let network = Network::start_in(Folder::new(), &["--demo", "toystore", "--mtls"]);
    let results =
        measured(network.folder(), &["rpc", r#"rpc:product.query {"name":"Tux"}"#, "--connections", "2"]);
    // A connection to each instance.
    check_run(&results, 0, 2, &["client", "server", "server"]);
    assert_eq!(results["runs"][0]["settings"]["other"]["security"], "mtls", "{results}");
    let processes = results["runs"][0]["repetitions"][0]["cpu"].to_string();
    assert!(processes.contains("product-1") && processes.contains("product-2"), "{processes}");
}

#[test]
fn http_is_measured_through_the_gateway_with_all_who_take_part() {
    let network = Network::start("toystore");
    let results =
        measured(network.folder(), &["http", "/products/Tux", "--rate", "100/s", "--connections", "4"]);
    let run = &results["runs"][0];
    let requests = run["repetitions"][0]["requests"].as_u64();
    assert_eq!((requests, &run["repetitions"][0]["corrected"]), (Some(50), &true.into()), "{run}");
    let cpu = run["repetitions"][0]["cpu"].as_array().expect("processes");
    let role = |name: &str| cpu.iter().find(|cpu| cpu["process"] == name).map(|cpu| &cpu["role"]);
    assert_eq!(role("gateway-1"), Some(&"gateway".into()), "{cpu:?}");
    assert_eq!(role("product-2"), Some(&"server".into()), "{cpu:?}");
    assert_eq!(role("bench"), Some(&"client".into()), "{cpu:?}");
    // Where the time went at the instance, of those requests that the gateway remembers and was asked for.
    let ledger = &run["repetitions"][0]["ledger"];
    assert!(ledger["replies"].as_u64() > Some(0) && ledger["handler_us"].as_f64() > Some(0.0), "{ledger}");
    // What is refused is an error by its status, and has taken its time all the same.
    let url = format!("{}/products/Nobody", network.gateway());
    let refused =
        bench(network.folder(), &[&["http", &url, "--rate", "20/s"], &BRIEFLY[..]].concat()).check(1);
    let refused = json_of(&refused);
    let repetition = &refused["runs"][0]["repetitions"][0];
    assert_eq!(repetition["errors"]["status 404"], repetition["requests"], "{repetition}");
}

#[test]
fn a_body_and_header_fields_are_sent() {
    let folder = Folder::new();
    let server = Server::start(folder.path(), "bench-1", &["bench", "serve"]);
    let item = r#"{"id":12345,"name":"widget-alpha","amount":19.95,"active":true}"#;
    let url = format!("http://{}/api/v1/bench/item", server.address());
    let by_flag = measured(&folder, &["http", &url, "--body", item, "-H", "X-A: b", "-c", "2"]);
    check_run(&by_flag, 0, 2, &["client", "server"]);
    let by_target = measured(&folder, &["http", &format!("POST {url} {item}"), "-c", "2"]);
    check_run(&by_target, 0, 2, &["client", "server"]);
    assert_eq!(by_target["runs"][0]["settings"]["payload_bytes"], item.len(), "{by_target}");
}

#[test]
fn websockets_echo_or_push() {
    let network = Network::start_in(Folder::new(), &["--demo", "toystore", "--debug-routes"]);
    let url = format!("ws://{}/ws/echo", network.gateway());
    for flags in
        [&["-c", "2"][..], &["--text", "hello", "-c", "1"], &["-n", "8", "-c", "2", "--payload", "4KiB"]]
    {
        let results = measured(network.folder(), &[&["ws", &url], flags].concat());
        assert_eq!(results["runs"][0]["repetitions"][1]["errors"], serde_json::json!({}), "{results}");
        assert!(figure(&results, 0, "throughput", "") > 0.0);
    }
    let missing = bench(network.folder(), &["ws", "/nothing"]).check(1);
    assert!(missing.stderr.contains("no WebSocket: status 404"), "{}", missing.stderr);
}

/// Pushes messages to whoever connects, and counts them.
fn pushes(listener: TcpListener, pushed: &'static AtomicU64) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let Ok(mut socket) = tungstenite::accept(stream) else { return };
                while socket.send("a message".into()).is_ok() {
                    pushed.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(2));
                }
            });
        }
    });
}

#[test]
fn what_is_pushed_is_measured_from_one_message_to_the_next() {
    static PUSHED: AtomicU64 = AtomicU64::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/any", listener.local_addr().expect("its address"));
    pushes(listener, &PUSHED);
    let folder = Folder::new();
    let results = measured(&folder, &["ws", &url, "--pushed", "-c", "2"]);
    let run = &results["runs"][0];
    assert_eq!(run["settings"]["other"]["messages"], "pushed", "{run}");
    let repetitions = run["repetitions"].as_array().expect("repetitions");
    let counted: u64 = repetitions.iter().filter_map(|each| each["requests"].as_u64()).sum();
    assert!(counted > 20 && counted <= PUSHED.load(Ordering::Relaxed), "{counted}: {run}");
    assert!(repetitions.iter().all(|each| each["errors"] == serde_json::json!({})), "{run}");
}

#[test]
fn tcp_passes_through_the_gateway_beside_the_direct_way() {
    let folder = Folder::new();
    let echo = Echo::start(&folder);
    let port = micronet_tests::ports::free();
    let l4 = format!("{port}={}", echo.address);
    let _gateway =
        Server::start(folder.path(), "gateway-1", &["gateway", "--rpc", "127.0.0.1:0", "--l4", &l4]);
    let (through, direct) = (format!("127.0.0.1:{port}"), echo.address.to_string());
    let results = measured(&folder, &["l4", "--compare", &through, &direct, "--bytes", "256KiB", "-c", "2"]);
    for run in [0, 1] {
        check_run(&results, run, 2, &["client", "gateway"]);
        let bytes = &results["runs"][run]["repetitions"][0]["bytes"];
        let least = results["runs"][run]["repetitions"][0]["requests"].as_u64().expect("requests") << 18;
        // Bytes are counted as they pass: those of the two that were under way when the warm-up ended, too.
        let passed = |name: &str| (least..=least + (2 << 18)).contains(&bytes[name].as_u64().unwrap_or(0));
        assert!(passed("sent") && passed("received"), "{bytes}, {least}");
    }
    assert!(results["comparison"]["figures"].is_array(), "{results}");
}

#[test]
fn the_floor_is_measured_by_itself_or_where_it_is() {
    let folder = Folder::new();
    let results = measured(&folder, &["echo", "--in-flight", "32", "--connections", "2"]);
    check_run(&results, 0, 2, &["client", "server"]);
    let echo = Echo::start(&folder);
    let results =
        measured(&folder, &["echo", &echo.address.to_string(), "--rate", "500/s", "--payload", "1MiB"]);
    assert_eq!(results["runs"][0]["repetitions"][0]["requests"], 250, "{results}");
}

#[test]
fn people_see_a_table() {
    let said =
        bench(&Folder::new(), &["echo", "--duration", "300ms", "--warm-up", "0", "--repeat", "3"]).check(0);
    for word in ["throughput", "P50", "P99", "CPU a request"] {
        assert!(said.stdout.contains(word), "{word:?} is missing in: {}", said.stdout);
    }
    // A pipe gets neither colours nor a progress bar.
    assert!(!said.stdout.contains('\x1b') && !said.stderr.contains('\x1b'), "{}", said.stderr);
}

#[test]
fn ctrl_c_ends_it_with_what_was_measured() {
    let folder = Folder::new();
    let echo = Echo::start(&folder);
    let address = echo.address.to_string();
    let arguments = ["bench", "echo", &address, "--duration", "1h", "--warm-up", "0", "--json"];
    let mut process = Process::start("bench", &mut micronet(folder.path(), &arguments));
    until("it to be under way", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
        let ticks: u64 =
            stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(11)?.parse().ok()).unwrap_or(0);
        if ticks > 10 { Ok(()) } else { Err(process.said()) }
    });
    process.signal(Signal::INT);
    assert_eq!(process.wait().code(), Some(130), "{}", process.said());
    let results: serde_json::Value = serde_json::from_str(&process.stdout()).expect("the results are JSON");
    check_run(&results, 0, 1, &["client", "server"]);
}
