//! Connections that have proved nothing: a server keeps few of them, so that they can't take the places of its own cluster.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use micronet_wire::limits::SERVER_STRANGERS_MAX;
use tokio::sync::Notify;

/// The connections of one server that have proved nothing yet, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strangers(Rc<RefCell<VecDeque<Rc<Notify>>>>);

/// One of them, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Stranger {
    all: Strangers,
    sent_away: Rc<Notify>,
}

impl Strangers {
    /// Counts a connection in. When there are too many, the oldest is sent away: a newcomer may be about to prove itself, and one
    /// that was, has left by then.
    pub(crate) fn enter(&self) -> Stranger {
        let mut all = self.0.borrow_mut();
        if all.len() >= SERVER_STRANGERS_MAX
            && let Some(oldest) = all.pop_front()
        {
            oldest.notify_one();
        }
        let sent_away = Rc::new(Notify::new());
        all.push_back(Rc::clone(&sent_away));
        Stranger { all: self.clone(), sent_away }
    }
}

impl Stranger {
    /// Completes when this connection has to go.
    pub(crate) fn sent_away(&self) -> impl Future<Output = ()> + 'static {
        let notify = Rc::clone(&self.sent_away);
        async move { notify.notified().await }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.all.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.sent_away));
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
