//! What connections keep in memory of requests and answers on their way: together no more than so many bytes, however slow their clients
//! are.

use micronet_wire::limits::HTTP_READ_BYTES;
use prometheus::IntGauge;

/// A connection's share. What fits into one read is not counted.
#[derive(Debug)]
pub(super) struct Buffered {
    all: IntGauge,
    bytes: usize,
}

impl Buffered {
    /// Nothing yet, of all that the gauge shows.
    pub(super) fn new(all: IntGauge) -> Self {
        Self { all, bytes: 0 }
    }

    /// The connection keeps so many bytes now: whether that may be, with at most `max` for all.
    pub(super) fn keeps(&mut self, bytes: usize, max: usize) -> bool {
        let bytes = if bytes > HTTP_READ_BYTES { bytes } else { 0 };
        let more = bytes > self.bytes;
        if bytes != self.bytes {
            self.all.add(signed(bytes) - signed(self.bytes));
            self.bytes = bytes;
        }
        !more || self.all.get() <= signed(max)
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.all.sub(signed(self.bytes));
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_it_too_much_is_told() {
        let all = IntGauge::new("buffered", "of all").unwrap();
        let (mut first, mut second) = (Buffered::new(all.clone()), Buffered::new(all.clone()));
        assert!(first.keeps(HTTP_READ_BYTES, 0), "what fits into one read is free");
        assert!(first.keeps(60_000, 100_000) && !second.keeps(60_000, 100_000));
        // Who lets go of something never makes it too much.
        assert!(second.keeps(50_000, 100_000) && first.keeps(60_000, 100_000));
        assert_eq!(all.get(), 110_000);
        drop(first);
        assert!(second.keeps(90_000, 100_000) && second.keeps(0, 100_000));
        assert_eq!(all.get(), 0);
        drop(second);
        assert_eq!(all.get(), 0);
    }
}
