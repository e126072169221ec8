//! Scenarios: the loads of the nodes under which algorithms are compared.

use std::fmt;
use std::str::FromStr;

use micronet_services::node::api::{Delay, LoadChange};
use micronet_wire::schema::Decimal;

/// How the nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// All alike.
    Even,
    /// The second takes ten times as long.
    OneSlow,
    /// Each takes twice as long as the one before.
    Varying,
    /// The second fails every fifth request.
    Failing,
    /// The second takes ten times as long, every other second.
    Flapping,
}

impl Scenario {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Even, Self::OneSlow, Self::Varying, Self::Failing, Self::Flapping];

    /// Its name, on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::OneSlow => "one-slow",
            Self::Varying => "varying",
            Self::Failing => "failing",
            Self::Flapping => "flapping",
        }
    }

    /// What it is, in words.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Even => "all nodes alike",
            Self::OneSlow => "the second node ten times slower",
            Self::Varying => "each node twice as slow as the one before",
            Self::Failing => "the second node fails a fifth of its requests",
            Self::Flapping => "the second node ten times slower, every other second",
        }
    }

    /// The whole load of the node at this place, from 0. The same seed gives it the same waits.
    pub(crate) fn load(self, place: usize, seed: u64) -> LoadChange {
        let is_second = place == 1;
        let median_us = match self {
            Self::Varying => 5_000 << place.min(4),
            _ => 5_000,
        };
        let bad = |is_bad: bool, value: u32, usual: u32| Some(if is_bad { value } else { usual });
        LoadChange {
            work_us: Some(100),
            delay: Some(Delay::Lognormal { median_us, sigma: Decimal(300) }),
            errors_per_mille: bad(is_second && self == Self::Failing, 200, 0),
            slow_per_mille: Some(1_000),
            slower: bad(is_second && matches!(self, Self::OneSlow | Self::Flapping), 10, 1),
            flap_ms: bad(self == Self::Flapping, 1_000, 0),
            payload_bytes: Some(64),
            seed: Some(seed.wrapping_add(place as u64)),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == text);
        found.ok_or_else(|| format!("no scenario is called {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_read_from_its_name() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.name().parse(), Ok(scenario));
        }
        assert!("odd".parse::<Scenario>().is_err());
    }

    #[test]
    fn only_what_a_scenario_is_about_differs() {
        let loads =
            |scenario: Scenario| [0, 1, 2].map(|place| LoadChange { seed: None, ..scenario.load(place, 7) });
        let [one, two, three] = loads(Scenario::Even);
        assert!(one == two && two == three);
        for scenario in [Scenario::OneSlow, Scenario::Failing] {
            let [first, second, third] = loads(scenario);
            assert!(first == one && third == one && second != one, "{scenario}");
        }
        assert_eq!(loads(Scenario::OneSlow)[1], LoadChange { slower: Some(10), ..one });
        assert_ne!(Scenario::Even.load(0, 7).seed, Scenario::Even.load(1, 7).seed);
    }
}
