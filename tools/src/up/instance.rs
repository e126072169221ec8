//! One supervised process: a task that does to it what its supervisor says, and tells what happens to it.

use std::cell::{Cell, Ref, RefCell};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::identity::random_bytes;
use micronet_transport::socket;
use micronet_transport::tasks;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::children::{Child, Event, Launch};
use super::log_tail::{self, LogTail};
use super::supervisor::{Action, STOP_MS_MAX, State, Supervisor};
use crate::address::reachable;
use crate::config::InstancePlan;
use crate::terminal;

/// How long a process may take to stop accepting when its successor is ready, in milliseconds. Then it is killed.
const LEAVE_MS_MAX: u64 = 5_000;
/// Lines of a dead process's log that are shown.
const LAST_LINES: usize = 10;

/// The processes of an instance, but for those that are seen out.
#[derive(Debug, Default)]
struct Processes {
    /// The one that serves.
    child: Option<Child>,
    /// The one that is to follow it.
    successor: Option<Child>,
    /// Set when that is ready, until the one before has stopped accepting.
    follows: Option<Follows>,
}

/// A successor that is ready, while the process before it is leaving.
#[derive(Debug)]
struct Follows {
    /// Where it listens.
    address: SocketAddr,
    /// When the one before must have stopped accepting, in nanoseconds.
    by_ns: u64,
}

/// A process that `up` keeps running.
#[derive(Debug)]
pub(crate) struct Instance {
    plan: InstancePlan,
    log: PathBuf,
    supervisor: RefCell<Supervisor>,
    /// None once it is reaped, so that no stranger's process is ever signalled.
    pid: Cell<Option<Pid>>,
    /// Its successor, until that is ready.
    successor: Cell<Option<Pid>>,
    /// Whether it was told to end, since its successor is ready: telling it twice would end it at once.
    leaves: Cell<bool>,
    /// Those before it that still drain.
    former: RefCell<Vec<Pid>>,
    /// Its listening sockets, which are open while anybody wants it to run.
    sockets: RefCell<Vec<TcpListener>>,
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
            // Only the gateway's sockets are handed over.
            supervisor: RefCell::new(Supervisor::new(clock::now(), restarts_itself, plan.service.is_none())),
            pid: Cell::new(None),
            successor: Cell::new(None),
            leaves: Cell::new(false),
            former: RefCell::default(),
            sockets: RefCell::default(),
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
        let former = self.former.borrow().clone();
        for pid in former.into_iter().chain(self.successor.get()).chain(self.pid.get()) {
            self.signal_process(pid, Signal::KILL);
        }
    }

    /// From now on nothing is said of what happens to it.
    pub(super) fn leave(&self) {
        self.is_leaving.set(true);
    }

    /// Sends its process a signal, if there is one.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid.get() {
            self.signal_process(pid, signal);
        }
    }

    fn signal_process(&self, pid: Pid, signal: Signal) {
        if let Err(error) = kill_process(pid, signal) {
            tracing::debug!(instance = self.plan.instance, ?signal, %error, "not signalled");
        }
    }

    /// One that was stalled hears of it too.
    fn terminate(&self, pid: Pid) {
        [Signal::TERM, Signal::CONT].into_iter().for_each(|each| self.signal_process(pid, each));
    }

    /// Waits until it stands so.
    pub(crate) async fn until(&self, stands: impl Fn(&Supervisor) -> bool) {
        let mut changes = self.changes.subscribe();
        // The sender lives as long as `self`.
        let _ = changes.wait_for(|_| stands(&self.supervisor.borrow())).await;
    }

    /// Waits until there is no process.
    pub(crate) async fn ended(&self) {
        self.until(|supervisor| !supervisor.state().has_process() && self.former.borrow().is_empty()).await;
    }

    /// How it last ended, with the end of its log.
    pub(super) fn last_words(&self) -> String {
        let how = self.look(|supervisor| supervisor.last_exit().map(str::to_owned)).unwrap_or_default();
        format!("({how}){}", log_tail::excerpt(&self.log, LAST_LINES))
    }

    /// Does what the supervisor says, for ever. `launch` says how a process is started, given the line with which its log goes on.
    pub(super) async fn supervise(self: Rc<Self>, launch: impl Fn(Option<String>) -> Option<Launch>) {
        let mut processes = Processes::default();
        loop {
            if self.launches.take() {
                let Some(launch) = launch(self.line_of_restart()) else { return };
                self.launch(&mut processes, &launch);
            }
            if !self.look(Supervisor::is_succeeded)
                && let Some(unwanted) = processes.successor.take()
            {
                processes.follows = None;
                self.successor.take().into_iter().for_each(|pid| self.terminate(pid));
                self.see_out(unwanted);
            }
            let due_ns = self.look(Supervisor::due_ns);
            let leaves_by_ns = processes.follows.as_ref().map(|follows| follows.by_ns);
            tokio::select! {
                () = self.told.notified() => {}
                event = next(&mut processes.child) => self.of_child(event, &mut processes),
                event = next(&mut processes.successor) => self.of_successor(event, &mut processes),
                () = wait_until(leaves_by_ns) => {
                    // It doesn't even stop accepting: its end is heard next.
                    self.signal(Signal::KILL);
                    processes.follows.iter_mut().for_each(|follows| follows.by_ns += LEAVE_MS_MAX * 1_000_000);
                }
                () = wait_until(due_ns) => self.tell(|supervisor| supervisor.on_time(clock::now())),
            }
        }
    }

    fn launch(&self, processes: &mut Processes, launch: &Launch) {
        let started = Child::start(launch, &self.hold(&launch.sockets));
        match (started, self.look(Supervisor::is_succeeded)) {
            (Ok(started), false) => {
                self.pid.set(started.pid());
                processes.child = Some(started);
            }
            (Ok(started), true) => {
                self.successor.set(started.pid());
                processes.successor = Some(started);
            }
            (Err(why), false) => self.has_ended(&why),
            (Err(why), true) => self.successor_has_ended(&why, false),
        }
        self.changed();
    }

    fn of_child(self: &Rc<Self>, event: Event, processes: &mut Processes) {
        match event {
            Event::Ready(address) => self.is_ready(address),
            Event::Draining => {
                // Of one that drains without a successor, the end is heard.
                if let Some(follows) = processes.follows.take() {
                    self.leaves.set(false);
                    self.pid.set(self.successor.take());
                    let former = std::mem::replace(&mut processes.child, processes.successor.take());
                    former.into_iter().for_each(|former| self.see_out(former));
                    self.is_ready(follows.address);
                }
            }
            Event::Ended(how) => {
                self.leaves.set(false);
                processes.child = processes.successor.take();
                self.pid.set(self.successor.take());
                match (&processes.child, processes.follows.take()) {
                    (None, _) => self.has_ended(&how),
                    (Some(_), Some(follows)) => self.is_ready(follows.address),
                    (Some(_), None) => self.tell(|supervisor| {
                        supervisor.succeeded_early(clock::now());
                        None
                    }),
                }
            }
        }
    }

    fn of_successor(&self, event: Event, processes: &mut Processes) {
        match event {
            Event::Ready(address) => {
                let by_ns = clock::now() + LEAVE_MS_MAX * 1_000_000;
                processes.follows = Some(Follows { address, by_ns });
                if !self.leaves.replace(true) {
                    self.pid.get().into_iter().for_each(|pid| self.terminate(pid));
                }
            }
            Event::Draining => {}
            Event::Ended(how) => {
                processes.successor = None;
                self.successor.set(None);
                self.successor_has_ended(&how, processes.follows.take().is_some());
            }
        }
    }

    /// Opens the sockets on these addresses, so that they stay open while the process is started anew. Those that can't be opened are
    /// left to the process, which says why.
    fn hold(&self, addresses: &[SocketAddr]) -> Ref<'_, [TcpListener]> {
        let is_on = |socket: &TcpListener, address| socket.local_addr().is_ok_and(|own| own == address);
        let mut sockets = self.sockets.borrow_mut();
        sockets.retain(|socket| addresses.iter().any(|address| is_on(socket, *address)));
        for address in addresses {
            if !sockets.iter().any(|socket| is_on(socket, *address)) {
                sockets.extend(socket::bind(*address));
            }
        }
        drop(sockets);
        Ref::map(self.sockets.borrow(), Vec::as_slice)
    }

    /// Waits for the end of a process that drains while another one serves already.
    fn see_out(self: &Rc<Self>, mut former: Child) {
        let Some(pid) = former.pid() else { return };
        self.former.borrow_mut().push(pid);
        let instance = Rc::clone(self);
        tasks::spawn("seeing out a former process", async move {
            let ended = async |former: &mut Child| while !matches!(former.next().await, Event::Ended(_)) {};
            if timeout(Duration::from_millis(STOP_MS_MAX), ended(&mut former)).await.is_err() {
                instance.signal_process(pid, Signal::KILL);
                ended(&mut former).await;
            }
            instance.former.borrow_mut().retain(|other| *other != pid);
            instance.changed();
        });
    }

    fn successor_has_ended(&self, how: &str, leaves: bool) {
        self.tell(|supervisor| {
            supervisor.successor_ended(clock::now(), how, leaves);
            None
        });
        if !self.is_leaving.get() {
            let words = log_tail::excerpt(&self.log, LAST_LINES);
            terminal::warn(&format!(
                "the process that was to follow {} ended before it was ready ({how}){words}",
                self.plan.instance
            ));
            if !leaves {
                terminal::note("  the one before serves on");
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
            Some(Action::Terminate) if self.leaves.get() => {}
            Some(Action::Terminate) => self.pid.get().into_iter().for_each(|pid| self.terminate(pid)),
            Some(Action::Kill) => self.signal(Signal::KILL),
            Some(Action::KillSuccessor) => {
                self.successor.get().into_iter().for_each(|pid| self.signal_process(pid, Signal::KILL));
            }
            None => {}
        }
        if !self.look(Supervisor::is_wanted) {
            // Nobody is coming who would accept what waits there.
            self.sockets.borrow_mut().clear();
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
