//! A gateway in front of a service that it has never heard of, over real loopback sockets and pipes in memory.

use std::cell::Cell;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use micronet_transport::drain::{Drain, DrainTrigger, channel};
use micronet_transport::http_server::{self, Site};
use micronet_transport::identity::Identity;
use micronet_transport::{server, socket};
use micronet_wire::builtin::WithBuiltin;
use micronet_wire::error::RpcError;
use micronet_wire::faults::Faults;
use micronet_wire::hello::{Credential, Secret};
use micronet_wire::http1::ServerConnection;
use micronet_wire::limits::{HTTP_BODY_GAP_MS_MAX, HTTP_HEAD_MS_MAX, HTTP_IDLE_MS_MAX};
use micronet_wire::schema::{Decimal, Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, service};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::{Config, Gateway};
use crate::visitor::Visitor;

mod declared;
mod edge;
mod own;

#[derive(Message, Debug, Clone)]
struct Ask {
    name: String,
    loud: Option<bool>,
}

#[derive(Message, Debug, Clone)]
struct Thing {
    name: String,
    price: Decimal<2>,
    seen_by: String,
    token: Option<String>,
}

#[derive(Message, Debug, Clone)]
struct Names {
    items: Vec<String>,
    pagination: Pagination,
}

#[derive(Message, Debug, Clone)]
struct Pagination {
    page: u64,
    has_next: bool,
}

#[derive(Message, Debug, Clone)]
struct AskNames {
    #[field(min = 1, max = 9)]
    page: u64,
}

#[derive(Message, Debug, Clone)]
enum ThingError {
    #[status(404)]
    NoSuchThing { name: String },
    #[status(418)]
    Teapot,
}

impl fmt::Display for ThingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no")
    }
}

/// Things.
#[service(name = "things")]
trait Things {
    /// One of them.
    #[rpc(http("GET /things/{name}"), public, idempotent)]
    async fn get(&self, context: &CallContext, request: Ask) -> Result<Thing, CallError<ThingError>>;
    /// Makes one.
    #[rpc(http("POST /things"), public, status = 201)]
    async fn make(&self, context: &CallContext, request: Ask) -> Result<Thing, CallError<ThingError>>;
    /// The names of all.
    #[rpc(http("GET /names"), page, public, idempotent)]
    async fn names(&self, context: &CallContext, request: AskNames) -> Result<Names, RpcError>;
    /// A page.
    #[rpc(http("GET /things/page"), text, permission = "things:read", idempotent)]
    async fn page(&self, context: &CallContext) -> Result<String, RpcError>;
}

struct Shelf;

impl Things for Shelf {
    async fn get(&self, context: &CallContext, request: Ask) -> Result<Thing, CallError<ThingError>> {
        match request.name.as_str() {
            "nothing" => Err(CallError::Service(ThingError::NoSuchThing { name: request.name })),
            "teapot" => Err(CallError::Service(ThingError::Teapot)),
            "panic" => panic!("a handler's own mistake"),
            _ => Ok(thing(context, request)),
        }
    }
    async fn make(&self, context: &CallContext, request: Ask) -> Result<Thing, CallError<ThingError>> {
        Ok(thing(context, request))
    }
    async fn names(&self, _: &CallContext, request: AskNames) -> Result<Names, RpcError> {
        // A rule that only the handler knows.
        Faults::new().check(request.page < 9, "page", "is in repair").into_result()?;
        let pagination = Pagination { page: request.page, has_next: false };
        Ok(Names { items: vec!["cup".into(), "pot".into()], pagination })
    }
    async fn page(&self, _: &CallContext) -> Result<String, RpcError> {
        Ok("a page\n".into())
    }
}

fn thing(context: &CallContext, request: Ask) -> Thing {
    let name = if request.loud == Some(true) { request.name.to_uppercase() } else { request.name };
    Thing { name, price: Decimal(1999), seen_by: context.principal.key(), token: context.token.clone() }
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

/// A service and a gateway that has learnt it.
struct House {
    gateway: Rc<Gateway>,
    service: DrainTrigger,
    serving: JoinHandle<()>,
}

async fn house() -> House {
    let listener = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let service = WithBuiltin::new(ThingsServer::new(Shelf).unwrap(), "things-1", "0", Timestamp(0)).unwrap();
    let (trigger, drain) = channel();
    let serving =
        tokio::task::spawn_local(server::serve(listener, Rc::new(service), identity("things"), drain));
    let peers = [("things".to_owned(), vec![address])].into();
    let gateway =
        Gateway::start(&Config { identity: identity("gateway"), peers, ..Config::default() }).unwrap();
    gateway.tried().await;
    House { gateway, service: trigger, serving }
}

fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap();
    runtime.block_on(test);
}

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The client's end of a connection to the gateway.
fn connect(gateway: &Rc<Gateway>) -> (DuplexStream, DrainTrigger, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let (trigger, drain): (DrainTrigger, Drain) = channel();
    let serving = tokio::task::spawn_local(http_server::serve_connection(
        theirs,
        Rc::new(Visitor::new(gateway, Some(LOCALHOST))),
        drain,
    ));
    (ours, trigger, serving)
}

/// Sends bytes, closes our side, and returns all that comes back.
async fn exchange(gateway: &Rc<Gateway>, request: &str) -> String {
    let (mut stream, _trigger, _serving) = connect(gateway);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A request, and what has to be in its answer.
async fn check(gateway: &Rc<Gateway>, request: &str, expected: &[&str]) {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let length = if body.is_empty() { String::new() } else { format!("\r\nContent-Length: {}", body.len()) };
    let head = head.replace('\n', "\r\n");
    let answer = exchange(gateway, &format!("{head}\r\nHost: test{length}\r\n\r\n{body}")).await;
    for part in expected {
        assert!(answer.contains(part), "{request}\nshould be answered with {part}\nbut was with\n{answer}");
    }
}

#[test]
fn a_service_is_reached_by_what_its_schema_says() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let json = "\nContent-Type: application/json; charset=utf-8\n\n";
        let cases: &[(&str, &[&str])] = &[
            (
                "GET /things/a%20cup HTTP/1.1",
                &[
                    "200 OK",
                    "\"name\":\"a cup\",\"price\":19.99,\"seen_by\":\"anonymous\",\"token\":null",
                    "X-Micronet-Instance: things-1",
                ],
            ),
            (
                "GET /names?page=2 HTTP/1.1",
                &[
                    "{\"success\":true,\"data\":[\"cup\",\"pot\"],\"pagination\":{\"page\":2,\"has_next\":false},\"meta\":{",
                ],
            ),
            (
                "GET /names?page=0&size=1 HTTP/1.1",
                &[
                    "422 ",
                    "\"field\":\"size\",\"code\":\"UNKNOWN\"",
                    "{\"field\":\"page\",\"code\":\"OUT_OF_RANGE\",\"message\":\"expected at least 1, found 0\"}]}",
                ],
            ),
            (
                "GET /names?page=9 HTTP/1.1",
                &[
                    "422 ",
                    "\"code\":\"INVALID_INPUT\",\"message\":\"page: is in repair\"",
                    "\"details\":{\"faults\":[{\"field\":\"page\",\"code\":\"INVALID\",\"message\":\"is in repair\"}]}",
                ],
            ),
            ("GET /things/cup?loud=true HTTP/1.1", &["\"name\":\"CUP\""]),
            ("GET /things/cup?volume=11 HTTP/1.1", &["422 ", "\"field\":\"volume\""]),
            ("GET /things/cup?loud=%zz HTTP/1.1", &["400 "]),
            ("GET /things/%ff HTTP/1.1", &["400 "]),
            (
                "GET /things/nothing HTTP/1.1",
                &["404 ", "\"code\":\"NO_SUCH_THING\"", "\"details\":{\"name\":\"nothing\"}"],
            ),
            ("GET /things/teapot HTTP/1.1", &["418 ", "\"code\":\"TEAPOT\"", "\"details\":{}"]),
            ("GET /things/panic HTTP/1.1", &["500 ", "\"code\":\"INTERNAL\""]),
            ("GET /things/page HTTP/1.1", &["401 ", "things:read", "WWW-Authenticate: Bearer"]),
            ("GET /things/page HTTP/1.1\nAuthorization: Bearer wrong", &["401 "]),
            (
                "GET /things/page HTTP/1.1\nAuthorization: Bearer sesame",
                &["200 OK", "Content-Type: text/plain; charset=utf-8", "\r\n\r\na page\n"],
            ),
            ("GET /things/cup HTTP/1.1\nAuthorization: Bearer sesame", &["\"seen_by\":\"operator\""]),
            ("GET /nowhere HTTP/1.1", &["404 ", "\"code\":\"ROUTE_NOT_FOUND\""]),
            ("GET /things/ HTTP/1.1", &["404 "]),
            (
                "GET /things/page HTTP/1.1\nAuthorization: Bearer sesame\nAuthorization: Bearer x",
                &["400 ", "given twice"],
            ),
            ("POST /things HTTP/1.1\nIdempotency-Key: a\nIdempotency-Key: b", &["400 ", "given twice"]),
            ("GET /things/cup/handle HTTP/1.1", &["404 "]),
            ("DELETE /things/cup HTTP/1.1", &["405 ", "Allow: GET, HEAD, OPTIONS"]),
            ("BREW /things/cup HTTP/1.1", &["405 "]),
            ("OPTIONS /things/cup HTTP/1.1", &["204 ", "Allow: GET, HEAD, OPTIONS"]),
            (
                "GET /things/cup HTTP/1.1\nX-Request-ID: mine-1",
                &["X-Request-ID: mine-1", "\"request_id\":\"mine-1\""],
            ),
            (
                "POST /things HTTP/1.1\nIdempotency-Key: k-7",
                &["422 ", "\"code\":\"MISSING_REQUIRED_FIELD\"", "\"field\":\"name\""],
            ),
        ];
        for (request, expected) in cases {
            check(&gateway, request, expected).await;
        }
        let post = |headers: &str, body: &str| format!("POST /things HTTP/1.1{headers}{json}{body}");
        check(&gateway, &post("\nIdempotency-Key: k-7", "{\"name\":\"x\"}"), &["201 ", "\"token\":\"k-7\""])
            .await;
        check(&gateway, &post("", "{\"name\":\"x\"}"), &["201 ", "\"token\":\""]).await;
        check(
            &gateway,
            &post("\nIdempotency-Key: two words", "{\"name\":\"x\"}"),
            &["400 ", "Idempotency-Key"],
        )
        .await;
        check(&gateway, &post("", "{\"name\":"), &["400 ", "line 1, column 9"]).await;
        check(
            &gateway,
            &post("", "{\"name\":7,\"colour\":1}"),
            &[
                "422 ",
                "\"code\":\"INVALID_INPUT\",\"message\":\"name: expected a string, found 7; colour: unknown field",
                "\"details\":{\"faults\":[{\"field\":\"name\",\"code\":\"TYPE\",\"message\":\"expected a string, found 7\"},{",
            ],
        )
        .await;
        check(&gateway, "POST /things HTTP/1.1\n\n{\"name\":\"x\"}", &["415 "]).await;
        check(&gateway, &format!("GET /things/cup HTTP/1.1{json}{{}}"), &["400 ", "no body"]).await;
    });
}

#[test]
fn head_is_get_without_its_body() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let answer = exchange(&gateway, "HEAD /things/cup HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains("Content-Length: 1"), "{answer}");
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let requests: String =
            (0..50).map(|n| format!("GET /things/n{n} HTTP/1.1\r\nHost: test\r\n\r\n")).collect();
        let answers = exchange(&gateway, &requests).await;
        let mut rest = answers.as_str();
        for n in 0..50 {
            let at = rest
                .find(&format!("\"name\":\"n{n}\""))
                .unwrap_or_else(|| panic!("n{n} is missing or too early"));
            rest = &rest[at..];
        }
    });
}

#[test]
fn a_dead_service_is_answered_before_any_timer() {
    run(async {
        let House { gateway, service, serving } = house().await;
        service.drain();
        serving.await.unwrap();
        tokio::time::pause();
        let mut parser = ServerConnection::new();
        let mut input = BytesMut::from("GET /things/cup HTTP/1.1\r\nHost: test\r\n\r\n");
        let head = parser.poll_head(&mut input).unwrap().unwrap();
        let before = Instant::now();
        let mut response = Visitor::new(&gateway, None).answer("id", &head, b"").await;
        assert_eq!(before.elapsed(), Duration::ZERO, "a timer fired first");
        assert_eq!(response.status(), 503);
        let body = String::from_utf8_lossy(response.answer_mut().expect("an answer").body());
        assert!(body.contains("Sorry, things service is unavailable right now"), "{body}");
    });
}

#[test]
fn a_service_that_was_never_reached_is_unavailable_rather_than_unknown() {
    run(async {
        let free = socket::listen("127.0.0.1:0".parse().unwrap()).unwrap().local_addr().unwrap();
        let peers = [("things".to_owned(), vec![free])].into();
        let gateway =
            Gateway::start(&Config { identity: identity("gateway"), peers, ..Config::default() }).unwrap();
        gateway.tried().await;
        check(&gateway, "GET /things/cup HTTP/1.1", &["503 ", "Sorry, things service", "Retry-After: 1"])
            .await;
    });
}

/// What a slow client sends, how long the gateway waits for more, and how its answer begins.
async fn check_patience(sent: &str, patience_ms: u64, expected: &str) {
    let gateway = Gateway::start(&Config { identity: identity("gateway"), ..Config::default() }).unwrap();
    let (mut stream, _trigger, _serving) = connect(&gateway);
    stream.write_all(sent.as_bytes()).await.unwrap();
    let before = Instant::now();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_millis(patience_ms), "{sent:?}");
    assert!(answer.starts_with(expected), "{sent:?}: {answer}");
}

fn run_paused(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(Default::default())
        .unwrap();
    runtime.block_on(test);
}

#[test]
fn slow_clients_are_given_up_in_time() {
    run_paused(async {
        check_patience("", HTTP_IDLE_MS_MAX, "").await;
        check_patience("GET / HT", HTTP_HEAD_MS_MAX, "HTTP/1.1 408 ").await;
        let half = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n12345";
        check_patience(half, HTTP_BODY_GAP_MS_MAX, "HTTP/1.1 408 ").await;
    });
}

#[test]
fn a_trickled_head_has_an_absolute_time() {
    run_paused(async {
        let gateway = Gateway::start(&Config { identity: identity("gateway"), ..Config::default() }).unwrap();
        let (mut stream, _trigger, serving) = connect(&gateway);
        let before = Instant::now();
        let sent = Cell::new(0);
        let trickle = async {
            // A byte a second never idles, and never finishes.
            while stream.write_all(b"G").await.is_ok() {
                sent.set(sent.get() + 1);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! { () = trickle => {}, _ = serving => {} }
        let spent = before.elapsed();
        assert!(spent >= Duration::from_millis(HTTP_HEAD_MS_MAX), "{spent:?}");
        assert!(spent <= Duration::from_millis(HTTP_HEAD_MS_MAX + 2_000), "{spent:?}, {} bytes", sent.get());
    });
}

#[test]
fn a_trickled_body_has_a_minimum_rate() {
    run_paused(async {
        let gateway = Gateway::start(&Config { identity: identity("gateway"), ..Config::default() }).unwrap();
        let (mut stream, _trigger, serving) = connect(&gateway);
        let head = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let before = Instant::now();
        let trickle = async {
            // Each byte comes within the gap.
            while stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(HTTP_BODY_GAP_MS_MAX / 2)).await;
            }
        };
        tokio::select! { () = trickle => {}, _ = serving => {} }
        assert!(
            before.elapsed() <= Duration::from_millis(HTTP_BODY_GAP_MS_MAX + 2_000),
            "{:?}",
            before.elapsed()
        );
    });
}

#[test]
fn heads_that_share_reads_have_a_time_each() {
    run_paused(async {
        let gateway = Gateway::start(&Config { identity: identity("gateway"), ..Config::default() }).unwrap();
        let (mut stream, _trigger, _serving) = connect(&gateway);
        let mut answers = String::new();
        // Each write ends one head and begins the next; each head takes a second.
        stream.write_all(b"GET /x HTTP/1.1\r\n").await.unwrap();
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stream.write_all(b"Host: test\r\n\r\nGET /x HTTP/1.1\r\n").await.unwrap();
        }
        stream.write_all(b"Host: test\r\nConnection: close\r\n\r\n").await.unwrap();
        stream.read_to_string(&mut answers).await.unwrap();
        assert_eq!(
            (answers.matches("HTTP/1.1 404").count(), answers.matches("HTTP/1.1 408").count()),
            (31, 0)
        );
    });
}

#[test]
fn draining_closes_idle_connections_and_finishes_the_others() {
    run(async {
        let House { gateway, service: _service, .. } = house().await;
        let (mut idle, trigger, serving) = connect(&gateway);
        idle.write_all(b"GET /things/cup HTTP/1.1\r\nHost: test\r\n\r\n").await.unwrap();
        let mut first = [0; 15];
        idle.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        trigger.drain();
        let mut rest = String::new();
        idle.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains("\"name\":\"cup\""), "{rest}");
        drop(idle);
        serving.await.unwrap();
    });
}
