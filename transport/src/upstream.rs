//! The instances of one service, as those who call it see them: warm connections to each, one picked for each call, and a failed
//! call tried again where that is safe.
//!
//! A service of which no instance can be reached fails at once: nothing is dialled, and no timer is waited for, while a caller
//! waits. Connections are made and made again by tasks of their own (`keeper.rs`). Who is picked is decided by the health ledger of
//! each instance and by the balancer (`pick.rs`); what became of a call is told to both (`attempt.rs`).

mod adapted;
mod attempt;
mod caller;
mod instance;
mod keeper;
mod member;
mod pick;
mod schemas;
mod seen;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::limits::{HEALTH_LOOK_MS, INSTANCES_MAX, JUDGEMENT_LAG_MS_MAX, POOL_CONNECTIONS};
use micronet_wire::schema::{EncodedSchema, Fingerprint, SchemaError, ServiceSchema};
use micronet_wire::transcode::ServiceAdapter;
use tokio::sync::watch;

pub use self::attempt::{Failed, Want};
pub use self::instance::Instance;
pub use self::keeper::fetch_schema;
use self::member::Member;
use self::pick::Scratch;
use self::schemas::{Known, Schemas};
use crate::balance::{Algorithm, Balancer, Explained};
use crate::chance::Chance;
use crate::clock;
use crate::health::Standing;
use crate::identity::{Identity, random_bytes};
use crate::link::Denial;
use crate::network::Called;
use crate::records::Story;
use crate::retry::budget::RetryBudget;
use crate::tasks;

/// The instances of one service. Clones share them; dropping the last one closes the connections.
#[derive(Debug, Clone)]
pub struct Upstream(Rc<Inner>);

/// Where an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    /// Its weight among the instances; [`WEIGHT_NORM`] is the norm.
    pub weight: u32,
}

/// The weight of an instance of which nothing else is said.
pub const WEIGHT_NORM: u32 = 100;

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { address, weight: WEIGHT_NORM }
    }
}

/// Who says where instances are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Who started this process. The operator's word replaces theirs.
    Static,
    /// A file.
    File,
    /// The domain name system.
    Dns,
    /// The instances themselves.
    Registered,
    /// The operator, while this process runs.
    Operator,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Static => "static",
            Self::File => "file",
            Self::Dns => "dns",
            Self::Registered => "registered",
            Self::Operator => "operator",
        })
    }
}

struct Inner {
    service: Rc<str>,
    /// The schema that callers were built with, if they were.
    built_with: Option<Rc<EncodedSchema>>,
    identity: Rc<Identity>,
    /// Where each source says that instances are.
    targets: RefCell<Vec<(Source, Vec<Target>)>>,
    members: RefCell<Vec<Rc<Member>>>,
    next_key: Cell<u64>,
    balancer: RefCell<Balancer>,
    scratch: RefCell<Scratch>,
    budget: RefCell<RetryBudget>,
    retries: Cell<u64>,
    retries_refused: Cell<u64>,
    schemas: RefCell<Schemas>,
    /// Counts changes: an instance came or went.
    changes: watch::Sender<u64>,
    /// Instances of which the first attempt to connect has not ended yet.
    untried: Cell<usize>,
    /// From when on a call counts as slow, compared with those of all instances.
    slow_ns: Cell<u64>,
    /// Whether this process itself runs late.
    lagging: Cell<bool>,
    chance: RefCell<Chance>,
    /// That nothing of the service may be called.
    denial: RefCell<Option<Denial>>,
}

impl Upstream {
    /// Starts to keep connections to the instances of `service` at these addresses.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    #[must_use]
    pub fn connect(service: &str, addresses: &[SocketAddr], identity: &Rc<Identity>) -> Self {
        Self::start(service, addresses, identity, None)
    }

    /// The same for callers that were built with a schema. Their calls are adapted to what each instance serves (SPEC.md 10.10); an
    /// instance whose method can't be reconciled with theirs gets none of its calls, and the log says why.
    ///
    /// # Errors
    /// When the callers' own schema breaks a rule.
    pub fn connect_typed(
        built_with: ServiceSchema,
        addresses: &[SocketAddr],
        identity: &Rc<Identity>,
    ) -> Result<Self, SchemaError> {
        let built_with = EncodedSchema::new(built_with)?;
        let service = built_with.schema().name.clone();
        Ok(Self::start(&service, addresses, identity, Some(Rc::new(built_with))))
    }

    fn start(
        service: &str,
        addresses: &[SocketAddr],
        identity: &Rc<Identity>,
        built_with: Option<Rc<EncodedSchema>>,
    ) -> Self {
        let inner = Rc::new(Inner {
            service: service.into(),
            built_with,
            identity: Rc::clone(identity),
            targets: RefCell::default(),
            members: RefCell::default(),
            next_key: Cell::new(1),
            balancer: RefCell::default(),
            scratch: RefCell::default(),
            budget: RefCell::default(),
            retries: Cell::default(),
            retries_refused: Cell::default(),
            schemas: RefCell::default(),
            changes: watch::Sender::new(0),
            untried: Cell::new(0),
            slow_ns: Cell::new(u64::MAX),
            lagging: Cell::new(false),
            chance: RefCell::new(Chance::new(u64::from_ne_bytes(random_bytes()))),
            denial: RefCell::default(),
        });
        let called: Rc<dyn Called> = inner.clone();
        identity.network.calls(Rc::downgrade(&called));
        let upstream = Self(inner);
        let targets: Vec<Target> = addresses.iter().map(|address| Target::from(*address)).collect();
        upstream.set_members(Source::Static, &targets);
        for (source, targets) in identity.network.found_of(service) {
            upstream.set_members(source, &targets);
        }
        if let Some(algorithm) = identity.network.algorithm_of(service) {
            upstream.set_algorithm(algorithm);
        }
        Rc::clone(&upstream.0).govern(&identity.network.rules());
        tasks::spawn("upstream", look_after(Rc::downgrade(&upstream.0)));
        upstream
    }

    /// The service's name.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Where this source says that instances are, from now on. Those that no source names any more are drained and left.
    ///
    /// Must be called on a `LocalRuntime` or within a `LocalSet`.
    pub fn set_members(&self, source: Source, targets: &[Target]) {
        self.0.set_members(source, targets);
    }

    /// By which algorithm instances are picked from now on.
    pub fn set_algorithm(&self, algorithm: Algorithm) {
        self.0.set_algorithm(algorithm);
    }

    /// By which algorithm instances are picked, and why.
    #[must_use]
    pub fn explain(&self) -> Explained {
        self.0.balancer.borrow().explain()
    }

    /// One connection to each instance that is connected.
    #[must_use]
    pub fn connected(&self) -> Vec<Instance> {
        self.0.members.borrow().iter().filter_map(|member| member.connection(|_| true)).collect()
    }

    /// All schemas that instances have served, so that routes outlive the instances that announced them; those that are served now
    /// come first.
    #[must_use]
    pub fn schemas(&self) -> Vec<Rc<EncodedSchema>> {
        let mut schemas = self.0.schemas.borrow().all();
        schemas.sort_by_key(|schema| (!self.0.serves(schema.fingerprint()), schema.fingerprint()));
        schemas
    }

    /// Hears of instances that come and go.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Completes when each instance has been tried once, reached or not.
    pub async fn tried(&self) {
        let mut changes = self.changes();
        // The sender lives as long as `self`.
        let _ = changes.wait_for(|_| self.0.untried.get() == 0).await;
    }

    /// The instance for the next call that is not among `tried`.
    #[must_use]
    pub fn pick(&self, tried: &[Rc<str>]) -> Option<Instance> {
        self.0
            .pick(clock::now(), Want::default(), &|_| true, tried, &Story::untold())
            .map(|(_, instance)| instance)
    }

    /// Whether there is an instance that may be called now.
    #[must_use]
    pub fn is_callable(&self) -> bool {
        self.0.denied(clock::now()).is_none() && self.0.any_callable(|instance| instance.client.is_serving())
    }

    /// The error when no instance could be picked: none may be called or can be reached, or all have too much in flight.
    #[must_use]
    pub fn no_instance(&self) -> RpcError {
        if let Some(denied) = self.0.denied(clock::now()) {
            return denied;
        }
        if self.0.any_callable(|instance| instance.client.is_serving()) {
            let words = format!("all instances of {} have too much in flight", self.0.service);
            return RpcError::new(Code::Overloaded, words);
        }
        for member in &*self.0.members.borrow() {
            let ledger = member.ledger.borrow();
            let why = ledger.history().last().map(|change| &*change.reason);
            tracing::debug!(service = &*self.0.service, address = %member.address, state = ?ledger.state(), why, "not called");
        }
        unavailable(&self.0.service)
    }

    /// The same for calls that not every instance takes: where those that can be reached don't, why one of them doesn't.
    #[must_use]
    pub fn no_instance_for(&self, takes: impl Fn(&Instance) -> Result<(), RpcError>) -> RpcError {
        let refusal = RefCell::new(None);
        let taken = self.0.any_callable(|instance| {
            instance.client.is_serving()
                && takes(instance).map_err(|error| refusal.replace(Some(error))).is_ok()
        });
        let refusal = refusal.into_inner().filter(|_| !taken);
        refusal.unwrap_or_else(|| self.no_instance())
    }
}

/// The error of a service of which no instance can be reached.
#[must_use]
pub fn unavailable(service: &str) -> RpcError {
    RpcError::new(Code::Unavailable, format!("Sorry, {service} service is unavailable right now"))
}

/// The error of a call to `service`, in words for the one on whose behalf it was made: to them, a link that broke is a service
/// that is away. `harmless` says that it doesn't matter whether the call was carried out.
#[must_use]
pub fn told_to_caller(service: &str, harmless: bool, error: RpcError) -> RpcError {
    let away = unavailable(service);
    match error.code {
        Code::Draining => away,
        Code::ConnectionLost if error.retry == Retry::NeverStarted => away,
        Code::ConnectionLost | Code::Silent if harmless => away,
        Code::ConnectionLost | Code::Silent => {
            let words = "whether it had done this already is not known; an Idempotency-Key makes it safe to ask again";
            RpcError::new(error.code, format!("{}: {words}", away.message))
        }
        _ => error,
    }
}

/// Looks again and again at what nobody tells: heartbeats without answer, what the operator wanted for a time, how fast calls are.
async fn look_after(upstream: Weak<Inner>) {
    loop {
        let due_ns = clock::now() + HEALTH_LOOK_MS * 1_000_000;
        tokio::time::sleep(Duration::from_millis(HEALTH_LOOK_MS)).await;
        let Some(inner) = upstream.upgrade() else { return };
        let now = clock::now();
        // Who runs late himself hasn't read yet what others have said meanwhile: he looks again before he judges them.
        inner.lagging.set(now.saturating_sub(due_ns) > JUDGEMENT_LAG_MS_MAX * 1_000_000);
        inner.look(now);
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("service", &self.service).finish_non_exhaustive()
    }
}

impl Inner {
    /// Whether an instance is connected that serves this schema.
    fn serves(&self, fingerprint: Fingerprint) -> bool {
        self.any_instance(|instance| instance.schema.fingerprint() == fingerprint)
    }

    fn any_instance(&self, wanted: impl Fn(&Instance) -> bool) -> bool {
        self.members.borrow().iter().any(|member| member.any(&wanted))
    }

    /// The same of instances that may be called at all.
    fn any_callable(&self, wanted: impl Fn(&Instance) -> bool) -> bool {
        let now = clock::now();
        let members = self.members.borrow();
        members.iter().any(|member| member.standing(now) != Standing::Out && member.any(&wanted))
    }

    /// A schema that is met for the first time, compared with the one that callers were built with.
    fn learn(&self, schema: Rc<EncodedSchema>, address: SocketAddr) -> Known {
        let adapter = self.built_with.as_ref().and_then(|ours| ServiceAdapter::new(ours, &schema));
        for words in adapter.iter().flat_map(ServiceAdapter::refusals) {
            tracing::warn!(service = &*self.service, %address, words, "built with another schema than is served there");
        }
        self.identity.network.taps().learn(&schema);
        let known = Known { schema, adapter: adapter.map(Rc::new) };
        self.schemas.borrow_mut().keep(known.clone(), |fingerprint| self.serves(fingerprint));
        known
    }

    fn set_algorithm(&self, algorithm: Algorithm) {
        let mut balancer = self.balancer.borrow_mut();
        if balancer.algorithm() != algorithm {
            balancer.set(clock::now(), algorithm);
            tracing::info!(service = &*self.service, %algorithm, "balances by");
        }
    }

    // ---- who there is ----

    fn set_members(self: &Rc<Self>, source: Source, targets: &[Target]) {
        let mut all = self.targets.borrow_mut();
        all.retain(|(known, _)| *known != source);
        if !targets.is_empty() || source == Source::Operator {
            all.push((source, targets.to_vec()));
            all.sort_by_key(|(source, _)| std::cmp::Reverse(*source));
        }
        drop(all);
        self.settle_members();
    }

    /// The operator has nothing to say any more of where instances are.
    fn forget_operator(self: &Rc<Self>) {
        let before = self.targets.borrow().len();
        self.targets.borrow_mut().retain(|(source, _)| *source != Source::Operator);
        if self.targets.borrow().len() != before {
            self.settle_members();
        }
    }

    fn settle_members(self: &Rc<Self>) {
        let now = clock::now();
        let targets = self.targets.borrow();
        let by_operator = targets.iter().any(|(source, _)| *source == Source::Operator);
        let named = targets.iter().filter(|(source, _)| !(by_operator && *source == Source::Static));
        let mut wanted: Vec<(Source, Target)> = Vec::new();
        for (source, target) in named.flat_map(|(source, all)| all.iter().map(|target| (*source, *target))) {
            if wanted.iter().all(|(_, known)| known.address != target.address) && wanted.len() < INSTANCES_MAX
            {
                wanted.push((source, target));
            }
        }
        drop(targets);
        let mut members = self.members.borrow_mut();
        members.retain(|member| wanted.iter().any(|(_, target)| target.address == member.address));
        for (source, target) in wanted {
            if let Some(member) = members.iter().find(|member| member.address == target.address) {
                member.weight.set(target.weight);
                member.source.set(source);
                continue;
            }
            let key = self.next_key.get();
            self.next_key.set(key + 1);
            let member = Rc::new(Member::new(target.address, key, target.weight, source, now));
            self.untried.set(self.untried.get() + 1);
            for slot in 0..POOL_CONNECTIONS {
                let (upstream, weak) = (Rc::downgrade(self), Rc::downgrade(&member));
                let keeping = keeper::keep_connected(upstream, weak, slot, Rc::clone(&self.identity));
                member.kept_by(tasks::spawn("place in a pool", keeping).abort_handle());
            }
            members.push(member);
        }
        drop(members);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests;
