//! Tells each process what the operator has said that concerns it, and asks what it sees of those that it calls.
//!
//! What is told is whole and has a revision, so it can be told again: when it changes, when a process was started again, and
//! when it was not heard.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_transport::metrics::Metrics;
use micronet_transport::tasks;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::network::{
    CalledInstance, InstanceState, Instances, InstancesOf, OperationClient, Requests, RequestsOf, Rules,
};
use micronet_wire::principal::Principal;
use micronet_wire::service::CallOptions;
use tokio::sync::watch;
use tokio::time::timeout;

use super::events::Events;
use super::rules::{Addresses, Book, Name};
use crate::registry::CONTROL_INSTANCE;
use crate::up::{Fleet, Instance, State, calls};

/// How long a process may take to answer, in milliseconds.
const ANSWER_MS_MAX: u64 = 1_000;
/// The pause before one is told again that was not reached, in milliseconds.
const AGAIN_MS: u64 = 300;
/// The pause between two looks at what callers see, in milliseconds.
const LOOK_MS: u64 = 25;

/// What stands between the operator's word and the processes.
#[derive(Debug)]
pub(super) struct Governor {
    fleet: Weak<Fleet>,
    identity: Rc<Identity>,
    pub(super) book: RefCell<Book>,
    /// What happens is told there.
    pub(super) events: Rc<Events>,
    /// Which process has heard which revision, by instance.
    told: RefCell<BTreeMap<String, (u32, u64)>>,
    /// Those that are being told.
    telling: RefCell<BTreeSet<String>>,
    /// Counts what was said, and what was heard.
    changes: watch::Sender<u64>,
    connections: RefCell<BTreeMap<String, (u32, Client)>>,
    /// Processes that were stopped where they stand and hear nothing, by instance.
    stalled: RefCell<BTreeMap<String, u32>>,
}

impl Governor {
    /// Nothing was said yet. Begins to tell each process where the others are, whenever one is started. Within a runtime only.
    pub(super) fn start(fleet: &Rc<Fleet>, identity: Rc<Identity>) -> Rc<Self> {
        let governor = Rc::new(Self {
            fleet: Rc::downgrade(fleet),
            identity,
            book: RefCell::default(),
            events: Events::new(),
            told: RefCell::default(),
            telling: RefCell::default(),
            changes: watch::Sender::new(0),
            connections: RefCell::default(),
            stalled: RefCell::default(),
        });
        governor.book.borrow_mut().changed();
        tasks::spawn("telling instances", keep_told(Rc::downgrade(&governor), fleet.changes()));
        governor
    }

    /// The processes.
    pub(super) fn fleet(&self) -> Result<Rc<Fleet>, RpcError> {
        let fleet = self.fleet.upgrade().filter(|fleet| !fleet.is_stopping());
        fleet.ok_or_else(|| RpcError::new(Code::Draining, "the network is being stopped"))
    }

    /// Says something, tells all whom it concerns, and waits until they have heard it, or one doesn't answer.
    pub(super) async fn say<T>(self: &Rc<Self>, say: impl FnOnce(&mut Book) -> T) -> T {
        let said = say(&mut self.book.borrow_mut());
        self.tell();
        let patience = Duration::from_millis(2 * ANSWER_MS_MAX);
        let mut changes = self.changes.subscribe();
        if timeout(patience, changes.wait_for(|_| self.unheard().is_empty())).await.is_err() {
            let unheard: Vec<String> =
                self.unheard().iter().map(|instance| instance.name().to_owned()).collect();
            tracing::warn!(?unheard, "not told yet what the operator has said");
        }
        said
    }

    /// Waits until all that call an instance see it so, those that don't answer left out. False if they don't in time.
    pub(super) async fn seen(
        self: &Rc<Self>,
        name: &Name,
        within: Duration,
        is_so: impl Fn(&CalledInstance) -> bool,
    ) -> bool {
        let look = async {
            loop {
                let seen = self.instances(Some(name.service), false).await;
                let all = seen.iter().flat_map(|(_, seen)| &seen.services).all(|called| {
                    called.instances.iter().any(|each| each.instance == name.instance && is_so(each))
                });
                if all {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            }
        };
        timeout(within, look).await.is_ok()
    }

    /// Whether each instance of a service gets calls from all who call it, by name; those of whom nobody says anything are left out.
    pub(super) async fn called(self: &Rc<Self>, service: &str) -> BTreeMap<String, bool> {
        let mut called: BTreeMap<String, bool> = BTreeMap::new();
        for (_, seen) in self.instances(Some(service), false).await {
            for instance in seen.services.into_iter().flat_map(|called| called.instances) {
                let gets_calls = instance.state == InstanceState::Up;
                called.entry(instance.instance).and_modify(|all| *all &= gets_calls).or_insert(gets_calls);
            }
        }
        called
    }

    /// What each process sees of a service's instances, or of all; those that don't answer are left out.
    pub(super) async fn instances(
        self: &Rc<Self>,
        service: Option<&str>,
        history: bool,
    ) -> Vec<(Name, Instances)> {
        let request = InstancesOf { service: service.map(str::to_owned), history };
        let calls = |instance: &Instance| service.is_none_or(|service| calls_it(instance, service));
        let asked = self.ask_all(calls, async move |client| {
            OperationClient::new(client).instances(&request, options()).await
        });
        asked.await.into_iter().filter_map(|(name, answer)| Some((name, answer.ok()?))).collect()
    }

    /// What the processes of these services see of all that they call; those that don't answer are left out.
    pub(super) async fn instances_seen_by(
        self: &Rc<Self>,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<(Name, Instances)> {
        let request = InstancesOf { service: None, history: false };
        let is_caller = |instance: &Instance| {
            let calls = instance.plan().service.is_none_or(|service| service.calls().next().is_some());
            calls && wanted(instance.plan().service_name())
        };
        let asked = self.ask_all(is_caller, async move |client| {
            OperationClient::new(client).instances(&request, options()).await
        });
        asked.await.into_iter().filter_map(|(name, answer)| Some((name, answer.ok()?))).collect()
    }

    /// Hears of what is said, and of what is heard.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What this process counts.
    pub(super) fn metrics(&self) -> &Metrics {
        self.identity.network.metrics()
    }

    /// What each process remembers of a request, this one included; and those that don't answer.
    pub(super) async fn requests(self: &Rc<Self>, request_id: &str) -> (Vec<Requests>, Vec<String>) {
        let request = RequestsOf { request_id: request_id.to_owned() };
        let own = self.identity.network.requests(CONTROL_INSTANCE, request_id);
        let asked = self.ask_all(
            |_| true,
            async move |client| OperationClient::new(client).requests(&request, options()).await,
        );
        let (mut remembered, mut silent) = (vec![own], Vec::new());
        for (name, answer) in asked.await {
            match answer {
                Ok(requests) => remembered.push(requests),
                Err(_) => silent.push(name.instance),
            }
        }
        (remembered, silent)
    }

    /// Asks all of these processes at once, since one that is stalled must not hide what the others say. Those that are known to hear
    /// nothing fail.
    async fn ask_all<T: 'static>(
        self: &Rc<Self>,
        wanted: impl Fn(&Instance) -> bool,
        ask: impl AsyncFn(Client) -> Result<T, RpcError> + 'static,
    ) -> Vec<(Name, Result<T, RpcError>)> {
        let Ok(fleet) = self.fleet() else { return Vec::new() };
        let (mut instances, ask) = (fleet.instances(), Rc::new(ask));
        instances.retain(|instance| wanted(instance));
        let asked = instances.into_iter().map(|instance| {
            let (governor, ask, name) = (Rc::clone(self), Rc::clone(&ask), name_of(&instance));
            let asking = async move {
                if governor.is_stalled(&instance) {
                    return Err(RpcError::new(Code::Silent, "it is stopped where it stands"));
                }
                ask(governor.connection(&instance).await?).await
            };
            (name, tasks::spawn("question to an instance", in_time(asking)))
        });
        let asked: Vec<_> = asked.collect();
        let mut answers = Vec::new();
        for (name, asked) in asked {
            let broken = |_| Err(RpcError::new(Code::Internal, "asking it failed"));
            answers.push((name, asked.await.unwrap_or_else(broken)));
        }
        answers
    }

    /// The process of an instance hears nothing from now on, or does again.
    pub(super) fn stalled(&self, instance: &Instance, is_stalled: bool) {
        let mut stalled = self.stalled.borrow_mut();
        match instance.pid().filter(|_| is_stalled) {
            Some(pid) => stalled.insert(instance.name().to_owned(), pid),
            None => stalled.remove(instance.name()),
        };
    }

    /// Whether it hears nothing. A process that was started since does.
    fn is_stalled(&self, instance: &Instance) -> bool {
        let pid = instance.pid();
        self.stalled.borrow().get(instance.name()).copied() == pid && pid.is_some()
    }

    /// Where all instances are.
    fn addresses(&self, fleet: &Fleet) -> Addresses {
        let instances = fleet.instances();
        let of_services = instances.iter().filter(|instance| instance.plan().service.is_some());
        of_services.map(|instance| (name_of(instance), fleet.address_of(instance).to_string())).collect()
    }

    fn rules_for(&self, fleet: &Fleet, instance: &Instance) -> Rules {
        let calls = |service: &str| calls_it(instance, service);
        self.book.borrow().rules_for(&name_of(instance), calls, &self.addresses(fleet), clock::now())
    }

    /// The running processes that have not heard the last word, and could.
    fn unheard(&self) -> Vec<Rc<Instance>> {
        let Ok(fleet) = self.fleet() else { return Vec::new() };
        let (revision, told) = (self.book.borrow().revision(), self.told.borrow());
        let mut instances = fleet.instances();
        instances.retain(|instance| {
            let heard = told.get(instance.name());
            let hears = instance.state() == State::Running && !self.is_stalled(instance);
            hears && heard != instance.pid().map(|pid| (pid, revision)).as_ref()
        });
        instances
    }

    /// Begins to tell all who have not heard the last word.
    fn tell(self: &Rc<Self>) {
        self.changes.send_modify(|count| *count += 1);
        for instance in self.unheard() {
            if self.telling.borrow_mut().insert(instance.name().to_owned()) {
                tasks::spawn("telling an instance", tell_until_heard(Rc::clone(self), instance));
            }
        }
    }

    /// Tells a process once; false when it didn't hear it.
    async fn tell_once(&self, instance: &Rc<Instance>) -> bool {
        let (Ok(fleet), Some(pid)) = (self.fleet(), instance.pid()) else { return false };
        let telling = async {
            let client = self.connection(instance).await?;
            // Made when it is told, since then its time runs.
            let rules = self.rules_for(&fleet, instance);
            OperationClient::new(client).govern(&rules, options()).await
        };
        match in_time(telling).await {
            Ok(governed) => {
                let heard = (pid, governed.revision);
                self.told.borrow_mut().insert(instance.name().to_owned(), heard);
                self.changes.send_modify(|count| *count += 1);
                true
            }
            Err(error) => {
                tracing::debug!(instance = instance.name(), %error, "not told what the operator has said");
                self.connections.borrow_mut().remove(instance.name());
                false
            }
        }
    }

    /// A connection to a process that runs: the one that there is, or a new one.
    pub(super) async fn connection(&self, instance: &Instance) -> Result<Client, RpcError> {
        let away = || RpcError::new(Code::Unavailable, format!("{} doesn't run", instance.name()));
        let (pid, address) = (instance.pid().ok_or_else(away)?, rpc_address(instance).ok_or_else(away)?);
        let known = self.connections.borrow().get(instance.name()).cloned();
        if let Some((_, client)) = known.filter(|(of, client)| *of == pid && client.is_serving()) {
            return Ok(client);
        }
        let client = Client::connect_to(instance.plan().service_name(), address, &self.identity).await?;
        self.connections.borrow_mut().insert(instance.name().to_owned(), (pid, client.clone()));
        Ok(client)
    }
}

/// Tells each process anew that was started, and whoever has not heard the last word.
async fn keep_told(governor: Weak<Governor>, mut changes: watch::Receiver<u64>) {
    while changes.changed().await.is_ok() {
        let Some(governor) = governor.upgrade() else { return };
        governor.tell();
    }
}

async fn tell_until_heard(governor: Rc<Governor>, instance: Rc<Instance>) {
    let is_unheard = || governor.unheard().iter().any(|unheard| Rc::ptr_eq(unheard, &instance));
    while is_unheard() {
        if !governor.tell_once(&instance).await {
            tokio::time::sleep(Duration::from_millis(AGAIN_MS)).await;
        }
    }
    governor.telling.borrow_mut().remove(instance.name());
}

async fn in_time<T>(asking: impl Future<Output = Result<T, RpcError>>) -> Result<T, RpcError> {
    let patience = Duration::from_millis(ANSWER_MS_MAX);
    let late = |_| Err(RpcError::new(Code::DeadlineExceeded, "no answer in time"));
    timeout(patience, asking).await.unwrap_or_else(late)
}

/// What is said to a process is the operator's word.
pub(super) fn options() -> CallOptions {
    CallOptions { principal: Some(Principal::Operator), ..CallOptions::default() }
}

/// An instance, as rules name it.
pub(super) fn name_of(instance: &Instance) -> Name {
    Name { service: instance.plan().service_name(), instance: instance.name().to_owned() }
}

/// Whether an instance calls a service.
pub(super) fn calls_it(instance: &Instance, service: &str) -> bool {
    crate::registry::service_named(service).is_some_and(|called| calls(instance.plan().service, called))
}

/// Where a process that runs speaks RPC.
fn rpc_address(instance: &Instance) -> Option<SocketAddr> {
    let address = instance.reachable()?;
    let port = instance.plan().rpc_port.unwrap_or(address.port());
    (instance.state() == State::Running).then_some(SocketAddr::new(address.ip(), port))
}
