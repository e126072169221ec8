//! The corpus of HTTP requests on sockets: against a gateway that echoes and against a service's own port, each case in one write, byte by
//! byte, and behind others.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;

use micronet_tests::folder::Folder;
use micronet_tests::http_client::{connected, raw};
use micronet_tests::http_corpus::{Answered, Case, Next, agree, answers, cases, shown};
use micronet_tests::server::Server;
use micronet_wire::text::{Tongue, tell};

/// Shows that a connection is still open, and in step.
const LAST: &[u8] = b"GET /echo?last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Good requests that go before a case.
const BEFORE: &[u8] = b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\
    HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\nPUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";

/// Cases are sent on so many connections at once.
const THREADS: usize = 8;

fn answered(status: u16, body: &str) -> Answered {
    Answered { status, body: Some(body.into()), is_head: false }
}

/// The answers to what goes before.
fn before() -> Vec<Answered> {
    let head = Answered { is_head: true, ..answered(200, "") };
    vec![answered(200, ""), answered(200, "hi"), head, answered(200, "x")]
}

/// Who answers.
#[derive(Clone, Copy)]
enum Target {
    /// A server that echoes, as the corpus has it.
    Echoing(SocketAddr),
    /// One that has no such path: what is sound HTTP gets an answer all the same.
    Other(SocketAddr),
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Whole,
    ByteByByte,
    BehindOthers,
}

/// Sends a case, and what shows how it left the connection; everything that came back.
fn send(server: SocketAddr, case: &Case, way: Way) -> Vec<u8> {
    let mut stream = connected(server);
    let mut bytes = case.bytes.clone();
    match case.verdict.next {
        Next::Open => bytes.extend_from_slice(LAST),
        Next::More | Next::Close => {}
    }
    // A server that has refused what came first need not read the rest.
    let _ = match way {
        Way::Whole => stream.write_all(&bytes),
        Way::ByteByByte => bytes.chunks(1).try_for_each(|byte| stream.write_all(byte)),
        Way::BehindOthers => stream.write_all(&[BEFORE, &bytes].concat()),
    };
    if case.verdict.next == Next::More {
        stream.shutdown(Shutdown::Write).expect("our side closes");
    }
    let mut found = Vec::new();
    stream.read_to_end(&mut found).expect("the server answers and closes");
    found
}

fn check(server: Target, case: &Case, way: Way) -> Result<(), String> {
    let mut expected = if matches!(way, Way::BehindOthers) { before() } else { Vec::new() };
    expected.extend(case.verdict.answers.iter().cloned());
    // Another word for a request that was begun: it has no end.
    let rest = case.bytes.strip_prefix(b"\r\n").unwrap_or(&case.bytes);
    match case.verdict.next {
        Next::Open => expected.push(answered(200, "")),
        Next::More if !rest.is_empty() => expected.push(Answered { body: None, ..answered(400, "") }),
        Next::More | Next::Close => {}
    }
    let address = match server {
        Target::Echoing(address) => address,
        Target::Other(address) => {
            // What is sound leads to no route there; what isn't gets the same answer.
            for answer in expected.iter_mut().filter(|answer| [200, 204, 405].contains(&answer.status)) {
                (answer.status, answer.body) = (404, None);
            }
            address
        }
    };
    let bytes = send(address, case, way);
    let found = answers(&bytes, |at| expected.get(at).is_some_and(|answer| answer.is_head));
    let agrees = match (&found, server) {
        (Err(_), _) => false,
        (Ok(found), Target::Echoing(_)) => agree(found, &expected),
        (Ok(found), Target::Other(_)) => {
            // Of a method that isn't known it may say so first.
            let statuses = |all: &[Answered]| -> Vec<u16> {
                let status = |answer: &Answered| if answer.status == 501 { 404 } else { answer.status };
                all.iter().map(status).collect()
            };
            statuses(found) == statuses(&expected)
        }
    };
    match agrees {
        true => Ok(()),
        false => Err(format!(
            "line {}, {way:?}: {}\nexpected {expected:?}\nfound {found:?}\n{}\n",
            case.line,
            shown(&case.bytes),
            shown(&bytes)
        )),
    }
}

/// Whether a service's port takes it for text (SPEC.md 17.1), which a gateway's doesn't speak, or may yet: where nothing but ends of
/// lines has come.
fn is_text(case: &Case) -> bool {
    let may_be = tell(&case.bytes, false).is_none() && case.verdict.next == Next::Close;
    may_be || tell(&case.bytes, true) == Some(Tongue::Text)
}

fn at_gateway(server: Target) -> bool {
    matches!(server, Target::Echoing(_))
}

#[track_caller]
fn check_all(server: Target, ways: &[Way]) {
    let cases: Vec<Case> = cases().into_iter().filter(|case| at_gateway(server) || !is_text(case)).collect();
    let share = |at: usize| cases.iter().skip(at).step_by(THREADS);
    let wrong: Vec<String> = thread::scope(|scope| {
        let threads = (0..THREADS).map(|at| {
            scope.spawn(move || -> Vec<String> {
                let each = share(at).flat_map(|case| ways.iter().map(move |way| (case, *way)));
                // Long ones are sent byte by byte to the parser itself.
                let each =
                    each.filter(|(case, way)| !matches!(way, Way::ByteByByte) || case.bytes.len() < 2_000);
                each.filter_map(|(case, way)| check(server, case, way).err()).collect()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread ends")).collect()
    });
    assert!(wrong.is_empty(), "{} of them are wrong:\n{}", wrong.len(), wrong.concat());
}

#[test]
fn a_gateway_takes_what_is_sound_and_nothing_else() {
    let folder = Folder::new();
    let gateway =
        Server::start(folder.path(), "gateway-1", &["gateway", "--rpc", "127.0.0.1:0", "--debug-routes"]);
    check_gateway(gateway.address());
}

/// Checks a gateway that echoes.
#[track_caller]
pub(crate) fn check_gateway(gateway: SocketAddr) {
    check_all(Target::Echoing(gateway), &[Way::Whole, Way::ByteByByte, Way::BehindOthers]);
}

#[test]
fn a_service_takes_the_same_on_its_own_port() {
    let folder = Folder::new();
    let product = Server::start(folder.path(), "product-1", &["service", "product"]);
    check_all(Target::Other(product.address()), &[Way::Whole, Way::ByteByByte]);
}

#[test]
fn what_is_taken_for_text_on_a_services_port_is_no_http() {
    let folder = Folder::new();
    let product = Server::start(folder.path(), "product-1", &["service", "product"]);
    let texts: Vec<Case> = cases().into_iter().filter(is_text).collect();
    assert!((1..20).contains(&texts.len()), "{} cases begin as text does", texts.len());
    for case in texts {
        assert!(case.verdict.answers.iter().all(|answer| answer.status == 400), "{}", shown(&case.bytes));
        let answer = raw(product.address(), &case.bytes);
        let begins = match tell(&case.bytes, true) {
            Some(Tongue::Text) => "-ERR ",
            _ => "HTTP/1.1 400 ",
        };
        assert!(answer.starts_with(begins), "{}: {answer}", shown(&case.bytes));
    }
}
