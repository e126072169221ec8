//! Which instance gets the next call. Pure: the candidates are an argument.

/// Each usable instance in turn.
#[derive(Debug, Default)]
pub struct RoundRobin {
    next: usize,
}

impl RoundRobin {
    /// The next of `count` instances that is usable, or `None` when none is.
    pub fn pick(&mut self, count: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let picked = (0..count).map(|step| (self.next + step) % count).find(|at| usable(*at))?;
        self.next = (picked + 1) % count;
        Some(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_usable_instance_in_turn() {
        let picks = |usable: [bool; 3]| {
            let mut balancer = RoundRobin::default();
            (0..4).map(|_| balancer.pick(3, |at| usable[at])).collect::<Vec<_>>()
        };
        assert_eq!(picks([true, true, true]), [Some(0), Some(1), Some(2), Some(0)]);
        assert_eq!(picks([true, false, true]), [Some(0), Some(2), Some(0), Some(2)]);
        assert_eq!(picks([false, false, true]), [Some(2); 4]);
        assert_eq!(picks([false; 3]), [None; 4]);
        assert_eq!(RoundRobin::default().pick(0, |_| true), None);
    }
}
