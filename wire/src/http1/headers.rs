//! Header and trailer fields: parsed once, looked up without allocation, written without injection.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::{HttpError, WriteError};
use crate::limits::{HTTP_HEAD_BYTES_HARD_MAX, HTTP_HEADERS_HARD_MAX, HTTP_TRAILER_BYTES_MAX};

/// The fields of a head or of a trailer section, in the order in which they came.
///
/// They are slices of the bytes that were read: one small index is all that is allocated. Values are bytes, since RFC
/// 9110 section 5.5 allows any of 0x80 to 0xFF in them; they have no surrounding white space and no control characters
/// except tabs.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Bytes,
    fields: Vec<Field>,
}

/// Where a field's name and value are. 16 bits reach: no head is larger.
#[derive(Clone, Copy)]
struct Field {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy)]
struct Span {
    start: u16,
    bytes: u16,
}

const _: () = assert!(HTTP_HEAD_BYTES_HARD_MAX <= u16::MAX as usize);
const _: () = assert!(HTTP_TRAILER_BYTES_MAX <= u16::MAX as usize);

/// Most heads have no more fields than this; those that do cost a larger table on the stack.
const FEW_FIELDS: usize = 16;

impl Headers {
    /// Parses the lines of `section` from `from` on: `count` field lines and the empty one, already known to end in
    /// CR LF and to have no control characters.
    pub(super) fn parse(section: Bytes, from: usize, count: usize) -> Result<Self, HttpError> {
        let fields = if count <= FEW_FIELDS {
            parse_fields::<FEW_FIELDS>(&section, from, count)
        } else {
            parse_fields::<HTTP_HEADERS_HARD_MAX>(&section, from, count)
        };
        // RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS. Section 5.1: no white space before the
        // colon.
        let fields = fields.ok_or(HttpError::malformed("a malformed header field"))?;
        Ok(Headers { bytes: section, fields })
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Every field's name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            // A name is a token, so it is ASCII.
            (std::str::from_utf8(self.slice(field.name)).unwrap_or_default(), self.slice(field.value))
        })
    }

    /// The value of the first field of this name, whatever the case of its letters.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The value of the first field of this name, if it is UTF-8.
    #[must_use]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// The values of all fields of this name, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields
            .iter()
            .filter(|field| self.slice(field.name).eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| self.slice(field.value))
    }

    /// The members of a comma-separated list, over all fields of this name, without white space around them (RFC 9110
    /// section 5.6.1). Empty members are left out. Quoted strings are not understood: no list that we read has them.
    pub fn list<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).flat_map(list_members)
    }

    /// Whether a list has this token as a member, whatever the case of its letters.
    #[must_use]
    pub fn list_has(&self, name: &str, token: &str) -> bool {
        self.list(name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The bytes of the whole section.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn slice(&self, span: Span) -> &[u8] {
        let start = usize::from(span.start);
        &self.bytes[start..start + usize::from(span.bytes)]
    }
}

/// Names only: values may be credentials.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// The members of one comma-separated value, empty ones left out.
pub(super) fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim_blanks).filter(|member| !member.is_empty())
}

/// A value without the optional white space around it: spaces and tabs (RFC 9110 section 5.6.3).
pub(super) fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether these bytes are a token: not empty, and nothing but token characters.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Writes one header line. Framing and connection headers are refused: the connection writes them itself, since two
/// of them that disagree would let the peer read another message than we wrote.
pub(super) fn put_field(output: &mut impl BufMut, name: &str, value: &[u8]) -> Result<(), WriteError> {
    const RESERVED: [&str; 6] =
        ["content-length", "transfer-encoding", "connection", "keep-alive", "date", "host"];
    if !is_token(name.as_bytes()) {
        return Err(WriteError::HeaderName);
    }
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(WriteError::HeaderReserved);
    }
    // RFC 9110 section 5.5: CR, LF and NUL are dangerous; the other controls are invalid too.
    if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(WriteError::HeaderValue);
    }
    output.put_slice(name.as_bytes());
    output.put_slice(b": ");
    output.put_slice(value);
    output.put_slice(b"\r\n");
    Ok(())
}

/// Writes a number in decimal, or in hexadecimal for a chunk size.
pub(super) fn put_number(output: &mut BytesMut, mut number: u64, base: u64) {
    let mut digits = [0; 20]; // u64::MAX in decimal
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[usize::try_from(number % base).unwrap_or(0)];
        number /= base;
        if number == 0 {
            break;
        }
    }
    output.put_slice(&digits[start..]);
}

fn parse_fields<const N: usize>(section: &[u8], from: usize, count: usize) -> Option<Vec<Field>> {
    let mut parsed = [httparse::EMPTY_HEADER; N];
    let lines = &section[from..];
    let Ok(httparse::Status::Complete((consumed, parsed))) = httparse::parse_headers(lines, &mut parsed)
    else {
        return None;
    };
    // The lines were counted when they were scanned: httparse must have seen the same ones.
    if consumed != lines.len() || parsed.len() != count {
        return None;
    }
    let mut fields = Vec::with_capacity(count);
    for header in parsed {
        let name = span_of(section, header.name.as_bytes())?;
        let value = span_of(section, trim_blanks(header.value))?;
        fields.push(Field { name, value });
    }
    Some(fields)
}

/// Where `part` is within `whole`, of which it is a slice.
fn span_of(whole: &[u8], part: &[u8]) -> Option<Span> {
    let start = if part.is_empty() { 0 } else { part.as_ptr().addr().checked_sub(whole.as_ptr().addr())? };
    Some(Span { start: u16::try_from(start).ok()?, bytes: u16::try_from(part.len()).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Headers, HttpError> {
        Headers::parse(Bytes::copy_from_slice(text.as_bytes()), 0, text.matches("\r\n").count() - 1)
    }

    #[test]
    fn a_field_is_found_whatever_its_case() {
        let headers = parse("Host: a\r\nX-Two:  b \t\r\nx-two:c\r\nEmpty:\r\n\r\n").unwrap();
        assert_eq!(headers.get("host"), Some(&b"a"[..]));
        assert_eq!(headers.get("X-TWO"), Some(&b"b"[..]));
        assert_eq!(headers.get_all("x-two").collect::<Vec<_>>(), [b"b", b"c"]);
        assert_eq!(headers.get("empty"), Some(&b""[..]));
        assert_eq!(headers.get("absent"), None);
        assert_eq!(
            headers.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["Host", "X-Two", "x-two", "Empty"]
        );
        assert_eq!(format!("{headers:?}"), r#"["Host", "X-Two", "x-two", "Empty"]"#);
    }

    #[test]
    fn a_list_spans_fields() {
        let headers = parse("Connection: close ,\tUpgrade\r\nconnection: ,x\r\n\r\n").unwrap();
        assert_eq!(headers.list("connection").collect::<Vec<_>>(), [&b"close"[..], b"Upgrade", b"x"]);
        assert!(headers.list_has("Connection", "upgrade"));
        assert!(!headers.list_has("Connection", "up"));
    }

    #[test]
    fn a_malformed_field_is_refused() {
        for lines in [
            "a\r\n\r\n",
            "a : b\r\n\r\n",
            ": b\r\n\r\n",
            "a b: c\r\n\r\n",
            "a\u{e9}: c\r\n\r\n",
            "(a): c\r\n\r\n",
        ] {
            assert!(parse(lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn more_fields_than_the_small_table_are_parsed() {
        for count in [FEW_FIELDS - 1, FEW_FIELDS, FEW_FIELDS + 1, HTTP_HEADERS_HARD_MAX] {
            assert_eq!(parse(&("a: b\r\n".repeat(count) + "\r\n")).unwrap().len(), count);
        }
    }

    #[test]
    fn a_written_field_can_not_inject() {
        for (name, value, expected) in [
            ("X", "a\tb", Ok("X: a\tb\r\n")),
            ("X", "a\r\nY: b", Err(WriteError::HeaderValue)),
            ("X", "a\nb", Err(WriteError::HeaderValue)),
            ("X", "a\0", Err(WriteError::HeaderValue)),
            ("X: y\r\nZ", "a", Err(WriteError::HeaderName)),
            ("", "a", Err(WriteError::HeaderName)),
            ("CONTENT-length", "1", Err(WriteError::HeaderReserved)),
        ] {
            let mut output = BytesMut::new();
            let result = put_field(&mut output, name, value.as_bytes());
            assert_eq!(result, expected.map(|_| ()), "{name:?} {value:?}");
            assert_eq!(output, expected.unwrap_or_default());
        }
    }

    #[test]
    fn numbers_are_written_in_either_base() {
        for (number, base, expected) in
            [(0, 10, "0"), (1234, 10, "1234"), (u64::MAX, 10, "18446744073709551615"), (0x1af, 16, "1af")]
        {
            let mut output = BytesMut::new();
            put_number(&mut output, number, base);
            assert_eq!(output, expected);
        }
    }
}
