//! The driver's clock: nanoseconds, monotonic, from an arbitrary start; and the wall clock, for what people read.

use std::cell::OnceCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

thread_local! {
    static START: OnceCell<Instant> = const { OnceCell::new() };
}

/// Far enough from zero that a test may look a while back.
const OFFSET_NS: u64 = 1 << 40;

/// Now, in nanoseconds. It follows tokio's clock, so that a test that pauses time pauses this too.
#[must_use]
pub fn now() -> u64 {
    let now = Instant::now();
    let start = START.with(|start| *start.get_or_init(|| now));
    let since = now.duration_since(start);
    // Five hundred years fit.
    OFFSET_NS + since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}

/// The instant at which [`now`] will be `at`, for tokio's timers.
#[must_use]
pub fn instant(at: u64) -> Instant {
    Instant::now() + Duration::from_nanos(at.saturating_sub(now()))
}

/// Microseconds since 1970-01-01 UTC.
#[must_use]
pub fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
