//! The server side of one connection: requests come out in order, and each is answered before the next.

use bytes::{Bytes, BytesMut};

use super::body::{BodyEvent, BodyReader};
use super::head_reader::HeadReader;
use super::request_line::RequestLine;
use super::response::{BodyForm, ResponseWriter};
use super::{HttpDate, HttpError, HttpLimits, Method, RequestHead, Status, Version, WriteError};
use crate::limits::HTTP_DRAIN_BYTES_MAX;

/// The server side of one HTTP/1.1 connection.
///
/// For each request: [`poll_head`](Self::poll_head) gives the head; [`accept_body`](Self::accept_body) sets the limit
/// that its route has and lets a waiting client go on; [`poll_body`](Self::poll_body) gives the whole body, or
/// [`poll_body_event`](Self::poll_body_event) each piece; [`respond`](Self::respond) answers. It may be answered at any
/// time from the head on. A polling method that gives `None` wants more input. When one fails, the error is to be
/// answered with `respond`, and the connection is over.
///
/// When [`is_open`](Self::is_open) is false, the driver writes what is in its output, shuts down its writing side,
/// reads and drops what still comes for a moment, and closes: if it closed with input unread, TCP would reset the
/// connection and the client might lose the answer (RFC 9112 section 9.6).
///
/// ```text
/// ExpectHead --head--> ExpectBody --end of body--> ExpectResponse --respond--> ExpectHead | Closed
///                          |                             |
///                          +---respond--> ExpectDrain --> ExpectHead | Closed
///                                                        |
///    ExpectResponse --respond, stream--> ExpectStreamEnd --end_stream--> ExpectHead | ExpectDrain | Closed
///    ExpectResponse --upgrade--> Upgraded
///    any --error--> ExpectErrorResponse --respond--> Closed
/// ```
#[derive(Debug)]
pub struct ServerConnection {
    state: State,
    limits: HttpLimits,
    /// What the answer must know about the request.
    exchange: Exchange,
    /// Requests whose heads have come.
    requests: u64,
    /// The driver wants no further request.
    closing: bool,
}

#[derive(Debug)]
enum State {
    ExpectHead { reader: HeadReader<RequestLine>, begun: bool },
    ExpectBody(BodyReader),
    ExpectResponse,
    ExpectStreamEnd { form: BodyForm, next: AfterResponse },
    ExpectDrain(BodyReader),
    ExpectErrorResponse(HttpError),
    Upgraded,
    Closed,
}

/// What the answer must know about the request.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    version: Version,
    is_head: bool,
    keep_alive: bool,
    /// The client waits for `100 Continue`, as far as we know.
    awaits_continue: bool,
    asks_upgrade: bool,
}

/// Where a response leads.
#[derive(Debug)]
enum AfterResponse {
    Next,
    Drain(BodyReader),
    Close,
}

/// What the connection waits for, so that a driver knows which timer to arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first byte of a request ([`HttpLimits::idle_ms_max`]); when the time is up, close without an answer.
    Idle,
    /// The rest of a head ([`HttpLimits::head_ms_max`] from its first byte on, however many follow).
    ReadingHead,
    /// The rest of a body, wanted or not ([`HttpLimits::body_gap_ms_max`] since its last byte).
    ReadingBody,
    /// The caller: a request is to be answered, or an error, or a response to be ended.
    Responding,
    /// Nobody: another protocol has taken over.
    Upgraded,
    /// Nobody: what has been written is the last.
    Closed,
}

impl Default for ServerConnection {
    fn default() -> Self {
        ServerConnection::new()
    }
}

impl ServerConnection {
    /// A connection on which nothing has come yet.
    #[must_use]
    pub fn new() -> Self {
        ServerConnection {
            state: State::expect_head(),
            limits: HttpLimits::default(),
            exchange: Exchange::UNKNOWN,
            requests: 0,
            closing: false,
        }
    }

    /// Holds what comes from now on to these limits.
    pub fn set_limits(&mut self, limits: HttpLimits) {
        self.limits = limits;
    }

    /// The limits that hold.
    #[must_use]
    pub fn limits(&self) -> &HttpLimits {
        &self.limits
    }

    /// What the connection waits for. It is up to date after a poll that gave `None`.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.state {
            State::ExpectHead { begun: false, .. } => Phase::Idle,
            State::ExpectHead { begun: true, .. } => Phase::ReadingHead,
            State::ExpectBody(_) | State::ExpectDrain(_) => Phase::ReadingBody,
            State::ExpectResponse | State::ExpectStreamEnd { .. } | State::ExpectErrorResponse(_) => {
                Phase::Responding
            }
            State::Upgraded => Phase::Upgraded,
            State::Closed => Phase::Closed,
        }
    }

    /// Whether the connection goes on: false once its last response has been written.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed)
    }

    /// The next request's head, once it is complete and the request before has been answered.
    pub fn poll_head(&mut self, input: &mut BytesMut) -> Result<Option<RequestHead>, HttpError> {
        if let State::ExpectDrain(body) = &mut self.state {
            match body.poll_discard(input) {
                Ok(true) => self.state = State::expect_head(),
                Ok(false) => return Ok(None),
                // The response has been written: there is nothing to answer this with.
                Err(_) => self.state = State::Closed,
            }
        }
        let State::ExpectHead { reader, begun } = &mut self.state else { return self.pending_error() };
        let polled = reader.poll(input, self.limits.of_heads());
        *begun = !input.is_empty();
        if let Some(line) = reader.line() {
            self.exchange =
                Exchange { version: line.version, is_head: line.method == Method::Head, ..Exchange::UNKNOWN };
        }
        if polled.is_err() && reader.line().is_none() {
            // A request line that makes no sense further on may be that of a HEAD: its answer has no content either. An empty line
            // before it has been taken off.
            self.exchange.is_head = input.starts_with(b"HEAD ");
        }
        let head = polled.and_then(|head| {
            let Some((line, headers)) = head else { return Ok(None) };
            self.exchange.is_head = line.method == Method::Head; // also if what follows is an error
            RequestHead::new(line, headers).map(Some)
        });
        match head {
            Ok(Some(head)) => {
                self.requests += 1;
                self.exchange = Exchange::of(&head);
                self.state =
                    State::ExpectBody(BodyReader::new(head.body_length(), self.limits.body_bytes_max as u64));
                Ok(Some(head))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Wants the body of the request whose head has come, of `bytes_max` bytes at most: one that declares more is
    /// refused before it is read (413). A client that waits for it is told to go on (RFC 9110 section 10.1.1).
    ///
    /// Without this call the limit is [`HttpLimits::body_bytes_max`] and a waiting client is left waiting.
    pub fn accept_body(&mut self, output: &mut BytesMut, bytes_max: u64) -> Result<(), HttpError> {
        let State::ExpectBody(body) = &mut self.state else {
            return self.pending_error().map(|_: Option<()>| ());
        };
        if let Err(error) = body.set_bytes_max(bytes_max) {
            return Err(self.fail(error));
        }
        if std::mem::take(&mut self.exchange.awaits_continue) {
            output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        Ok(())
    }

    /// The whole body, once it is complete. A request without a body has an empty one at once.
    ///
    /// A body of a declared length stays in `input` until it is complete and is then a slice of it, not a copy.
    pub fn poll_body(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, HttpError> {
        let Some(body) = self.body(input) else { return self.pending_error() };
        match body.poll_whole(input) {
            Ok(Some(body)) => {
                self.state = State::ExpectResponse;
                Ok(Some(body))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// How many bytes of a body were taken off the input while it isn't complete: its chunks so far.
    #[must_use]
    pub fn body_bytes_collected(&self) -> usize {
        match &self.state {
            State::ExpectBody(body) => body.bytes_collected(),
            _ => 0,
        }
    }

    /// The next piece of the body: any number of [`BodyEvent::Data`], then one [`BodyEvent::End`].
    pub fn poll_body_event(&mut self, input: &mut BytesMut) -> Result<Option<BodyEvent>, HttpError> {
        let Some(body) = self.body(input) else { return self.pending_error() };
        match body.poll_event(input) {
            Ok(Some(BodyEvent::End(trailers))) => {
                self.state = State::ExpectResponse;
                Ok(Some(BodyEvent::End(trailers)))
            }
            Ok(event) => Ok(event),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Gives up on the peer, as with [`HttpError::TIMEOUT`]: the error can be answered, then the connection is over.
    /// Gives the error back; when a response has begun already, the connection is over at once.
    pub fn fail(&mut self, error: HttpError) -> HttpError {
        self.state = match self.state {
            State::ExpectHead { .. }
            | State::ExpectBody(_)
            | State::ExpectResponse
            | State::ExpectErrorResponse(_) => State::ExpectErrorResponse(error),
            State::ExpectStreamEnd { .. } | State::ExpectDrain(_) | State::Upgraded | State::Closed => {
                State::Closed
            }
        };
        error
    }

    /// The client has closed its side, and all that it sent has been polled. A complete request is still to be answered:
    /// the client may have closed one direction only. An unfinished one is an error, to be answered like any.
    pub fn handle_close(&mut self) -> Result<(), HttpError> {
        self.closing = true;
        match &self.state {
            State::ExpectHead { begun: false, .. } | State::ExpectDrain(_) => self.state = State::Closed,
            State::ExpectBody(body) if body.bytes_remaining() == Some(0) => {}
            // RFC 9112 section 8: a message that was cut off must not be taken for a whole one.
            State::ExpectHead { .. } | State::ExpectBody(_) => {
                return Err(self.fail(HttpError::malformed("the connection was closed within a request")));
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes no request after the current one: its response says so. Without one the connection is over at once. For a
    /// driver that drains.
    pub fn close_after_response(&mut self) {
        self.closing = true;
        if matches!(self.state, State::ExpectHead { begun: false, .. } | State::ExpectDrain(_)) {
            self.state = State::Closed;
        }
    }

    /// Begins the response to the current request, or to the error that a poll gave. Nothing is written, and the
    /// connection stays as it is, until the response is finished by one of the writer's consuming methods.
    ///
    /// The connection's own headers (Date, Connection, Content-Length or Transfer-Encoding) are added by the writer.
    pub fn respond<'a>(
        &'a mut self,
        output: &'a mut BytesMut,
        status: Status,
        date: &HttpDate,
    ) -> Result<ResponseWriter<'a>, WriteError> {
        if !matches!(self.state, State::ExpectBody(_) | State::ExpectResponse | State::ExpectErrorResponse(_))
        {
            return Err(WriteError::NoRequest);
        }
        Ok(ResponseWriter::begin(self, output, status, date))
    }

    /// Begins the response `101 Switching Protocols`, to be finished by
    /// [`switch`](ResponseWriter::switch), in answer to a request that [asked for](RequestHead::asks_upgrade) this
    /// protocol. From then on `input` belongs to the other protocol. Not a byte may be
    /// treated as the other protocol's before that (RFC 9110 section 7.8).
    pub fn upgrade<'a>(
        &'a mut self,
        output: &'a mut BytesMut,
        protocol: &str,
        date: &HttpDate,
    ) -> Result<ResponseWriter<'a>, WriteError> {
        let body_is_complete = match &self.state {
            State::ExpectBody(body) => body.bytes_remaining() == Some(0),
            State::ExpectResponse => true,
            _ => return Err(WriteError::NoRequest),
        };
        if !body_is_complete || !self.exchange.asks_upgrade {
            return Err(WriteError::NotUpgradable);
        }
        ResponseWriter::begin_upgrade(self, output, protocol, date)
    }

    /// Writes a piece of a response that was begun with [`stream`](ResponseWriter::stream).
    pub fn write_stream(&mut self, output: &mut BytesMut, data: &[u8]) -> Result<(), WriteError> {
        let State::ExpectStreamEnd { form, .. } = self.state else { return Err(WriteError::NoRequest) };
        form.put_data(output, data);
        Ok(())
    }

    /// Ends a response that was begun with [`stream`](ResponseWriter::stream).
    pub fn end_stream(&mut self, output: &mut BytesMut) -> Result<(), WriteError> {
        let State::ExpectStreamEnd { form, .. } = self.state else { return Err(WriteError::NoRequest) };
        form.put_end(output);
        match std::mem::replace(&mut self.state, State::Closed) {
            State::ExpectStreamEnd { next, .. } => self.advance(next),
            state => self.state = state,
        }
        Ok(())
    }

    /// Breaks off a response that was begun with [`stream`](ResponseWriter::stream) and can't be completed. The
    /// connection is over, and the client can tell that the response was cut (RFC 9112 section 8).
    pub fn abort_stream(&mut self) {
        self.state = State::Closed;
    }

    /// The error that hasn't been answered, or nothing.
    fn pending_error<T>(&self) -> Result<Option<T>, HttpError> {
        match self.state {
            State::ExpectErrorResponse(error) => Err(error),
            _ => Ok(None),
        }
    }

    /// The body that is being read.
    fn body(&mut self, input: &BytesMut) -> Option<&mut BodyReader> {
        let State::ExpectBody(body) = &mut self.state else { return None };
        // A client that has begun to send the body doesn't wait any more.
        self.exchange.awaits_continue &= input.is_empty();
        Some(body)
    }

    // ---- for the response writer ----------------------------------------------------------------------------

    pub(super) fn request_version(&self) -> Version {
        self.exchange.version
    }

    pub(super) fn request_is_head(&self) -> bool {
        self.exchange.is_head
    }

    /// Whether the connection goes on after the response that is being written: until it has carried all that it may. What nobody will read of the request
    /// decides too: a little is drained; a lot, or an unknown amount, or a body of which the client may not know
    /// whether to send it (RFC 9110 section 10.1.1), costs the connection.
    pub(super) fn keeps_alive(&self) -> bool {
        let may_go_on = match &self.state {
            State::ExpectResponse => true,
            State::ExpectBody(body) => match body.bytes_remaining() {
                Some(0) => true,
                Some(bytes) => bytes <= HTTP_DRAIN_BYTES_MAX && !self.exchange.awaits_continue,
                None => false,
            },
            _ => false,
        };
        may_go_on && self.exchange.keep_alive && !self.closing && self.requests < self.limits.requests_max
    }

    /// The response has been written.
    pub(super) fn responded(&mut self, keeps_alive: bool) {
        let next = self.after_response(keeps_alive);
        self.advance(next);
    }

    /// The response's head has been written; its body follows in pieces.
    pub(super) fn streaming(&mut self, form: BodyForm, keeps_alive: bool) {
        let next = self.after_response(keeps_alive);
        self.state = State::ExpectStreamEnd { form, next };
    }

    /// 101 has been written.
    pub(super) fn upgraded(&mut self) {
        self.state = State::Upgraded;
    }

    fn after_response(&mut self, keeps_alive: bool) -> AfterResponse {
        match std::mem::replace(&mut self.state, State::Closed) {
            _ if !keeps_alive => AfterResponse::Close,
            State::ExpectBody(body) if body.bytes_remaining() != Some(0) => {
                AfterResponse::Drain(body.unlimited())
            }
            _ => AfterResponse::Next,
        }
    }

    fn advance(&mut self, next: AfterResponse) {
        self.exchange = Exchange::UNKNOWN;
        self.state = match next {
            AfterResponse::Close => State::Closed,
            _ if self.closing => State::Closed,
            AfterResponse::Next => State::expect_head(),
            AfterResponse::Drain(body) => State::ExpectDrain(body),
        };
    }
}

impl State {
    fn expect_head() -> Self {
        State::ExpectHead { reader: HeadReader::default(), begun: false }
    }
}

impl Exchange {
    /// Before a head has come: an error is answered in HTTP/1.1, and closes.
    const UNKNOWN: Exchange = Exchange {
        version: Version::Http11,
        is_head: false,
        keep_alive: false,
        awaits_continue: false,
        asks_upgrade: false,
    };

    fn of(head: &RequestHead) -> Self {
        Exchange {
            version: head.version(),
            is_head: head.method() == Method::Head,
            keep_alive: head.keep_alive(),
            awaits_continue: head.expects_continue(),
            asks_upgrade: head.asks_upgrade_of_any(),
        }
    }
}
