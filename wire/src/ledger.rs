//! The time ledger: where a call's time went on the server (SPEC.md 7). Every terminal frame carries one.

use bytes::Buf;

/// Microseconds that a call spent in each place, saturating at `u32::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// From the arrival of the request's last byte to the start of its handler.
    pub receive_queue_us: u32,
    /// In the handler.
    pub handler_us: u32,
    /// Waiting for the peer's credit.
    pub credit_wait_us: u32,
    /// From the end of the handler to the write buffer; time in the kernel is not in it.
    pub write_queue_us: u32,
}

impl Ledger {
    /// Its size on the wire.
    pub const BYTES: usize = 16;

    /// It as it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let parts = [self.receive_queue_us, self.handler_us, self.credit_wait_us, self.write_queue_us];
        let mut bytes = [0; Self::BYTES];
        for (to, part) in bytes.chunks_exact_mut(4).zip(parts) {
            to.copy_from_slice(&part.to_be_bytes());
        }
        bytes
    }

    /// Takes one from the front of `input`, or `None` when there are too few bytes.
    pub fn decode(input: &mut impl Buf) -> Option<Self> {
        if input.remaining() < Self::BYTES {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        input.copy_to_slice(&mut bytes);
        let part = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(Self {
            receive_queue_us: part(0),
            handler_us: part(4),
            credit_wait_us: part(8),
            write_queue_us: part(12),
        })
    }
}

/// Nanoseconds as the ledger's microseconds.
#[must_use]
pub fn micros(ns: u64) -> u32 {
    u32::try_from(ns / 1_000).unwrap_or(u32::MAX)
}
