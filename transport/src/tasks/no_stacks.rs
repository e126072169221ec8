//! What `stacks.rs` does, in a program that wasn't built for it: nothing.

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use micronet_wire::error::RpcError;
use micronet_wire::network::Tasks;

/// Whether this program can tell where tasks wait.
pub(super) const TOLD: bool = false;

/// By what a task is traced when it is polled.
#[derive(Debug)]
pub(super) struct Tracing;

impl Tracing {
    /// Of a task that begins now.
    pub(super) fn new() -> Self {
        Self
    }

    /// Polls a task that is for this.
    pub(super) fn poll<T>(
        &self,
        _name: &'static str,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        poll(cx)
    }
}

/// A future that is polled by another one than a task.
pub(crate) type Reachable<F> = F;

/// Makes it reachable.
pub(crate) fn reachable<F>(future: F) -> Reachable<F> {
    future
}

/// Adds to what is told of tasks where they wait.
pub(super) fn add(tasks: Tasks) -> Ready<Result<Tasks, RpcError>> {
    ready(Ok(tasks))
}
