//! What the fields of a request head say about the connection: whose request it is, how long its body is, whether the
//! connection goes on.
//!
//! These are the checks against smuggling: each is refused rather than resolved.

use super::headers::{Headers, list_members};
use super::target::is_authority;
use super::{HttpError, Status, Version};

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    Empty,
    /// After so many bytes, not 0.
    Sized(u64),
    /// With the last chunk.
    Chunked,
    /// When the connection is closed. Only a response can end so.
    UntilClose,
}

/// What the framing and connection fields of a request say together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framing {
    pub(super) body_length: BodyLength,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

impl Framing {
    /// Checks the fields of a request and reads its framing from them.
    pub(super) fn of_request(version: Version, headers: &Headers) -> Result<Self, HttpError> {
        check_host(version, headers)?;
        let body_length = request_body_length(version, headers)?;
        Ok(Framing {
            body_length,
            keep_alive: keeps_alive(version, headers),
            expects_continue: expects_continue(version, headers)? && body_length != BodyLength::Empty,
        })
    }
}

/// Whether the connection may be used again after this message (RFC 9112 section 9.3).
pub(super) fn keeps_alive(version: Version, headers: &Headers) -> bool {
    let (mut close, mut keep_alive) = (false, version == Version::Http11);
    for option in headers.list("Connection") {
        close |= option.eq_ignore_ascii_case(b"close");
        keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    keep_alive && !close
}

/// The length that Content-Length declares, if there is one.
pub(super) fn content_length(headers: &Headers) -> Result<Option<u64>, HttpError> {
    let mut values = headers.get_all("Content-Length");
    let Some(value) = values.next() else { return Ok(None) };
    // RFC 9112 section 6.3: differing lengths are unrecoverable. Equal ones, and lists of them, may be accepted; no
    // sound client sends them.
    if values.next().is_some() {
        return Err(HttpError::malformed("several Content-Length headers"));
    }
    // RFC 9110 section 8.6: Content-Length = 1*DIGIT, and its reader must not overflow.
    let mut length: Option<u64> = (!value.is_empty()).then_some(0);
    for byte in value {
        length = match byte {
            b'0'..=b'9' => length
                .and_then(|length| length.checked_mul(10))
                .and_then(|length| length.checked_add(u64::from(byte - b'0'))),
            _ => None,
        };
    }
    length.map(Some).ok_or(HttpError::malformed("Content-Length is not a number"))
}

/// Whether the message has a Transfer-Encoding, which then is `chunked` and nothing else.
pub(super) fn is_chunked(headers: &Headers) -> Result<bool, HttpError> {
    let mut values = headers.get_all("Transfer-Encoding").peekable();
    if values.peek().is_none() {
        return Ok(false);
    }
    let (mut codings, mut chunked, mut last_is_chunked) = (0, 0, false);
    for value in values {
        // RFC 9110 section 5.6.1 asks recipients to ignore empty list members. Parsers differ in it, so we don't.
        if value.split(|byte| *byte == b',').count() != list_members(value).count() {
            return Err(HttpError::malformed("an empty member in Transfer-Encoding"));
        }
        for coding in list_members(value) {
            last_is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            chunked += u32::from(last_is_chunked);
            codings += 1;
        }
    }
    // RFC 9112 section 6.3: a request whose last coding is not chunked has no reliable length. Section 6.1: chunked
    // must not be applied twice.
    if !last_is_chunked || chunked != 1 {
        return Err(HttpError::malformed("Transfer-Encoding must end with one chunked"));
    }
    // RFC 9112 section 6.1: a coding that isn't understood is answered 501.
    if codings != 1 {
        return Err(HttpError::new(Status::NOT_IMPLEMENTED, "no transfer coding but chunked is implemented"));
    }
    Ok(true)
}

/// RFC 9112 section 3.2: a request of HTTP/1.1 must have one Host, any request may have one at most, and it must be
/// valid.
fn check_host(version: Version, headers: &Headers) -> Result<(), HttpError> {
    let mut hosts = headers.get_all("Host");
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::Http10 => Ok(()),
        (None, _) => Err(HttpError::malformed("the Host header is missing")),
        (Some(_), Some(_)) => Err(HttpError::malformed("several Host headers")),
        // A comma may stand in a name (RFC 3986 section 3.2.2), but in none of a real host: rather, two fields were joined here.
        (Some(host), None) if host.contains(&b',') => {
            Err(HttpError::malformed("several hosts in the Host header"))
        }
        (Some(host), None) if is_authority(host) => Ok(()),
        (Some(_), None) => Err(HttpError::malformed("the Host header is invalid")),
    }
}

/// RFC 9112 section 6.3, for requests.
fn request_body_length(version: Version, headers: &Headers) -> Result<BodyLength, HttpError> {
    let length = content_length(headers)?;
    let has_transfer_encoding = headers.get("Transfer-Encoding").is_some();
    // RFC 9112 section 6.1: a request with both ought to be handled as an error; one of HTTP/1.0 with a
    // Transfer-Encoding has faulty framing.
    if has_transfer_encoding && length.is_some() {
        return Err(HttpError::malformed("both Content-Length and Transfer-Encoding"));
    }
    if has_transfer_encoding && version == Version::Http10 {
        return Err(HttpError::malformed("Transfer-Encoding in HTTP/1.0"));
    }
    Ok(match length {
        _ if is_chunked(headers)? => BodyLength::Chunked,
        None | Some(0) => BodyLength::Empty,
        Some(length) => BodyLength::Sized(length),
    })
}

/// RFC 9110 section 10.1.1: 100-continue is the only expectation; others may be answered 417. HTTP/1.0 has none.
fn expects_continue(version: Version, headers: &Headers) -> Result<bool, HttpError> {
    let mut expects = false;
    for expectation in headers.list("expect") {
        if !expectation.eq_ignore_ascii_case(b"100-continue") {
            return Err(HttpError::new(
                Status::EXPECTATION_FAILED,
                "the only expectation understood is 100-continue",
            ));
        }
        expects = version == Version::Http11;
    }
    Ok(expects)
}
