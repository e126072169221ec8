//! The share of the calls that a new instance gets, so that it can warm up. Pure.

use micronet_wire::limits::{SLOW_START_MS, SLOW_START_PERMILLE_MIN};

/// What an instance that takes calls since `since` gets of its share of them, in thousandths: it grows evenly from a floor to the
/// whole in half a minute. Both times are in nanoseconds.
#[must_use]
pub fn share_permille(since: u64, now: u64) -> u32 {
    let permille = now.saturating_sub(since) / (SLOW_START_MS * 1_000);
    u32::try_from(permille).unwrap_or(u32::MAX).clamp(SLOW_START_PERMILLE_MIN, 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_floor_to_the_whole() {
        let floor = SLOW_START_PERMILLE_MIN;
        for (after_ms, share) in [
            (0, floor),
            (2_999, floor),
            (4_500, 150),
            (15_000, 500),
            (29_999, 999),
            (30_000, 1_000),
            (1 << 40, 1_000),
        ] {
            assert_eq!(share_permille(77, 77 + after_ms * 1_000_000), share, "{after_ms}");
        }
        assert_eq!(share_permille(77, 0), floor, "time that goes back");
    }
}
