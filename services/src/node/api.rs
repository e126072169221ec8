//! The node service as others see it: the backend of the load-balancing lab, which answers as well or as badly as it is told.

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Decimal, Message};
use micronet_wire::service::{CallContext, service};

/// A node of the lab: it does the work that its load asks for, and says how long that took.
#[service(name = "node")]
pub trait Node {
    /// Says who this is, without any work.
    #[rpc(http("GET /"), public, idempotent, rate = "lab")]
    async fn hello(&self, context: &CallContext) -> Result<Hello, RpcError>;

    /// Some data, after the work that the load asks for.
    #[rpc(http("GET /api/data"), public, idempotent, rate = "lab")]
    async fn data(&self, context: &CallContext) -> Result<NodeData, RpcError>;

    /// Who answers a request, under which load; after the work that the load asks for.
    #[rpc(http("GET /request"), public, idempotent, rate = "lab")]
    async fn request(&self, context: &CallContext) -> Result<AnsweredBy, RpcError>;

    /// The load of this instance, and what it has done so far.
    #[rpc(http("GET /api/v1/load"), public, idempotent, rate = "lab")]
    async fn load(&self, context: &CallContext) -> Result<NodeState, RpcError>;

    /// Changes the load of this instance. What is left out stays as it is; its random numbers begin anew.
    #[rpc(http("PUT /api/v1/load"), permission = "node:write", idempotent, rate = "lab")]
    async fn set_load(&self, context: &CallContext, request: LoadChange) -> Result<NodeState, RpcError>;
}

/// Who is there.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// A greeting.
    #[field(example = "Hello from node-1")]
    pub message: String,
    /// The instance's name.
    #[field(example = "node-1")]
    pub instance: String,
}

/// Some data.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct NodeData {
    /// The instance whose data it is.
    #[field(example = "node-1")]
    pub instance: String,
    /// How long the instance had it in hand, in microseconds.
    pub took_us: u64,
    /// As many characters as the load says.
    pub payload: String,
}

/// Who has answered a request.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct AnsweredBy {
    /// The instance's name.
    #[field(example = "node-1")]
    pub instance: String,
    /// How long it had the request in hand, in microseconds.
    pub took_us: u64,
    /// How many requests it had in hand when this one came, this one too.
    pub in_flight: u32,
    /// The load that is in force there.
    pub load: Load,
}

/// A node and its load.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// The instance's name.
    #[field(example = "node-1")]
    pub instance: String,
    /// The load that is in force.
    pub load: Load,
    /// Requests that came since the process started; greetings and questions about the load don't count.
    pub requests: u64,
    /// Those of them that the load made fail.
    pub failed: u64,
    /// Those of them that are in hand now.
    pub in_flight: u32,
}

/// What each request costs a node. A request first waits, and then computes.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Computing for a request, in microseconds of processor time. Nothing else happens in the process meanwhile.
    pub work_us: u32,
    /// Waiting for a request, as for a database; others go on meanwhile.
    pub delay: Delay,
    /// Of a thousand requests, so many fail.
    pub errors_per_mille: u32,
    /// Of a thousand requests, so many are slow.
    pub slow_per_mille: u32,
    /// A slow request waits and computes so many times as long.
    pub slower: u32,
    /// The load comes and goes: requests fail and are slow only in every second period of so many milliseconds; 0 is always.
    pub flap_ms: u32,
    /// Characters of the data.
    pub payload_bytes: u32,
    /// What the random numbers come from: the same seed gives the n-th request the same wait and fate.
    pub seed: u64,
}

/// How long a request waits: a distribution, cut at five seconds. Times are kept to a millisecond, and never too short.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// Not at all.
    None,
    /// Always the same.
    Fixed {
        /// So many microseconds.
        #[field(max = 5_000_000)]
        us: u32,
    },
    /// Everything between two times is as likely, whichever of them is the longer.
    Uniform {
        /// From so many microseconds.
        #[field(max = 5_000_000)]
        from_us: u32,
        /// To so many.
        #[field(max = 5_000_000)]
        to_us: u32,
    },
    /// As the times between events that know nothing of each other.
    Exponential {
        /// The mean, in microseconds.
        #[field(max = 5_000_000)]
        mean_us: u32,
    },
    /// As many services answer: mostly near the median, sometimes much later.
    Lognormal {
        /// Half of the requests wait less, in microseconds.
        #[field(max = 5_000_000)]
        median_us: u32,
        /// The standard deviation of the logarithm: 0.5 is mild, 1.5 is wild.
        #[field(min = 0, max = 5_000, example = "0.500")]
        sigma: Decimal<3>,
    },
    /// A heavy tail: few requests wait very long.
    Pareto {
        /// The least, in microseconds.
        #[field(max = 5_000_000)]
        least_us: u32,
        /// The exponent of the tail: the smaller, the heavier; up to 1 it has no mean.
        #[field(min = 100, max = 100_000, example = "2.500")]
        shape: Decimal<3>,
    },
}

/// What is to change about a load. What is left out stays as it is.
#[derive(Message, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LoadChange {
    /// Computing for a request, in microseconds of processor time.
    #[field(max = 1_000_000)]
    pub work_us: Option<u32>,
    /// Waiting for a request.
    pub delay: Option<Delay>,
    /// Of a thousand requests, so many fail.
    #[field(max = 1_000)]
    pub errors_per_mille: Option<u32>,
    /// Of a thousand requests, so many are slow.
    #[field(max = 1_000)]
    pub slow_per_mille: Option<u32>,
    /// A slow request waits and computes so many times as long: up to five seconds and one.
    #[field(min = 1, max = 1_000, example = "10")]
    pub slower: Option<u32>,
    /// Requests fail and are slow only in every second period of so many milliseconds; 0 is always.
    #[field(max = 3_600_000)]
    pub flap_ms: Option<u32>,
    /// Characters of the data.
    #[field(max = 1_000_000)]
    pub payload_bytes: Option<u32>,
    /// What the random numbers come from.
    #[field(max = 9_007_199_254_740_991)]
    pub seed: Option<u64>,
}
