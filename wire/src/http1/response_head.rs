//! The head of a response, as a client sees it.

use std::ops::Range;

use super::framing::{BodyLength, content_length, is_chunked, keeps_alive};
use super::head_reader::StartLine;
use super::headers::Headers;
use super::request_line::parse_version;
use super::{HttpError, Status, Version};

/// The head of a response.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    line: StatusLine,
    headers: Headers,
    body_length: BodyLength,
}

/// A status line, taken apart.
#[derive(Clone, Debug)]
pub(super) struct StatusLine {
    version: Version,
    code: u16,
    /// Counts from the line's first byte.
    reason: Range<usize>,
}

impl ResponseHead {
    /// Finds out how the body ends; `answers_head` when the request was HEAD.
    pub(super) fn new(line: StatusLine, headers: Headers, answers_head: bool) -> Result<Self, HttpError> {
        let body_length = response_body_length(&line, &headers, answers_head)?;
        Ok(ResponseHead { line, headers, body_length })
    }

    /// The status code: 200 to 599, or 101.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.line.code
    }

    /// The status, or `None` for 101.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Status::new(self.line.code)
    }

    /// The reason phrase as it was sent, if it is UTF-8.
    #[must_use]
    pub fn reason(&self) -> &str {
        std::str::from_utf8(&self.headers.bytes()[self.line.reason.clone()]).unwrap_or_default()
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// How the body ends.
    #[must_use]
    pub fn body_length(&self) -> BodyLength {
        self.body_length
    }

    /// Whether the connection may be used again after this response (RFC 9112 section 9.3).
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.body_length != BodyLength::UntilClose && keeps_alive(self.line.version, &self.headers)
    }
}

impl StartLine for StatusLine {
    const EMPTY_LINE_BEFORE: bool = false;

    fn too_long(_: &[u8]) -> HttpError {
        HttpError::malformed("the status line is too long")
    }

    /// RFC 9112 section 4: HTTP-version SP status-code SP [ reason-phrase ]. Servers that leave out the phrase often
    /// leave out the space before it too; that is ambiguous to no one.
    fn parse(line: &[u8]) -> Result<Self, HttpError> {
        const VERSION_BYTES: usize = 8;
        let malformed = HttpError::malformed("the status line is malformed");
        let (Some(version), Some(rest)) = (line.get(..VERSION_BYTES), line.get(VERSION_BYTES..)) else {
            return Err(malformed);
        };
        let [b' ', digits @ ..] = rest else { return Err(malformed) };
        let (code, reason_start) = match *digits {
            [a, b, c] => ([a, b, c], line.len()),
            [a, b, c, b' ', ..] => ([a, b, c], VERSION_BYTES + 5),
            _ => return Err(malformed),
        };
        // RFC 9110 section 15: a status code is three digits, 100 to 599.
        if !code.iter().all(u8::is_ascii_digit) || !(b'1'..=b'5').contains(&code[0]) {
            return Err(malformed);
        }
        let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        Ok(StatusLine { version: parse_version(version)?, code, reason: reason_start..line.len() })
    }
}

/// RFC 9112 section 6.3, for responses.
fn response_body_length(
    line: &StatusLine,
    headers: &Headers,
    answers_head: bool,
) -> Result<BodyLength, HttpError> {
    if answers_head || matches!(line.code, 100..=199 | 204 | 304) {
        return Ok(BodyLength::Empty);
    }
    let length = content_length(headers)?;
    if is_chunked(headers)? {
        // RFC 9112 section 6.1: a response with both, or of HTTP/1.0 with a Transfer-Encoding, has faulty framing.
        return match (length, line.version) {
            (None, Version::Http11) => Ok(BodyLength::Chunked),
            _ => Err(HttpError::malformed("Transfer-Encoding with Content-Length or in HTTP/1.0")),
        };
    }
    Ok(match length {
        None => BodyLength::UntilClose,
        Some(0) => BodyLength::Empty,
        Some(length) => BodyLength::Sized(length),
    })
}
