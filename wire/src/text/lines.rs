//! Lines in the bytes of a connection, each looked at once however it was cut.

use bytes::{Buf, Bytes, BytesMut};

use crate::limits::TEXT_LINE_BYTES_MAX;

/// Finds lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// How much of the input is known to hold no end of a line.
    seen: usize,
}

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: Bytes,
    /// Whether it ended in CR LF.
    pub crlf: bool,
}

/// The line is longer than [`TEXT_LINE_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Lines {
    /// Takes the next line from the front of `input`, or `None` when it isn't there whole. Where the input has `ended`, its rest is a
    /// line too.
    ///
    /// # Errors
    /// When the line is too long, also before it has ended: nothing more is to be read then.
    pub fn next(&mut self, input: &mut BytesMut, ended: bool) -> Result<Option<Line>, TooLong> {
        let found = input[self.seen..].iter().position(|byte| *byte == b'\n').map(|at| self.seen + at);
        let Some(length) = found.or_else(|| (ended && !input.is_empty()).then_some(input.len())) else {
            self.seen = input.len();
            // A CR may be the half of a line's end.
            return if input.len() > TEXT_LINE_BYTES_MAX + 1 { Err(TooLong) } else { Ok(None) };
        };
        self.seen = 0;
        let mut text = input.split_to(length).freeze();
        if found.is_some() {
            input.advance(1);
        }
        let crlf = text.last() == Some(&b'\r');
        if crlf {
            text.truncate(text.len() - 1);
        }
        if text.len() > TEXT_LINE_BYTES_MAX { Err(TooLong) } else { Ok(Some(Line { text, crlf })) }
    }

    /// Whether a whole line is there.
    #[must_use]
    pub fn has_next(&self, input: &[u8]) -> bool {
        input.get(self.seen..).is_some_and(|fresh| fresh.contains(&b'\n'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of an input that comes in pieces of this size.
    fn lines(text: &str, piece: usize, ended: bool) -> Vec<(String, bool)> {
        let (mut lines, mut input, mut found) = (Lines::default(), BytesMut::new(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            input.extend_from_slice(piece);
            while let Some(line) = lines.next(&mut input, false).unwrap() {
                found.push((String::from_utf8_lossy(&line.text).into_owned(), line.crlf));
            }
        }
        while let Some(line) = lines.next(&mut input, ended).unwrap() {
            found.push((String::from_utf8_lossy(&line.text).into_owned(), line.crlf));
        }
        found
    }

    #[test]
    fn lines_end_in_either_way_however_they_are_cut() {
        let text = "a\nb c\r\n\r\n\nd\re\r\nrest";
        for piece in 1..=text.len() {
            let mut wanted = vec![
                ("a".to_owned(), false),
                ("b c".to_owned(), true),
                (String::new(), true),
                (String::new(), false),
                ("d\re".to_owned(), true),
            ];
            assert_eq!(lines(text, piece, false), wanted, "in pieces of {piece}");
            wanted.push(("rest".to_owned(), false));
            assert_eq!(lines(text, piece, true), wanted, "in pieces of {piece}");
        }
        assert_eq!(lines("", 1, true), []);
    }

    #[test]
    fn a_line_is_as_long_as_its_limit_and_no_longer() {
        for (length, end, fits) in [
            (TEXT_LINE_BYTES_MAX, "\n", true),
            (TEXT_LINE_BYTES_MAX, "\r\n", true),
            (TEXT_LINE_BYTES_MAX + 1, "\n", false),
            (TEXT_LINE_BYTES_MAX + 2, "", false),
        ] {
            let mut input = BytesMut::from(format!("{}{end}", "a".repeat(length)).as_str());
            let found = Lines::default().next(&mut input, false);
            assert_eq!(found.is_ok_and(|line| line.is_some()), fits, "{length} bytes and {end:?}");
        }
    }
}
