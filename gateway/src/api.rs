//! The gateway's own service: what it is, what it sees of the network behind it, and how it balances.

pub mod settings;
pub mod stats;
pub mod watch;

use std::fmt;

use micronet_wire::error::RpcError;
use micronet_wire::network::{InstanceState, Instances};
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, Outgoing, service};

use self::settings::InForce;
use self::stats::Stats;
use self::watch::Watched;

/// The gateway itself: what is behind it, how it balances, and how it is doing.
#[service(name = "gateway")]
pub trait Gateway {
    /// What this is, and where to go on.
    #[rpc(http("GET /"), public, idempotent, rate = "monitoring")]
    async fn about(&self, context: &CallContext) -> Result<About, RpcError>;

    /// What was measured of what passes through here: over the last minute, and since the start.
    #[rpc(http("GET /stats", "GET /api/v1/stats"), public, idempotent, rate = "monitoring")]
    async fn stats(&self, context: &CallContext) -> Result<Stats, RpcError>;

    /// Tells what passed in each second when that is over, and what the gateway sees of its instances, at once when their state changes.
    #[rpc(permission = "network:read", idempotent, rate = "monitoring")]
    async fn watch(&self, context: &CallContext, replies: Outgoing<Watched>) -> Result<(), RpcError>;

    /// The instances of the services behind the gateway, as it sees them.
    #[rpc(http("GET /api/v1/instances"), permission = "network:read", idempotent, rate = "monitoring")]
    async fn instances(&self, context: &CallContext, request: WhichInstances) -> Result<Instances, RpcError>;

    /// By which algorithms the instances of all services are picked, and which algorithms there are.
    #[rpc(http("GET /api/v1/balancer"), public, idempotent, rate = "monitoring")]
    async fn balancers(&self, context: &CallContext) -> Result<Balancers, RpcError>;

    /// By which algorithm the instances of a service are picked, and why.
    #[rpc(http("GET /api/v1/balancer/{service}"), public, idempotent, rate = "monitoring")]
    async fn balancer(
        &self,
        context: &CallContext,
        request: OfService,
    ) -> Result<BalancerOf, CallError<GatewayError>>;

    /// Picks the instances of a service by this algorithm from now on.
    #[rpc(http("PUT /api/v1/balancer/{service}"), permission = "balancer:write", idempotent)]
    async fn set_balancer(
        &self,
        context: &CallContext,
        request: SetBalancer,
    ) -> Result<BalancerOf, CallError<GatewayError>>;

    /// The same for the nodes of the lab, as their balancer always took it.
    #[rpc(http("GET /algorithm/{algo}"), permission = "balancer:write", idempotent)]
    async fn set_lab_algorithm(
        &self,
        context: &CallContext,
        request: LabAlgorithm,
    ) -> Result<BalancerOf, CallError<GatewayError>>;

    /// What is configured of the gateway's edge, and since when it holds.
    #[rpc(http("GET /api/v1/gateway/settings"), permission = "gateway:read", idempotent, rate = "monitoring")]
    async fn settings(&self, context: &CallContext) -> Result<InForce, RpcError>;

    /// Reads the settings and the certificates again and applies them, to all connections at once. If something is wrong with
    /// them, everything that is wrong is told, and what held before holds.
    #[rpc(http("POST /api/v1/gateway/reload"), permission = "gateway:write", idempotent)]
    async fn reload(&self, context: &CallContext) -> Result<InForce, CallError<GatewayError>>;

    /// Announces the calling instance of a service: it is behind this gateway for as long as the call lasts. The gateway says at
    /// once that it is, and again every ten seconds.
    #[rpc(service)]
    async fn register(
        &self,
        context: &CallContext,
        request: Announcement,
        replies: Outgoing<Registered>,
    ) -> Result<(), RpcError>;
}

/// An instance, by its own word.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its service: the one that it has proved to be.
    #[field(example = "product")]
    pub service: String,
    /// Its name.
    #[field(example = "product-3")]
    pub instance: String,
    /// Where it listens, as this gateway reaches it: an IP address and a port.
    #[field(example = "10.0.0.7:8002")]
    pub address: String,
    /// Its weight among the instances; 100 is the norm.
    #[field(min = 1, max = 10_000, example = "100")]
    pub weight: u32,
}

/// The instance is behind the gateway.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The gateway's own instance.
    pub gateway: String,
}

/// What this is, and where to go on.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What this is.
    #[field(example = "micronet")]
    pub name: String,
    /// The gateway's own instance.
    #[field(example = "gateway-1")]
    pub instance: String,
    /// The cluster that it belongs to.
    pub cluster: String,
    /// The version of the program.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// Paths on this server.
    pub links: Links,
    /// The services behind it, in the order of their names.
    pub services: Vec<ServiceBehind>,
}

/// Paths on this server.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// The dashboard, which browsers get at `/`, too.
    #[field(example = "/dashboard")]
    pub dashboard: String,
    /// The description of everything that can be asked here.
    #[field(example = "/openapi.json")]
    pub openapi: String,
    /// Whether the gateway is healthy.
    #[field(example = "/health")]
    pub health: String,
    /// What it has counted, for Prometheus.
    #[field(example = "/metrics")]
    pub metrics: String,
    /// What it has measured.
    #[field(example = "/stats")]
    pub stats: String,
    /// The instances behind it, as it sees them.
    #[field(example = "/api/v1/instances")]
    pub instances: String,
    /// How it balances.
    #[field(example = "/api/v1/balancer")]
    pub balancer: String,
    /// Everything that has metrics, for Prometheus.
    #[field(example = "/api/v1/targets")]
    pub targets: String,
}

/// A service behind the gateway.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ServiceBehind {
    /// Its name.
    pub service: String,
    /// Its instances.
    pub instances: Vec<InstanceBehind>,
}

/// An instance of a service behind the gateway.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct InstanceBehind {
    /// Its name; its address before it has said one.
    #[field(example = "product-1")]
    pub instance: String,
    /// Where it is.
    #[field(example = "127.0.0.1:8002")]
    pub address: String,
    /// Whether it gets calls.
    pub state: InstanceState,
}

/// Asks for the instances behind the gateway.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct WhichInstances {
    /// Those of this service only.
    pub service: Option<String>,
    /// With what they have been through.
    pub history: Option<bool>,
}

/// Names a service behind the gateway.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OfService {
    /// Its name.
    #[field(min = 1, max = 64, example = "product")]
    pub service: String,
}

/// Says by which algorithm the instances of a service are to be picked.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct SetBalancer {
    /// The service's name.
    #[field(min = 1, max = 64, example = "product")]
    pub service: String,
    /// The algorithm's name.
    #[field(
        format = "choice round_robin least_connections least_response_time weighted ip_hash p2c_ewma adaptive",
        example = "p2c_ewma"
    )]
    pub algorithm: String,
}

/// Says by which algorithm the nodes of the lab are to be picked.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct LabAlgorithm {
    /// The algorithm's name.
    #[field(
        format = "choice round_robin least_connections least_response_time weighted ip_hash p2c_ewma adaptive",
        example = "least_connections"
    )]
    pub algo: String,
}

/// By which algorithms instances are picked, and which there are.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Balancers {
    /// All services, in the order of their names.
    pub services: Vec<BalancerOf>,
    /// The algorithms that there are.
    pub algorithms: Vec<AlgorithmInfo>,
}

/// By which algorithm the instances of a service are picked.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct BalancerOf {
    /// The service's name.
    pub service: String,
    /// The algorithm that was chosen.
    #[field(example = "round_robin")]
    pub algorithm: String,
    /// The algorithm that picks now: another one where `adaptive` was chosen.
    #[field(example = "round_robin")]
    pub acting: String,
    /// Why it does.
    pub reason: String,
}

/// An algorithm by which instances can be picked.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct AlgorithmInfo {
    /// Its name.
    pub name: String,
    /// Whom it picks.
    pub description: String,
}

/// Why the gateway can't do what it was asked for.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum GatewayError {
    /// No service of this name is behind it.
    #[status(404)]
    NoSuchService {
        /// The name.
        service: String,
    },
    /// The settings can't be used. What held before holds.
    #[status(422)]
    UnusableSettings {
        /// Everything that is wrong with them.
        faults: Vec<String>,
    },
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchService { service } => write!(f, "no service {service:?} is behind this gateway"),
            Self::UnusableSettings { faults } => {
                write!(f, "the settings can't be used: {}", faults.join("; "))
            }
        }
    }
}
