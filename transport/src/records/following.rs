//! Those who follow what happens, as it happens: bounded, and never in the way.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use micronet_wire::network::{Record, RecordFilter};

use super::limits::{FOLLOWERS_MAX, FOLLOWING_MAX};
use crate::chance::Chance;

/// A record, and the messages that it is about.
#[derive(Debug, Clone)]
pub struct Followed {
    /// What happened.
    pub record: Rc<Record>,
    /// The encoded request, in the schema of whoever served it: of the last attempt, where there were several. Empty where none was made.
    pub request: Bytes,
    /// The encoded reply; empty where there was none.
    pub reply: Bytes,
}

/// Records as they come. Those that come faster than they are taken are lost.
pub struct Following(Rc<Queue>);

struct Queue {
    filter: RecordFilter,
    waiting: RefCell<VecDeque<Followed>>,
    waker: RefCell<Option<Waker>>,
    chance: RefCell<Chance>,
    lost: Cell<u64>,
}

/// All who follow.
#[derive(Default)]
pub(super) struct Followers(RefCell<Vec<Weak<Queue>>>);

impl Followers {
    /// One more, unless there are too many.
    pub(super) fn add(&self, filter: RecordFilter, seed: u64) -> Option<Following> {
        let mut all = self.0.borrow_mut();
        all.retain(|queue| queue.strong_count() > 0);
        if all.len() >= FOLLOWERS_MAX {
            return None;
        }
        let queue = Rc::new(Queue {
            filter,
            waiting: RefCell::default(),
            waker: RefCell::default(),
            chance: RefCell::new(Chance::new(seed)),
            lost: Cell::new(0),
        });
        all.push(Rc::downgrade(&queue));
        Some(Following(queue))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Tells all of them who want to hear of it.
    pub(super) fn tell(&self, followed: &Followed) {
        let mut all = self.0.borrow_mut();
        all.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            queue.tell(followed);
            true
        });
    }
}

impl Queue {
    fn tell(&self, followed: &Followed) {
        if !self.filter.wants(&followed.record) || !self.is_drawn() {
            return;
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= FOLLOWING_MAX {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        waiting.push_back(followed.clone());
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn is_drawn(&self) -> bool {
        self.filter.one_in < 2
            || self.chance.borrow_mut().bits().is_multiple_of(u64::from(self.filter.one_in))
    }
}

impl Following {
    /// The next record. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Followed {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, polled.
    pub fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Followed> {
        match self.0.waiting.borrow_mut().pop_front() {
            Some(followed) => Poll::Ready(followed),
            None => {
                self.0.waker.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }

    /// A record that is there already.
    #[must_use]
    pub fn try_next(&mut self) -> Option<Followed> {
        self.0.waiting.borrow_mut().pop_front()
    }

    /// How many were lost so far, because they came faster than they were taken.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.get()
    }
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("lost", &self.lost()).finish_non_exhaustive()
    }
}
