//! The service that measurements are made with, as others see it.

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Blob, Decimal, Message};
use micronet_wire::service::{CallContext, Outgoing, service};

/// The most replies of a stream, and the most bytes of each.
pub(super) const STREAM_MAX: u32 = 1_000_000;

/// What is measured where no other target is: a service that does almost nothing, with all that every instance does besides.
#[service(name = "bench")]
pub(crate) trait Bench {
    /// The same bytes again.
    #[rpc(http("POST /api/v1/bench/echo"), public, safe, rate = "lab")]
    async fn echo(&self, context: &CallContext, request: Payload) -> Result<Payload, RpcError>;

    /// A small object for a small object, as much of what passes an API is.
    #[rpc(http("POST /api/v1/bench/item"), public, safe, rate = "lab")]
    async fn item(&self, context: &CallContext, request: Item) -> Result<Accepted, RpcError>;

    /// So many replies of so many bytes.
    #[rpc(http("GET /api/v1/bench/stream"), public, safe, rate = "lab")]
    async fn stream(
        &self,
        context: &CallContext,
        request: StreamOf,
        replies: Outgoing<Payload>,
    ) -> Result<(), RpcError>;

    /// An answer after so long; others are answered meanwhile.
    #[rpc(http("GET /api/v1/bench/delay"), public, safe, rate = "lab")]
    async fn delay(&self, context: &CallContext, request: Delay) -> Result<Waited, RpcError>;

    /// The whole instance stands still for so long, and answers nobody meanwhile. Only where it was started for that.
    #[rpc(http("POST /api/v1/bench/stall"), public, idempotent, rate = "lab")]
    async fn stall(&self, context: &CallContext, request: Stall) -> Result<Waited, RpcError>;
}

/// Bytes that mean nothing.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    /// The bytes.
    pub(crate) bytes: Blob,
}

/// A small object: about 64 bytes of JSON.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its number.
    #[field(example = "12345")]
    pub(crate) id: u64,
    /// What it is called.
    #[field(example = "widget-alpha")]
    pub(crate) name: String,
    /// How much it is worth.
    #[field(example = "19.95")]
    pub(crate) amount: Decimal<2>,
    /// Whether it counts.
    pub(crate) active: bool,
}

/// The object and what became of it: about 115 bytes of JSON.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Its number.
    #[field(example = "12345")]
    pub(crate) id: u64,
    /// What it is called.
    #[field(example = "widget-alpha")]
    pub(crate) name: String,
    /// How much it is worth.
    #[field(example = "19.95")]
    pub(crate) amount: Decimal<2>,
    /// Whether it counts.
    pub(crate) active: bool,
    /// In a word.
    #[field(example = "accepted")]
    pub(crate) status: String,
    /// In words.
    #[field(example = "processed by backend")]
    pub(crate) note: String,
}

/// Asks for a stream.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamOf {
    /// So many replies.
    #[field(max = 1_000_000, example = "10")]
    pub(crate) count: u32,
    /// So many bytes in each.
    #[field(max = 1_000_000, example = "64")]
    pub(crate) bytes: u32,
}

/// Asks for an answer that takes its time.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delay {
    /// So many microseconds; it is kept to a millisecond, and never too short.
    #[field(max = 60_000_000, example = "5000")]
    pub(crate) us: u32,
}

/// Asks an instance to stand still.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stall {
    /// So many milliseconds.
    #[field(max = 60_000, example = "1000")]
    pub(crate) ms: u32,
}

/// Time has passed.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waited {
    /// So many microseconds.
    pub(crate) us: u64,
}
