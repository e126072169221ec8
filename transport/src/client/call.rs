//! A unary call: its place to wait, and the future that waits there.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use micronet_wire::error::{Code, RpcError};
use micronet_wire::ledger::Ledger;
use micronet_wire::service::Reply;

use super::Shared;

/// A call's place to wait.
#[derive(Debug)]
pub(super) enum Slot {
    Waiting {
        waker: Option<Waker>,
        /// Whether it does no harm to execute it twice.
        repeatable: bool,
    },
    /// With the peer's account, where it gave one.
    Done(Result<Reply, RpcError>, Option<Ledger>),
}

/// A call that was started, or why it couldn't be, until that was told.
pub(super) struct Started<'a>(pub(super) Result<Call<'a>, Option<RpcError>>);

impl Future for Started<'_> {
    type Output = Result<Reply, RpcError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(call) => call.poll_end(cx),
            Err(error) => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

/// A call in flight; dropping it cancels the call.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Shared,
    pub(super) stream: u32,
    pub(super) ended: bool,
}

impl Call<'_> {
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reply, RpcError>> {
        let mut calls = self.shared.calls.borrow_mut();
        match calls.get_mut(self.stream) {
            Some(Slot::Waiting { waker, .. }) => {
                if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            Some(Slot::Done(..)) => {
                self.ended = true;
                match calls.remove(self.stream) {
                    Some(Slot::Done(result, account)) => {
                        self.shared.account.set(account);
                        Poll::Ready(result)
                    }
                    _ => Poll::Pending,
                }
            }
            None => Poll::Ready(Err(RpcError::new(Code::Internal, "the call has no place to wait"))),
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.calls.borrow_mut().remove(self.stream);
            self.shared.connection.borrow_mut().cancel(self.stream);
            self.shared.wake_driver();
        }
    }
}
