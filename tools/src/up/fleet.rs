//! All processes of a network: started in their order, found by name, added, taken away, and stopped the other way round.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::{Rc, Weak};
use std::time::Instant;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::free_ports::FreePorts;
use super::instance::Instance;
use super::launch::Launcher;
use super::supervisor::{State, Supervisor};
use crate::address::reachable;
use crate::certs::Renewal;
use crate::config::{INSTANCES_MAX, InstancePlan, UpConfig};
use crate::error::CommandError;
use crate::network_file::{Entry, NetworkFile, Protocol};
use crate::registry::{CONTROL, CONTROL_INSTANCE, Service};
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::terminal;
use micronet_transport::tasks;

/// How a process ends that has drained.
pub(crate) const ENDED_WELL: &str = "exit status: 0";

/// The processes that `up` keeps running.
pub(crate) struct Fleet {
    launcher: Launcher,
    free_ports: FreePorts,
    /// In the order in which they start; those of a service stand together.
    members: RefCell<Vec<Member>>,
    changes: watch::Sender<u64>,
    stops: Cell<bool>,
    /// The certificates of the instances, where they have any.
    renewal: RefCell<Option<Renewal>>,
}

struct Member {
    instance: Rc<Instance>,
    task: AbortHandle,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.instances()).finish()
    }
}

impl Fleet {
    /// The processes of these plans, none of which is started yet. Within a runtime only.
    pub(super) fn new(
        launcher: Launcher,
        plans: Vec<InstancePlan>,
        free_ports: FreePorts,
        renewal: Option<Renewal>,
    ) -> Rc<Self> {
        let fleet = Rc::new(Self {
            launcher,
            free_ports,
            members: RefCell::default(),
            changes: watch::Sender::new(0),
            stops: Cell::new(false),
            renewal: RefCell::new(renewal),
        });
        plans.into_iter().for_each(|plan| drop(fleet.enter(plan)));
        fleet
    }

    /// All of them, in the order in which they start.
    pub(crate) fn instances(&self) -> Vec<Rc<Instance>> {
        self.members.borrow().iter().map(|member| Rc::clone(&member.instance)).collect()
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Option<Rc<Instance>> {
        self.instances().into_iter().find(|instance| instance.name() == name)
    }

    /// Those of a service, or the gateway's.
    pub(crate) fn of_service(&self, service: &str) -> Vec<Rc<Instance>> {
        let mut instances = self.instances();
        instances.retain(|instance| instance.plan().service_name() == service);
        instances
    }

    /// Whether the whole network is being stopped: nothing is started any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stops.get()
    }

    /// Where others reach an instance, or will.
    pub(crate) fn address_of(&self, instance: &Instance) -> SocketAddr {
        self.launcher.address_of(instance.plan())
    }

    /// What the network was started as.
    pub(crate) fn config(&self) -> &UpConfig {
        &self.launcher.config
    }

    /// Hears of whatever happens to them.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Starts all of them, service by service, each when those before are ready.
    pub(super) async fn start(&self) -> Result<(), CommandError> {
        let instances = self.instances();
        for group in instances.chunk_by(|one, other| one.plan().service == other.plan().service) {
            group.iter().for_each(|instance| instance.start());
            for instance in group {
                started(instance).await?;
            }
        }
        Ok(())
    }

    /// One more instance of a service, on a free port, which is not started yet.
    pub(crate) fn add(self: &Rc<Self>, service: &'static Service) -> Result<Rc<Instance>, CommandError> {
        let plans = self.plans();
        let is_free = |name: &String| plans.iter().all(|plan| plan.instance != *name);
        let mut names = (1..=INSTANCES_MAX).map(|number| format!("{}-{number}", service.name));
        let instance = names.find(is_free).ok_or_else(|| {
            CommandError::new(format!(
                "{} has {INSTANCES_MAX} instances, as many as it can have",
                service.name
            ))
        })?;
        let port = self.free_ports.take()?;
        let plan = InstancePlan { service: Some(service), instance, port, rpc_port: None };
        if let Some(renewal) = &mut *self.renewal.borrow_mut() {
            renewal.add(service.name, &plan.instance)?;
        }
        Ok(self.enter(plan))
    }

    /// Takes away an instance that has ended.
    pub(crate) fn remove(&self, name: &str) {
        self.members.borrow_mut().retain(|member| {
            let stays = member.instance.name() != name;
            if !stays {
                member.instance.leave();
                member.task.abort();
                self.free_ports.release(member.instance.plan().port);
            }
            stays
        });
        self.changes.send_modify(|count| *count += 1);
    }

    /// Stops all of them, service by service, in the opposite order of their start, so that nothing is taken away from a
    /// request that still runs. A further signal stops everything at once.
    pub(super) async fn stop(&self, signals: &mut StopSignals) -> ExitCode {
        self.stops.set(true);
        let instances = self.instances();
        instances.iter().for_each(|instance| instance.leave());
        let groups = instances.chunk_by(|one, other| one.plan().service == other.plan().service);
        for group in groups.rev() {
            let stopped = tokio::select! {
                () = stop_together(group) => true,
                _ = signals.next() => false,
            };
            if !stopped {
                terminal::warn("killing what still runs");
                instances.iter().for_each(|instance| instance.kill());
                for instance in &instances {
                    instance.ended().await;
                }
                return ExitCode::from(EXIT_INTERRUPTED);
            }
        }
        terminal::note("all stopped");
        ExitCode::SUCCESS
    }

    /// Shows the warnings in their logs, and renews their certificates in time.
    pub(super) fn look_after(&self) {
        self.instances().iter().for_each(|instance| instance.show_warnings());
        if let Some(renewal) = &mut *self.renewal.borrow_mut() {
            renewal.renew_if_due();
        }
    }

    /// Who runs where, for other commands.
    pub(super) fn network_file(&self) -> NetworkFile {
        let config = &self.launcher.config;
        let control = Entry {
            service: CONTROL.to_owned(),
            instance: CONTROL_INSTANCE.to_owned(),
            address: reachable(self.launcher.control),
            protocol: Protocol::Rpc,
            pid: std::process::id(),
        };
        let entries = self.instances().into_iter().flat_map(|instance| {
            let (plan, pid) = (instance.plan().clone(), instance.pid().unwrap_or_default());
            listeners(&instance).into_iter().map(move |(protocol, address)| Entry {
                service: plan.service_name().to_owned(),
                instance: plan.instance.clone(),
                address: reachable(address),
                protocol,
                pid,
            })
        });
        let certs = config.tls.as_ref().map(|tls| std::path::absolute(&tls.certs)).transpose();
        NetworkFile {
            cluster: config.cluster.clone(),
            pid: std::process::id(),
            certs: certs.unwrap_or_default(),
            entries: entries.chain([control]).collect(),
            virtual_ports: self
                .launcher
                .virtual_ports()
                .map(|(service, address)| (service.to_owned(), address))
                .collect(),
        }
    }

    /// What they are started as.
    pub(crate) fn plans(&self) -> Vec<InstancePlan> {
        self.members.borrow().iter().map(|member| member.instance.plan().clone()).collect()
    }

    /// Takes one in, after those of its service, and begins to supervise it.
    fn enter(self: &Rc<Self>, plan: InstancePlan) -> Rc<Instance> {
        let log = self.launcher.data.log(&plan.instance);
        let restarts_itself = self.launcher.config.restarts;
        let instance = Rc::new(Instance::new(plan, log, restarts_itself, self.changes.clone()));
        let fleet = Rc::downgrade(self);
        let supervised = Rc::clone(&instance);
        let task = tasks::spawn("supervisor", supervise(supervised, fleet)).abort_handle();
        let mut members = self.members.borrow_mut();
        let service = instance.plan().service;
        let last = members.iter().rposition(|member| member.instance.plan().service == service);
        let place = last.map_or(members.len(), |last| last + 1);
        members.insert(place, Member { instance: Rc::clone(&instance), task });
        drop(members);
        self.changes.send_modify(|count| *count += 1);
        instance
    }
}

async fn supervise(instance: Rc<Instance>, fleet: Weak<Fleet>) {
    let plan = instance.plan().clone();
    let launch = |again| {
        let fleet = fleet.upgrade()?;
        Some(fleet.launcher.launch(&plan, &fleet.plans(), again))
    };
    instance.supervise(launch).await;
}

/// Waits until an instance is ready for the first time. Here one that dies is given up.
async fn started(instance: &Instance) -> Result<(), CommandError> {
    let decided =
        |supervisor: &Supervisor| supervisor.state() == State::Running || supervisor.last_exit().is_some();
    instance.until(decided).await;
    if instance.state() == State::Running {
        return Ok(());
    }
    Err(CommandError::new(format!("{} did not start", instance.name())))
}

/// Lets the instances of one service drain.
async fn stop_together(instances: &[Rc<Instance>]) {
    let begin = Instant::now();
    let running: Vec<&Rc<Instance>> =
        instances.iter().filter(|instance| instance.state().has_process()).collect();
    for instance in &running {
        terminal::note(&format!("  {} is draining", instance.name()));
    }
    instances.iter().for_each(|instance| instance.stop());
    for instance in running {
        instance.ended().await;
        let seconds = begin.elapsed().as_secs_f64();
        let how = instance.look(|supervisor| supervisor.last_exit().unwrap_or_default().to_owned());
        let how = if how == ENDED_WELL { String::new() } else { format!(" ({how})") };
        terminal::note(&format!("  {} has stopped after {seconds:.1} s{how}", instance.name()));
    }
}

/// What an instance that is ready speaks, and where. The gateway speaks HTTP, and RPC on a port of its own.
pub(super) fn listeners(instance: &Instance) -> Vec<(Protocol, SocketAddr)> {
    let is_there = matches!(instance.state(), State::Running | State::Stopping) && instance.pid().is_some();
    let (Some(address), true) = (instance.address(), is_there) else { return Vec::new() };
    match instance.plan().rpc_port {
        None => vec![(Protocol::Rpc, address)],
        Some(port) => {
            vec![(Protocol::Http, address), (Protocol::Rpc, SocketAddr::new(address.ip(), port))]
        }
    }
}
