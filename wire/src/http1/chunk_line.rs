//! The line before a chunk: its size, and extensions that are checked and ignored.

use super::HttpError;
use super::headers::is_token_byte;
use super::target::hex_digit;

/// The most digits of a chunk size: 16 say every u64.
const SIZE_DIGITS_MAX: usize = 16;

/// A chunk-size line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkLine {
    /// The chunk's size in bytes; 0 for the last chunk.
    pub(super) size: u64,
    /// How many bytes of the line are extensions.
    pub(super) extension_bytes: usize,
}

/// RFC 9112 section 7.1: chunk-size [ chunk-ext ], with chunk-size = 1*HEXDIG. The line comes without its CR LF and
/// without control characters other than tabs.
pub(super) fn parse_chunk_line(line: &[u8]) -> Result<ChunkLine, HttpError> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    // Section 7.1: recipients must anticipate large sizes and must not overflow.
    if digits == 0 || digits > SIZE_DIGITS_MAX {
        return Err(HttpError::malformed("an invalid chunk size"));
    }
    let (size, extensions) = line.split_at(digits);
    let size =
        size.iter().filter_map(|byte| hex_digit(*byte)).fold(0, |size, digit| size << 4 | u64::from(digit));
    if !are_extensions(extensions) {
        return Err(HttpError::malformed("something other than an extension behind the chunk size"));
    }
    Ok(ChunkLine { size, extension_bytes: extensions.len() })
}

/// RFC 9112 section 7.1.1: chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), where a name is a
/// token and a value is a token or a quoted string.
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some((b';', name)) = skip_blanks(rest).split_first() else { return false };
        let Some(after_name) = skip_token(skip_blanks(name)) else { return false };
        rest = match skip_blanks(after_name).split_first() {
            Some((b'=', value)) => match skip_value(skip_blanks(value)) {
                Some(after_value) => after_value,
                None => return false,
            },
            _ => after_name,
        };
    }
    true
}

fn skip_blanks(rest: &[u8]) -> &[u8] {
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &rest[blanks..]
}

fn skip_token(rest: &[u8]) -> Option<&[u8]> {
    let bytes = rest.iter().take_while(|byte| is_token_byte(**byte)).count();
    (bytes > 0).then(|| &rest[bytes..])
}

/// RFC 9110 section 5.6.4: a quoted string ends with the first quote that no backslash precedes.
fn skip_value(rest: &[u8]) -> Option<&[u8]> {
    let Some((b'"', mut quoted)) = rest.split_first() else { return skip_token(rest) };
    loop {
        quoted = match quoted {
            [b'"', after @ ..] => return Some(after),
            [b'\\', _, after @ ..] | [_, after @ ..] => after,
            [] => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(u64, usize)>) {
        let found = parse_chunk_line(line.as_bytes()).ok();
        assert_eq!(found.map(|line| (line.size, line.extension_bytes)), expected, "{line:?}");
    }

    #[test]
    fn a_size_is_hexadecimal_digits() {
        check("0", Some((0, 0)));
        check("000", Some((0, 0)));
        check("1aF", Some((0x1af, 0)));
        check("ffffffffffffffff", Some((u64::MAX, 0)));
        check("0000000000000001", Some((1, 0)));
        for line in [
            "",
            " 1",
            "1 ",
            "+1",
            "-1",
            "0x1",
            "g",
            "1g",
            "00000000000000001",
            "10000000000000000",
            "1,1",
            "\u{b2}",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn extensions_follow_the_grammar() {
        check("5;a", Some((5, 2)));
        check("5;a=b;c=\"d;\\\"e\"", Some((5, 14)));
        check("5 ; a\t= b", Some((5, 8)));
        check("5;a=\"\"", Some((5, 5)));
        for line in [
            "5;",
            "5;;a",
            "5;a;",
            "5;=b",
            "5;a=",
            "5;a=\"b",
            "5;a=\"b\\\"",
            "5;a=\"b\"c",
            "5 a",
            "5;a b",
            "5;a ",
            "5;\u{e9}",
        ] {
            check(line, None);
        }
    }
}
