//! Which instance gets the next call. Pure: the candidates, the time and chance are arguments.
//!
//! Whoever calls makes a [`Candidate`] of each instance that may take the call, in any order, and [`Balancer::pick`]s one. What a
//! balancer remembers it remembers by the instances' keys, so candidates may come and go between picks.

mod adaptive;
mod ip_hash;
pub mod latency;
mod least_connections;
mod least_response_time;
mod p2c_ewma;
mod round_robin;
pub mod slow_start;
mod weighted;

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use self::adaptive::Adaptive;
pub use self::adaptive::measured::Measured;
use self::latency::Outcome;
use self::weighted::Rotation;
use crate::chance::Chance;

/// How an instance is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Algorithm {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The one with the fewest calls in flight.
    LeastConnections,
    /// The one that is done soonest by its mean response time.
    LeastResponseTime,
    /// Each in turn as often as its weight says.
    Weighted,
    /// The same one for the same client.
    IpHash,
    /// Of two by chance the one that costs less.
    P2cEwma,
    /// One of the others, by what is measured.
    Adaptive,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RoundRobin,
        Self::LeastConnections,
        Self::LeastResponseTime,
        Self::Weighted,
        Self::IpHash,
        Self::P2cEwma,
        Self::Adaptive,
    ];

    /// Its name in configuration, on command lines and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::LeastConnections => "least_connections",
            Self::LeastResponseTime => "least_response_time",
            Self::Weighted => "weighted",
            Self::IpHash => "ip_hash",
            Self::P2cEwma => "p2c_ewma",
            Self::Adaptive => "adaptive",
        }
    }

    /// What it does, in a line.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::RoundRobin => "each instance in turn",
            Self::LeastConnections => "the instance with the fewest calls in flight for its weight",
            Self::LeastResponseTime => "the instance with the least mean response time times calls in flight",
            Self::Weighted => "each instance in turn, as often as its weight says",
            Self::IpHash => "the same instance for the same client, for as long as it is there",
            Self::P2cEwma => {
                "of two instances by chance the one whose peak response time times calls in flight is less"
            }
            Self::Adaptive => "one of the others, by the response times and failures that are measured",
        }
    }
}

impl Display for Algorithm {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{name:?} is no balancing algorithm; there are {names}")
        })
    }
}

/// An instance that may take the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// What the instance is known by from one pick to the next.
    pub key: u64,
    /// Its share of the calls in relation to the others; 100 is the norm. One of weight 0 gets a call where there is nobody else.
    pub weight: u32,
    /// Calls that it has not answered yet.
    pub in_flight: u32,
    /// Its response time as [`latency::Latency::peak_ns`] tells it; 0 when nothing is known.
    pub response_ns: u64,
    /// Its response time as [`latency::Latency::mean_ns`] tells it; 0 when nothing is known.
    pub mean_ns: u64,
    /// What [`slow_start::share_permille`] leaves of its share, in thousandths.
    pub share_permille: u32,
}

impl Candidate {
    /// An idle instance of the usual weight of which nothing is known.
    #[must_use]
    pub const fn new(key: u64) -> Self {
        Self { key, weight: 100, in_flight: 0, response_ns: 0, mean_ns: 0, share_permille: 1_000 }
    }

    /// Its weight, in slow start the part of it that it has so far; at least 1.
    fn effective_weight(&self) -> u64 {
        (u64::from(self.weight) * u64::from(self.share_permille)).max(1)
    }

    /// What a call costs on it as the algorithm compares that, where an instance of weight 100 is the norm: in thousandths of a call in
    /// flight, or in microseconds. 0 where it isn't known, or the algorithm doesn't compare.
    #[must_use]
    pub fn score(&self, algorithm: Algorithm) -> u64 {
        let weighed = |cost: u64| cost.saturating_mul(100) / u64::from(self.weight.max(1));
        let calls = u64::from(self.calls_with_this());
        match algorithm {
            Algorithm::LeastConnections => weighed(calls * 1_000),
            Algorithm::LeastResponseTime => weighed(calls.saturating_mul(self.mean_ns) / 1_000),
            Algorithm::P2cEwma => weighed(calls.saturating_mul(self.response_ns) / 1_000),
            Algorithm::RoundRobin | Algorithm::Weighted | Algorithm::IpHash | Algorithm::Adaptive => 0,
        }
    }

    /// Its calls in flight if it gets this one too.
    fn calls_with_this(&self) -> u32 {
        self.in_flight.saturating_add(1)
    }

    /// What a call costs on it: what is in flight, with this call, for as long as each takes, for its weight.
    fn cost(&self, response_ns: f64) -> f64 {
        f64::from(self.calls_with_this()) * response_ns / f64::from(self.weight.max(1))
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The time, in nanoseconds.
    pub now: u64,
    /// A hash of the address of the client for which the call is made, where it is known.
    pub client: Option<u64>,
    /// Any random number.
    pub random: u64,
}

/// Picks instances of one service by an algorithm, which can be replaced at any time.
#[derive(Debug, Default)]
pub struct Balancer {
    algorithm: Algorithm,
    /// Since when, in nanoseconds.
    since: u64,
    round_robin: Rotation,
    weighted: Rotation,
    turns: Turns,
    adaptive: Adaptive,
}

/// What a balancer does, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The algorithm that was chosen.
    pub algorithm: Algorithm,
    /// The one that picks: another one when the chosen one is adaptive.
    pub acting: Algorithm,
    /// Since when it does, in nanoseconds.
    pub since: u64,
    /// Why, in a sentence with numbers.
    pub reason: String,
    /// What was measured in the last window, when the chosen algorithm measures.
    pub measured: Option<Measured>,
}

impl Balancer {
    /// One that picks by this algorithm.
    #[must_use]
    pub fn new(now: u64, algorithm: Algorithm) -> Self {
        Self { algorithm, since: now, adaptive: Adaptive::new(now), ..Self::default() }
    }

    /// Replaces the algorithm. To set the one that it has already changes nothing.
    pub fn set(&mut self, now: u64, algorithm: Algorithm) {
        if algorithm != self.algorithm {
            self.algorithm = algorithm;
            self.since = now;
            self.adaptive = Adaptive::new(now);
        }
    }

    /// The algorithm that was chosen.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether response times matter to it: candidates may go without them where they don't.
    #[must_use]
    pub fn reads_response_times(&self) -> bool {
        matches!(self.algorithm, Algorithm::LeastResponseTime | Algorithm::P2cEwma | Algorithm::Adaptive)
    }

    /// The place among the candidates of the instance that gets the call; `None` when there is none.
    pub fn pick(&mut self, candidates: &[Candidate], ask: &Ask) -> Option<usize> {
        if candidates.is_empty() {
            return None;
        }
        let acting = match self.algorithm {
            Algorithm::Adaptive => self.adaptive.acting(ask.now, candidates),
            chosen => chosen,
        };
        match acting {
            Algorithm::LeastConnections => least_connections::pick(&mut self.turns, candidates, ask.random),
            Algorithm::LeastResponseTime => {
                least_response_time::pick(&mut self.turns, candidates, ask.random)
            }
            Algorithm::Weighted => self.weighted.pick(candidates, Candidate::effective_weight),
            Algorithm::P2cEwma => p2c_ewma::pick(candidates, ask.random),
            Algorithm::IpHash if let Some(client) = ask.client => ip_hash::pick(candidates, client),
            Algorithm::IpHash | Algorithm::RoundRobin | Algorithm::Adaptive => {
                round_robin::pick(&mut self.round_robin, candidates)
            }
        }
    }

    /// The algorithm that picked last: another one than was chosen where that is adaptive.
    #[must_use]
    pub fn acts_by(&self) -> Algorithm {
        match self.algorithm {
            Algorithm::Adaptive => self.adaptive.acts_by(),
            chosen => chosen,
        }
    }

    /// Tells what came of a call.
    pub fn record(&mut self, now: u64, key: u64, outcome: Outcome) {
        if self.algorithm == Algorithm::Adaptive {
            self.adaptive.record(now, key, outcome);
        }
    }

    /// What it does and why.
    #[must_use]
    pub fn explain(&self) -> Explained {
        match self.algorithm {
            Algorithm::Adaptive => self.adaptive.explain(),
            algorithm => Explained {
                algorithm,
                acting: algorithm,
                since: self.since,
                reason: algorithm.description().into(),
                measured: None,
            },
        }
    }
}

/// Lets those that are equally good take turns.
#[derive(Debug, Default)]
struct Turns {
    /// The instance that was picked last.
    last: Option<u64>,
}

impl Turns {
    /// The least of the candidates; among several the one that follows the one picked last. One in slow start takes only its share
    /// of what it wins, and the rest goes to the least of those that have more of theirs.
    fn least(
        &mut self,
        candidates: &[Candidate],
        random: u64,
        compare: impl Fn(&Candidate, &Candidate) -> Ordering,
    ) -> Option<usize> {
        let last = candidates.iter().position(|candidate| Some(candidate.key) == self.last);
        let next = last.map_or(0, |last| last + 1);
        let in_turn = || (next..candidates.len()).chain(0..next);
        let by = |one: &usize, other: &usize| compare(&candidates[*one], &candidates[*other]);
        let share = |at: usize| candidates[at].share_permille;
        let mut picked = in_turn().min_by(by)?;
        let most = candidates.iter().map(|candidate| candidate.share_permille).max()?;
        if !slow_start::takes_it(share(picked), most, mixed(!random)) {
            let won = share(picked);
            picked = in_turn().filter(|at| share(*at) > won).min_by(by)?;
        }
        self.last = Some(candidates[picked].key);
        Some(picked)
    }
}

/// A response time, or another where it is not known.
fn known_or(response_ns: u64, otherwise_ns: f64) -> f64 {
    if response_ns > 0 { response_ns as f64 } else { otherwise_ns }
}

/// A number below `bound`, which is below 2^32, from the upper half of random bits.
fn below(random: u64, bound: u64) -> usize {
    usize::try_from(((random >> 32) * bound) >> 32).unwrap_or(0)
}

/// Bits that depend on all bits of a number (the finaliser of Vigna's `SplitMix64`).
fn mixed(bits: u64) -> u64 {
    Chance::new(bits).bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(client: Option<u64>, random: u64) -> Ask {
        Ask { now: 1 << 40, client, random }
    }

    #[test]
    fn algorithms_have_names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
            assert!(!algorithm.description().is_empty());
        }
        assert!("fastest".parse::<Algorithm>().unwrap_err().contains("p2c_ewma, adaptive"));
    }

    #[test]
    fn every_algorithm_picks_a_candidate_if_there_is_one() {
        for algorithm in Algorithm::ALL {
            let mut balancer = Balancer::new(1, algorithm);
            assert_eq!(balancer.pick(&[], &ask(Some(3), 9)), None, "{algorithm}");
            for count in 1..9 {
                let candidates: Vec<Candidate> = (0..count)
                    .map(|key| Candidate {
                        weight: 0,
                        share_permille: 0,
                        in_flight: u32::MAX,
                        ..Candidate::new(key)
                    })
                    .collect();
                for random in 0..100 {
                    let picked = balancer.pick(&candidates, &ask(Some(random), mixed(random)));
                    assert!(picked.is_some_and(|at| at < candidates.len()), "{algorithm} {count} {random}");
                }
            }
        }
    }

    #[test]
    fn the_algorithm_can_be_replaced() {
        let candidates = [100, 200].map(|weight| Candidate { weight, ..Candidate::new(u64::from(weight)) });
        let mut balancer = Balancer::default();
        let picks = |balancer: &mut Balancer, client| {
            [0; 3].map(|random| balancer.pick(&candidates, &ask(client, random)).unwrap())
        };
        assert_eq!(picks(&mut balancer, None), [0, 1, 0]);
        balancer.set(77, Algorithm::Weighted);
        assert_eq!(picks(&mut balancer, None), [1, 0, 1]);
        balancer.set(88, Algorithm::Weighted);
        let explained = balancer.explain();
        assert_eq!(
            (explained.algorithm, explained.acting, explained.since),
            (Algorithm::Weighted, Algorithm::Weighted, 77)
        );
        assert_eq!(explained.reason, Algorithm::Weighted.description());
        balancer.set(99, Algorithm::IpHash);
        let [first, second, third] = picks(&mut balancer, Some(5));
        assert!(first == second && second == third);
        assert_eq!(picks(&mut balancer, None), [1, 0, 1], "without a client, in turn");
    }
}
