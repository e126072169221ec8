//! Counts the frames in the bytes of a connection, for /metrics: as many as somebody sees who looks at the wire.

use micronet_wire::header::PREFACE;
use micronet_wire::limits::HEADER_BYTES;

/// The bytes of a header that say how long the payload is (SPEC 2.1).
const LENGTH_BYTES: usize = 4;

/// One direction of a byte stream: where in a frame it is.
#[derive(Debug)]
pub(crate) struct FrameCount {
    /// Bytes that are left of the preface, or of the frame whose length is known.
    left: usize,
    /// Whether what is left belongs to a frame.
    within: bool,
    length: [u8; LENGTH_BYTES],
    length_seen: usize,
}

impl Default for FrameCount {
    fn default() -> Self {
        Self { left: PREFACE.len(), within: false, length: [0; LENGTH_BYTES], length_seen: 0 }
    }
}

impl FrameCount {
    /// How many frames end in the bytes that come next. What isn't of the protocol has no meaning here, and does no harm.
    pub(crate) fn ended_in(&mut self, mut bytes: &[u8]) -> u64 {
        let mut ended = 0;
        while let Some((first, others)) = bytes.split_first() {
            if self.left > 0 {
                let taken = self.left.min(bytes.len());
                self.left -= taken;
                ended += u64::from(self.left == 0 && self.within);
                bytes = &bytes[taken..];
                continue;
            }
            // What is usual: a frame begins here, and is there whole.
            if self.length_seen == 0
                && let Some(length) = bytes.first_chunk::<LENGTH_BYTES>()
                && let Some(behind) = bytes.get(HEADER_BYTES + u32::from_be_bytes(*length) as usize..)
            {
                ended += 1;
                bytes = behind;
                continue;
            }
            self.length[self.length_seen] = *first;
            self.length_seen += 1;
            bytes = others;
            if self.length_seen == LENGTH_BYTES {
                let payload = u32::from_be_bytes(self.length) as usize;
                (self.left, self.within, self.length_seen) = (HEADER_BYTES - LENGTH_BYTES + payload, true, 0);
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_however_the_bytes_are_cut() {
        let mut bytes = PREFACE.to_vec();
        for payload in [0_u32, 5, 300] {
            bytes.extend_from_slice(&payload.to_be_bytes());
            bytes.resize(bytes.len() + HEADER_BYTES - LENGTH_BYTES + payload as usize, 0xff);
        }
        for size in [1, 2, 3, 7, 24, 31, bytes.len()] {
            let mut count = FrameCount::default();
            let ended: u64 = bytes.chunks(size).map(|chunk| count.ended_in(chunk)).sum();
            assert_eq!(ended, 3, "in chunks of {size}");
            assert_eq!(count.ended_in(&[0; 23]), 0, "the next one isn't there whole");
            assert_eq!(count.ended_in(&[0]), 1);
        }
    }
}
