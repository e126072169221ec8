//! The head of a request, as a caller sees it.

use std::ops::Range;

use super::framing::{BodyLength, Framing};
use super::headers::Headers;
use super::request_line::RequestLine;
use super::{HttpError, Method, TargetForm, Version};

/// The head of a request that has passed every check.
#[derive(Clone, Debug)]
pub struct RequestHead {
    line: RequestLine,
    headers: Headers,
    framing: Framing,
}

impl RequestHead {
    /// Judges the fields of a head together.
    pub(super) fn new(line: RequestLine, headers: Headers) -> Result<Self, HttpError> {
        let framing = Framing::of_request(line.version, &headers)?;
        Ok(RequestHead { line, headers, framing })
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.line.method
    }

    /// The method as it was sent.
    #[must_use]
    pub fn method_name(&self) -> &str {
        &self.line.text[self.line.method_name.clone()]
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The form that the target has.
    #[must_use]
    pub fn target_form(&self) -> TargetForm {
        self.line.target.form
    }

    /// The path, still percent-encoded: it begins with `/`, or is `*` for the server as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        match (self.line.target.form, self.target_part(&self.line.target.path)) {
            (TargetForm::Asterisk, _) => "*",
            (_, "") => "/", // RFC 9110 section 4.2.3: an empty path is the same as "/"
            (_, path) => path,
        }
    }

    /// The query behind the question mark, still percent-encoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.line.target.query.as_ref().map(|query| self.target_part(query))
    }

    /// Whom the request is for: the authority of an absolute target (RFC 9112 section 3.2.2), else the Host header,
    /// else "" (HTTP/1.0).
    #[must_use]
    pub fn host(&self) -> &str {
        match &self.line.target.authority {
            Some(authority) => self.target_part(authority),
            None => self.headers.get_str("Host").unwrap_or_default(),
        }
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// How the body ends.
    #[must_use]
    pub fn body_length(&self) -> BodyLength {
        self.framing.body_length
    }

    /// Whether the client wants to use the connection again.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.framing.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.framing.expects_continue
    }

    /// Whether the client asks to switch to this protocol (RFC 9110 section 7.8), as `websocket`.
    #[must_use]
    pub fn asks_upgrade(&self, protocol: &str) -> bool {
        self.line.version == Version::Http11
            && self.headers.list_has("Connection", "upgrade")
            && self.headers.list_has("Upgrade", protocol)
    }

    /// Whether the client asks to switch to some protocol.
    pub(super) fn asks_upgrade_of_any(&self) -> bool {
        self.line.version == Version::Http11
            && self.headers.list_has("Connection", "upgrade")
            && self.headers.list("Upgrade").next().is_some()
    }

    fn target_part(&self, range: &Range<usize>) -> &str {
        let start = self.line.target_start;
        &self.line.text[start + range.start..start + range.end]
    }
}
