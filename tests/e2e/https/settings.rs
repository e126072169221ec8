//! Settings that are read again, and certificates that are replaced, while requests pass.

use std::fs;
use std::process::Command;

use micronet_tests::http_client::raw;
use micronet_tests::patience::until;
use micronet_tests::ports;
use micronet_tests::process::{Process, micronet, run};
use rustix::process::Signal;

use super::load::Load;
use super::{Edge, curl, handshake, openssl, url};

#[test]
fn settings_are_read_again_without_dropping_a_connection() {
    if !openssl::is_there() || !crate::external::has("curl") {
        return;
    }
    let edge = Edge::new();
    let file = edge.path("edge.toml");
    let port = ports::free();
    let lines = format!("redirect = \"127.0.0.1:{port}\"");
    let network = edge.start(&lines);
    let gateway = network.gateway();
    let certificate = network.folder().path().join("certs/gateway-1.pem");
    let write = |lines: &str| {
        let text = format!("[tls]\ncertificate = \"{}\"\n{lines}\n", certificate.display());
        fs::write(&file, text).expect("the settings can be written");
    };
    // The plaintext port sends everybody to the other, and does nothing else.
    let plain = format!("127.0.0.1:{port}").parse().expect("an address");
    let answer = raw(
        plain,
        "POST /orders?a=b HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    let location = format!("Location: https://shop.example:{}/orders?a=b\r\n", gateway.port());
    assert!(answer.starts_with("HTTP/1.1 308 ") && answer.contains(&location), "{answer}");
    let answer = raw(plain, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    let answer = raw(plain, "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");

    // One curl keeps its connection while the settings change.
    let data = network.folder().path().to_owned();
    let target = url(gateway, "/products/Tux");
    let load = Load::of(2, move || {
        let many = ["--fail", "--output", "/dev/null", "--output", "/dev/null", &target, &target];
        let said = curl(&data, &many);
        if said.code == Some(0) { Ok(()) } else { Err(said.stderr) }
    });
    load.more(4);
    assert!(handshake(gateway, &["-tls1_2"]).contains("alert protocol version"));
    write(&format!("{lines}\nversions = [\"1.2\", \"1.3\"]\nhsts = \"max-age=3600\""));
    let said = network.command(&["reload", "gateway"]).check(0).stdout;
    assert!(said.contains("revision 2"), "{said}");
    assert!(handshake(gateway, &["-tls1_2"]).contains("New, TLSv1.2, Cipher is ECDHE-"));
    let data = network.folder().path();
    let answer = curl(data, &["--include", &url(gateway, "/nothing")]).check(0).stdout;
    assert!(answer.contains("Strict-Transport-Security: max-age=3600\r\n"), "{answer}");
    let answer = raw(plain, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(!answer.contains("Strict-Transport"), "only over TLS: {answer}");
    // What can't be used is refused, with all that is wrong; what held before holds.
    write("versions = [\"1.1\"]\nhsts = \"soon\"\nclient_ca = \"/nowhere\"");
    let said = network.command(&["reload", "gateway"]).check(1).stderr;
    for fault in ["line 3: tls.versions", "line 4: tls.hsts", "line 5: tls.client_ca"] {
        assert!(said.contains(fault), "{fault} is missing in {said}");
    }
    let log = network.folder().read("logs/gateway-1.log");
    assert!(log.contains("line 4: tls.hsts"), "{log}");
    let held = network.command(&["call", "gateway.settings"]).check(0).stdout;
    assert!(held.contains("\"revision\":2") && held.contains("max-age=3600"), "{held}");
    load.more(4);
    load.check();
    // Who has no right to it reads and changes nothing.
    let answer = curl(data, &["--include", &url(gateway, "/api/v1/gateway/settings")]).check(0).stdout;
    assert!(answer.starts_with("HTTP/1.1 401 ") || answer.starts_with("HTTP/1.1 403 "), "{answer}");
    network.stop();
}

#[test]
fn a_certificate_is_replaced_under_load() {
    if !openssl::is_there() || !crate::external::has("curl") {
        return;
    }
    let network = Edge::new().start("");
    let gateway = network.gateway();
    let (data, target) = (network.folder().path().to_owned(), url(gateway, "/products/Tux"));
    let load = Load::of(2, move || {
        let said = curl(&data, &["--fail", "--output", "/dev/null", &target]);
        if said.code == Some(0) { Ok(()) } else { Err(said.stderr) }
    });
    load.more(4);
    let first = openssl::presented(gateway);
    network.command(&["certs", "rotate", "gateway-1"]).check(0);
    let second = until("the new certificate", || match openssl::presented(gateway) {
        mark if mark == first => Err(mark),
        mark => Ok(mark),
    });
    // One that can't be used changes nothing.
    let file = network.folder().path().join("certs/gateway-1.pem");
    fs::write(&file, "nothing").expect("it can be written");
    until("the log to tell", || {
        let log = network.folder().read("logs/gateway-1.log");
        if log.contains("new certificates of HTTPS can't be used") { Ok(()) } else { Err(log) }
    });
    assert_eq!(openssl::presented(gateway), second);
    load.more(4);
    load.check();
    network.stop();
}

#[test]
fn a_signal_has_a_gateway_read_its_settings_again() {
    let edge = Edge::new();
    let file = edge.write("");
    let arguments = ["gateway", "--listen", "127.0.0.1:0", "--rpc", "127.0.0.1:0", "--config", &file];
    let mut gateway = Process::start("gateway", &mut micronet(edge.folder.path(), &arguments));
    let said = |gateway: &Process, words: &str| {
        until(words, || if gateway.said().contains(words) { Ok(()) } else { Err(gateway.said()) });
    };
    said(&gateway, "RPC on");
    edge.write("hsts = \"max-age=5\"");
    gateway.signal(Signal::HUP);
    said(&gateway, "revision=2");
    edge.write("hsts = 5");
    gateway.signal(Signal::HUP);
    said(&gateway, "line 3: tls.hsts: has to be as");
    assert!(gateway.is_running());
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn a_gateway_does_not_start_with_settings_that_can_not_be_used() {
    let edge = Edge::new();
    let file = edge.write("key = \"/nowhere\"\nhsts = 1\n[htp]");
    let mut commands = [
        micronet(edge.folder.path(), &["gateway", "--listen", "127.0.0.1:0", "--config", &file]),
        micronet(edge.folder.path(), &["up", "--base-port", "0", "--gateway-config", &file]),
    ];
    for command in &mut commands {
        let said = run(std::mem::replace(command, Command::new("true"))).check(2).stderr;
        for fault in ["tls.certificate: /nowhere", "line 4: tls.hsts", "line 5: there is no [htp]"] {
            assert!(said.contains(fault), "{fault} is missing in {said}");
        }
    }
}
