//! The transcripts of whole connections: two `Connection`s must send, byte for byte, what the vectors say, and make of it
//! what the vectors say; delivered whole and byte by byte.

use std::collections::HashMap;

use bytes::{Buf, Bytes, BytesMut};
use micronet_tests::spec::{bytes_of, check, expect, hex, unhex};
use micronet_wire::conn::{Announcement, Arity, Config, Connection, Event, Role, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::frame::{Close, Frame, Health, take_error};
use micronet_wire::header::{Kind, PREFACE};
use micronet_wire::hello::{Credential, Hello, Secret};
use micronet_wire::limits::{
    CALLS_IN_FLIGHT_MAX, CONNECTION_CREDIT_BYTES, FRAME_PAYLOAD_BYTES_HARD_MAX, HEARTBEAT_INTERVAL_MS,
    STREAM_CREDIT_BYTES,
};
use micronet_wire::metadata::Metadata;
use micronet_wire::principal::Principal;
use micronet_wire::request::TraceContext;
use micronet_wire::schema::Fingerprint;
use micronet_wire::service::{CallContext, CallOptions};
use serde_json::{Value, json};

/// Both sides of a connection, and what is between them.
struct Pair {
    sides: [Connection; 2],
    unread: [BytesMut; 2],
    arrived_ns: HashMap<u32, u64>,
    last_options: CallOptions,
    /// How many bytes are delivered at once.
    portion: usize,
}

const NAMES: [&str; 2] = ["dialler", "acceptor"];

fn connection(case: &Value, side: usize) -> Connection {
    let named = &case["sides"][NAMES[side]];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number =
        |key: &str, usual| named[key].as_u64().map_or(usual, |number| u32::try_from(number).unwrap());
    let beacon = named["schema"].as_str().map(|schema| Bytes::from(unhex(schema)));
    let hello = Hello {
        cluster: text(&named["cluster"]),
        node: text(&named["node"]),
        instance: text(&named["instance"]),
        nonce: unhex(&text(&case["nonces"][NAMES[side]])).try_into().unwrap(),
        software: "vectors".into(),
        schema: beacon.as_deref().map(Fingerprint::of),
        calls_in_flight_max: number("calls_in_flight_max", CALLS_IN_FLIGHT_MAX),
        heartbeat_interval_ms: number("heartbeat_interval_ms", HEARTBEAT_INTERVAL_MS),
        stream_credit: number("stream_credit", STREAM_CREDIT_BYTES),
        connection_credit: number("connection_credit", CONNECTION_CREDIT_BYTES),
        ..Hello::default()
    };
    let role = [Role::Dialler, Role::Acceptor][side];
    let credential = (case["credential"] == "CLUSTER").then_some(Credential::Cluster);
    let cluster_secret = case["secret"].as_str().map(|secret| Secret::new(unhex(secret)));
    Connection::new(Config { credential, cluster_secret, beacon, ..Config::new(role, hello) }, 0)
}

pub(crate) fn options(said: &Value, now: u64) -> CallOptions {
    let text = |key: &str| said[key].as_str().map(str::to_owned);
    let principal = said["principal"].as_array().map(|parts| {
        let names: Vec<String> = parts[1..].iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        match parts[0].as_str() {
            Some("OPERATOR") => Principal::Operator,
            _ => Principal::User {
                subject: names[0].clone(),
                organization: names[1].clone(),
                session: names[2].clone(),
                permissions: names[3..].to_vec(),
            },
        }
    });
    let trace = said["trace"].as_str().map_or_else(TraceContext::default, |trace| {
        let trace = unhex(trace);
        TraceContext {
            trace_id: trace[..16].try_into().unwrap(),
            span_id: trace[16..24].try_into().unwrap(),
            flags: trace[24],
        }
    });
    CallOptions {
        principal,
        deadline_ns: now + said["deadline_us"].as_u64().unwrap() * 1_000,
        request_id: text("request_id").unwrap_or_default().into(),
        trace,
        token: text("token"),
        metadata: metadata(&said["metadata"]),
        ..CallOptions::default()
    }
}

fn metadata(pairs: &Value) -> Metadata {
    let mut metadata = Metadata::default();
    for (key, value) in pairs.as_object().into_iter().flatten() {
        metadata.set(key, value.as_str().unwrap()).unwrap();
    }
    metadata
}

impl Pair {
    fn act(&mut self, side: usize, now: u64, does: &[Value]) -> Result<(), String> {
        let number = |at: usize| u32::try_from(does[at].as_u64().unwrap()).unwrap();
        let text = |at: usize| does[at].as_str().unwrap();
        let timing = |arrived: Option<&u64>| Timing {
            started_ns: arrived.copied().unwrap_or_default(),
            finished_ns: now,
        };
        let connection = &mut self.sides[side];
        match text(0) {
            "start" | "answer" | "bytes" => {}
            command @ ("call" | "send") => {
                self.last_options = options(&does[3], now);
                let make = if command == "call" { Connection::call } else { Connection::send };
                make(connection, now, number(1), &unhex(text(2)).into(), &self.last_options.clone())
                    .map_err(|error| error.to_string())?;
            }
            "open" => {
                self.last_options = options(&does[4], now);
                let request = does[2].as_str().map(|request| unhex(request).into());
                let replies = if text(3) == "one" { Arity::One } else { Arity::Many };
                connection
                    .open(now, number(1), request.as_ref(), replies, &self.last_options.clone())
                    .map_err(|error| error.to_string())?;
            }
            "say" => connection
                .say(now, number(1), unhex(text(2)).into(), does[3] == true)
                .map_err(|error| error.to_string())?,
            "end" => connection.end_messages(now, number(1)),
            "consume" => connection.consumed(number(1), number(2) as usize),
            "await" => connection.await_message(number(1)),
            "cancel" => connection.cancel(number(1)),
            "reply" => {
                let timing = timing(self.arrived_ns.get(&number(1)));
                connection.reply(now, number(1), &unhex(text(2)).into(), timing);
            }
            "fail" => {
                let timing = timing(self.arrived_ns.get(&number(1)));
                connection.fail(now, number(1), &RpcError::new(code_named(text(2)), text(3)), timing);
            }
            "announce" => {
                let said = &does[1];
                let limit = |name: &str| said[name].as_u64().map(|limit| u32::try_from(limit).unwrap());
                let announced = connection.announce(Announcement {
                    calls_in_flight_max: limit("calls_in_flight_max"),
                    heartbeat_interval_ms: limit("heartbeat_interval_ms"),
                    health: said["health"].as_str().map(|name| {
                        let healths = [Health::Serving, Health::Draining];
                        healths.into_iter().find(|health| health.name() == name).unwrap()
                    }),
                });
                assert!(announced);
            }
            "drain" => connection.drain(),
            "close" => connection.close(code_named(text(1)), text(2)),
            "time" => {
                while connection.next_deadline().is_some_and(|due| due <= now) {
                    connection.handle_timeout(now);
                }
            }
            other => return Err(format!("nobody can {other}")),
        }
        Ok(())
    }

    /// What a side sends: all that it can, or so many batches.
    fn output(&mut self, side: usize, batches: u64) -> BytesMut {
        let mut sent = BytesMut::new();
        for _ in 0..batches {
            let batch = self.sides[side].output();
            if batch.is_empty() {
                break;
            }
            sent.extend_from_slice(&batch.split());
        }
        sent
    }

    /// Delivers what is on the way to a side, a portion at a time.
    fn deliver(&mut self, to: usize, now: u64, mut sent: BytesMut) {
        while sent.has_remaining() {
            let portion = sent.split_to(self.portion.min(sent.len()));
            self.unread[to].extend_from_slice(&portion);
            self.sides[to].receive(now, &mut self.unread[to], portion.len());
        }
    }

    /// The events of a side, in the form of the vectors.
    fn events(&mut self, side: usize, now: u64) -> Result<Value, String> {
        let mut seen = Vec::new();
        while let Some(event) = self.sides[side].poll_event() {
            seen.push(match event {
                Event::Ready(_) => json!(["ready"]),
                Event::Request { stream, method, context, request } => {
                    self.arrived_ns.insert(stream, now);
                    self.sides[side].start(now, stream);
                    self.check_context(&context)?;
                    let kind = if context.one_way { "notice" } else { "request" };
                    json!([kind, stream, method, hex(&request)])
                }
                Event::Dropped { stream, error, .. } => json!(["dropped", stream, error.code.name()]),
                Event::Abandoned { stream } => json!(["abandoned", stream]),
                Event::Reply { stream, reply, .. } => json!(["reply", stream, hex(&reply)]),
                Event::Failed { stream, error, .. } => json!(["failed", stream, error.code.name()]),
                Event::Message { stream, message } => json!(["message", stream, hex(&message)]),
                Event::MessagesEnded { stream } => json!(["end", stream]),
                Event::Room { stream } => json!(["room", stream]),
                Event::Goaway => json!(["goaway"]),
                Event::Pong { .. } => json!(["pong"]),
                Event::Announced(_) => json!(["announced"]),
                Event::Closed { error, by_peer } => {
                    json!(["closed", error.map(|error| error.code.name()), by_peer])
                }
            });
        }
        Ok(Value::Array(seen))
    }

    /// A handler knows what the caller said.
    fn check_context(&self, context: &CallContext) -> Result<(), String> {
        let said = &self.last_options;
        expect(&said.token, &context.token)?;
        expect(&said.request_id, &context.request_id)?;
        expect(&said.trace, &context.trace)?;
        expect(&said.metadata, &context.metadata)?;
        expect(&said.principal.clone().unwrap_or_default(), &context.principal)
    }
}

/// Compares events; `["closed", code, null]` is one where both sides may be first.
fn expect_events(wanted: &Value, mut found: Value) -> Result<(), String> {
    for (wanted, found) in
        wanted.as_array().into_iter().flatten().zip(found.as_array_mut().into_iter().flatten())
    {
        if wanted[0] == "closed" && wanted[2].is_null() && found[0] == "closed" {
            found[2] = Value::Null;
        }
    }
    expect(wanted, &found)
}

pub(crate) fn code_named(name: &str) -> Code {
    *Code::ALL.iter().find(|code| code.name() == name).unwrap()
}

/// What bytes say, without the words that an implementation is free to choose.
fn without_words(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut input = BytesMut::from(bytes);
    let mut said = Vec::new();
    if input.starts_with(&PREFACE) {
        input.advance(PREFACE.len());
        said.push(json!("preface"));
    }
    while let Some(frame) =
        Frame::take(&mut input, FRAME_PAYLOAD_BYTES_HARD_MAX).map_err(|error| error.to_string())?
    {
        let header = frame.header;
        let more = match header.kind {
            Kind::Close => json!(Close::decode(&frame.payload).map(|close| close.code)),
            Kind::Error => json!(
                take_error(frame.payload)
                    .map(|(error, ledger)| format!("{} {:?} {ledger:?}", error.code, error.retry))
            ),
            _ => Value::Null,
        };
        said.push(json!([
            header.kind.name(),
            header.flags,
            header.encoding,
            header.stream,
            header.method,
            more
        ]));
    }
    expect(&0, &input.len())?;
    Ok(said)
}

fn run(case: &Value, portion: usize) -> Result<(), String> {
    let mut pair = Pair {
        sides: [connection(case, 0), connection(case, 1)],
        unread: Default::default(),
        arrived_ns: HashMap::new(),
        last_options: CallOptions::default(),
        portion,
    };
    let mut held = [BytesMut::new(), BytesMut::new()];
    for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let within = |words| format!("step {at}, {}: {words}", step["does"]);
        let by = NAMES.iter().position(|name| step["by"] == *name).unwrap();
        let (to, now) = (1 - by, step["at_us"].as_u64().unwrap() * 1_000);
        let does = step["does"].as_array().unwrap();
        pair.act(by, now, does).map_err(within)?;
        let mut sent = pair.output(by, step["batches"].as_u64().unwrap_or(u64::MAX));
        if does[0] == "bytes" {
            sent = BytesMut::from(&bytes_of(step)[..]);
        } else if step["words"] == "free" {
            let (wanted, found) = (without_words(&bytes_of(step)), without_words(&sent));
            expect(&wanted.map_err(within)?, &found.map_err(within)?).map_err(within)?;
        } else {
            expect(&step["hex"].as_str().unwrap(), &&*hex(&sent)).map_err(within)?;
        }
        let own = pair.events(by, now).map_err(within)?;
        expect_events(&step["own"], own).map_err(within)?;
        held[to].extend_from_slice(&sent);
        if step["held"] != true {
            let arriving = held[to].split();
            pair.deliver(to, now, arriving);
        }
        let seen = pair.events(to, now).map_err(within)?;
        expect_events(&step["seen"], seen).map_err(within)?;
    }
    Ok(())
}

#[test]
fn whole() {
    check("transcript", |case, _| run(case, usize::MAX));
}

#[test]
fn byte_by_byte() {
    check("transcript", |case, _| run(case, 1));
}
