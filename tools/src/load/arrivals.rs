//! The schedule of an open loop: when each request is due, whatever became of those before. Pure: no clock, no socket.

use std::time::Duration;

use super::random::Random;

/// How requests are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// The same time from each to the next.
    Fixed,
    /// As if each came from somebody else: the times between are exponentially distributed (a Poisson process), from this seed.
    Poisson {
        /// The same seed gives the same schedule.
        seed: u64,
    },
}

/// When requests are due, counted from the beginning: an endless sequence that never descends.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    rate_per_s: f64,
    /// The place of the next one; whole numbers are exact in an f64 up to 2^53.
    place: f64,
    /// When the next one is due.
    due: Duration,
    /// Where the times between come from, if not from the rate alone.
    random: Option<Random>,
}

impl Arrivals {
    /// So many a second on average; the rate is positive.
    pub(crate) fn new(rate_per_s: f64, spread: Spread) -> Self {
        let random = match spread {
            Spread::Fixed => None,
            Spread::Poisson { seed } => Some(Random::from_seed(seed)),
        };
        let mut arrivals = Self { rate_per_s, place: 0.0, due: Duration::ZERO, random };
        // The first one of a Poisson process comes at random too.
        if arrivals.random.is_some() {
            arrivals.advance();
        }
        arrivals
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Duration {
        self.due
    }

    /// Goes on to the one after it.
    pub(crate) fn advance(&mut self) {
        self.place += 1.0;
        self.due = match &mut self.random {
            // Counted from the beginning, so that no error adds up.
            None => seconds(self.place / self.rate_per_s),
            Some(random) => {
                self.due.saturating_add(seconds(-(1.0 - random.fraction()).ln() / self.rate_per_s))
            }
        };
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(rate_per_s: f64, spread: Spread, end: Duration) -> Vec<Duration> {
        let mut arrivals = Arrivals::new(rate_per_s, spread);
        std::iter::from_fn(|| {
            let due = arrivals.due();
            arrivals.advance();
            (due < end).then_some(due)
        })
        .collect()
    }

    #[test]
    fn a_fixed_rate_is_kept_exactly() {
        let check = |rate_per_s: f64, seconds: u64, wanted: usize| {
            let due = until(rate_per_s, Spread::Fixed, Duration::from_secs(seconds));
            assert_eq!(due.len(), wanted, "{rate_per_s}/s for {seconds} s");
            assert_eq!(due.first(), Some(&Duration::ZERO));
        };
        check(200.0, 30, 6_000);
        check(3.0, 10, 30);
        check(0.5, 10, 5);
        check(12_345.0, 2, 24_690);
        let due = until(4.0, Spread::Fixed, Duration::from_secs(1));
        assert_eq!(due, [0, 250, 500, 750].map(Duration::from_millis));
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread_of_one() {
        let end = Duration::from_secs(100);
        let due = until(100.0, Spread::Poisson { seed: 1 }, end);
        // 10,000 are expected, with a standard deviation of 100.
        assert!((9_600..10_400).contains(&due.len()), "{}", due.len());
        assert!(due.is_sorted());
        // Of exponential gaps, 1 - 1/e are shorter than the mean.
        let short = due.windows(2).filter(|pair| pair[1] - pair[0] < Duration::from_millis(10)).count();
        let share = short as f64 / due.len() as f64;
        assert!((0.61..0.66).contains(&share), "{share}");
        assert_eq!(due, until(100.0, Spread::Poisson { seed: 1 }, end), "a seed gives one schedule");
        assert_ne!(due, until(100.0, Spread::Poisson { seed: 2 }, end));
    }
}
