//! Computing for a given time, as a handler does that has something to compute.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};

/// Blocks that are hashed between two looks at the clock: some microseconds.
const BLOCKS: usize = 16;

/// Keeps the processor busy until this thread has used so much of its time. On a busy machine it takes longer, as real work does.
pub(super) fn compute(work: Duration) {
    if work.is_zero() {
        return;
    }
    let until = used() + work;
    let mut hash = Sha256::default();
    while used() < until {
        hash.update([0x5a; 64 * BLOCKS]);
    }
    std::hint::black_box(hash.finalize());
}

/// Processor time that this thread has used.
fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_processors_time_and_not_only_the_clocks() {
        let before = used();
        compute(Duration::ZERO);
        let work = Duration::from_millis(20);
        compute(work);
        assert!(used() - before >= work);
    }
}
