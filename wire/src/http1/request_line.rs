//! The first line of a request: method, target, version.

use std::ops::Range;

use super::head_reader::StartLine;
use super::headers::is_token;
use super::target::{Target, parse_target};
use super::{HttpError, Status};

/// A request method (RFC 9110 section 9, and PATCH of RFC 5789). Its letters' case matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Transfer a representation.
    Get,
    /// As GET, without the content.
    Head,
    /// Let the resource process the content.
    Post,
    /// Replace the resource.
    Put,
    /// Change a part of the resource.
    Patch,
    /// Remove the resource.
    Delete,
    /// Say what can be done.
    Options,
    /// Echo the request.
    Trace,
    /// Open a tunnel. Never handed out: a request with it is answered 501.
    Connect,
    /// Any other token: [`RequestHead::method_name`](super::RequestHead::method_name) has it. A caller that doesn't
    /// know it answers 501 (RFC 9110 section 9.1).
    Extension,
}

/// The version of a request: another is answered 505.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1, and what a later minor version has in common with it
    Http11,
}

/// A request line, taken apart. Ranges count from the line's first byte.
#[derive(Clone, Debug)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    /// The line itself: read once as text, of which parts are asked for again and again.
    pub(super) text: Box<str>,
    pub(super) method_name: Range<usize>,
    pub(super) target_start: usize,
    pub(super) target: Target,
    pub(super) version: Version,
}

impl StartLine for RequestLine {
    // RFC 9112 section 2.2: a server ought to ignore at least one CR LF before a request line.
    const EMPTY_LINE_BEFORE: bool = true;

    /// RFC 9112 section 3: a target that is too long is answered 414. What has not even come to one is no request.
    fn too_long(begin: &[u8]) -> HttpError {
        match begin.contains(&b' ') {
            true => HttpError::new(Status::URI_TOO_LONG, "the request line is too long"),
            false => HttpError::malformed("the method is too long"),
        }
    }

    /// RFC 9112 section 3: method SP request-target SP HTTP-version, single spaces. Section 3 lets a recipient split at
    /// any white space instead; that is lenience we don't have.
    fn parse(line: &[u8]) -> Result<Self, HttpError> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method_name), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(HttpError::malformed("the request line is not a method, a target and a version"));
        };
        // RFC 9110 section 9.1: method = token
        if !is_token(method_name) {
            return Err(HttpError::malformed("the method is not a token"));
        }
        let version = parse_version(version)?;
        let method = parse_method(method_name);
        let target_start = method_name.len() + 1;
        let target = parse_target(method, target)?;
        // Each byte was checked to be ASCII.
        let text = std::str::from_utf8(line).unwrap_or_default().into();
        Ok(RequestLine { method, text, method_name: 0..method_name.len(), target_start, target, version })
    }
}

/// RFC 9112 section 2.3: HTTP-version = "HTTP" "/" DIGIT "." DIGIT, in these letters' case.
///
/// The HTTP/2 preface, `PRI * HTTP/2.0`, is one of the versions that we don't speak.
pub(super) fn parse_version(version: &[u8]) -> Result<Version, HttpError> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        // RFC 9110 section 2.5: a later minor version is understood as far as ours goes.
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(HttpError::new(
                Status::HTTP_VERSION_NOT_SUPPORTED,
                "only HTTP/1.1 and HTTP/1.0 are spoken here",
            ))
        }
        _ => Err(HttpError::malformed("not an HTTP version")),
    }
}

/// Which method this token is.
pub(super) fn parse_method(name: &[u8]) -> Method {
    match name {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"PUT" => Method::Put,
        b"PATCH" => Method::Patch,
        b"DELETE" => Method::Delete,
        b"OPTIONS" => Method::Options,
        b"TRACE" => Method::Trace,
        b"CONNECT" => Method::Connect,
        _ => Method::Extension,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<(Method, Version), u16>) {
        let found = RequestLine::parse(line.as_bytes());
        let found = found.map(|line| (line.method, line.version)).map_err(|error| error.status.code());
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn a_request_line_is_three_words() {
        check("GET / HTTP/1.1", Ok((Method::Get, Version::Http11)));
        check("POST /a HTTP/1.0", Ok((Method::Post, Version::Http10)));
        check("get / HTTP/1.1", Ok((Method::Extension, Version::Http11)));
        check("M-SEARCH /a HTTP/1.1", Ok((Method::Extension, Version::Http11)));
        for line in [
            "",
            "GET",
            "GET /",
            "GET / ",
            " GET / HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            "GET /a b HTTP/1.1",
        ] {
            check(line, Err(400));
        }
        for line in ["GET\t/\tHTTP/1.1", "G@T / HTTP/1.1", "G\u{e9}T / HTTP/1.1", "GET: / HTTP/1.1"] {
            check(line, Err(400));
        }
    }

    #[test]
    fn a_version_is_one_that_we_speak() {
        for version in ["HTTP/1.1", "HTTP/1.2", "HTTP/1.9"] {
            check(&format!("GET / {version}"), Ok((Method::Get, Version::Http11)));
        }
        for version in ["HTTP/0.9", "HTTP/0.1", "HTTP/2.0", "HTTP/2.1", "HTTP/3.0", "HTTP/9.9"] {
            check(&format!("GET / {version}"), Err(505));
        }
        check("PRI * HTTP/2.0", Err(505));
        for version in [
            "http/1.1",
            "HTTP/1",
            "HTTP/1.10",
            "HTTP/01.1",
            "HTTP/ 1.1",
            "HTTP/1,1",
            "ICE/1.0",
            "HTTPS/1.1",
            "HTTP/2",
        ] {
            check(&format!("GET / {version}"), Err(400));
        }
    }
}
