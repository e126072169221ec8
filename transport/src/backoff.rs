//! Pauses between attempts that grow and are spread by chance, so that many clients don't come back at once.

use micronet_wire::limits::{REDIAL_MS_MAX, REDIAL_MS_MIN};

/// Exponential back-off with equal jitter (Brooker, "Exponential Backoff And Jitter", 2015): half of each pause is fixed, the
/// other half is random.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause before the next attempt, in milliseconds. `random` is any random number.
    pub fn next_ms(&mut self, random: u64) -> u64 {
        let ceiling = REDIAL_MS_MIN.saturating_mul(1 << self.failures.min(16)).min(REDIAL_MS_MAX);
        self.failures = self.failures.saturating_add(1);
        ceiling / 2 + random % (ceiling / 2 + 1)
    }

    /// An attempt succeeded: the next pause is short again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_their_limit_and_start_over() {
        let mut backoff = Backoff::default();
        for random in [0, 1, u64::MAX, 12345] {
            let mut ceiling = REDIAL_MS_MIN;
            for _ in 0..40 {
                let pause = backoff.next_ms(random);
                assert!((ceiling / 2..=ceiling).contains(&pause), "{pause} of {ceiling}");
                ceiling = (ceiling * 2).min(REDIAL_MS_MAX);
            }
            backoff.reset();
        }
    }
}
