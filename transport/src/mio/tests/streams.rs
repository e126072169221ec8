//! Streams of messages, without a runtime on either side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use micronet_wire::limits::{CONNECTION_CREDIT_BYTES, STREAM_CREDIT_BYTES};
use micronet_wire::schema::CallShape;
use micronet_wire::service::Arity;

use super::super::server::{Replies, SyncService};
use super::*;

/// Replies with messages, as many and as long as the request says.
const REPEAT: u32 = 10;
/// Replies with all requests in one.
const JOIN: u32 = 11;
/// Replies with each of its requests.
const ALL: u32 = 12;
/// Replies twice, and fails.
const TWO: u32 = 13;
/// Replies once, and panics.
const ONE: u32 = 14;

const FOR_EVER: u32 = u32::MAX;
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Streaming {
    /// Replies that were taken from [`REPEAT`].
    made: Arc<AtomicUsize>,
}

impl SyncService for Streaming {
    fn handle(&self, _: &CallContext, _: u32, request: Bytes) -> Answer {
        Ok(request)
    }

    fn shape(&self, method: u32) -> CallShape {
        match method {
            REPEAT | TWO | ONE => CallShape::ServerStream,
            JOIN => CallShape::ClientStream,
            ALL => CallShape::Bidirectional,
            _ => CallShape::Unary,
        }
    }

    fn handle_requests(&self, _: &CallContext, _: u32, requests: Vec<Bytes>) -> Answer {
        Ok(requests.concat().into())
    }

    fn handle_stream(&self, _: &CallContext, method: u32, requests: Vec<Bytes>) -> Result<Replies, RpcError> {
        let made = Arc::clone(&self.made);
        Ok(match method {
            ALL => Box::new(requests.into_iter().map(Ok)),
            TWO => Box::new((0..3).map(|at| match at {
                0 | 1 => Ok(Bytes::from_static(b"fine")),
                _ => Err(RpcError::new(Code::External, "it broke")),
            })),
            ONE => Box::new((0..2).map(|at| {
                assert_eq!(at, 0, "a test");
                Ok(Bytes::from_static(b"fine"))
            })),
            _ => {
                let number = |at| u32::from_be_bytes(requests[0][at..at + 4].try_into().unwrap());
                let size = number(4) as usize;
                Box::new((0..number(0)).map(move |at| {
                    made.fetch_add(1, Ordering::Relaxed);
                    Ok(numbered(at, size))
                }))
            }
        })
    }
}

/// A message of a length that begins with its number.
fn numbered(at: u32, size: usize) -> Bytes {
    let mut message = vec![7; size];
    message[..4].copy_from_slice(&at.to_be_bytes());
    message.into()
}

fn repeat(count: u32, size: u32) -> Bytes {
    [count.to_be_bytes(), size.to_be_bytes()].concat().into()
}

struct Fixture {
    client: SyncClient,
    made: Arc<AtomicUsize>,
    address: SocketAddr,
    stop: StopHandle,
    serving: JoinHandle<io::Result<()>>,
}

fn start() -> Fixture {
    let service = Streaming::default();
    let made = Arc::clone(&service.made);
    let server = SyncServer::bind("127.0.0.1:0".parse().unwrap(), service, &identity("server")).unwrap();
    let (address, stop) = (server.address(), server.stop_handle());
    let serving = std::thread::spawn(|| server.run());
    Fixture { client: connect(address), made, address, stop, serving }
}

fn open(client: &mut SyncClient, method: u32, request: Option<&Bytes>, replies: Arity) -> u32 {
    client.open(method, request, replies, &CallOptions::default()).unwrap()
}

fn next(client: &mut SyncClient, stream: u32) -> Result<Option<Bytes>, Code> {
    client.next_message(stream, PATIENCE).map_err(|error| error.code)
}

#[test]
fn replies_are_taken_one_by_one() {
    let Fixture { mut client, .. } = start();
    // Small ones, more of them than credit is for; and some longer than all of a stream's first credit.
    for (count, size) in [(0, 4), (1, 4), (500, 1_000), (5, 3 * STREAM_CREDIT_BYTES)] {
        let stream = open(&mut client, REPEAT, Some(&repeat(count, size)), Arity::Many);
        for at in 0..count {
            assert_eq!(next(&mut client, stream), Ok(Some(numbered(at, size as usize))));
        }
        assert!(client.is_open(stream));
        assert_eq!(next(&mut client, stream), Ok(None));
        assert!(!client.is_open(stream));
        assert_eq!(next(&mut client, stream), Err(Code::Internal), "its end was taken");
    }
    assert_eq!(client.drain(), Ok(()));
}

#[test]
fn a_stream_without_an_end_holds_up_nobody() {
    const SIZE: u32 = 1_000;
    let Fixture { mut client, made, address, .. } = start();
    let watched = open(&mut client, REPEAT, Some(&repeat(FOR_EVER, SIZE)), Arity::Many);
    let mut other = connect(address);
    for taken in 0..300 {
        assert_eq!(next(&mut client, watched), Ok(Some(numbered(taken, SIZE as usize))));
        // No further ahead than there is credit, and one that waits for some.
        let ahead = made.load(Ordering::Relaxed) - taken as usize;
        assert!(ahead <= (STREAM_CREDIT_BYTES / SIZE) as usize + 2, "{ahead}");
        assert_eq!(call(&mut other, ECHO, b"x"), Ok(Bytes::from_static(b"x")));
        assert_eq!(call(&mut client, ECHO, b"x"), Ok(Bytes::from_static(b"x")));
    }
    assert_eq!(client.next_end(Duration::from_secs(20)).map(|(stream, _)| stream), None, "none was started");
    client.cancel(watched);
    assert_eq!(next(&mut client, watched), Err(Code::Internal));
    assert_eq!(client.drain(), Ok(()));
}

#[test]
fn requests_are_said_as_there_is_room() {
    let Fixture { mut client, .. } = start();
    let long = STREAM_CREDIT_BYTES as usize * 3;
    let said: Vec<Bytes> =
        (0..100).map(|at| numbered(at, if at % 30 == 20 { long } else { 10_000 })).collect();
    for ends_alone in [false, true] {
        let stream = open(&mut client, JOIN, None, Arity::One);
        for (at, message) in said.iter().enumerate() {
            client.say(stream, message.clone(), !ends_alone && at + 1 == said.len()).unwrap();
        }
        if ends_alone {
            client.finish(stream).unwrap();
        }
        assert_eq!(client.wait(stream).unwrap().body, said.concat());
        assert_eq!(client.say(stream, "more".into(), false).unwrap_err().code, Code::Internal);
        assert_eq!(client.finish(stream).unwrap_err().code, Code::Internal);
    }
    let stream = open(&mut client, ALL, None, Arity::Many);
    client.say(stream, "first".into(), false).unwrap();
    let nothing = client.next_message(stream, Duration::from_millis(20)).unwrap_err();
    assert_eq!(
        (nothing.code, client.is_open(stream)),
        (Code::DeadlineExceeded, true),
        "only once all is said"
    );
    client.say(stream, "last".into(), true).unwrap();
    for wanted in [Some("first"), Some("last"), None] {
        assert_eq!(next(&mut client, stream), Ok(wanted.map(Bytes::from)));
    }
}

#[test]
fn what_goes_wrong_is_the_end_of_its_stream_alone() {
    let Fixture { mut client, .. } = start();
    for (method, replies, code) in [(TWO, 2, Code::External), (ONE, 1, Code::Internal)] {
        let stream = open(&mut client, method, Some(&"x".into()), Arity::Many);
        for _ in 0..replies {
            assert_eq!(next(&mut client, stream), Ok(Some("fine".into())));
        }
        assert_eq!(next(&mut client, stream), Err(code));
        assert!(!client.is_open(stream));
    }
    // Calls of another shape.
    let stream = open(&mut client, JOIN, Some(&"x".into()), Arity::One);
    assert_eq!(client.wait(stream).unwrap_err().code, Code::BadRequest);
    let stream = open(&mut client, ECHO, None, Arity::One);
    assert_eq!(client.wait(stream).unwrap_err().code, Code::BadRequest);
    client.send(REPEAT, &"x".into(), &CallOptions::default()).unwrap();
    // More requests than are gathered.
    let stream = open(&mut client, JOIN, None, Arity::One);
    let request = Bytes::from(vec![7; 1 << 20]);
    let mut said = 0;
    let refused = loop {
        match client.say(stream, request.clone(), false) {
            Ok(()) => said += request.len(),
            Err(error) => break error.code,
        }
    };
    assert_eq!(refused, Code::Overloaded);
    assert!(
        (CONNECTION_CREDIT_BYTES as usize - (1 << 20)..2 * CONNECTION_CREDIT_BYTES as usize).contains(&said)
    );
    assert_eq!(client.wait(stream).unwrap_err().code, Code::Overloaded);
    // What was gathered is forgotten with the call.
    let stream = open(&mut client, JOIN, None, Arity::One);
    client.say(stream, request.clone(), true).unwrap();
    assert_eq!(client.wait(stream).unwrap().body, request);
}

#[test]
fn a_server_that_drains_sends_its_readers_elsewhere() {
    let Fixture { mut client, stop, serving, .. } = start();
    let watched = open(&mut client, REPEAT, Some(&repeat(FOR_EVER, 1_000)), Arity::Many);
    assert_eq!(next(&mut client, watched), Ok(Some(numbered(0, 1_000))));
    stop.drain().unwrap();
    let ended = loop {
        match next(&mut client, watched) {
            Ok(Some(_)) => {}
            other => break other,
        }
    };
    assert_eq!(ended, Err(Code::Draining));
    assert_eq!(client.drain(), Ok(()));
    serving.join().unwrap().unwrap();
}
