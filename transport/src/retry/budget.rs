//! How many retries there may be, so that they never multiply the load on instances that have too much already. Pure.

use micronet_wire::limits::{RETRY_BUDGET_PER_S, RETRY_BUDGET_PERCENT};

use crate::window::{WINDOW_S, Window};

const CALLS: usize = 0;
const RETRIES: usize = 1;

/// The retries of the last ten seconds, held against a share of the calls of that time and a few a second besides (Finagle's
/// `RetryBudget`). One belongs to all calls of a service by one process, whatever instance they go to.
///
/// ```
/// # use micronet_transport::retry::budget::RetryBudget;
/// let mut budget = RetryBudget::default();
/// let now = 7_000_000_000;
/// (0..100).for_each(|_| budget.call(now));
/// assert_eq!(budget.left(now), 20 + 10 * 3);
/// assert!(budget.may_retry(now));
/// assert_eq!(budget.left(now), 49);
/// ```
#[derive(Debug, Clone, Default)]
pub struct RetryBudget(Window);

impl RetryBudget {
    /// A call was made. Its retries are not calls.
    pub fn call(&mut self, now: u64) {
        self.0.count(now, CALLS);
    }

    /// Whether a call may be tried again. If so, the retry is taken from the budget.
    pub fn may_retry(&mut self, now: u64) -> bool {
        let may = self.left(now) > 0;
        if may {
            self.0.count(now, RETRIES);
        }
        may
    }

    /// Retries that may be made now.
    pub fn left(&mut self, now: u64) -> u64 {
        let sums = self.0.sums(now);
        let allowed = sums[CALLS] * RETRY_BUDGET_PERCENT / 100 + RETRY_BUDGET_PER_S * WINDOW_S;
        allowed.saturating_sub(sums[RETRIES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_share_of_the_calls_and_a_few_besides() {
        let mut budget = RetryBudget::default();
        let reserve = RETRY_BUDGET_PER_S * WINDOW_S;
        let taken =
            |budget: &mut RetryBudget, now| (0..1_000).filter(|_| budget.may_retry(now)).count() as u64;
        assert_eq!(taken(&mut budget, 0), reserve, "without a call, what is always allowed");
        assert_eq!(taken(&mut budget, S), 0);
        (0..500).for_each(|_| budget.call(S));
        assert_eq!(taken(&mut budget, S), 500 * RETRY_BUDGET_PERCENT / 100);
        assert_eq!(
            taken(&mut budget, 10 * S),
            reserve,
            "the first retries are forgotten, and the calls are not"
        );
        assert_eq!(taken(&mut budget, 30 * S), reserve, "all of it is forgotten");
    }
}
