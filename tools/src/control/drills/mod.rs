//! Drills: something is broken on purpose under a steady load, mended again, and reported on.
//!
//! [`admission`] decides whether one may begin and with whom, [`course`] what is done when, [`figures`] counts what the load measures,
//! [`report`] puts it together with what callers saw, and [`verdict`] says it in words: all pure. [`requests`] finds out what is asked,
//! [`load`] asks it on a thread of its own, and [`run`] does the rest. Here is who is asked about them: one is under way at a time, and
//! the last ones are remembered.

mod admission;
mod course;
#[cfg(test)]
pub(crate) mod example;
mod figures;
mod load;
mod report;
mod requests;
mod run;
pub(crate) mod verdict;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::tasks;
use micronet_wire::error::RpcError;
use micronet_wire::network::InstanceState;
use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallError, Outgoing};
use tokio::sync::{Notify, watch};

use self::admission::{Health, Network, Refusal, Standing, Target, admit};
use self::course::Times;
use super::api::ControlError;
use super::api::drills::{Drill, DrillKind, DrillReport, DrillState, Drills as Listed, NewDrill};
use super::faults::Breaker;
use super::governor::{Governor, name_of};
use super::operations::Answer;
use crate::data_folder::OperatorToken;
use crate::registry::{SERVICES, Service, service_named};
use crate::up::{ENDED_WELL, Instance, State, calls};

/// Unless it is said: requests a second, and how long the fault and the quiet around it last, in seconds.
const LOAD_PER_S: u32 = 200;
const DURATION_S: u32 = 10;
const QUIET_S: u32 = 5;
/// How much longer calls take of one that is slow, unless it is said, in milliseconds.
const DELAY_MS: u32 = 300;
/// How many drills that are over are remembered.
const PAST_MAX: usize = 20;
/// How long whoever began a drill may take to watch it, in milliseconds.
const WATCH_MS_MAX: u64 = 5_000;
/// The pause between two looks that are told to who watches, in milliseconds.
const TELL_MS: u64 = 200;

/// The drills of a network.
#[derive(Debug)]
pub(super) struct Drills {
    governor: Rc<Governor>,
    breaker: Rc<Breaker>,
    token: Rc<OperatorToken>,
    begun: Cell<u64>,
    running: RefCell<Option<Rc<Running>>>,
    past: RefCell<VecDeque<Drill>>,
}

/// A drill that is under way.
#[derive(Debug)]
struct Running {
    drill: RefCell<Drill>,
    request: NewDrill,
    target: Target,
    /// Counts what has changed; the last time when it is over.
    changes: watch::Sender<u64>,
    /// Why it is to be given up, once it is.
    given_up: RefCell<Option<String>>,
    gives_up: Notify,
    /// How often it is watched by whoever began it.
    watchers: Cell<usize>,
}

impl Drills {
    /// None was begun.
    pub(super) fn new(governor: &Rc<Governor>, breaker: &Rc<Breaker>, token: OperatorToken) -> Rc<Self> {
        Rc::new(Self {
            governor: Rc::clone(governor),
            breaker: Rc::clone(breaker),
            token: Rc::new(token),
            begun: Cell::new(0),
            running: RefCell::default(),
            past: RefCell::default(),
        })
    }

    /// Begins a drill, unless it would take more than the network can spare.
    pub(super) async fn begin(self: &Rc<Self>, request: NewDrill, who: String) -> Answer<Drill> {
        if let Some(routes) = &request.routes {
            requests::named(routes).map_err(|reason| ControlError::NotPossible { reason })?;
        }
        let network = self.network(&request.service).await?;
        // Another one may have begun meanwhile.
        let network = Network { drill: self.in_words(), ..network };
        let target = admit(request.kind, &request.service, request.force.unwrap_or(false), &network)
            .map_err(|refusal| self.refused(refusal, &request))?;
        self.begun.set(self.begun.get() + 1);
        let drill = new(self.begun.get(), &request, &target, who);
        let running = Rc::new(Running {
            drill: RefCell::new(drill.clone()),
            request,
            target,
            changes: watch::Sender::new(0),
            given_up: RefCell::default(),
            gives_up: Notify::new(),
            watchers: Cell::new(0),
        });
        self.running.replace(Some(Rc::clone(&running)));
        tasks::spawn("drill", run::run(Rc::clone(self), running));
        Ok(drill)
    }

    /// The drill under way and those before it, without their figures by the second.
    pub(super) fn list(&self) -> Listed {
        let running = self.running.borrow().as_ref().map(|running| running.drill.borrow().clone());
        let past = self.past.borrow();
        let brief = |drill: Drill| Drill { seconds: Vec::new(), ..drill };
        Listed { drills: past.iter().cloned().chain(running).map(brief).collect() }
    }

    /// One drill.
    pub(super) fn drill(&self, id: u64) -> Result<Drill, ControlError> {
        if let Some(running) = self.under_way(id) {
            return Ok(running.drill.borrow().clone());
        }
        let past = self.past.borrow();
        past.iter().find(|drill| drill.id == id).cloned().ok_or(ControlError::NoSuchDrill { id })
    }

    /// Gives a drill up, and waits until what was broken is mended. One that is over stays as it is.
    pub(super) async fn abort(&self, id: u64, who: &str) -> Result<Drill, ControlError> {
        if let Some(running) = self.under_way(id) {
            running.give_up(format!("{who} has aborted it"));
            let mut changes = running.changes.subscribe();
            // The sender lives as long as `running`.
            let _ = changes.wait_for(|_| running.drill.borrow().is_over()).await;
        }
        self.drill(id)
    }

    /// Tells a drill whenever something of it has changed, to its end.
    pub(super) async fn watch(&self, id: u64, who: &str, mut replies: Outgoing<Drill>) -> Answer<()> {
        let Some(running) = self.under_way(id) else {
            let drill = self.drill(id)?;
            return Ok(replies.send(&drill).await?);
        };
        let _watching = (running.drill.borrow().who == who).then(|| Watching::begin(&running));
        let mut changes = running.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let drill = running.drill.borrow().clone();
            let is_over = drill.is_over();
            replies.send(&drill).await?;
            if is_over {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(TELL_MS)).await;
            let _ = changes.changed().await;
        }
    }

    fn under_way(&self, id: u64) -> Option<Rc<Running>> {
        self.running.borrow().as_ref().filter(|running| running.drill.borrow().id == id).map(Rc::clone)
    }

    /// The drill under way, in words.
    fn in_words(&self) -> Option<String> {
        let running = self.running.borrow();
        let drill = running.as_ref()?.drill.borrow();
        Some(format!("drill {} is under way ({}): end it first, or wait", drill.id, drill.what))
    }

    /// A drill is over.
    fn remember(&self, running: &Running) {
        self.running.take();
        let mut past = self.past.borrow_mut();
        past.push_back(running.drill.borrow().clone());
        if past.len() > PAST_MAX {
            past.pop_front();
        }
    }

    /// How the network is, as its supervisors and all who call see it.
    async fn network(&self, name: &str) -> Result<Network, RpcError> {
        let fleet = self.governor.fleet()?;
        let seen = self.governor.instances(None, false).await;
        let book = self.governor.book.borrow();
        let standing = |instance: &Rc<Instance>| {
            let named = name_of(instance);
            let state = instance.state();
            let is_seen_ill = || {
                let called = seen.iter().flat_map(|(_, seen)| {
                    let by = &seen.seen_by;
                    let called = seen.services.iter().flat_map(|called| &called.instances);
                    called.filter(|called| called.instance == named.instance).map(move |called| (by, called))
                });
                let mut ill = called.filter(|(_, called)| called.state != InstanceState::Up);
                ill.next().map(|(by, called)| {
                    let state = super::reports::state_name(called.state);
                    format!("is {state} to {by} ({})", called.reason)
                })
            };
            let health = match state {
                // One that has died, and that nobody starts again.
                State::Stopped if last_exit(instance).is_some_and(|how| how != ENDED_WELL) => ill(instance),
                State::Stopped => Health::Away,
                State::Running if book.rests(&named) => Health::Away,
                State::Running => is_seen_ill().map_or(Health::Well, Health::Ill),
                State::Starting => Health::Ill("is being started".into()),
                State::Stopping => Health::Ill("is being stopped".into()),
                State::BackingOff | State::CrashLoop => ill(instance),
            };
            Standing { service: named.service.to_owned(), instance: named.instance, health }
        };
        let instances: Vec<Standing> = fleet.instances().iter().map(standing).collect();
        let service = instances.iter().find(|each| each.instance == name).map_or(name, |each| &each.service);
        let called = service_named(service);
        let is_caller = |caller: &&Service| {
            called.is_some_and(|called| called.name != caller.name && calls(Some(caller), called))
                && instances.iter().any(|each| each.service == caller.name)
        };
        let callers = SERVICES.iter().filter(is_caller).map(|caller| caller.name.to_owned()).collect();
        let faults =
            book.faults().iter().map(|fault| format!("fault {}: {}", fault.id, fault.words())).collect();
        Ok(Network { callers, drill: None, faults, instances })
    }

    fn refused(&self, refusal: Refusal, request: &NewDrill) -> CallError<ControlError> {
        let error = match refusal {
            Refusal::TooMuch { lost, force } => ControlError::BeyondBlastRadius { lost, force },
            Refusal::NotPossible(reason) => ControlError::NotPossible { reason },
            Refusal::NoSuchName => {
                let fleet = self.governor.fleet().ok();
                let known = fleet.map(|fleet| fleet.instances()).unwrap_or_default();
                let known = known.iter().map(|instance| instance.name().to_owned()).collect();
                ControlError::NoSuchProcess { name: request.service.clone(), known }
            }
        };
        error.into()
    }
}

impl Running {
    fn give_up(&self, why: String) {
        self.given_up.borrow_mut().get_or_insert(why);
        self.gives_up.notify_one();
    }

    fn times(&self) -> Times {
        let ms = |seconds: Option<u32>, default: u32| u64::from(seconds.unwrap_or(default)) * 1_000;
        Times {
            quiet_ms: ms(self.request.quiet_s, QUIET_S),
            fault_ms: ms(self.request.duration_s, DURATION_S),
        }
    }

    fn load_per_s(&self) -> u32 {
        self.request.load_per_s.unwrap_or(LOAD_PER_S)
    }
}

/// Whoever began a drill, watching it. One that was to be watched is given up when they don't any more.
struct Watching(Rc<Running>);

impl Watching {
    fn begin(running: &Rc<Running>) -> Self {
        running.watchers.set(running.watchers.get() + 1);
        Self(Rc::clone(running))
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let left = self.0.watchers.get() - 1;
        self.0.watchers.set(left);
        if left == 0 && self.0.request.attended == Some(true) {
            self.0.give_up("whoever began it is gone".into());
        }
    }
}

impl Drill {
    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, DrillState::Done | DrillState::Aborted | DrillState::Failed)
    }
}

fn new(id: u64, request: &NewDrill, target: &Target, who: String) -> Drill {
    Drill {
        id,
        kind: request.kind,
        service: target.service.clone(),
        what: what(request, target),
        instances: target.instances.clone(),
        who,
        load_per_s: request.load_per_s.unwrap_or(LOAD_PER_S),
        duration_s: request.duration_s.unwrap_or(DURATION_S),
        quiet_s: request.quiet_s.unwrap_or(QUIET_S),
        state: DrillState::Preparing,
        reason: None,
        began: Timestamp(clock::unix_us()),
        elapsed_ms: 0,
        left_ms: None,
        fault: None,
        timeline: Vec::new(),
        seconds: Vec::new(),
        report: DrillReport::default(),
    }
}

fn ill(instance: &Rc<Instance>) -> Health {
    Health::Ill(format!("doesn't run: {}", instance.look(|supervisor| supervisor.reason().to_owned())))
}

fn last_exit(instance: &Rc<Instance>) -> Option<String> {
    instance.look(|supervisor| supervisor.last_exit().map(str::to_owned))
}

/// What happens, in words.
fn what(request: &NewDrill, target: &Target) -> String {
    let who = target.instances.join(", ");
    match request.kind {
        DrillKind::KillInstance => format!("{who} is killed"),
        DrillKind::Stall => format!("{who} is stalled"),
        DrillKind::Partition => format!("{who} is cut off"),
        DrillKind::Slow => format!("{who} takes {} ms longer", request.delay_ms.unwrap_or(DELAY_MS)),
        DrillKind::DependencyDown => format!("{} is cut off as a whole", target.service),
        DrillKind::Unknown => who,
    }
}
