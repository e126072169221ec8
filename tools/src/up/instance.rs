//! One supervised process: a task that does to it what its supervisor says, and tells what happens to it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use micronet_transport::clock;
use micronet_transport::identity::random_bytes;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{Notify, watch};

use super::children::{Child, Event, Launch};
use super::log_tail::{self, LogTail};
use super::supervisor::{Action, State, Supervisor};
use crate::address::reachable;
use crate::config::InstancePlan;
use crate::terminal;

/// Lines of a dead process's log that are shown.
const LAST_LINES: usize = 10;

/// A process that `up` keeps running.
#[derive(Debug)]
pub(crate) struct Instance {
    plan: InstancePlan,
    log: PathBuf,
    supervisor: RefCell<Supervisor>,
    /// None once it is reaped, so that no stranger's process is ever signalled.
    pid: Cell<Option<Pid>>,
    address: Cell<Option<SocketAddr>>,
    /// The task is to start a process.
    launches: Cell<bool>,
    /// The task has something to look at.
    told: Notify,
    /// Whether what happens to it goes without saying: the network stops, or the instance is taken away.
    is_leaving: Cell<bool>,
    tail: RefCell<LogTail>,
    changes: watch::Sender<u64>,
}

impl Instance {
    /// A process that was not started yet. `changes` counts what happens to it.
    pub(super) fn new(
        plan: InstancePlan,
        log: PathBuf,
        restarts_itself: bool,
        changes: watch::Sender<u64>,
    ) -> Self {
        Self {
            supervisor: RefCell::new(Supervisor::new(clock::now(), restarts_itself)),
            pid: Cell::new(None),
            address: Cell::new(None),
            launches: Cell::new(false),
            told: Notify::new(),
            is_leaving: Cell::new(false),
            tail: RefCell::new(LogTail::new(&plan.instance, &log)),
            plan,
            log,
            changes,
        }
    }

    /// What it is started as.
    pub(crate) fn plan(&self) -> &InstancePlan {
        &self.plan
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.plan.instance
    }

    /// Its log.
    pub(crate) fn log(&self) -> &PathBuf {
        &self.log
    }

    /// What is known of it.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Supervisor) -> T) -> T {
        look(&self.supervisor.borrow())
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> State {
        self.supervisor.borrow().state()
    }

    /// Its process id, while there is a process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid.get().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok())
    }

    /// Where it listens, once it was ready for the first time.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address.get()
    }

    /// Where a program on this machine reaches it, once it was ready for the first time.
    pub(crate) fn reachable(&self) -> Option<SocketAddr> {
        self.address.get().map(reachable)
    }

    /// Follows its log.
    pub(super) fn show_warnings(&self) {
        self.tail.borrow_mut().show_warnings();
    }

    /// Starts it, where it doesn't run.
    pub(crate) fn start(&self) {
        self.tell(|supervisor| supervisor.start(clock::now()));
    }

    /// Lets it drain and end.
    pub(crate) fn stop(&self) {
        self.tell(|supervisor| supervisor.stop(clock::now()));
    }

    /// Lets it drain and end, and starts it again.
    pub(crate) fn restart(&self) {
        self.tell(|supervisor| supervisor.restart(clock::now()));
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        self.tell(|supervisor| supervisor.stop(clock::now()));
        self.signal(Signal::KILL);
    }

    /// From now on nothing is said of what happens to it.
    pub(super) fn leave(&self) {
        self.is_leaving.set(true);
    }

    /// Sends its process a signal, if there is one.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid.get()
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::debug!(instance = self.plan.instance, ?signal, %error, "not signalled");
        }
    }

    /// Waits until it stands so.
    pub(crate) async fn until(&self, stands: impl Fn(&Supervisor) -> bool) {
        let mut changes = self.changes.subscribe();
        // The sender lives as long as `self`.
        let _ = changes.wait_for(|_| stands(&self.supervisor.borrow())).await;
    }

    /// Waits until there is no process.
    pub(crate) async fn ended(&self) {
        self.until(|supervisor| !supervisor.state().has_process()).await;
    }

    /// How it last ended, with the end of its log.
    pub(super) fn last_words(&self) -> String {
        let how = self.look(|supervisor| supervisor.last_exit().map(str::to_owned)).unwrap_or_default();
        format!("({how}){}", log_tail::excerpt(&self.log, LAST_LINES))
    }

    /// Does what the supervisor says, for ever. `launch` says how a process is started, given the line with which its log goes on.
    pub(super) async fn supervise(self: Rc<Self>, launch: impl Fn(Option<String>) -> Option<Launch>) {
        let mut child: Option<Child> = None;
        loop {
            if self.launches.take() {
                let Some(launch) = launch(self.line_of_restart()) else { return };
                match Child::start(&launch) {
                    Ok(started) => {
                        self.pid.set(started.pid());
                        child = Some(started);
                        self.changed();
                    }
                    Err(why) => self.has_ended(&why),
                }
            }
            let due_ns = self.look(Supervisor::due_ns);
            tokio::select! {
                () = self.told.notified() => {}
                event = next(&mut child) => match event {
                    Event::Ready(address) => self.is_ready(address),
                    Event::Ended(how) => {
                        self.pid.set(None);
                        child = None;
                        self.has_ended(&how);
                    }
                },
                () = wait_until(due_ns) => self.tell(|supervisor| supervisor.on_time(clock::now())),
            }
        }
    }

    fn is_ready(&self, address: SocketAddr) {
        self.address.set(Some(address));
        self.tell(|supervisor| {
            supervisor.ready(clock::now());
            None
        });
        if self.look(Supervisor::restarts) > 0 {
            let pid = self.pid().unwrap_or_default();
            terminal::note(&format!("  {} runs again, as process {pid}", self.plan.instance));
        }
    }

    fn has_ended(&self, how: &str) {
        let was = self.state();
        self.tell(|supervisor| supervisor.ended(clock::now(), how, u64::from_ne_bytes(random_bytes())));
        if !self.is_leaving.get() && was != State::Stopping {
            self.tell_death(was);
        }
    }

    fn tell_death(&self, was: State) {
        let (name, words) = (&self.plan.instance, self.last_words());
        let ended = if was == State::Starting { "ended before it was ready" } else { "has ended by itself" };
        terminal::warn(&format!("{name} {ended} {words}"));
        let supervisor = self.supervisor.borrow();
        match supervisor.state() {
            // Whoever starts one for the first time gives it up then.
            _ if was == State::Starting && supervisor.restarts() == 0 => {}
            State::BackingOff => {
                let pause_ns = supervisor.due_ns().unwrap_or_default().saturating_sub(clock::now());
                let seconds = f64::from(u32::try_from(pause_ns / 1_000_000).unwrap_or(u32::MAX)) / 1_000.0;
                terminal::note(&format!("  it is started again in {seconds:.1} s"));
            }
            State::CrashLoop => terminal::warn(&format!(
                "{name} is in a crash loop: it {}\n  It is not started again by itself; `micronet start {name}` does.",
                supervisor.reason()
            )),
            _ => terminal::note(&format!("  it stays away: `micronet start {name}` starts it again")),
        }
    }

    fn line_of_restart(&self) -> Option<String> {
        let restarts = self.look(Supervisor::restarts);
        let reason = self.look(|supervisor| supervisor.reason().to_owned());
        (restarts > 0).then(|| format!("---- {}: start {}: {reason} ----", self.plan.instance, restarts + 1))
    }

    fn tell(&self, tell: impl FnOnce(&mut Supervisor) -> Option<Action>) {
        let action = tell(&mut self.supervisor.borrow_mut());
        match action {
            Some(Action::Launch) => self.launches.set(true),
            // One that was stalled hears of it too.
            Some(Action::Terminate) => {
                [Signal::TERM, Signal::CONT].into_iter().for_each(|each| self.signal(each));
            }
            Some(Action::Kill) => self.signal(Signal::KILL),
            None => {}
        }
        self.told.notify_one();
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

async fn next(child: &mut Option<Child>) -> Event {
    match child {
        Some(child) => child.next().await,
        None => std::future::pending().await,
    }
}

async fn wait_until(due_ns: Option<u64>) {
    match due_ns {
        Some(due_ns) => tokio::time::sleep_until(clock::instant(due_ns)).await,
        None => std::future::pending().await,
    }
}
