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

    #[test]
    fn what_is_tried_elsewhere_takes_nobodys_turn() {
        let all = [0, 1, 2].map(Candidate::new);
        let mut rotation = Rotation::default();
        let mut firsts = [0_u32; 3];
        for call in 0..300 {
            let first = pick(&mut rotation, &all).unwrap();
            firsts[first] += 1;
            if call % 7 == 0 {
                let others: Vec<Candidate> =
                    all.iter().filter(|other| **other != all[first]).copied().collect();
                pick(&mut rotation, &others).unwrap();
            }
        }
        assert!(firsts.iter().all(|count| count.abs_diff(100) <= 3), "{firsts:?}");
    }
}
