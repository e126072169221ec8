//! Writes responses: the head's framing always fits the body, whatever the caller hands in.

use bytes::{Bytes, BytesMut};

use super::headers::{is_token, is_value, put_field, put_number};
use super::{FieldName, HeaderBlock, HttpDate, ServerConnection, Status, Version, WriteError};

/// A response that is being written, straight into the driver's output.
///
/// It is finished by one of [`body`](Self::body), [`empty`](Self::empty), [`stream`](Self::stream) and
/// [`switch`](Self::switch). One that is dropped instead leaves no trace, so that another can be written.
#[derive(Debug)]
#[must_use = "a response is written by finishing it"]
pub struct ResponseWriter<'a> {
    connection: &'a mut ServerConnection,
    output: &'a mut BytesMut,
    /// Where the response begins in `output`.
    start: usize,
    /// `None` for 101.
    status: Option<Status>,
    /// An Upgrade header is there, which must be named in Connection (RFC 9110 section 7.8).
    offers_upgrade: bool,
    finished: bool,
}

/// How the body of a streamed response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyForm {
    /// In chunks.
    Chunked,
    /// With the connection.
    UntilClose,
    /// It isn't sent at all: the answer to HEAD, or a status without content.
    Absent,
}

impl<'a> ResponseWriter<'a> {
    pub(super) fn begin(
        connection: &'a mut ServerConnection,
        output: &'a mut BytesMut,
        status: Status,
        date: &HttpDate,
    ) -> Self {
        let start = output.len();
        output.reserve(1 << 10);
        // RFC 9110 section 6.2: the version is ours, not the request's.
        if status == Status::OK {
            output.extend_from_slice(b"HTTP/1.1 200 OK");
        } else {
            output.extend_from_slice(b"HTTP/1.1 ");
            put_number(output, u64::from(status.code()), 10);
            output.extend_from_slice(b" ");
            output.extend_from_slice(status.reason().as_bytes());
        }
        put_date(output, date);
        ResponseWriter {
            connection,
            output,
            start,
            status: Some(status),
            offers_upgrade: false,
            finished: false,
        }
    }

    pub(super) fn begin_upgrade(
        connection: &'a mut ServerConnection,
        output: &'a mut BytesMut,
        protocol: &str,
        date: &HttpDate,
    ) -> Result<Self, WriteError> {
        // RFC 9110 section 7.8: protocol = protocol-name [ "/" protocol-version ]
        if !protocol.split('/').all(|part| is_token(part.as_bytes())) {
            return Err(WriteError::NotUpgradable);
        }
        let start = output.len();
        output.extend_from_slice(b"HTTP/1.1 101 Switching Protocols");
        put_date(output, date);
        output.extend_from_slice(b"Connection: upgrade\r\nUpgrade: ");
        output.extend_from_slice(protocol.as_bytes());
        output.extend_from_slice(b"\r\n");
        Ok(ResponseWriter { connection, output, start, status: None, offers_upgrade: false, finished: false })
    }

    /// Adds a header. One that is refused isn't added; the response can go on without it.
    pub fn header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<&mut Self, WriteError> {
        let is_upgrade = name.eq_ignore_ascii_case("upgrade");
        if is_upgrade && self.status.is_none() {
            return Err(WriteError::HeaderReserved); // it has been written
        }
        put_field(self.output, name, value.as_ref())?;
        self.offers_upgrade |= is_upgrade;
        Ok(self)
    }

    /// Adds a header whose name was checked already. One with a value that would break it isn't added; the response can go on without it.
    pub fn field(&mut self, name: FieldName, value: impl AsRef<[u8]>) -> Result<&mut Self, WriteError> {
        let value = value.as_ref();
        if !is_value(value) {
            return Err(WriteError::HeaderValue);
        }
        self.output.extend_from_slice(name.bytes());
        self.output.extend_from_slice(value);
        self.output.extend_from_slice(b"\r\n");
        Ok(self)
    }

    /// Adds header lines that are ready.
    pub fn block(&mut self, block: &HeaderBlock) -> &mut Self {
        self.output.extend_from_slice(block.bytes());
        self
    }

    /// Finishes the response with this body. The answer to HEAD says the body's length without it; a status that has
    /// no content gets neither (RFC 9110 sections 8.6 and 9.3.2).
    pub fn body(mut self, body: &[u8]) {
        if self.finish(body.len()) {
            self.output.extend_from_slice(body);
        }
    }

    /// The same with a body that isn't copied: what is given back goes to the client behind the output, before anything else.
    #[must_use]
    pub fn shared(mut self, body: Bytes) -> Bytes {
        if self.finish(body.len()) { body } else { Bytes::new() }
    }

    /// Finishes the response but for its body, and tells whether that follows.
    fn finish(&mut self, length: usize) -> bool {
        let Some(status) = self.status else { return false };
        let keeps_alive = self.put_connection();
        // RFC 9110 section 8.6: no Content-Length with 204; with 304 it would be that of the 200, which we don't know.
        // Section 15.3.6: 205 has no content, and says so by its length.
        let length = if status == Status::RESET_CONTENT { 0 } else { length };
        if !status.is_bodiless() {
            self.output.extend_from_slice(b"Content-Length: ");
            put_number(self.output, length as u64, 10);
            self.output.extend_from_slice(b"\r\n");
        }
        self.output.extend_from_slice(b"\r\n");
        let follows = length > 0 && !status.is_bodiless() && !self.connection.request_is_head();
        self.finished = true;
        self.connection.responded(keeps_alive);
        follows
    }

    /// Finishes the response with an empty body.
    pub fn empty(self) {
        self.body(&[]);
    }

    /// Finishes the head; the body follows in pieces, by [`write_stream`](ServerConnection::write_stream) and
    /// [`end_stream`](ServerConnection::end_stream). HTTP/1.0 has no chunks: there the connection's end is the body's
    /// (RFC 9112 section 6.1).
    pub fn stream(mut self) {
        let Some(status) = self.status else { return };
        let form =
            if status.is_bodiless() || status == Status::RESET_CONTENT || self.connection.request_is_head() {
                BodyForm::Absent
            } else if self.connection.request_version() == Version::Http10 {
                self.connection.close_after_response();
                BodyForm::UntilClose
            } else {
                BodyForm::Chunked
            };
        let keeps_alive = self.put_connection();
        if form == BodyForm::Chunked {
            self.output.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        } else if status == Status::RESET_CONTENT {
            self.output.extend_from_slice(b"Content-Length: 0\r\n");
        }
        self.output.extend_from_slice(b"\r\n");
        self.finished = true;
        self.connection.streaming(form, keeps_alive);
    }

    /// Finishes the response to an [`upgrade`](ServerConnection::upgrade): the connection belongs to the other protocol.
    pub fn switch(mut self) {
        if self.status.is_none() {
            self.output.extend_from_slice(b"\r\n");
            self.finished = true;
            self.connection.upgraded();
        }
    }

    /// Writes whether the connection goes on (RFC 9112 section 9.3).
    fn put_connection(&mut self) -> bool {
        let keeps_alive = self.connection.keeps_alive();
        let says_keep_alive = self.connection.request_version() == Version::Http10;
        self.output.extend_from_slice(match (keeps_alive, self.offers_upgrade) {
            (false, false) => b"Connection: close\r\n",
            (false, true) => b"Connection: close, upgrade\r\n",
            (true, true) => b"Connection: keep-alive, upgrade\r\n",
            (true, false) if says_keep_alive => b"Connection: keep-alive\r\n",
            (true, false) => b"",
        });
        keeps_alive
    }
}

impl Drop for ResponseWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.output.truncate(self.start);
        }
    }
}

impl BodyForm {
    /// Writes a piece of a body. An empty piece is nothing: as a chunk it would be the last (RFC 9112 section 7.1).
    pub(super) fn put_data(self, output: &mut BytesMut, data: &[u8]) {
        match self {
            _ if data.is_empty() => {}
            BodyForm::Absent => {}
            BodyForm::UntilClose => output.extend_from_slice(data),
            BodyForm::Chunked => {
                output.reserve(data.len() + 20);
                put_number(output, data.len() as u64, 16);
                output.extend_from_slice(b"\r\n");
                output.extend_from_slice(data);
                output.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Writes the end of a body.
    pub(super) fn put_end(self, output: &mut BytesMut) {
        if self == BodyForm::Chunked {
            output.extend_from_slice(b"0\r\n\r\n");
        }
    }
}

/// The end of the status line, and the Date header (RFC 9110 section 6.6.1).
fn put_date(output: &mut BytesMut, date: &HttpDate) {
    output.extend_from_slice(b"\r\nDate: ");
    output.extend_from_slice(date.as_ref());
    output.extend_from_slice(b"\r\n");
}
