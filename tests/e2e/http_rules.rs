//! HTTP/1.1 on the gateway's socket, byte by byte: connections, bodies, limits, and those who break the rules.

use std::io::{Read, Write};
use std::net::Shutdown;

use micronet_tests::http_client::{HttpClient, connected, raw, rest};
use micronet_tests::network::Network;
use micronet_wire::limits::{
    HTTP_BODY_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, HTTP_REQUEST_LINE_BYTES_MAX,
};

const GET: &str = "GET /products/Tux HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends bytes to the gateway, and checks how the first answer begins and that the connection ends after it.
#[track_caller]
fn check_refused(network: &Network, bytes: impl AsRef<[u8]>, status: &str) {
    let shown = String::from_utf8_lossy(&bytes.as_ref()[..bytes.as_ref().len().min(200)]).into_owned();
    let answer = raw(network.gateway(), bytes.as_ref());
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?} is answered with\n{answer}");
    assert_eq!(answer.matches("\r\nX-API-Version: ").count(), 1, "{shown:?} is answered with\n{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("\r\nConnection: close"), "{shown:?} is answered with\n{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    assert_eq!(body["success"], false, "{shown:?} is answered with\n{answer}");
    assert!(
        head.contains(&format!("\r\nX-Request-ID: {}", body["meta"]["request_id"].as_str().unwrap_or("?")))
    );
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let network = Network::start("shop");
    let mut http = network.http();
    for turn in 0..20 {
        http.get("/products/Tux").check(200);
        assert!(http.is_open(), "closed after {turn}");
    }
    // The answer to a client that wants to end is the last one, though the client's side stays open.
    let mut stream = connected(network.gateway());
    stream
        .write_all(GET.replace("Host: a", "Host: a\r\nConnection: close").as_bytes())
        .expect("it can be sent");
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close"), "{answer}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let network = Network::start("toystore");
    let mut http = network.http();
    let toys = ["Tux", "Whale", "Elephant", "Bird", "Unicorn"];
    for toy in toys.iter().cycle().take(60) {
        http.send("GET", &format!("/products/{toy}"), &[], b"").expect("it can be sent");
    }
    for toy in toys.iter().cycle().take(60) {
        let answer = http.receive().expect("an answer");
        let found = answer.status() == 200 && answer.at("/data/name") == *toy;
        let missing = answer.status() == 404 && answer.at("/error/details/name") == *toy;
        assert!(found || missing, "{toy} was next, but: {}", answer.shown());
    }
}

#[test]
fn a_body_comes_in_chunks_and_in_pieces() {
    let network = Network::start("shop");
    let request = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\n\
                   10;why=not\r\n{\"name\":\"Whale\",\r\nD\r\n\"quantity\":1}\r\n0\r\nTrailer: x\r\n\r\n";
    let answer = raw(network.gateway(), request);
    assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("\"order_num\":3"), "{answer}");
    // The same, a byte at a time.
    let mut stream = connected(network.gateway());
    for byte in request.as_bytes() {
        stream.write_all(&[*byte]).expect("it can be sent");
    }
    stream.shutdown(Shutdown::Write).expect("our side closes");
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("\"order_num\":4"), "{answer}");
}

#[test]
fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let network = Network::start("shop");
    let mut stream = connected(network.gateway());
    let body = r#"{"name":"Whale","quantity":1}"#;
    let head =
        "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).expect("it can be sent");
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).expect("an interim answer");
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).expect("it can be sent");
    stream.shutdown(Shutdown::Write).expect("our side closes");
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[test]
fn a_client_that_has_closed_its_side_still_gets_its_answer() {
    let network = Network::start("shop");
    let answer = raw(network.gateway(), GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"name\":\"Tux\""), "{answer}");
    let both = raw(network.gateway(), GET.repeat(2));
    assert_eq!(both.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{both}");
    // Half a request gets no answer as if it were whole.
    check_refused(&network, &GET[..30], "400");
    assert_eq!(raw(network.gateway(), ""), "");
}

#[test]
fn http_1_0_is_served_and_closed() {
    let network = Network::start("shop");
    let answer = raw(network.gateway(), "GET /products/Tux HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Connection: close"), "{answer}");
}

#[test]
fn what_is_too_large_is_refused_by_its_own_status() {
    let network = Network::start("shop");
    let post = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let line = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(HTTP_REQUEST_LINE_BYTES_MAX));
    check_refused(&network, line, "414");
    let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(HTTP_HEAD_BYTES_MAX));
    check_refused(&network, field, "431");
    let fields = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Many: x\r\n".repeat(HTTP_HEADERS_MAX));
    check_refused(&network, fields, "431");
    // The length alone is enough: nobody waits for the body.
    let length = format!("{post}Content-Length: {}\r\n\r\n", HTTP_BODY_BYTES_MAX + 1);
    check_refused(&network, length, "413");
    let chunk = format!("{post}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", HTTP_BODY_BYTES_MAX + 1);
    check_refused(&network, chunk, "413");
    // What is just within the limits is read to its end.
    let mut http = network.http();
    let name = "x".repeat(HTTP_BODY_BYTES_MAX - 27);
    let answer = http.post("/orders", &format!(r#"{{"name":"{name}","quantity":1}}"#));
    assert_eq!(answer.status(), 422, "{}", &answer.shown()[..1000.min(answer.shown().len())]);
    assert!(http.is_open());
}

#[test]
fn what_breaks_http_is_refused_and_nothing_after_it_is_read() {
    let network = Network::start("shop");
    let cases = [
        ("GET /products/Tux HTTP/1.1\r\n\r\n", "400"),
        ("GET /products/Tux HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET /products/Tux HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
        ("GET /products/Tux HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", "400"),
        ("GET  /products/Tux HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /products/Tux HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}", "400"),
        (
            "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "400"),
        ("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", "400"),
        ("POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "400"),
        ("POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"),
    ];
    for (request, status) in cases {
        // A second request, which an attacker would smuggle in, is not answered.
        check_refused(&network, format!("{request}{GET}"), status);
    }
    // None of it did any harm.
    HttpClient::connect(network.gateway()).get("/products/Tux").check(200);
}
