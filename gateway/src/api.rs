//! The gateway's own service: what it is, and what it sees of the network behind it.

use micronet_wire::error::RpcError;
use micronet_wire::network::InstanceState;
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallContext, service};

/// The gateway itself: what is behind it, how it balances, and how it is doing.
#[service(name = "gateway")]
pub trait Gateway {
    /// What this is, and where to go on.
    #[rpc(http("GET /"), public, idempotent, rate = "monitoring")]
    async fn about(&self, context: &CallContext) -> Result<About, RpcError>;
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
    /// Its name; its address before it has said one.
    #[field(example = "product-1")]
    pub instance: String,
    /// Where it is.
    #[field(example = "127.0.0.1:8002")]
    pub address: String,
    /// Whether it gets calls.
    pub state: InstanceState,
}
