//! Those who mean no good, or don't know better: they cost others nothing, and leave nothing behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use micronet_tests::http_client::{HttpClient, connected, raw, rest};
use micronet_tests::network::Network;
use micronet_tests::patience::until;
use micronet_tests::process;
use micronet_tests::random::Random;

use super::nc;
use crate::external::has;

/// A client that calls by text, and fails when a call does.
struct Healthy(BufReader<TcpStream>);

impl Healthy {
    fn connect(server: SocketAddr) -> Self {
        Self(BufReader::new(connected(server)))
    }

    #[track_caller]
    fn call(&mut self) {
        self.0.get_mut().write_all(b"CALL product.query {\"name\":\"Tux\"}\n").expect("it can be sent");
        let mut answer = String::new();
        while !answer.ends_with("\n\n") {
            assert!(self.0.read_line(&mut answer).expect("an answer") > 0, "{answer}");
        }
        assert!(answer.starts_with("+OK product.query ") && answer.contains("25.99"), "{answer}");
    }
}

/// A sample of a server's page of metrics.
fn metric(server: SocketAddr, name: &str) -> f64 {
    let page = HttpClient::connect(server).get("/metrics").check(200).text();
    let sample = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    sample.unwrap_or_else(|| panic!("{name} is missing in {page}"))
}

#[test]
fn garbage_is_refused_in_words_and_costs_others_nothing() {
    if !has("nc") {
        return;
    }
    let network = Network::start("shop");
    let product = network.address("product-1");
    let mut healthy = Healthy::connect(product);
    let memory = || process::memory(network.pid("product-1"), "RssAnon");
    let before = memory();
    let mut random = Random::new(7);
    for _ in 0..20 {
        // As a first line, which may be HTTP, and as a later one.
        let mut first = connected(product);
        let _ = first.write_all(&vec![b'x'; 1 << 20]);
        let mut later = connected(product);
        let _ = later.write_all(&[&b"PING\n"[..], &vec![b'x'; 1 << 20]].concat());
        let mut said = String::new();
        // The server need not read the rest: what comes may end in a reset.
        let _ = later.read_to_string(&mut said);
        assert!(said.is_empty() || said.starts_with("+OK PONG"), "{said}");
        let junk: Vec<u8> = (0..20_000).map(|_| u8::try_from(random.below(256)).unwrap_or(0)).collect();
        let mut binary = connected(product);
        let _ = binary.write_all(&[&b"PING\n"[..], &junk].concat());
        healthy.call();
    }
    assert!(nc(product, &format!("PING\\n{}\\n", "x".repeat(66_000))).contains("-ERR LINE_TOO_LONG "));
    let junk: String = (0..40).map(|_| "\\0001\\0002\\0377\\n").collect();
    let said = nc(product, &format!("PING\\n{junk}PING\\n"));
    assert!(said.ends_with("-ERR TOO_MANY_MISTAKES so many lines in a row are no commands\n\n"), "{said}");
    // What is binary from the start is told so in HTTP.
    assert!(raw(product, b"\x01\x02\xff\n").starts_with("HTTP/1.1 400 "));
    healthy.call();
    until("memory to be given back", || {
        let now = memory();
        if now < before + 16_000_000 { Ok(()) } else { Err(format!("{before} before, {now} now")) }
    });
}

#[test]
fn those_that_idle_and_those_that_type_slowly_cost_others_nothing() {
    let network = Network::start("shop");
    let product = network.address("product-1");
    let rpc = product.to_string();
    let mut healthy = Healthy::connect(product);
    healthy.call();
    let before = metric(product, "process_open_fds");
    let begun: [&[u8]; 4] = [b"", b"PI", b"PING\n", b"PING\nPIN"];
    let mut idle: Vec<TcpStream> = Vec::new();
    for at in 0..200 {
        let mut stream = connected(product);
        stream.write_all(begun[at % begun.len()]).expect("it can be sent");
        idle.push(stream);
    }
    until("all of them to be there", || {
        let open = metric(product, "process_open_fds");
        if open >= before + 200.0 { Ok(()) } else { Err(format!("{before} before, {open} now")) }
    });
    for at in 0..200 {
        healthy.call();
        // A slow typist goes on, a letter at a time.
        if at % 20 == 0 {
            idle.iter_mut().skip(3).step_by(4).for_each(|stream| _ = stream.write(b"G"));
        }
    }
    let called = network.command(&["call", "product.query", r#"{"name":"Tux"}"#, "--to", &rpc]).check(0);
    assert!(called.stdout.contains("25.99"), "{}", called.stdout);
    assert!(network.http().get("/products/Tux").check(200).text().contains("25.99"));
    // One that comes back to what it typed is heard.
    idle[3].write_all(b"\nPING\nQUIT\n").expect("it can be sent");
    let said = rest(&mut idle[3]);
    assert!(said.contains("-ERR UNKNOWN_COMMAND ") && said.ends_with("+OK goodbye\n\n"), "{said}");
    drop(idle);
    until("descriptors to be given back", || {
        let open = metric(product, "process_open_fds");
        if open <= before + 2.0 { Ok(()) } else { Err(format!("{before} before, {open} now")) }
    });
    healthy.call();
}

#[test]
fn strangers_beyond_their_number_make_room() {
    let network = Network::start("shop");
    let product = network.address("product-1");
    let mut crowd: Vec<TcpStream> = Vec::new();
    for _ in 0..300 {
        let mut stream = connected(product);
        stream.write_all(b"PING\n").expect("it can be sent");
        stream.read_exact(&mut [0; 8]).expect("an answer");
        crowd.push(stream);
    }
    let said = rest(&mut crowd[0]);
    assert!(said.ends_with("-ERR OVERLOADED too many connections that have proved nothing\n\n"), "{said}");
    Healthy::connect(product).call();
    assert!(network.http().get("/products/Tux").check(200).text().contains("25.99"));
}
