//! Answers (SPEC.md 17.4): a line that says how it went, lines of JSON, and an empty line.

use std::fmt::{self, Write};

use bytes::BytesMut;

/// The most bytes of words on one line.
const WORDS_BYTES_MAX: usize = 2048;

/// Writes answers, whose lines end as the lines do that they answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Writer {
    /// Whether lines end in CR LF.
    pub crlf: bool,
}

impl Writer {
    /// It went well.
    pub fn ok(self, out: &mut BytesMut, words: impl fmt::Display) {
        self.status(out, "+OK ", words);
    }

    /// It went wrong, by a code of capitals and underscores.
    pub fn err(self, out: &mut BytesMut, code: &str, words: impl fmt::Display) {
        self.status(out, "-ERR ", format_args!("{code} {words}"));
    }

    /// A stream of messages was over.
    pub fn over(self, out: &mut BytesMut, words: impl fmt::Display) {
        self.status(out, "+END ", words);
    }

    /// Something for people, which programs pass over.
    pub fn note(self, out: &mut BytesMut, words: impl fmt::Display) {
        self.status(out, "# ", words);
    }

    /// A line of JSON, or of help: `put` writes it. What would end the line becomes a space, which JSON has nowhere but between its tokens.
    pub fn line(self, out: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) {
        let start = out.len();
        put(out);
        out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        self.end_line(out);
    }

    /// Nothing more belongs to the answer.
    pub fn end(self, out: &mut BytesMut) {
        self.end_line(out);
    }

    fn status(self, out: &mut BytesMut, sign: &str, words: impl fmt::Display) {
        out.extend_from_slice(sign.as_bytes());
        // A buffer takes whatever is written.
        let _ = write!(Words { out, left: WORDS_BYTES_MAX }, "{words}");
        let length = out.trim_ascii_end().len();
        out.truncate(length);
        self.end_line(out);
    }

    fn end_line(self, out: &mut BytesMut) {
        out.extend_from_slice(if self.crlf { b"\r\n" } else { b"\n" });
    }
}

/// Words on one line: what peers or services put into them can't begin another one, nor speak to a terminal.
struct Words<'o> {
    out: &'o mut BytesMut,
    left: usize,
}

impl Write for Words<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let shown = if character.is_control() { ' ' } else { character };
            if shown.len_utf8() > self.left {
                self.left = 0;
                return Ok(());
            }
            self.left -= shown.len_utf8();
            self.out.extend_from_slice(shown.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_as_its_line_did() {
        for (crlf, end) in [(false, "\n"), (true, "\r\n")] {
            let (writer, mut out) = (Writer { crlf }, BytesMut::new());
            writer.ok(&mut out, "yes");
            writer.line(&mut out, |out| out.extend_from_slice(b"{\"a\":\n1}"));
            writer.note(&mut out, "took 3 us");
            writer.over(&mut out, "1 message");
            writer.end(&mut out);
            writer.err(&mut out, "BAD_REQUEST", "no");
            writer.end(&mut out);
            let wanted =
                ["+OK yes", "{\"a\": 1}", "# took 3 us", "+END 1 message", "", "-ERR BAD_REQUEST no", "", ""];
            assert_eq!(String::from_utf8_lossy(&out), wanted.join(end));
        }
    }

    #[test]
    fn words_stay_on_their_line() {
        let (writer, mut out) = (Writer::default(), BytesMut::new());
        writer.err(&mut out, "INTERNAL", "a\r\n+OK b\u{1b}[31m");
        assert_eq!(&out[..], b"-ERR INTERNAL a  +OK b [31m\n");
        out.clear();
        writer.ok(&mut out, "\u{e9}".repeat(WORDS_BYTES_MAX));
        assert!(out.len() <= WORDS_BYTES_MAX + 5 && std::str::from_utf8(&out).is_ok());
    }
}
