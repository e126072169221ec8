//! What passes the gateway second by second, and what it sees of its instances as that changes.

use micronet_wire::network::Instances;
use micronet_wire::schema::{Decimal, Message, Timestamp};

/// What the gateway sees now.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Watched {
    /// When.
    pub at: Timestamp,
    /// The instances behind the gateway, as it sees them.
    pub seen: Instances,
    /// The last whole second, once; nothing in messages that come because an instance's state has changed.
    pub second: Option<Second>,
}

/// What passed in a second.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Second {
    /// When it began.
    pub began: Timestamp,
    /// Requests since the gateway's process started, until now.
    pub requests: u64,
    /// Connections of clients that are open now, by whatever they speak.
    pub connections: u64,
    /// All requests.
    pub passed: PassedShown,
    /// By service.
    pub services: Vec<ServiceSecond>,
}

/// Requests of a second.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassedShown {
    /// How many.
    pub requests: u64,
    /// Those that failed by no fault of the client.
    pub errors: u64,
    /// Half of them took no longer, in microseconds, to 3 %.
    pub p50_us: u64,
    /// 95 % of them took no longer, in microseconds, to 3 %.
    pub p95_us: u64,
    /// 99 % of them took no longer, in microseconds, to 3 %.
    pub p99_us: u64,
}

/// A service's second.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSecond {
    /// Its name.
    pub service: String,
    /// Requests of clients.
    pub passed: PassedShown,
    /// How evenly its instances were called in the last minute: Jain's index.
    pub fairness: Decimal<4>,
    /// Its instances.
    pub instances: Vec<InstanceSecond>,
}

/// An instance's second.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceSecond {
    /// Its name; its address before it has said one.
    pub instance: String,
    /// Calls of the gateway, repeated ones too.
    pub passed: PassedShown,
    /// Its part of the service's calls in the last minute, in per cent.
    pub share_percent: Decimal<2>,
    /// The part that its weight makes fair, in per cent.
    pub fair_percent: Decimal<2>,
}
