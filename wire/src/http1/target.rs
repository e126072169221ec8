//! The request target: its four forms, the authority, and percent-decoding of what is in it.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;

use super::headers::letters_digits_and;
use super::{HttpError, Method, Status};

/// Which of the four forms of RFC 9112 section 3.2 a request target has. Authority-form is for CONNECT alone, which is
/// not implemented, so it doesn't reach a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`: what every client sends to a server.
    Origin,
    /// `http://authority/path?query`: what a client sends to a proxy; its authority wins over Host.
    Absolute,
    /// `*`: the server as a whole, with OPTIONS.
    Asterisk,
}

/// Where the parts of a target are, counted from the target's first byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) form: TargetForm,
    pub(super) authority: Option<Range<usize>>,
    /// Empty for an absolute form without a path, which means `/`.
    pub(super) path: Range<usize>,
    pub(super) query: Option<Range<usize>>,
}

/// Takes a request target apart.
pub(super) fn parse_target(method: Method, target: &[u8]) -> Result<Target, HttpError> {
    // RFC 9110 section 9.3.6: what follows a CONNECT is not HTTP; we are no tunnel.
    if method == Method::Connect {
        return Err(HttpError::new(Status::NOT_IMPLEMENTED, "CONNECT is not implemented"));
    }
    // RFC 9112 section 3.2: a target has no white space; RFC 3986 section 3.5: the fragment stays with the client.
    // The other characters that RFC 3986 excludes but browsers send bare, as | and { in a query, are ambiguous to
    // no one and are let through.
    // Without a way out in the middle, several bytes are looked at at once.
    if target.iter().fold(false, |bad, byte| bad | !byte.is_ascii_graphic() | (*byte == b'#')) {
        return Err(HttpError::malformed("an invalid character in the request target"));
    }
    match target {
        [b'/', ..] => {
            let (path, query) = split_query(target, 0);
            Ok(Target { form: TargetForm::Origin, authority: None, path, query })
        }
        // RFC 9112 section 3.2.4: asterisk-form is for OPTIONS. What it means to a method that we don't know is that
        // method's affair: such a method isn't implemented (RFC 9110 section 9.1).
        b"*" if method == Method::Options => Ok(asterisk(None)),
        b"*" if method == Method::Extension => {
            Err(HttpError::new(Status::NOT_IMPLEMENTED, "the method is not implemented"))
        }
        _ => parse_absolute(method, target),
    }
}

/// Whether this is `uri-host [ ":" port ]` (RFC 9110 section 7.2) with a host that is not empty, as an `http` URI must
/// have (section 4.2.1).
pub(super) fn is_authority(authority: &[u8]) -> bool {
    let (host_is_valid, rest) = if let [b'[', literal @ ..] = authority {
        let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
        let address =
            std::str::from_utf8(&literal[..end]).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
        (address.is_some(), &literal[end + 1..])
    } else {
        let end = authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len());
        (is_registered_name(&authority[..end]), &authority[end..])
    };
    let port_is_valid = match rest {
        [] | [b':'] => true, // RFC 3986 section 3.2.3: port = *DIGIT
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    host_is_valid && port_is_valid
}

/// The segments of a path, still escaped: `/users/12` has `users` and `12`, and `/` has one that is empty.
///
/// A path is split before it is decoded, so that an escaped slash stays within its segment.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// The parameters of a query, decoded, in order: `a=1&b` has `("a", "1")` and `("b", "")`.
///
/// This is the `application/x-www-form-urlencoded` form of the WHATWG URL standard, except that a bad escape is an
/// error. Nothing is allocated for what needs no decoding.
pub fn query_pairs(query: &str) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), DecodeError>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode_form(name)?, decode_form(value)?))
    })
}

/// Decodes the percent-escapes of a path segment. Borrowed when there are none.
pub fn decode_component(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    decode(text, false)
}

/// Decodes one name or value of a query or a form: percent-escapes, and `+` for a space. Borrowed when there are none.
pub fn decode_form(text: &str) -> Result<Cow<'_, str>, DecodeError> {
    decode(text, true)
}

/// A text that can't be percent-decoded. The request is malformed (400), but the connection may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A `%` without two hexadecimal digits after it (RFC 3986 section 2.1).
    Escape,
    /// What was escaped is not UTF-8.
    Utf8,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Escape => "'%' must be followed by two hexadecimal digits",
            DecodeError::Utf8 => "the percent-escapes must spell UTF-8",
        })
    }
}

impl std::error::Error for DecodeError {}

fn asterisk(authority: Option<Range<usize>>) -> Target {
    Target { form: TargetForm::Asterisk, authority, path: 0..0, query: None }
}

/// RFC 9112 section 3.2.2, absolute-form, for the schemes `http` and `https`.
fn parse_absolute(method: Method, target: &[u8]) -> Result<Target, HttpError> {
    let scheme_bytes = ["http://", "https://"].into_iter().find_map(|scheme| {
        let start = target.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some(scheme.len())
    });
    let Some(start) = scheme_bytes else {
        return Err(HttpError::malformed("the request target is neither a path nor an http URI"));
    };
    let rest = &target[start..];
    let end = start + rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    // RFC 9110 section 4.2.4: user information in an http URI is an error.
    if !is_authority(&target[start..end]) {
        return Err(HttpError::malformed("an invalid authority in the request target"));
    }
    // RFC 9112 section 3.2.4: OPTIONS of a URI that ends with its authority is of the server as a whole.
    if method == Method::Options && end == target.len() {
        return Ok(asterisk(Some(start..end)));
    }
    let (path, query) = split_query(target, end);
    Ok(Target { form: TargetForm::Absolute, authority: Some(start..end), path, query })
}

/// The path from `start` on, and the query behind its question mark.
fn split_query(target: &[u8], start: usize) -> (Range<usize>, Option<Range<usize>>) {
    match target[start..].iter().position(|byte| *byte == b'?') {
        Some(mark) => (start..start + mark, Some(start + mark + 1..target.len())),
        None => (start..target.len(), None),
    }
}

/// RFC 3986 section 3.2.2: reg-name = *( unreserved / pct-encoded / sub-delims ). IPv4 addresses are of this form too.
fn is_registered_name(name: &[u8]) -> bool {
    const PLAIN: [bool; 256] = letters_digits_and(b"-._~!$&'()*+,;=");
    let mut rest = name;
    while let Some(at) = rest.iter().position(|byte| !PLAIN[usize::from(*byte)]) {
        rest = match &rest[at..] {
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            _ => return false,
        };
    }
    !name.is_empty()
}

/// Digits of a number of 16 bits.
fn is_port(digits: &[u8]) -> bool {
    let number = digits.iter().try_fold(0, |number: u16, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    number.is_some()
}

fn decode(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, DecodeError> {
    let is_escape = |byte: &u8| *byte == b'%' || (plus_is_space && *byte == b'+');
    let Some(first) = text.as_bytes().iter().position(is_escape) else { return Ok(Cow::Borrowed(text)) };
    let (plain, mut rest) = text.as_bytes().split_at(first);
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(plain);
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, rest @ ..] => {
                let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) else {
                    return Err(DecodeError::Escape);
                };
                decoded.push(high << 4 | low);
                rest
            }
            [b'%', ..] => return Err(DecodeError::Escape),
            [b'+', rest @ ..] if plus_is_space => {
                decoded.push(b' ');
                rest
            }
            [byte, rest @ ..] => {
                decoded.push(*byte);
                rest
            }
        };
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| DecodeError::Utf8)
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `target` is taken apart into: authority, path and query; or the status that it is refused with.
    fn check(method: Method, target: &str, expected: Result<(Option<&str>, &str, Option<&str>), u16>) {
        let found = parse_target(method, target.as_bytes());
        let found = found.as_ref().map_err(|error| error.status.code()).map(|parts| {
            let text = |range: &Range<usize>| &target[range.clone()];
            (parts.authority.as_ref().map(text), text(&parts.path), parts.query.as_ref().map(text))
        });
        assert_eq!(found, expected, "{target:?}");
    }

    #[test]
    fn targets_are_taken_apart() {
        check(Method::Get, "/", Ok((None, "/", None)));
        check(Method::Get, "/a/b?c=d?e", Ok((None, "/a/b", Some("c=d?e"))));
        check(Method::Get, "/?", Ok((None, "/", Some(""))));
        check(Method::Get, "//evil/a", Ok((None, "//evil/a", None)));
        check(Method::Get, "http://a:80/b?c", Ok((Some("a:80"), "/b", Some("c"))));
        check(Method::Get, "HTTPS://[::1]", Ok((Some("[::1]"), "", None)));
        check(Method::Get, "http://a?b", Ok((Some("a"), "", Some("b"))));
        check(Method::Options, "*", Ok((None, "", None)));
        check(Method::Options, "http://a", Ok((Some("a"), "", None)));
        for target in
            ["", "*", "a", "a:80", "http://", "http:///a", "http://u@a/", "http://u:p@a/", "ftp://a/"]
        {
            check(Method::Get, target, Err(400));
        }
        for target in ["/a#b", "/a b", "/\u{e9}", "/\x7f", "/\t", "?a", "http://a/#"] {
            check(Method::Get, target, Err(400));
        }
        check(Method::Extension, "*", Err(501));
        check(Method::Connect, "a:443", Err(501));
        check(Method::Connect, "/", Err(501));
    }

    #[test]
    fn authorities_are_checked() {
        for valid in ["a", "a.b-c_d~", "127.0.0.1:8000", "a:", "[::1]", "[2001:db8::1]:80", "a%2Db", "a=b"] {
            assert!(is_authority(valid.as_bytes()), "{valid}");
        }
        for invalid in [
            "", ":80", "a b", "a/b", "a@b", "a?b", "a:b", "a:65536", "a:+1", "[::1", "[::1]a", "[g]", "a%2",
            "a:1:2", "\u{e9}",
        ] {
            assert!(!is_authority(invalid.as_bytes()), "{invalid}");
        }
    }

    #[test]
    fn components_are_decoded_strictly() {
        for (text, component, form) in [
            ("plain", Ok("plain"), Ok("plain")),
            ("a%20b", Ok("a b"), Ok("a b")),
            ("a+b%2B", Ok("a+b+"), Ok("a b+")),
            ("%e2%82%AC", Ok("\u{20ac}"), Ok("\u{20ac}")),
            ("%2F%25", Ok("/%"), Ok("/%")),
            ("%", Err(DecodeError::Escape), Err(DecodeError::Escape)),
            ("%4", Err(DecodeError::Escape), Err(DecodeError::Escape)),
            ("%4g", Err(DecodeError::Escape), Err(DecodeError::Escape)),
            ("%+1", Err(DecodeError::Escape), Err(DecodeError::Escape)),
            ("%ff", Err(DecodeError::Utf8), Err(DecodeError::Utf8)),
            ("%c0%af", Err(DecodeError::Utf8), Err(DecodeError::Utf8)), // an overlong slash
        ] {
            assert_eq!(decode_component(text).as_deref(), component.as_ref().map(|text| *text), "{text}");
            assert_eq!(decode_form(text).as_deref(), form.as_ref().map(|text| *text), "{text}");
        }
        assert!(matches!(decode_component("a+b"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn paths_and_queries_are_split_before_they_are_decoded() {
        assert_eq!(segments("/a/b%2Fc/").collect::<Vec<_>>(), ["a", "b%2Fc", ""]);
        assert_eq!(segments("/").collect::<Vec<_>>(), [""]);
        let pairs = |query| query_pairs(query).collect::<Result<Vec<_>, _>>();
        let expected =
            [("a", "1"), ("b", ""), ("c d", "e=f&g")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(pairs("a=1&&b&c+d=e=f%26g").unwrap(), expected);
        assert_eq!(pairs(""), Ok(vec![]));
        assert_eq!(pairs("a=%zz"), Err(DecodeError::Escape));
    }
}
