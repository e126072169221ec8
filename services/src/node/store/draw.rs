//! Random numbers of a request, and the distributions of its delay.

use std::f64::consts::TAU;
use std::time::Duration;

use micronet_wire::schema::Decimal;

use crate::node::api::Delay;

/// The longest delay that is drawn, in seconds.
const DELAY_S_MAX: f64 = 5.0;

/// The random numbers of one request: SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014).
#[derive(Debug)]
pub(super) struct Draws(u64);

impl Draws {
    /// Those of the request of this number under this seed, whatever other requests have drawn.
    pub(super) fn of_request(seed: u64, number: u64) -> Self {
        let mut of_seed = Self(seed);
        let mut of_number = Self(number);
        Self(of_seed.next() ^ of_number.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number above 0 and up to 1. 32 random bits are exact in an f64.
    fn unit(&mut self) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        (f64::from(bits) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }

    /// True for so many of a thousand.
    pub(super) fn per_mille(&mut self, of_thousand: u32) -> bool {
        self.next() % 1_000 < u64::from(of_thousand)
    }

    /// A delay of this distribution.
    pub(super) fn delay(&mut self, of: Delay) -> Duration {
        // By inversion (L. Devroye, "Non-Uniform Random Variate Generation", 1986, chapter II), the normal by Box and Muller.
        let us = match of {
            Delay::None => 0.0,
            Delay::Fixed { us } => f64::from(us),
            Delay::Uniform { from_us, to_us } => {
                f64::from(from_us.min(to_us)) + f64::from(from_us.abs_diff(to_us)) * self.unit()
            }
            Delay::Exponential { mean_us } => -f64::from(mean_us) * self.unit().ln(),
            Delay::Lognormal { median_us, sigma } => {
                let normal = (-2.0 * self.unit().ln()).sqrt() * (TAU * self.unit()).cos();
                f64::from(median_us) * (thousandths(sigma) * normal).exp()
            }
            Delay::Pareto { least_us, shape } => {
                f64::from(least_us) / self.unit().powf(1.0 / thousandths(shape))
            }
        };
        Duration::try_from_secs_f64((us / 1e6).min(DELAY_S_MAX)).unwrap_or_default()
    }
}

/// The parameter of a distribution; its field's limits keep it small.
fn thousandths(value: Decimal<3>) -> f64 {
    f64::from(i32::try_from(value.0).unwrap_or(i32::MAX)) / 1_000.0
}
