//! Bodies that go on, and connections that another protocol takes over.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::drain::{self, DrainTrigger};
use crate::tests::run;

/// Answers `/stream` by what it is told, `/endless` without end, and changes to the protocol `echo` at `/echo`.
#[derive(Default)]
struct Test {
    ids: RequestIdsOfTest,
    identity: Identity,
    pieces: RefCell<Option<mpsc::Receiver<Bytes>>>,
    /// Pieces that were asked for.
    asked: Rc<Cell<usize>>,
}

struct RequestIdsOfTest(RequestIds);

impl Default for RequestIdsOfTest {
    fn default() -> Self {
        Self(RequestIds::new(7))
    }
}

impl Site for Test {
    fn request_ids(&self) -> &RequestIds {
        &self.ids.0
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    async fn answer(&self, _: &str, head: &RequestHead, _: &[u8]) -> Response {
        let answer = Answer::body_of(Status::OK, "text/event-stream", b"");
        match head.path() {
            "/stream" => {
                let told = self.pieces.take().expect("asked once");
                let pieces =
                    stream::unfold(told, async |mut told| Some((told.recv().await?, told))).boxed_local();
                Response::Stream(Box::new(Streamed { answer, pieces }))
            }
            "/endless" => {
                let asked = Rc::clone(&self.asked);
                let piece = move || {
                    asked.set(asked.get() + 1);
                    Bytes::from(vec![b'x'; 1_000])
                };
                let pieces = stream::repeat_with(piece).boxed_local();
                Response::Stream(Box::new(Streamed { answer, pieces }))
            }
            "/echo" => Response::Upgrade(Box::new(Upgrade {
                protocol: "echo",
                headers: vec![("X-Test", "1".into())],
                take_over: Box::new(|upgraded| echo(upgraded).boxed_local()),
            })),
            _ => Answer::text(Status::OK, "plain").into(),
        }
    }
}

async fn echo(Upgraded { mut stream, mut input, .. }: Upgraded) {
    loop {
        if stream.write_all_buf(&mut input).await.is_err()
            || !matches!(stream.read_buf(&mut input).await, Ok(1..))
        {
            return;
        }
    }
}

/// A connection to a site, with room for few bytes on the way.
struct House {
    client: DuplexStream,
    told: Option<mpsc::Sender<Bytes>>,
    asked: Rc<Cell<usize>>,
    drain: DrainTrigger,
    serving: JoinHandle<()>,
}

fn house() -> House {
    let (told, pieces) = mpsc::channel(1);
    let site = Rc::new(Test { pieces: RefCell::new(Some(pieces)), ..Test::default() });
    let (client, server) = tokio::io::duplex(4_096);
    let (trigger, drain) = drain::channel();
    let asked = Rc::clone(&site.asked);
    let serving = tokio::task::spawn_local(serve_connection(server, site, drain));
    House { client, told: Some(told), asked, drain: trigger, serving }
}

impl House {
    async fn say(&mut self, request: &str) {
        self.client.write_all(request.as_bytes()).await.expect("the server reads");
    }

    async fn tell(&self, piece: &'static str) {
        self.told.as_ref().expect("not over").send(Bytes::from(piece)).await.expect("somebody asks");
    }

    /// Reads until this has come; all that was read.
    async fn hear(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            match self.client.read_u8().await {
                Ok(byte) => heard.push(byte),
                Err(error) => panic!("{error} after {}", String::from_utf8_lossy(&heard)),
            }
        }
        String::from_utf8(heard).expect("text")
    }
}

#[test]
fn a_body_is_written_as_it_comes_and_the_connection_goes_on() {
    run(async {
        let mut house = house();
        house.say("GET /stream HTTP/1.1\r\nHost: a\r\n\r\nGET /plain HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = house.hear("\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Transfer-Encoding: chunked"),
            "{head}"
        );
        house.tell("one").await;
        assert_eq!(house.hear("one\r\n").await, "3\r\none\r\n");
        house.tell("three").await;
        assert_eq!(house.hear("three\r\n").await, "5\r\nthree\r\n");
        house.told = None;
        let rest = house.hear("plain").await;
        assert!(rest.starts_with("0\r\n\r\nHTTP/1.1 200 OK\r\n"), "{rest}");
    });
}

#[test]
fn a_client_that_goes_ends_its_stream() {
    run(async {
        let mut house = house();
        house.say("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await;
        house.hear("\r\n\r\n").await;
        let House { client, told, serving, .. } = house;
        drop(client);
        told.expect("not over").closed().await;
        serving.await.expect("no panic");
    });
}

#[test]
fn who_reads_slowly_is_not_read_ahead_for() {
    run(async {
        let mut house = house();
        house.say("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
        house.hear("\r\n\r\n").await;
        // What is on the way, and what was gathered for one write.
        let most = (4_096 + HTTP_WRITE_BYTES) / 1_000 + 1;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let asked = house.asked.get();
        assert!((4..=most).contains(&asked), "{asked}");
        // For what the client has read, more is asked for.
        let mut read = vec![0; 100_000];
        house.client.read_exact(&mut read).await.expect("it goes on");
        assert!((100..=100 + most).contains(&house.asked.get()), "{}", house.asked.get());
    });
}

#[test]
fn a_stream_ends_well_when_the_process_drains() {
    run(async {
        let mut house = house();
        house.say("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n").await;
        house.hear("\r\n\r\n").await;
        house.drain.drain();
        assert_eq!(house.hear("0\r\n\r\n").await, "0\r\n\r\n");
        let (mut client, mut rest) = (house.client, Vec::new());
        assert_eq!(client.read_buf(&mut rest).await.ok(), Some(0), "nothing follows");
    });
}

#[test]
fn to_an_old_client_the_end_of_the_connection_is_the_end() {
    run(async {
        let mut house = house();
        house.say("GET /stream HTTP/1.0\r\n\r\n").await;
        let head = house.hear("\r\n\r\n").await;
        assert!(head.contains("Connection: close") && !head.contains("chunked"), "{head}");
        house.tell("one").await;
        house.told = None;
        let (mut client, mut rest) = (house.client, Vec::new());
        client.read_to_end(&mut rest).await.expect("it ends");
        assert_eq!(rest, b"one");
    });
}

#[test]
fn another_protocol_gets_the_connection_and_what_was_read_of_it() {
    run(async {
        let mut house = house();
        house.say("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst").await;
        let all = house.hear("first").await;
        assert!(all.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{all}");
        assert!(all.contains("Upgrade: echo\r\n") && all.contains("X-Test: 1\r\n"), "{all}");
        house.say("second").await;
        assert_eq!(house.hear("second").await, "second");
    });
}

#[test]
fn who_did_not_ask_gets_no_other_protocol() {
    run(async {
        let mut house = house();
        house.say("GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /plain HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let all = house.hear("plain").await;
        assert!(all.starts_with("HTTP/1.1 400 Bad Request\r\n") && all.contains("HTTP/1.1 200 OK"), "{all}");
    });
}
