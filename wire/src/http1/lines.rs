//! Lines: where they end, and nothing else.
//!
//! Request lines, header fields, chunk sizes and trailers are all lines that must end in CR LF. The scanner finds that
//! end, refuses every control character on the way, and remembers how far it has looked, so that a line which arrives
//! byte by byte is looked at once.

use std::ops::Range;

use crate::swar;

/// A cursor over the lines at the front of a growing buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineScanner {
    /// Where the line that is being looked for begins.
    start: usize,
    /// Up to here there is no end of line.
    position: usize,
}

/// Why the bytes are no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineFault {
    /// It doesn't end within the limit.
    TooLong,
    /// CR without LF (RFC 9112 section 2.2).
    BareCr,
    /// LF without CR (RFC 9112 section 2.2 lets us accept it; parsers that differ in that are how requests are smuggled).
    BareLf,
    /// NUL or another control character except a tab (RFC 9110 section 5.5).
    Control,
}

impl LineFault {
    /// The fault in words; `too_long` says it for a line or a section that exceeds its limit.
    pub(super) fn reason(self, too_long: &'static str) -> &'static str {
        match self {
            LineFault::TooLong => too_long,
            LineFault::BareCr => "a carriage return without a line feed",
            LineFault::BareLf => "a line feed without a carriage return",
            LineFault::Control => "a control character",
        }
    }
}

impl LineScanner {
    /// Where the next line begins.
    pub(super) fn line_start(&self) -> usize {
        self.start
    }

    /// The next line without its CR LF, or `None` when it isn't complete.
    ///
    /// `bytes` begin with the same bytes in every call. The line's CR LF must end at `end_max` at the latest; nothing
    /// beyond is looked at, so that the verdict is the same however many bytes have arrived.
    pub(super) fn next_line(
        &mut self,
        bytes: &[u8],
        end_max: usize,
    ) -> Result<Option<Range<usize>>, LineFault> {
        let window = &bytes[..bytes.len().min(end_max)];
        loop {
            let Some(offset) = first_control(window.get(self.position..).unwrap_or_default()) else {
                self.position = window.len();
                return self.unfinished(window, end_max);
            };
            self.position += offset;
            match (window[self.position], window.get(self.position + 1)) {
                (b'\t', _) => self.position += 1,
                (b'\r', Some(b'\n')) => {
                    let line = self.start..self.position;
                    self.position += 2;
                    self.start = self.position;
                    return Ok(Some(line));
                }
                (b'\r', None) => return self.unfinished(window, end_max),
                (b'\r', Some(_)) => return Err(LineFault::BareCr),
                (b'\n', _) => return Err(LineFault::BareLf),
                _ => return Err(LineFault::Control),
            }
        }
    }

    fn unfinished(self, window: &[u8], end_max: usize) -> Result<Option<Range<usize>>, LineFault> {
        if window.len() >= end_max { Err(LineFault::TooLong) } else { Ok(None) }
    }
}

/// The index of the first control character (below 0x20, or 0x7F).
pub(super) fn first_control(bytes: &[u8]) -> Option<usize> {
    swar::position(bytes, |word| swar::below(word, 0x20) | swar::equal(word, 0x7F), u8::is_ascii_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that `bytes` hold, whole and byte by byte.
    fn check(bytes: &[u8], end_max: usize, expected: Result<&[&str], LineFault>) {
        let expected = expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
        for step in [1, bytes.len().max(1)] {
            let mut scanner = LineScanner::default();
            let mut lines: Vec<String> = Vec::new();
            let mut fault = None;
            for end in (step..=bytes.len()).step_by(step) {
                loop {
                    match scanner.next_line(&bytes[..end], end_max) {
                        Ok(Some(line)) => lines.push(String::from_utf8_lossy(&bytes[line]).into_owned()),
                        Ok(None) => break,
                        Err(found) => {
                            fault = Some(found);
                            break;
                        }
                    }
                }
                assert!(
                    fault.is_some() || scanner.position + 1 >= end,
                    "looked at {} of {end}",
                    scanner.position
                );
                if fault.is_some() {
                    break;
                }
            }
            assert_eq!(
                fault.map_or(Ok(lines), Err),
                expected,
                "{:?} by {step}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn a_line_ends_in_crlf_and_has_no_controls() {
        check(b"", 64, Ok(&[]));
        check(b"a", 64, Ok(&[]));
        check(b"a\r", 64, Ok(&[]));
        check(b"a\r\n", 64, Ok(&["a"]));
        check(b"a\tb\r\n\r\nrest", 64, Ok(&["a\tb", ""]));
        check(b"a\nb\r\n", 64, Err(LineFault::BareLf));
        check(b"a\rb\r\n", 64, Err(LineFault::BareCr));
        check(b"a\r\r\n", 64, Err(LineFault::BareCr));
        check(b"a\0b\r\n", 64, Err(LineFault::Control));
        check(b"0123456789ab\x7fb\r\n", 64, Err(LineFault::Control));
        check("déjà vu déjà vu\r\n".as_bytes(), 64, Ok(&["déjà vu déjà vu"]));
    }

    #[test]
    fn the_limit_counts_the_line_end() {
        check(b"abc\r\n", 5, Err(LineFault::TooLong)); // the next line would have to end at 5 too
        check(b"abc\r\n", 6, Ok(&["abc"]));
        check(b"abcd\r\n", 5, Err(LineFault::TooLong));
        check(b"abcd\0", 4, Err(LineFault::TooLong));
        check(b"abc\0", 4, Err(LineFault::Control));
    }

    #[test]
    fn the_first_control_is_found_at_every_place() {
        for control in (0..=255u8).filter(u8::is_ascii_control) {
            for place in 0..24 {
                let mut bytes = [b'~'; 24];
                bytes[place] = control;
                for (index, filler) in bytes.iter_mut().enumerate().filter(|(index, _)| *index != place) {
                    *filler = [b' ', 0x80, 0xFF, b'!'][index % 4];
                }
                assert_eq!(first_control(&bytes), Some(place), "{control:#x}");
            }
        }
        let no_control: Vec<u8> = (0..=255u8).filter(|byte| !byte.is_ascii_control()).collect();
        assert_eq!(first_control(&no_control), None);
    }
}
