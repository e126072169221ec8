//! `p2c_ewma`: of two instances by chance, the one that costs less.

use super::slow_start::takes_it;
use super::{Candidate, below, known_or, mixed};

/// The power of two choices (Mitzenmacher 2001) by the cost that Finagle and linkerd use, `peak response time × (in_flight + 1)`. Two
/// that are drawn by chance keep many callers from running to the same fast instance at once.
///
/// One of which nothing is known yet is taken to be like the other. One in slow start takes only its share of what it wins.
pub(super) fn pick(candidates: &[Candidate], random: u64) -> Option<usize> {
    let count = candidates.len() as u64;
    if count < 2 {
        return (count == 1).then_some(0);
    }
    let first = below(random, count);
    let second = below(mixed(random), count - 1);
    let second = if second >= first { second + 1 } else { second };
    let (one, other) = (&candidates[first], &candidates[second]);
    let cost = |of: &Candidate, against: &Candidate| {
        let otherwise_ns = against.response_ns.max(1) as f64;
        of.cost(known_or(of.response_ns, otherwise_ns))
    };
    let (winner, loser) = match cost(one, other) <= cost(other, one) {
        true => (first, second),
        false => (second, first),
    };
    let share = |at: usize| candidates[at].share_permille;
    Some(if takes_it(share(winner), share(loser), mixed(!random)) { winner } else { loser })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICKS: u64 = 10_000;

    fn counts(candidates: &[Candidate]) -> Vec<u64> {
        let mut counts = vec![0; candidates.len()];
        for random in 0..PICKS {
            counts[pick(candidates, mixed(random)).unwrap()] += 1;
        }
        counts
    }

    fn of(known: &[(u64, u32)]) -> Vec<Candidate> {
        let candidate = |(key, (response_ns, in_flight)): (u64, &(u64, u32))| Candidate {
            response_ns: *response_ns,
            in_flight: *in_flight,
            ..Candidate::new(key)
        };
        (0..).zip(known).map(candidate).collect()
    }

    #[test]
    fn the_dearest_gets_nothing_and_the_others_take_it() {
        assert_eq!(counts(&of(&[(10, 0), (100, 0)])), [PICKS, 0]);
        assert_eq!(counts(&of(&[(10, 9), (49, 1)])), [0, PICKS]);
        assert_eq!(counts(&of(&[(0, 1), (50, 0)])), [0, PICKS], "what is not known is like the other");
        let three = counts(&of(&[(10, 0), (100, 0), (10, 0)]));
        assert!(three[1] == 0 && three[0].abs_diff(three[2]) < 400, "{three:?}");
    }

    #[test]
    fn those_alike_get_alike() {
        for count in 1..6 {
            let counts = counts(&of(&vec![(7, 2); count]));
            let fair = PICKS / count as u64;
            assert!(counts.iter().all(|got| got.abs_diff(fair) < 300), "{counts:?}");
        }
        assert_eq!(pick(&[], 5), None);
    }

    #[test]
    fn one_in_slow_start_takes_its_share() {
        let mut candidates = of(&[(0, 0), (0, 0)]);
        candidates[0].share_permille = 100;
        let slow = counts(&candidates)[0];
        assert!((400..600).contains(&slow), "{slow}");
        candidates[1].share_permille = 100;
        let both = counts(&candidates);
        assert!(both[0].abs_diff(both[1]) < 300, "all are new: {both:?}");
    }
}
