//! The corpus of HTTP requests against the parser itself: each case whole, cut in two at every place, and byte by byte; and with each of
//! those small changes that must not go unnoticed.

use bytes::BytesMut;
use micronet_tests::http_corpus::{self, Answered, Case, Next, Verdict, agree, cases, shown};
use micronet_wire::http1::{HttpDate, HttpError, Method, Phase, ServerConnection, Status};
use micronet_wire::limits::HTTP_BODY_BYTES_MAX;

/// Longer cases are cut at some places only.
const CUT_EVERYWHERE_BYTES_MAX: usize = 1_500;

/// A server that echoes, as the corpus says.
#[derive(Default)]
struct Echo {
    connection: ServerConnection,
    input: BytesMut,
    output: BytesMut,
    method: Option<Method>,
    heads: Vec<bool>,
}

impl Echo {
    fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Verdict {
        let mut echo = Self::default();
        for piece in pieces {
            echo.input.extend_from_slice(piece);
            while let Err(error) = echo.turn() {
                echo.answer(error.status, error.reason.as_bytes());
            }
        }
        let next = match echo.connection.phase() {
            Phase::Closed => Next::Close,
            Phase::Idle => Next::Open,
            _ => Next::More,
        };
        let answers = http_corpus::answers(&echo.output, |at| echo.heads.get(at).is_some_and(|is| *is));
        Verdict { answers: answers.unwrap_or_else(|why| panic!("{why}")), next }
    }

    fn turn(&mut self) -> Result<(), HttpError> {
        loop {
            if let Some(head) = self.connection.poll_head(&mut self.input)? {
                self.method = Some(head.method());
                let before = self.output.len();
                self.connection.accept_body(&mut self.output, HTTP_BODY_BYTES_MAX as u64)?;
                if self.output.len() > before {
                    self.heads.push(false);
                }
            }
            let Some(body) = self.connection.poll_body(&mut self.input)? else { return Ok(()) };
            let status = match self.method {
                Some(Method::Get | Method::Head | Method::Post | Method::Put | Method::Patch) => Status::OK,
                Some(Method::Options) => Status::NO_CONTENT,
                Some(Method::Extension) => Status::NOT_IMPLEMENTED,
                _ => Status::METHOD_NOT_ALLOWED,
            };
            self.answer(status, &body);
        }
    }

    fn answer(&mut self, status: Status, body: &[u8]) {
        let before = self.output.len();
        let date = HttpDate::from_unix_s(0);
        let mut response = self.connection.respond(&mut self.output, status, &date).unwrap();
        response.header("Allow", "GET").unwrap();
        response.body(body);
        self.heads.push(head(&self.output[before..]).len() == self.output.len() - before);
        self.method = None;
    }
}

fn check(case: &Case, how: &str, found: &Verdict) {
    let Case { line, bytes, verdict } = case;
    assert!(
        found.next == verdict.next && agree(&found.answers, &verdict.answers),
        "line {line}, {how}: {}\nfound {found:?}\ninstead of {verdict:?}",
        shown(bytes)
    );
    for (found, expected) in found.answers.iter().zip(&verdict.answers) {
        let has_content = found.body.as_ref().is_some_and(|body| !body.is_empty());
        assert!(!(expected.is_head && has_content), "line {line}, {how}: an answer to HEAD has content");
    }
}

#[test]
fn requests_get_the_same_verdict_however_they_are_cut() {
    let cases = cases();
    assert!(cases.len() >= 600, "{} cases", cases.len());
    for case in &cases {
        let bytes = &case.bytes[..];
        check(case, "whole", &Echo::serve([bytes]));
        let step = bytes.len() / CUT_EVERYWHERE_BYTES_MAX + 1;
        for at in (1..bytes.len()).step_by(step) {
            check(case, &format!("cut at {at}"), &Echo::serve([&bytes[..at], &bytes[at..]]));
        }
        check(case, "byte by byte", &Echo::serve(bytes.chunks(1)));
    }
}

/// Where the head of the first request is, empty lines before it included.
fn head(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    &bytes[..end.map_or(0, |end| end + 4)]
}

fn replaced(bytes: &[u8], at: usize, count: usize, with: &[u8]) -> Vec<u8> {
    [&bytes[..at], with, &bytes[at + count..]].concat()
}

/// What must not be taken for a request any more once it was changed so.
fn changed(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let head = head(bytes);
    let mut all = Vec::new();
    for at in 0..head.len() {
        for (name, byte) in [("NUL", 0), ("BEL", 7), ("VT", 11), ("DEL", 127), ("CR", b'\r'), ("LF", b'\n')] {
            // Before the last LF, another one is no part of the head.
            let harmless = byte == b'\n' && at + 1 == head.len();
            if !harmless {
                all.push((format!("{name} at {at}"), replaced(bytes, at, 0, &[byte])));
            }
        }
        if head[at..].starts_with(b"\r\n") {
            all.push((format!("a bare LF at {at}"), replaced(bytes, at, 2, b"\n")));
            all.push((format!("a bare CR at {at}"), replaced(bytes, at, 2, b"\r")));
            if at > 0 && at + 2 < head.len() {
                all.push((format!("a fold at {at}"), replaced(bytes, at, 2, b"\r\n ")));
                all.push((format!("a line without a colon at {at}"), replaced(bytes, at, 2, b"\r\nx\r\n")));
            }
        }
    }
    let mut start = 0;
    for (count, line) in head.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_field = count > 0 && line.contains(&b':') && !line.starts_with(b"GET ");
        if let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|_| is_field) {
            all.push((
                format!("a space before the colon of line {count}"),
                replaced(bytes, start + colon, 0, b" "),
            ));
            all.push((
                format!("a tab before the colon of line {count}"),
                replaced(bytes, start + colon, 0, b"\t"),
            ));
            let name = line[..colon].to_ascii_lowercase();
            if [&b"host"[..], b"content-length", b"transfer-encoding"].contains(&&name[..]) {
                all.push((format!("line {count} twice"), replaced(bytes, start, 0, line)));
            }
        }
        start += line.len();
    }
    all
}

#[test]
fn no_change_of_a_head_goes_unnoticed() {
    let is_good = |answered: &Answered| matches!(answered.status, 100..=299);
    let mut count = 0;
    for case in cases() {
        let is_sound = case.verdict.next == Next::Open && case.verdict.answers.iter().all(is_good);
        if !is_sound || case.bytes.len() > CUT_EVERYWHERE_BYTES_MAX || head(&case.bytes).is_empty() {
            continue;
        }
        for (how, bytes) in changed(&case.bytes) {
            let found = Echo::serve([&bytes[..]]);
            assert!(
                !found.answers.iter().any(is_good),
                "line {}, {how}, is taken for a request: {}\n{found:?}",
                case.line,
                shown(&bytes)
            );
            assert_eq!(Echo::serve(bytes.chunks(1)), found, "line {}, {how}: {}", case.line, shown(&bytes));
            count += 1;
        }
    }
    assert!(count > 10_000, "{count} changes");
}
