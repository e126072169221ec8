//! The ways between segments: by the fastest links, one after another.

use super::{Link, Quality, Segment};

impl Quality {
    /// What two ways are like, one after the other.
    fn then(self, next: Self) -> Self {
        // What gets through the one has to get through the other.
        let through = u64::from(1_000 - self.loss_permille) * u64::from(1_000 - next.loss_permille) / 1_000;
        Self {
            latency_us: self.latency_us + next.latency_us,
            jitter_us: self.jitter_us + next.jitter_us,
            loss_permille: 1_000 - u32::try_from(through).unwrap_or(1_000),
            bytes_per_s: match (self.bytes_per_s, next.bytes_per_s) {
                (0, rate) | (rate, 0) => rate,
                (one, other) => one.min(other),
            },
        }
    }

    /// By what the better of two ways is found.
    fn cost(&self) -> (u64, u32) {
        (2 * self.latency_us + self.jitter_us, self.loss_permille)
    }
}

/// The way from each segment to each (Floyd and Warshall).
///
/// # Errors
/// Two segments that nothing joins.
pub(super) fn find(segments: &[Segment], links: &[Link]) -> Result<Vec<Vec<Quality>>, [usize; 2]> {
    let all = 0..segments.len();
    let mut ways: Vec<Vec<Option<Quality>>> = vec![vec![None; segments.len()]; segments.len()];
    for link in links {
        let [one, other] = link.between;
        (ways[one][other], ways[other][one]) = (Some(link.quality), Some(link.quality));
    }
    for over in all.clone() {
        for from in all.clone() {
            for to in all.clone() {
                let (Some(first), Some(second)) = (ways[from][over], ways[over][to]) else { continue };
                let way = first.then(second);
                if from != to && ways[from][to].is_none_or(|known| way.cost() < known.cost()) {
                    ways[from][to] = Some(way);
                }
            }
        }
    }
    let way = |from: usize, to: usize| match ways[from][to] {
        _ if from == to => Ok(segments[from].within),
        Some(way) => Ok(way),
        None => Err([from, to]),
    };
    all.clone().map(|from| all.clone().map(|to| way(from, to)).collect()).collect()
}
