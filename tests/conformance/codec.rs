//! The vectors of headers, frames, HELLO, request heads, errors, proofs and method ids against the codec.

use std::cell::Cell;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use micronet_tests::spec::{bytes_of, check, expect, hex, unhex};
use micronet_wire::conn::{Announcement, Beacon, Config, Connection, Event, Role};
use micronet_wire::error::{Code, Fault, Retry};
use micronet_wire::frame::{Close, Frame, Goaway, Health, Pong, put_error, take_error};
use micronet_wire::header::{Header, Kind, flags};
use micronet_wire::hello::{Credential, Hello, Nonce, Secret, check_proof};
use micronet_wire::ledger::Ledger;
use micronet_wire::limits::FRAME_PAYLOAD_BYTES_MAX;
use micronet_wire::principal::Principal;
use micronet_wire::request::RequestHead;
use micronet_wire::schema::method_id;
use micronet_wire::service::CallOptions;
use serde_json::{Value, json};

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn refusal(case: &Value, code: Code) -> Result<(), String> {
    expect(&case["refused"], &json!(code.name()))
}

// ---- meanings, in the form of the vectors ----

fn header_means(header: &Header) -> Value {
    json!({
        "length": header.length, "kind": header.kind.name(), "end": header.flags & flags::END != 0,
        "more": header.flags & flags::MORE != 0, "continued": header.flags & flags::CONTINUED != 0,
        "checksum": header.flags & flags::CHECKSUM != 0, "encoding": header.encoding, "stream": header.stream,
        "method": header.method, "payload_checksum": header.payload_checksum,
    })
}

fn hello_means(hello: &Hello) -> Value {
    json!({
        "versions": [hello.versions.0, hello.versions.1], "cluster": text_or_null(&hello.cluster),
        "node": text_or_null(&hello.node), "instance": text_or_null(&hello.instance), "nonce": hex(&hello.nonce),
        "frame_payload_max": hello.frame_payload_max, "calls_in_flight_max": hello.calls_in_flight_max,
        "heartbeat_interval_ms": hello.heartbeat_interval_ms,
        "schema": hello.schema.map(|fingerprint| hex(&fingerprint.0)), "checksums": hello.checksums,
        "software": text_or_null(&hello.software), "stream_credit": hello.stream_credit,
        "connection_credit": hello.connection_credit,
    })
}

fn principal_means(principal: &Principal) -> Value {
    match principal {
        Principal::Anonymous => json!({"kind": "ANONYMOUS", "names": []}),
        Principal::Operator => json!({"kind": "OPERATOR", "names": []}),
        Principal::Service { name } => json!({"kind": "SERVICE", "names": [name.as_str()]}),
        Principal::User { subject, organization, session, permissions } => {
            let names: Vec<&String> =
                [subject, organization, session].into_iter().chain(permissions).collect();
            json!({"kind": "USER", "names": names})
        }
    }
}

fn request_means(head: &RequestHead, message: &[u8]) -> Value {
    let trace = head.trace.is_some().then(|| {
        json!({
            "trace_id": hex(&head.trace.trace_id), "span_id": hex(&head.trace.span_id), "flags": head.trace.flags,
        })
    });
    json!({
        "deadline_us": head.deadline_us, "trace": trace, "request_id": text_or_null(&head.request_id),
        "token": head.token, "principal": head.principal.as_ref().map(principal_means),
        "metadata": head.metadata.iter().collect::<BTreeMap<_, _>>(), "bulk": head.bulk, "message": hex(message),
    })
}

fn ledger_means(ledger: &Ledger) -> Value {
    json!([ledger.receive_queue_us, ledger.handler_us, ledger.credit_wait_us, ledger.write_queue_us])
}

/// What an ERROR says. `number` is the code as it stands on the wire, which may be unknown here (SPEC 8.4).
fn error_means(payload: Bytes) -> Option<Value> {
    let number = u16::from_be_bytes(*payload.get(16..)?.first_chunk()?);
    let fault = match payload.get(18)? {
        1 => "caller",
        2 => "callee",
        _ => "network",
    };
    let (error, ledger) = take_error(payload)?;
    let message = match Code::from_number(number) {
        Some(code) => {
            assert_eq!((code, fault), (error.code, fault_name(code.fault())));
            error.message
        }
        None => {
            assert_eq!(error.code, Code::Internal);
            error.message.strip_prefix(&format!("error {number}: "))?.to_owned()
        }
    };
    let retry = match error.retry {
        Retry::Never => "never",
        Retry::NeverStarted => "never_started",
        Retry::MaybeExecuted => "maybe_executed",
    };
    Some(json!({
        "ledger": ledger_means(&ledger), "code": number, "fault": fault, "retry": retry,
        "retry_after_ms": error.retry_after_ms, "message": message, "detail": hex(&error.detail),
    }))
}

pub(crate) fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::Caller => "caller",
        Fault::Callee => "callee",
        Fault::Network => "network",
    }
}

fn pong_means(pong: &Pong) -> Value {
    json!({
        "opaque": format!("{:016x}", pong.opaque), "bytes_received": pong.bytes_received,
        "calls_in_flight": pong.calls_in_flight, "instance_calls_in_flight": pong.instance_calls_in_flight,
        "queue_delay_us": pong.queue_delay_us,
        "scheduler_lag_us": pong.scheduler_lag_us, "health": pong.health.name(), "load_permille": pong.load_permille,
    })
}

fn payload_means(header: &Header, payload: Bytes) -> Option<Value> {
    Some(match header.kind {
        Kind::Hello => hello_means(&Hello::decode(&payload).ok()?),
        Kind::Proof => {
            // The acceptor is asked for the secret of the credential that the payload names.
            let named = Cell::new("");
            let secret_of = |credential| {
                named.set(credential_name(credential));
                None
            };
            let _ = check_proof(&payload, secret_of, &Hello::default(), &Hello::default());
            json!({"credential": named.get(), "hmac": hex(&payload[1..])})
        }
        Kind::Ping => json!({"opaque": hex(&payload)}),
        Kind::Pong => pong_means(&Pong::decode(&payload)?),
        Kind::Goaway => json!({"last_stream": Goaway::decode(&payload)?.last_stream}),
        Kind::Close => {
            let close = Close::decode(&payload)?;
            json!({"code": close.code, "message": close.message})
        }
        Kind::Request | Kind::Notice => {
            let (head, message) = RequestHead::decode(payload).ok()?;
            request_means(&head, &message)
        }
        Kind::Reply => {
            let mut message = payload;
            let ledger = Ledger::decode(&mut message)?;
            json!({"ledger": ledger_means(&ledger), "message": hex(&message)})
        }
        Kind::Error => error_means(payload)?,
        Kind::Cancel => json!({}),
        Kind::Data => {
            let is_first = header.flags & (flags::MORE | flags::CONTINUED) == flags::MORE;
            let (length, bytes) = payload.split_at(if is_first { 4 } else { 0 });
            let length = length.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            json!({"length": length, "bytes": hex(bytes)})
        }
        Kind::Credit => json!({"bytes": u32::from_be_bytes(*payload.first_chunk()?)}),
        Kind::Announce => {
            let said = Announcement::decode(&payload).ok()?;
            json!({
                "calls_in_flight_max": said.calls_in_flight_max, "heartbeat_interval_ms": said.heartbeat_interval_ms,
                "health": said.health.map(Health::name),
            })
        }
        Kind::Beacon => {
            let said = Beacon::decode(payload)?;
            json!({
                "version": said.version, "fingerprint": said.fingerprint.to_string(), "length": said.length,
                "offset": said.offset, "piece": hex(&said.piece),
            })
        }
    })
}

fn credential_name(credential: Credential) -> &'static str {
    match credential {
        Credential::Cluster => "CLUSTER",
        Credential::Operator => "OPERATOR",
    }
}

// ---- the files ----

#[test]
fn headers() {
    check("header", |case, _| {
        let bytes: [u8; 24] = bytes_of(case).try_into().map_err(|_| "not 24 bytes")?;
        let max =
            case["payload_max"].as_u64().map_or(FRAME_PAYLOAD_BYTES_MAX, |max| u32::try_from(max).unwrap());
        match Header::decode(&bytes, max) {
            Ok(header) => {
                expect(&hex(&bytes), &hex(&header.encode()))?;
                expect(&case["means"], &header_means(&header))
            }
            Err(error) => refusal(case, error.code()),
        }
    });
}

#[test]
fn frames() {
    check("frames", |case, _| {
        let bytes = bytes_of(case);
        if case.get("refused").is_some() {
            return refusal(case, refusal_by_connection(&bytes)?);
        }
        let frame = Frame::take(&mut BytesMut::from(&bytes[..]), FRAME_PAYLOAD_BYTES_MAX);
        let frame = frame.map_err(|error| error.to_string())?.ok_or("the frame isn't whole")?;
        let mut means = header_means(&frame.header);
        let fields = means.as_object_mut().unwrap();
        fields.remove("length");
        fields.remove("payload_checksum");
        let payload = payload_means(&frame.header, frame.payload).ok_or("the payload is refused")?;
        fields.insert("payload".into(), payload);
        expect(&case["means"], &means)
    });
}

/// Sends a frame over an open connection, to the side that frames of its kind go to; the code that closes it.
fn refusal_by_connection(frame: &[u8]) -> Result<Code, String> {
    let role = match Kind::from_number(frame[4]) {
        Some(Kind::Reply | Kind::Error) => Role::Dialler,
        _ => Role::Acceptor,
    };
    let config = |role| Config::new(role, Hello::default());
    let mut peer = Connection::new(config(Role::Dialler), 0);
    let mut connection = Connection::new(config(role), 0);
    let greeting = peer.output().split();
    connection.receive(0, &mut greeting.clone(), greeting.len());
    if role == Role::Dialler {
        connection
            .call(0, method_id("product.query"), &Bytes::new(), &CallOptions::default())
            .map_err(|e| e.to_string())?;
    }
    connection.receive(0, &mut BytesMut::from(frame), frame.len());
    while let Some(event) = connection.poll_event() {
        if let Event::Closed { error: Some(error), by_peer: false } = event {
            return Ok(error.code);
        }
    }
    Err("the connection goes on".into())
}

#[test]
fn hellos() {
    check("hello", |case, _| match Hello::decode(&bytes_of(case)) {
        Ok(hello) => {
            let mut again = Vec::new();
            hello.encode(&mut again);
            expect(&Ok(&hello), &Hello::decode(&again).as_ref())?;
            expect(&case["means"], &hello_means(&hello))
        }
        Err((code, _)) => refusal(case, code),
    });
}

#[test]
fn request_heads() {
    check("request", |case, _| match RequestHead::decode(bytes_of(case).into()) {
        Ok((head, message)) => {
            let mut again = BytesMut::new();
            head.encode(&mut again).map_err(|error| error.to_string())?;
            again.extend_from_slice(&message);
            expect(&Ok((head.clone(), message.clone())), &RequestHead::decode(again.freeze()))?;
            expect(&case["means"], &request_means(&head, &message))
        }
        Err(error) => refusal(case, error.code),
    });
}

#[test]
fn errors() {
    check("error", |case, _| {
        let payload = Bytes::from(bytes_of(case));
        let Some(means) = error_means(payload.clone()) else { return refusal(case, Code::Protocol) };
        expect(&case["means"], &means)?;
        let (error, ledger) = take_error(payload.clone()).ok_or("only once")?;
        let mut again = Vec::new();
        put_error(&mut again, &error, &ledger);
        // What is not known here is passed on as INTERNAL; everything else comes out as it came.
        let known = means["code"] == json!(error.code as u16);
        if known { expect(&hex(&payload), &hex(&again)) } else { Ok(()) }
    });
}

#[test]
fn proofs() {
    check("proof", |case, _| {
        let text = |key: &str| case[key].as_str().unwrap();
        let nonce = |key: &str| Nonce::try_from(unhex(text(key))).unwrap();
        let dialler = Hello {
            nonce: nonce("dialler_nonce"),
            node: text("node").into(),
            instance: text("instance").into(),
            ..Hello::default()
        };
        let acceptor = Hello { nonce: nonce("acceptor_nonce"), ..Hello::default() };
        let secret = Secret::new(unhex(text("secret")));
        match check_proof(&bytes_of(case), |_| Some(secret.clone()), &dialler, &acceptor) {
            Ok(credential) => expect(&case["means"]["credential"], &json!(credential_name(credential))),
            Err((code, _)) => refusal(case, code),
        }
    });
}

#[test]
fn method_ids() {
    check("method_id", |case, _| expect(&case["id"], &json!(method_id(case["name"].as_str().unwrap()))));
}
