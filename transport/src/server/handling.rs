//! A handler at work: what it fails by is its own call.

use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::{Answer, CallContext, Handling, Service};

/// A handler that, when it panics, fails its own call and no other.
pub(super) struct Handler(Handling);

impl Handler {
    /// Starts to handle a call.
    pub(super) fn start(
        service: &dyn Service,
        context: Box<CallContext>,
        method: u32,
        request: Bytes,
    ) -> Self {
        let started = catch_unwind(AssertUnwindSafe(|| service.handle(context, method, request)));
        Self(started.unwrap_or_else(|_| Box::pin(ready(Err(panicked())))))
    }

    /// Refuses one instead.
    pub(super) fn refusing(error: RpcError) -> Self {
        Self::of(ready(Err(error)))
    }

    /// Has something else answer it.
    pub(super) fn of(answer: impl Future<Output = Answer> + 'static) -> Self {
        Self(Box::pin(answer))
    }
}

impl Future for Handler {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
    }
}

fn panicked() -> RpcError {
    tracing::error!("a handler panicked");
    RpcError::new(Code::Internal, "the service failed; its log says how")
}
