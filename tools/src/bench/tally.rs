//! What is counted while a repetition runs, by one thread; several are added up.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use micronet_wire::ledger::Ledger;

use super::report::latencies::Latencies;
use super::report::model::{Bytes, Interval, LedgerMeans, Repetition};
use crate::load::Standing;

/// The most intervals of a repetition.
const INTERVALS_MAX: u64 = 600;
/// Kinds of errors that are counted apart; further ones are counted together.
const KINDS_MAX: usize = 16;
/// The name under which they are.
const OTHER_KINDS: &str = "other";

/// A name of a kind of error: the same for each of its kind.
pub(super) type Kind = Cow<'static, str>;

/// When a repetition is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// What was due before is warm-up, and isn't counted.
    pub(super) from: Instant,
    /// How long it is meant to be.
    pub(super) duration: Duration,
    /// Whether requests are due by the clock.
    pub(super) is_open: bool,
}

/// When a request was due, and when it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    /// Its latency counts from then.
    pub(super) due: Instant,
    /// The later, the busier the client or its connections were.
    pub(super) sent: Instant,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has what it asked for.
    Good,
    /// It was answered, but not with that; or it failed at once.
    Failed(Kind),
    /// It was given up when it had waited for long. How long that was is a latency too: without it, percentiles would be better than
    /// what was seen.
    GivenUp(Kind),
}

/// The counts of a repetition.
#[derive(Debug)]
pub(super) struct Tally {
    span: Span,
    /// All that has ended, the warm-up too.
    standing: Standing,
    requests: u64,
    errors: BTreeMap<Kind, u64>,
    bytes: Bytes,
    /// Of the intervals that are over.
    latencies: Latencies,
    uncorrected: Latencies,
    ledger: LedgerSums,
    intervals: Vec<Interval>,
    interval: Duration,
    current: Current,
}

/// The interval that lasts.
#[derive(Debug)]
struct Current {
    ends: Instant,
    requests: u64,
    errors: u64,
    latencies: Latencies,
}

/// Sums of what servers tell.
#[derive(Clone, Copy, Debug, Default)]
struct LedgerSums {
    replies: u64,
    receive_queue_us: u64,
    handler_us: u64,
    credit_wait_us: u64,
    write_queue_us: u64,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new(span: Span) -> Self {
        let interval = Duration::from_secs(span.duration.as_secs().div_ceil(INTERVALS_MAX).max(1));
        Self {
            span,
            standing: Standing::default(),
            requests: 0,
            errors: BTreeMap::new(),
            bytes: Bytes { sent: 0, received: 0 },
            latencies: Latencies::new(),
            uncorrected: Latencies::new(),
            ledger: LedgerSums::default(),
            intervals: Vec::new(),
            interval,
            current: Current {
                ends: span.from + interval,
                requests: 0,
                errors: 0,
                latencies: Latencies::new(),
            },
        }
    }

    /// A request has ended.
    pub(super) fn ended(&mut self, begun: Begun, now: Instant, end: End) {
        self.standing.done += 1;
        let failed = end != End::Good;
        self.standing.failed += u64::from(failed);
        self.standing.answered += u64::from(!failed);
        if begun.due < self.span.from {
            return;
        }
        while now >= self.current.ends {
            self.close_interval();
        }
        self.requests += 1;
        self.current.requests += 1;
        self.current.errors += u64::from(failed);
        match end {
            End::Good => self.took(begun, now),
            End::Failed(kind) => self.count_error(kind, 1),
            End::GivenUp(kind) => {
                self.count_error(kind, 1);
                self.took(begun, now);
            }
        }
    }

    fn took(&mut self, begun: Begun, now: Instant) {
        self.current.latencies.record(now.saturating_duration_since(begun.due));
        if self.span.is_open {
            self.uncorrected.record(now.saturating_duration_since(begun.sent));
        }
    }

    /// Bytes were sent or received, while it is measured or before.
    pub(super) fn moved(&mut self, now: Instant, sent: usize, received: usize) {
        if now >= self.span.from {
            self.bytes.sent += sent as u64;
            self.bytes.received += received as u64;
        }
    }

    /// What a server tells of a request that was due then.
    pub(super) fn account(&mut self, due: Instant, ledger: &Ledger) {
        if due >= self.span.from {
            self.ledger.replies += 1;
            self.ledger.receive_queue_us += u64::from(ledger.receive_queue_us);
            self.ledger.handler_us += u64::from(ledger.handler_us);
            self.ledger.credit_wait_us += u64::from(ledger.credit_wait_us);
            self.ledger.write_queue_us += u64::from(ledger.write_queue_us);
        }
    }

    /// How far it has come, the warm-up included.
    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// Adds what another thread has counted in the same span.
    pub(super) fn add(&mut self, mut other: Self) {
        while self.intervals.len() < other.intervals.len() {
            self.close_interval();
        }
        while other.intervals.len() < self.intervals.len() {
            other.close_interval();
        }
        self.standing.done += other.standing.done;
        self.standing.answered += other.standing.answered;
        self.standing.failed += other.standing.failed;
        self.requests += other.requests;
        other.errors.into_iter().for_each(|(kind, count)| self.count_error(kind, count));
        self.bytes.sent += other.bytes.sent;
        self.bytes.received += other.bytes.received;
        self.latencies.add(&other.latencies);
        self.uncorrected.add(&other.uncorrected);
        self.ledger.add(&other.ledger);
        for (ours, more) in self.intervals.iter_mut().zip(&other.intervals) {
            ours.requests += more.requests;
            ours.errors += more.errors;
            ours.latencies.add(&more.latencies);
        }
        self.current.requests += other.current.requests;
        self.current.errors += other.current.errors;
        self.current.latencies.add(&other.current.latencies);
    }

    /// All of it, when the last request has ended.
    pub(super) fn finish(mut self, now: Instant) -> Repetition {
        while now >= self.current.ends {
            self.close_interval();
        }
        let seconds = now.saturating_duration_since(self.span.from).as_secs_f64();
        self.close_interval();
        // What remained of the last interval may be nothing, or short.
        if let Some(last) = self.intervals.last_mut() {
            last.seconds = (seconds - last.from_s).max(0.0);
        }
        let full = self.interval.as_secs_f64();
        if self.intervals.last().is_some_and(|last| last.seconds < full && last.requests == 0) {
            self.intervals.pop();
        }
        let moved = self.bytes.sent > 0 || self.bytes.received > 0;
        Repetition {
            seconds,
            requests: self.requests,
            errors: self.errors.into_iter().map(|(kind, count)| (kind.into_owned(), count)).collect(),
            bytes: moved.then_some(self.bytes),
            latencies: self.latencies,
            corrected: self.span.is_open,
            uncorrected: self.span.is_open.then_some(self.uncorrected),
            intervals: self.intervals,
            cpu: Vec::new(),
            ledger: self.ledger.means(),
        }
    }

    fn close_interval(&mut self) {
        let interval = self.interval.as_secs_f64();
        let Current { requests, errors, latencies, .. } = &mut self.current;
        self.latencies.add(latencies);
        self.intervals.push(Interval {
            from_s: self.intervals.len() as f64 * interval,
            seconds: interval,
            requests: std::mem::take(requests),
            errors: std::mem::take(errors),
            latencies: std::mem::replace(latencies, Latencies::new()),
        });
        self.current.ends += self.interval;
    }

    fn count_error(&mut self, kind: Kind, count: u64) {
        let known = self.errors.len() < KINDS_MAX || self.errors.contains_key(&kind);
        *self.errors.entry(if known { kind } else { OTHER_KINDS.into() }).or_default() += count;
    }
}

impl LedgerSums {
    fn add(&mut self, other: &Self) {
        self.replies += other.replies;
        self.receive_queue_us += other.receive_queue_us;
        self.handler_us += other.handler_us;
        self.credit_wait_us += other.credit_wait_us;
        self.write_queue_us += other.write_queue_us;
    }

    fn means(&self) -> Option<LedgerMeans> {
        let mean = |sum: u64| sum as f64 / self.replies as f64;
        (self.replies > 0).then(|| LedgerMeans {
            replies: self.replies,
            receive_queue_us: mean(self.receive_queue_us),
            handler_us: mean(self.handler_us),
            credit_wait_us: mean(self.credit_wait_us),
            write_queue_us: mean(self.write_queue_us),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A span that begins a second after this moment, and lasts for two.
    fn span(is_open: bool) -> (Instant, Span) {
        let began = Instant::now();
        (began, Span { from: began + Duration::from_secs(1), duration: Duration::from_secs(2), is_open })
    }

    fn at(began: Instant, ms: u64) -> Instant {
        began + Duration::from_millis(ms)
    }

    #[test]
    fn what_was_due_before_is_warm_up() {
        let (began, span) = span(true);
        let mut tally = Tally::new(span);
        let mut end = |due_ms, sent_ms, ended_ms, end| {
            let begun = Begun { due: at(began, due_ms), sent: at(began, sent_ms) };
            tally.ended(begun, at(began, ended_ms), end);
        };
        end(999, 999, 1_500, End::Good);
        end(1_000, 1_100, 1_300, End::Good);
        end(1_500, 1_500, 2_600, End::Failed("status 500".into()));
        end(1_600, 2_600, 2_600, End::GivenUp("timeout".into()));
        tally.moved(at(began, 999), 10, 10);
        tally.moved(at(began, 1_000), 1, 2);
        tally.account(at(began, 999), &Ledger { handler_us: 1_000, ..Ledger::default() });
        tally.account(at(began, 1_000), &Ledger { handler_us: 7, ..Ledger::default() });
        assert_eq!((tally.standing().done, tally.standing().failed), (4, 2));
        let repetition = tally.finish(at(began, 3_000));
        assert_eq!((repetition.seconds, repetition.requests, repetition.failed()), (2.0, 3, 2));
        assert_eq!(repetition.bytes, Some(Bytes { sent: 1, received: 2 }));
        assert_eq!(repetition.ledger.map(|means| (means.replies, means.handler_us)), Some((1, 7.0)));
        // 300 ms from when it was due, and 200 ms from when it was sent; what was given up counts too.
        let (corrected, sent) = (&repetition.latencies, repetition.uncorrected.as_ref().unwrap());
        let ms = |latencies: &Latencies, quantile| latencies.at(quantile).unwrap() / 1_000_000;
        assert_eq!((corrected.len(), ms(corrected, 0.5), ms(corrected, 1.0)), (2, 300, 1_000));
        assert_eq!((sent.len(), ms(sent, 0.5), ms(sent, 1.0)), (2, 0, 200));
        let seen: Vec<(f64, u64, u64)> =
            repetition.intervals.iter().map(|each| (each.from_s, each.requests, each.errors)).collect();
        assert_eq!(seen, [(0.0, 1, 0), (1.0, 2, 2)]);
    }

    #[test]
    fn threads_are_added_up_interval_by_interval() {
        let (began, span) = span(false);
        let count = |ended_ms: &[u64]| {
            let mut tally = Tally::new(span);
            for ended_ms in ended_ms {
                let begun = Begun { due: at(began, 1_000), sent: at(began, 1_000) };
                tally.ended(begun, at(began, *ended_ms), End::Good);
            }
            tally
        };
        for (one, other) in [(&[1_100, 2_100][..], &[1_200][..]), (&[1_200], &[1_100, 2_100])] {
            let mut all = count(one);
            all.add(count(other));
            let repetition = all.finish(at(began, 2_500));
            assert_eq!((repetition.requests, repetition.latencies.len()), (3, 3));
            let seen: Vec<(f64, u64)> =
                repetition.intervals.iter().map(|each| (each.seconds, each.requests)).collect();
            assert_eq!(seen, [(1.0, 2), (0.5, 1)]);
        }
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let (began, span) = span(false);
        let mut tally = Tally::new(span);
        for number in 0..100 {
            let begun = Begun { due: at(began, 1_000), sent: at(began, 1_000) };
            tally.ended(begun, at(began, 1_001), End::Failed(format!("kind {number}").into()));
        }
        let repetition = tally.finish(at(began, 3_000));
        assert_eq!((repetition.errors.len(), repetition.failed()), (KINDS_MAX + 1, 100));
        assert!(repetition.latencies.is_empty());
    }
}
