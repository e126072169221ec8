//! What the gateway has measured, as messages.

use micronet_wire::network::{InstanceState, Usage};
use micronet_wire::schema::{Decimal, Message, Timestamp};

/// What the gateway has measured of what passes through it.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The gateway's own instance.
    pub instance: String,
    /// When it started.
    pub started: Timestamp,
    /// How far back `lately` reaches, in seconds.
    #[field(example = 60)]
    pub lately_s: u32,
    /// All requests of that time.
    pub lately: Measured,
    /// All requests since the start.
    pub since_start: Measured,
    /// Open connections.
    pub connections: Connections,
    /// What the gateway's own process uses.
    pub usage: Usage,
    /// By service, in the order of their names.
    pub services: Vec<ServiceStats>,
    /// By what the clients speak.
    pub protocols: Vec<Share>,
    /// By where the clients are.
    pub regions: Vec<Share>,
    /// What was answered from memory, since the start.
    pub cache: CacheStats,
    /// What is passed through as TCP, by virtual port.
    pub tcp: Vec<TcpPort>,
}

/// What was answered from the response cache, of requests that could have been.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct CacheStats {
    /// From memory.
    pub hits: u64,
    /// By a call that was under way for another request.
    pub shared: u64,
    /// By a call of their own.
    pub misses: u64,
    /// By a call whose reply couldn't be kept, since changes went unheard.
    pub bypassed: u64,
    /// Those without a call of their own, in per cent.
    pub hit_percent: Decimal<2>,
    /// Answers that are kept.
    pub entries: u64,
    /// What they take.
    pub bytes: u64,
}

/// What was passed through a virtual port.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct TcpPort {
    /// The service's name, or `tcp-PORT`.
    pub name: String,
    /// Where the gateway listens for it.
    pub address: String,
    /// By which algorithm backends are picked.
    pub algorithm: String,
    /// Connections that found no backend, and were reset.
    pub unserved: u64,
    /// Where its connections go.
    pub backends: Vec<TcpBackend>,
}

/// A backend of a virtual port; its counts are those since the start.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct TcpBackend {
    /// The instance's name, or its address.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Whether it gets connections.
    pub state: InstanceState,
    /// Connections that are open, or are being made.
    pub open: u64,
    /// Connections that were made.
    pub total: u64,
    /// Attempts to connect that failed.
    pub failed: u64,
    /// Bytes that went to it.
    pub sent_bytes: u64,
    /// Bytes that came from it.
    pub received_bytes: u64,
}

/// Requests that were added up.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// How many.
    pub requests: u64,
    /// How many a second.
    pub per_s: Decimal<2>,
    /// Those that failed by no fault of the client: answers from 500 on.
    pub errors: u64,
    /// The same in per cent.
    pub error_percent: Decimal<2>,
    /// How long they took on average, in milliseconds.
    pub mean_ms: Decimal<3>,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: Decimal<3>,
    /// 95 % of them took no longer, in milliseconds.
    pub p95_ms: Decimal<3>,
    /// 99 % of them took no longer, in milliseconds.
    pub p99_ms: Decimal<3>,
    /// The longest, in milliseconds.
    pub max_ms: Decimal<3>,
}

/// Connections that are open now.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// Those of clients that speak HTTP.
    pub http: u64,
    /// Those of clients that speak RPC.
    pub rpc: u64,
    /// Those of the gateway to instances of services.
    pub to_instances: u64,
}

/// The part of some requests among all.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Which requests: a protocol, or a region.
    pub name: String,
    /// Their part lately, in per cent.
    pub percent: Decimal<2>,
    /// The requests lately.
    pub lately: Measured,
    /// The requests since the start.
    pub since_start: Measured,
}

/// What was measured of a service.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ServiceStats {
    /// Its name.
    pub service: String,
    /// By which algorithm its instances are picked.
    pub algorithm: String,
    /// The algorithm that picks now, and why.
    pub balancing: String,
    /// Requests of clients lately.
    pub lately: Measured,
    /// Requests of clients since the start.
    pub since_start: Measured,
    /// How evenly its instances were called lately.
    pub distribution: Distribution,
    /// Calls that were tried again.
    pub retries: u64,
    /// Its instances.
    pub instances: Vec<InstanceStats>,
}

/// How evenly calls are distributed over instances, each call divided by the weight of the instance that got it.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Jain's fairness index: 1 when all got what is fair, 1/n when one of n got everything.
    pub fairness: Decimal<4>,
    /// The standard deviation in relation to the mean: 0 when all got what is fair.
    pub variation: Decimal<4>,
}

/// What was measured of an instance.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct InstanceStats {
    /// Its name; its address before it has said one.
    pub instance: String,
    /// Where it is.
    pub address: String,
    /// Whether it gets calls.
    pub state: InstanceState,
    /// Calls of the gateway lately, repeated ones too.
    pub lately: Measured,
    /// Calls of the gateway since the start.
    pub since_start: Measured,
    /// Its part of the service's calls lately, in per cent.
    pub share_percent: Decimal<2>,
    /// The part that its weight makes fair, in per cent.
    pub fair_percent: Decimal<2>,
    /// Connections of the gateway to it.
    pub connections: u32,
    /// Calls of the gateway that it has not answered yet.
    pub in_flight: u32,
    /// What its process uses; nothing where it doesn't say so now.
    pub usage: Option<Usage>,
}
