//! Chance from a seed, for choices and for what is done wrong on purpose: the same seed does the same.

/// Sebastiano Vigna's `SplitMix64` (<https://prng.di.unimi.it/splitmix64.c>): one word of state, good enough for everything but secrets.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Chance from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `greatest`.
    pub fn up_to(&mut self, greatest: u64) -> u64 {
        if greatest == 0 { 0 } else { self.bits() % greatest.saturating_add(1).max(1) }
    }

    /// True in so many of 1,000 cases.
    pub fn permille(&mut self, cases: u32) -> bool {
        cases > 0 && self.bits() % 1_000 < u64::from(cases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_generator() {
        // The first numbers of its reference implementation from this seed.
        let mut chance = Chance::new(1_234_567);
        assert_eq!([(); 2].map(|()| chance.bits()), [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn it_keeps_within_bounds_and_to_its_share() {
        let mut chance = Chance::new(1);
        assert!((0..10_000).all(|greatest| chance.up_to(greatest) <= greatest));
        assert!(chance.up_to(u64::MAX) > 0);
        assert!((0..10_000).all(|_| !chance.permille(0) && chance.permille(1_000)));
        let hits = (0..100_000).filter(|_| chance.permille(250)).count();
        assert!((24_000..26_000).contains(&hits), "{hits}");
    }
}
