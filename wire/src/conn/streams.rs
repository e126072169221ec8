//! The calls in flight of one direction: by stream, with the earliest time at which one is due.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::call_table::CallTable;

/// Hashes a stream id by multiplication (Knuth, TAOCP vol. 3, 6.4). Ids are given out in sequence and few are in flight, so
/// nothing stronger is needed; and the same history gives the same order, which the simulator relies on.
#[derive(Debug, Default)]
pub struct StreamHasher(u64);

/// What is kept for each of a connection's streams.
pub type StreamMap<T> = HashMap<u32, T, BuildHasherDefault<StreamHasher>>;

impl Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }
    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// A call in flight.
pub(super) trait InFlight {
    /// When it is over, on the driver's clock.
    fn deadline_ns(&self) -> u64;
}

/// Calls in flight by stream.
///
/// Deadlines cost nothing while calls come and go: `earliest` is a lower bound, and only when it is reached are all calls
/// looked at. Since most deadlines lie equally far ahead, that is rare.
#[derive(Debug)]
pub(super) struct Streams<T> {
    calls: CallTable<T>,
    earliest: u64,
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self { calls: CallTable::default(), earliest: u64::MAX }
    }
}

impl<T: InFlight> Streams<T> {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn insert(&mut self, stream: u32, call: T) {
        self.earliest = self.earliest.min(call.deadline_ns());
        self.calls.insert(stream, call);
    }

    pub(super) fn get(&self, stream: u32) -> Option<&T> {
        self.calls.get(stream)
    }

    pub(super) fn get_mut(&mut self, stream: u32) -> Option<&mut T> {
        self.calls.get_mut(stream)
    }

    /// Changes a call, whose deadline may be earlier afterwards.
    pub(super) fn reschedule(&mut self, stream: u32, change: impl FnOnce(&mut T)) {
        if let Some(call) = self.calls.get_mut(stream) {
            change(call);
            self.earliest = self.earliest.min(call.deadline_ns());
        }
    }

    pub(super) fn remove(&mut self, stream: u32) -> Option<T> {
        let call = self.calls.remove(stream);
        if self.calls.is_empty() {
            self.earliest = u64::MAX;
        }
        call
    }

    /// No call is due before this.
    pub(super) fn earliest(&self) -> u64 {
        self.earliest
    }

    /// The streams of the calls that are due, in order; `earliest` is exact afterwards, provided that the caller removes
    /// them or gives them a later deadline.
    pub(super) fn due(&mut self, now: u64) -> Vec<u32> {
        if now < self.earliest {
            return Vec::new();
        }
        let mut due = Vec::new();
        self.earliest = u64::MAX;
        for (stream, call) in self.calls.iter() {
            if call.deadline_ns() <= now {
                due.push(stream);
            } else {
                self.earliest = self.earliest.min(call.deadline_ns());
            }
        }
        due.sort_unstable();
        due
    }

    /// The streams that fulfil a condition, in order.
    pub(super) fn select(&self, condition: impl Fn(u32, &T) -> bool) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .calls
            .iter()
            .filter(|(stream, call)| condition(*stream, call))
            .map(|(stream, _)| stream)
            .collect();
        found.sort_unstable();
        found
    }
}
