//! How a drill goes on: what is done when. Pure: the time is told, and what is seen.
//!
//! ```text
//! Baseline ──quiet──▶ Fault ──its time, or it is over──▶ Recovery ──well, and quiet again──▶ Over
//!     ╰──────────────────┴─────────────── given up ──────────┴──────────────────────────────▶ Over
//! ```

/// How long it is waited until callers use again what was mended, in milliseconds.
pub(super) const RECOVERY_MS_MAX: u64 = 60_000;

/// How long its parts last, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// Before the fault, and after all is well.
    pub(super) quiet_ms: u64,
    /// The fault.
    pub(super) fault_ms: u64,
}

/// Where it stands. Times are milliseconds of the drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing is broken yet.
    Baseline,
    /// It is broken since then.
    Fault { since_ms: u64 },
    /// It is mended since then, and well since then if it is.
    Recovery { since_ms: u64, well_ms: Option<u64> },
    /// It has ended.
    Over,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Break it now.
    Break,
    /// Mend it now.
    Mend,
    /// The drill is over.
    End,
}

/// What is seen of the fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// It is over by itself: somebody has ended it, or the process that was killed runs again.
    pub(super) is_over: bool,
    /// All that was broken gets calls again.
    pub(super) is_well: bool,
}

/// The course of one drill.
#[derive(Clone, Debug)]
pub(super) struct Course {
    times: Times,
    place: Place,
}

impl Course {
    /// It begins, at time 0.
    pub(super) fn begin(times: Times) -> Self {
        Self { times, place: Place::Baseline }
    }

    /// Where it stands.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// What is to be done now. It is asked again after each step, until there is none.
    pub(super) fn step(&mut self, now_ms: u64, seen: Seen) -> Option<Step> {
        let Times { quiet_ms, fault_ms } = self.times;
        match self.place {
            Place::Baseline if now_ms >= quiet_ms => {
                self.place = Place::Fault { since_ms: now_ms };
                Some(Step::Break)
            }
            Place::Fault { since_ms } if seen.is_over || now_ms >= since_ms + fault_ms => {
                self.place = Place::Recovery { since_ms: now_ms, well_ms: None };
                Some(Step::Mend)
            }
            Place::Recovery { since_ms, well_ms } => {
                let well_ms = well_ms.or(seen.is_well.then_some(now_ms));
                self.place = Place::Recovery { since_ms, well_ms };
                let over = match well_ms {
                    Some(well_ms) => now_ms >= well_ms + quiet_ms,
                    None => now_ms >= since_ms + RECOVERY_MS_MAX,
                };
                over.then(|| self.end())
            }
            Place::Baseline | Place::Fault { .. } | Place::Over => None,
        }
    }

    /// It is given up: what is to be done about it, in this order.
    pub(super) fn give_up(&mut self) -> &'static [Step] {
        let place = self.place;
        self.place = Place::Over;
        match place {
            Place::Fault { .. } => &[Step::Mend, Step::End],
            Place::Baseline | Place::Recovery { .. } => &[Step::End],
            Place::Over => &[],
        }
    }

    /// How long what it does now still takes, as far as that is known, in milliseconds.
    pub(super) fn left_ms(&self, now_ms: u64) -> Option<u64> {
        let due_ms = match self.place {
            Place::Baseline => self.times.quiet_ms,
            Place::Fault { since_ms } => since_ms + self.times.fault_ms,
            Place::Recovery { well_ms, .. } => well_ms? + self.times.quiet_ms,
            Place::Over => return None,
        };
        Some(due_ms.saturating_sub(now_ms))
    }

    fn end(&mut self) -> Step {
        self.place = Place::Over;
        Step::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { quiet_ms: 5_000, fault_ms: 10_000 };
    const NOTHING: Seen = Seen { is_over: false, is_well: false };
    const WELL: Seen = Seen { is_over: false, is_well: true };
    const OVER: Seen = Seen { is_over: true, is_well: false };

    /// Goes through these times and sights, and compares what is to be done.
    fn check(steps: &[(u64, Seen, Option<Step>)]) -> Course {
        let mut course = Course::begin(TIMES);
        for (now_ms, seen, wanted) in steps {
            assert_eq!(course.step(*now_ms, *seen), *wanted, "at {now_ms} of {steps:?}");
        }
        course
    }

    #[test]
    fn it_is_quiet_then_broken_then_mended_then_quiet_again() {
        let course = check(&[
            (0, NOTHING, None),
            (4_999, WELL, None),
            (5_010, NOTHING, Some(Step::Break)),
            (15_009, WELL, None),
            (15_010, NOTHING, Some(Step::Mend)),
            (15_300, NOTHING, None),
            (16_000, WELL, None),
            // What was well once is waited for no more.
            (20_999, NOTHING, None),
            (21_000, NOTHING, Some(Step::End)),
            (30_000, WELL, None),
        ]);
        assert_eq!(course.place(), Place::Over);
    }

    #[test]
    fn what_ends_by_itself_is_not_waited_for() {
        check(&[
            (5_000, NOTHING, Some(Step::Break)),
            (5_900, OVER, Some(Step::Mend)),
            (5_900, WELL, None),
            (10_900, NOTHING, Some(Step::End)),
        ]);
    }

    #[test]
    fn what_does_not_become_well_ends_too() {
        check(&[
            (5_000, NOTHING, Some(Step::Break)),
            (15_000, NOTHING, Some(Step::Mend)),
            (74_999, NOTHING, None),
            (75_000, NOTHING, Some(Step::End)),
        ]);
    }

    #[test]
    fn what_is_given_up_is_mended_if_it_was_broken() {
        let check = |until: &[(u64, Seen, Option<Step>)], wanted: &[Step]| {
            let mut course = check(until);
            assert_eq!(course.give_up(), wanted);
            assert_eq!((course.place(), course.give_up()), (Place::Over, &[][..]));
            assert_eq!(course.step(1_000_000, WELL), None);
        };
        check(&[], &[Step::End]);
        let broken = (5_000, NOTHING, Some(Step::Break));
        check(&[broken], &[Step::Mend, Step::End]);
        check(&[broken, (15_000, NOTHING, Some(Step::Mend))], &[Step::End]);
    }

    #[test]
    fn how_long_it_still_takes_is_known_where_it_can_be() {
        let mut course = Course::begin(TIMES);
        assert_eq!(course.left_ms(2_000), Some(3_000));
        course.step(5_000, NOTHING);
        assert_eq!(course.left_ms(6_000), Some(9_000));
        course.step(15_000, NOTHING);
        assert_eq!(course.left_ms(15_500), None);
        course.step(16_000, WELL);
        assert_eq!(course.left_ms(17_000), Some(4_000));
        course.give_up();
        assert_eq!(course.left_ms(17_000), None);
    }
}
