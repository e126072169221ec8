//! The time ledger: where a call's time went on the server (SPEC.md 7). Every terminal frame carries one.

use bytes::{Buf, BufMut};

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

    /// Appends it.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u32(self.receive_queue_us);
        out.put_u32(self.handler_us);
        out.put_u32(self.credit_wait_us);
        out.put_u32(self.write_queue_us);
    }

    /// Takes one from the front of `input`, or `None` when there are too few bytes.
    pub fn decode(input: &mut impl Buf) -> Option<Self> {
        if input.remaining() < Self::BYTES {
            return None;
        }
        Some(Self {
            receive_queue_us: input.get_u32(),
            handler_us: input.get_u32(),
            credit_wait_us: input.get_u32(),
            write_queue_us: input.get_u32(),
        })
    }
}

/// Nanoseconds as the ledger's microseconds.
#[must_use]
pub fn micros(ns: u64) -> u32 {
    u32::try_from(ns / 1_000).unwrap_or(u32::MAX)
}
