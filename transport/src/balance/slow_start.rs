//! The share of the calls that a new instance gets, so that it can warm up. Pure.

use micronet_wire::limits::{SLOW_START_MS, SLOW_START_PERMILLE_MIN};

use super::below;

/// What an instance that takes calls since `since` gets of its share of them, in thousandths: it grows evenly from a floor to the
/// whole in half a minute. Both times are in nanoseconds.
#[must_use]
pub fn share_permille(since: u64, now: u64) -> u32 {
    let permille = now.saturating_sub(since) / (SLOW_START_MS * 1_000);
    u32::try_from(permille).unwrap_or(u32::MAX).clamp(SLOW_START_PERMILLE_MIN, 1_000)
}

/// Whether an instance that would be picked takes the call, when another could that has more of its share: in as many of a hundred
/// cases as it has, so that it gets some calls and not too many, whether there is much to do or little.
///
/// A smaller share that only made it look busier would leave it with nothing while all are idle, and then with everything at once.
pub(super) fn takes_it(share_permille: u32, other_permille: u32, random: u64) -> bool {
    below(random, u64::from(other_permille.max(1))) < share_permille.max(1) as usize
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

    #[test]
    fn as_many_of_a_hundred_as_it_has() {
        for (share, other, taken) in
            [(100, 1_000, 100), (500, 1_000, 500), (100, 200, 500), (1_000, 100, 1_000)]
        {
            let takes = (0..1_000).filter(|step| takes_it(share, other, step * (u64::MAX / 1_000))).count();
            assert!(takes.abs_diff(taken) <= 1, "{share} of {other}: {takes}");
        }
    }
}
