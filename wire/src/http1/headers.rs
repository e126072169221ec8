//! Header and trailer fields: parsed once, looked up without allocation, written without injection.

use std::fmt;
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::lines::first_control;
use super::{HttpError, WriteError};
use crate::limits::{HTTP_HEAD_BYTES_HARD_MAX, HTTP_TRAILER_BYTES_MAX};

/// The fields of a head or of a trailer section, in the order in which they came.
///
/// They are slices of the bytes that were read: one small index is all that is allocated. Values are bytes, since RFC
/// 9110 section 5.5 allows any of 0x80 to 0xFF in them; they have no surrounding white space and no control characters
/// except tabs.
#[derive(Clone, Default)]
pub struct Headers {
    bytes: Bytes,
    fields: Fields,
}

/// Where a field's name and value are. 16 bits reach: no head is larger.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u16,
    bytes: u16,
}

impl Span {
    fn of(start: usize, bytes: usize) -> Option<Self> {
        Some(Self { start: u16::try_from(start).ok()?, bytes: u16::try_from(bytes).ok()? })
    }
}

const _: () = assert!(HTTP_HEAD_BYTES_HARD_MAX <= u16::MAX as usize);
const _: () = assert!(HTTP_TRAILER_BYTES_MAX <= u16::MAX as usize);

/// Most heads have no more fields than this: room for so many is made at once.
const FEW_FIELDS: usize = 16;

/// The fields that were read so far, of a section that is still on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    found: Vec<Field>,
    /// A bit for each length that a name has, so that most names which aren't there are found not to be by one look.
    name_lengths: u64,
}

impl Fields {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Reads one more: `line` of `section`, which has no control characters but tabs.
    ///
    /// RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS. Section 5.1: no white space before the colon.
    pub(super) fn read(&mut self, section: &[u8], line: Range<usize>) -> Result<(), HttpError> {
        const MALFORMED: HttpError = HttpError::malformed("a malformed header field");
        let text = &section[line.clone()];
        let colon = text.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(text.len());
        if colon == 0 || text.get(colon) != Some(&b':') {
            return Err(MALFORMED);
        }
        let behind = &text[colon + 1..];
        let blanks = behind.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let name = Span::of(line.start, colon);
        let value = Span::of(line.start + colon + 1 + blanks, trim_blanks(behind).len());
        let (name, value) = name.zip(value).ok_or(MALFORMED)?;
        if self.found.is_empty() {
            self.found.reserve(FEW_FIELDS);
        }
        self.found.push(Field { name, value });
        self.name_lengths |= length_bit(colon);
        Ok(())
    }
}

fn length_bit(length: usize) -> u64 {
    1 << (length % 64)
}

impl Headers {
    /// The fields that were read of this section.
    pub(super) fn new(section: Bytes, fields: Fields) -> Self {
        Headers { bytes: section, fields }
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.found.is_empty()
    }

    /// Every field's name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.found.iter().map(|field| {
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
        let may_be_there = self.fields.name_lengths & length_bit(name.len()) != 0;
        let fields = if may_be_there { &self.fields.found[..] } else { &[] };
        fields
            .iter()
            .filter(|field| is_name(self.slice(field.name), name.as_bytes()))
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

/// Whether a field has this name. Most are written as they are asked for, which is found out in one step.
fn is_name(given: &[u8], name: &[u8]) -> bool {
    given == name || given.eq_ignore_ascii_case(name)
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

/// Which bytes are letters, digits, or among these.
pub(super) const fn letters_digits_and(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = letters_digits_and(b"!#$%&'*+-.^_`|~");
    TABLE[byte as usize]
}

/// Whether these bytes are a token: not empty, and nothing but token characters.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_byte)
}

/// Whether the connection writes this header itself.
pub(super) const fn is_reserved(name: &[u8]) -> bool {
    const RESERVED: [&str; 6] =
        ["content-length", "transfer-encoding", "connection", "keep-alive", "date", "host"];
    let mut at = 0;
    while at < RESERVED.len() {
        if name.eq_ignore_ascii_case(RESERVED[at].as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether this can't break a header. RFC 9110 section 5.5: CR, LF and NUL are dangerous; the other controls but tabs are invalid too.
pub(super) fn is_value(mut value: &[u8]) -> bool {
    while let Some(at) = first_control(value) {
        if value[at] != b'\t' {
            return false;
        }
        value = &value[at + 1..];
    }
    true
}

/// Writes one header line. Framing and connection headers are refused: the connection writes them itself, since two
/// of them that disagree would let the peer read another message than we wrote.
pub(super) fn put_field(output: &mut impl BufMut, name: &str, value: &[u8]) -> Result<(), WriteError> {
    if !is_token(name.as_bytes()) {
        return Err(WriteError::HeaderName);
    }
    if is_reserved(name.as_bytes()) {
        return Err(WriteError::HeaderReserved);
    }
    if !is_value(value) {
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
    output.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HTTP_HEADERS_HARD_MAX;

    fn parse(text: &str) -> Result<Headers, HttpError> {
        let (mut fields, mut start) = (Fields::default(), 0);
        for line in text.split("\r\n").take_while(|line| !line.is_empty()) {
            fields.read(text.as_bytes(), start..start + line.len())?;
            start += line.len() + 2;
        }
        Ok(Headers::new(Bytes::copy_from_slice(text.as_bytes()), fields))
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
    fn more_fields_than_most_heads_have_are_parsed() {
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
