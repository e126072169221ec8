//! A JSON string that has been checked but not yet unescaped.

use std::borrow::Cow;

use bytes::BytesMut;

/// The inside of a JSON string: valid UTF-8 with valid escapes, borrowed from the text that was read.
///
/// Its unescaped length is known before it is unescaped, so that a length prefix can be written first.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    raw: &'a str,
    length: usize,
    offset: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a str, length: usize, offset: usize) -> Self {
        Self { raw, length, offset }
    }

    /// Where it stands in the JSON text: the bytes before its opening quote.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The length of the unescaped text, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether the unescaped text is this one.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        self.length == other.len()
            && if self.is_plain() { self.raw == other } else { self.unescaped() == other }
    }

    /// The unescaped text; borrowed when there is no escape in it.
    #[must_use]
    pub fn unescaped(&self) -> Cow<'a, str> {
        if self.is_plain() {
            return Cow::Borrowed(self.raw);
        }
        let mut unescaped = String::with_capacity(self.length);
        self.pieces(|piece| unescaped.push_str(piece));
        Cow::Owned(unescaped)
    }

    /// Appends the unescaped text: [`length`](Self::length) bytes.
    pub fn put(&self, out: &mut BytesMut) {
        if self.is_plain() {
            out.extend_from_slice(self.raw.as_bytes());
        } else {
            self.pieces(|piece| out.extend_from_slice(piece.as_bytes()));
        }
    }

    /// Every escape is longer than what it stands for, so equal lengths mean that there is none.
    fn is_plain(&self) -> bool {
        self.raw.len() == self.length
    }

    fn pieces(&self, mut piece: impl FnMut(&str)) {
        let mut rest = self.raw;
        while let Some(at) = rest.find('\\') {
            piece(&rest[..at]);
            // The reader has checked every escape; the replacement character only keeps this path free of panics.
            let (character, used) = escape(&rest.as_bytes()[at + 1..])
                .unwrap_or((char::REPLACEMENT_CHARACTER, rest.len() - at - 1));
            piece(character.encode_utf8(&mut [0; 4]));
            rest = &rest[at + 1 + used..];
        }
        piece(rest);
    }
}

/// The character that an escape stands for, and how many bytes after the backslash it takes (RFC 8259 section 7).
pub(super) fn escape(after: &[u8]) -> Result<(char, usize), &'static str> {
    let character = match after.first() {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(&after[1..]),
        _ => return Err("unknown escape after '\\'"),
    };
    Ok((character, 1))
}

fn unicode_escape(digits: &[u8]) -> Result<(char, usize), &'static str> {
    const LONE: &str = "half of a surrogate pair alone";
    let first = hexadecimal(digits)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, 5));
    }
    // Only surrogates are no characters among 16-bit numbers; a low one after a high one completes a pair.
    let (true, Some([b'\\', b'u'])) = (first < 0xdc00, digits.get(4..6)) else { return Err(LONE) };
    let second = hexadecimal(&digits[6..])?;
    let low = second.wrapping_sub(0xdc00);
    if low >= 0x400 {
        return Err(LONE);
    }
    let character = char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low).ok_or(LONE)?;
    Ok((character, 11))
}

fn hexadecimal(digits: &[u8]) -> Result<u32, &'static str> {
    let mut number = 0;
    for at in 0..4 {
        let digit = digits.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        number = number << 4 | digit.ok_or("expected four hexadecimal digits after '\\u'")?;
    }
    Ok(number)
}
