//! The health ledger: one account of how an instance stands with those who call it here. Pure.
//!
//! Four voices are heard: the link (reached, lost, a heartbeat without answer), the instance itself (it drains), the results of calls
//! (the circuit breaker) and the operator (drain, block). They are put into one state, with the reason and the time of each change:
//!
//! ```text
//!                  Blocked      the operator says so
//!            over  Joining, Down   there is no connection: not yet, or not any more
//!            over  Draining     the operator or the instance says so
//!            over  Ejected ──▶ Probing   too many of its calls failed; one call shows whether it answers again
//!            over  Suspect      a heartbeat has had no answer in time
//!            over  Up
//! ```
//!
//! Who was lost is taken back when some heartbeats in a row were answered, more of them the oftener it was lost lately: an instance
//! that comes and goes doesn't take its callers along.

use std::collections::VecDeque;

use micronet_wire::limits::{
    GOOD_SIGNS_MAX, GOOD_SIGNS_MIN, HISTORY_CHANGES_MAX, LOSS_MEMORY_MS, LOSSES_REMEMBERED_MAX,
};
use micronet_wire::network::{InstanceState, Order};

use crate::breaker::{self, Admission, Breaker, Ticket, Verdict};

/// How an instance may be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Like any other.
    Ready,
    /// For one call, which shows whether it answers again.
    Probe,
    /// Where no instance is ready: it drains, doesn't answer heartbeats, or has asked to be spared.
    LastResort,
    /// Where so many are out that all are tried.
    Ejected,
    /// Not at all.
    Out,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When, on the process's clock.
    pub at_ns: u64,
    /// The state from then on.
    pub state: InstanceState,
    /// Why, in words.
    pub reason: String,
}

/// What the connections to an instance tell.
#[derive(Debug)]
enum Link {
    Joining { trouble: Option<String> },
    Reached { words: String },
    Lost { at_ns: u64, why: String, trouble: Option<String> },
}

/// How one instance stands.
#[derive(Debug)]
pub struct Ledger {
    link: Link,
    /// When it was lost, lately.
    losses: VecDeque<u64>,
    overdue: bool,
    announced_draining: bool,
    word: Option<(Order, String)>,
    spared_until_ns: u64,
    breaker: Breaker,
    state: InstanceState,
    since_ns: u64,
    history: VecDeque<Change>,
    /// How many changes there were, also those that are remembered no more.
    changes: u64,
}

impl Ledger {
    /// The account of an instance of which nothing is known yet.
    #[must_use]
    pub fn new(now: u64) -> Self {
        let mut ledger = Self {
            link: Link::Joining { trouble: None },
            losses: VecDeque::new(),
            overdue: false,
            announced_draining: false,
            word: None,
            spared_until_ns: 0,
            breaker: Breaker::new(now),
            state: InstanceState::Joining,
            since_ns: now,
            history: VecDeque::new(),
            changes: 0,
        };
        ledger.note(now, "it was named, and not reached yet".into());
        ledger
    }

    // ---- what is heard ----

    /// How many signs of life are asked for before [`reached`](Self::reached): the handshake is one, each answered heartbeat another.
    #[must_use]
    pub fn good_signs_needed(&self, now: u64) -> u32 {
        let lately =
            self.losses.iter().filter(|at| now.saturating_sub(**at) < LOSS_MEMORY_MS * 1_000_000).count();
        match u32::try_from(lately) {
            Ok(0) => 1,
            Ok(times) => GOOD_SIGNS_MIN.saturating_mul(1 << (times - 1).min(16)).min(GOOD_SIGNS_MAX),
            Err(_) => GOOD_SIGNS_MAX,
        }
    }

    /// There is a connection, and it has given the signs of life that are asked for.
    pub fn reached(&mut self, now: u64) {
        let words = match &self.link {
            Link::Reached { .. } => return,
            Link::Joining { .. } => "it was reached".to_owned(),
            Link::Lost { at_ns, .. } => {
                let away_ms = now.saturating_sub(*at_ns) / 1_000_000;
                let signs = self.good_signs_needed(now);
                format!("it answers again, {signs} signs of life in a row, after {} away", seconds(away_ms))
            }
        };
        self.link = Link::Reached { words };
        self.overdue = false;
        self.announced_draining = false;
        self.settle(now);
    }

    /// The last connection is gone. Of an instance that the operator let rest, or that has announced that it drains, that is no loss: it
    /// leaves in order, and may come back at once.
    pub fn lost(&mut self, now: u64, why: &str) {
        if matches!(self.link, Link::Reached { .. }) {
            if self.word.is_none() && !self.announced_draining {
                self.losses.push_back(now);
            }
            if self.losses.len() > LOSSES_REMEMBERED_MAX {
                self.losses.pop_front();
            }
            self.link = Link::Lost { at_ns: now, why: why.into(), trouble: None };
            // Its results were those of a process that is gone.
            self.breaker.forget(now);
        }
        self.settle(now);
    }

    /// No connection could be made; true if that is news.
    pub fn unreachable(&mut self, now: u64, why: &str) -> bool {
        let known = match &mut self.link {
            Link::Joining { trouble } => trouble.replace(why.into()),
            Link::Lost { trouble, .. } => trouble.replace(why.into()),
            Link::Reached { .. } => return false,
        };
        let is_news = known.as_deref() != Some(why);
        if is_news {
            self.note(now, why.into());
        }
        is_news
    }

    /// Whether a heartbeat is without answer on each connection.
    pub fn heartbeats(&mut self, now: u64, overdue: bool) {
        self.overdue = overdue;
        self.settle(now);
    }

    /// Whether the instance has announced that it drains.
    pub fn announced(&mut self, now: u64, draining: bool) {
        self.announced_draining = draining;
        self.settle(now);
    }

    /// What the operator wants, and why.
    pub fn told(&mut self, now: u64, word: Option<(Order, &str)>) {
        let known = self.word.as_ref().map(|(what, why)| (*what, why.as_str()));
        if known != word {
            self.word = word.map(|(what, why)| (what, why.to_owned()));
        }
        self.settle(now);
    }

    /// The instance has asked not to be called before then, but by those who have no other.
    pub fn spare(&mut self, until_ns: u64) {
        self.spared_until_ns = self.spared_until_ns.max(until_ns);
    }

    /// A call is about to be made. Its ticket goes to [`result`](Self::result) or [`abandoned`](Self::abandoned); there is none where the
    /// call is made although the breaker is open, and what comes of it doesn't count.
    pub fn begun(&mut self, now: u64) -> Option<Ticket> {
        match self.breaker.admit(now) {
            Admission::Yes(ticket) => Some(ticket),
            Admission::Probe(ticket) => {
                self.settle(now);
                Some(ticket)
            }
            Admission::No => None,
        }
    }

    /// What a call has come to. `may_eject` says whether so many are out already that this one must stay.
    pub fn result(
        &mut self,
        now: u64,
        ticket: Ticket,
        verdict: Verdict,
        random: u64,
        may_eject: impl FnOnce() -> bool,
    ) {
        let before = self.breaker.state(now);
        self.breaker.record(now, ticket, verdict, random);
        let after = self.breaker.state(now);
        if before == breaker::State::Closed && after == breaker::State::Open && !may_eject() {
            self.breaker.force_close(now);
        }
        if before != after {
            self.settle(now);
        }
    }

    /// A call has ended without a result.
    pub fn abandoned(&mut self, ticket: Ticket) {
        self.breaker.abandon(ticket);
    }

    // ---- what follows ----

    /// How the instance may be picked now.
    #[must_use]
    pub fn standing(&self, now: u64) -> Standing {
        let linked = matches!(self.link, Link::Reached { .. });
        match &self.word {
            Some((Order::Block, _)) => return Standing::Out,
            _ if !linked => return Standing::Out,
            Some((Order::Drain, _)) => return Standing::LastResort,
            None => {}
        }
        match self.breaker.state(now) {
            _ if self.announced_draining => Standing::LastResort,
            breaker::State::Open => Standing::Ejected,
            breaker::State::HalfOpen if self.breaker.awaits_probe(now) => Standing::Probe,
            breaker::State::HalfOpen => Standing::Ejected,
            breaker::State::Closed if self.overdue || now < self.spared_until_ns => Standing::LastResort,
            breaker::State::Closed => Standing::Ready,
        }
    }

    /// The state, as it was when something was last heard.
    #[must_use]
    pub fn state(&self) -> InstanceState {
        self.state
    }

    /// Since when.
    #[must_use]
    pub fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// What the instance has been through, the newest last. There is always one.
    pub fn history(&self) -> impl Iterator<Item = &Change> {
        self.history.iter()
    }

    /// How many changes there were.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Puts into one state what the voices say now: some of it ends by itself.
    pub fn settle(&mut self, now: u64) {
        let (state, reason) = self.judged(now);
        if state != self.state {
            let reason = reason.unwrap_or_else(|| self.why_up().to_owned());
            self.state = state;
            self.since_ns = now;
            self.note(now, reason);
        }
    }

    fn judged(&self, now: u64) -> (InstanceState, Option<String>) {
        let with = |state, reason: &str| (state, Some(reason.to_owned()));
        match (&self.word, &self.link) {
            (Some((Order::Block, why)), _) => return with(InstanceState::Blocked, why),
            (_, Link::Joining { trouble }) => {
                let reason = trouble.as_deref().unwrap_or("it was not reached yet");
                return with(InstanceState::Joining, reason);
            }
            (_, Link::Lost { why, .. }) => return with(InstanceState::Down, why),
            (Some((Order::Drain, why)), _) => return with(InstanceState::Draining, why),
            (None, Link::Reached { .. }) => {}
        }
        match self.breaker.state(now) {
            _ if self.announced_draining => with(InstanceState::Draining, "it has announced that it drains"),
            breaker::State::Open => (InstanceState::Ejected, Some(self.breaker.reason(now).to_string())),
            breaker::State::HalfOpen => (InstanceState::Probing, Some(self.breaker.reason(now).to_string())),
            _ if self.overdue => with(InstanceState::Suspect, "a heartbeat has had no answer in time"),
            _ => (InstanceState::Up, None),
        }
    }

    /// Why it gets calls again, by what it was before.
    fn why_up(&self) -> &str {
        match (self.state, &self.link) {
            (InstanceState::Blocked, _) => "the operator blocks it no longer",
            (InstanceState::Draining, _) => "it drains no longer",
            (InstanceState::Suspect, _) => "it answers heartbeats again",
            (InstanceState::Ejected | InstanceState::Probing, _) => "its probe was answered well",
            (_, Link::Reached { words }) => words,
            _ => "it was reached",
        }
    }

    fn note(&mut self, at_ns: u64, reason: String) {
        if self.history.len() == HISTORY_CHANGES_MAX {
            self.history.pop_front();
        }
        self.history.push_back(Change { at_ns, state: self.state, reason });
        self.changes += 1;
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests;
