//! One direction of a TCP connection, put in order: what was sent again is dropped, what came early waits.

use std::collections::BTreeMap;

/// Bytes that wait for what is missing before them; with more than that, it is taken for lost.
const EARLY_BYTES_MAX: usize = 4 << 20;

/// Where a direction stands.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The sequence number of the next byte; none before anything was seen.
    next: Option<u32>,
    /// What came early, by how far it is ahead.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
    /// How many bytes were passed on, from which `early` is counted.
    passed: u64,
}

/// What is next in a direction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Bytes(Vec<u8>),
    /// So many bytes are not in the capture.
    Lost(u64),
}

impl Stream {
    /// A connection begins: the byte after this number is its first.
    pub(super) fn begin(&mut self, sequence: u32) {
        *self = Self { next: Some(sequence.wrapping_add(1)), ..Self::default() };
    }

    /// Takes a segment, and gives what is in order by now.
    pub(super) fn take(&mut self, sequence: u32, payload: &[u8]) -> Vec<Next> {
        if payload.is_empty() {
            return Vec::new();
        }
        let next = *self.next.get_or_insert(sequence);
        let ahead = i64::from(sequence.wrapping_sub(next).cast_signed());
        let Ok(ahead) = u64::try_from(ahead) else {
            // Some of it, or all, was there before.
            let known = usize::try_from(ahead.unsigned_abs()).unwrap_or(usize::MAX);
            return match payload.get(known..) {
                Some(fresh) if !fresh.is_empty() => self.take(next, fresh),
                _ => Vec::new(),
            };
        };
        let at = self.passed + ahead;
        if self.early.get(&at).is_none_or(|known| known.len() < payload.len()) {
            let before = self.early.insert(at, payload.to_vec()).map_or(0, |known| known.len());
            self.early_bytes += payload.len() - before;
        }
        let mut found = self.in_order();
        if self.early_bytes > EARLY_BYTES_MAX {
            found.extend(self.give_up());
        }
        found
    }

    /// No more segments come, or what is missing won't: what there is after it.
    pub(super) fn give_up(&mut self) -> Vec<Next> {
        let mut found = Vec::new();
        while let Some(at) = self.early.keys().next().copied() {
            found.push(Next::Lost(at - self.passed));
            self.pass(at - self.passed);
            found.extend(self.in_order());
        }
        found
    }

    fn in_order(&mut self) -> Vec<Next> {
        let mut found = Vec::new();
        while let Some(entry) = self.early.first_entry().filter(|entry| *entry.key() <= self.passed) {
            let (at, bytes) = entry.remove_entry();
            self.early_bytes -= bytes.len();
            let known = usize::try_from(self.passed - at).unwrap_or(usize::MAX);
            if let Some(fresh) = bytes.get(known..).filter(|fresh| !fresh.is_empty()) {
                self.pass(fresh.len() as u64);
                found.push(Next::Bytes(fresh.to_vec()));
            }
        }
        found
    }

    fn pass(&mut self, bytes: u64) {
        self.passed += bytes;
        // Sequence numbers start again at 0 after 2^32.
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers are counted modulo 2^32")]
        let step = bytes as u32;
        self.next = self.next.map(|next| next.wrapping_add(step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: &[Next]) -> String {
        let one = |next: &Next| match next {
            Next::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Next::Lost(bytes) => format!("[{bytes}]"),
        };
        found.iter().map(one).collect()
    }

    #[test]
    fn segments_are_put_in_order() {
        let mut stream = Stream::default();
        stream.begin(u32::MAX - 3);
        let mut got = String::new();
        // The numbers start again at 0 after the second byte; "de" and "h" come late, "c" and "fgh" twice.
        let segments: [(u32, &[u8]); 7] = [
            (u32::MAX - 2, b"ab"),
            (u32::MAX, b"c"),
            (3, b"fg"),
            (u32::MAX, b"c"),
            (0, b"deX"),
            (3, b"fgh"),
            (u32::MAX, b"cdeXfghi"),
        ];
        for (sequence, payload) in segments {
            got += &text(&stream.take(sequence, payload));
        }
        assert_eq!(got, "abcdeXfghi");
        assert_eq!(stream.give_up(), []);
    }

    #[test]
    fn what_is_lost_is_said_to_be() {
        let mut stream = Stream::default();
        assert_eq!(text(&stream.take(100, b"ab")), "ab");
        assert_eq!(text(&stream.take(105, b"fg")), "");
        assert_eq!(text(&stream.give_up()), "[3]fg");
        assert_eq!(text(&stream.take(107, b"h")), "h");
        // Nobody waits for ever.
        let mut last = Vec::new();
        for index in 0..5 {
            last = stream.take(109 + index * (1 << 20), &vec![b'x'; 1 << 20]);
        }
        assert_eq!(last.first(), Some(&Next::Lost(1)));
    }
}
