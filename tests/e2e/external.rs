//! The same with programs that others have written: `curl` and `nc`, as people type them.

use std::process::{Command, Stdio};

use micronet_tests::network::Network;
use micronet_tests::process::{Finished, run};

/// Whether a program is there. Says loudly that something is left out; without the permission to do so it fails.
#[track_caller]
pub(crate) fn has(program: &str) -> bool {
    let mut which = Command::new("/bin/sh");
    which.args(["-c", &format!("command -v {program}")]).stdout(Stdio::null());
    let found = which.status().is_ok_and(|status| status.success());
    if !found {
        may_skip(program);
    }
    found
}

/// Says loudly that what needs this program is left out.
///
/// # Panics
/// When that isn't allowed.
#[track_caller]
pub(crate) fn may_skip(program: &str) {
    let allowed = std::env::var_os("MICRONET_SKIP_EXTERNAL").is_some_and(|value| value == "1");
    assert!(
        allowed,
        "{program} is not installed: tests/run installs it; MICRONET_SKIP_EXTERNAL=1 leaves these tests out"
    );
    // Past the test harness, which would swallow it.
    use std::io::Write;
    let _ =
        writeln!(std::io::stderr().lock(), "SKIPPED: what needs {program}, since MICRONET_SKIP_EXTERNAL=1");
}

/// Runs a line of shell with the gateway's port as `$PORT`.
#[track_caller]
fn shell(network: &Network, line: &str) -> Finished {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).env("PORT", network.gateway().port().to_string());
    run(shell)
}

#[test]
fn curl_gets_what_it_asks_for() {
    if !has("curl") {
        return;
    }
    let network = Network::start("shop");
    let json = "-H 'content-type: application/json'";
    let whale = r#"-d '{"name":"Whale","quantity":1}'"#;
    let cases = [
        (
            "curl -s localhost:$PORT/products/Tux".to_owned(),
            r#""data":{"id":2,"name":"Tux","price":25.99,"quantity":80,"#,
        ),
        ("curl -si localhost:$PORT/products/Tux".to_owned(), "X-Micronet-Instance: product-"),
        (format!("curl -s -XPOST localhost:$PORT/orders {json} {whale}"), r#""data":{"order_num":3}"#),
        (
            format!("curl -s localhost:$PORT/orders {json} -H 'transfer-encoding: chunked' {whale}"),
            r#""order_num":4"#,
        ),
        (format!("curl -s --http1.0 localhost:$PORT/orders {json} {whale}"), r#""order_num":5"#),
        (
            format!("curl -s localhost:$PORT/orders {json} -H 'expect: 100-continue' {whale}"),
            r#""order_num":6"#,
        ),
        (format!("curl -s localhost:$PORT/orders {whale}"), "UNSUPPORTED_MEDIA_TYPE"),
        (
            format!("curl -si localhost:$PORT/orders {json} -d '{{\"name\":\"Whale\",\"quantity\":1000}}'"),
            "HTTP/1.1 409",
        ),
        ("curl -sI localhost:$PORT/products/Tux".to_owned(), "HTTP/1.1 200 OK"),
        ("curl -s -XOPTIONS -i localhost:$PORT/orders".to_owned(), "Allow: GET, HEAD, OPTIONS, POST"),
        ("curl -s --path-as-is localhost:$PORT/products/../Tux".to_owned(), "ROUTE_NOT_FOUND"),
        // One connection for several.
        ("curl -sv localhost:$PORT/products/Tux localhost:$PORT/products/Bird 2>&1".to_owned(), "39.99"),
    ];
    for (line, wanted) in cases {
        let finished = shell(&network, &line).check(0);
        assert!(
            finished.stdout.contains(wanted),
            "{wanted} is missing in the answer to {line}: {}",
            finished.stdout
        );
    }
    let reused = shell(&network, "curl -sv localhost:$PORT/products/Tux localhost:$PORT/products/Bird 2>&1");
    assert!(reused.stdout.to_lowercase().contains("re-using existing"), "{}", reused.stdout);
}

#[test]
fn what_up_proposes_can_be_copied_into_a_shell() {
    if !has("curl") {
        return;
    }
    let mut network = Network::start("shop");
    let said = network.up().stdout();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("  curl ")).collect();
    let answers =
        [r#""quantity":80"#, r#""per_page":3"#, r#""order_num":3"#, r#""operationId": "order.buy""#];
    assert_eq!(lines.len(), answers.len(), "{said}");
    for (line, wanted) in lines.iter().zip(answers) {
        let finished = shell(&network, line).check(0);
        assert!(finished.stdout.contains(wanted), "{line}: {}", finished.stdout);
    }
}

#[test]
fn netcat_gets_its_answers() {
    if !has("nc") {
        return;
    }
    let network = Network::start("shop");
    let get = r"GET /products/Tux HTTP/1.1\r\nHost: a\r\n\r\n";
    let cases = [
        // -N closes our side when stdin ends: the answer comes nevertheless.
        (format!("printf '{get}' | nc -N localhost $PORT"), 1),
        (format!("printf '{get}{get}{get}' | nc -N localhost $PORT"), 3),
        (r"printf 'GET /products/Tux HTTP/1.0\r\n\r\n' | nc -N localhost $PORT".to_owned(), 1),
    ];
    for (line, answers) in cases {
        let finished = shell(&network, &line).check(0);
        assert_eq!(
            finished.stdout.matches("\"name\":\"Tux\"").count(),
            answers,
            "{line}: {}",
            finished.stdout
        );
    }
    let finished = shell(&network, r"printf 'hello\r\n\r\n' | nc -N localhost $PORT").check(0);
    assert!(finished.stdout.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{}", finished.stdout);
}
