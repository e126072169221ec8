//! Lines of text: the language and the lines depend on the bytes alone, not on how they were cut, and answers stay in their form.

use bytes::BytesMut;
use micronet_wire::limits::{HTTP_REQUEST_LINE_BYTES_MAX, TEXT_LINE_BYTES_MAX};
use micronet_wire::text::{Command, Line, Lines, TooLong, Writer, put_help, tell};

use crate::driver::{saw, saw_words};

pub(crate) const WORDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\x89",
    b"\xff",
    b"HELP ",
    b"METHODS",
    b"SCHEMA ",
    b"CALL a.b {}",
    b"STREAM a ",
    b"DEADLINE 500ms",
    b"TOKEN t",
    b"AUTH t",
    b"TRACE on",
    b"TRACE / HTTP/1.1",
    b"QUIT",
    b"GET / HTTP/1.1",
    b" HTTP/1.0\r\n",
];

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let all: [&[u8]; 6] = [
        b"\x00HELP\nMETHODS\nQUIT\n",
        b"\x03call product.query {\"name\":\"Tux\"}\r\nledger\r\n",
        b"\x01GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x07\r\n\r\nTRACE on\nDEADLINE 500ms\nTOKEN a-b\nAUTH x\nHLEP",
        b"\x02TRACE / HTTP/1.1\r\n",
        b"\x10hello there\n\x01\x02\n",
    ];
    all.iter().map(|seed| seed.to_vec()).collect()
}

/// Prefixes of an input that are looked at.
const PREFIXES_MAX: usize = 32;

/// The first byte says in which pieces the others come.
pub(crate) fn check(input: &[u8]) {
    let Some((&piece, bytes)) = input.split_first() else { return };
    let piece = usize::from(piece) + 1;
    check_tongue(bytes, piece);
    let whole = lines(bytes, usize::MAX);
    assert_eq!(whole, lines(bytes, piece), "in other pieces");
    for line in whole.iter().flatten() {
        check_line(line);
    }
}

/// What a prefix decides, no byte after it changes.
fn check_tongue(bytes: &[u8], piece: usize) {
    let whole = tell(bytes, true);
    saw(whole.map(|tongue| tongue as u8));
    // Each prefix is looked at as a whole.
    for to in (0..bytes.len()).step_by(piece.max(bytes.len() / PREFIXES_MAX + 1)) {
        if let Some(told) = tell(&bytes[..to], false) {
            assert_eq!(Some(told), tell(bytes, false), "after {to} bytes");
            assert_eq!(Some(told), whole, "after {to} bytes");
        } else {
            assert!(to <= 2 * HTTP_REQUEST_LINE_BYTES_MAX + 2, "undecided after {to} bytes");
        }
    }
}

/// All lines, and how they ended.
fn lines(bytes: &[u8], piece: usize) -> Vec<Result<Line, TooLong>> {
    let (mut reader, mut input, mut found) = (Lines::default(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece.min(bytes.len().max(1))) {
        input.extend_from_slice(piece);
        loop {
            let (has_next, next) = (reader.has_next(&input), reader.next(&mut input, false));
            assert_eq!(has_next && next.is_ok(), matches!(next, Ok(Some(_))));
            match next {
                Ok(Some(line)) => found.push(Ok(line)),
                Ok(None) => break,
                Err(error) => {
                    found.push(Err(error));
                    return found;
                }
            }
        }
    }
    while let Ok(Some(line)) = reader.next(&mut input, true) {
        found.push(Ok(line));
    }
    found
}

fn check_line(line: &Line) {
    assert!(line.text.len() <= TEXT_LINE_BYTES_MAX && !line.text.contains(&b'\n'));
    let (writer, mut out) = (Writer { crlf: line.crlf }, BytesMut::new());
    match Command::parse(&line.text) {
        Ok(None) => return,
        Ok(Some(Command::Help(about))) => put_help(writer, &mut out, about),
        Ok(Some(command)) => {
            saw(command.verb().name());
            writer.ok(&mut out, command.verb().name());
            writer.line(&mut out, |out| out.extend_from_slice(&line.text));
        }
        Err(mistake) => {
            saw_words(&mistake.words);
            assert!(mistake.code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'));
            writer.err(&mut out, mistake.code, &mistake.words);
        }
    }
    writer.end(&mut out);
    // An answer is lines that aren't empty, and an empty one.
    let end = if line.crlf { "\r\n" } else { "\n" };
    let text = String::from_utf8_lossy(&out).into_owned();
    let body = text.strip_suffix(&format!("{end}{end}")).unwrap_or_else(|| panic!("{text:?}"));
    assert!(body.split(end).all(|line| !line.is_empty() && !line.contains(['\n', '\r'])), "{text:?}");
    assert!(body.starts_with("+OK ") || body.starts_with("-ERR "), "{text:?}");
}
