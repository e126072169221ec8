//! Faults on purpose: begun where a service survives them, ended in time, and watched until all is well again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::tasks;
use micronet_wire::schema::Timestamp;
use micronet_wire::service::CallError;
use rustix::process::Signal;
use tokio::sync::Notify;

use super::api::ControlError;
use super::api::faults::{Fault, Faults, Report};
use super::api::live::{EventKind, Severity};
use super::events::Event;
use super::governor::{Governor, name_of};
use super::reports::Watch;
use super::rules::{InForce, Kind, Name};
use super::unix_time;
use crate::up::{Fleet, Instance, State};

/// For how long a fault lasts unless it is said, in milliseconds.
pub(super) const FOR_MS: u64 = 60_000;
/// How often it is looked what callers see of a fault, in milliseconds.
const LOOK_MS: u64 = 200;
/// For how long after its end it is looked whether all is well again, in milliseconds.
const RECOVERY_MS_MAX: u64 = 60_000;
/// How many faults that are over are remembered.
const PAST_MAX: usize = 50;

type Answer<T> = Result<T, CallError<ControlError>>;

/// The faults in force, and what was seen of them and of those before.
#[derive(Debug)]
pub(super) struct Breaker {
    governor: Rc<Governor>,
    /// What is seen of those that are watched: in force, or over and not well again.
    watches: RefCell<BTreeMap<u64, Watch>>,
    past: RefCell<VecDeque<Past>>,
    /// Whether somebody looks.
    looks: Cell<bool>,
    /// There is another fault whose end is to be awaited.
    begun: Notify,
}

/// A fault that is over.
#[derive(Debug)]
struct Past {
    fault: InForce,
    ended_ns: u64,
    report: Report,
}

impl Breaker {
    /// Nothing is broken. Within a runtime only.
    pub(super) fn start(governor: &Rc<Governor>) -> Rc<Self> {
        let breaker = Rc::new(Self {
            governor: Rc::clone(governor),
            watches: RefCell::default(),
            past: RefCell::default(),
            looks: Cell::new(false),
            begun: Notify::new(),
        });
        tasks::spawn("end of faults", end_in_time(Rc::downgrade(&breaker)));
        breaker
    }

    /// Breaks something, unless no healthy instance of a service would be left.
    pub(super) async fn begin(
        self: &Rc<Self>,
        name: &str,
        instances: &[Rc<Instance>],
        kind: Kind,
        for_ms: Option<u64>,
        force: bool,
    ) -> Answer<Fault> {
        if kind.takes_away() && !force {
            let names: Vec<Name> = instances.iter().map(|instance| name_of(instance)).collect();
            self.refuse_if_last(&*self.governor.fleet()?, &names).await?;
        }
        self.force(name, instances, kind, for_ms, || ()).await
    }

    /// Breaks something, whoever is left. `begins` is called when it begins, which is some time before all have heard of it.
    pub(super) async fn force(
        self: &Rc<Self>,
        name: &str,
        instances: &[Rc<Instance>],
        kind: Kind,
        for_ms: Option<u64>,
        begins: impl FnOnce(),
    ) -> Answer<Fault> {
        let names: Vec<Name> = instances.iter().map(|instance| name_of(instance)).collect();
        check_possible(instances, &kind)?;
        let named = |names: &[Name]| names.iter().map(|name| name.instance.clone()).collect::<Vec<String>>();
        let from = match &kind {
            Kind::Partition { from } => Some(named(from)),
            Kind::Fail | Kind::Stall | Kind::Kill | Kind::Disturb { .. } => None,
        };
        let mut watch = Watch::new(named(&names), from);
        // What was counted before it began.
        for (caller, seen) in self.governor.instances(None, false).await {
            watch.observe(&seen, caller.service == crate::registry::GATEWAY);
        }
        watch.begin(clock::unix_us());
        begins();
        let now = clock::now();
        let until_ns = now + for_ms.unwrap_or(FOR_MS) * 1_000_000;
        let stalls = kind == Kind::Stall;
        if stalls {
            self.stall(instances);
        }
        if kind == Kind::Kill {
            instances.iter().for_each(|instance| instance.signal(Signal::KILL));
        }
        let id = self.governor.book.borrow_mut().begin(name, names, kind, now, until_ns);
        self.tell(id);
        self.watches.borrow_mut().insert(id, watch);
        self.begun.notify_one();
        self.look();
        // Whoever is stalled hears of nothing: the word would be waited for in vain.
        if !stalls {
            self.governor.say(|_| ()).await;
        }
        self.fault(id).map_err(Into::into)
    }

    /// Ends a fault, and tells those whom it concerns.
    pub(super) async fn end(self: &Rc<Self>, id: u64) -> Result<Fault, ControlError> {
        let ended = self.governor.book.borrow_mut().end(id);
        let Some(fault) = ended else { return self.fault(id) };
        match fault.kind {
            Kind::Stall => self.let_go(&fault),
            Kind::Kill => self.bring_back(&fault),
            Kind::Fail | Kind::Disturb { .. } | Kind::Partition { .. } => {}
        }
        let report = self.watches.borrow_mut().get_mut(&id).map(|watch| {
            watch.end(clock::unix_us());
            watch.report().clone()
        });
        let words = format!("fault {id} is over: {}", fault.words());
        self.governor.events.tell(Event::new(EventKind::Fault, Severity::Info, &fault.name, words));
        self.remember(Past { fault, ended_ns: clock::now(), report: report.unwrap_or_default() });
        self.governor.say(|_| ()).await;
        self.fault(id)
    }

    /// Ends all faults that concern these instances.
    pub(super) async fn recover(self: &Rc<Self>, instances: &[Rc<Instance>]) -> Vec<Fault> {
        let names: Vec<Name> = instances.iter().map(|instance| name_of(instance)).collect();
        let concerns = |fault: &&InForce| fault.instances.iter().any(|name| names.contains(name));
        let ids: Vec<u64> =
            self.governor.book.borrow().faults().iter().filter(concerns).map(|fault| fault.id).collect();
        let mut ended = Vec::new();
        for id in ids {
            ended.extend(self.end(id).await);
        }
        ended
    }

    /// One fault, in force or past.
    pub(super) fn fault(&self, id: u64) -> Result<Fault, ControlError> {
        let Faults { in_force, past } = self.faults();
        let found = in_force.into_iter().chain(past).find(|fault| fault.id == id);
        found.ok_or(ControlError::NoSuchFault { id })
    }

    /// The faults in force, and those of the past that are remembered.
    pub(super) fn faults(&self) -> Faults {
        let (book, watches) = (self.governor.book.borrow(), self.watches.borrow());
        let seen = |id: u64| watches.get(&id).map(|watch| watch.report().clone());
        let in_force = book
            .faults()
            .iter()
            .map(|fault| shown(fault, fault.until_ns, false, seen(fault.id).unwrap_or_default()));
        let past = self.past.borrow();
        let past = past.iter().map(|past| {
            let report = seen(past.fault.id).unwrap_or_else(|| past.report.clone());
            shown(&past.fault, past.ended_ns, true, report)
        });
        Faults { in_force: in_force.collect(), past: past.collect() }
    }

    async fn refuse_if_last(&self, fleet: &Fleet, lost: &[Name]) -> Result<(), ControlError> {
        let services: BTreeSet<&'static str> = lost.iter().map(|name| name.service).collect();
        for service in services {
            let called = self.governor.called(service).await;
            let book = self.governor.book.borrow();
            let is_left = |instance: &Rc<Instance>| {
                let other = name_of(instance);
                let gets_calls = called.get(&other.instance).copied().unwrap_or(true);
                let is_lost = lost.contains(&other) || book.is_taken_out(&other);
                instance.state() == State::Running && gets_calls && !is_lost
            };
            if !fleet.of_service(service).iter().any(is_left) {
                let of_service = lost.iter().filter(|name| name.service == service);
                let instances = of_service.map(|name| name.instance.clone()).collect();
                return Err(ControlError::LastHealthy { service: service.to_owned(), instances });
            }
        }
        Ok(())
    }

    /// Tells that a fault has begun.
    fn tell(&self, id: u64) {
        let book = self.governor.book.borrow();
        if let Some(fault) = book.faults().iter().find(|fault| fault.id == id) {
            let for_s = fault.until_ns.saturating_sub(fault.since_ns).div_ceil(1_000_000_000);
            let words = format!("fault {id} begins: {}, for {for_s} s", fault.words());
            self.governor.events.tell(Event::new(EventKind::Fault, Severity::Warning, &fault.name, words));
        }
    }

    fn remember(&self, past: Past) {
        let mut all = self.past.borrow_mut();
        all.push_back(past);
        if all.len() > PAST_MAX {
            all.pop_front();
        }
    }

    /// Stops processes where they stand.
    fn stall(&self, instances: &[Rc<Instance>]) {
        for instance in instances {
            instance.signal(Signal::STOP);
            self.governor.stalled(instance, true);
        }
    }

    /// Lets stalled processes go on, unless another fault stalls them too.
    fn let_go(&self, fault: &InForce) {
        let Ok(fleet) = self.governor.fleet() else { return };
        let book = self.governor.book.borrow();
        for name in &fault.instances {
            if !book.is_stalled(name)
                && let Some(instance) = fleet.named(&name.instance)
            {
                instance.signal(Signal::CONT);
                self.governor.stalled(&instance, false);
            }
        }
    }

    /// Starts processes that were killed, where nobody else does.
    fn bring_back(&self, fault: &InForce) {
        let Ok(fleet) = self.governor.fleet() else { return };
        for instance in fault.instances.iter().filter_map(|name| fleet.named(&name.instance)) {
            instance.start();
        }
    }

    /// Begins to look at what callers see, unless somebody does.
    fn look(self: &Rc<Self>) {
        if !self.looks.replace(true) {
            tasks::spawn("look at faults", look_on(Rc::clone(self)));
        }
    }
}

/// Looks at what callers see for as long as there is something to be seen.
async fn look_on(breaker: Rc<Breaker>) {
    let is_watched = || !breaker.watches.borrow().is_empty();
    while is_watched() {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        for (caller, seen) in breaker.governor.instances(None, true).await {
            for watch in breaker.watches.borrow_mut().values_mut() {
                watch.observe(&seen, caller.service == crate::registry::GATEWAY);
            }
        }
        let now = clock::now();
        for past in breaker.past.borrow_mut().iter_mut() {
            let mut watches = breaker.watches.borrow_mut();
            let Some(watch) = watches.get(&past.fault.id) else { continue };
            past.report = watch.report().clone();
            if watch.is_done() || now.saturating_sub(past.ended_ns) > RECOVERY_MS_MAX * 1_000_000 {
                watches.remove(&past.fault.id);
            }
        }
        // One that is remembered no more is not watched any more.
        let faults = breaker.faults();
        let is_known = |id: &u64| faults.in_force.iter().chain(&faults.past).any(|fault| fault.id == *id);
        breaker.watches.borrow_mut().retain(|id, _| is_known(id));
    }
    breaker.looks.set(false);
}

/// Ends each fault when its time is over.
async fn end_in_time(breaker: Weak<Breaker>) {
    while let Some(breaker) = breaker.upgrade() {
        let due_ns = breaker.governor.book.borrow().due_ns();
        let due = async {
            match due_ns {
                Some(due_ns) => tokio::time::sleep_until(clock::instant(due_ns)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = breaker.begun.notified() => continue,
        }
        let over = breaker.governor.book.borrow().over(clock::now());
        for id in over {
            let _ = breaker.end(id).await;
        }
    }
}

/// Refuses what would break nothing.
fn check_possible(instances: &[Rc<Instance>], kind: &Kind) -> Result<(), ControlError> {
    let not_possible = |reason: String| Err(ControlError::NotPossible { reason });
    for instance in instances {
        let name = instance.name();
        match kind {
            Kind::Fail if instance.plan().service.is_none() => {
                return not_possible(format!("no process of the network calls {name}: stall it, or stop it"));
            }
            Kind::Stall if instance.state() != State::Running => {
                return not_possible(format!("{name} doesn't run: there is nothing to stall"));
            }
            Kind::Kill if instance.state() != State::Running => {
                return not_possible(format!("{name} doesn't run: there is nothing to kill"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn shown(fault: &InForce, until_ns: u64, over: bool, report: Report) -> Fault {
    Fault {
        id: fault.id,
        kind: fault.kind.name(),
        what: fault.words(),
        instances: fault.instances.iter().map(|name| name.instance.clone()).collect(),
        since: unix_time(fault.since_ns),
        until: if over { unix_time(until_ns) } else { to_come(until_ns) },
        over,
        report,
    }
}

/// A time that is to come, as people read it.
fn to_come(at_ns: u64) -> Timestamp {
    let left_us = at_ns.saturating_sub(clock::now()) / 1_000;
    Timestamp(clock::unix_us() + i64::try_from(left_us).unwrap_or(0))
}
