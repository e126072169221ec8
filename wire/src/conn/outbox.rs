//! What waits to be written, in the order in which it leaves: control frames, then small frames of calls, then a piece of a
//! long message. A batch is handed to the driver when the one before it is written, so that a control frame waits for at most
//! one batch.

use bytes::BytesMut;

use crate::limits::{HEADER_BYTES, WRITE_BATCH_BYTES};

/// The frames that are ready to be written.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// The batch that the driver is writing.
    batch: BytesMut,
    /// Frames of the connection itself, and credit.
    control: BytesMut,
    /// Whole frames of calls.
    calls: BytesMut,
    /// Bytes of `calls` that were ever put into a batch.
    calls_taken: u64,
}

impl Outbox {
    /// Where frames go that pass all others.
    pub(super) fn control(&mut self) -> &mut BytesMut {
        &mut self.control
    }

    /// Where small frames of calls go, in the order in which they are said.
    pub(super) fn calls(&mut self) -> &mut BytesMut {
        &mut self.calls
    }

    /// The batch that is being written; a piece of a long message may be added at its end.
    pub(super) fn batch(&mut self) -> &mut BytesMut {
        &mut self.batch
    }

    /// Bytes in frames that wait.
    pub(super) fn waiting(&self) -> usize {
        self.batch.len() + self.control.len() + self.calls.len()
    }

    /// How many bytes of small frames there have been so far.
    pub(super) fn calls_put(&self) -> u64 {
        self.calls_taken + self.calls.len() as u64
    }

    /// How many of them have left, or are in the batch.
    pub(super) fn calls_taken(&self) -> u64 {
        self.calls_taken
    }

    /// Whether there is room for more small frames before others have been written.
    pub(super) fn has_room(&self) -> bool {
        self.calls.len() < WRITE_BATCH_BYTES
    }

    /// Makes the next batch. The one before must have been written.
    pub(super) fn refill(&mut self) {
        std::mem::swap(&mut self.batch, &mut self.control);
        if self.calls.is_empty() {
            return;
        }
        let whole = self.calls.len() <= WRITE_BATCH_BYTES;
        let length = if whole { self.calls.len() } else { frames_within(&self.calls, WRITE_BATCH_BYTES) };
        self.calls_taken += length as u64;
        if whole && self.batch.is_empty() {
            return std::mem::swap(&mut self.batch, &mut self.calls);
        }
        let frames = self.calls.split_to(length);
        if self.batch.is_empty() {
            self.batch = frames;
        } else {
            self.batch.extend_from_slice(&frames);
        }
    }

    /// Nothing further will be said than what `last_words` adds: all that waits becomes one batch.
    pub(super) fn seal(&mut self, last_words: impl FnOnce(&mut BytesMut)) {
        let Self { batch, control, calls, .. } = self;
        for frames in [control, calls] {
            batch.extend_from_slice(frames);
            frames.clear();
        }
        last_words(batch);
    }
}

/// The length of the frames at the front of `bytes` that fit into `max` bytes, but of one at least.
fn frames_within(bytes: &[u8], max: usize) -> usize {
    let mut end = 0;
    while let Some(length) = bytes.get(end..).and_then(|rest| rest.first_chunk::<4>()) {
        let next = end + HEADER_BYTES + u32::from_be_bytes(*length) as usize;
        if end > 0 && next > max {
            break;
        }
        end = next;
    }
    end.min(bytes.len())
}
