//! Properties over random requests and random bytes. proptest prints the seed of a failure.

use bytes::BytesMut;
use proptest::prelude::*;

use super::super::{ClientConnection, HttpDate, Phase, ServerConnection, Status};
use super::server::transcript;
use crate::limits::*;

/// A valid request and the line that it is written down as.
fn request() -> impl Strategy<Value = (Vec<u8>, String)> {
    let body = prop_oneof![
        Just(None),
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..12), 0..5).prop_map(Some),
    ];
    let fields = proptest::collection::vec(("X-[a-z]{0,9}", "[ -~]{0,20}"), 0..20);
    ("(GET|POST|PUT|Q-1)", "/[a-z/%]{0,20}", fields, body, any::<bool>(), any::<bool>()).prop_map(
        |(method, path, fields, body, chunked, empty_line)| {
            let mut bytes = if empty_line { b"\r\n".to_vec() } else { Vec::new() };
            bytes.extend_from_slice(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n").as_bytes());
            for (name, value) in fields {
                bytes.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            }
            let chunks = body.unwrap_or_default();
            let whole = chunks.concat();
            if chunked {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in &chunks {
                    bytes.extend_from_slice(format!("{:x};e=\"a\\\"b\"\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
            } else {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", whole.len()).as_bytes());
                bytes.extend_from_slice(&whole);
            }
            (bytes, format!("{method} {path} @a {:?}", String::from_utf8_lossy(&whole)))
        },
    )
}

/// Bytes that are likely to get far: pieces of HTTP, whole and in part, among random ones.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /a?b HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "Host: a\r\n", "\r\n", "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "Expect: 100-continue\r\n", "3\r\n", "abc", "0\r\n", "X: y\r\n",
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 \r\n", "ffffffffffffffff\r\n", "\r", "\n", " ", ";a=\"b\"",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// `bytes` cut at these places.
fn cut<'a>(bytes: &'a [u8], places: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

proptest! {
    #[test]
    fn valid_requests_come_out_in_order_however_they_are_cut(
        requests in proptest::collection::vec(request(), 0..6),
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let bytes: Vec<u8> = requests.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect();
        let lines: Vec<String> = requests.into_iter().map(|(_, line)| line).collect();
        prop_assert_eq!(&transcript([&bytes[..]]).0, &lines);
        prop_assert_eq!(&transcript(cut(&bytes, &places)).0, &lines);
    }

    #[test]
    fn any_bytes_get_the_same_verdict_however_they_are_cut(
        bytes in likely_bytes(),
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
    ) {
        let whole = transcript([&bytes[..]]);
        prop_assert_eq!(&transcript(cut(&bytes, &places)), &whole);
        prop_assert_eq!(&transcript(bytes.chunks(1)), &whole);
    }

    #[test]
    fn a_client_takes_any_bytes(bytes in likely_bytes(), methods in proptest::collection::vec("GET|HEAD", 0..4)) {
        let mut ends = Vec::new();
        for step in [1, 7, bytes.len().max(1)] {
            let (mut connection, mut input, mut output) = (ClientConnection::new(), BytesMut::new(), BytesMut::new());
            for method in &methods {
                connection.request(&mut output, method, "/", "a").unwrap().body(b"");
            }
            let mut bodies = Vec::new();
            let mut end = Ok(());
            for piece in bytes.chunks(step) {
                input.extend_from_slice(piece);
                end = end.and_then(|()| loop {
                    connection.poll_head(&mut input)?;
                    let Some(body) = connection.poll_body(&mut input)? else { break Ok(()) };
                    bodies.push(body);
                });
            }
            ends.push((end.and_then(|()| connection.handle_close()), bodies));
        }
        prop_assert!(ends.windows(2).all(|two| two[0] == two[1]), "{ends:?}");
    }
}

#[test]
fn what_waits_in_the_buffer_is_bounded() {
    let endless = [
        ("", "a"),
        ("GET / HTTP/1.1\r\n", "a"),
        ("GET / HTTP/1.1\r\n", "a: b\r\n"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n", "a"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "0"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1;aaaa\r\nx\r\n"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "a"),
    ];
    for (start, repeated) in endless {
        let (mut connection, mut input, mut output) =
            (ServerConnection::new(), BytesMut::from(start), BytesMut::new());
        let (mut fed, mut most) = (0, 0);
        while connection.phase() != Phase::Responding {
            if connection.poll_head(&mut input).is_ok() {
                _ = connection.poll_body(&mut input);
            }
            most = most.max(input.len());
            input.extend_from_slice(repeated.as_bytes());
            fed += repeated.len();
            assert!(fed <= 12 * HTTP_BODY_BYTES_MAX, "{start:?} goes on for ever");
        }
        assert!(most <= HTTP_BODY_BYTES_MAX.max(HTTP_HEAD_BYTES_MAX), "{start:?} keeps {most} bytes");
        connection.respond(&mut output, Status::OK, &HttpDate::from_unix_s(0)).unwrap().empty();
    }
}
