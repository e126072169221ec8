//! What a process does wrong because its operator wants to see what happens then: calls that take longer, fail, or get no answer.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::DEADLINE_US_MAX;
use micronet_wire::network::InjectedFault;

use crate::chance::Chance;
use crate::network::{InForce, Network};

/// The faults of one process, as its rules say.
#[derive(Debug)]
pub struct Faults {
    chance: Chance,
    /// The revision of the rules that were looked at last.
    revision: u64,
    /// Rules with faults that hold.
    rules: Option<Rc<InForce>>,
}

/// What becomes of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// It starts so much later, in microseconds.
    pub delay_us: u64,
    /// And then this happens to it.
    pub end: End,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is handled as ever.
    Handled,
    /// It fails; why, in the operator's words.
    Failed(String),
    /// It gets no answer.
    Unanswered,
}

impl Faults {
    /// Faults by chance from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed), revision: 0, rules: None }
    }

    /// What is to become of a call that comes at `now`; `None` when nothing is wrong with it. Where no faults are injected, that is
    /// found out by comparing two numbers.
    pub fn of_call(&mut self, now: u64, network: &Network) -> Option<Fate> {
        if self.revision != network.revision() {
            self.revision = network.revision();
            self.rules = Some(network.rules());
        }
        let rules = self.rules.clone()?;
        let mut holding =
            rules.rules().faults.iter().filter(|fault| rules.holds(now, fault.for_ms)).peekable();
        if holding.peek().is_none() {
            self.rules = None; // Those that have expired don't come back.
        }
        let mut fate = Fate { delay_us: 0, end: End::Handled };
        holding.for_each(|fault| fate.add(fault, &mut self.chance));
        (fate.delay_us > 0 || fate.end != End::Handled).then_some(fate)
    }
}

impl Fate {
    /// Does to a call at this instance what is to go wrong with it; completes when it may be handled. One that is to get no answer never
    /// does: its deadline ends it, or its connection.
    ///
    /// # Errors
    /// [`Code::Internal`], as where the instance itself had failed.
    pub async fn pass(self, instance: &str) -> Result<(), RpcError> {
        tokio::time::sleep(Duration::from_micros(self.delay_us)).await;
        match self.end {
            End::Handled => Ok(()),
            End::Failed(reason) => {
                let reason = if reason.is_empty() { "its operator wants it so" } else { &reason };
                let words = format!("{instance} fails by a fault that was injected: {reason}");
                Err(RpcError::new(Code::Internal, words))
            }
            End::Unanswered => pending().await,
        }
    }

    /// One more fault. No answer is worse than an error.
    fn add(&mut self, fault: &InjectedFault, chance: &mut Chance) {
        let delay_us = fault.delay_us.saturating_add(chance.up_to(fault.jitter_us));
        self.delay_us = self.delay_us.saturating_add(delay_us).min(DEADLINE_US_MAX.into());
        if chance.permille(fault.drops_permille) {
            self.end = End::Unanswered;
        } else if chance.permille(fault.errors_permille) && self.end != End::Unanswered {
            self.end = End::Failed(fault.reason.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use micronet_wire::network::Rules;

    use super::*;

    fn network(faults: Vec<InjectedFault>) -> Network {
        let network = Network::default();
        network.govern(Rules { revision: 1, faults, ..Rules::default() });
        network
    }

    fn fates(network: &Network, calls: usize) -> Vec<Option<Fate>> {
        let mut faults = Faults::new(7);
        (0..calls).map(|_| faults.of_call(0, network)).collect()
    }

    #[test]
    fn without_faults_nothing_is_wrong() {
        assert_eq!(Faults::new(1).of_call(0, &Network::default()), None);
        assert_eq!(fates(&network(vec![]), 100), vec![None; 100]);
        assert_eq!(fates(&network(vec![InjectedFault::default()]), 100), vec![None; 100]);
    }

    #[test]
    fn faults_add_up_and_come_by_chance_from_a_seed() {
        let slow = InjectedFault { delay_us: 5_000, jitter_us: 1_000, ..InjectedFault::default() };
        let failing =
            InjectedFault { errors_permille: 300, reason: "a test".into(), ..InjectedFault::default() };
        let silent = InjectedFault { drops_permille: 100, ..InjectedFault::default() };
        let network = network(vec![slow.clone(), slow, failing, silent]);
        let seen = fates(&network, 10_000);
        assert_eq!(seen, fates(&network, 10_000), "the same seed");
        let seen: Vec<Fate> = seen.into_iter().flatten().collect();
        assert_eq!(seen.len(), 10_000);
        assert!(seen.iter().all(|fate| (10_000..=12_000).contains(&fate.delay_us)));
        let count = |end: &End| seen.iter().filter(|fate| fate.end == *end).count();
        // 300 of 1,000 but for those that are dropped, 100 of 1,000.
        let (failed, dropped) = (count(&End::Failed("a test".into())), count(&End::Unanswered));
        assert!((2_500..2_900).contains(&failed) && (900..1_100).contains(&dropped), "{failed} {dropped}");
    }

    #[test]
    fn faults_expire_and_new_rules_replace_them() {
        let fault = |delay_us, for_ms| InjectedFault { delay_us, for_ms, ..InjectedFault::default() };
        let network = network(vec![fault(1, Some(5)), fault(2, Some(9))]);
        let since = crate::clock::now();
        let mut faults = Faults::new(1);
        let mut delay = |after_ms: u64, network: &Network| {
            faults.of_call(since + after_ms * 1_000_000, network).map(|fate| fate.delay_us)
        };
        assert_eq!(
            [0, 4, 6, 8].map(|after_ms| delay(after_ms, &network)),
            [Some(3), Some(3), Some(2), Some(2)]
        );
        assert_eq!([10, 100].map(|after_ms| delay(after_ms, &network)), [None, None]);
        network.govern(Rules { revision: 2, faults: vec![fault(7, None)], ..Rules::default() });
        assert_eq!(delay(1_000_000, &network), Some(7));
        network.govern(Rules { revision: 3, ..Rules::default() });
        assert_eq!(delay(1_000_000, &network), None);
    }
}
