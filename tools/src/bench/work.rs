//! What all kinds of load share: turns, counts, and workers that take the one and make the other.

use std::cell::{RefCell, RefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::tally::{Begun, End, Span, Tally};
use crate::load::{Limits, Pace, Standing, Turns};

/// The kind of error of a request that was due, but could not be sent before its time was over.
pub(super) const NEVER_SENT: &str = "never sent";
/// The kind of error of a request that had no answer in time.
pub(super) const TIMEOUT: &str = "timeout";

/// Connected and ready, one of those who ask together.
pub(super) trait Worker {
    /// Asks until there are no more turns, and all that was asked has ended.
    fn run(self: Box<Self>, work: Rc<Work>) -> Pin<Box<dyn Future<Output = ()>>>;
}

/// What one repetition is, as its workers see it.
#[derive(Debug)]
pub(super) struct Work {
    /// When requests are due.
    pub(super) turns: Turns,
    /// What came of them.
    tally: RefCell<Tally>,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// The same for workers that are threads.
    pub(super) schedule: Schedule,
}

/// What threads need to know to have turns of their own.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// When requests are due.
    pub(super) pace: Pace,
    /// When the first one is, and how it is counted.
    pub(super) span: Span,
    /// Warm-up and measurement.
    pub(super) limits: Limits,
    /// Whether it was stopped.
    pub(super) stopped: Arc<AtomicBool>,
    /// What threads have done so far, for who watches.
    pub(super) done: Arc<AtomicU64>,
}

impl Work {
    /// Begins now. Within a runtime only.
    pub(super) fn begin(pace: Pace, warm_up: Duration, duration: Duration, timeout: Duration) -> Self {
        let limits = Limits { requests: None, duration: Some(warm_up + duration) };
        let turns = Turns::begin(pace, limits);
        let span = Span { from: turns.began() + warm_up, duration, is_open: pace != Pace::Closed };
        Self {
            tally: Tally::new(span).into(),
            turns,
            timeout,
            schedule: Schedule { pace, span, limits, stopped: Arc::default(), done: Arc::default() },
        }
    }

    /// The counts.
    pub(super) fn tally(&self) -> RefMut<'_, Tally> {
        self.tally.borrow_mut()
    }

    /// Takes all counts, when nobody counts any more.
    pub(super) fn take_tally(&self) -> Tally {
        self.tally.replace(Tally::new(self.schedule.span))
    }

    /// Whether a request that was due then is too late to be sent now; it is counted then.
    pub(super) fn gives_up(&self, due: Instant, now: Instant) -> bool {
        let too_late = now.saturating_duration_since(due) > self.timeout;
        if too_late {
            self.tally().ended(Begun { due, sent: now }, now, End::GivenUp(NEVER_SENT.into()));
        }
        too_late
    }

    /// Has nobody begin anything more.
    pub(super) fn stop(&self) {
        self.turns.end();
        self.schedule.stopped.store(true, Ordering::Relaxed);
    }

    /// How far it has come.
    pub(super) fn standing(&self) -> Standing {
        let mut standing = self.tally().standing();
        let in_threads = self.schedule.done.load(Ordering::Relaxed);
        standing.done += in_threads;
        standing.answered += in_threads;
        standing
    }
}
