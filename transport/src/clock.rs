//! The driver's clock: nanoseconds, monotonic, from an arbitrary start; and the wall clock, for what people read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Far enough from zero that a test may look a while back.
const OFFSET_NS: u64 = 1 << 40;

/// Now, in nanoseconds. Each call reads it several times: without the detour by [`Instant`] that takes a third of the instructions.
#[must_use]
#[cfg(not(debug_assertions))]
pub fn now() -> u64 {
    use rustix::time::{ClockId, clock_gettime};

    let since = clock_gettime(ClockId::Monotonic);
    // Five hundred years fit, and it doesn't run backwards to before its start.
    OFFSET_NS + since.tv_sec.unsigned_abs() * 1_000_000_000 + since.tv_nsec.unsigned_abs()
}

/// Now, in nanoseconds. Where programs are built for tests it follows tokio's clock, so that a test that pauses time pauses this too.
#[must_use]
#[cfg(debug_assertions)]
pub fn now() -> u64 {
    thread_local! {
        static START: std::cell::OnceCell<Instant> = const { std::cell::OnceCell::new() };
    }
    let now = Instant::now();
    let start = START.with(|start| *start.get_or_init(|| now));
    let since = now.duration_since(start);
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
