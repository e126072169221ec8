//! `ip_hash`: a client's calls go to the same instance for as long as it is there.

use super::{Candidate, mixed};

/// Weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights by Schindelhauer and Schomaker 2005): each instance draws a
/// number for the client, and the best is picked. An instance that leaves moves only its own clients, and one that comes only those
/// that go to it; in slow start they come one after the other.
pub(super) fn pick(candidates: &[Candidate], client: u64) -> Option<usize> {
    let score = |candidate: &Candidate| {
        let bits = mixed(mixed(client) ^ candidate.key);
        // Above 0 and below 1, so that its logarithm is below 0.
        let drawn = ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
        candidate.effective_weight() as f64 / -drawn.ln()
    };
    let scores = candidates.iter().map(score).enumerate();
    scores.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENTS: u64 = 10_000;

    fn of(weights: &[(u64, u32)]) -> Vec<Candidate> {
        weights.iter().map(|(key, weight)| Candidate { weight: *weight, ..Candidate::new(*key) }).collect()
    }

    fn homes(weights: &[(u64, u32)]) -> Vec<u64> {
        let candidates = of(weights);
        (0..CLIENTS).map(|client| candidates[pick(&candidates, client).unwrap()].key).collect()
    }

    #[test]
    fn only_the_clients_of_an_instance_that_leaves_move() {
        let all = homes(&[(1, 100), (2, 100), (3, 100), (4, 100)]);
        assert_eq!(all, homes(&[(4, 100), (2, 100), (1, 100), (3, 100)]), "the order doesn't matter");
        let without = homes(&[(1, 100), (2, 100), (4, 100)]);
        for (before, after) in all.iter().zip(&without) {
            assert!(before == after || *before == 3, "{before} {after}");
        }
        let moved = all.iter().filter(|home| **home == 3).count();
        assert!((2_300..2_700).contains(&moved), "{moved}");
        assert_eq!(pick(&[], 7), None);
    }

    #[test]
    fn clients_are_shared_out_by_weight() {
        let heavy = homes(&[(1, 300), (2, 100)]).iter().filter(|home| **home == 1).count();
        assert!((7_300..7_700).contains(&heavy), "{heavy}");
    }
}
