//! `weighted`: each instance in turn as often as its weight says, and never the heavy ones in a row (nginx's smooth weighted round
//! robin). With equal weights this is the plain rotation of `round_robin`.

use micronet_wire::limits::BALANCED_INSTANCES_KEPT;

use super::Candidate;

/// Whose turn it is. Each instance saves up its weight with every pick; the richest is picked, and pays what all have got.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    savings: Vec<Saved>,
    picks: u64,
}

#[derive(Debug)]
struct Saved {
    key: u64,
    amount: i64,
    /// The pick at which it was a candidate last.
    seen: u64,
}

impl Rotation {
    /// The next in turn; each candidate's `weight` is above 0.
    pub(super) fn pick(
        &mut self,
        candidates: &[Candidate],
        weight: impl Fn(&Candidate) -> u64,
    ) -> Option<usize> {
        self.picks += 1;
        let mut total = 0;
        let mut richest: Option<(usize, usize)> = None;
        for (at, candidate) in candidates.iter().enumerate() {
            let weight = i64::try_from(weight(candidate)).unwrap_or(i64::MAX);
            let saved = self.saved(at, candidate.key, candidates.len());
            self.savings[saved].amount += weight;
            total += weight;
            if richest.is_none_or(|(_, other)| self.savings[saved].amount > self.savings[other].amount) {
                richest = Some((at, saved));
            }
        }
        let (at, saved) = richest?;
        self.savings[saved].amount -= total;
        Some(at)
    }

    /// Where the savings of an instance are: mostly at its own place among the candidates.
    fn saved(&mut self, at: usize, key: u64, candidates: usize) -> usize {
        let found = match self.savings.get(at) {
            Some(saved) if saved.key == key => Some(at),
            _ => self.savings.iter().position(|saved| saved.key == key),
        };
        let new = || Saved { key, amount: 0, seen: 0 };
        let found = found.unwrap_or_else(|| {
            let oldest = (0..self.savings.len()).min_by_key(|at| self.savings[*at].seen);
            match oldest {
                Some(oldest) if self.savings.len() >= BALANCED_INSTANCES_KEPT.max(candidates) => {
                    self.savings[oldest] = new();
                    oldest
                }
                _ => {
                    self.savings.push(new());
                    self.savings.len() - 1
                }
            }
        });
        self.savings[found].seen = self.picks;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(rotation: &mut Rotation, candidates: &[Candidate], times: usize) -> Vec<u64> {
        let mut pick = || rotation.pick(candidates, Candidate::effective_weight).map(|at| candidates[at].key);
        (0..times).map(|_| pick().unwrap()).collect()
    }

    fn of(weights: &[(u64, u32)]) -> Vec<Candidate> {
        weights.iter().map(|(key, weight)| Candidate { weight: *weight, ..Candidate::new(*key) }).collect()
    }

    #[test]
    fn the_heavy_are_not_picked_in_a_row() {
        let candidates = of(&[(1, 5), (2, 1), (3, 1)]);
        // The example of nginx's change that brought the algorithm.
        assert_eq!(picks(&mut Rotation::default(), &candidates, 7), [1, 1, 2, 1, 3, 1, 1]);
        assert_eq!(Rotation::default().pick(&[], Candidate::effective_weight), None);
    }

    #[test]
    fn an_instance_keeps_its_turn_wherever_it_stands() {
        let mut rotation = Rotation::default();
        assert_eq!(picks(&mut rotation, &of(&[(1, 100), (2, 100), (3, 100)]), 2), [1, 2]);
        assert_eq!(picks(&mut rotation, &of(&[(2, 100), (1, 100), (3, 100)]), 1), [3]);
        assert_eq!(picks(&mut rotation, &of(&[(3, 100), (1, 100)]), 2), [3, 1], "one is away");
        let all = picks(&mut rotation, &of(&[(3, 100), (1, 100), (2, 100)]), 9);
        assert_eq!(
            [1, 2, 3].map(|key| all.iter().filter(|picked| **picked == key).count()),
            [3, 3, 3],
            "{all:?}"
        );
    }

    #[test]
    fn slow_start_makes_a_weight_smaller() {
        let mut candidates = of(&[(1, 100), (2, 100)]);
        candidates[1].share_permille = 100;
        let picked = picks(&mut Rotation::default(), &candidates, 110);
        assert_eq!(picked.iter().filter(|key| **key == 2).count(), 10);
    }

    #[test]
    fn no_more_is_remembered_than_is_bounded() {
        let mut rotation = Rotation::default();
        for key in 0..10_000 {
            picks(&mut rotation, &of(&[(key, 100), (key + 1, 1), (key + 2, 50)]), 1);
        }
        assert_eq!(rotation.savings.len(), BALANCED_INSTANCES_KEPT);
        let many: Vec<Candidate> = (0..2 * BALANCED_INSTANCES_KEPT as u64).map(Candidate::new).collect();
        let mut picked = picks(&mut Rotation::default(), &many, many.len());
        picked.sort_unstable();
        assert!(picked.iter().copied().eq(0..many.len() as u64), "each once, though they are many");
    }
}
