//! Taking bytes from the front of a frame, and noting what they are.

use super::{Part, hex};
use crate::transcode::cut;

/// What was noted of a frame so far.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(super) parts: Vec<Part>,
    pub(super) faults: Vec<String>,
}

/// Something ended too early. That it did is noted.
#[derive(Debug)]
pub(super) struct CutShort;

pub(super) type Noted<T = ()> = Result<T, CutShort>;

impl<'a> Notes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, parts: Vec::new(), faults: Vec::new() }
    }

    /// For what has no bytes here.
    pub(super) fn at_end(bytes: &'a [u8]) -> Self {
        Self { at: bytes.len(), ..Self::new(bytes) }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// What was not taken yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Takes so many bytes, and notes what `meaning` says of them.
    pub(super) fn take(
        &mut self,
        size: usize,
        depth: usize,
        name: &str,
        meaning: impl FnOnce(&[u8]) -> String,
    ) -> Noted<&'a [u8]> {
        let Some(taken) = self.rest().get(..size) else {
            self.unknown("cut short");
            self.faults.push(format!("it ends within {name}"));
            return Err(CutShort);
        };
        self.note(size, depth, name, &meaning(taken));
        Ok(taken)
    }

    /// Takes a number of 1, 2, 4 or 8 bytes.
    pub(super) fn number(
        &mut self,
        size: usize,
        name: &str,
        meaning: impl FnOnce(u64) -> String,
    ) -> Noted<u64> {
        let taken = self.take(size, 0, name, |bytes| meaning(number(bytes)))?;
        Ok(number(taken))
    }

    /// Notes bytes that are there, and goes past them.
    pub(super) fn note(&mut self, size: usize, depth: usize, name: &str, meaning: &str) {
        let at = self.at..self.at + size;
        self.at += size;
        self.parts.push(Part { at, depth, name: name.into(), meaning: cut(meaning), secret: false });
    }

    /// Notes the bytes that are left, if there are any.
    pub(super) fn unknown(&mut self, name: &str) {
        let left = self.rest();
        if !left.is_empty() {
            self.note(left.len(), 0, name, &format!("{} bytes", left.len()));
        }
    }

    /// Adds parts that were noted elsewhere, and goes past the bytes that they cover.
    pub(super) fn extend(&mut self, parts: Vec<Part>, covered: usize) {
        self.parts.extend(parts);
        self.at += covered;
    }

    /// Hides the last note.
    pub(super) fn hide(&mut self) {
        if let Some(part) = self.parts.last_mut() {
            part.secret = true;
        }
    }

    pub(super) fn fault(&mut self, words: impl Into<String>) {
        self.faults.push(words.into());
    }
}

/// A number, big end first.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Text as it is shown; bytes that are none as hexadecimal.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("no UTF-8: {}", hex(bytes)),
    }
}

/// A time of so many microseconds.
pub(super) fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{:03} ms", us / 1_000, us % 1_000),
        _ => format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000),
    }
}
