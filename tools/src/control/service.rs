//! The handlers of the control service: what they are asked is looked up by name, and done by the processes' supervisors.

use std::rc::{Rc, Weak};

use micronet_transport::clock;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallContext, CallError, Outgoing};

use super::api::{Control, ControlError, Line, Lines, LogOf, Named, Process, ProcessState, Processes, Which};
use super::logs::{self, Reader};
use crate::up::{Fleet, Instance, State};

/// Lines of a log that are told unless others are asked for.
const LINES: u32 = 20;

type Answer<T> = Result<T, CallError<ControlError>>;

/// Answers for the processes of one network.
pub(super) struct Controller {
    fleet: Weak<Fleet>,
}

impl Controller {
    pub(super) fn new(fleet: &Rc<Fleet>) -> Self {
        Self { fleet: Rc::downgrade(fleet) }
    }

    fn fleet(&self) -> Result<Rc<Fleet>, RpcError> {
        self.fleet.upgrade().ok_or_else(|| RpcError::new(Code::Draining, "the network is being stopped"))
    }
}

impl Control for Controller {
    async fn processes(&self, _: &CallContext, request: Which) -> Answer<Processes> {
        Ok(shown(&chosen(&*self.fleet()?, request.name.as_deref())?))
    }

    async fn start(&self, _: &CallContext, request: Named) -> Answer<Processes> {
        let instances = chosen(&*self.fleet()?, Some(&request.name))?;
        instances.iter().for_each(|instance| instance.start());
        for instance in &instances {
            started(instance).await?;
        }
        Ok(shown(&instances))
    }

    async fn stop(&self, _: &CallContext, request: Named) -> Answer<Processes> {
        let instances = chosen(&*self.fleet()?, Some(&request.name))?;
        instances.iter().for_each(|instance| instance.stop());
        for instance in &instances {
            instance.ended().await;
        }
        Ok(shown(&instances))
    }

    async fn log(&self, _: &CallContext, request: LogOf) -> Answer<Lines> {
        let instances = chosen(&*self.fleet()?, request.name.as_deref())?;
        let count = request.lines.unwrap_or(LINES) as usize;
        let lines =
            instances.iter().flat_map(|instance| Reader::open(instance.name(), instance.log(), count).1);
        Ok(Lines { lines: lines.collect() })
    }

    async fn follow(&self, _: &CallContext, request: LogOf, replies: Outgoing<Line>) -> Answer<()> {
        let name = request.name;
        chosen(&*self.fleet()?, name.as_deref())?;
        let logs = || {
            let instances = self.fleet().ok().and_then(|fleet| chosen(&fleet, name.as_deref()).ok());
            let log = |instance: &Rc<Instance>| (instance.name().to_owned(), instance.log().clone());
            instances.iter().flatten().map(log).collect()
        };
        let count = request.lines.unwrap_or(LINES) as usize;
        Ok(logs::follow(logs, count, replies).await?)
    }
}

/// The processes of this name: a service's, or one; all without a name.
fn chosen(fleet: &Fleet, name: Option<&str>) -> Result<Vec<Rc<Instance>>, ControlError> {
    let all = fleet.instances();
    let Some(name) = name else { return Ok(all) };
    let is_it = |instance: &&Rc<Instance>| instance.name() == name || instance.plan().service_name() == name;
    let found: Vec<Rc<Instance>> = all.iter().filter(is_it).map(Rc::clone).collect();
    if found.is_empty() {
        let mut known: Vec<String> = Vec::new();
        for instance in &all {
            let service = instance.plan().service_name();
            if !known.iter().any(|name| name == service) {
                known.push(service.to_owned());
            }
            known.push(instance.name().to_owned());
        }
        return Err(ControlError::NoSuchProcess { name: name.to_owned(), known });
    }
    Ok(found)
}

/// Waits until an instance that was started is ready.
async fn started(instance: &Instance) -> Result<(), ControlError> {
    instance.until(|supervisor| !matches!(supervisor.state(), State::Starting | State::Stopping)).await;
    if instance.state() == State::Running {
        return Ok(());
    }
    let reason = instance.look(|supervisor| supervisor.reason().to_owned());
    Err(ControlError::DidNotStart { instance: instance.name().to_owned(), reason })
}

fn shown(instances: &[Rc<Instance>]) -> Processes {
    Processes { processes: instances.iter().map(|instance| process(instance)).collect() }
}

fn process(instance: &Instance) -> Process {
    instance.look(|supervisor| Process {
        service: instance.plan().service_name().to_owned(),
        instance: instance.name().to_owned(),
        address: instance.address().map(|address| address.to_string()),
        pid: instance.pid(),
        state: match supervisor.state() {
            State::Stopped => ProcessState::Stopped,
            State::Starting => ProcessState::Starting,
            State::Running => ProcessState::Running,
            State::Stopping => ProcessState::Stopping,
            State::BackingOff => ProcessState::BackingOff,
            State::CrashLoop => ProcessState::CrashLoop,
        },
        since: unix_time(supervisor.since_ns()),
        reason: supervisor.reason().to_owned(),
        restarts: supervisor.restarts(),
        last_exit: supervisor.last_exit().map(str::to_owned),
    })
}

/// A time of the process's clock, as people read it.
fn unix_time(at_ns: u64) -> Timestamp {
    let ago_us = clock::now().saturating_sub(at_ns) / 1_000;
    Timestamp(clock::unix_us() - i64::try_from(ago_us).unwrap_or(0))
}

impl From<ControlError> for CallError<ControlError> {
    fn from(error: ControlError) -> Self {
        Self::Service(error)
    }
}
