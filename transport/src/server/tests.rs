//! The languages of one port: HTTP and text in memory, and RPC beside them over loopback.

mod faults;
mod limits;
mod tasks;
mod text;

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::RpcError;
use micronet_wire::header::PREFACE;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::limits::{
    DEADLINE_US_DEFAULT, HANDSHAKE_MS_MAX, HTTP_HEAD_MS_MAX, HTTP_IDLE_MS_MAX, SERVER_STRANGERS_MAX,
    TEXT_FIRST_MS_MAX,
};
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, CallOptions, service};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{serve, serve_connection};
use crate::client::Client;
use crate::drain::{DrainTrigger, channel};
use crate::identity::Identity;
use crate::socket;
use crate::tests::{run, run_paused};

#[derive(Message, Debug, Clone, PartialEq)]
struct Cup {
    name: String,
    size: Option<u32>,
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Served {
    name: String,
    by: String,
    token: Option<String>,
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Pagination {
    next: Option<String>,
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Cupful {
    items: Vec<Cup>,
    pagination: Pagination,
}

#[derive(Message, Debug, Clone)]
enum CupError {
    #[status(404)]
    NoSuchCup { name: String },
}

impl fmt::Display for CupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such cup")
    }
}

/// Cups.
#[service(name = "cups")]
trait Cups {
    /// One of them.
    #[rpc(http("GET /cups/{name}"), public, idempotent)]
    async fn get(&self, context: &CallContext, request: Cup) -> Result<Served, CallError<CupError>>;
    /// Fills one.
    #[rpc(http("POST /cups"), public, status = 201)]
    async fn fill(&self, context: &CallContext, request: Cup) -> Result<Served, CallError<CupError>>;
    /// A list.
    #[rpc(http("GET /cups/list"), text, permission = "cups:read", idempotent)]
    async fn list(&self, context: &CallContext) -> Result<String, RpcError>;
    /// A page of them.
    #[rpc(http("GET /cups/page"), public, idempotent, page)]
    async fn page(&self, context: &CallContext) -> Result<Cupful, RpcError>;
    /// Nothing is left of it.
    #[rpc(http("DELETE /cups/{name}"), public, idempotent, status = 204)]
    async fn smash(&self, context: &CallContext, request: Cup) -> Result<(), RpcError>;
    /// For services.
    #[rpc(service, http("POST /cups/wash"))]
    async fn wash(&self, context: &CallContext) -> Result<(), RpcError>;
}

struct Cupboard;

impl Cups for Cupboard {
    async fn get(&self, context: &CallContext, request: Cup) -> Result<Served, CallError<CupError>> {
        match request.name.as_str() {
            "none" => Err(CallError::Service(CupError::NoSuchCup { name: request.name })),
            "broken" => panic!("a handler's own mistake"),
            "endless" => std::future::pending().await,
            _ => Ok(served(context, request)),
        }
    }
    async fn fill(&self, context: &CallContext, request: Cup) -> Result<Served, CallError<CupError>> {
        Ok(served(context, request))
    }
    async fn list(&self, _: &CallContext) -> Result<String, RpcError> {
        Ok("a list\n".into())
    }
    async fn page(&self, _: &CallContext) -> Result<Cupful, RpcError> {
        let cup = Cup { name: "x".into(), size: None };
        Ok(Cupful { items: vec![cup], pagination: Pagination { next: Some("y".into()) } })
    }
    async fn smash(&self, _: &CallContext, _: Cup) -> Result<(), RpcError> {
        Ok(())
    }
    async fn wash(&self, _: &CallContext) -> Result<(), RpcError> {
        Ok(())
    }
}

fn served(context: &CallContext, request: Cup) -> Served {
    Served { name: request.name, by: context.principal.key(), token: context.token.clone() }
}

fn cupboard() -> Rc<WithBuiltin<CupsServer<Cupboard>>> {
    Rc::new(WithBuiltin::new(CupsServer::new(Cupboard).unwrap(), "cups-1", "0", Timestamp(0)).unwrap())
}

fn identity(node: &str) -> Rc<Identity> {
    Rc::new(Identity {
        cluster: "test".into(),
        node: node.into(),
        instance: format!("{node}-1"),
        cluster_secret: Some(Secret::new("cluster")),
        operator_token: Some(Secret::new("sesame")),
        credential: Some(Credential::Cluster),
        ..Identity::default()
    })
}

/// The client's end of a connection to the service's port.
fn connect() -> (DuplexStream, DrainTrigger, JoinHandle<()>) {
    let (ours, theirs) = duplex(1 << 20);
    let (trigger, drain) = channel();
    let serving = tokio::task::spawn_local(serve_connection(theirs, cupboard(), identity("cups"), drain));
    (ours, trigger, serving)
}

/// Sends bytes, closes our side, and returns all that comes back.
async fn exchange(request: impl AsRef<[u8]>) -> String {
    let (mut stream, _trigger, _serving) = connect();
    stream.write_all(request.as_ref()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A request, and what has to be in its answer.
async fn check(request: &str, expected: &[&str]) {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let length = if body.is_empty() { String::new() } else { format!("\r\nContent-Length: {}", body.len()) };
    let head = head.replace('\n', "\r\n");
    let answer = exchange(format!("{head}\r\nHost: test{length}\r\n\r\n{body}")).await;
    for part in expected {
        assert!(answer.contains(part), "{request}\nshould be answered with {part}\nbut was with\n{answer}");
    }
}

#[test]
fn a_services_own_port_answers_http_as_a_gateway_does() {
    run(async {
        let cases: &[(&str, &[&str])] = &[
            (
                "GET /cups/a%20cup HTTP/1.1",
                &[
                    "HTTP/1.1 200 OK",
                    "{\"success\":true,\"data\":{\"name\":\"a cup\",\"by\":\"anonymous\",\"token\":null},\"meta\":{",
                    "X-Micronet-Instance: cups-1",
                    "X-API-Version: v1",
                ],
            ),
            ("GET /cups/x HTTP/1.1\nX-Request-ID: mine", &["X-Request-ID: mine", "\"request_id\":\"mine\""]),
            (
                "GET /cups/none HTTP/1.1",
                &["404 ", "\"code\":\"NO_SUCH_CUP\",", "\"details\":{\"name\":\"none\"}"],
            ),
            ("GET /cups/broken HTTP/1.1", &["500 ", "\"code\":\"INTERNAL\""]),
            ("GET /cups/x?size=large HTTP/1.1", &["422 ", "\"field\":\"size\""]),
            ("GET /cups/%zz HTTP/1.1", &["400 "]),
            (
                "GET /nowhere HTTP/1.1",
                &[
                    "404 ",
                    "\"code\":\"ROUTE_NOT_FOUND\"",
                    "\"/schema\"",
                    "{\"http\":\"GET /cups/{name}\",\"method\":\"cups.get\"}",
                ],
            ),
            (
                "GET /<b> HTTP/1.1\nAccept: text/html,application/xhtml+xml,*/*;q=0.8",
                &["404 ", "there is nothing at GET /&lt;b&gt;; here"],
            ),
            (
                "GET / HTTP/1.1\nAccept: text/html,application/xhtml+xml,*/*;q=0.8",
                &[
                    "404 ",
                    "Content-Type: text/html; charset=utf-8",
                    "Content-Security-Policy: default-src 'none'",
                    "<a href=\"/schema\">",
                    "<td>GET /cups/{name}</td><td>cups.get</td>",
                ],
            ),
            ("GET /schema HTTP/1.1", &["200 OK", "{\"service\":\"cups\",", "\"fingerprint\":\""]),
            (
                "GET /schema HTTP/1.1\nAccept: text/html",
                &["200 OK", "text/html", "<th align=\"left\">fingerprint</th>"],
            ),
            ("GET /schema?format=json HTTP/1.1\nAccept: text/html", &["200 OK", "application/json"]),
            ("HEAD /schema?format=binary HTTP/1.1", &["200 OK", "application/octet-stream"]),
            ("GET /schema?format=xml HTTP/1.1", &["400 ", "json or html"]),
            ("GET /stats?format=binary HTTP/1.1", &["400 ", "json or html"]),
            ("POST /schema HTTP/1.1", &["405 ", "Allow: GET, HEAD, OPTIONS"]),
            ("GET /stats HTTP/1.1", &["200 OK", "\"limiter\":{\"at_work\":0,", "\"instance\":\"cups-1\""]),
            ("GET /stats?format=html HTTP/1.1", &["200 OK", "<th align=\"left\">limiter</th>"]),
            ("GET /connections HTTP/1.1", &["200 OK", "\"language\":\"http\"", "\"others\":\"shown to"]),
            (
                "GET /connections HTTP/1.1\nAuthorization: Bearer sesame",
                &["200 OK", "\"you_are\":\"operator\"", "\"connections\":["],
            ),
            ("GET /connections HTTP/1.1\nAuthorization: Bearer wrong", &["401 "]),
            ("PUT /cups/x HTTP/1.1", &["405 ", "Allow: DELETE, GET, HEAD, OPTIONS"]),
            ("GET /cups/list HTTP/1.1", &["401 ", "cups:read", "WWW-Authenticate: Bearer"]),
            ("GET /cups/list HTTP/1.1\nAuthorization: Bearer wrong", &["401 "]),
            ("GET /cups/x HTTP/1.1\nAuthorization: Bearer wrong", &["401 "]),
            (
                "GET /cups/list HTTP/1.1\nAuthorization: Bearer sesame",
                &["200 OK", "Content-Type: text/plain; charset=utf-8", "\r\n\r\na list\n"],
            ),
            ("GET /cups/x HTTP/1.1\nAuthorization: Bearer sesame", &["\"by\":\"operator\""]),
            (
                "GET /cups/page HTTP/1.1",
                &["\"data\":[{\"name\":\"x\",\"size\":null}],\"pagination\":{\"next\":\"y\"},\"meta\":{"],
            ),
            (
                "GET /openapi.json HTTP/1.1",
                &["200 OK", "Content-Type: application/json\r\n", "\"cups.smash\""],
            ),
            ("HEAD /openapi.json HTTP/1.1", &["200 OK", "Content-Length: "]),
            ("POST /openapi.json HTTP/1.1", &["405 ", "Allow: GET, HEAD, OPTIONS"]),
            (
                "POST /cups/wash HTTP/1.1",
                &["401 ", "the identity of a service, or the operator's, is needed"],
            ),
            (
                "POST /cups HTTP/1.1\nContent-Type: application/json\nIdempotency-Key: k-7\n\n{\"name\":\"x\"}",
                &["201 Created", "\"token\":\"k-7\""],
            ),
            (
                "POST /cups HTTP/1.1\nContent-Type: application/json\n\n{\"name\":\"x\"}",
                &["201 ", "\"token\":\""],
            ),
            (
                "POST /cups HTTP/1.1\nContent-Type: application/json\n\n{\"name\"}",
                &["400 ", "line 1, column 8"],
            ),
            ("POST /cups HTTP/1.1\n\n{\"name\":\"x\"}", &["415 "]),
            ("POST /cups HTTP/1.1\nIdempotency-Key: two words", &["400 ", "Idempotency-Key"]),
        ];
        for (request, expected) in cases {
            check(request, expected).await;
        }
        for (request, allow) in
            [("OPTIONS /cups", "OPTIONS, POST"), ("OPTIONS *", "DELETE, GET, HEAD, OPTIONS, POST")]
        {
            let answer = exchange(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 204 ") && answer.ends_with("\r\n\r\n"), "{answer}");
            assert!(answer.contains(&format!("\r\nAllow: {allow}\r\n")), "{answer}");
            assert!(
                !answer.contains("\r\nContent-Length:") && !answer.contains("\r\nContent-Type:"),
                "{answer}"
            );
        }
        let answer = exchange("DELETE /cups/x HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 204 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(!answer.contains("\r\nContent-Length:") && !answer.contains("\r\nContent-Type:"), "{answer}");
        assert!(answer.contains("X-Micronet-Instance: cups-1"), "{answer}");
        let answer = exchange("HEAD /cups/x HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    });
}

#[test]
fn pipelined_requests_on_a_services_port_are_answered_in_order() {
    run(async {
        let requests: String =
            (0..50).map(|n| format!("GET /cups/n{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        let answers = exchange(requests).await;
        let places: Vec<_> = (0..50).map(|n| answers.find(&format!("\"name\":\"n{n}\""))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    });
}

#[test]
fn what_is_no_language_is_answered_in_http() {
    run(async {
        for garbage in [
            &b"GET /\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\0\0\0\0\r\n\r\n",
            b"\n\n\n\n\xff",
        ] {
            let answer = exchange(garbage).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{garbage:?}: {answer}");
            assert!(answer.contains("\r\nConnection: close\r\n"), "{garbage:?}: {answer}");
        }
        // The preface's first byte alone decides; what follows it is judged as RPC, and ended with a CLOSE.
        let (mut stream, _trigger, serving) = connect();
        stream.write_all(b"\x89GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(&PREFACE), "{answer:?}");
        serving.await.unwrap();
        assert_eq!(exchange("").await, "");
    });
}

/// What a slow client sends, how long the port waits for more, and how its answer begins.
async fn check_patience(sent: &[u8], patience_ms: u64, expected: &str) {
    let (mut stream, _trigger, _serving) = connect();
    stream.write_all(sent).await.unwrap();
    let (before, mut answer) = (Instant::now(), Vec::new());
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_millis(patience_ms), "{sent:?}");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains(expected), "{sent:?}: {answer}");
}

#[test]
fn slow_peers_are_given_up_in_time() {
    run_paused(async {
        check_patience(b"", TEXT_FIRST_MS_MAX, "").await;
        check_patience(b"G", HTTP_HEAD_MS_MAX, "").await;
        check_patience(b"GET /cups/x HTTP/1.1\r\nHost:", HTTP_HEAD_MS_MAX, "HTTP/1.1 408 ").await;
        check_patience(&PREFACE[..3], HANDSHAKE_MS_MAX, "no HELLO came in time").await;
        check_patience(b"GET /cups/x HTTP/1.1\r\nHost: a\r\n\r\n", HTTP_IDLE_MS_MAX, "HTTP/1.1 200 ").await;
        let asked = Instant::now();
        check("GET /cups/endless HTTP/1.1", &["504 ", "\"code\":\"DEADLINE_EXCEEDED\""]).await;
        assert_eq!(asked.elapsed(), Duration::from_micros(u64::from(DEADLINE_US_DEFAULT)));
    });
}

#[test]
fn draining_ends_what_is_idle_and_finishes_what_was_asked() {
    run(async {
        let (mut silent, trigger, serving) = connect();
        tokio::task::yield_now().await;
        trigger.drain();
        serving.await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        let (mut asking, trigger, serving) = connect();
        trigger.drain();
        asking.write_all(b"GET /cups/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Connection: close"), "{answer}");
        drop(asking);
        serving.await.unwrap();
    });
}

#[test]
fn rpc_and_http_share_a_port_and_its_room_for_strangers() {
    run(async {
        let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (_trigger, drain) = channel();
        tokio::task::spawn_local(serve(listener, cupboard(), identity("cups"), drain));
        let member = CupsClient::new(Client::connect(address, &identity("caller")).await.unwrap());
        let cup = Cup { name: "x".into(), size: None };
        let by = |served: Served| served.by;
        assert_eq!(member.get(&cup, CallOptions::default()).await.map(by).unwrap(), "service/caller");
        let mut guests = Vec::new();
        for sent in ["GET /cups/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /cups/x HTT", ""] {
            let mut guest = TcpStream::connect(address).await.unwrap();
            guest.write_all(sent.as_bytes()).await.unwrap();
            guests.push(guest);
        }
        guests[0].read_exact(&mut [0; 12]).await.unwrap();
        let mut later = Vec::new();
        for _ in 0..SERVER_STRANGERS_MAX {
            let mut guest = TcpStream::connect(address).await.unwrap();
            guest.write_all(b"GET /cups/x HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            guest.read_exact(&mut [0; 12]).await.unwrap();
            later.push(guest);
        }
        // The oldest are gone: the idle and the silent one in silence, the one in the middle of its head with words.
        for (guest, expected) in guests.iter_mut().zip(["\"meta\":", "HTTP/1.1 503 ", ""]) {
            let mut rest = String::new();
            guest.read_to_string(&mut rest).await.unwrap();
            assert!(rest.contains(expected) && (!expected.is_empty() || rest.is_empty()), "{rest}");
        }
        assert_eq!(member.get(&cup, CallOptions::default()).await.map(by).unwrap(), "service/caller");
    });
}
