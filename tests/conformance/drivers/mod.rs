//! Sessions over real TCP sockets, byte by byte: each driver, as server and as client, against a peer that follows a script.
//!
//! The same cases run for all drivers, and what only one of them passes fails. Nothing here knows how a driver works inside.

mod client_cases;
mod clients;
mod frames;
mod scripted;
mod server_cases;

mod servers;
mod stream_cases;
mod transcripts;

use bytes::Bytes;
use micronet_transport::identity::Identity;
use micronet_wire::schema::method_id;

use self::clients::{Dial, OnMio as MioClient, OnTokio as TokioClient};
use self::servers::{Behaviour, OnMio as MioServer, OnTokio as TokioServer, Running};

/// Starts a server of one driver.
type StartServer = fn(&Names, Behaviour) -> Running;

const SERVERS: [(&str, StartServer); 2] =
    [("the server on tokio", TokioServer::start), ("the server on mio", MioServer::start)];
const CLIENTS: [(&str, Dial); 2] =
    [("the client on tokio", TokioClient::dial), ("the client on mio", MioClient::dial)];

/// The method that all servers answer with [`ANSWER`]; the transcripts call it.
const METHOD: u32 = 2_757_732_106;
/// The method that all servers fail.
const FAILING: u32 = 3;
/// The method that all servers answer with its request.
const ECHO: u32 = 4;
/// The method that answers one request with a stream of replies: see [`repeated`].
const REPEAT: u32 = method_id("product.repeat");
/// The method that answers a stream of requests with all of them in one reply.
const JOIN: u32 = method_id("product.join");
const ANSWER: &[u8] = &[0x2a];

/// The names by which a side says hello, on any thread.
#[derive(Clone)]
struct Names {
    cluster: String,
    node: String,
    instance: String,
}

impl Names {
    fn of(node: &str) -> Self {
        Self { cluster: "shop".into(), node: node.into(), instance: format!("{node}-1") }
    }

    fn identity(&self) -> Identity {
        let Self { cluster, node, instance } = self.clone();
        Identity { cluster, node, instance, ..Identity::default() }
    }
}

/// What [`REPEAT`] replies to a request of two bytes: so many messages, each of so many KiB and of bytes that are its number.
fn repeated(request: &[u8]) -> Vec<Bytes> {
    let [count, kib] = request else { return Vec::new() };
    (1..=*count).map(|at| vec![at; usize::from(*kib) << 10].into()).collect()
}

/// Runs each case on each driver.
fn check<D: Copy, C>(
    drivers: &[(&str, D)],
    cases: impl IntoIterator<Item = (String, C)>,
    run: impl Fn(D, &C) -> Result<(), String>,
) -> usize {
    let mut failures = Vec::new();
    let mut count = 0;
    for (name, case) in cases {
        count += 1;
        for (driver, under_test) in drivers {
            if let Err(words) = run(*under_test, &case) {
                failures.push(format!("{driver}, {name}: {words}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    count
}
