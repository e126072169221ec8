//! Records as bytes, the newest of them: what is oldest is forgotten when there is no room.
//!
//! They stand one behind the other in segments, each with its length before it, so that keeping one is copying it, and forgetting is
//! handing a segment on.

use std::collections::VecDeque;

use super::limits::SEGMENT_BYTES;

/// A ring of records.
#[derive(Debug)]
pub(super) struct Ring {
    bytes_max: usize,
    segments: VecDeque<Segment>,
    /// Until when, in nanoseconds, something was forgotten.
    forgotten_ns: Option<u64>,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    records: u64,
    /// When the last one of it ended, in nanoseconds.
    last_ns: u64,
}

/// What stands before a record.
const LENGTH_BYTES: usize = 4;

impl Ring {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, segments: VecDeque::new(), forgotten_ns: None }
    }

    /// Keeps a record that ended at `now`. One that is longer than a segment isn't kept.
    pub(super) fn keep(&mut self, now: u64, record: &[u8]) {
        let needed = record.len() + LENGTH_BYTES;
        if needed > SEGMENT_BYTES {
            return;
        }
        let has_room = |segment: &Segment| segment.bytes.len() + needed <= SEGMENT_BYTES;
        if !self.segments.back().is_some_and(has_room) {
            let next = self.next_segment();
            self.segments.push_back(next);
        }
        if let Some(segment) = self.segments.back_mut() {
            let length = u32::try_from(record.len()).unwrap_or(0);
            segment.bytes.extend_from_slice(&length.to_le_bytes());
            segment.bytes.extend_from_slice(record);
            segment.records += 1;
            segment.last_ns = now;
        }
    }

    fn next_segment(&mut self) -> Segment {
        let is_full = (self.segments.len() + 1) * SEGMENT_BYTES > self.bytes_max;
        let Some(mut oldest) = self.segments.pop_front_if(|_| is_full) else {
            return Segment { bytes: Vec::with_capacity(SEGMENT_BYTES), ..Segment::default() };
        };
        self.forgotten_ns = Some(oldest.last_ns);
        oldest.bytes.clear();
        oldest.records = 0;
        oldest
    }

    /// All records, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().flat_map(|segment| {
            let mut rest = &segment.bytes[..];
            std::iter::from_fn(move || {
                let (length, behind) = rest.split_first_chunk::<LENGTH_BYTES>()?;
                let (record, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                rest = behind;
                Some(record)
            })
        })
    }

    /// How many records there are, and the memory that they take.
    pub(super) fn size(&self) -> (u64, usize) {
        (self.segments.iter().map(|segment| segment.records).sum(), self.segments.len() * SEGMENT_BYTES)
    }

    /// Until when, in nanoseconds, something was forgotten; `None` where nothing was.
    pub(super) fn forgotten_ns(&self) -> Option<u64> {
        self.forgotten_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_within_the_bytes_allowed() {
        let mut ring = Ring::new(4 * SEGMENT_BYTES);
        for number in 0..10_000u64 {
            let mut record = number.to_le_bytes().to_vec();
            record.resize(100, 7);
            ring.keep(number, &record);
            assert!(ring.size().1 <= 4 * SEGMENT_BYTES);
        }
        let kept: Vec<u64> =
            ring.iter().map(|record| u64::from_le_bytes(record[..8].try_into().unwrap())).collect();
        assert_eq!(kept.len() as u64, ring.size().0);
        let first = 10_000 - kept.len() as u64;
        assert!(kept.iter().copied().eq(first..10_000), "in order and without gaps");
        assert_eq!(ring.forgotten_ns(), Some(first - 1));
        // Three segments and some of the fourth are in use.
        assert!(kept.len() >= 3 * (SEGMENT_BYTES / 104), "{}", kept.len());
    }

    #[test]
    fn nothing_is_forgotten_while_there_is_room_and_nothing_too_long_is_kept() {
        let mut ring = Ring::new(2 * SEGMENT_BYTES);
        assert_eq!((ring.iter().count(), ring.size(), ring.forgotten_ns()), (0, (0, 0), None));
        ring.keep(1, &vec![0; SEGMENT_BYTES]);
        assert_eq!(ring.iter().count(), 0);
        ring.keep(2, &vec![1; SEGMENT_BYTES - LENGTH_BYTES]);
        ring.keep(3, b"");
        assert_eq!(ring.iter().map(<[u8]>::len).collect::<Vec<_>>(), [SEGMENT_BYTES - LENGTH_BYTES, 0]);
        assert_eq!(ring.forgotten_ns(), None);
    }
}
