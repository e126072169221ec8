//! The service `network`, which every process of a network answers besides its own: what it sees of the instances that it calls, and
//! what its operator wants it to do about them.
//!
//! It is how a network is operated, and no part of the protocol: a peer of another make need not have it.

mod records;
mod tap;
mod tasks;

use crate::error::RpcError;
use crate::schema::{Message, Timestamp};
use crate::service::{CallContext, Outgoing, service};

pub use self::records::{
    AttemptRecord, CandidateRecord, HttpRecord, LedgerRecord, LimitRecord, Memory, Record, RecordFilter,
    RecordKind, Requests, RequestsOf,
};
pub use self::tap::{FrameFilter, TAPS, TapFilter, Tapped, TappedConnection, TappedFrame, TappedItem};
pub use self::tasks::{Runtime, TaskKind, Tasks, TasksOf, UnderWay, Wait, WaitStack};

/// What a process knows of the network around it.
#[service(name = "network")]
pub trait Operation {
    /// What this process sees of the instances that it calls.
    #[rpc(permission = "network:read", idempotent, rate = "monitoring")]
    async fn instances(&self, context: &CallContext, request: InstancesOf) -> Result<Instances, RpcError>;

    /// What this process uses of its machine, and how busy it is.
    #[rpc(service, idempotent, rate = "monitoring")]
    async fn usage(&self, context: &CallContext) -> Result<Usage, RpcError>;

    /// What this process remembers of a request.
    #[rpc(permission = "tap:read", idempotent, rate = "monitoring")]
    async fn requests(&self, context: &CallContext, request: RequestsOf) -> Result<Requests, RpcError>;

    /// What this process is doing: its tasks, and the requests that are under way.
    #[rpc(permission = "network:manage", idempotent, rate = "monitoring")]
    async fn tasks(&self, context: &CallContext, request: TasksOf) -> Result<Tasks, RpcError>;

    /// Tells this process what the operator wants, whole: what was said before and isn't said again no longer holds.
    #[rpc(permission = "network:manage", idempotent)]
    async fn govern(&self, context: &CallContext, request: Rules) -> Result<Governed, RpcError>;

    /// Tells what passes this process from now on, secrets masked. It holds up nothing: what its reader is too slow for is lost, and
    /// counted.
    #[rpc(permission = "tap:read", idempotent, rate = "monitoring")]
    async fn tap(
        &self,
        context: &CallContext,
        request: TapFilter,
        replies: Outgoing<Tapped>,
    ) -> Result<(), RpcError>;
}

/// Asks for the instances that a process calls.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct InstancesOf {
    /// Of this service only.
    pub service: Option<String>,
    /// With what they have been through.
    pub history: bool,
}

/// What a process sees of the instances that it calls.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Instances {
    /// Who sees it, as `gateway-1`.
    pub seen_by: String,
    /// The revision of the rules that it keeps to; 0 before there are any.
    pub revision: u64,
    /// The services that it calls.
    pub services: Vec<CalledService>,
}

/// A service that a process calls.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct CalledService {
    /// Its name.
    pub service: String,
    /// By which algorithm its instances are picked, as `round_robin`.
    pub algorithm: String,
    /// The algorithm that picks now, and why: another one where `adaptive` chooses.
    pub balancing: String,
    /// Whether so few instances are healthy that all are tried.
    pub panic: bool,
    /// Calls that were tried again.
    pub retries: u64,
    /// Calls that were not tried again because too many were.
    pub retries_refused: u64,
    /// Why sources don't find its instances now, as `dns: the server is away`. What they found before still counts.
    pub troubles: Vec<String>,
    /// Its instances.
    pub instances: Vec<CalledInstance>,
}

/// An instance that a process calls, as it sees it.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct CalledInstance {
    /// Its name, as `product-2`; its address before it has said one.
    pub instance: String,
    /// Its address.
    pub address: String,
    /// Who said that it is there: `static`, `file`, `dns`, `registered`, `operator`.
    pub source: String,
    /// Whether it gets calls.
    pub state: InstanceState,
    /// Since when.
    pub since: Timestamp,
    /// Why, in words.
    pub reason: String,
    /// Its weight among the instances; 100 is the norm.
    pub weight: u32,
    /// Connections to it that are open.
    pub connections: u32,
    /// Calls in flight on them.
    pub in_flight: u32,
    /// Calls that have ended, failed ones included.
    pub calls: u64,
    /// Those that failed by the instance's or its link's fault.
    pub failures: u64,
    /// How long calls take lately on average, in microseconds.
    pub mean_us: u64,
    /// The share of calls that slow start allows it, per mille.
    pub share_permille: u32,
    /// What it has been through, the newest last; only where it was asked for.
    pub history: Vec<StateChange>,
}

/// How an instance stands with one that calls it.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstanceState {
    /// It was named, and not reached yet.
    #[default]
    Joining,
    /// It gets calls.
    Up,
    /// A heartbeat has had no answer in time: it gets calls only where no other can take them.
    Suspect,
    /// It gets one call, to see whether it answers again.
    Probing,
    /// Too many of its calls failed: it gets none for a while.
    Ejected,
    /// It can't be reached.
    Down,
    /// It is about to leave, or the operator wants it to rest: it gets calls only where no other can take them.
    Draining,
    /// The operator has blocked it: it gets no calls, whatever else is down.
    Blocked,
    /// A state that this version doesn't know.
    Unknown,
}

/// A change of an instance's state.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: Timestamp,
    /// The state from then on.
    pub state: InstanceState,
    /// Why, in words.
    pub reason: String,
}

/// What a process uses of its machine, and how busy it is.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The instance that it is, as `product-2`.
    pub instance: String,
    /// When it began to serve.
    pub started: Timestamp,
    /// CPU time that it has had since it started, in microseconds.
    pub cpu_us: u64,
    /// The CPU time that it lately used, in thousandths of one core.
    pub cpu_permille: u32,
    /// Memory that is in RAM, in bytes.
    pub resident_bytes: u64,
    /// Its threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// How many it may open.
    pub fds_max: u64,
    /// Connections that others have opened to it.
    pub connections: u64,
    /// Calls that it is working on.
    pub calls_in_flight: u32,
    /// How long calls have lately waited for their handlers at most, in microseconds.
    pub queue_delay_us: u32,
    /// How late it has lately run when a timer was due at most, in microseconds.
    pub scheduler_lag_us: u32,
}

/// What an operator wants of one process.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Grows with each change.
    pub revision: u64,
    /// Where the instances of services are, instead of where this process was told when it started.
    pub members: Vec<Members>,
    /// What is said of instances that this process calls.
    pub words: Vec<Word>,
    /// Faults of this process itself, added up.
    pub faults: Vec<InjectedFault>,
    /// The links from this process to those that it calls. The first that fits holds.
    pub links: Vec<LinkRule>,
}

/// Where the instances of a service are.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// The service's name.
    pub service: String,
    /// Its instances.
    pub instances: Vec<Member>,
}

/// Where an instance is.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its address, as `127.0.0.1:8002`.
    pub address: String,
    /// Its weight among the instances; 100 is the norm.
    #[field(min = 1, max = 10_000)]
    pub weight: u32,
}

/// What an operator says of instances.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The service.
    pub service: String,
    /// The instance; all of the service where none is named.
    pub instance: Option<String>,
    /// What is to be done with them.
    pub what: Order,
    /// Why, in words.
    pub reason: String,
    /// For how long, in milliseconds; until something else is said where it isn't given.
    pub for_ms: Option<u64>,
}

/// What is to be done with an instance.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It gets calls only where no other can take them.
    Drain,
    /// It gets no calls.
    Block,
}

/// What a process does wrong because its operator wants to see what happens then.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct InjectedFault {
    /// Each call takes so much longer, in microseconds.
    pub delay_us: u64,
    /// And by chance up to so much longer than that.
    pub jitter_us: u64,
    /// So many of 1,000 calls fail.
    #[field(max = 1_000)]
    pub errors_permille: u32,
    /// So many of 1,000 calls get no answer.
    #[field(max = 1_000)]
    pub drops_permille: u32,
    /// Why, in words.
    pub reason: String,
    /// For how long, in milliseconds; until something else is said where it isn't given.
    pub for_ms: Option<u64>,
}

/// What the link to instances is like.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkRule {
    /// The service at the other end.
    pub service: String,
    /// The instance; all of the service where none is named.
    pub instance: Option<String>,
    /// Bytes take so long in each direction, in microseconds.
    pub delay_us: u64,
    /// And by chance up to so much longer than that.
    pub jitter_us: u64,
    /// So many of 1,000 segments are lost, and come later.
    #[field(max = 1_000)]
    pub loss_permille: u32,
    /// So many bytes a second pass in each direction; 0 for as many as come.
    pub bytes_per_s: u64,
    /// Nothing passes, and nobody is told.
    pub cut: bool,
    /// No connection is allowed.
    pub denied: bool,
    /// Why, in words.
    pub reason: String,
    /// For how long, in milliseconds; until something else is said where it isn't given.
    pub for_ms: Option<u64>,
}

/// The rules were taken.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Governed {
    /// The revision that this process keeps to now: an older one changes nothing.
    pub revision: u64,
}
