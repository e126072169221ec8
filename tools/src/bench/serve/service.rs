//! The handlers.

use std::thread;
use std::time::{Duration, Instant};

use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Blob;
use micronet_wire::service::{CallContext, Outgoing};

use super::api::{Accepted, Bench, Delay, Item, Payload, Stall, StreamOf, Waited};

/// The service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BenchService {
    /// Whether it may be told to stand still.
    pub(crate) stalls: bool,
}

impl Bench for BenchService {
    async fn echo(&self, _: &CallContext, request: Payload) -> Result<Payload, RpcError> {
        Ok(request)
    }

    async fn item(&self, _: &CallContext, request: Item) -> Result<Accepted, RpcError> {
        Ok(accepted(request))
    }

    async fn stream(
        &self,
        _: &CallContext,
        request: StreamOf,
        mut replies: Outgoing<Payload>,
    ) -> Result<(), RpcError> {
        let reply = filled(request.bytes);
        for _ in 0..request.count {
            replies.send(&reply).await?;
        }
        Ok(())
    }

    async fn delay(&self, _: &CallContext, request: Delay) -> Result<Waited, RpcError> {
        let began = Instant::now();
        tokio::time::sleep(Duration::from_micros(request.us.into())).await;
        Ok(since(began))
    }

    async fn stall(&self, _: &CallContext, request: Stall) -> Result<Waited, RpcError> {
        if !self.stalls {
            return Err(RpcError::new(
                Code::InsufficientPermissions,
                "this instance doesn't stand still on demand: start it by `micronet bench serve --stall`",
            ));
        }
        let began = Instant::now();
        // Of the thread on which everything here happens.
        thread::sleep(Duration::from_millis(request.ms.into()));
        Ok(since(began))
    }
}

/// What is answered to an item.
pub(super) fn accepted(item: Item) -> Accepted {
    let Item { id, name, amount, active } = item;
    Accepted { id, name, amount, active, status: "accepted".into(), note: "processed by backend".into() }
}

/// A payload of so many bytes.
pub(super) fn filled(bytes: u32) -> Payload {
    Payload { bytes: Blob(vec![7; bytes as usize]) }
}

fn since(began: Instant) -> Waited {
    Waited { us: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX) }
}
