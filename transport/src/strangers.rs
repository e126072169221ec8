//! Connections that have proved nothing: a server keeps few of them, so that they can't take the places of its own cluster.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};

use micronet_wire::limits::SERVER_STRANGERS_MAX;

use crate::leave::Leave;

/// The connections of one server that have proved nothing yet, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strangers(Rc<RefCell<VecDeque<Rc<Leave>>>>);

/// One of them, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Stranger {
    all: Strangers,
    leave: Rc<Leave>,
}

impl Strangers {
    /// Counts a connection in. When there are too many, the oldest is sent away: a newcomer may be about to prove itself, and one
    /// that was, has left by then.
    pub(crate) fn enter(&self) -> Stranger {
        let mut all = self.0.borrow_mut();
        if all.len() >= SERVER_STRANGERS_MAX
            && let Some(oldest) = all.pop_front()
        {
            oldest.ask();
        }
        let leave = Rc::new(Leave::default());
        all.push_back(Rc::clone(&leave));
        Stranger { all: self.clone(), leave }
    }
}

impl Stranger {
    /// Completes when this connection has to go.
    pub(crate) fn sent_away(&self) -> impl Future<Output = ()> + 'static {
        let leave = Rc::clone(&self.leave);
        async move { leave.asked().await }
    }

    /// Ready when it has to.
    pub(crate) fn poll_sent_away(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.leave.poll_asked(cx)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.all.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.leave));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let strangers = Strangers::default();
        let mut known: Vec<Stranger> = (0..SERVER_STRANGERS_MAX).map(|_| strangers.enter()).collect();
        assert!(known.iter().all(|stranger| stranger.sent_away().now_or_never().is_none()));
        // One that proves itself makes room.
        drop(known.remove(0));
        known.push(strangers.enter());
        assert!(known.iter().all(|stranger| stranger.sent_away().now_or_never().is_none()));
        known.push(strangers.enter());
        assert_eq!(known[0].sent_away().now_or_never(), Some(()));
        assert!(known[1..].iter().all(|stranger| stranger.sent_away().now_or_never().is_none()));
    }
}
