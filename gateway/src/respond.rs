//! Answers: the envelope around data and errors, and the headers that each answer has.

use bytes::{BufMut, BytesMut};
use micronet_transport::clock;
use micronet_wire::error::RpcError;
use micronet_wire::faults::Faults;
use micronet_wire::http1::{HttpDate, HttpError, ServerConnection, Status};
use micronet_wire::json::put_string;
use micronet_wire::transcode::put_timestamp;

/// The version of the HTTP interface, in `meta` and in `X-API-Version`.
pub const API_VERSION: &str = "v1";

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: Status,
    /// The body.
    pub body: BytesMut,
    /// `application/json`, or `text/plain` for a method that says so.
    pub content_type: &'static str,
    /// What `Allow` says, for 405 and OPTIONS.
    pub allow: Option<String>,
    /// Seconds to wait, for 503.
    pub retry_after_s: Option<u32>,
    /// The instance that answered, when one did.
    pub instance: Option<std::rc::Rc<str>>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    /// Data in the envelope; `data` writes its JSON.
    ///
    /// # Errors
    /// Those of `data`.
    pub fn data<E>(
        status: Status,
        request_id: &str,
        data: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut body = BytesMut::with_capacity(256);
        body.put_slice(br#"{"success":true,"data":"#);
        data(&mut body)?;
        put_meta(&mut body, request_id);
        Ok(Self::new(status, body, JSON))
    }

    /// Plain text, without an envelope.
    #[must_use]
    pub fn text(status: Status, text: &str) -> Self {
        Self::new(status, BytesMut::from(text), TEXT)
    }

    /// An error in the envelope. `details` is JSON; empty for none.
    #[must_use]
    pub fn error(status: Status, request_id: &str, code: &str, message: &str, details: &[u8]) -> Self {
        let mut body = BytesMut::with_capacity(256);
        body.put_slice(br#"{"success":false,"error":{"code":"#);
        put_string(&mut body, code);
        body.put_slice(br#","message":"#);
        put_string(&mut body, message);
        body.put_slice(br#","details":"#);
        body.put_slice(if details.is_empty() { b"{}" } else { details });
        body.put_u8(b'}');
        put_meta(&mut body, request_id);
        Self::new(status, body, JSON)
    }

    /// A request whose values are wrong: everything that is wrong with them.
    #[must_use]
    pub fn faults(request_id: &str, faults: &Faults) -> Self {
        let code = if faults.all_missing() {
            "MISSING_REQUIRED_FIELD"
        } else {
            code_of(Status::UNPROCESSABLE_CONTENT)
        };
        let mut details = BytesMut::from(&br#"{"faults":"#[..]);
        faults.put_json(&mut details);
        details.put_u8(b'}');
        Self::error(Status::UNPROCESSABLE_CONTENT, request_id, code, &faults.to_string(), &details)
    }

    /// An error of the RPC that is not the service's own.
    #[must_use]
    pub fn rpc_error(request_id: &str, error: &RpcError) -> Self {
        if let Some(faults) = Faults::of(error) {
            return Self::faults(request_id, &faults);
        }
        let mut answer =
            Self::error(status(error.code.http_status()), request_id, error.code.name(), &error.message, b"");
        if answer.status.code() == 503 {
            answer.retry_after_s = Some(error.retry_after_ms.div_ceil(1000).max(1));
        }
        answer
    }

    /// A request that breaks HTTP, or one of its limits.
    #[must_use]
    pub fn http_error(request_id: &str, error: &HttpError) -> Self {
        Self::error(error.status, request_id, code_of(error.status), error.reason, b"")
    }

    fn new(status: Status, body: BytesMut, content_type: &'static str) -> Self {
        Self { status, body, content_type, allow: None, retry_after_s: None, instance: None }
    }

    /// Writes the answer.
    pub fn write(
        &self,
        connection: &mut ServerConnection,
        output: &mut BytesMut,
        date: &HttpDate,
        request_id: &str,
    ) {
        let Ok(mut response) = connection.respond(output, self.status, date) else {
            tracing::error!("an answer without a request");
            return;
        };
        // Every value is ours, or was checked when it was adopted, so none can break a header; one that did would be left out.
        let mut header = |name: &str, value: &str| {
            if response.header(name, value).is_err() {
                tracing::error!(name, "a header could not be written");
            }
        };
        header("Content-Type", self.content_type);
        header("X-Request-ID", request_id);
        header("X-API-Version", API_VERSION);
        if let Some(instance) = &self.instance {
            header("X-Micronet-Instance", instance);
        }
        if let Some(allow) = &self.allow {
            header("Allow", allow);
        }
        if let Some(seconds) = self.retry_after_s {
            header("Retry-After", &seconds.to_string());
        }
        if self.status.code() == 401 {
            header("WWW-Authenticate", "Bearer");
        }
        response.body(&self.body);
    }
}

fn put_meta(body: &mut BytesMut, request_id: &str) {
    body.put_slice(br#","meta":{"timestamp":"#);
    put_timestamp(body, clock::unix_us());
    body.put_slice(br#","version":""#);
    body.put_slice(API_VERSION.as_bytes());
    body.put_slice(br#"","request_id":"#);
    put_string(body, request_id);
    body.put_slice(b"}}\n");
}

/// The status with this code; a code that a schema made up reads as 500.
#[must_use]
pub fn status(code: u16) -> Status {
    Status::new(code).unwrap_or(Status::INTERNAL_SERVER_ERROR)
}

/// The error code of an HTTP status that is not an RPC's.
#[must_use]
pub fn code_of(status: Status) -> &'static str {
    match status.code() {
        400 => "BAD_REQUEST",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        413 => "BODY_TOO_LARGE",
        414 => "URI_TOO_LONG",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        417 => "EXPECTATION_FAILED",
        422 => "INVALID_INPUT",
        431 => "HEADERS_TOO_LARGE",
        501 => "NOT_IMPLEMENTED",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        505 => "HTTP_VERSION_NOT_SUPPORTED",
        _ => "ERROR",
    }
}
