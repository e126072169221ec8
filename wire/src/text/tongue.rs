//! Which language a connection speaks, by its first line at the latest (SPEC.md 17.1).

use super::command::Verb;
use crate::header::PREFACE;
use crate::limits::HTTP_REQUEST_LINE_BYTES_MAX;

/// A language that a port speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    /// The binary protocol.
    Rpc,
    /// HTTP/1.1, whose parser has words for what is none either.
    Http,
    /// Lines of text.
    Text,
}

/// The methods of HTTP (RFC 9110 section 9, RFC 5789) that no command is called like. `TRACE` is both.
const HTTP_METHODS: [&[u8]; 8] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"PATCH"];

/// The language of a connection that begins with these bytes; `None` while they leave it open. Where `ended`, nothing follows them.
#[must_use]
pub fn tell(input: &[u8], ended: bool) -> Option<Tongue> {
    if input.first() == Some(&PREFACE[0]) {
        return Some(Tongue::Rpc);
    }
    // Empty lines belong to no language: people press the return key, and RFC 9112 section 2.2 has servers overlook one.
    let empty = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if empty > HTTP_REQUEST_LINE_BYTES_MAX {
        return Some(Tongue::Http);
    }
    let begun = &input[empty..];
    let end = begun.iter().position(|byte| *byte == b'\n');
    let line = &begun[..end.unwrap_or(begun.len())];
    let line_is_whole = end.is_some() || ended;
    let word_end = line.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    let word = &line[..word_end.unwrap_or(line.len())];
    if !word.iter().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return Some(Tongue::Http);
    }
    if word_end.is_some() || line_is_whole {
        if HTTP_METHODS.contains(&word) {
            return Some(Tongue::Http);
        }
        if Verb::named(word).is_some_and(|verb| verb != Verb::Trace) {
            return Some(Tongue::Text);
        }
    }
    // However the bytes were cut.
    if line.len() > HTTP_REQUEST_LINE_BYTES_MAX {
        return Some(Tongue::Http);
    }
    match line_is_whole {
        true if input.is_empty() => None,
        true if names_http(line) || line.trim_ascii().is_empty() => Some(Tongue::Http),
        true => Some(Tongue::Text),
        false => None,
    }
}

/// Whether a line names HTTP, as each request of it does, and many a broken one.
fn names_http(line: &[u8]) -> bool {
    line.windows(5).any(|part| part.eq_ignore_ascii_case(b"HTTP/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RPC: Option<Tongue> = Some(Tongue::Rpc);
    const HTTP: Option<Tongue> = Some(Tongue::Http);
    const TEXT: Option<Tongue> = Some(Tongue::Text);

    #[test]
    fn the_first_line_tells_and_nothing_but_it() {
        let whole = [
            ("\u{89}", HTTP),
            ("GET / HTTP/1.1\r\n", HTTP),
            ("GET /", HTTP),
            ("FOO / HTTP/1.1\r\n", HTTP),
            ("get / HTTP/1.0\n", HTTP),
            ("GET/HTTP/1.1\r\n", HTTP),
            ("get / http/1.1 x\r\n", HTTP),
            ("/ HTTP/2\r\n", HTTP),
            ("\r\n\r\nPOST /a", HTTP),
            ("TRACE / HTTP/1.1\r\n", HTTP),
            ("TRACE on\r\n", TEXT),
            ("trace\n", TEXT),
            ("HELP\r\n", TEXT),
            ("help ", TEXT),
            ("\n\nhelp\n", TEXT),
            ("call product.query {\"a\":\" HTTP/1.1\n", TEXT),
            ("hello?\n", TEXT),
            ("GET\n", HTTP),
            ("get\n", TEXT),
            ("{}\n", TEXT),
            (" help\n", TEXT),
            (" \t\r\n", HTTP),
            ("\u{1}\u{2}", HTTP),
            ("Gr\u{fc}ezi", HTTP),
            ("HELP", None),
            ("GET", None),
            ("TRACE o", None),
            ("hello there", None),
            ("\r\n", None),
            ("", None),
        ];
        for (input, told) in whole {
            assert_eq!(tell(input.as_bytes(), false), told, "{input:?}");
        }
        assert_eq!(tell(&PREFACE[..1], false), RPC);
    }

    #[test]
    fn the_end_of_the_input_ends_its_line() {
        for (input, told) in [
            ("HELP", TEXT),
            ("GET", HTTP),
            ("GE", TEXT),
            ("TRACE / HTTP/1.1", HTTP),
            ("\r\n", HTTP),
            ("", None),
        ] {
            assert_eq!(tell(input.as_bytes(), true), told, "{input:?}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_to_tell_is_http() {
        let long = "a ".repeat(HTTP_REQUEST_LINE_BYTES_MAX / 2);
        assert_eq!(tell(long.as_bytes(), false), None);
        assert_eq!(tell(format!("{long}b").as_bytes(), false), HTTP);
        assert_eq!(tell(format!("{long}b\n").as_bytes(), false), HTTP);
        assert_eq!(tell(format!("help {long}b").as_bytes(), false), TEXT);
        assert_eq!(tell(&b"\n".repeat(HTTP_REQUEST_LINE_BYTES_MAX + 1), false), HTTP);
    }

    /// Whatever is decided early is what the whole line would have decided.
    #[test]
    fn more_bytes_change_nothing() {
        for input in
            ["GET / HTTP/1.1\r\n", "TRACE / HTTP/1.1\r\n", "HELP HTTP/1.1\n", "trace on\r\n", "x y z\n"]
        {
            let told: Vec<_> =
                (0..=input.len()).filter_map(|to| tell(&input.as_bytes()[..to], false)).collect();
            assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{input:?}: {told:?}");
        }
    }
}
