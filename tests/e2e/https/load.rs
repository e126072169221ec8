//! Clients that ask all the time, while something is done to the gateway.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use micronet_tests::http_client::HttpClient;
use micronet_tests::patience::{PATIENCE, until};

/// Threads that ask a gateway until they are told to stop.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// As many threads as this, each of which asks by `ask` again and again: it says what went wrong.
    pub(super) fn of(threads: usize, ask: impl Fn() -> Result<(), String> + Send + Clone + 'static) -> Self {
        let load = Self { stop: Arc::default(), asked: Arc::default(), clients: Vec::new() };
        load.and(threads, move || ask.clone())
    }

    /// More threads, each of which asks by what `client` makes for it.
    pub(super) fn and<Ask>(mut self, threads: usize, client: impl Fn() -> Ask) -> Self
    where
        Ask: FnMut() -> Result<(), String> + Send + 'static,
    {
        for _ in 0..threads {
            let (stop, asked, mut ask) = (Arc::clone(&self.stop), Arc::clone(&self.asked), client());
            self.clients.push(thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::Relaxed) && failures.len() < 10 {
                    failures.extend(ask().err());
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                failures
            }));
        }
        self
    }

    /// Waits until so many more requests were answered.
    pub(super) fn more(&self, count: u64) {
        let wanted = self.asked.load(Ordering::Relaxed) + count;
        until("requests to be answered", || match self.asked.load(Ordering::Relaxed) {
            asked if asked >= wanted => Ok(()),
            asked if self.clients.iter().all(JoinHandle::is_finished) => {
                panic!("all have failed after {asked}")
            }
            asked => Err(format!("{asked} of {wanted}")),
        });
    }

    /// Ends it: how many were asked, none of which may have failed.
    #[track_caller]
    pub(super) fn check(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.clients.into_iter().map(|client| client.join().expect("a client"));
        let failures: Vec<String> = ended.flatten().collect();
        let asked = self.asked.load(Ordering::Relaxed);
        assert!(failures.is_empty(), "of {asked} requests failed {}: {failures:#?}", failures.len());
        asked
    }
}

/// Asks on a connection of its own.
pub(super) fn on_a_new_connection(server: SocketAddr, path: &str) -> Result<(), String> {
    let failed = |what: &str, error: std::io::Error| format!("{what}: {error}");
    let mut stream = TcpStream::connect(server).map_err(|error| failed("connecting", error))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|error| failed("setting", error))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| failed("sending", error))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| failed("receiving", error))?;
    let is_whole = answer.starts_with("HTTP/1.1 200 ") && answer.trim_end().ends_with('}');
    if is_whole { Ok(()) } else { Err(format!("not an answer: {answer:?}")) }
}

/// Asks again and again on one connection, and on another when the server has said that it closes this one.
pub(super) fn kept_alive(
    server: SocketAddr,
    path: &'static str,
) -> impl FnMut() -> Result<(), String> + Send {
    let mut connection: Option<HttpClient> = None;
    move || {
        let client = connection.get_or_insert_with(|| HttpClient::connect(server));
        let answer = client.try_request("GET", path, &[], b"")?;
        if !client.is_open() {
            connection = None;
        }
        if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
    }
}
