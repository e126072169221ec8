//! The word to a connection that it has to go. It is looked at wherever the connection waits, so looking costs next to nothing.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// Whether a connection was asked to leave, and the task to wake when it is.
#[derive(Default)]
pub(crate) struct Leave {
    asked: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Leave {
    /// Asks it to leave.
    pub(crate) fn ask(&self) {
        self.asked.set(true);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }

    /// Whether it was asked.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.get()
    }

    /// Ready when it was asked. One task at a time is woken: the one that has polled last.
    pub(crate) fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.asked.get() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Completes when it was asked.
    pub(crate) async fn asked(&self) {
        poll_fn(|cx| self.poll_asked(cx)).await;
    }
}

impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leave({})", self.asked.get())
    }
}
