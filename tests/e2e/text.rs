//! Lines of text on services' ports, as people send them: by the real `nc`, by `openssl s_client`, and by `micronet nc`.

mod client;
mod hostile;
mod tls;

use std::net::SocketAddr;
use std::process::Command;

use micronet_tests::network::Network;
use micronet_tests::process::run;
use serde_json::Value;

use crate::external::has;

/// What nc shows for these bytes, which `printf` makes; it closes its side when they are sent.
#[track_caller]
fn nc(server: SocketAddr, sent: &str) -> String {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "printf '%b' \"$SENT\" | nc -N \"$HOST\" \"$PORT\""]);
    shell.env("SENT", sent).env("HOST", server.ip().to_string()).env("PORT", server.port().to_string());
    run(shell).check(0).stdout
}

/// The answers, each as its lines.
#[track_caller]
fn answers(said: &str) -> Vec<Vec<String>> {
    assert!(said.ends_with("\n\n"), "every answer ends with an empty line: {said:?}");
    let answers = said.trim_end().split("\n\n");
    answers.map(|answer| answer.lines().map(str::to_owned).collect()).collect()
}

/// Every line that isn't the first of its answer is JSON, a note, or what ends a stream.
#[track_caller]
fn check_form(answer: &[String]) {
    assert!(answer[0].starts_with("+OK ") || answer[0].starts_with("-ERR "), "{answer:?}");
    for line in &answer[1..] {
        let is_marked = line.starts_with("# ") || line.starts_with("+END ") || line.starts_with("-ERR ");
        assert!(is_marked || serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn each_command_is_answered_through_nc() {
    if !has("nc") {
        return;
    }
    let network = Network::start("shop");
    let product = network.address("product-1");
    let auth = format!("AUTH {}\\n", network.folder().operator_token());
    let cases: &[(&str, &[&str])] = &[
        ("METHODS", &["+OK ", "{\"method\":\"product.query\",\"request\":\"Query\""]),
        ("SCHEMA", &["+OK product ", "\"fingerprint\":\""]),
        ("SCHEMA product.query", &["+OK product.query\n", "{\"struct\":\"Query\""]),
        ("CALL product.query {\"name\":\"Tux\"}", &["+OK product.query ", "\"price\":25.99"]),
        (
            "call query {\"name\":\"Nobody\"}",
            &["-ERR PRODUCT_NOT_FOUND ", "{\"error\":{\"code\":\"PRODUCT_NOT_FOUND\""],
        ),
        ("CALL product.query {\"name\":\"Tux\",\"size\":1}", &["-ERR INVALID_INPUT "]),
        ("CALL product.quary {}", &["-ERR UNKNOWN_METHOD ", "product.query perhaps?"]),
        ("STREAM product.watch {}", &["+OK product.watch; ", "\"through\":"]),
        ("STREAM product.query {}", &["-ERR BAD_REQUEST ", "CALL it"]),
        ("PING", &["+OK PONG\n{\"time\":\""]),
        ("HEALTH", &["+OK healthy\n", "\"database\":{\"status\":\"healthy\""]),
        (
            "CALL query {\"name\":\"Tux\"}\\nSTATS",
            &["+OK product-1\n", "\"method\":\"query\",\"service\":\"product\",\"count\":"],
        ),
        ("WHO", &["+OK you are anonymous\n", "\"language\":\"text\"", "\"others\":\"shown to"]),
        (
            "CALL query {\"name\":\"Tux\"}\\nLEDGER",
            &["+OK product.query\n{\"method\":\"product.query\",\"receive_queue_us\":"],
        ),
        ("DEADLINE 500ms", &["+OK calls may take 500 ms"]),
        ("TOKEN my-token", &["+OK "]),
        ("AUTH wrong", &["-ERR INVALID_CREDENTIALS "]),
        (
            "TRACE on\\nCALL query {\"name\":\"Tux\"}",
            &[
                "+OK product.query ",
                "# request id ",
                "# ledger, in us: ",
                "# > REQUEST product.query",
                "\"Tux\"",
                "# < REPLY product.query",
            ],
        ),
        ("QUIT", &["+OK goodbye"]),
        ("QIUT", &["-ERR UNKNOWN_COMMAND ", "QUIT perhaps?"]),
    ];
    for (lines, expected) in cases {
        // A stream without an end is ended by the next line.
        let next = if lines.starts_with("STREAM product.watch") { "" } else { "\\n" };
        let said = match next {
            "" => slowly(product, lines, "PING"),
            next => nc(product, &format!("{lines}{next}")),
        };
        let all = answers(&said);
        all.iter().for_each(|answer| check_form(answer));
        for part in *expected {
            assert!(said.contains(part), "{lines}: {part} is missing in {said}");
        }
    }
    let help = nc(product, "HELP\\nhelp call\\n");
    assert!(help.contains("CALL method [json]") && help.contains("{\"name\":\"Tux\"}"), "{help}");
    let operated = nc(product, &format!("{auth}WHO\\nCALL product.inventory {{}}\\n"));
    assert!(operated.contains("\"principal\":\"service/gateway\",\"name\":\"gateway-1\""), "{operated}");
    assert!(operated.contains("+OK product.inventory "), "{operated}");
    // The gateway's and the control service's own ports speak it too.
    for (port, method) in
        [(network.gateway_rpc(), "gateway.about"), (network.address("control-1"), "control.processes")]
    {
        let said = nc(port, "METHODS\\n");
        assert!(said.contains(&format!("{{\"method\":\"{method}\"")), "{said}");
    }
}

/// Sends a line, and another one when something of the answer has come; what is shown then.
#[track_caller]
fn slowly(server: SocketAddr, first: &str, second: &str) -> String {
    use std::io::{Read, Write};
    use std::process::Stdio;
    let mut command = Command::new("nc");
    command.args(["-N", &server.ip().to_string(), &server.port().to_string()]);
    let mut nc = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nc starts");
    let (mut to, mut from) = (nc.stdin.take().expect("a pipe"), nc.stdout.take().expect("a pipe"));
    writeln!(to, "{first}").expect("nc reads");
    let mut said = vec![0; 4096];
    let mut length = 0;
    while said[..length].iter().filter(|byte| **byte == b'\n').count() < 2 {
        let read = from.read(&mut said[length..]).expect("nc writes");
        assert!(read > 0, "{}", String::from_utf8_lossy(&said[..length]));
        length += read;
    }
    said.truncate(length);
    writeln!(to, "{second}").expect("nc reads");
    drop(to);
    from.read_to_end(&mut said).expect("nc writes");
    assert!(nc.wait().expect("nc ends").success());
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_stream_is_told_until_the_next_line() {
    if !has("nc") {
        return;
    }
    let network = Network::start("shop");
    let said = slowly(network.address("product-1"), "STREAM product.watch {}", "PING");
    let all = answers(&said);
    assert!(all.len() == 2 && all[0][0].starts_with("+OK product.watch"), "{said}");
    assert!(
        all[0].last().is_some_and(|line| line.starts_with("+END ") && line.contains("you ended it")),
        "{said}"
    );
    assert_eq!(all[1][0], "+OK PONG");
}

#[test]
fn scripts_may_be_pasted_with_either_ends_of_lines() {
    if !has("nc") {
        return;
    }
    let network = Network::start("shop");
    let product = network.address("product-1");
    let calls = |end: &str| -> String {
        (0..100)
            .map(|at| format!("CALL product.query {{\"name\":\"{}\"}}{end}", ["Tux", "Whale"][at % 2]))
            .collect()
    };
    for end in ["\\n", "\\r\\n"] {
        let said = nc(product, &calls(end));
        let crlf = end == "\\r\\n";
        assert_eq!(said.matches("\r\n").count(), if crlf { said.matches('\n').count() } else { 0 }, "{said}");
        let all = answers(&said.replace('\r', ""));
        assert_eq!(all.len(), 100, "{said}");
        for (at, answer) in all.iter().enumerate() {
            assert!(
                answer[1].contains(&format!("\"name\":\"{}\"", ["Tux", "Whale"][at % 2])),
                "{at}: {answer:?}"
            );
        }
    }
    // The last line needs no end.
    assert!(nc(product, "ping").starts_with("+OK PONG"));
}

#[test]
fn who_may_call_what_is_as_elsewhere() {
    if !has("nc") {
        return;
    }
    let network = Network::start("shop");
    let product = network.address("product-1");
    let (token, create) = (
        network.folder().operator_token(),
        "CALL product.create {\"name\":\"Yoyo\",\"price\":3.5,\"quantity\":1}",
    );
    for (line, code) in [
        (create, "UNAUTHENTICATED"),
        ("CALL product.reserve {\"name\":\"Tux\",\"quantity\":1}", "UNAUTHENTICATED"),
        ("CALL network.usage", "UNAUTHENTICATED"),
        // Who may not call hears nothing about the request.
        ("CALL product.create {\"nonsense\"", "UNAUTHENTICATED"),
    ] {
        let said = nc(product, &format!("{line}\\n"));
        assert!(said.starts_with(&format!("-ERR {code} ")), "{line}: {said}");
    }
    let said = nc(
        product,
        &format!("AUTH {token}\\nTOKEN yoyo-1\\n{create}\\nTOKEN yoyo-1\\n{create}\\n{create}\\n"),
    );
    let all = answers(&said);
    assert!(
        all[2][0].starts_with("+OK product.create ") && all[2][1] == all[4][1],
        "it is done once: {said}"
    );
    assert!(all[5][0].starts_with("-ERR "), "and not again under another token: {said}");
    assert!(!said.contains(&token), "{said}");
}

#[test]
fn what_trace_shows_has_no_secrets_in_it() {
    if !has("nc") {
        return;
    }
    let network = Network::start("shop");
    let login = r#"CALL auth.login {"email":"manager@demo.example","password":"manager-demo"}"#;
    let said = nc(network.address("auth-1"), &format!("TRACE on\\n{login}\\n"));
    let all = answers(&said);
    assert!(all[1][0].starts_with("+OK auth.login "), "{said}");
    let notes: Vec<&String> = all[1].iter().filter(|line| line.starts_with("# ")).collect();
    let notes = format!("{notes:#?}");
    assert!(notes.contains("# > REQUEST auth.login") && notes.contains("manager@demo.example"), "{notes}");
    assert!(notes.contains("** ** **"), "{notes}");
    // The password and the access token, as text and as hexadecimal digits.
    for secret in ["manager-demo", "72 2d", "eyJ", "65 79 4a"] {
        assert!(!notes.contains(secret), "{secret} is in {notes}");
    }
}
