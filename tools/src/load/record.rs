//! What the clients of a run have seen, together.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::engine::{ExchangeError, Traced};
use super::tally::{NEVER_SENT, Tally, Verdict};
use super::timeline::Timeline;

/// What the clients share. They run on one thread, so that no lock is needed.
#[derive(Debug)]
pub(super) struct Record {
    began: Instant,
    tallies: RefCell<BTreeMap<String, Tally>>,
    timeline: RefCell<Option<Timeline>>,
    done: Cell<u64>,
    answered: Cell<u64>,
    failed: Cell<u64>,
    /// Requests under way when the run was stopped.
    unfinished: Cell<u64>,
    /// Since when no client has got an answer, and why not the last time.
    silence: RefCell<Option<(Instant, ExchangeError)>>,
}

/// One request, when it has come to its end.
#[derive(Debug)]
pub(super) struct Ended<'a, A> {
    /// Its kind.
    pub(super) kind: &'a str,
    /// What the workload thinks of it.
    pub(super) verdict: Verdict,
    /// What came back.
    pub(super) answer: &'a Result<A, ExchangeError>,
    /// How long it took from when it was due.
    pub(super) took: Duration,
    /// Whether it began late.
    pub(super) late: bool,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Requests that have come to an end.
    pub(crate) done: u64,
    /// Those that were answered.
    pub(crate) answered: u64,
    /// Those that failed.
    pub(crate) failed: u64,
}

impl Record {
    /// Nothing yet, of a run that began then.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            tallies: RefCell::default(),
            timeline: RefCell::new(Timeline::new().ok()),
            done: Cell::default(),
            answered: Cell::default(),
            failed: Cell::default(),
            unfinished: Cell::default(),
            silence: RefCell::default(),
        }
    }

    /// Counts a request that has come to its end.
    pub(super) fn count<A: Traced>(&self, ended: Ended<'_, A>) {
        let Ended { kind, verdict, answer, took, late } = ended;
        let failed = matches!(verdict, Verdict::Failed(_));
        let answered = answer.as_ref().ok();
        self.ended(failed, answered.map(|_| took));
        self.with_tally(kind, |tally| {
            tally.late += u64::from(late);
            tally.count(verdict, answered.map(|_| took));
            if let Some(answer) = answered {
                tally.trace(answer.instance(), answer.bytes());
            }
        });
        match answer {
            Ok(_) => self.heard(),
            Err(error) => self.heard_nothing(error.clone()),
        }
    }

    /// Counts a request that was due and not sent.
    pub(super) fn count_never_sent(&self, kind: &str) {
        self.ended(true, None);
        self.with_tally(kind, |tally| tally.count(Verdict::Failed(NEVER_SENT.into()), None));
    }

    /// Notes that a request was under way when the run was stopped: it has no outcome.
    pub(super) fn leave_unfinished(&self) {
        self.unfinished.set(self.unfinished.get() + 1);
    }

    /// How far the run has come.
    pub(super) fn standing(&self) -> Standing {
        Standing { done: self.done.get(), answered: self.answered.get(), failed: self.failed.get() }
    }

    /// Why the server is taken to be gone, if nobody has had an answer for so long.
    pub(super) fn silent_for(&self, long: Duration) -> Option<ExchangeError> {
        let silence = self.silence.borrow();
        let (since, error) = silence.as_ref()?;
        (since.elapsed() > long).then(|| error.clone())
    }

    /// All that was counted, and how many requests were left unfinished.
    pub(super) fn take(&self) -> (BTreeMap<String, Tally>, Option<Timeline>, u64) {
        (self.tallies.take(), self.timeline.take(), self.unfinished.get())
    }

    fn ended(&self, failed: bool, took: Option<Duration>) {
        self.done.set(self.done.get() + 1);
        self.failed.set(self.failed.get() + u64::from(failed));
        if let Some(timeline) = self.timeline.borrow_mut().as_mut() {
            timeline.note(self.began.elapsed(), failed, took);
        }
    }

    fn heard(&self) {
        self.answered.set(self.answered.get() + 1);
        self.silence.replace(None);
    }

    fn heard_nothing(&self, error: ExchangeError) {
        let mut silence = self.silence.borrow_mut();
        let since = silence.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *silence = Some((since, error));
    }

    fn with_tally(&self, kind: &str, change: impl FnOnce(&mut Tally)) {
        let mut tallies = self.tallies.borrow_mut();
        if !tallies.contains_key(kind) {
            match Tally::new() {
                Ok(tally) => tallies.insert(kind.to_owned(), tally),
                // The histogram's bounds are constants that it accepts.
                Err(error) => return tracing::error!(%error, "no histogram"),
            };
        }
        if let Some(tally) = tallies.get_mut(kind) {
            change(tally);
        }
    }
}
