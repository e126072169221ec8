//! When a condition that is looked at again and again becomes an alert, and when that is over. Pure.
//!
//! ```text
//!            bad                   bad for long enough
//!   Calm ─────────▶ Rising ───────────────────────────▶ Raised ◀──────────╮
//!    ▲  ◀───────────   │ not bad                            │ good         │ not good
//!    │                                                      ▼              │
//!    ╰──────────────────────────────────────────────────  Falling ─────────╯
//!                      good for long enough
//! ```
//!
//! Between what is bad and what is good lies a band that changes nothing: what sways about a limit raises one alert, not many.

/// How a condition stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// As it should not be.
    Bad,
    /// Neither.
    Between,
    /// As it should be.
    Good,
}

/// For how long it has to be so, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// Bad, before an alert is raised.
    pub(super) raise_s: u64,
    /// Good, before it is over.
    pub(super) clear_s: u64,
}

/// What an alert has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is raised.
    Raised,
    /// It is over.
    Over,
}

/// One condition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Hysteresis {
    #[default]
    Calm,
    Rising {
        since_ns: u64,
    },
    Raised,
    Falling {
        since_ns: u64,
    },
}

impl Hysteresis {
    /// It stands so now.
    pub(super) fn observe(&mut self, now: u64, level: Level, patience: Patience) -> Option<Turn> {
        let Patience { raise_s, clear_s } = patience;
        let lasts = |since_ns: u64, seconds: u64| now.saturating_sub(since_ns) >= seconds * 1_000_000_000;
        if *self == Self::Calm && level == Level::Bad {
            *self = Self::Rising { since_ns: now };
        }
        if *self == Self::Raised && level == Level::Good {
            *self = Self::Falling { since_ns: now };
        }
        match (*self, level) {
            (Self::Rising { since_ns }, Level::Bad) if lasts(since_ns, raise_s) => {
                *self = Self::Raised;
                Some(Turn::Raised)
            }
            (Self::Falling { since_ns }, Level::Good) if lasts(since_ns, clear_s) => {
                *self = Self::Calm;
                Some(Turn::Over)
            }
            (Self::Rising { .. }, Level::Between | Level::Good) => {
                *self = Self::Calm;
                None
            }
            (Self::Falling { .. }, Level::Between | Level::Bad) => {
                *self = Self::Raised;
                None
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::live::picture::tests::Random;

    const S: u64 = 1_000_000_000;
    const PATIENCE: Patience = Patience { raise_s: 5, clear_s: 10 };

    /// The turns of a condition whose levels are these, second by second; and when they came.
    fn turns(levels: impl IntoIterator<Item = Level>) -> Vec<(u64, Turn)> {
        let mut condition = Hysteresis::default();
        let turn =
            |(second, level)| Some((second, condition.observe((1_000 + second) * S, level, PATIENCE)?));
        (0..).zip(levels).filter_map(turn).collect()
    }

    #[test]
    fn it_takes_a_while_to_be_raised_and_to_be_over() {
        use Level::{Bad, Between, Good};
        let levels = [vec![Good; 5], vec![Bad; 10], vec![Good; 20]].concat();
        assert_eq!(turns(levels), [(10, Turn::Raised), (25, Turn::Over)]);
        // One good look begins it anew, and one that is not good keeps it.
        let levels =
            [vec![Bad; 4], vec![Between], vec![Bad; 6], vec![Good; 9], vec![Between], vec![Good; 11]]
                .concat();
        assert_eq!(turns(levels), [(10, Turn::Raised), (31, Turn::Over)]);
        let mut at_once = Hysteresis::default();
        assert_eq!(at_once.observe(S, Bad, Patience { raise_s: 0, clear_s: 0 }), Some(Turn::Raised));
        assert_eq!(at_once.observe(S, Good, Patience { raise_s: 0, clear_s: 0 }), Some(Turn::Over));
    }

    #[test]
    fn it_never_flaps_whatever_comes() {
        for seed in 0..500 {
            let mut random = Random(seed);
            // Levels that come in runs, as long and as short as may be.
            let mut levels = Vec::new();
            while levels.len() < 600 {
                let level =
                    [Level::Bad, Level::Between, Level::Good][usize::try_from(random.below(3)).unwrap()];
                levels.extend(vec![level; usize::try_from(1 + random.below(14)).unwrap()]);
            }
            let turns = turns(levels.clone());
            for (at, pair) in turns.windows(2).enumerate() {
                let [(before_s, before), (now_s, now)] = pair else { unreachable!() };
                let least_s = if *now == Turn::Raised { PATIENCE.raise_s } else { PATIENCE.clear_s };
                assert!(now_s - before_s >= least_s, "seed {seed}, turn {at}: {turns:?}");
                assert_ne!(before, now, "seed {seed}");
            }
            for (second, turn) in turns {
                let wanted = if turn == Turn::Raised { Level::Bad } else { Level::Good };
                let least = if turn == Turn::Raised { PATIENCE.raise_s } else { PATIENCE.clear_s };
                let run =
                    &levels[usize::try_from(second - least).unwrap()..=usize::try_from(second).unwrap()];
                assert!(run.iter().all(|level| *level == wanted), "seed {seed}: {run:?} before {turn:?}");
            }
        }
    }
}
