//! Verdicts of the server side. Each case is fed whole, split in two at each byte, and byte by byte; what comes out must
//! be the same each time.

use bytes::BytesMut;

use super::super::{HttpDate, HttpError, HttpLimits, Phase, ServerConnection, Status};
use crate::limits::*;

/// Requests with these bodies are accepted up to this size in these tests.
const BODY_BYTES_MAX: u64 = 64;

/// Feeds `pieces` to a connection that echoes every body, and writes down what happens: a line for each request
/// (`POST /path?query @host "body"`), a number for an error, and in the end the phase, unless it is idle.
pub(in super::super) fn transcript<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<String>, BytesMut) {
    let (mut connection, mut input, mut output) = (ServerConnection::new(), BytesMut::new(), BytesMut::new());
    let mut lines = Vec::new();
    let mut request = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Err(error) = serve(&mut connection, &mut input, &mut output, &mut request, &mut lines) {
            request = None;
            lines.push(error.status.code().to_string());
            let response = connection.respond(&mut output, error.status, &HttpDate::from_unix_s(0)).unwrap();
            response.body(error.reason.as_bytes());
            assert!(!connection.is_open(), "an error closes the connection");
        }
    }
    lines.extend(request);
    if connection.phase() != Phase::Idle {
        lines.push(format!("{:?}", connection.phase()));
    }
    (lines, output)
}

fn serve(
    connection: &mut ServerConnection,
    input: &mut BytesMut,
    output: &mut BytesMut,
    request: &mut Option<String>,
    lines: &mut Vec<String>,
) -> Result<(), HttpError> {
    loop {
        if let Some(head) = connection.poll_head(input)? {
            let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
            *request = Some(format!("{} {}{query} @{}", head.method_name(), head.path(), head.host()));
            connection.accept_body(output, BODY_BYTES_MAX)?;
        }
        let Some(body) = connection.poll_body(input)? else { return Ok(()) };
        lines.push(format!("{} {:?}", request.take().unwrap(), String::from_utf8_lossy(&body)));
        connection.respond(output, Status::OK, &HttpDate::from_unix_s(0)).unwrap().body(&body);
    }
}

/// Whole, split at each byte (at a sample of them when there are many), byte by byte: always `expected`.
fn check(bytes: &[u8], expected: &[&str]) {
    let words = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    let (whole, whole_output) = transcript([bytes]);
    assert_eq!(whole, expected, "whole: {words:?}");
    let same = |how: &str, (lines, output): (Vec<String>, BytesMut)| {
        assert_eq!(lines, expected, "{how}: {words:?}");
        assert_eq!(output, whole_output, "{how}: {words:?}");
    };
    for at in (0..bytes.len()).step_by(bytes.len() / 512 + 1) {
        same(&format!("split at {at}"), transcript([&bytes[..at], &bytes[at..]]));
    }
    same("byte by byte", transcript(bytes.chunks(1)));
}

/// A request with these lines, of which each is followed by CR LF, and an empty one.
fn check_head(lines: &str, expected: &[&str]) {
    check(format!("{}\r\n\r\n", lines.replace('\n', "\r\n")).as_bytes(), expected);
}

/// POST with these framing lines and this body.
fn check_framed(lines: &str, body: &str, expected: &[&str]) {
    let head = format!("POST / HTTP/1.1\nHost: a\n{lines}\n\n").replace('\n', "\r\n");
    check(format!("{head}{body}").as_bytes(), expected);
}

fn check_chunked(body: &str, expected: &[&str]) {
    check_framed("Transfer-Encoding: chunked", body, expected);
}

#[test]
fn requests_come_out_in_order() {
    check(b"", &[]);
    check_head("GET /a?b=c HTTP/1.1\nHost: x:1", &["GET /a?b=c @x:1 \"\""]);
    check_framed("Content-Length: 2", "hi", &["POST / @a \"hi\""]);
    check_framed("Content-Length: 002", "hi", &["POST / @a \"hi\""]);
    check_framed("Content-Length: \t2 ", "hi", &["POST / @a \"hi\""]);
    check_framed("Content-Length: 0", "", &["POST / @a \"\""]);
    check_framed("Content-Length: 3", "hi", &["POST / @a", "ReadingBody"]);
    check_framed("Content-Length: 1", "hGET /", &["POST / @a \"h\"", "ReadingHead"]);
    check(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPUT /2 HTTP/1.1\r\nhost:b\r\ncontent-length:1\r\n\r\nxHEAD /3 HTTP/1.1\r\nHOST: c\r\n\r\n",
        &["GET /1 @a \"\"", "PUT /2 @b \"x\"", "HEAD /3 @c \"\""],
    );
}

#[test]
fn one_empty_line_before_a_request_is_skipped() {
    check(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &["GET / @a \"\""]);
    check(b"\r\n", &[]);
    check(b"\r", &["ReadingHead"]);
    check(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &["400", "Closed"]);
    check(b"\n", &["400", "Closed"]);
    check(b"\rG", &["400", "Closed"]);
    check(b" GET / HTTP/1.1\r\n", &["400", "Closed"]);
    check_framed(
        "Content-Length: 1",
        "x\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        &["POST / @a \"x\"", "GET /2 @a \"\""],
    );
}

#[test]
fn a_request_line_is_judged_as_soon_as_it_is_complete() {
    check(b"GET / HTTP/2.0\r\n", &["505", "Closed"]);
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["505", "Closed"]);
    check(b"GET /\r\n", &["400", "Closed"]);
    check(b"CONNECT a:443 HTTP/1.1\r\n", &["501", "Closed"]);
    check(b"GET * HTTP/1.1\r\n", &["400", "Closed"]);
    check(b"\x16\x03\x01", &["400", "Closed"]); // TLS
    check(b"GET / HTTP/1.1\n", &["400", "Closed"]);
    check_head("OPTIONS * HTTP/1.1\nHost: a", &["OPTIONS * @a \"\""]);
    check_head("GET http://b/c HTTP/1.1\nHost: a", &["GET /c @b \"\""]);
    check_head("GET http://b HTTP/1.1\nHost: a", &["GET / @b \"\""]);
}

#[test]
fn field_lines_are_strict() {
    for lines in [
        "Foo : b",
        "Foo",
        ": b",
        "Foo: a\n b",
        " Foo: a",
        "\tFoo: a",
        "F\x01: a",
        "Foo: \0",
        "Foo: \x7f",
        "F(: a",
    ] {
        check_head(&format!("GET / HTTP/1.1\nHost: a\n{lines}"), &["400", "Closed"]);
        check_head(&format!("GET / HTTP/1.1\n{lines}\nHost: a"), &["400", "Closed"]);
    }
    for bytes in ["GET / HTTP/1.1\r\nHost: a\nFoo: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\rFoo: b\r\n\r\n"] {
        check(bytes.as_bytes(), &["400", "Closed"]);
    }
    // A folded line is refused at its first byte.
    check(b"GET / HTTP/1.1\r\nHost: a\r\n ", &["400", "Closed"]);
    check(b"GET / HTTP/1.1\r\n\t", &["400", "Closed"]);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\n", &["400", "Closed"]);
    check(b"GET / HTTP/1.1\r\nHost: a\r\n\rG", &["400", "Closed"]);
    check(b"GET / HTTP/1.1\r\nHost: a\r\nFoo: \xff\xe9\t~\r\n\r\n", &["GET / @a \"\""]);
}

#[test]
fn there_is_one_valid_host() {
    check_head("GET / HTTP/1.1", &["400", "Closed"]);
    check_head("GET http://a/ HTTP/1.1", &["400", "Closed"]);
    check_head("GET / HTTP/1.1\nHost: a\nHost: a", &["400", "Closed"]);
    check_head("GET / HTTP/1.0\nHost: a\nHost: b", &["400", "Closed"]);
    check_head("GET / HTTP/1.0", &["GET / @ \"\"", "Closed"]);
    for host in ["", "a b", "a,b", "a, b", "a@b", "http://a", "a/", "[::1", "a:x"] {
        check_head(&format!("GET / HTTP/1.1\nHost: {host}"), &["400", "Closed"]);
    }
}

#[test]
fn ambiguous_framing_is_refused() {
    for lines in [
        "Content-Length: 2\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\nContent-Length: 2",
        "Transfer-Encoding: x\nContent-Length: 2",
        "Content-Length: 2\nContent-Length: 3",
        "Content-Length: 2\nContent-Length: 2",
        "Content-Length: 2, 2",
        "Content-Length: 2,",
        "Content-Length:",
        "Content-Length: +2",
        "Content-Length: -2",
        "Content-Length: 0x2",
        "Content-Length: 2 2",
        "Content-Length: 2.0",
        "Content-Length: \u{b2}",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding:",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\nTransfer-Encoding: gzip",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chunked x",
    ] {
        check_framed(lines, "2\r\nhi\r\n0\r\n\r\n", &["400", "Closed"]);
    }
    check_framed("Transfer-Encoding: gzip, chunked", "0\r\n\r\n", &["501", "Closed"]);
    check_framed("Transfer-Encoding: gzip\nTransfer-Encoding: chunked", "0\r\n\r\n", &["501", "Closed"]);
    check_head("POST / HTTP/1.0\nHost: a\nTransfer-Encoding: chunked", &["400", "Closed"]);
}

#[test]
fn chunks_are_put_together() {
    check_chunked("0\r\n\r\n", &["POST / @a \"\""]);
    check_chunked("2\r\nhi\r\n0\r\n\r\n", &["POST / @a \"hi\""]);
    check_chunked(
        "2;x=\"y\"\r\nhi\r\nA\r\n0123456789\r\n000\r\nT: v\r\n\r\n",
        &["POST / @a \"hi0123456789\""],
    );
    check_chunked(
        "1\r\nx\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        &["POST / @a \"x\"", "GET /2 @a \"\""],
    );
    check_framed("transfer-encoding: Chunked", "1\r\nx\r\n0\r\n\r\n", &["POST / @a \"x\""]);
    for unfinished in
        ["", "2", "2\r", "2\r\n", "2\r\nhi", "2\r\nhi\r", "2\r\nhi\r\n0", "0\r\n", "0\r\nT: v\r\n", "0\r\n\r"]
    {
        check_chunked(unfinished, &["POST / @a", "ReadingBody"]);
    }
}

#[test]
fn malformed_chunks_are_refused() {
    for body in [
        "\r\n",
        "g\r\n",
        " 1\r\nx\r\n",
        "1 \r\nx\r\n",
        "+1\r\nx\r\n",
        "-1\r\nx\r\n",
        "0x1\r\nx\r\n",
        "1\nx\r\n",
        "1\rx\r\n",
        "1;\r\nx\r\n",
        "1;a=\"\r\nx\r\n",
        "1;a\nb\r\nx\r\n",
        "1;\0\r\n",
        "00000000000000001\r\nx\r\n",
        "1\r\nxy\r\n",
        "1\r\nx\n",
        "1\r\nx\rx",
        "1\r\nx0\r\n\r\n",
        "3\r\nfoo\r\n\r\n",
        "0\r\nT\r\n\r\n",
        "0\r\nT: v\n\r\n",
        "0\r\n T: v\r\n\r\n",
        "0\r\nT: v\r\n w\r\n\r\n",
        "0\r\nT : v\r\n\r\n",
        "0\r\nT: \0\r\n\r\n",
        "0\r\n\n",
    ] {
        check_chunked(body, &["400", "Closed"]);
    }
}

#[test]
fn limits_are_exact() {
    let request_line = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(bytes - 14));
    let path = "a".repeat(HTTP_REQUEST_LINE_BYTES_MAX - 14);
    check(request_line(HTTP_REQUEST_LINE_BYTES_MAX).as_bytes(), &[&format!("GET /{path} @a \"\"")]);
    check(request_line(HTTP_REQUEST_LINE_BYTES_MAX + 1).as_bytes(), &["414", "Closed"]);
    // What is too long for a method is none.
    check("a".repeat(HTTP_REQUEST_LINE_BYTES_MAX + 2).as_bytes(), &["400", "Closed"]);
    check(format!("a /{}", "a".repeat(HTTP_REQUEST_LINE_BYTES_MAX - 1)).as_bytes(), &["414", "Closed"]);
    check("a".repeat(HTTP_REQUEST_LINE_BYTES_MAX + 1).as_bytes(), &["ReadingHead"]);

    let head = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(bytes - 32));
    assert_eq!(head(1000).len(), 1000);
    check(head(HTTP_HEAD_BYTES_MAX).as_bytes(), &["GET / @a \"\""]);
    check(head(HTTP_HEAD_BYTES_MAX + 1).as_bytes(), &["431", "Closed"]);

    let fields = |count: usize| format!("GET / HTTP/1.1\nHost: a{}", "\nX: a".repeat(count - 1));
    check_head(&fields(HTTP_HEADERS_MAX), &["GET / @a \"\""]);
    check_head(&fields(HTTP_HEADERS_MAX + 1), &["431", "Closed"]);

    check_framed("Content-Length: 64", &"x".repeat(64), &[&format!("POST / @a {:?}", "x".repeat(64))]);
    check_framed("Content-Length: 65", "", &["413", "Closed"]);
    check_framed("Content-Length: 18446744073709551615", "", &["413", "Closed"]);
    check_chunked(
        &format!("40\r\n{}\r\n0\r\n\r\n", "x".repeat(64)),
        &[&format!("POST / @a {:?}", "x".repeat(64))],
    );
    check_chunked("41\r\n", &["413", "Closed"]);
    check_chunked(&format!("40\r\n{}\r\n1\r\n", "x".repeat(64)), &["413", "Closed"]);
    check_chunked("1\r\nx\r\nffffffffffffffff\r\n", &["413", "Closed"]);

    let line = |bytes: usize| format!("0;{}\r\n\r\n", "a".repeat(bytes - 2));
    check_chunked(&line(HTTP_CHUNK_LINE_BYTES_MAX), &["POST / @a \"\""]);
    check_chunked(&line(HTTP_CHUNK_LINE_BYTES_MAX + 1), &["400", "Closed"]);
    let extensions = format!("1;{}\r\nx\r\n", "a".repeat(HTTP_CHUNK_LINE_BYTES_MAX - 2));
    let most = HTTP_CHUNK_EXTENSION_BYTES_MAX / (HTTP_CHUNK_LINE_BYTES_MAX - 1);
    let complete = format!("{}0\r\n\r\n", extensions.repeat(most));
    check_chunked(&complete, &[&format!("POST / @a {:?}", "x".repeat(most))]);
    check_chunked(&extensions.repeat(most + 1), &["400", "Closed"]);

    let trailers = |bytes: usize| format!("0\r\nT: {}\r\n\r\n", "a".repeat(bytes - 7));
    check_chunked(&trailers(HTTP_TRAILER_BYTES_MAX), &["POST / @a \"\""]);
    check_chunked(&trailers(HTTP_TRAILER_BYTES_MAX + 1), &["400", "Closed"]);
    check_chunked(&format!("0\r\n{}\r\n", "T: a\r\n".repeat(HTTP_HEADERS_MAX + 1)), &["400", "Closed"]);
}

#[test]
fn the_connection_goes_on_as_both_sides_want() {
    let next = "\n\nGET /2 HTTP/1.1\nHost: a";
    let second: &[&str] = &["GET / @a \"\"", "GET /2 @a \"\""];
    let closed: &[&str] = &["GET / @a \"\"", "Closed"];
    for (version, connection, expected) in [
        ("1.1", "", second),
        ("1.1", "\nConnection: keep-alive", second),
        ("1.1", "\nConnection: close", closed),
        ("1.1", "\nConnection: Close", closed),
        ("1.1", "\nConnection: upgrade, close", closed),
        ("1.1", "\nConnection: keep-alive\nConnection: close", closed),
        ("1.1", "\nConnection: closed", second),
        ("1.0", "", closed),
        ("1.0", "\nConnection: Keep-Alive", second),
        ("1.0", "\nConnection: keep-alive, close", closed),
    ] {
        check_head(&format!("GET / HTTP/{version}\nHost: a{connection}{next}"), expected);
    }
}

#[test]
fn the_last_request_of_a_connection_is_told_so() {
    let mut connection = ServerConnection::new();
    connection.set_limits(HttpLimits { requests_max: 2, ..HttpLimits::default() });
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (mut input, mut output) = (BytesMut::from(get.repeat(3).as_str()), BytesMut::new());
    for goes_on in [true, false] {
        connection.poll_head(&mut input).expect("HTTP").expect("a head");
        connection.poll_body(&mut input).expect("HTTP").expect("a body");
        let answer =
            connection.respond(&mut output, Status::OK, &HttpDate::from_unix_s(0)).expect("a request");
        answer.body(b"");
        assert_eq!(connection.is_open(), goes_on);
        let said = String::from_utf8_lossy(&output.split()).contains("Connection: close");
        assert_ne!(said, goes_on);
    }
    assert!(connection.poll_head(&mut input).expect("no error").is_none(), "a third is not read");
    assert_eq!(&input[..], get.as_bytes());
}

#[test]
fn expectations_are_met_or_refused() {
    let continues = |lines: &str| {
        let bytes = format!("{lines}\n\n").replace('\n', "\r\n");
        let (_, output) = transcript([bytes.as_bytes()]);
        output.starts_with(b"HTTP/1.1 100 Continue\r\n\r\n")
    };
    assert!(continues("POST / HTTP/1.1\nHost: a\nExpect: 100-Continue\nContent-Length: 2"));
    assert!(continues("POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nTransfer-Encoding: chunked"));
    assert!(!continues("POST / HTTP/1.0\nHost: a\nExpect: 100-continue\nContent-Length: 2"));
    assert!(!continues("GET / HTTP/1.1\nHost: a\nExpect: 100-continue"));
    assert!(!continues("POST / HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 65")); // refused instead
    check_framed("Expect: 200-ok\nContent-Length: 2", "hi", &["417", "Closed"]);
}
