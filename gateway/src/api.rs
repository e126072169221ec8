//! The gateway's own service: what it is, and what it sees of the network behind it.

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, Outgoing, service};

/// The gateway itself: what is behind it, how it balances, and how it is doing.
#[service(name = "gateway")]
pub trait Gateway {
    /// What this is, and where to go on.
    #[rpc(http("GET /"), public, idempotent, rate = "monitoring")]
    async fn about(&self, context: &CallContext) -> Result<About, RpcError>;

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
    /// The description of everything that can be asked here.
    #[field(example = "/openapi.json")]
    pub openapi: String,
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
    /// Its name; none until it was reached for the first time.
    pub instance: Option<String>,
    /// Where it is.
    #[field(example = "127.0.0.1:8002")]
    pub address: String,
    /// Whether calls can go to it now.
    pub connected: bool,
}
