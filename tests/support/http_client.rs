//! A small synchronous HTTP client: one keep-alive connection, and raw bytes for those who break the rules.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use bytes::{Bytes, BytesMut};
use micronet_wire::http1::{ClientConnection, ResponseHead};
use serde_json::Value;

use crate::patience::PATIENCE;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    head: ResponseHead,
    body: Bytes,
}

impl Answer {
    /// Its status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.code()
    }

    /// A header field, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get_str(name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The value at this place of the body, as `/error/details/order_num`; null if there is none.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or_default()
    }

    /// Status, head and body, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        let line = |(name, value): (&str, &[u8])| format!("{name}: {}\n", String::from_utf8_lossy(value));
        let headers: String = self.head.headers().iter().map(line).collect();
        format!("{} {}\n{headers}\n{}", self.status(), self.head.reason(), self.text())
    }

    /// Checks the status.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn check(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{}", self.shown());
        self
    }
}

/// A connection to an HTTP server.
#[derive(Debug)]
pub struct HttpClient {
    stream: TcpStream,
    connection: ClientConnection,
    host: String,
    input: BytesMut,
}

impl HttpClient {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    #[track_caller]
    #[must_use]
    pub fn connect(server: SocketAddr) -> Self {
        Self {
            stream: connected(server),
            connection: ClientConnection::new(),
            host: server.to_string(),
            input: BytesMut::new(),
        }
    }

    /// Asks with GET.
    #[track_caller]
    pub fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, &[], b"")
    }

    /// Asks with POST and JSON.
    #[track_caller]
    pub fn post(&mut self, target: &str, json: &str) -> Answer {
        self.request("POST", target, &[("Content-Type", "application/json")], json.as_bytes())
    }

    /// Asks with POST, JSON and an idempotency key.
    #[track_caller]
    pub fn post_once(&mut self, key: &str, target: &str, json: &str) -> Answer {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        self.request("POST", target, &headers, json.as_bytes())
    }

    /// Asks.
    ///
    /// # Panics
    /// When no answer comes, or one that breaks HTTP.
    #[track_caller]
    pub fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_request(method, target, headers, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// Asks, where the connection may break.
    ///
    /// # Errors
    /// Why there is no answer; the connection is of no use then.
    pub fn try_request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        self.send(method, target, headers, body)?;
        self.receive()
    }

    /// Sends a request; several may be sent before the first is answered.
    ///
    /// # Errors
    /// When it can't be sent.
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), String> {
        let mut output = BytesMut::new();
        let mut writer = self
            .connection
            .request(&mut output, method, target, &self.host)
            .map_err(|error| format!("{error:?}"))?;
        for (name, value) in headers {
            writer.header(name, value).map_err(|error| format!("{name}: {error:?}"))?;
        }
        writer.body(body);
        self.stream.write_all(&output).map_err(|error| error.to_string())
    }

    /// The answer to the oldest request that has none.
    ///
    /// # Errors
    /// When none comes, or one that breaks HTTP.
    pub fn receive(&mut self) -> Result<Answer, String> {
        let mut head = None;
        loop {
            if head.is_none() {
                head = self.connection.poll_head(&mut self.input).map_err(|error| error.reason)?;
            }
            if head.is_some()
                && let Some(body) =
                    self.connection.poll_body(&mut self.input).map_err(|error| error.reason)?
            {
                return Ok(Answer { head: head.expect("the head has come"), body });
            }
            let mut buffer = [0; 16 << 10];
            match self.stream.read(&mut buffer).map_err(|error| error.to_string())? {
                0 => self.connection.handle_close().map_err(|error| error.reason)?,
                count => self.input.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Whether a further request may be sent on this connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.connection.is_open()
    }
}

/// Sends bytes, says that no more will come, and returns everything that comes back.
///
/// # Panics
/// When the connection breaks before the server closes it.
#[track_caller]
#[must_use]
pub fn raw(server: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connected(server);
    stream.write_all(bytes.as_ref()).expect("it can be sent");
    stream.shutdown(Shutdown::Write).expect("our side closes");
    rest(&mut stream)
}

/// Everything that still comes on a connection.
///
/// # Panics
/// When it breaks before the server closes it.
#[track_caller]
pub fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers and closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// A socket that fails rather than waits forever.
///
/// # Panics
/// When nobody listens there.
#[track_caller]
#[must_use]
pub fn connected(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap_or_else(|error| panic!("{server}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_nodelay(true).expect("nodelay can be set");
    stream
}
