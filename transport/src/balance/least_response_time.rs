//! `least_response_time`: the instance whose calls in flight, with one more, are done soonest by its mean response time.

use super::{Candidate, Turns, known_or};

/// The instance with the least of `mean × (in_flight + 1) / weight` (nginx's `least_time`). One of which nothing is known yet is
/// taken to be like the others on average: neither is it flooded, nor does it get nothing.
pub(super) fn pick(turns: &mut Turns, candidates: &[Candidate], random: u64) -> Option<usize> {
    let known = candidates.iter().filter(|candidate| candidate.mean_ns > 0);
    let (sum, count) =
        known.fold((0.0, 0.0), |(sum, count), candidate| (sum + candidate.mean_ns as f64, count + 1.0));
    let otherwise_ns = if count > 0.0 { sum / count } else { 1.0 };
    let cost = |candidate: &Candidate| candidate.cost(known_or(candidate.mean_ns, otherwise_ns));
    turns.least(candidates, random, |one, other| cost(one).total_cmp(&cost(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(known: &[(u64, u32)]) -> Vec<Candidate> {
        let candidate = |(key, (mean_ns, in_flight)): (u64, &(u64, u32))| Candidate {
            mean_ns: *mean_ns,
            in_flight: *in_flight,
            ..Candidate::new(key)
        };
        (0..).zip(known).map(candidate).collect()
    }

    #[test]
    fn the_one_that_is_done_soonest() {
        let check = |known: &[(u64, u32)], expected: &[usize]| {
            let mut turns = Turns::default();
            let candidates = of(known);
            let picked: Vec<usize> =
                expected.iter().filter_map(|_| pick(&mut turns, &candidates, 0)).collect();
            assert_eq!(picked, expected, "{known:?}");
        };
        check(&[(20, 0), (10, 0), (30, 0)], &[1, 1]);
        check(&[(20, 0), (10, 2), (30, 0)], &[0, 0]);
        check(&[(0, 0), (0, 0), (0, 0)], &[0, 1, 2, 0]);
        check(&[(10, 0), (0, 0), (30, 0)], &[0]);
        check(&[(10, 2), (0, 0), (30, 0)], &[1]);
        check(&[(10, 1), (0, 1), (30, 0)], &[0]);
        check(&[], &[]);
    }
}
