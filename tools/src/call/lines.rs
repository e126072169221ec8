//! Lines of requests as they come, read by a thread of its own.

use std::io::{self, BufRead, Read as _};

use micronet_wire::limits::JSON_MESSAGE_BYTES_MAX;
use tokio::sync::mpsc;

use crate::error::CommandError;

/// Lines that are read ahead.
const AHEAD: usize = 64;

/// A line and its number, from 1.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) text: Vec<u8>,
}

/// The lines of a file or of stdin; empty ones are passed over.
#[derive(Debug)]
pub(super) struct Lines(mpsc::Receiver<Result<Line, CommandError>>);

impl Lines {
    /// Begins to read.
    pub(super) fn read(mut from: impl BufRead + Send + 'static) -> Self {
        let (lines, next) = mpsc::channel(AHEAD);
        std::thread::spawn(move || {
            for number in 1.. {
                let line = match read_line(&mut from) {
                    Ok(None) => return,
                    Ok(Some(text)) if text.iter().all(u8::is_ascii_whitespace) => continue,
                    Ok(Some(text)) => Ok(Line { number, text }),
                    Err(error) => Err(CommandError::new(format!("line {number} can't be read: {error}"))),
                };
                let is_last = line.is_err();
                if lines.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        });
        Self(next)
    }

    /// The next line, or why there is none; `None` after the last one.
    pub(super) async fn next(&mut self) -> Option<Result<Line, CommandError>> {
        self.0.recv().await
    }
}

/// A line of at most what a request may have.
fn read_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = JSON_MESSAGE_BYTES_MAX as u64 + 1;
    let read = from.take(limit).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == limit {
        return Err(io::Error::other(format!("it is longer than {JSON_MESSAGE_BYTES_MAX} bytes")));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Result<(u64, &str), &str>]) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut lines = Lines::read(io::Cursor::new(text.to_owned()));
        let mut next = || runtime.block_on(lines.next());
        for expected in expected {
            match (next().expect("a line"), expected) {
                (Ok(line), Ok((number, text))) => {
                    assert_eq!((line.number, &line.text[..]), (*number, text.as_bytes()));
                }
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (line, expected) => panic!("{line:?} is not {expected:?}"),
            }
        }
        assert!(next().is_none());
    }

    #[test]
    fn lines_have_numbers_and_empty_ones_are_passed_over() {
        check("", &[]);
        check("a\n", &[Ok((1, "a"))]);
        check("a\n\n  \nb", &[Ok((1, "a")), Ok((4, "b"))]);
        let longest = "x".repeat(JSON_MESSAGE_BYTES_MAX);
        check(&format!("{longest}\nb\n"), &[Ok((1, &longest)), Ok((2, "b"))]);
        check(
            &format!("a\nx{longest}\nb\n"),
            &[Ok((1, "a")), Err("line 2 can't be read: it is longer than")],
        );
    }
}
