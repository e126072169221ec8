//! The client side: what it writes, and what it makes of what servers write.

use bytes::BytesMut;

use super::super::{ClientConnection, HttpDate, ServerConnection, Status, WriteError};

/// Sends a request of each of these methods, then feeds `bytes` and closes. Writes down `code "body"` for each response,
/// `error` where one is refused, and in the end whether the connection is open for more before it is closed.
fn transcript<'a>(methods: &[&str], pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut connection, mut input, mut output) = (ClientConnection::new(), BytesMut::new(), BytesMut::new());
    connection.set_body_bytes_max(64);
    for method in methods {
        connection.request(&mut output, method, "/", "a").unwrap().body(b"");
    }
    let mut lines = Vec::new();
    let mut code = 0;
    let mut poll = |connection: &mut ClientConnection, input: &mut BytesMut, lines: &mut Vec<String>| {
        loop {
            if let Some(head) = connection.poll_head(input)? {
                code = head.code();
            }
            let Some(body) = connection.poll_body(input)? else { return Ok(()) };
            lines.push(format!("{code} {:?}", String::from_utf8_lossy(&body)));
        }
    };
    let mut result = Ok(());
    for piece in pieces {
        input.extend_from_slice(piece);
        result = result.and_then(|()| poll(&mut connection, &mut input, &mut lines));
    }
    if connection.is_open() && connection.in_flight() == 0 {
        lines.push("open".into());
    }
    let closed = result.and_then(|()| connection.handle_close());
    if let Err(error) = closed.and_then(|()| poll(&mut connection, &mut input, &mut lines)) {
        assert_eq!(error.status, Status::BAD_GATEWAY);
        lines.push("error".into());
    }
    assert!(!connection.is_open());
    lines
}

/// The response `bytes`, in which each line feed stands for CR LF, to requests of these methods: whole, split at each
/// byte, and byte by byte.
fn check_methods(methods: &[&str], bytes: &str, expected: &[&str]) {
    let bytes = bytes.replace('\n', "\r\n");
    let bytes = bytes.as_bytes();
    let words = String::from_utf8_lossy(bytes);
    assert_eq!(transcript(methods, [bytes]), expected, "{words:?}");
    assert_eq!(transcript(methods, bytes.chunks(1)), expected, "{words:?} byte by byte");
    for at in 0..bytes.len() {
        assert_eq!(transcript(methods, [&bytes[..at], &bytes[at..]]), expected, "{words:?} at {at}");
    }
}

fn check(bytes: &str, expected: &[&str]) {
    check_methods(&["GET"], bytes, expected);
}

#[test]
fn responses_are_read_to_their_end() {
    check("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", &["200 \"hi\"", "open"]);
    check("HTTP/1.1 200 OK\nContent-Length: 0\n\n", &["200 \"\"", "open"]);
    check("HTTP/1.1 200\nContent-Length: 0\n\n", &["200 \"\"", "open"]);
    check("HTTP/1.1 200 \nContent-Length: 0\n\n", &["200 \"\"", "open"]);
    check("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n", &["200 \"hi\"", "open"]);
    check("HTTP/1.1 200 OK\n\nhi", &["200 \"hi\""]);
    check("HTTP/1.0 200 OK\n\nhi", &["200 \"hi\""]);
    check("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nhi", &["200 \"hi\""]);
    check("HTTP/1.0 200 OK\nContent-Length: 2\n\nhi", &["200 \"hi\""]);
    check("HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 2\n\nhi", &["200 \"hi\"", "open"]);
    check("HTTP/1.1 204 No Content\nContent-Length: 2\n\n", &["204 \"\"", "open"]);
    check("HTTP/1.1 304 Not Modified\nContent-Length: 2\n\n", &["304 \"\"", "open"]);
    check_methods(&["HEAD"], "HTTP/1.1 200 OK\nContent-Length: 2\n\n", &["200 \"\"", "open"]);
}

#[test]
fn interim_responses_are_skipped() {
    let ok = "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi";
    check(&format!("HTTP/1.1 100 Continue\n\n{ok}"), &["200 \"hi\"", "open"]);
    check(&format!("HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 102 \n\n{ok}"), &["200 \"hi\"", "open"]);
    check("HTTP/1.1 101 Switching Protocols\nUpgrade: x\n\n", &["error"]);
}

#[test]
fn pipelined_responses_come_in_order() {
    let get_head_get = ["GET", "HEAD", "GET"];
    let ok = "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi";
    let head = "HTTP/1.1 200 OK\nContent-Length: 2\n\n";
    let all = ["200 \"hi\"", "200 \"\"", "200 \"hi\"", "open"];
    check_methods(&get_head_get, &format!("{ok}{head}{ok}"), &all);
    check_methods(&get_head_get, &format!("{ok}{head}"), &["200 \"hi\"", "200 \"\"", "error"]);
    let closing = "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nhi";
    check_methods(&get_head_get, &format!("{closing}{head}{ok}"), &["200 \"hi\"", "error"]);
    check_methods(
        &["GET"],
        &format!("{ok}{ok}"),
        &["200 \"hi\"", "open", "error"][..1].iter().chain(&["error"]).copied().collect::<Vec<_>>(),
    );
}

#[test]
fn broken_responses_are_refused() {
    for bytes in [
        "HTTP/2.0 200 OK\n\n",
        "HTTP/1.1 20 OK\n\n",
        "HTTP/1.1 2000 OK\n\n",
        "HTTP/1.1 600 OK\n\n",
        "HTTP/1.1 099 OK\n\n",
        "HTTP/1.1  200 OK\n\n",
        "HTTP/1.1200 OK\n\n",
        "HTTX/1.1 200 OK\n\n",
        "\nHTTP/1.1 200 OK\n\n",
        "HTTP/1.1 2x0 OK\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nhi",
        "HTTP/1.1 200 OK\nContent-Length: x\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n",
        "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n0\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: gzip\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 3\n\nhi",
        "HTTP/1.1 200 OK\nContent-Le",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\n",
        "HTTP/1.1 200 OK\nContent-Length: 65\n\n",
        "HTTP/1.1 200 OK\n a\n\n",
        "",
    ] {
        check(bytes, &["error"]);
    }
    check(&format!("HTTP/1.1 200 OK\n\n{}", "x".repeat(65)), &["error"]);
}

#[test]
fn requests_are_written_and_can_not_inject() {
    let mut output = BytesMut::new();
    let mut connection = ClientConnection::new();
    connection.request(&mut output, "GET", "/a?b", "h:1").unwrap().body(b"");
    connection.request(&mut output, "POST", "/", "h").unwrap().body(b"");
    let mut request = connection.request(&mut output, "PUT", "/", "h").unwrap();
    request.close().header("X", "y").unwrap();
    request.body(b"hi");
    let expected = "GET /a?b HTTP/1.1\nHost: h:1\n\nPOST / HTTP/1.1\nHost: h\nContent-Length: 0\n\n\
        PUT / HTTP/1.1\nHost: h\nX: y\nConnection: close\nContent-Length: 2\n\nhi";
    assert_eq!(String::from_utf8_lossy(&output).replace("\r\n", "\n"), expected);
    assert_eq!(connection.request(&mut output, "GET", "/", "h").err(), Some(WriteError::NotReady));

    let mut connection = ClientConnection::new();
    output.clear();
    for (method, target, host, expected) in [
        ("G T", "/", "h", WriteError::Method),
        ("", "/", "h", WriteError::Method),
        ("CONNECT", "h:1", "h", WriteError::Method),
        ("GET", "/ HTTP/1.1\r\nX: y", "h", WriteError::Target),
        ("GET", "", "h", WriteError::Target),
        ("GET", "/#f", "h", WriteError::Target),
        ("GET", "/", "h\r\nX: y", WriteError::Host),
        ("GET", "/", "", WriteError::Host),
    ] {
        assert_eq!(
            connection.request(&mut output, method, target, host).err(),
            Some(expected),
            "{method} {target}"
        );
    }
    let mut request = connection.request(&mut output, "GET", "/", "h").unwrap();
    assert_eq!(request.header("Host", "x").err(), Some(WriteError::HeaderReserved));
    drop(request);
    assert!(output.is_empty());
    assert_eq!(connection.in_flight(), 0);
}

#[test]
fn both_sides_understand_each_other() {
    let (mut client, mut server) = (ClientConnection::new(), ServerConnection::new());
    let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
    let mut request = client.request(&mut up, "GET", "/", "a").unwrap();
    request.header("Upgrade", "echo").unwrap();
    request.body(b"");
    assert!(server.poll_head(&mut up).unwrap().unwrap().asks_upgrade("echo"));
    let date = HttpDate::from_unix_s(0);
    server.respond(&mut down, Status::OK, &date).unwrap().stream();
    server.write_stream(&mut down, b"not ").unwrap();
    server.write_stream(&mut down, b"yet").unwrap();
    server.end_stream(&mut down).unwrap();
    assert_eq!(client.poll_head(&mut down).unwrap().unwrap().reason(), "OK");
    assert_eq!(client.poll_body(&mut down).unwrap().unwrap(), "not yet");

    let mut request = client.request(&mut up, "GET", "/", "a").unwrap();
    request.header("Upgrade", "echo").unwrap();
    request.body(b"");
    up.extend_from_slice(b"mine");
    server.poll_head(&mut up).unwrap().unwrap();
    server.upgrade(&mut down, "echo", &date).unwrap().switch();
    down.extend_from_slice(b"yours");
    let head = client.poll_head(&mut down).unwrap().unwrap();
    assert_eq!((head.code(), head.status(), head.headers().get_str("upgrade")), (101, None, Some("echo")));
    assert!(client.poll_head(&mut down).unwrap().is_none() && !client.is_open());
    assert_eq!((&up[..], &down[..]), (&b"mine"[..], &b"yours"[..]));
}
