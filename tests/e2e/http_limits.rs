//! What HTTP may take of a gateway: each limit with its status, as configured; connections beyond their number; descriptors that run out;
//! and clients that dally by the thousand.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{HttpClient, connected, rest};
use micronet_tests::patience::until;
use micronet_tests::server::Server;
use micronet_tests::slow::Slow;
use micronet_transport::kernel_queue::unacknowledged;
use micronet_wire::limits::UNSENT_BYTES_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const GET: &str = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";

/// A gateway alone, with these settings.
#[track_caller]
fn gateway(folder: &Folder, settings: &str) -> Server {
    gateway_under(&[], folder, settings)
}

/// The same under another program, which runs it.
#[track_caller]
fn gateway_under(runner: &[&str], folder: &Folder, settings: &str) -> Server {
    fs::create_dir_all(folder.path()).expect("the folder can be made");
    let file = folder.path().join("edge.toml");
    fs::write(&file, settings).expect("the settings can be written");
    let file = file.display().to_string();
    let arguments = ["gateway", "--rpc", "127.0.0.1:0", "--debug-routes", "--config", &file];
    start_under(runner, folder.path(), "gateway-1", &arguments)
}

#[track_caller]
fn start_under(runner: &[&str], data: &Path, instance: &str, arguments: &[&str]) -> Server {
    let runner: Vec<String> = runner.iter().map(|&word| word.to_owned()).collect();
    match runner.is_empty() {
        true => Server::start(data, instance, arguments),
        false => Server::start_under(&runner, data, instance, arguments),
    }
}

/// What comes back for some bytes, until the server ends the connection.
#[track_caller]
fn sent(server: SocketAddr, bytes: &str) -> String {
    let mut stream = connected(server);
    // A server that has refused the beginning need not read the rest.
    let _ = stream.write_all(bytes.as_bytes());
    rest(&mut stream)
}

/// All that comes yet, when nothing more is asked.
fn rest_after(mut stream: TcpStream) -> String {
    stream.shutdown(Shutdown::Write).expect("it is open");
    rest(&mut stream)
}

#[track_caller]
fn check_status(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(code), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

/// The sum of a family's samples on a server's page of metrics.
#[track_caller]
fn metric(http: &mut HttpClient, sample: &str) -> f64 {
    let page = http.get("/metrics").check(200).text();
    let samples = page.lines().filter_map(|line| line.strip_prefix(sample)?.trim().parse::<f64>().ok());
    samples.sum()
}

#[test]
fn every_limit_is_what_is_configured() {
    let folder = Folder::new();
    let settings = "[http]\nrequest_line = \"64B\"\nhead = \"512B\"\nheaders = 4\nbody = \"10B\"\nhead_time = \"300ms\"\n\
                    body_gap = \"200ms\"\nidle = \"400ms\"\nrequests = 3\n[http.bodies]\n\"/echo\" = \"20B\"\n";
    let gateway = gateway(&folder, settings);
    let check =
        |bytes: &str, status: u16, code: &str| check_status(&sent(gateway.address(), bytes), status, code);
    check(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64)), 414, "URI_TOO_LONG");
    check(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(512)), 431, "HEADERS_TOO_LARGE");
    check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(4)), 431, "HEADERS_TOO_LARGE");
    let post = |path: &str, bytes: usize| {
        let body = "x".repeat(bytes);
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n{body}"
        )
    };
    check(&post("/", 11), 413, "BODY_TOO_LARGE");
    check(&post("/echo", 21), 413, "BODY_TOO_LARGE");
    check(&post("/echo", 20), 200, &"x".repeat(20));
    // Nothing follows: each has its time.
    check("GET /echo HTTP/1.1\r\nHost", 408, "REQUEST_TIMEOUT");
    check("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx", 408, "REQUEST_TIMEOUT");
    assert_eq!(sent(gateway.address(), ""), "");
    let answer = sent(gateway.address(), GET);
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("Connection: close"), "{answer}");
    let answers = sent(gateway.address(), &GET.repeat(4));
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 3, "{answers}");
    assert_eq!(answers.matches("Connection: close").count(), 1, "{answers}");
}

/// Connections that have begun a request, as the server knows: it waits for the body, so they don't idle.
fn busy(server: SocketAddr, count: usize) -> Vec<TcpStream> {
    const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let begun = (0..count).map(|_| {
        let mut stream = connected(server);
        let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";
        stream.write_all(head).expect("it can be sent");
        let mut answer = [0; GO_ON.len()];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer.escape_ascii().to_string(), GO_ON.escape_ascii().to_string());
        stream
    });
    begun.collect()
}

#[test]
fn connections_beyond_their_number_are_told() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "[http]\nconnections = 8\nbody_gap = \"1h\"\n");
    let mut observer = HttpClient::connect(gateway.address());
    observer.get("/alive").check(200);
    let held = busy(gateway.address(), 7);
    // The one that idles makes room.
    let mut newcomer = busy(gateway.address(), 1);
    assert!(observer.try_request("GET", "/alive", &[], b"").is_err(), "the observer has lost its place");
    // Nobody idles any more.
    let full = sent(gateway.address(), GET);
    check_status(&full, 503, "SERVICE_UNAVAILABLE");
    assert!(full.contains("\r\nRetry-After: 1\r\n"), "{full}");
    // Those who were there go on.
    newcomer[0].write_all(b"hi").expect("it can be sent");
    assert!(rest(&mut newcomer[0]).ends_with("\r\n\r\nhi"));
    drop(held);
    let mut observer = until("a place", || {
        let mut http = HttpClient::connect(gateway.address());
        match http.try_request("GET", "/alive", &[], b"") {
            Ok(answer) if answer.status() == 200 => Ok(http),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(metric(&mut observer, "micronet_connections_shed_total{reason=\"total\"}") >= 1.0);
    assert_eq!(metric(&mut observer, "micronet_connections_shed_total{reason=\"idle\"}"), 1.0);
}

#[test]
fn an_address_has_its_share_of_connections() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "[http]\nconnections_per_address = 4\n");
    let mut held = busy(gateway.address(), 4);
    check_status(&sent(gateway.address(), GET), 503, "too many connections");
    held.truncate(2);
    let mut http = until("a place", || {
        let mut http = HttpClient::connect(gateway.address());
        match http.try_request("GET", "/echo", &[], b"") {
            Ok(answer) if answer.status() == 200 => Ok(http),
            other => Err(format!("{other:?}")),
        }
    });
    assert!(metric(&mut http, "micronet_connections_shed_total{reason=\"address\"}") >= 1.0);
}

#[test]
fn descriptors_that_run_out_cost_newcomers_only() {
    let folder = Folder::new();
    let runner = ["prlimit", "--nofile=96:96"];
    let gateway = gateway_under(&runner, &folder, "[http]\nhead_time = \"1h\"\n");
    let mut client = HttpClient::connect(gateway.address());
    client.get("/echo").check(200);
    client.send("POST", "/echo", &[], b"").expect("it can be sent");
    client.receive().expect("an answer");
    let mut crowd: Vec<TcpStream> = (0..200).map(|_| connected(gateway.address())).collect();
    for stream in &mut crowd {
        // A head that doesn't end, so that it doesn't idle; some are refused.
        let _ = stream.write_all(b"GET");
    }
    until("newcomers to be refused", || {
        let full = sent(gateway.address(), GET);
        if full.starts_with("HTTP/1.1 503 ") { Ok(()) } else { Err(full) }
    });
    drop(crowd);
    until("a newcomer to be served", || {
        let answer = sent(gateway.address(), &GET.replace("Host: a", "Host: a\r\nConnection: close"));
        if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
    });
}

#[test]
fn a_port_that_can_not_take_connections_takes_them_again() {
    let folder = Folder::new();
    // Less than the connections that a service's port would keep.
    let runner = ["prlimit", "--nofile=64:64"];
    let product = start_under(&runner, folder.path(), "product-1", &["service", "product"]);
    let mut client = HttpClient::connect(product.address());
    client.get("/alive").check(200);
    let crowd: Vec<TcpStream> = (0..100).map(|_| connected(product.address())).collect();
    until("descriptors to run out", || match metric(&mut client, "micronet_accept_failures_total") {
        failures if failures > 0.0 => Ok(()),
        failures => Err(failures.to_string()),
    });
    // Whoever was there is served.
    client.get("/alive").check(200);
    drop(crowd);
    HttpClient::connect(product.address()).get("/alive").check(200);
}

#[test]
fn slow_clients_are_nobody_elses_affair() {
    const SLOW: usize = 2_000;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("descriptors");
    let folder = Folder::new();
    let gateway = gateway(&folder, "");
    let mut client = HttpClient::connect(gateway.address());
    let mut slow = Slow::start(gateway.address(), SLOW);
    for round in 0..20 {
        assert_eq!(slow.go_on(), SLOW, "no client was given up yet in round {round}");
        for _ in 0..10 {
            client.request("POST", "/echo", &[], b"hi").check(200);
            HttpClient::connect(gateway.address()).get("/echo").check(200);
        }
    }
    assert!(metric(&mut client, "micronet_connections{protocol=\"http\"}") > 2_000.0);
}

#[test]
fn the_kernel_keeps_little_for_a_client_that_does_not_read() {
    const LONG: usize = 1 << 20;
    let folder = Folder::new();
    let gateway = gateway(&folder, "");
    let mut slow = connected(gateway.address());
    let head = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {LONG}\r\n\r\n");
    slow.write_all(head.as_bytes()).and_then(|()| slow.write_all(&vec![b'x'; LONG])).expect("it can be sent");
    let peer = slow.local_addr().expect("it has an address");
    let kept = || unacknowledged(gateway.address(), peer).map_or(0, |kept| kept.bytes);
    until("the client's window to be full", || match kept() {
        0..0x8000 => Err(kept().to_string()),
        _ => Ok(()),
    });
    let mut client = HttpClient::connect(gateway.address());
    for _ in 0..20 {
        client.request("POST", "/echo", &[], b"hi").check(200);
        // The kernel takes a segment of 64 KiB whole, and may have begun another.
        assert!(kept() <= 3 * u64::from(UNSENT_BYTES_MAX), "{} bytes wait in the kernel", kept());
    }
    let answer = rest_after(slow);
    assert!(answer.ends_with(&"x".repeat(LONG)), "the answer comes whole: {} bytes", answer.len());
}

#[test]
fn bodies_on_their_way_have_one_limit_together() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "[http]\nbuffered = \"1MiB\"\n");
    let mut client = HttpClient::connect(gateway.address());
    let part = "x".repeat(400 << 10);
    let begun = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{part}", 1 << 20);
    let buffered = "micronet_http_buffered_bytes";
    let mut held: Vec<TcpStream> = (0..2).map(|_| connected(gateway.address())).collect();
    for (at, stream) in held.iter_mut().enumerate() {
        stream.write_all(begun.as_bytes()).expect("it can be sent");
        until("the part to have come", || match metric(&mut client, buffered) {
            bytes if bytes >= 400.0 * 1_024.0 * (at as f64 + 1.0) => Ok(()),
            bytes => Err(bytes.to_string()),
        });
    }
    let third = sent(gateway.address(), &begun);
    check_status(&third, 503, "too much is on its way already");
    client.request("POST", "/echo", &[], b"hi").check(200);
    // The others come to their end.
    held[0].write_all("x".repeat(624 << 10).as_bytes()).expect("it can be sent");
    drop(held);
    until("nothing to be kept", || match metric(&mut client, buffered) {
        0.0 => Ok(()),
        bytes => Err(bytes.to_string()),
    });
}
