//! An HTTP server that does what the path says, well or badly, and counts.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use micronet_tests::patience::until;

/// The server; its threads end with the test.
pub(super) struct Stub {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What the server has seen.
#[derive(Default)]
struct Seen {
    connections: u64,
    /// Requests by path.
    requests: BTreeMap<String, u64>,
}

impl Stub {
    /// A server that accepts so many connections and is gone then.
    pub(super) fn start(connections_max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            let mut listener = Some(listener);
            for count in 1..=connections_max {
                let accepted = listener.as_ref().and_then(|listener| listener.accept().ok());
                // Nobody listens any more when the last one is served.
                listener = listener.filter(|_| count < connections_max);
                let Some((stream, _)) = accepted else { return };
                lock(&shared).connections += 1;
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, seen }
    }

    /// A target of this server.
    pub(super) fn target(&self, method: &str, path: &str) -> String {
        format!("{method} http://{}{path}", self.address)
    }

    /// How often this path was asked for, when that was at least so often: its threads may be behind.
    #[track_caller]
    pub(super) fn requests_of_at_least(&self, path: &str, least: u64) -> u64 {
        until("the requests to be seen", || match self.requests(path) {
            count if count >= least => Ok(()),
            count => Err(format!("{count} of {least}")),
        });
        self.requests(path)
    }

    /// How often this path was asked for.
    pub(super) fn requests(&self, path: &str) -> u64 {
        lock(&self.seen).requests.get(path).copied().unwrap_or(0)
    }

    /// How many connections there were.
    pub(super) fn connections(&self) -> u64 {
        lock(&self.seen).connections
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, seen: &Mutex<Seen>) {
    // The body of a request stays unread, so that a connection which is closed then is reset.
    while let Some(path) = path_of_next(&mut stream) {
        *lock(seen).requests.entry(path.clone()).or_default() += 1;
        let status = match path.as_str() {
            "/close" | "/reset" => return,
            "/silent" => continue,
            "/missing" => "404 Not Found",
            "/busy" => "503 Service Unavailable",
            _ => "200 OK",
        };
        let body = r#"{"success":false,"error":{"code":"STUB"}}"#;
        let body = if status.starts_with("503") { body } else { "ok" };
        let length = body.len();
        if write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").is_err() {
            return;
        }
    }
}

/// The path of the next request, of which nothing behind the head is read.
fn path_of_next(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend_from_slice(&byte);
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).map(str::to_owned)
}
