//! Calls whose requests and replies are known as JSON, and a capture of them held against that.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;

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
    let options = CallOptions { request_id: request_id.as_str().into(), ..CallOptions::default() };
    let end = client.call(method.id, message.freeze(), options).await;
    let (of, body) = match end {
        Ok(reply) => (method.reply, reply.body),
        Err(error) if error.code == Code::Application => (method.error.expect("an error type"), error.detail),
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

const FIELDS: [&str; 14] = [
    "frame.number",
    "tcp.stream",
    "tcp.dstport",
    "micronet.kind",
    "micronet.stream",
    "micronet.method.name",
    "micronet.request_id",
    "micronet.message",
    "micronet.time",
    "micronet.violation",
    "micronet.expert.malformed",
    "micronet.skipped",
    "_ws.malformed",
    "http.request.uri",
];

/// What tshark makes of a capture in one pass, as of packets that it captures itself.
#[derive(Debug)]
pub(super) struct Dissected(Vec<Packet>);

impl Dissected {
    pub(super) fn of(file: &Path, flags: &[&str]) -> Self {
        Self(packets(file, "micronet || http || tcp && _ws.malformed", &FIELDS, flags))
    }

    /// How many packets say something by this field.
    pub(super) fn with(&self, field: &str) -> usize {
        self.0.iter().filter(|packet| !packet.all(field).is_empty()).count()
    }

    /// Packets with frames that are malformed, break a rule, or aren't any. There are none, and errors in Lua are told by `packets`.
    pub(super) fn faults(&self) -> Vec<&Packet> {
        let faults = ["_ws.malformed", "micronet.violation", "micronet.expert.malformed", "micronet.skipped"];
        self.0.iter().filter(|packet| faults.iter().any(|field| !packet.all(field).is_empty())).collect()
    }

    /// How many frames there are, towards the server's port and from it.
    pub(super) fn frames(&self, port: u16) -> (u64, u64) {
        let port = port.to_string();
        let (to, from): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|packet| packet.one("tcp.dstport") == Some(port.as_str()));
        let count = |packets: Vec<&Packet>| {
            packets.iter().map(|packet| packet.all("micronet.kind").len() as u64).sum()
        };
        (count(to), count(from))
    }

    /// The calls of product.query as the capture shows them, by their request ids. Each of their frames has one stream, one message
    /// and, if it is the last one, one response time.
    pub(super) fn calls(&self) -> Calls {
        let (mut asked, mut calls) = (BTreeMap::new(), Calls::new());
        let of_query = |packet: &&Packet| {
            let names = packet.all("micronet.method.name");
            !names.is_empty() && names.iter().all(|name| name == "product.query")
        };
        for packet in self.0.iter().filter(of_query) {
            let place = |stream: &String| (packet.one("tcp.stream").map(str::to_owned), stream.clone());
            let frames = packet.all("micronet.kind").iter().zip(packet.all("micronet.stream"));
            let frames: Vec<_> =
                frames.filter(|(kind, _)| ["16", "17", "18"].contains(&kind.as_str())).collect();
            let messages = packet.all("micronet.message");
            assert_eq!(frames.len(), messages.len(), "{packet:?}");
            let (mut ids, mut times) =
                (packet.all("micronet.request_id").iter(), packet.all("micronet.time").iter());
            for ((kind, stream), message) in frames.into_iter().zip(messages) {
                if kind == "16" {
                    let id = ids.next().unwrap_or_else(|| panic!("{packet:?}"));
                    asked.insert(place(stream), (id.clone(), message.clone()));
                } else if let Some((id, request)) = asked.remove(&place(stream)) {
                    assert!(times.next().is_some(), "an answer has a response time: {packet:?}");
                    calls.insert(id, Said { request, answer: message.clone() });
                } // Else its request was before the capture.
            }
        }
        calls
    }
}

/// Holds what the capture shows against what was said.
pub(super) fn compare(said: &Calls, seen: &Calls) {
    for (id, call) in said {
        let seen = seen.get(id).unwrap_or_else(|| panic!("{id} isn't in the capture"));
        assert_eq!((&seen.request, &seen.answer), (&call.request, &call.answer), "{id}");
    }
}
