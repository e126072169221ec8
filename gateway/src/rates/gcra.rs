//! Whether one more is too many: the generic cell rate algorithm (ITU-T I.371, "virtual scheduling"), of one time a caller.

use std::fmt::{self, Display};
use std::num::NonZeroU32;
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;
/// The spans of a limit, as they are written.
const SPANS: [(&str, u64); 4] =
    [("s", SECOND_NS), ("min", 60 * SECOND_NS), ("hour", 3_600 * SECOND_NS), ("h", 3_600 * SECOND_NS)];

/// How often something may happen: as many at once as the burst, and as many in a span as the rate. In any time `t` never more than
/// `burst + rate * t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    count: NonZeroU32,
    span_ns: u64,
    burst: NonZeroU32,
    /// The time that one uses up: the span by the count, rounded up so that there is never one too many.
    each_ns: u64,
}

/// How much of a limit is used: until when, at the rate of the limit, what has happened would have taken. What lies in the past is nothing
/// used, whatever it is, so a count that isn't there is one that is unused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used(u64);

/// What is left of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// As many may follow at once.
    pub remaining: u32,
    /// After this time there are as many as ever, in nanoseconds.
    pub whole_ns: u64,
    /// Where it was too many: after this time it isn't, in nanoseconds.
    pub wait_ns: Option<u64>,
}

impl Limit {
    /// So many in a span, and as many at once as `burst`. `None` for a span of nothing, or one that is too long to count.
    #[must_use]
    pub fn new(count: u32, span: Duration, burst: u32) -> Option<Self> {
        let (count, burst) = (NonZeroU32::new(count)?, NonZeroU32::new(burst)?);
        let span_ns = u64::try_from(span.as_nanos()).ok().filter(|ns| *ns > 0)?;
        let each_ns = span_ns.div_ceil(u64::from(count.get()));
        each_ns.checked_mul(u64::from(burst.get())).filter(|ns| *ns < 1 << 62)?;
        Some(Self { count, span_ns, burst, each_ns })
    }

    /// Reads `"100/min"`, or `"100/min burst 20"`. Without a burst, what a span allows may come at once.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rate, burst) = match text.split_once(" burst ") {
            Some((rate, burst)) => (rate, Some(burst.trim().parse().ok()?)),
            None => (text, None),
        };
        let (count, span) = rate.trim().split_once('/')?;
        let count = count.trim().parse().ok()?;
        let (_, span_ns) = SPANS.iter().find(|(name, _)| *name == span.trim())?;
        Self::new(count, Duration::from_nanos(*span_ns), burst.unwrap_or(count))
    }

    /// As many in a span.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.get()
    }

    /// The span, in seconds.
    #[must_use]
    pub fn span_s(&self) -> u64 {
        self.span_ns.div_ceil(SECOND_NS)
    }

    /// As many at once.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst.get()
    }

    /// The time that one uses up, in nanoseconds.
    #[must_use]
    pub fn each_ns(&self) -> u64 {
        self.each_ns
    }

    /// The time that a whole burst uses up, in nanoseconds.
    #[must_use]
    pub fn burst_ns(&self) -> u64 {
        self.each_ns * u64::from(self.burst.get())
    }

    /// One more at this time: it is counted unless it is one too many.
    pub fn pass(&self, used: &mut Used, now_ns: u64) -> Left {
        let ahead_ns = used.ahead_ns(now_ns) + self.each_ns;
        if ahead_ns > self.burst_ns() {
            return Left {
                remaining: 0,
                whole_ns: ahead_ns - self.each_ns,
                wait_ns: Some(ahead_ns - self.burst_ns()),
            };
        }
        *used = Used(now_ns.saturating_add(ahead_ns));
        self.left(ahead_ns)
    }

    /// What is left at this time, and nothing counted: `wait_ns` says whether one would be too many.
    #[must_use]
    pub fn look(&self, mut used: Used, now_ns: u64) -> Left {
        let before = used;
        match self.pass(&mut used, now_ns) {
            left @ Left { wait_ns: Some(_), .. } => left,
            _ => self.left(before.ahead_ns(now_ns)),
        }
    }

    /// What is left where so much time is used up.
    #[must_use]
    pub fn left(&self, ahead_ns: u64) -> Left {
        let remaining = self.burst_ns().saturating_sub(ahead_ns) / self.each_ns;
        Left { remaining: u32::try_from(remaining).unwrap_or(u32::MAX), whole_ns: ahead_ns, wait_ns: None }
    }
}

impl Used {
    /// Whether nothing is used any more.
    #[must_use]
    pub fn is_nothing(self, now_ns: u64) -> bool {
        self.0 <= now_ns
    }

    fn ahead_ns(self, now_ns: u64) -> u64 {
        self.0.saturating_sub(now_ns)
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = SPANS.iter().find(|(_, ns)| *ns == self.span_ns).map_or("?", |(name, _)| name);
        write!(f, "{}/{span}", self.count)?;
        if self.burst == self.count { Ok(()) } else { write!(f, " burst {}", self.burst) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit(text: &str) -> Limit {
        Limit::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["100/min", "5/s", "10/hour", "100/min burst 20", "6000000/min"] {
            assert_eq!(limit(text).to_string(), text);
        }
        assert_eq!(limit(" 10 / h burst 2 "), limit("10/hour burst 2"));
        for wrong in
            ["", "100", "/min", "100/day", "0/min", "5/min burst 0", "5/min 3", "-1/s", "x/s", "1.5/s"]
        {
            assert_eq!(Limit::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn five_a_minute_are_five_at_once_and_then_one_in_twelve_seconds() {
        let (limit, mut used) = (limit("5/min"), Used::default());
        let now = 1_000 * SECOND_NS;
        for remaining in (0..5).rev() {
            assert_eq!(limit.pass(&mut used, now).remaining, remaining);
        }
        let refused = limit.pass(&mut used, now);
        assert_eq!((refused.wait_ns, refused.whole_ns), (Some(12 * SECOND_NS), 60 * SECOND_NS));
        // A refusal uses nothing up.
        assert_eq!(limit.pass(&mut used, now + 12 * SECOND_NS - 1).wait_ns, Some(1));
        assert_eq!(limit.look(used, now + 12 * SECOND_NS).wait_ns, None);
        assert_eq!(limit.pass(&mut used, now + 12 * SECOND_NS).wait_ns, None);
        assert_eq!(limit.pass(&mut used, now + 12 * SECOND_NS).wait_ns, Some(12 * SECOND_NS));
        assert!(!used.is_nothing(now + 72 * SECOND_NS - 1) && used.is_nothing(now + 72 * SECOND_NS));
    }

    proptest! {
        /// Between any two that pass, both counted, there are never more than the burst and what the rate gives in that time.
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            count in 1u32..50,
            burst in 1u32..20,
            span_ns in 1u64..10_000,
            gaps in prop::collection::vec(0u64..2_000, 1..200),
        ) {
            let limit = Limit::new(count, Duration::from_nanos(span_ns), burst).expect("a limit");
            let (mut used, mut now, mut passed) = (Used::default(), 1u64 << 40, Vec::new());
            for gap in gaps {
                now += gap;
                let before = used;
                let looked = limit.look(used, now);
                let left = limit.pass(&mut used, now);
                prop_assert_eq!(looked.wait_ns, left.wait_ns);
                match left.wait_ns {
                    None => passed.push(now),
                    Some(wait) => {
                        // What is refused changes nothing, and isn't refused after the time that is told, nor before.
                        prop_assert_eq!(before, used);
                        prop_assert_eq!(limit.look(used, now + wait).wait_ns, None);
                        prop_assert!(wait <= limit.each_ns());
                        prop_assert!(limit.look(used, now + wait - 1).wait_ns.is_some());
                    }
                }
            }
            for (at, first) in passed.iter().enumerate() {
                for (many, last) in (1u64..).zip(&passed[at..]) {
                    let rated = u128::from(last - first) * u128::from(count) / u128::from(span_ns);
                    prop_assert!(u128::from(many) <= u128::from(burst) + rated, "{} in {}", many, last - first);
                }
            }
        }

        /// Whoever keeps to the rate is never refused.
        #[test]
        fn who_keeps_to_the_rate_passes(count in 1u32..1_000, burst in 1u32..5, many in 1usize..100) {
            let limit = Limit::new(count, Duration::from_secs(60), burst).expect("a limit");
            let mut used = Used::default();
            for at in 0..many as u64 {
                prop_assert_eq!(limit.pass(&mut used, at * limit.each_ns()).wait_ns, None);
            }
        }
    }
}
