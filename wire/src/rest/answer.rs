//! Answers: the envelope around data and errors, and the headers that each answer has.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};

use super::conditional::EntityTag;
use super::standing::Standing;
use crate::error::{Code, RpcError};
use crate::faults::Faults;
use crate::http1::{
    FieldName, HeaderBlock, HttpDate, HttpError, ResponseWriter, ServerConnection, Status, WriteError,
};
use crate::json::{Reader, put_string};
use crate::transcode::put_timestamp;

/// The version of the HTTP interface, in `meta` and in `X-API-Version`.
pub const API_VERSION: &str = "v1";

/// How an error in the envelope begins.
const ERROR_BEGINS: &[u8] = br#"{"success":false,"error":{"code":"#;
const STRICT: &Standing = &Standing::STRICT;

// Header lines that nearly every answer has.
const JSON_LINE: HeaderBlock = HeaderBlock::of_static(b"Content-Type: application/json\r\n");
const VERSION_LINE: HeaderBlock = HeaderBlock::of_static(b"X-API-Version: v1\r\n");
const NO_STORE_LINE: HeaderBlock = HeaderBlock::of_static(b"Cache-Control: no-store\r\n");
const REQUEST_ID: FieldName = FieldName::new("X-Request-ID: ");
const INSTANCE: FieldName = FieldName::new("X-Micronet-Instance: ");

/// What the head of most answers takes at most, in bytes.
const HEAD_BYTES: usize = 1 << 10;

/// An answer on its way to the client. It passes through many layers, so what it says stands behind a pointer.
#[derive(Debug, Clone)]
pub struct Answer(Box<Said>);

/// What an answer says.
#[derive(Debug, Clone)]
pub struct Said {
    /// The status.
    pub status: Status,
    /// The body; of an envelope all but `meta`, which is added when it is written.
    body: BytesMut,
    /// A long body that many are given, instead: it isn't copied.
    shared: Bytes,
    form: Form,
    /// What `Allow` says, for 405 and OPTIONS.
    pub allow: Option<String>,
    /// What `WWW-Authenticate` says, for 401.
    pub challenge: &'static str,
    /// Seconds to wait, for 503 and 429.
    pub retry_after_s: Option<u32>,
    /// What stands for the body, where it was asked for.
    pub entity_tag: Option<EntityTag>,
    /// Who may keep the answer; nobody where it is empty.
    pub cache_control: &'static str,
    /// The content policy of an answer that is a page; those of the site's for others.
    pub content_policy: Option<&'static str>,
    /// What each answer of the site says; [`Standing::STRICT`] where nothing is given.
    pub standing: Option<Rc<Standing>>,
    /// The same as lines that are ready, behind the others.
    pub lines: HeaderBlock,
    /// The instance that answered, when one did.
    pub instance: Option<Rc<str>>,
    /// What else the head says, by name.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// What the log should hear of it, and the client should not.
    pub for_the_log: Option<String>,
}

/// Why a request can't be made a call: the answer that says so.
pub type Refused = Box<Answer>;

/// What the body is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// JSON in the envelope.
    Envelope,
    /// JSON as it is.
    Json,
    /// Plain text.
    Text,
    /// Of this type.
    Other(Cow<'static, str>),
}

impl Form {
    fn content_type(&self) -> &str {
        match self {
            Self::Envelope | Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Other(content_type) => content_type,
        }
    }
}

impl Answer {
    /// Data in the envelope; `data` writes its JSON.
    ///
    /// # Errors
    /// Those of `data`.
    pub fn data<E>(status: Status, data: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Result<Self, E> {
        let mut body = BytesMut::with_capacity(256);
        body.extend_from_slice(br#"{"success":true,"data":"#);
        data(&mut body)?;
        Ok(Self::new(status, body, Form::Envelope))
    }

    /// Plain text, without an envelope.
    #[must_use]
    pub fn text(status: Status, text: &str) -> Self {
        Self::new(status, BytesMut::from(text), Form::Text)
    }

    /// JSON, without an envelope.
    #[must_use]
    pub fn json(status: Status, json: &str) -> Self {
        Self::new(status, BytesMut::from(json), Form::Json)
    }

    /// JSON that many are given, without an envelope.
    #[must_use]
    pub fn shared_json(status: Status, json: Bytes) -> Self {
        let mut answer = Self::new(status, BytesMut::new(), Form::Json);
        answer.shared = json;
        answer
    }

    /// A body of this content type, without an envelope.
    #[must_use]
    pub fn body_of(status: Status, content_type: impl Into<Cow<'static, str>>, body: &[u8]) -> Self {
        Self::new(status, BytesMut::from(body), Form::Other(content_type.into()))
    }

    /// An error in the envelope. `details` is JSON; empty for none.
    #[must_use]
    pub fn error(status: Status, code: &str, message: &str, details: &[u8]) -> Self {
        let mut body = BytesMut::with_capacity(256);
        body.extend_from_slice(ERROR_BEGINS);
        put_string(&mut body, code);
        body.extend_from_slice(br#","message":"#);
        put_string(&mut body, message);
        body.extend_from_slice(br#","details":"#);
        body.extend_from_slice(if details.is_empty() { b"{}" } else { details });
        body.extend_from_slice(b"}");
        Self::new(status, body, Form::Envelope)
    }

    /// An error whose code is that of its HTTP status.
    #[must_use]
    pub fn refusal(code: u16, message: &str) -> Self {
        Self::error(status(code), code_of(status(code)), message, b"")
    }

    /// A request whose values are wrong: everything that is wrong with them.
    #[must_use]
    pub fn faults(faults: &Faults) -> Self {
        let code = if faults.all_missing() {
            "MISSING_REQUIRED_FIELD"
        } else {
            code_of(Status::UNPROCESSABLE_CONTENT)
        };
        let mut details = BytesMut::from(&br#"{"faults":"#[..]);
        faults.put_json(&mut details);
        details.extend_from_slice(if faults.has_more() { br#","more":true}"# } else { b"}" });
        Self::error(Status::UNPROCESSABLE_CONTENT, code, &faults.to_string(), &details)
    }

    /// An error of the RPC that is not the service's own.
    #[must_use]
    pub fn rpc_error(error: &RpcError) -> Self {
        if let Some(faults) = Faults::of(error) {
            return Self::faults(&faults);
        }
        let mut answer =
            Self::error(status(error.code.http_status()), error.code.name(), &error.message, b"");
        if matches!(answer.status.code(), 429 | 503) {
            answer.retry_after_s = Some(error.retry_after_ms.div_ceil(1000).max(1));
        }
        answer
    }

    /// A request of which it can't be said who asks. The challenge tells whether the token is at fault (RFC 6750 section 3.1).
    #[must_use]
    pub fn unidentified(error: &RpcError) -> Self {
        let mut answer = Self::rpc_error(error);
        if matches!(error.code, Code::InvalidCredentials | Code::TokenExpired) {
            answer.challenge = "Bearer error=\"invalid_token\"";
        }
        answer
    }

    /// A request that breaks HTTP, or one of its limits.
    #[must_use]
    pub fn http_error(error: &HttpError) -> Self {
        Self::error(error.status, code_of(error.status), error.reason, b"")
    }

    fn new(status: Status, body: BytesMut, form: Form) -> Self {
        Self(Box::new(Said {
            status,
            body,
            shared: Bytes::new(),
            form,
            allow: None,
            challenge: "Bearer",
            retry_after_s: None,
            entity_tag: None,
            cache_control: "",
            content_policy: None,
            standing: None,
            lines: HeaderBlock::default(),
            instance: None,
            headers: Vec::new(),
            for_the_log: None,
        }))
    }

    /// The code of an error in the envelope.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        let code = self.body.strip_prefix(ERROR_BEGINS)?.strip_prefix(b"\"")?;
        let length = code.iter().position(|byte| *byte == b'"')?;
        std::str::from_utf8(&code[..length]).ok()
    }

    /// What an error in the envelope says in words.
    #[must_use]
    pub fn error_words(&self) -> Option<String> {
        let mut json = Reader::new(self.body.strip_prefix(br#"{"success":false,"error":"#.as_slice())?);
        json.begin_object().ok()?;
        while let Some(name) = json.next_name().ok()? {
            let is_message = name.is("message");
            let text = json.string().ok()?;
            if is_message {
                return Some(text.unescaped().into_owned());
            }
        }
        None
    }

    /// The body; of an envelope all but `meta`.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        if self.shared.is_empty() { &self.body } else { &self.shared }
    }

    /// The type of the body.
    #[must_use]
    pub fn content_type(&self) -> &str {
        self.form.content_type()
    }

    /// The answer's entity tag, which it says from now on.
    pub fn tagged(&mut self) -> EntityTag {
        if let Some(tag) = self.entity_tag {
            return tag;
        }
        // SipHash without a key: the same body has the same tag at every gateway of this build.
        let mut hasher = DefaultHasher::new();
        self.body().hash(&mut hasher);
        let tag = EntityTag { hash: hasher.finish(), strong: self.form != Form::Envelope };
        *self.entity_tag.insert(tag)
    }

    /// The error in the envelope as a message of a stream: `{"error":{…},"request_id":"…"}`.
    #[must_use]
    pub fn error_message(&self, request_id: &str) -> String {
        let mut message = BytesMut::from(&b"{"[..]);
        message.extend_from_slice(
            self.body.strip_prefix(br#"{"success":false,"#.as_slice()).unwrap_or_default(),
        );
        message.extend_from_slice(br#","request_id":"#);
        put_string(&mut message, request_id);
        message.extend_from_slice(b"}");
        String::from_utf8_lossy(&message).into_owned()
    }

    /// Writes the answer, with the time at which it is given, in microseconds since 1970. What it gives back of a shared body goes to
    /// the client behind the output, before anything else.
    ///
    /// # Errors
    /// [`WriteError::NoRequest`] when there is no request to answer.
    pub fn write(
        mut self,
        connection: &mut ServerConnection,
        output: &mut BytesMut,
        unix_us: i64,
        request_id: &str,
    ) -> Result<Bytes, WriteError> {
        if self.form == Form::Envelope && !self.status.is_bodiless() {
            put_meta(&mut self.body, unix_us, request_id);
        }
        output.reserve(HEAD_BYTES + self.lines.bytes().len() + self.body.len());
        let response = self.begin(connection, output, unix_us, request_id)?;
        if self.shared.is_empty() {
            response.body(&self.body);
            return Ok(Bytes::new());
        }
        Ok(response.shared(self.0.shared))
    }

    /// Writes the head and what there is of the body; the rest follows in pieces ([`ServerConnection::write_stream`]).
    ///
    /// # Errors
    /// [`WriteError::NoRequest`] when there is no request to answer.
    pub fn write_streamed(
        self,
        connection: &mut ServerConnection,
        output: &mut BytesMut,
        unix_us: i64,
        request_id: &str,
    ) -> Result<(), WriteError> {
        self.begin(connection, output, unix_us, request_id)?.stream();
        connection.write_stream(output, &self.body)
    }

    /// Writes the head but for its end.
    fn begin<'a>(
        &self,
        connection: &'a mut ServerConnection,
        output: &'a mut BytesMut,
        unix_us: i64,
        request_id: &str,
    ) -> Result<ResponseWriter<'a>, WriteError> {
        let date = HttpDate::from_unix_s(u64::try_from(unix_us / 1_000_000).unwrap_or(0));
        let mut response = connection.respond(output, self.status, &date)?;
        // Every value is ours, or was checked when it was adopted, so none can break a header; one that did would be left out.
        match &self.form {
            _ if self.status.is_bodiless() => {}
            Form::Envelope | Form::Json => drop(response.block(&JSON_LINE)),
            form => drop(response.header("Content-Type", form.content_type())),
        }
        let _ = response.field(REQUEST_ID, request_id);
        response.block(&VERSION_LINE);
        if let Some(instance) = &self.instance {
            let _ = response.field(INSTANCE, &**instance);
        }
        let mut header = |name: &str, value: &str| {
            let _ = response.header(name, value);
        };
        if let Some(allow) = &self.allow {
            header("Allow", allow);
        }
        if let Some(seconds) = self.retry_after_s {
            header("Retry-After", &seconds.to_string());
        }
        if self.status.code() == 401 {
            header("WWW-Authenticate", self.challenge);
        }
        for (name, value) in &self.headers {
            header(name, value);
        }
        if let Some(tag) = self.entity_tag {
            let _ = tag.show(|tag| response.header("ETag", tag).map(|_| ()));
        }
        match self.cache_control {
            "" => drop(response.block(&NO_STORE_LINE)),
            kept_by => drop(response.header("Cache-Control", kept_by)),
        }
        let standing = self.standing.as_deref().unwrap_or(STRICT);
        response.block(standing.fields());
        match self.content_policy {
            None => drop(response.block(standing.content_policy())),
            Some(policy) => drop(response.header(Standing::CONTENT_POLICY.0, policy)),
        }
        response.block(&self.lines);
        Ok(response)
    }
}

impl Deref for Answer {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.0
    }
}

impl DerefMut for Answer {
    fn deref_mut(&mut self) -> &mut Said {
        &mut self.0
    }
}

fn put_meta(body: &mut BytesMut, unix_us: i64, request_id: &str) {
    body.extend_from_slice(br#","meta":{"timestamp":"#);
    put_timestamp(body, unix_us);
    body.extend_from_slice(br#","version":""#);
    body.extend_from_slice(API_VERSION.as_bytes());
    body.extend_from_slice(br#"","request_id":"#);
    put_string(body, request_id);
    body.extend_from_slice(b"}}\n");
}

/// The status with this code; a code that a schema made up reads as 500.
#[must_use]
pub(super) fn status(code: u16) -> Status {
    Status::new(code).unwrap_or(Status::INTERNAL_SERVER_ERROR)
}

/// The error code of an HTTP status that is not an RPC's.
#[must_use]
pub(super) fn code_of(status: Status) -> &'static str {
    match status.code() {
        400 => "BAD_REQUEST",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        406 => "NOT_ACCEPTABLE",
        408 => "REQUEST_TIMEOUT",
        412 => "PRECONDITION_FAILED",
        413 => "BODY_TOO_LARGE",
        414 => "URI_TOO_LONG",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        417 => "EXPECTATION_FAILED",
        422 => "INVALID_INPUT",
        426 => "UPGRADE_REQUIRED",
        431 => "HEADERS_TOO_LARGE",
        501 => "NOT_IMPLEMENTED",
        502 => "BAD_GATEWAY",
        503 => "SERVICE_UNAVAILABLE",
        505 => "HTTP_VERSION_NOT_SUPPORTED",
        _ => "ERROR",
    }
}
