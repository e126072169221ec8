//! Appends JSON text to a buffer.
//!
//! By `extend_from_slice`, here and in `transcode`: unlike `BufMut::put_slice` it is inlined from another crate without
//! link-time optimisation, which halves the time of short values.

use bytes::BytesMut;

use crate::swar;

const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";

/// Appends a string in quotes; quotes, backslashes and control characters are escaped.
pub fn put_string(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 2);
    out.extend_from_slice(b"\"");
    let mut rest = text.as_bytes();
    while let Some(at) = first_escaped(rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            character @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', character]),
            control => {
                let digits = [HEXADECIMAL[usize::from(control >> 4)], HEXADECIMAL[usize::from(control & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\"");
}

/// Where the first byte is that has to be escaped.
#[inline]
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let hits = |word| swar::below(word, 0x20) | swar::equal(word, b'"') | swar::equal(word, b'\\');
    swar::position(bytes, hits, |byte| ESCAPED[usize::from(*byte)])
}

/// Which bytes have to be escaped.
const ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = true;
        control += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// Appends an unsigned integer.
pub fn put_unsigned(out: &mut BytesMut, number: u64) {
    put_digits(out, number, 1);
}

/// Appends a signed integer.
pub fn put_signed(out: &mut BytesMut, number: i64) {
    if number < 0 {
        out.extend_from_slice(b"-");
    }
    put_digits(out, number.unsigned_abs(), 1);
}

/// Appends `units` of 10^-`scale` as a plain number with exactly `scale` digits after the point.
pub fn put_decimal(out: &mut BytesMut, units: i64, scale: u8) {
    if units < 0 {
        out.extend_from_slice(b"-");
    }
    let scale = usize::from(scale);
    put_digits(out, units.unsigned_abs(), scale + 1);
    if scale > 0 {
        let end = out.len();
        out.extend_from_slice(&[0]);
        out.copy_within(end - scale..end, end - scale + 1);
        out[end - scale] = b'.';
    }
}

/// Appends a number with at least `width` digits.
fn put_digits(out: &mut BytesMut, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20]; // u64::MAX has 20 digits.
    let mut first = digits.len();
    while number > 0 || first == digits.len() {
        first -= 1;
        // The remainder is a digit, so that the cast loses nothing.
        digits[first] = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
    for _ in digits.len() - first..width {
        out.extend_from_slice(b"0");
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_found_at_every_place() {
        for byte in 0..=255u8 {
            for place in 0..20 {
                let mut bytes = [b'~'; 20];
                for (index, filler) in bytes.iter_mut().enumerate() {
                    *filler = [b' ', 0x80, 0xFF, b'!', b'#', b']', b'[', 0xA2][index % 8];
                }
                bytes[place] = byte;
                let escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
                assert_eq!(first_escaped(&bytes), escaped.then_some(place), "{byte:#x} at {place}");
            }
        }
    }

    #[test]
    fn strings_are_written_as_serde_reads_them() {
        let texts = [
            "",
            "a",
            "\"",
            "déjà \u{1}\u{1f} vu\n\r\t\\ and \"so\" on\u{7f}",
            "twelve bytes",
            "eight by\"",
            "\u{10ffff}\u{0}",
        ];
        for text in texts {
            let mut out = BytesMut::new();
            put_string(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
