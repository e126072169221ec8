//! `least_connections`: the instance with the fewest calls in flight for its weight; those with equally few take turns.

use super::{Candidate, Turns};

/// The instance with the least of `(in_flight + 1) / weight`. The one call more is the one that is picked for: without it all idle
/// instances would be alike, whatever their weight.
pub(super) fn pick(turns: &mut Turns, candidates: &[Candidate], random: u64) -> Option<usize> {
    turns.least(candidates, random, |one, other| {
        let scaled = |calls: &Candidate, weight: &Candidate| {
            u64::from(calls.calls_with_this()) * u64::from(weight.weight.max(1))
        };
        scaled(one, other).cmp(&scaled(other, one))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(in_flight: &[(u32, u32)]) -> Vec<Candidate> {
        let candidate = |(key, (in_flight, weight)): (u64, &(u32, u32))| Candidate {
            in_flight: *in_flight,
            weight: *weight,
            ..Candidate::new(key)
        };
        (0..).zip(in_flight).map(candidate).collect()
    }

    #[test]
    fn the_least_busy_and_those_alike_in_turn() {
        let check = |in_flight: &[(u32, u32)], expected: &[usize]| {
            let mut turns = Turns::default();
            let candidates = of(in_flight);
            let picked: Vec<usize> =
                expected.iter().filter_map(|_| pick(&mut turns, &candidates, 0)).collect();
            assert_eq!(picked, expected, "{in_flight:?}");
        };
        check(&[(3, 100), (1, 100), (2, 100)], &[1, 1]);
        check(&[(0, 100), (0, 100), (0, 100)], &[0, 1, 2, 0]);
        check(&[(1, 100), (0, 100), (0, 100)], &[1, 2, 1, 2]);
        check(&[(3, 200), (2, 100)], &[0, 0]);
        check(&[(0, 100), (0, 200)], &[1, 1]);
        check(&[(u32::MAX, u32::MAX), (0, 0)], &[0, 1, 0]);
        check(&[], &[]);
    }
}
