//! What is called of the service `bench`.

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Blob, Message};
use micronet_wire::service::{CallContext, service};

/// As much of the service as is called here.
#[expect(dead_code, reason = "only its client is used")]
#[service(name = "bench")]
pub(crate) trait Bench {
    /// The same bytes again.
    #[rpc(public, safe)]
    async fn echo(&self, context: &CallContext, request: Payload) -> Result<Payload, RpcError>;
}

/// What is echoed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    /// The bytes.
    pub(crate) bytes: Blob,
}
