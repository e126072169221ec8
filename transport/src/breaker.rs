//! Whether an instance gets calls at all, by how its last ones ended. Pure.

use std::fmt::{self, Display, Formatter};

use micronet_wire::limits::{
    BREAKER_FAILURES_IN_A_ROW, BREAKER_JITTER_PERCENT, BREAKER_PAUSE_MS_MAX, BREAKER_PAUSE_MS_MIN,
    BREAKER_PROBE_MS_MAX, BREAKER_RESULTS_MIN, BREAKER_SETTLED_MS, BREAKER_SUCCESS_PERCENT_MIN,
};

use crate::window::{WINDOW_S, Window};

const GOOD: usize = 0;
const BAD: usize = 1;

/// What a breaker lets through.
///
/// ```text
///                5 failures in a row, or under 50 % of
///                at least 20 results in 10 s are good
///      +--------+------------------------------------->+------+<-----------------+
/// ---->| closed |                                      | open |                  | the probe fails or is slow:
///      +--------+                                      +------+                  | twice the pause
///        ^    ^    the operator says so                   |                      |
///        |    +-------------------------------------------+ the pause is over    |
///        |    |                                           v                      |
///        |    +-----------------------------------+-----------+                  |
///        +----------------------------------------| half-open |------------------+
///                 the probe succeeds              +-----------+
///                                                   |       ^
///                                                   +-------+ the probe is abandoned, or silent for a minute: another
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Every call.
    Closed,
    /// No call.
    Open,
    /// One call at a time, to see whether it succeeds.
    HalfOpen,
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        })
    }
}

/// Whether a call may be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Yes(Ticket),
    /// It may, and on its result it depends whether others may.
    Probe(Ticket),
    /// It may not.
    No,
}

/// Held by a call that was admitted, until its result is recorded or it is abandoned.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the breaker waits for the result of its probe"]
pub struct Ticket {
    /// Results count only in the term in which their calls began.
    term: u64,
}

/// How a call ended, as far as the instance is to blame for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered, perhaps with an error that is the caller's own fault.
    Good,
    /// It was answered too late, or refused since there is too much to do: bad for the rate, but the instance is there.
    Slow,
    /// It failed.
    Failed,
}

/// Why a breaker is in its state, in words with numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nothing has happened yet.
    New,
    /// So many failures, one after the other.
    InARow(u32),
    /// Too few good results among the last ones.
    Rate {
        /// Good ones.
        good: u64,
        /// All of them.
        results: u64,
    },
    /// The pause is over.
    Paused {
        /// How long it was, in milliseconds.
        ms: u64,
    },
    /// The probe failed, or was slow.
    ProbeFailed(Verdict),
    /// The probe succeeded.
    ProbeSucceeded,
    /// The operator said so.
    Forced,
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("nothing has failed so far"),
            Self::InARow(failures) => write!(f, "{failures} calls in a row failed"),
            Self::Rate { good, results } => {
                write!(f, "only {good} of {results} calls in the last {WINDOW_S} s succeeded in time")
            }
            Self::Paused { ms } => {
                write!(f, "one call may try it after a pause of {:.1} s", *ms as f64 / 1e3)
            }
            Self::ProbeFailed(Verdict::Slow) => f.write_str("the call that tried it was too slow"),
            Self::ProbeFailed(_) => f.write_str("the call that tried it failed"),
            Self::ProbeSucceeded => f.write_str("the call that tried it succeeded"),
            Self::Forced => f.write_str("it was closed by hand"),
        }
    }
}

/// The circuit breaker of one instance.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    /// Since when, in nanoseconds.
    since: u64,
    reason: Reason,
    /// Counts changes of state and probes.
    term: u64,
    /// Closed: how calls ended lately.
    results: Window,
    failures_in_a_row: u32,
    /// Open: when the pause is over, in nanoseconds.
    until: u64,
    /// The length of the last pause, its jitter left out, in milliseconds; 0 when the next one is the first.
    pause_ms: u64,
    /// Half-open: when the probe began that has not ended yet.
    probe: Option<u64>,
    openings: u64,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(now: u64) -> Self {
        Self {
            state: State::Closed,
            since: now,
            reason: Reason::New,
            term: 0,
            results: Window::default(),
            failures_in_a_row: 0,
            until: 0,
            pause_ms: 0,
            probe: None,
            openings: 0,
        }
    }

    /// Whether [`Self::admit`] would let a call through.
    #[must_use]
    pub fn admits(&self, now: u64) -> bool {
        match self.state {
            State::Closed => true,
            State::Open => now >= self.until,
            State::HalfOpen => self.probe_is_due(now),
        }
    }

    /// Whether the next call would be the probe. An instance that waits for one should get the next call that may be retried, since
    /// balancing by response times would leave it alone for long.
    #[must_use]
    pub fn awaits_probe(&self, now: u64) -> bool {
        self.state != State::Closed && self.admits(now)
    }

    /// Asks for leave to make a call. Its ticket goes to [`Self::record`] or [`Self::abandon`].
    pub fn admit(&mut self, now: u64) -> Admission {
        if !self.admits(now) {
            return Admission::No;
        }
        match self.state {
            State::Closed => Admission::Yes(Ticket { term: self.term }),
            State::Open | State::HalfOpen => {
                if self.state == State::Open {
                    let ms = (self.until - self.since) / 1_000_000;
                    self.enter(State::HalfOpen, self.until, Reason::Paused { ms });
                }
                self.term += 1;
                self.probe = Some(now);
                Admission::Probe(Ticket { term: self.term })
            }
        }
    }

    /// Takes the result of a call into account. That of a call which began before the last change of state tells nothing new.
    /// `random` is any random number.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub fn record(&mut self, now: u64, ticket: Ticket, verdict: Verdict, random: u64) {
        if ticket.term != self.term {
            return;
        }
        match (self.state, verdict) {
            (State::Closed, _) => self.judge(now, verdict, random),
            (State::HalfOpen, Verdict::Good) => self.close(now, Reason::ProbeSucceeded),
            (State::HalfOpen, Verdict::Slow | Verdict::Failed) => {
                self.open(now, Reason::ProbeFailed(verdict), random);
            }
            // Every opening begins a term.
            (State::Open, _) => {}
        }
    }

    /// The call ended without a result: it was cancelled, or never sent.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used once")]
    pub fn abandon(&mut self, ticket: Ticket) {
        if ticket.term == self.term {
            self.probe = None;
        }
    }

    /// Closes it, whatever has happened.
    pub fn force_close(&mut self, now: u64) {
        self.pause_ms = 0;
        self.close(now, Reason::Forced);
    }

    /// Begins anew, since another process answers from now on. Calls that began before count no more.
    pub fn forget(&mut self, now: u64) {
        *self = Self { term: self.term + 1, openings: self.openings, ..Self::new(now) };
    }

    /// Its state.
    #[must_use]
    pub fn state(&self, now: u64) -> State {
        match self.state {
            State::Open if now >= self.until => State::HalfOpen,
            state => state,
        }
    }

    /// Since when it has this state, in nanoseconds.
    #[must_use]
    pub fn since(&self, now: u64) -> u64 {
        if self.state(now) == self.state { self.since } else { self.until }
    }

    /// Why it has this state.
    #[must_use]
    pub fn reason(&self, now: u64) -> Reason {
        match self.state(now) == self.state {
            true => self.reason,
            false => Reason::Paused { ms: (self.until - self.since) / 1_000_000 },
        }
    }

    /// When it lets a probe through, in nanoseconds, if it is open.
    #[must_use]
    pub fn until(&self, now: u64) -> Option<u64> {
        (self.state(now) == State::Open).then_some(self.until)
    }

    /// How often it has opened.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.openings
    }

    fn probe_is_due(&self, now: u64) -> bool {
        self.probe.is_none_or(|began| now.saturating_sub(began) >= BREAKER_PROBE_MS_MAX * 1_000_000)
    }

    /// A result while closed.
    fn judge(&mut self, now: u64, verdict: Verdict, random: u64) {
        self.results.count(now, if verdict == Verdict::Good { GOOD } else { BAD });
        self.failures_in_a_row = match verdict {
            Verdict::Good => 0,
            Verdict::Slow => self.failures_in_a_row,
            Verdict::Failed => self.failures_in_a_row + 1,
        };
        let [good, bad] = self.results.sums(now);
        let results = good + bad;
        if self.failures_in_a_row >= BREAKER_FAILURES_IN_A_ROW {
            self.open(now, Reason::InARow(self.failures_in_a_row), random);
        } else if results >= BREAKER_RESULTS_MIN && good * 100 < results * BREAKER_SUCCESS_PERCENT_MIN {
            self.open(now, Reason::Rate { good, results }, random);
        }
    }

    fn open(&mut self, now: u64, reason: Reason, random: u64) {
        let settled =
            self.state == State::Closed && now.saturating_sub(self.since) >= BREAKER_SETTLED_MS * 1_000_000;
        self.pause_ms = match settled {
            true => BREAKER_PAUSE_MS_MIN,
            false => (2 * self.pause_ms).clamp(BREAKER_PAUSE_MS_MIN, BREAKER_PAUSE_MS_MAX),
        };
        // Spread, so that many callers don't try the instance at once.
        let spread_ms = self.pause_ms * BREAKER_JITTER_PERCENT / 100;
        let pause_ms = self.pause_ms - spread_ms + random % (2 * spread_ms + 1);
        self.until = now + pause_ms * 1_000_000;
        self.openings += 1;
        self.enter(State::Open, now, reason);
    }

    fn close(&mut self, now: u64, reason: Reason) {
        self.results = Window::default();
        self.failures_in_a_row = 0;
        self.enter(State::Closed, now, reason);
    }

    fn enter(&mut self, state: State, since: u64, reason: Reason) {
        self.state = state;
        self.since = since;
        self.reason = reason;
        self.probe = None;
        self.term += 1;
    }
}

#[cfg(test)]
mod tests;
