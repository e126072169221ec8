//! HTTP: heads both ways, and where a request leads.

use std::hint::black_box;

use bytes::BytesMut;
use micronet_wire::http1::{RequestHead, ServerConnection, Status};
use micronet_wire::rest::{Answer, Lead, Routes};

use super::shop::schema;
use crate::meter::Meter;

/// As a browser's own requests to an API are.
pub(crate) const POST: &str = "POST /items HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: guard/1\r\nAccept: */*\r\n\
    Content-Type: application/json\r\nX-Request-ID: req-0123456789abcdef\r\nContent-Length: 64\r\n\r\n";
const GET: &str = "GET /items/4711/state?verbose=1 HTTP/1.1\r\nHost: localhost:8000\r\nUser-Agent: guard/1\r\nAccept: */*\r\n\r\n";

pub(crate) fn all(meter: &mut Meter) {
    for (name, text) in [("POST", POST), ("GET", GET)] {
        let mut input = BytesMut::with_capacity(1024);
        meter.case(&format!("HTTP: head of a {name}"), || {
            input.reserve(text.len());
            input.extend_from_slice(text.as_bytes());
            let mut connection = ServerConnection::new();
            drop(black_box(connection.poll_head(black_box(&mut input)).expect("it is well-formed")));
        });
    }
    answers(meter);
    let routes = Routes::from_schemas("guard", [(0, schema())]);
    for (name, text) in [("a POST", POST), ("a GET with a parameter", GET)] {
        let head = head(text).0;
        meter.case(&format!("HTTP: route of {name}"), || {
            let lead = black_box(&routes).lead(black_box(&head));
            assert!(matches!(black_box(lead), Lead::Method(..)));
        });
    }
}

/// A request's head, and the connection that it came on.
fn head(text: &str) -> (RequestHead, ServerConnection) {
    let (mut connection, mut input) = (ServerConnection::new(), BytesMut::from(text));
    let head = connection.poll_head(&mut input).expect("it is well-formed").expect("it is whole");
    (head, connection)
}

fn answers(meter: &mut Meter) {
    let data = br#"{"id":4711,"name":"Humpback Whale","quantity":3,"price":19.99,"at":"2026-11-22T05:31:18.000123Z"}"#;
    let mut output = BytesMut::with_capacity(2048);
    // A connection takes its next request when its last one is answered.
    let (mut connection, mut input) = (ServerConnection::new(), BytesMut::with_capacity(1024));
    meter.case("HTTP: a GET taken and answered", || {
        input.reserve(GET.len());
        input.extend_from_slice(GET.as_bytes());
        drop(black_box(connection.poll_head(&mut input).expect("it is well-formed")));
        output.clear();
        let answer = Answer::data::<()>(Status::OK, |body| {
            body.extend_from_slice(data);
            Ok(())
        });
        let answer = answer.expect("nothing fails");
        let written =
            answer.write(&mut connection, &mut output, 1_795_318_278_000_123, "req-0123456789abcdef");
        written.expect("there is a request");
    });
}
