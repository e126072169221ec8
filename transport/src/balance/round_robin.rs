//! `round_robin`: each instance in turn, whatever its weight.

use super::Candidate;
use super::weighted::Rotation;

/// The next in turn. One in slow start has its turn as often as its share says.
pub(super) fn pick(rotation: &mut Rotation, candidates: &[Candidate]) -> Option<usize> {
    rotation.pick(candidates, |candidate| u64::from(candidate.share_permille.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_usable_instance_in_turn() {
        let picks = |usable: &[u64]| {
            let candidates: Vec<Candidate> = usable
                .iter()
                .map(|key| Candidate { weight: u32::try_from(7 * key).unwrap(), ..Candidate::new(*key) })
                .collect();
            let mut rotation = Rotation::default();
            [(); 4].map(|()| pick(&mut rotation, &candidates).map(|at| candidates[at].key))
        };
        assert_eq!(picks(&[0, 1, 2]), [Some(0), Some(1), Some(2), Some(0)]);
        assert_eq!(picks(&[0, 2]), [Some(0), Some(2), Some(0), Some(2)]);
        assert_eq!(picks(&[2]), [Some(2); 4]);
        assert_eq!(picks(&[]), [None; 4]);
    }

    /// The first instance always fails, and what it was asked for is tried elsewhere.
    #[test]
    fn what_is_tried_elsewhere_is_shared_by_the_others() {
        let all = [0, 1, 2].map(Candidate::new);
        let mut rotation = Rotation::default();
        let mut counts = [0_u32; 3];
        for _ in 0..600 {
            let first = pick(&mut rotation, &all).unwrap();
            counts[first] += 1;
            if first == 0 {
                counts[1 + pick(&mut rotation, &all[1..]).unwrap()] += 1;
            }
        }
        assert!(counts[0].abs_diff(200) < 20 && counts[1].abs_diff(counts[2]) < 20, "{counts:?}");
    }
}
