//! Pseudo-random numbers for workloads: fast, seedable, and not for secrets.

use micronet_transport::chance::Chance;

/// A sequence of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(Chance);

impl Random {
    /// The sequence of this seed.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(Chance::new(seed))
    }

    /// A sequence that nobody has seen before.
    pub(crate) fn from_system() -> Result<Self, getrandom::Error> {
        getrandom::u64().map(Self::from_seed)
    }

    /// The next number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0.bits()
    }

    /// A number from 0 to `bound - 1`; 0 for a bound of 0. The bias of the modulo is below 2^-32 for small bounds.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next_u64() % bound }
    }

    /// One of these; None if there is none.
    pub(crate) fn pick<'t, T>(&mut self, things: &'t [T]) -> Option<&'t T> {
        things.get(usize::try_from(self.below(things.len() as u64)).ok()?)
    }

    /// True with this probability, which is from 0 to 1.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A number from 0 up to, but not, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        // 32 random bits are exact in an f64.
        let draw = u32::try_from(self.next_u64() >> 32).unwrap_or(u32::MAX);
        f64::from(draw) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_splitmix64s() {
        // The first outputs for seed 1234567, as given by Rosetta Code's task "Pseudo-random numbers/Splitmix64".
        let mut random = Random::from_seed(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn chance_is_never_and_always_at_the_ends() {
        let mut random = Random::from_seed(7);
        assert!((0..1000).all(|_| !random.chance(0.0) && random.chance(1.0)));
        let half = (0..1000).filter(|_| random.chance(0.5)).count();
        assert!((400..600).contains(&half), "{half} of 1000");
        assert!((0..1000).all(|_| random.below(4) < 4));
    }
}
