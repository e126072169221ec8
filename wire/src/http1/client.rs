//! The client side of one connection: requests go out, responses come back in the same order.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::body::{BodyEvent, BodyReader};
use super::head_reader::{HeadLimits, HeadReader};
use super::headers::{is_token, put_field, put_number};
use super::request_line::parse_method;
use super::response_head::{ResponseHead, StatusLine};
use super::target::{is_authority, parse_target};
use super::{HttpError, Method, Status, WriteError};
use crate::limits::{HTTP_BODY_BYTES_MAX, HTTP_PIPELINE_MAX};

/// The client side of one HTTP/1.1 connection.
///
/// [`request`](Self::request) writes a request; several may be in flight. For each, in order,
/// [`poll_head`](Self::poll_head) gives the response's head (interim responses are skipped), then
/// [`poll_body`](Self::poll_body) or [`poll_body_event`](Self::poll_body_event) its body, which must be taken to the
/// end. When the peer closes, the driver calls [`handle_close`](Self::handle_close). A response that breaks the
/// protocol is an error of status 502; the connection is over then.
///
/// ```text
/// ExpectHead --head--> ExpectBody --end of body--> ExpectHead | Closed
/// ExpectHead --101--> Upgraded
/// any --error--> Failed
/// ```
#[derive(Debug)]
pub struct ClientConnection {
    state: State,
    /// What each request in flight wants of its response, the oldest first.
    awaited: VecDeque<Awaited>,
    body_bytes_max: u64,
    /// A request asked to close the connection: none may follow it.
    closing: bool,
    /// The server has closed the connection or said that it will: no response follows this one.
    peer_closes: bool,
}

#[derive(Debug)]
enum State {
    ExpectHead(HeadReader<StatusLine>),
    ExpectBody(BodyReader),
    Upgraded,
    Failed(HttpError),
    Closed,
}

/// What the reader of a response must know about its request.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    is_head: bool,
    offers_upgrade: bool,
}

impl Default for ClientConnection {
    fn default() -> Self {
        ClientConnection::new()
    }
}

impl ClientConnection {
    /// A connection on which nothing has been sent yet.
    #[must_use]
    pub fn new() -> Self {
        ClientConnection {
            state: State::ExpectHead(HeadReader::default()),
            awaited: VecDeque::new(),
            body_bytes_max: HTTP_BODY_BYTES_MAX as u64,
            closing: false,
            peer_closes: false,
        }
    }

    /// Sets the most bytes that the body of a response may have; [`HTTP_BODY_BYTES_MAX`] until then.
    pub fn set_body_bytes_max(&mut self, bytes_max: u64) {
        self.body_bytes_max = bytes_max;
    }

    /// Whether a further request may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.closing
            && !self.peer_closes
            && matches!(self.state, State::ExpectHead(_) | State::ExpectBody(_))
    }

    /// Requests of which the response isn't complete.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.awaited.len() + usize::from(matches!(self.state, State::ExpectBody(_)))
    }

    /// Begins a request. `target` is what the request line shall have, `/path?query`, percent-encoded; `host` is the
    /// server's name or address, with its port unless it is 80. Nothing is written until the request is finished by
    /// [`body`](RequestWriter::body).
    pub fn request<'a>(
        &'a mut self,
        output: &'a mut BytesMut,
        method: &str,
        target: &str,
        host: &str,
    ) -> Result<RequestWriter<'a>, WriteError> {
        if !self.is_open() || self.in_flight() >= HTTP_PIPELINE_MAX {
            return Err(WriteError::NotReady);
        }
        let known = parse_method(method.as_bytes());
        if !is_token(method.as_bytes()) || known == Method::Connect {
            return Err(WriteError::Method);
        }
        parse_target(known, target.as_bytes()).map_err(|_| WriteError::Target)?;
        if !is_authority(host.as_bytes()) {
            return Err(WriteError::Host);
        }
        let start = output.len();
        output.reserve(256);
        output.put_slice(method.as_bytes());
        output.put_u8(b' ');
        output.put_slice(target.as_bytes());
        output.put_slice(b" HTTP/1.1\r\nHost: ");
        output.put_slice(host.as_bytes());
        output.put_slice(b"\r\n");
        let awaited = Awaited { is_head: known == Method::Head, offers_upgrade: false };
        Ok(RequestWriter {
            connection: self,
            output,
            start,
            method: known,
            awaited,
            closes: false,
            finished: false,
        })
    }

    /// The head of the next final response, or of a 101 to a request that offered an upgrade.
    pub fn poll_head(&mut self, input: &mut BytesMut) -> Result<Option<ResponseHead>, HttpError> {
        loop {
            let State::ExpectHead(reader) = &mut self.state else { return self.error() };
            let Some(awaited) = self.awaited.front().copied() else {
                return if input.is_empty() { Ok(None) } else { Err(self.fail("a response to no request")) };
            };
            let head = match reader.poll(input, HeadLimits::default()) {
                Ok(Some((line, headers))) => ResponseHead::new(line, headers, awaited.is_head),
                Ok(None) => return Ok(None),
                Err(error) => Err(error),
            };
            let head = head.map_err(|error| self.fail(error.reason))?;
            match head.code() {
                101 if awaited.offers_upgrade => self.state = State::Upgraded,
                101 => return Err(self.fail("an upgrade that was not asked for")),
                // RFC 9110 section 15.2: a client must be able to take interim responses that it didn't ask for.
                100..=199 => continue,
                _ => {
                    self.state = State::ExpectBody(BodyReader::new(head.body_length(), self.body_bytes_max));
                    self.peer_closes |= !head.keep_alive();
                }
            }
            self.awaited.pop_front();
            return Ok(Some(head));
        }
    }

    /// The whole body of the response whose head has come, once it is complete; empty for one that has none.
    pub fn poll_body(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, HttpError> {
        let State::ExpectBody(body) = &mut self.state else { return self.error() };
        match body.poll_whole(input) {
            Ok(None) => Ok(None),
            Ok(Some(body)) => {
                self.body_ended();
                Ok(Some(body))
            }
            Err(error) => Err(self.fail(error.reason)),
        }
    }

    /// The next piece of the body: any number of [`BodyEvent::Data`], then one [`BodyEvent::End`].
    pub fn poll_body_event(&mut self, input: &mut BytesMut) -> Result<Option<BodyEvent>, HttpError> {
        let State::ExpectBody(body) = &mut self.state else { return self.error() };
        match body.poll_event(input) {
            Ok(event) => {
                if let Some(BodyEvent::End(_)) = event {
                    self.body_ended();
                }
                Ok(event)
            }
            Err(error) => Err(self.fail(error.reason)),
        }
    }

    /// The peer has closed its side, and all that it sent has been polled. An error when that cuts a response off or
    /// leaves a request without one. A body that ends with the connection is complete now: poll it once more.
    pub fn handle_close(&mut self) -> Result<(), HttpError> {
        self.peer_closes = true;
        match &mut self.state {
            State::ExpectBody(body) => {
                let closed = body.handle_close();
                closed.map_err(|error| self.fail(error.reason))
            }
            State::ExpectHead(_) if !self.awaited.is_empty() => {
                Err(self.fail("the connection closed before a response"))
            }
            State::ExpectHead(_) => {
                self.state = State::Closed;
                Ok(())
            }
            State::Failed(error) => Err(*error),
            State::Upgraded | State::Closed => Ok(()),
        }
    }

    fn body_ended(&mut self) {
        let answered_all = self.awaited.is_empty();
        self.state = if self.peer_closes && !answered_all {
            // RFC 9112 section 9.3.2: the requests that were pipelined behind it will not be answered.
            State::Failed(HttpError::new(Status::BAD_GATEWAY, "the connection closed before a response"))
        } else if answered_all && (self.peer_closes || self.closing) {
            State::Closed
        } else {
            State::ExpectHead(HeadReader::default())
        };
    }

    fn fail(&mut self, reason: &'static str) -> HttpError {
        let error = HttpError::new(Status::BAD_GATEWAY, reason);
        self.state = State::Failed(error);
        error
    }

    fn error<T>(&self) -> Result<Option<T>, HttpError> {
        match self.state {
            State::Failed(error) => Err(error),
            _ => Ok(None),
        }
    }
}

/// A request that is being written. It is finished by [`body`](Self::body); one that is dropped instead leaves no trace.
#[derive(Debug)]
#[must_use = "a request is written by finishing it"]
pub struct RequestWriter<'a> {
    connection: &'a mut ClientConnection,
    output: &'a mut BytesMut,
    /// Where the request begins in `output`.
    start: usize,
    method: Method,
    awaited: Awaited,
    closes: bool,
    finished: bool,
}

impl RequestWriter<'_> {
    /// Adds a header. One that is refused isn't added; the request can go on without it.
    pub fn header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<&mut Self, WriteError> {
        put_field(self.output, name, value.as_ref())?;
        self.awaited.offers_upgrade |= name.eq_ignore_ascii_case("upgrade");
        Ok(self)
    }

    /// Asks the server to close the connection after the response.
    pub fn close(&mut self) -> &mut Self {
        self.closes = true;
        self
    }

    /// Finishes the request with this body, which may be empty.
    pub fn body(mut self, body: &[u8]) {
        // RFC 9110 section 7.8: Upgrade must be named in Connection.
        self.output.put_slice(match (self.closes, self.awaited.offers_upgrade) {
            (false, false) => b"",
            (false, true) => b"Connection: upgrade\r\n",
            (true, false) => b"Connection: close\r\n",
            (true, true) => b"Connection: close, upgrade\r\n",
        });
        // RFC 9110 section 8.6: a length of 0 is said with methods for which a body has a meaning.
        if !body.is_empty() || matches!(self.method, Method::Post | Method::Put | Method::Patch) {
            self.output.put_slice(b"Content-Length: ");
            put_number(self.output, body.len() as u64, 10);
            self.output.put_slice(b"\r\n");
        }
        self.output.put_slice(b"\r\n");
        self.output.extend_from_slice(body);
        self.finished = true;
        self.connection.awaited.push_back(self.awaited);
        self.connection.closing |= self.closes;
    }
}

impl Drop for RequestWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.output.truncate(self.start);
        }
    }
}
