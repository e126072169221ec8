//! A handler's stream of messages where the caller speaks text: its requests are all there, and its replies are taken one by one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::{Exchange, Reply};

/// One call's messages. There is room for one reply.
#[derive(Debug, Default)]
pub(super) struct TextExchange {
    requests: RefCell<VecDeque<Bytes>>,
    reply: RefCell<Option<Bytes>>,
    /// The handler waits until its last reply was taken.
    writer: RefCell<Option<Waker>>,
    /// The connection waits for a reply.
    reader: RefCell<Option<Waker>>,
}

impl TextExchange {
    pub(super) fn of(requests: Vec<Bytes>) -> Self {
        Self { requests: RefCell::new(requests.into()), ..Self::default() }
    }

    /// Takes the reply that is there.
    pub(super) fn take(&self) -> Option<Bytes> {
        let reply = self.reply.borrow_mut().take();
        if reply.is_some()
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
        reply
    }

    /// The next reply.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Bytes> {
        match self.take() {
            Some(reply) => Poll::Ready(reply),
            None => {
                self.reader.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

fn over() -> RpcError {
    RpcError::new(Code::Cancelled, "the call is over")
}

impl Exchange for TextExchange {
    fn poll_message(&self, _cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RpcError>> {
        Poll::Ready(Ok(self.requests.borrow_mut().pop_front()))
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        if self.reply.borrow().is_none() {
            return Poll::Ready(Ok(()));
        }
        self.writer.replace(Some(cx.waker().clone()));
        Poll::Pending
    }

    fn send(&self, message: Bytes) -> Result<(), RpcError> {
        self.reply.replace(Some(message));
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Ok(())
    }

    // A handler finishes by returning; the caller's part is not played here.
    fn finish(&self) {}

    fn poll_reply(&self, _cx: &mut Context<'_>) -> Poll<Result<Reply, RpcError>> {
        Poll::Ready(Err(over()))
    }

    fn cancel(&self) {}
}
