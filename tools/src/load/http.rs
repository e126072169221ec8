//! HTTP/1.1 as a channel of the load engine: one keep-alive connection, one request at a time.

use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use micronet_wire::http1::{ClientConnection, HttpError, WriteError};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::engine::{Channel, ExchangeError, Traced};
use crate::address::HostPort;

/// How long a connection may take to be made, in milliseconds.
const CONNECT_MS_MAX: u64 = 5_000;
/// How long an answer may take; longer than the gateway waits for a service, so that its 504 arrives. In milliseconds.
const ANSWER_MS_MAX: u64 = 30_000;
/// Free space that is kept for the next read, in bytes.
const READ_BYTES: usize = 16 << 10;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpRequest {
    /// The method.
    pub(crate) method: &'static str,
    /// The path and query, percent-encoded.
    pub(crate) target: String,
    /// Header fields beside those that the connection writes by itself.
    pub(crate) headers: Vec<(Cow<'static, str>, String)>,
    /// The body; may be empty.
    pub(crate) body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpAnswer {
    /// The status code.
    pub(crate) status: u16,
    /// Which instance answered, where the gateway says so.
    pub(crate) instance: Option<String>,
    /// The body.
    pub(crate) body: Bytes,
}

impl HttpAnswer {
    /// Why this is an error, in words that are the same for all of their kind: the status, and the code of the envelope if there is one.
    pub(crate) fn error(&self) -> Option<String> {
        if self.status < 400 {
            return None;
        }
        let envelope: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        Some(match envelope["error"]["code"].as_str() {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        })
    }
}

impl Traced for HttpAnswer {
    fn instance(&self) -> Option<&str> {
        self.instance.as_deref()
    }

    fn bytes(&self) -> u64 {
        self.body.len() as u64
    }
}

/// One client's way to an HTTP server.
#[derive(Debug)]
pub(crate) struct HttpChannel {
    server: HostPort,
    connection: Option<HttpConnection>,
    /// How long an answer may take.
    patience: Duration,
    /// Whether a request that met the end of a kept connection is sent once more.
    repeats: bool,
    /// From which address it connects; from any, where none is given.
    from: Option<Ipv4Addr>,
}

impl HttpChannel {
    /// A way to this server; nothing is connected yet.
    pub(crate) fn new(server: HostPort) -> Self {
        Self {
            server,
            connection: None,
            patience: Duration::from_millis(ANSWER_MS_MAX),
            repeats: true,
            from: None,
        }
    }

    /// The same from this address, to a server on IPv4.
    pub(crate) fn from(self, from: Ipv4Addr) -> Self {
        Self { from: Some(from), ..self }
    }

    /// The same for one who wants to see every failure: answers may take so long, and nothing is ever sent again.
    pub(crate) fn unforgiving(server: HostPort, patience: Duration) -> Self {
        Self { patience, repeats: false, ..Self::new(server) }
    }

    async fn connect(&self) -> Result<HttpConnection, ExchangeError> {
        let server = self.server.to_string();
        let patience = self.patience.min(Duration::from_millis(CONNECT_MS_MAX));
        match timeout(patience, self.stream(&server)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(|error| failed("no connection", &error))?;
                Ok(HttpConnection::new(stream, server))
            }
            Ok(Err(error)) => Err(failed("no connection", &error)),
            Err(_) => Err(ExchangeError {
                kind: "no connection",
                detail: format!("{server} did not accept within {} ms", patience.as_millis()),
            }),
        }
    }

    async fn stream(&self, server: &str) -> io::Result<TcpStream> {
        let Some(from) = self.from else { return TcpStream::connect(server).await };
        let addresses = lookup_host(server).await?;
        let address =
            addresses.into_iter().find(SocketAddr::is_ipv4).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(address).await
    }
}

impl Channel for HttpChannel {
    type Request = HttpRequest;
    type Answer = HttpAnswer;

    async fn open(&mut self) -> Result<(), ExchangeError> {
        self.connection = Some(self.connect().await?);
        Ok(())
    }

    /// A connection that has served before may be closed by the server at any time. A request that met this, before
    /// anything came back, is sent once more: ours are all safe to repeat, by their method or by their Idempotency-Key
    /// (RFC 9110 section 9.2.2).
    async fn exchange(&mut self, request: &HttpRequest) -> Result<HttpAnswer, ExchangeError> {
        if let Some(mut kept) = self.connection.take()
            && kept.is_quiet()
        {
            let was_used = kept.used;
            match kept.exchange(request, self.patience).await {
                Err(_) if self.repeats && was_used && kept.is_silent() && !kept.timed_out => {}
                answer => {
                    self.connection = answer.is_ok().then_some(kept);
                    return answer;
                }
            }
        }
        let mut fresh = self.connect().await?;
        let answer = fresh.exchange(request, self.patience).await;
        self.connection = answer.is_ok().then_some(fresh);
        answer
    }
}

/// A connection: the protocol's state machine and its socket.
#[derive(Debug)]
struct HttpConnection {
    stream: TcpStream,
    state: ClientConnection,
    host: String,
    input: BytesMut,
    output: BytesMut,
    /// Whether it has carried an answer already.
    used: bool,
    /// Bytes that came back for the request under way.
    answer_bytes: usize,
    /// Whether the answer took too long.
    timed_out: bool,
    /// Whether the server has closed its side.
    ended: bool,
}

impl HttpConnection {
    fn new(stream: TcpStream, host: String) -> Self {
        Self {
            stream,
            state: ClientConnection::new(),
            host,
            input: BytesMut::with_capacity(READ_BYTES),
            output: BytesMut::new(),
            used: false,
            answer_bytes: 0,
            timed_out: false,
            ended: false,
        }
    }

    /// Whether it may carry a request: it is open, and nothing has come that answers no request.
    fn is_quiet(&mut self) -> bool {
        let waits = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        self.state.is_open()
            && self.input.is_empty()
            && self.stream.try_read_buf(&mut self.input).is_err_and(waits)
    }

    /// Whether nothing came back for the request under way.
    fn is_silent(&self) -> bool {
        self.answer_bytes == 0
    }

    async fn exchange(
        &mut self,
        request: &HttpRequest,
        patience: Duration,
    ) -> Result<HttpAnswer, ExchangeError> {
        self.answer_bytes = 0;
        self.write(request).map_err(|error| ExchangeError { kind: "not sent", detail: error.to_string() })?;
        let Ok(answer) = timeout(patience, self.send_and_read()).await else {
            self.timed_out = true;
            let detail = format!("nothing complete came within {} ms", patience.as_millis());
            return Err(ExchangeError { kind: "no answer in time", detail });
        };
        self.used = true;
        answer
    }

    fn write(&mut self, request: &HttpRequest) -> Result<(), WriteError> {
        let mut writer = self.state.request(&mut self.output, request.method, &request.target, &self.host)?;
        writer.header("User-Agent", concat!("micronet/", env!("CARGO_PKG_VERSION")))?;
        for (name, value) in &request.headers {
            writer.header(name, value)?;
        }
        writer.body(&request.body);
        Ok(())
    }

    async fn send_and_read(&mut self) -> Result<HttpAnswer, ExchangeError> {
        let sent = self.stream.write_all_buf(&mut self.output).await;
        sent.map_err(|error| lost(&error))?;
        let mut head = None;
        loop {
            if head.is_none() {
                head = self.state.poll_head(&mut self.input).map_err(broken)?;
            }
            if let Some(head) = &head
                && let Some(body) = self.state.poll_body(&mut self.input).map_err(broken)?
            {
                let instance = head.headers().get_str("X-Micronet-Instance").map(str::to_owned);
                return Ok(HttpAnswer { status: head.code(), instance, body });
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), ExchangeError> {
        self.input.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.input).await {
            Ok(0) if self.ended => {
                Err(ExchangeError { kind: "connection lost", detail: "the server closed it".into() })
            }
            Ok(0) => {
                self.ended = true;
                let closed = self.state.handle_close();
                closed.map_err(|error| ExchangeError { kind: "connection lost", detail: error.reason.into() })
            }
            Ok(count) => {
                self.answer_bytes += count;
                Ok(())
            }
            Err(error) => Err(lost(&error)),
        }
    }
}

fn failed(kind: &'static str, error: &io::Error) -> ExchangeError {
    ExchangeError { kind, detail: error.to_string() }
}

/// A connection that ended under a request: reset by the peer's kernel, or otherwise.
fn lost(error: &io::Error) -> ExchangeError {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "connection reset",
        _ => "connection lost",
    };
    failed(kind, error)
}

fn broken(error: HttpError) -> ExchangeError {
    ExchangeError { kind: "broken answer", detail: error.reason.into() }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::server_process;

    /// What the server does with one connection: for each request that it reads, it writes the next of these.
    type Answers = &'static [&'static str];

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Micronet-Instance: product-2\r\n\r\nok";
    const CLOSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    const UNTIL_CLOSE: &str = "HTTP/1.1 200 OK\r\n\r\nok";
    const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
    const AND_MORE: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 408 Late\r\nContent-Length: 2\r\n\r\nno";
    const GARBAGE: &str = "220 mail.example ESMTP\r\n\r\n";

    /// Serves one connection after the other, each with its answers, then closes it.
    async fn serve(listener: TcpListener, connections: &'static [Answers]) {
        for answers in connections {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in *answers {
                let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
                while !request.ends_with(b"\r\n\r\n") {
                    let count = stream.read(&mut buffer).await.unwrap();
                    assert_ne!(count, 0, "the client closed first");
                    request.extend_from_slice(&buffer[..count]);
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }

    /// Asks as often as there are expectations: the body, or the kind of error.
    fn check(connections: &'static [Answers], wanted: &[Result<&str, &str>]) {
        check_by(HttpChannel::new, connections, wanted);
    }

    fn check_by(
        channel_to: impl Fn(HostPort) -> HttpChannel,
        connections: &'static [Answers],
        wanted: &[Result<&str, &str>],
    ) {
        server_process::runtime().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut channel = channel_to(listener.local_addr().unwrap().into());
            tokio::task::spawn_local(serve(listener, connections));
            channel.open().await.unwrap();
            let request =
                HttpRequest { method: "GET", target: "/".into(), headers: Vec::new(), body: Vec::new() };
            for (place, wanted) in wanted.iter().enumerate() {
                let answer = channel.exchange(&request).await;
                let read = answer.as_ref().map(|answer| str::from_utf8(&answer.body).unwrap());
                assert_eq!(read.map_err(|error| error.kind), *wanted, "{connections:?}, request {place}");
            }
        });
    }

    #[test]
    fn a_connection_is_kept_and_made_again() {
        check(&[&[OK, OK, OK]], &[Ok("ok"); 3]);
        check(&[&[CLOSE], &[OK]], &[Ok("ok"); 2]);
        check(&[&[UNTIL_CLOSE], &[OK]], &[Ok("ok"); 2]);
        // The server closes a connection that idles: the next request is sent again on another.
        check(&[&[OK], &[OK]], &[Ok("ok"); 2]);
        // What answers no request is not taken for the next one's answer.
        check(&[&[AND_MORE], &[OK]], &[Ok("ok"); 2]);
    }

    #[test]
    fn what_was_not_answered_is_an_error() {
        // What closes a connection on which there is something to read, resets it (RFC 1122 section 4.2.2.13).
        check(&[&[]], &[Err("connection reset"), Err("no connection")]);
        check(&[&[CUT]], &[Err("connection lost")]);
        check(&[&[OK, CUT], &[OK]], &[Ok("ok"), Err("connection lost"), Ok("ok")]);
        check(&[&[GARBAGE]], &[Err("broken answer")]);
    }

    #[test]
    fn who_is_unforgiving_sees_every_failure() {
        let unforgiving = |server| HttpChannel::unforgiving(server, Duration::from_secs(30));
        let check = |connections, wanted: &[Result<&str, &str>]| check_by(unforgiving, connections, wanted);
        check(&[&[OK, CLOSE], &[OK]], &[Ok("ok"); 3]);
        check(&[&[OK, CUT], &[OK]], &[Ok("ok"), Err("connection lost"), Ok("ok")]);
        // The first connection is closed while a request is on its way, of which nothing is known then.
        check(&[&[OK, ""], &[OK]], &[Ok("ok"), Err("connection lost"), Ok("ok")]);
        let impatient = |server| HttpChannel::unforgiving(server, Duration::from_millis(20));
        check_by(impatient, &[&[OK, "", OK]], &[Ok("ok"), Err("no answer in time")]);
    }

    #[test]
    fn the_instance_that_answered_is_known() {
        server_process::runtime().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut channel = HttpChannel::new(listener.local_addr().unwrap().into());
            tokio::task::spawn_local(serve(listener, &[&[OK]]));
            let request =
                HttpRequest { method: "GET", target: "/".into(), headers: Vec::new(), body: Vec::new() };
            let answer = channel.exchange(&request).await.unwrap();
            assert_eq!((answer.status, answer.instance.as_deref()), (200, Some("product-2")));
        });
    }
}
