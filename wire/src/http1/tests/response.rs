//! What the server side writes, and where that leaves the connection.

use bytes::BytesMut;

use super::super::{
    BodyEvent, BodyLength, HttpDate, HttpError, Method, Phase, ServerConnection, Status, TargetForm, Version,
    WriteError,
};
use crate::limits::HTTP_DRAIN_BYTES_MAX;

const DATE_LINE: &str = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";

/// A connection that has polled the head of this request, whose lines are given; what is left of the input; an output.
fn begun(lines: &str) -> (ServerConnection, BytesMut, BytesMut) {
    let (mut connection, output) = (ServerConnection::new(), BytesMut::new());
    let mut input = BytesMut::from(format!("{lines}\n\n").replace('\n', "\r\n").as_str());
    connection.poll_head(&mut input).unwrap().expect("the head is complete");
    (connection, input, output)
}

/// What was written, without the date and in lines.
fn written(output: &BytesMut) -> String {
    String::from_utf8_lossy(output).replace(DATE_LINE, "").replace("\r\n", "\n")
}

/// The answer of `status` and "hi" to a request of these lines, and the phase after it.
fn check(lines: &str, status: Status, expected: &str, phase: Phase) {
    let (mut connection, mut input, mut output) = begun(lines);
    connection.respond(&mut output, status, &HttpDate::from_unix_s(0)).unwrap().body(b"hi");
    assert_eq!(written(&output), expected, "{lines:?}");
    assert_eq!(output.windows(DATE_LINE.len()).filter(|part| *part == DATE_LINE.as_bytes()).count(), 1);
    assert!(connection.poll_head(&mut input).unwrap().is_none());
    assert_eq!(connection.phase(), phase, "{lines:?}");
    assert_eq!(connection.is_open(), phase != Phase::Closed);
}

/// As `check`, with the body in pieces.
fn check_stream(lines: &str, status: Status, expected: &str, phase: Phase) {
    let (mut connection, _, mut output) = begun(lines);
    connection.respond(&mut output, status, &HttpDate::from_unix_s(0)).unwrap().stream();
    assert_eq!(connection.phase(), Phase::Responding);
    assert_eq!(
        connection.respond(&mut output, status, &HttpDate::from_unix_s(0)).err(),
        Some(WriteError::NoRequest)
    );
    for piece in ["hi", "", "0123456789abcdefg"] {
        connection.write_stream(&mut output, piece.as_bytes()).unwrap();
    }
    connection.end_stream(&mut output).unwrap();
    assert_eq!(written(&output), expected, "{lines:?}");
    assert_eq!(connection.phase(), phase, "{lines:?}");
    assert_eq!(connection.write_stream(&mut output, b"x"), Err(WriteError::NoRequest));
}

#[test]
fn a_response_is_framed_as_its_request_and_status_want() {
    let get = "GET / HTTP/1.1\nHost: a";
    let ok = "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi";
    let closing = "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nhi";
    check(get, Status::OK, ok, Phase::Idle);
    check("GET / HTTP/1.1\nHost: a\nConnection: close", Status::OK, closing, Phase::Closed);
    check("GET / HTTP/1.0", Status::OK, closing, Phase::Closed);
    let kept = "HTTP/1.1 200 OK\nConnection: keep-alive\nContent-Length: 2\n\nhi";
    check("GET / HTTP/1.0\nConnection: keep-alive", Status::OK, kept, Phase::Idle);
    check("HEAD / HTTP/1.1\nHost: a", Status::OK, "HTTP/1.1 200 OK\nContent-Length: 2\n\n", Phase::Idle);
    check(get, Status::NO_CONTENT, "HTTP/1.1 204 No Content\n\n", Phase::Idle);
    check(get, Status::NOT_MODIFIED, "HTTP/1.1 304 Not Modified\n\n", Phase::Idle);
    check(get, Status::RESET_CONTENT, "HTTP/1.1 205 Reset Content\nContent-Length: 0\n\n", Phase::Idle);
    check(get, Status::new(299).unwrap(), "HTTP/1.1 299 \nContent-Length: 2\n\nhi", Phase::Idle);
}

#[test]
fn a_streamed_response_is_framed_as_its_request_and_status_want() {
    let get = "GET / HTTP/1.1\nHost: a";
    let chunks = "2\nhi\n11\n0123456789abcdefg\n0\n\n";
    check_stream(
        get,
        Status::OK,
        &format!("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n{chunks}"),
        Phase::Idle,
    );
    let until_close = "HTTP/1.1 200 OK\nConnection: close\n\nhi0123456789abcdefg";
    check_stream("GET / HTTP/1.0\nConnection: keep-alive", Status::OK, until_close, Phase::Closed);
    check_stream("HEAD / HTTP/1.1\nHost: a", Status::OK, "HTTP/1.1 200 OK\n\n", Phase::Idle);
    check_stream(get, Status::NO_CONTENT, "HTTP/1.1 204 No Content\n\n", Phase::Idle);
}

#[test]
fn an_unread_body_is_drained_or_costs_the_connection() {
    let post = |lines: String| format!("POST / HTTP/1.1\nHost: a\n{lines}");
    let response = "HTTP/1.1 404 Not Found\nContent-Length: 2\n\nhi";
    let closing = "HTTP/1.1 404 Not Found\nConnection: close\nContent-Length: 2\n\nhi";
    let most = HTTP_DRAIN_BYTES_MAX;
    check(&post(format!("Content-Length: {most}")), Status::NOT_FOUND, response, Phase::ReadingBody);
    check(&post(format!("Content-Length: {}", most + 1)), Status::NOT_FOUND, closing, Phase::Closed);
    check(&post("Transfer-Encoding: chunked".into()), Status::NOT_FOUND, closing, Phase::Closed);
    check(&post("Content-Length: 2\nExpect: 100-continue".into()), Status::NOT_FOUND, closing, Phase::Closed);

    let (mut connection, mut input, mut output) = begun(&post("Content-Length: 5".into()));
    connection.respond(&mut output, Status::NOT_FOUND, &HttpDate::from_unix_s(0)).unwrap().empty();
    input.extend_from_slice(b"abc");
    assert!(connection.poll_head(&mut input).unwrap().is_none());
    assert!(input.is_empty(), "what is drained doesn't stay in the buffer");
    input.extend_from_slice(b"deGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.poll_head(&mut input).unwrap().unwrap().path(), "/next");

    // Much of it has been read: what counts is what remains.
    let (mut connection, mut input, mut output) = begun(&post(format!("Content-Length: {}", 2 * most)));
    input.resize(usize::try_from(2 * most - 1).unwrap(), b'x');
    assert!(matches!(connection.poll_body_event(&mut input), Ok(Some(BodyEvent::Data(_)))));
    connection.respond(&mut output, Status::NOT_FOUND, &HttpDate::from_unix_s(0)).unwrap().empty();
    input.extend_from_slice(b"xGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connection.poll_head(&mut input).unwrap().unwrap().path(), "/next");
}

#[test]
fn a_client_that_waits_is_told_to_go_on_once() {
    let (mut connection, mut input, mut output) =
        begun("POST / HTTP/1.1\nHost: a\nContent-Length: 2\nExpect: 100-continue");
    connection.accept_body(&mut output, 2).unwrap();
    connection.accept_body(&mut output, 2).unwrap();
    assert_eq!(written(&output), "HTTP/1.1 100 Continue\n\n");
    input.extend_from_slice(b"hi");
    assert_eq!(connection.poll_body(&mut input).unwrap().unwrap(), "hi");
    connection.respond(&mut output, Status::OK, &HttpDate::from_unix_s(0)).unwrap().empty();
    assert_eq!(connection.phase(), Phase::Idle);
}

#[test]
fn a_client_that_waits_no_longer_keeps_its_connection() {
    let (mut connection, mut input, mut output) =
        begun("POST / HTTP/1.1\nHost: a\nContent-Length: 2\nExpect: 100-continue");
    input.extend_from_slice(b"h");
    assert!(connection.poll_body(&mut input).unwrap().is_none());
    connection.respond(&mut output, Status::NOT_FOUND, &HttpDate::from_unix_s(0)).unwrap().empty();
    assert_eq!(written(&output), "HTTP/1.1 404 Not Found\nContent-Length: 0\n\n");
    assert_eq!(connection.phase(), Phase::ReadingBody);
}

#[test]
fn a_refused_header_leaves_no_trace_and_an_abandoned_response_neither() {
    let (mut connection, _, mut output) = begun("GET / HTTP/1.1\nHost: a");
    let date = HttpDate::from_unix_s(0);
    output.extend_from_slice(b"before");
    let mut response = connection.respond(&mut output, Status::OK, &date).unwrap();
    assert_eq!(response.header("X", "a\r\nY: b").err(), Some(WriteError::HeaderValue));
    assert_eq!(response.header("Transfer-Encoding", "chunked").err(), Some(WriteError::HeaderReserved));
    drop(response);
    assert_eq!(output, "before");
    let mut response = connection.respond(&mut output, Status::FOUND, &date).unwrap();
    assert!(response.header("X Y", "a").is_err());
    response.header("Location", "/b").unwrap().header("X", b"\xff").unwrap();
    response.empty();
    let expected = "beforeHTTP/1.1 302 Found\nLocation: /b\nX: \u{fffd}\nContent-Length: 0\n\n";
    assert_eq!(written(&output), expected);
    assert_eq!(connection.respond(&mut output, Status::OK, &date).err(), Some(WriteError::NoRequest));
}

#[test]
fn an_upgrade_is_what_the_client_asked_for() {
    let asks = "GET / HTTP/1.1\nHost: a\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket";
    let date = HttpDate::from_unix_s(0);
    let (mut connection, mut input, mut output) = begun(asks);
    input.extend_from_slice(b"frame");
    let mut response = connection.upgrade(&mut output, "websocket", &date).unwrap();
    assert_eq!(response.header("Upgrade", "x").err(), Some(WriteError::HeaderReserved));
    response.header("Sec-WebSocket-Accept", "x").unwrap();
    response.switch();
    let expected = "HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: x\n\n";
    assert_eq!(written(&output), expected);
    assert_eq!(connection.phase(), Phase::Upgraded);
    assert!(connection.poll_head(&mut input).unwrap().is_none());
    assert_eq!(input, "frame");

    for (lines, protocol) in [
        ("GET / HTTP/1.1\nHost: a", "websocket"),
        ("GET / HTTP/1.1\nHost: a\nUpgrade: websocket", "websocket"),
        ("GET / HTTP/1.0\nConnection: upgrade\nUpgrade: websocket", "websocket"),
        (&format!("{asks}\nContent-Length: 1"), "websocket"),
        (asks, "web\r\nsocket"),
    ] {
        let (mut connection, _, mut output) = begun(lines);
        assert_eq!(
            connection.upgrade(&mut output, protocol, &date).err(),
            Some(WriteError::NotUpgradable),
            "{lines:?}"
        );
        assert!(output.is_empty());
    }
    let (mut connection, _, mut output) = begun(asks);
    let mut response = connection.respond(&mut output, Status::UPGRADE_REQUIRED, &date).unwrap();
    response.header("Upgrade", "websocket").unwrap();
    response.switch(); // not a way to switch: nothing is written
    assert!(output.is_empty());
}

#[test]
fn a_body_comes_in_pieces_with_its_trailers() {
    let (mut connection, mut input, _) = begun("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked");
    let mut pieces = Vec::new();
    let mut trailers = None;
    for byte in b"3;x\r\nabc\r\n2\r\nde\r\n0\r\nSum: 1\r\n\r\n" {
        input.extend_from_slice(&[*byte]);
        while let Some(event) = connection.poll_body_event(&mut input).unwrap() {
            match event {
                BodyEvent::Data(data) => pieces.extend_from_slice(&data),
                BodyEvent::End(fields) => trailers = Some(fields),
            }
        }
    }
    assert_eq!(pieces, b"abcde");
    assert_eq!(trailers.unwrap().get("sum"), Some(&b"1"[..]));
    assert_eq!(connection.phase(), Phase::Responding);
}

#[test]
fn a_body_of_a_declared_length_is_not_copied() {
    let mut input = BytesMut::from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    let place = input[input.len() - 2..].as_ptr();
    let mut connection = ServerConnection::new();
    let head = connection.poll_head(&mut input).unwrap().unwrap();
    assert_eq!(head.body_length(), BodyLength::Sized(2));
    assert_eq!(connection.poll_body(&mut input).unwrap().unwrap().as_ptr(), place);
}

#[test]
fn a_head_tells_what_was_asked() {
    let mut input = BytesMut::from("Purge http://b:1/p%20q?r HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
    let head = ServerConnection::new().poll_head(&mut input).unwrap().unwrap();
    assert_eq!(
        (head.method(), head.method_name(), head.version()),
        (Method::Extension, "Purge", Version::Http11)
    );
    assert_eq!((head.target_form(), head.host()), (TargetForm::Absolute, "b:1"));
    assert_eq!((head.path(), head.query()), ("/p%20q", Some("r")));
    assert_eq!(head.headers().get_str("x"), Some("y"));
    assert!(head.keep_alive() && !head.expects_continue() && !head.asks_upgrade("websocket"));
}

#[test]
fn an_error_stays_until_it_is_answered() {
    let (mut connection, mut output) = (ServerConnection::new(), BytesMut::new());
    let date = HttpDate::from_unix_s(0);
    let mut input = BytesMut::from("HEAD / HTTP/1.1\r\n\r\n");
    let error = connection.poll_head(&mut input).unwrap_err();
    assert_eq!(connection.poll_head(&mut input).unwrap_err(), error);
    assert_eq!(connection.poll_body(&mut input).unwrap_err(), error);
    assert_eq!(connection.phase(), Phase::Responding);
    connection.respond(&mut output, error.status, &date).unwrap().body(b"no");
    assert_eq!(written(&output), "HTTP/1.1 400 Bad Request\nConnection: close\nContent-Length: 2\n\n");
    assert!(!connection.is_open());
    input.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(connection.poll_head(&mut input).unwrap().is_none());
}

#[test]
fn the_driver_can_give_up_and_drain() {
    let date = HttpDate::from_unix_s(0);
    let (mut connection, mut output) = (ServerConnection::new(), BytesMut::new());
    assert!(connection.poll_head(&mut BytesMut::from("GET")).unwrap().is_none());
    assert_eq!(connection.phase(), Phase::ReadingHead);
    assert_eq!(connection.fail(HttpError::TIMEOUT).status, Status::REQUEST_TIMEOUT);
    connection.respond(&mut output, Status::REQUEST_TIMEOUT, &date).unwrap().empty();
    assert_eq!(written(&output), "HTTP/1.1 408 Request Timeout\nConnection: close\nContent-Length: 0\n\n");

    let mut idle = ServerConnection::new();
    idle.close_after_response();
    assert!(!idle.is_open());

    let (mut connection, _, mut output) = begun("GET / HTTP/1.1\nHost: a");
    connection.close_after_response();
    assert!(connection.is_open());
    connection.respond(&mut output, Status::OK, &date).unwrap().empty();
    assert_eq!(written(&output), "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 0\n\n");
    assert!(!connection.is_open());

    let (mut connection, _, mut output) = begun("GET / HTTP/1.1\nHost: a");
    connection.respond(&mut output, Status::OK, &date).unwrap().stream();
    connection.abort_stream();
    assert!(!connection.is_open());
    assert!(!output.ends_with(b"0\r\n\r\n"));
}

#[test]
fn a_close_is_clean_between_requests_only() {
    for (bytes, expected, phase) in [
        ("", Ok(()), Phase::Closed),
        ("\r\n", Ok(()), Phase::Closed),
        ("GET / HTTP/1.1\r\nHost: a\r\n", Err(Status::BAD_REQUEST), Phase::Responding),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(()), Phase::Responding),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh",
            Err(Status::BAD_REQUEST),
            Phase::Responding,
        ),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", Ok(()), Phase::Responding),
    ] {
        let (mut connection, mut input, mut output) =
            (ServerConnection::new(), BytesMut::from(bytes), BytesMut::new());
        if connection.poll_head(&mut input).unwrap().is_some() {
            connection.poll_body(&mut input).unwrap();
        }
        assert_eq!(connection.handle_close().map_err(|error| error.status), expected, "{bytes:?}");
        assert_eq!(connection.phase(), phase, "{bytes:?}");
        if phase == Phase::Responding {
            connection.respond(&mut output, Status::OK, &HttpDate::from_unix_s(0)).unwrap().empty();
            assert!(!connection.is_open(), "no request can follow");
        }
    }
}
