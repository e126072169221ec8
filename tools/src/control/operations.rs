//! What takes several steps: starting, stopping, restarting and scaling without a call that fails.
//!
//! Whoever is to end is left by its callers first, and ends when it has answered what it has; whoever has started counts when
//! its callers give it calls. A step that was begun is finished, also when nobody waits for it any more.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::REDIAL_MS_MAX;
use micronet_wire::network::{CalledInstance, InstanceState};
use micronet_wire::service::CallError;

use tokio::time::timeout;

use super::api::ControlError;
use super::governor::{Governor, name_of};
use super::rules::Name;
use crate::registry::{Service, service_named};
use crate::up::{Fleet, Instance, State, Supervisor};
use micronet_transport::tasks;

/// How long callers may take to leave an instance, in milliseconds. Then it drains all the same: no call is lost by that, but
/// one may have to be tried elsewhere.
const LEFT_MS_MAX: u64 = 2_000;
/// How long callers may take to give a new process calls, in milliseconds: one that was lost often has to answer for a while.
const FOUND_MS_MAX: u64 = 30_000;
/// The pause between two looks at what callers see, in milliseconds.
const LOOK_MS: u64 = 25;

pub(super) type Answer<T> = Result<T, CallError<ControlError>>;

/// What is under way, by service.
#[derive(Debug)]
pub(super) struct Operations {
    governor: Rc<Governor>,
    busy: RefCell<BTreeSet<&'static str>>,
}

impl Operations {
    pub(super) fn new(governor: &Rc<Governor>) -> Rc<Self> {
        Rc::new(Self { governor: Rc::clone(governor), busy: RefCell::default() })
    }

    /// Starts those that don't run, and waits until they are ready and their callers have found them. A caller that doesn't is no
    /// reason to say that they haven't started.
    pub(super) async fn start(self: &Rc<Self>, mut instances: Vec<Rc<Instance>>) -> Answer<()> {
        let services = services_of(&instances);
        self.alone(services, async move |operations| {
            instances.retain(|instance| instance.state() != State::Running);
            instances.iter().for_each(|instance| instance.start());
            for instance in &instances {
                ready(instance).await?;
            }
            for instance in instances.iter().filter(|instance| instance.plan().service.is_some()) {
                let _ = operations.found(&name_of(instance)).await;
            }
            Ok(())
        })
        .await
    }

    /// Stops these, when their callers have left them, and waits for their end.
    pub(super) async fn stop(self: &Rc<Self>, instances: Vec<Rc<Instance>>) -> Answer<()> {
        let services = services_of(&instances);
        self.alone(services, async move |operations| {
            operations.end(&instances).await;
            Ok(())
        })
        .await
    }

    /// Restarts these one by one.
    pub(super) async fn restart(self: &Rc<Self>, instances: Vec<Rc<Instance>>) -> Answer<()> {
        let services = services_of(&instances);
        self.alone(services, async move |operations| {
            for instance in &instances {
                operations.restart_one(instance).await?;
            }
            Ok(())
        })
        .await
    }

    /// Runs so many instances of a service.
    pub(super) async fn scale(self: &Rc<Self>, service: &'static Service, count: usize) -> Answer<()> {
        self.alone(BTreeSet::from([service.name]), async move |operations| {
            let fleet = operations.governor.fleet()?;
            let mut instances = fleet.of_service(service.name);
            instances.sort_by_key(|instance| number_of(instance.name()));
            if count < instances.len() {
                operations.remove(&instances.split_off(count)).await;
            } else {
                operations.add(service, count - instances.len()).await?;
            }
            Ok(())
        })
        .await
    }

    /// Does something to services with which nobody else does anything meanwhile, to its end.
    async fn alone<Doing: Future<Output = Answer<()>> + 'static>(
        self: &Rc<Self>,
        services: BTreeSet<&'static str>,
        act: impl FnOnce(Rc<Self>) -> Doing + 'static,
    ) -> Answer<()> {
        let taken = self.busy.borrow().intersection(&services).next().copied();
        if let Some(service) = taken {
            return Err(ControlError::Busy { service: service.to_owned() }.into());
        }
        self.busy.borrow_mut().extend(&services);
        let operations = Rc::clone(self);
        let acting = tasks::spawn("operation", async move {
            let done = act(Rc::clone(&operations)).await;
            operations.busy.borrow_mut().retain(|service| !services.contains(service));
            done
        });
        acting.await.unwrap_or_else(|_| Err(RpcError::new(Code::Internal, "the operation broke off").into()))
    }

    async fn restart_one(self: &Rc<Self>, instance: &Rc<Instance>) -> Answer<()> {
        let fleet = self.governor.fleet()?;
        if instance.state() != State::Running {
            instance.restart();
            return ready(instance).await.map_err(Into::into);
        }
        let Some(service) = instance.plan().service else {
            // The gateway's sockets stay open: what comes meanwhile is the former process's or the next one's.
            instance.restart();
            return ready(instance).await.map_err(Into::into);
        };
        let others = self.others(&fleet, instance);
        let stand_in = match others.is_empty() {
            true => self.add(service, 1).await?,
            false => Vec::new(),
        };
        self.one_is_called(service, &others).await?;
        let name = name_of(instance);
        self.let_leave(&name).await;
        instance.restart();
        let restarted = ready(instance).await;
        self.governor.say(|book| book.leave(&name, false)).await;
        let found = match restarted {
            Ok(()) => self.found(&name).await,
            Err(error) => Err(error.into()),
        };
        // One that stands in for another that didn't come back stays.
        if found.is_ok() {
            self.remove(&stand_in).await;
        }
        found
    }

    /// Waits until callers give one of these calls, where there are any.
    async fn one_is_called(&self, service: &Service, instances: &[Rc<Instance>]) -> Answer<()> {
        let look = async {
            loop {
                let called = self.governor.called(service.name).await;
                let gets_calls =
                    |instance: &Rc<Instance>| called.get(instance.name()).copied().unwrap_or(true);
                if instances.is_empty() || instances.iter().any(gets_calls) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            }
        };
        if timeout(Duration::from_millis(FOUND_MS_MAX), look).await.is_ok() {
            return Ok(());
        }
        let reason = format!("no other instance of {} gets calls from all of its callers", service.name);
        Err(ControlError::NotPossible { reason }.into())
    }

    /// Other instances of the service that should get calls.
    fn others(&self, fleet: &Fleet, instance: &Rc<Instance>) -> Vec<Rc<Instance>> {
        let mut others = fleet.of_service(instance.plan().service_name());
        let book = self.governor.book.borrow();
        others.retain(|other| {
            !Rc::ptr_eq(other, instance)
                && other.state() == State::Running
                && !book.is_taken_out(&name_of(other))
        });
        others
    }

    /// Starts more instances, and waits until they get calls. None stays of which one doesn't start.
    async fn add(&self, service: &'static Service, count: usize) -> Answer<Vec<Rc<Instance>>> {
        let fleet = self.governor.fleet()?;
        let mut added = Vec::new();
        for _ in 0..count {
            let instance = fleet
                .add(service)
                .map_err(|error| ControlError::NotPossible { reason: error.to_string() })?;
            instance.start();
            added.push(instance);
        }
        for instance in &added {
            if let Err(error) = ready(instance).await {
                self.remove(&added).await;
                return Err(error.into());
            }
        }
        if !added.is_empty() {
            self.governor.say(super::rules::Book::changed).await;
        }
        for instance in &added {
            self.found(&name_of(instance)).await?;
        }
        Ok(added)
    }

    /// Takes instances away for good.
    async fn remove(&self, instances: &[Rc<Instance>]) {
        let Ok(fleet) = self.governor.fleet() else { return };
        self.end(instances).await;
        for instance in instances {
            fleet.remove(instance.name());
            self.governor.say(|book| book.forget(&name_of(instance))).await;
        }
    }

    /// Ends instances together, each when its callers have left it.
    async fn end(&self, instances: &[Rc<Instance>]) {
        for instance in instances.iter().filter(|instance| instance.state() == State::Running) {
            self.let_leave(&name_of(instance)).await;
        }
        instances.iter().for_each(|instance| instance.stop());
        for instance in instances {
            instance.ended().await;
            self.governor.say(|book| book.leave(&name_of(instance), false)).await;
        }
    }

    /// Lets callers leave an instance, and waits until they have.
    async fn let_leave(&self, name: &Name) {
        self.governor.say(|book| book.leave(name, true)).await;
        let within = Duration::from_millis(LEFT_MS_MAX);
        self.governor.seen(name, within, |seen| seen.state != InstanceState::Up).await;
    }

    /// Waits until callers give an instance calls.
    async fn found(&self, name: &Name) -> Answer<()> {
        let callers = self.governor.instances(Some(name.service), false).await;
        if callers.iter().any(|(_, seen)| seen.services.is_empty()) {
            // It doesn't say whom it calls, but it dials at most so much later.
            tokio::time::sleep(Duration::from_millis(REDIAL_MS_MAX + REDIAL_MS_MAX / 4)).await;
        }
        // One that rests by the operator's word is found, and gets none.
        let rests = self.governor.book.borrow().is_taken_out(name);
        let gets_calls =
            |seen: &CalledInstance| seen.connections > 0 && (rests || seen.state == InstanceState::Up);
        if self.governor.seen(name, Duration::from_millis(FOUND_MS_MAX), gets_calls).await {
            return Ok(());
        }
        let reason =
            format!("it runs, but not all of its callers have found it within {} s", FOUND_MS_MAX / 1_000);
        Err(ControlError::DidNotStart { instance: name.instance.clone(), reason }.into())
    }
}

/// Waits until an instance that was started is ready.
async fn ready(instance: &Instance) -> Result<(), ControlError> {
    let is_settled = |supervisor: &Supervisor| {
        !matches!(supervisor.state(), State::Starting | State::Stopping) && !supervisor.is_succeeded()
    };
    instance.until(is_settled).await;
    if instance.state() == State::Running && !instance.look(Supervisor::kept_its_place) {
        return Ok(());
    }
    let reason = instance.look(|supervisor| supervisor.reason().to_owned());
    Err(ControlError::DidNotStart { instance: instance.name().to_owned(), reason })
}

fn services_of(instances: &[Rc<Instance>]) -> BTreeSet<&'static str> {
    instances.iter().map(|instance| instance.plan().service_name()).collect()
}

/// The number at the end of an instance's name.
fn number_of(name: &str) -> u32 {
    name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// A service of this network that can be scaled.
pub(super) fn scalable(fleet: &Fleet, name: &str) -> Result<&'static Service, ControlError> {
    if name == crate::registry::GATEWAY {
        let reason = "there is one gateway: its port is where clients look for it".to_owned();
        return Err(ControlError::NotPossible { reason });
    }
    let known = service_named(name).filter(|_| !fleet.of_service(name).is_empty());
    known.ok_or_else(|| {
        let mut known: Vec<String> = Vec::new();
        for service in fleet.instances().iter().filter_map(|instance| instance.plan().service) {
            if !known.iter().any(|name| name == service.name) {
                known.push(service.name.to_owned());
            }
        }
        ControlError::NoSuchProcess { name: name.to_owned(), known }
    })
}
