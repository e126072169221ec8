//! What is counted while a ping runs.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use micronet_transport::diagnosis::Verdict;

/// The longest round trip that is told apart from longer ones: an hour, in microseconds.
const ROUND_TRIP_US_MAX: u64 = 3_600_000_000;
/// Decimal digits to which percentiles are exact.
const DIGITS: u8 = 3;

/// Counts of heartbeats, and how long their answers took.
#[derive(Debug)]
pub(super) struct Tally {
    sent: u64,
    answered: u64,
    late: u64,
    verdicts: BTreeMap<Verdict, u64>,
    last: Option<Verdict>,
    round_trip_us: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sent: 0,
            answered: 0,
            late: 0,
            verdicts: BTreeMap::new(),
            last: None,
            round_trip_us: Histogram::new_with_bounds(1, ROUND_TRIP_US_MAX, DIGITS)
                .expect("these bounds are valid"),
        }
    }
}

impl Tally {
    /// A heartbeat begins.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    /// A heartbeat was broken off before it was known what becomes of it.
    pub(super) fn broken_off(&mut self) {
        self.sent -= 1;
    }

    /// An answer came, in time or late.
    pub(super) fn answered(&mut self, round_trip_us: u64, late: bool, verdict: Verdict) {
        self.answered += 1;
        self.late += u64::from(late);
        self.round_trip_us.saturating_record(round_trip_us);
        self.judged(verdict);
    }

    /// An answer did not come in time.
    pub(super) fn missing(&mut self, verdict: Verdict) {
        self.judged(verdict);
    }

    fn judged(&mut self, verdict: Verdict) {
        *self.verdicts.entry(verdict).or_default() += 1;
        self.last = Some(verdict);
    }

    /// Heartbeats.
    pub(super) fn all(&self) -> u64 {
        self.sent
    }

    /// Those that were answered, late ones included.
    pub(super) fn answers(&self) -> u64 {
        self.answered
    }

    /// Those that were answered after their time.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Those that were never answered.
    pub(super) fn lost(&self) -> u64 {
        self.sent - self.answered
    }

    /// Those in percent.
    pub(super) fn lost_percent(&self) -> f64 {
        ratio(self.lost() * 100, self.sent)
    }

    /// How often each verdict was given.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (Verdict, u64)> {
        self.verdicts.iter().map(|(verdict, count)| (*verdict, *count))
    }

    /// The last verdict: how it is now.
    pub(super) fn last(&self) -> Option<Verdict> {
        self.last
    }

    /// The round trips in microseconds, by name; nothing when there are none.
    pub(super) fn round_trips(&self) -> Vec<(&'static str, f64)> {
        let of = &self.round_trip_us;
        if of.is_empty() {
            return Vec::new();
        }
        let at = |percentile| whole(of.value_at_percentile(percentile));
        vec![
            ("min", whole(of.min())),
            ("avg", of.mean()),
            ("max", whole(of.max())),
            ("mdev", of.stdev()),
            ("p50", at(50.0)),
            ("p90", at(90.0)),
            ("p99", at(99.0)),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn whole(number: u64) -> f64 {
    number as f64
}

fn ratio(part: u64, whole_count: u64) -> f64 {
    if whole_count == 0 { 0.0 } else { whole(part) / whole(whole_count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_answers_are_not_lost() {
        let mut tally = Tally::default();
        assert_eq!((tally.lost_percent(), tally.round_trips(), tally.last()), (0.0, Vec::new(), None));
        for _ in 0..4 {
            tally.sent();
        }
        tally.answered(100, false, Verdict::Fine);
        tally.missing(Verdict::DeadLink);
        tally.answered(300_000, true, Verdict::Congested);
        tally.missing(Verdict::Stalled);
        assert_eq!((tally.all(), tally.answers(), tally.late(), tally.lost()), (4, 2, 1, 2));
        assert_eq!((tally.lost_percent(), tally.last()), (50.0, Some(Verdict::Stalled)));
        let found = tally.round_trips();
        assert_eq!([found[0], found[4]], [("min", 100.0), ("p50", 100.0)]);
        assert!((299_000.0..301_000.0).contains(&found[2].1), "{found:?}");
        assert_eq!(tally.verdicts().map(|(_, count)| count).sum::<u64>(), 4);
    }
}
