//! The project's own corpus of HTTP requests, `tests/corpus/http1.txt`, which says how it is written; and a strict reading of what a
//! server answered, which shares no code with the program.

use crate::spec;

/// A request, or several, or what is none; and what a server has to make of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// The line of the file.
    pub line: usize,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// What comes back.
    pub verdict: Verdict,
}

/// What a server makes of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The answers, in order.
    pub answers: Vec<Answered>,
    /// What it does next.
    pub next: Next,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its body, where it is known.
    pub body: Option<Vec<u8>>,
    /// Whether it answers HEAD.
    pub is_head: bool,
}

/// What a server does after its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Next {
    /// It takes the next request.
    #[default]
    Open,
    /// It waits for the rest of a request.
    More,
    /// It ends the connection.
    Close,
}

/// All cases.
///
/// # Panics
/// When the file is not written as it says.
#[must_use]
pub fn cases() -> Vec<Case> {
    let text = spec::read("tests/corpus/http1.txt");
    let (mut template, mut cases) = ("{}", Vec::new());
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() || line == "#" || line.starts_with("# ") {
            continue;
        }
        if let Some(next) = line.strip_prefix("* ") {
            template = next;
            continue;
        }
        let line_number = at + 1;
        let (sent, verdict) = match line.strip_prefix("=> ") {
            Some(verdict) => ("", verdict),
            None => line.rsplit_once(" => ").unwrap_or_else(|| panic!("line {line_number} has no verdict")),
        };
        cases.push(Case {
            line: line_number,
            bytes: bytes(&template.replacen("{}", sent, 1)),
            verdict: parse_verdict(verdict),
        });
    }
    cases
}

/// The bytes that a text stands for.
fn bytes(text: &str) -> Vec<u8> {
    let Some((before, rest)) = text.split_once("{{") else { return unescaped(text) };
    let (repeated, after) = rest.split_once("}}").expect("{{ has its }}");
    let (repeated, times) = repeated.rsplit_once('*').expect("{{TEXT*N}}");
    let times = times.parse().expect("a number of times");
    [unescaped(before), unescaped(repeated).repeat(times), bytes(after)].concat()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b't') => b'\t',
                Some(b's') => b' ',
                Some(b'0') => 0,
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits =
                        [rest.next(), rest.next()].map(|digit| char::from(digit.expect("two digits")));
                    let digits: String = digits.iter().collect();
                    u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
                }
                other => panic!("an escape that isn't known: {other:?} in {text}"),
            },
            byte => byte,
        });
    }
    bytes
}

fn parse_verdict(text: &str) -> Verdict {
    let (mut verdict, mut rest) = (Verdict::default(), text);
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (body, after) = quoted.split_once('"').expect("a quote ends");
            verdict.answers.last_mut().expect("an answer before its body").body = Some(unescaped(body));
            rest = after.trim_start();
            continue;
        }
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        match word {
            "close" => verdict.next = Next::Close,
            "more" => verdict.next = Next::More,
            "head" => verdict.answers.last_mut().expect("an answer before `head`").is_head = true,
            status => {
                let status = status.parse().unwrap_or_else(|_| panic!("{status:?} is no status: {text}"));
                verdict.answers.push(Answered { status, body: None, is_head: false });
            }
        }
    }
    verdict
}

/// Reads what a server has sent until it closed the connection: answers, of which the ones at these places answer HEAD. Each has to be
/// framed as RFC 9112 wants.
///
/// # Errors
/// What is wrong with them.
pub fn answers(mut bytes: &[u8], is_head: impl Fn(usize) -> bool) -> Result<Vec<Answered>, String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let is_head = is_head(answers.len());
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("a head without an end")?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
        bytes = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.ok_or_else(|| format!("a status line: {status_line:?}"))?;
        let fields: Vec<(String, &str)> = lines
            .map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value)))
            .collect::<Option<_>>()
            .ok_or_else(|| format!("a field line: {head:?}"))?;
        let mut lengths = fields.iter().filter(|(name, _)| name == "content-length");
        let length =
            lengths.next().map(|(_, value)| value.parse::<usize>().map_err(|_| format!("{value:?}")));
        let length = length.transpose()?;
        if lengths.next().is_some() || fields.iter().any(|(name, _)| name == "transfer-encoding") {
            return Err(format!("framed twice: {head:?}"));
        }
        let has_content = status >= 200 && !matches!(status, 204 | 304);
        if has_content != length.is_some() {
            return Err(format!("a length where none belongs, or none: {head:?}"));
        }
        if status >= 200 && fields.iter().filter(|(name, _)| name == "date").count() != 1 {
            return Err(format!("no date: {head:?}"));
        }
        if status == 405 && !fields.iter().any(|(name, _)| name == "allow") {
            return Err(format!("405 without Allow: {head:?}"));
        }
        let length = if is_head { 0 } else { length.unwrap_or(0) };
        let body = bytes.get(..length).ok_or_else(|| format!("a body that is cut: {head:?}"))?;
        bytes = &bytes[length..];
        answers.push(Answered { status, body: Some(body.to_vec()), is_head });
    }
    Ok(answers)
}

/// Whether the answers are those that are expected, as far as the corpus says.
#[must_use]
pub fn agree(found: &[Answered], expected: &[Answered]) -> bool {
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            found.status == expected.status && (expected.body.is_none() || expected.body == found.body)
        })
}

/// Bytes as a person can read them, the beginning of many.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    let more = if bytes.len() > 400 { "…" } else { "" };
    format!("{}{more}", bytes[..bytes.len().min(400)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_read() {
        let verdict = parse_verdict("100 200 \"a\\r b\" 405 head close");
        let answered = |status, body: Option<&[u8]>, is_head| Answered {
            status,
            body: body.map(<[u8]>::to_vec),
            is_head,
        };
        let answers =
            vec![answered(100, None, false), answered(200, Some(b"a\r b"), false), answered(405, None, true)];
        assert_eq!(verdict, Verdict { answers, next: Next::Close });
        assert_eq!(parse_verdict("more"), Verdict { answers: vec![], next: Next::More });
        assert_eq!(bytes("a\\x00{{b\\r*2}}c"), b"a\0b\rb\rc");
    }

    #[test]
    fn what_is_not_framed_is_no_answer() {
        let date = "Date: Sat, 21 Nov 2026 20:00:00 GMT";
        let read = |text: String| answers(text.as_bytes(), |_| false);
        let good = format!(
            "HTTP/1.1 200 OK\r\n{date}\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 204 \r\n{date}\r\n\r\n"
        );
        assert_eq!(read(good).unwrap().iter().map(|each| each.status).collect::<Vec<_>>(), [200, 204]);
        for bad in [
            format!("HTTP/1.1 200 OK\r\n{date}\r\n\r\nhi"),
            format!("HTTP/1.1 200 OK\r\n{date}\r\nContent-Length: 3\r\n\r\nhi"),
            format!("HTTP/1.1 204 No\r\n{date}\r\nContent-Length: 0\r\n\r\n"),
            format!("HTTP/1.1 405 No\r\n{date}\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\n{date}\r\nContent-Length: 0\r\n\r\nx"),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
