//! Whether one process should run, whether it does, and what to do about the difference.
//!
//! Nothing is started here and no clock is read: what happens goes in with the time, in nanoseconds, and what is to be done comes
//! out. In each state the machine awaits one thing:
//!
//! | state | awaits | then |
//! |---|---|---|
//! | stopped | an operator's word | starting |
//! | starting | that it says where it listens | running; where it dies first, as running; where it takes too long, it is killed |
//! | running | its death | backing off, or crash loop after the fifth within a minute |
//! | running, a successor on its way | that this is ready | running, with that one; where it dies or takes too long, with the one there is |
//! | backing off | the end of a pause | starting |
//! | crash loop | an operator's word | starting |
//! | stopping | its end | stopped; or starting, where it is wanted again; where it takes too long, it is killed |

use std::collections::VecDeque;

/// The first pause before a process that died is started again, in milliseconds. Each pause is twice the one before.
pub(crate) const RESTART_MS_MIN: u64 = 100;
/// The longest pause, in milliseconds.
pub(crate) const RESTART_MS_MAX: u64 = 30_000;
/// A process that has run for so long has recovered: the next pause is the first again. In milliseconds.
pub(crate) const RECOVERED_MS: u64 = 30_000;
/// So many deaths ...
pub(crate) const CRASH_LOOP_DEATHS: usize = 5;
/// ... within so long are a crash loop. In milliseconds.
pub(crate) const CRASH_LOOP_MS: u64 = 60_000;
/// How long an instance may take to be ready, in milliseconds.
pub(crate) const READY_MS_MAX: u64 = 10_000;
/// How long an instance may take to drain before it is killed: the longest drain and a margin. In milliseconds.
pub(crate) const STOP_MS_MAX: u64 = micronet_wire::limits::DRAIN_MS_MAX + 5_000;

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It doesn't run, and nobody wants it to.
    Stopped,
    /// It was started, and isn't ready yet.
    Starting,
    /// It is ready.
    Running,
    /// It was told to end, and lets running requests finish.
    Stopping,
    /// It has died, and is started again after a pause.
    BackingOff,
    /// It has died too often: an operator has to start it.
    CrashLoop,
}

impl State {
    /// Whether there is a process.
    pub(crate) fn has_process(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// What is to be done to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start one.
    Launch,
    /// Ask it to drain and end.
    Terminate,
    /// End it at once.
    Kill,
    /// End its successor at once.
    KillSuccessor,
}

/// What is known of the process that is to follow one which still serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Successor {
    #[default]
    None,
    /// It was started, and isn't ready yet.
    Coming,
    /// The last one never got ready.
    Failed,
}

/// The supervisor of one process.
#[derive(Debug)]
pub(crate) struct Supervisor {
    state: State,
    since_ns: u64,
    reason: String,
    /// Whether an operator wants it to run.
    wanted: bool,
    /// Whether one that dies is started again.
    restarts_itself: bool,
    /// Whether one that is restarted serves until its successor is ready.
    overlaps: bool,
    /// What is known of its successor.
    successor: Successor,
    /// When the state ends by itself.
    due_ns: Option<u64>,
    /// Pauses since it last recovered.
    pauses: u32,
    /// When it died, the last times.
    deaths_ns: VecDeque<u64>,
    launches: u64,
    last_exit: Option<String>,
}

impl Supervisor {
    /// A process that was never started. `restarts_itself`: one that dies is started again. `overlaps`: one that is restarted serves
    /// until its successor is ready.
    pub(crate) fn new(now_ns: u64, restarts_itself: bool, overlaps: bool) -> Self {
        Self {
            state: State::Stopped,
            since_ns: now_ns,
            reason: "not started yet".into(),
            wanted: false,
            restarts_itself,
            overlaps,
            successor: Successor::None,
            due_ns: None,
            pauses: 0,
            deaths_ns: VecDeque::new(),
            launches: 0,
            last_exit: None,
        }
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Since when it stands there, in nanoseconds.
    pub(crate) fn since_ns(&self) -> u64 {
        self.since_ns
    }

    /// Why, in a few words.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether anybody wants it to run: an operator, or who starts it again when it dies.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether it serves only until its successor is ready.
    pub(crate) fn is_succeeded(&self) -> bool {
        self.successor == Successor::Coming
    }

    /// Whether the successor that it was to have never got ready.
    pub(crate) fn kept_its_place(&self) -> bool {
        self.successor == Successor::Failed
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.launches.saturating_sub(1)
    }

    /// How it last ended, if it ever did.
    pub(crate) fn last_exit(&self) -> Option<&str> {
        self.last_exit.as_deref()
    }

    /// When [`on_time`](Self::on_time) wants to be called, in nanoseconds.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    /// An operator wants it to run. What it did before is forgotten.
    pub(crate) fn start(&mut self, now_ns: u64) -> Option<Action> {
        self.wanted = true;
        match self.state {
            State::Stopped | State::BackingOff | State::CrashLoop => {
                self.forget();
                Some(self.launch(now_ns, "started by the operator"))
            }
            State::Starting | State::Running | State::Stopping => None,
        }
    }

    /// An operator wants it to end.
    pub(crate) fn stop(&mut self, now_ns: u64) -> Option<Action> {
        self.wanted = false;
        self.end(now_ns, "stopped by the operator")
    }

    /// An operator wants it to end, and to be started again.
    pub(crate) fn restart(&mut self, now_ns: u64) -> Option<Action> {
        self.forget();
        self.wanted = true;
        match self.state {
            State::Running if self.is_succeeded() => None,
            State::Running if self.overlaps => Some(self.launch_successor(now_ns)),
            State::Starting | State::Running => self.end(now_ns, "restarted by the operator"),
            State::Stopped | State::BackingOff | State::CrashLoop => self.start(now_ns),
            State::Stopping => None,
        }
    }

    /// It has said where it listens.
    pub(crate) fn ready(&mut self, now_ns: u64) {
        if self.state == State::Starting || self.is_succeeded() {
            self.enter(State::Running, now_ns, "ready");
        }
    }

    /// Its successor has ended, or could not be started. The process that there is goes on; unless it `leaves`: then another one follows.
    pub(crate) fn successor_ended(&mut self, now_ns: u64, how: &str, leaves: bool) {
        if !self.is_succeeded() {
            return;
        }
        let late = self.due_ns.is_none();
        let late = if late {
            format!(", killed since it was not ready within {} s", READY_MS_MAX / 1_000)
        } else {
            String::new()
        };
        let words = format!("the process that was to follow it ended before it was ready: {how}{late}");
        if leaves {
            self.enter(State::Stopping, now_ns, &words);
            self.due_ns = Some(now_ns + ns(STOP_MS_MAX));
        } else {
            self.enter(State::Running, now_ns, &words);
            self.successor = Successor::Failed;
        }
    }

    /// It has ended while its successor, which follows it now, was on its way.
    pub(crate) fn succeeded_early(&mut self, now_ns: u64) {
        if self.is_succeeded() {
            let due_ns = self.due_ns;
            self.enter(State::Starting, now_ns, "the one before has ended");
            self.due_ns = due_ns;
        }
    }

    /// It has ended, or could not be started. `random` is any random number.
    pub(crate) fn ended(&mut self, now_ns: u64, how: &str, random: u64) -> Option<Action> {
        let how = &match self.lateness() {
            Some(late) => format!("{how}, killed since it {late}"),
            None => how.to_owned(),
        };
        self.last_exit = Some(how.clone());
        match self.state {
            State::Stopping if self.wanted => Some(self.launch(now_ns, "restarted by the operator")),
            State::Stopping => {
                let why = self.reason.clone();
                self.enter(State::Stopped, now_ns, &why);
                None
            }
            State::Starting | State::Running => {
                self.died(now_ns, how, random);
                None
            }
            State::Stopped | State::BackingOff | State::CrashLoop => None,
        }
    }

    /// The time has come that [`due_ns`](Self::due_ns) named.
    pub(crate) fn on_time(&mut self, now_ns: u64) -> Option<Action> {
        self.due_ns.take_if(|due_ns| *due_ns <= now_ns)?;
        match self.state {
            State::BackingOff => Some(self.launch(now_ns, "started again after it died")),
            State::Starting | State::Stopping => Some(Action::Kill),
            State::Running if self.is_succeeded() => Some(Action::KillSuccessor),
            State::Stopped | State::Running | State::CrashLoop => None,
        }
    }

    /// What it did not do in its time, if it is killed for that.
    fn lateness(&self) -> Option<String> {
        match self.state {
            _ if self.due_ns.is_some() => None,
            State::Starting => Some(format!("was not ready within {} s", READY_MS_MAX / 1_000)),
            State::Stopping => Some(format!("did not drain within {} s", STOP_MS_MAX / 1_000)),
            _ => None,
        }
    }

    fn died(&mut self, now_ns: u64, how: &str, random: u64) {
        if self.state == State::Running && now_ns.saturating_sub(self.since_ns) >= ns(RECOVERED_MS) {
            self.pauses = 0;
        }
        self.deaths_ns.push_back(now_ns);
        let is_old = |death_ns: &u64| now_ns.saturating_sub(*death_ns) > ns(CRASH_LOOP_MS);
        while self.deaths_ns.len() > CRASH_LOOP_DEATHS || self.deaths_ns.front().is_some_and(is_old) {
            self.deaths_ns.pop_front();
        }
        if !self.restarts_itself {
            self.wanted = false;
            self.enter(State::Stopped, now_ns, &format!("died: {how}"));
        } else if self.deaths_ns.len() == CRASH_LOOP_DEATHS {
            self.wanted = false;
            let seconds = CRASH_LOOP_MS / 1_000;
            let words = format!("died {CRASH_LOOP_DEATHS} times within {seconds} s, at last: {how}");
            self.enter(State::CrashLoop, now_ns, &words);
        } else {
            self.enter(State::BackingOff, now_ns, &format!("died: {how}"));
            self.due_ns = Some(now_ns + ns(self.pause_ms(random)));
        }
    }

    /// Equal jitter, as the back-off of connections: half of a pause is fixed, the other half is random.
    fn pause_ms(&mut self, random: u64) -> u64 {
        let longest_ms = RESTART_MS_MIN.saturating_mul(1 << self.pauses.min(16)).min(RESTART_MS_MAX);
        self.pauses = self.pauses.saturating_add(1);
        longest_ms / 2 + random % (longest_ms / 2 + 1)
    }

    fn end(&mut self, now_ns: u64, why: &str) -> Option<Action> {
        match self.state {
            State::Starting | State::Running => {
                self.enter(State::Stopping, now_ns, why);
                self.due_ns = Some(now_ns + ns(STOP_MS_MAX));
                Some(Action::Terminate)
            }
            State::BackingOff | State::CrashLoop => {
                self.enter(State::Stopped, now_ns, why);
                None
            }
            State::Stopped | State::Stopping => None,
        }
    }

    fn launch(&mut self, now_ns: u64, why: &str) -> Action {
        self.launches += 1;
        self.enter(State::Starting, now_ns, why);
        self.due_ns = Some(now_ns + ns(READY_MS_MAX));
        Action::Launch
    }

    fn launch_successor(&mut self, now_ns: u64) -> Action {
        self.launches += 1;
        self.enter(
            State::Running,
            now_ns,
            "restarted by the operator: it serves until its successor is ready",
        );
        self.successor = Successor::Coming;
        self.due_ns = Some(now_ns + ns(READY_MS_MAX));
        Action::Launch
    }

    fn enter(&mut self, state: State, now_ns: u64, why: &str) {
        self.state = state;
        self.since_ns = now_ns;
        self.due_ns = None;
        self.successor = Successor::None;
        why.clone_into(&mut self.reason);
    }

    fn forget(&mut self) {
        self.pauses = 0;
        self.deaths_ns.clear();
    }
}

const fn ns(ms: u64) -> u64 {
    ms * 1_000_000
}

#[cfg(test)]
mod tests;
