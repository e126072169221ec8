//! Calls whose requests and replies are known as JSON, and a capture of them held against that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use micronet_tests::patience::until;
use micronet_tests::rpc;
use micronet_tests::wireshark::{Packet, packets};
use micronet_transport::client::Client;
use micronet_transport::identity::Identity;
use micronet_wire::builtin::BuiltinClient;
use micronet_wire::error::Code;
use micronet_wire::schema::{EncodedSchema, Method, ServiceSchema};
use micronet_wire::service::{CallOptions, Caller as _};
use micronet_wire::transcode::{to_binary, to_json};

/// Callers at once, on one connection.
const CALLERS: usize = 16;

/// A call as its caller saw it.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) request: String,
    /// The reply, or the detail of the error, as JSON.
    pub(super) answer: String,
}

/// Calls by their request ids.
pub(super) type Calls = BTreeMap<String, Said>;

/// Makes so many calls of product.query, all at once as far as there are callers. The names of what is asked for are such as
/// need escaping, and now and then nobody knows them.
pub(super) async fn call(client: &Client, schema: &ServiceSchema, prefix: &str, count: usize) -> Calls {
    let method = schema.method_named("query").expect("product.query");
    let callers = (0..CALLERS).map(async |caller| {
        let mut calls = Vec::new();
        for number in (caller..count).step_by(CALLERS) {
            let request = match number % 4 {
                0 => r#"{"name":"Tux"}"#.to_owned(),
                1 => r#"{"name":"Whale"}"#.to_owned(),
                2 => r#"{"name":"Elephant"}"#.to_owned(),
                _ => format!(r#"{{"name":"no \"{number}\" – ñ\\"}}"#),
            };
            calls.push(call_once(client, schema, method, format!("{prefix}-{number}"), request).await);
        }
        calls
    });
    futures_util::future::join_all(callers).await.into_iter().flatten().collect()
}

async fn call_once(
    client: &Client,
    schema: &ServiceSchema,
    method: &Method,
    request_id: String,
    request: String,
) -> (String, Said) {
    let mut message = BytesMut::new();
    to_binary(schema, method.request, request.as_bytes(), &[], &mut message).expect("a request");
    let options = CallOptions { request_id: request_id.clone(), ..CallOptions::default() };
    let end = client.call(method.id, message.freeze(), options).await;
    let (of, body) = match end {
        Ok(reply) => (method.reply, reply.body),
        Err(error) if error.code == Code::Application => {
            (method.error.expect("an error type"), error.detail)
        }
        Err(error) => panic!("{request}: {error}"),
    };
    let mut answer = BytesMut::new();
    to_json(schema, of, &body, &mut answer).expect("an answer");
    let answer = String::from_utf8(answer.to_vec()).expect("text");
    (request_id, Said { request, answer })
}

/// The schema of whoever is at the other end. A capture learns it from the same reply.
pub(super) async fn schema(client: &Rc<Client>) -> EncodedSchema {
    let own = BuiltinClient::new(Rc::clone(client)).schema(CallOptions::default()).await.expect("a schema");
    EncodedSchema::decode(own.schema.0.into()).expect("a good one")
}

/// Connects, and is gone with a goodbye when the work is done.
pub(super) fn connected<T>(
    server: SocketAddr,
    identity: &Identity,
    work: impl AsyncFnOnce(&Rc<Client>) -> T,
) -> T {
    rpc::call(server, identity, async |client| {
        let client = Rc::new(client);
        let done = work(&client).await;
        client.drain();
        client.closed().await.expect("a plain end");
        done
    })
}

/// A server's own counters of frames, received and sent, as its page of metrics has them once nobody is connected by RPC any
/// more: then nothing is on its way.
pub(super) fn frames_counted(mut page: impl FnMut() -> String) -> (u64, u64) {
    until("all connections to be over", || {
        let page = page();
        let value = |name: &str| -> Option<u64> {
            page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        };
        let open = value("micronet_connections{protocol=\"rpc\"}");
        if open != Some(0) {
            return Err(format!("{open:?} connections"));
        }
        let counted =
            (value("micronet_rpc_frames_received_total "), value("micronet_rpc_frames_sent_total "));
        counted.0.zip(counted.1).ok_or_else(|| page.clone())
    })
}

/// How many frames the capture has, towards the server's port and from it.
pub(super) fn frames_dissected(file: &Path, port: u16, flags: &[&str]) -> (u64, u64) {
    let (mut to, mut from) = (0, 0);
    for packet in packets(file, "micronet.kind", &["tcp.dstport", "micronet.kind"], flags) {
        let frames = packet.all("micronet.kind").len() as u64;
        match packet.one("tcp.dstport") == Some(&port.to_string()) {
            true => to += frames,
            false => from += frames,
        }
    }
    (to, from)
}

const FIELDS: [&str; 8] = [
    "frame.number",
    "tcp.stream",
    "micronet.kind",
    "micronet.stream",
    "micronet.request_id",
    "micronet.message",
    "micronet.time",
    "micronet.method.name",
];

/// The calls as the capture shows them, by their request ids: each frame of a call has one stream, one message and, if it is the
/// last one, one time.
pub(super) fn calls_dissected(file: &Path, flags: &[&str]) -> Calls {
    let filter = "micronet.method.name == \"product.query\"";
    let (mut asked, mut calls) = (BTreeMap::new(), Calls::new());
    for packet in packets(file, filter, &FIELDS, flags) {
        let place = |stream: &str| (packet.one("tcp.stream").map(str::to_owned), stream.to_owned());
        let of_calls: Vec<(&str, &str)> = packet
            .all("micronet.kind")
            .iter()
            .zip(packet.all("micronet.stream"))
            .map(|(kind, stream)| (kind.as_str(), stream.as_str()))
            .filter(|(kind, _)| ["16", "17", "18"].contains(kind))
            .collect();
        let messages = packet.all("micronet.message");
        assert_eq!(of_calls.len(), messages.len(), "{packet:?}");
        let (mut ids, mut times) =
            (packet.all("micronet.request_id").iter(), packet.all("micronet.time").iter());
        for ((kind, stream), message) in of_calls.into_iter().zip(messages) {
            if kind == "16" {
                let id = ids.next().unwrap_or_else(|| panic!("{packet:?}"));
                asked.insert(place(stream), (id.clone(), message.clone()));
                continue;
            }
            // One that began before the capture did.
            let Some((id, request)) = asked.remove(&place(stream)) else { continue };
            assert!(times.next().is_some(), "an answer has a response time: {packet:?}");
            calls.insert(id, Said { request, answer: message.clone() });
        }
    }
    calls
}

/// Holds what the capture shows against what was said.
pub(super) fn compare(said: &Calls, seen: &Calls) {
    for (id, call) in said {
        let seen = seen.get(id).unwrap_or_else(|| panic!("{id} isn't in the capture"));
        assert_eq!((&seen.request, &seen.answer), (&call.request, &call.answer), "{id}");
    }
}

/// The middle one of all times.
pub(super) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Packets in which a filter finds something.
pub(super) fn found(file: &Path, filter: &str, flags: &[&str]) -> Vec<Packet> {
    packets(file, filter, &["frame.number", "_ws.col.Info"], flags)
}
