//! The handlers that a port has at work, as many as its limiter lets start.

use std::cell::RefCell;
use std::rc::Rc;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::{Answer, CallContext};

use crate::clock;
use crate::limiter::{Class, Limiter, Outcome};
use crate::vitals;

/// The limiter that all connections of a port share.
#[derive(Debug, Default)]
pub(super) struct Places(RefCell<Limiter>);

/// The place of one handler among those at work.
#[derive(Debug)]
pub(super) struct Place {
    places: Rc<Places>,
    started_ns: u64,
    is_over: bool,
}

impl Places {
    #[cfg(test)]
    pub(super) fn of(limiter: Limiter) -> Self {
        Self(RefCell::new(limiter))
    }

    /// A place for a handler that is to start at `now`; for one with a stream of messages none, because it lasts as long as others like.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there is no room: the call is never started.
    pub(super) fn take(self: &Rc<Self>, now: u64, context: &CallContext) -> Result<Option<Place>, RpcError> {
        let class = if context.bulk { Class::Bulk } else { Class::Interactive };
        let streams = context.exchange.is_some();
        let mut limiter = self.0.borrow_mut();
        let has_room = if streams { limiter.has_room(class) } else { limiter.admit(class) };
        if !has_room {
            return Err(overloaded(&limiter));
        }
        let place = || Place { places: Rc::clone(self), started_ns: now, is_over: false };
        Ok((!streams).then(place))
    }

    /// How many handlers are at work, and how many may be.
    pub(super) fn at_work(&self) -> (u32, u32) {
        let limiter = self.0.borrow();
        (limiter.in_flight(), limiter.limit())
    }

    fn ended(&self, now: u64, took_ns: u64, outcome: Outcome) {
        let mut limiter = self.0.borrow_mut();
        let before = limiter.limit();
        limiter.ended(now, took_ns, outcome);
        if limiter.limit() != before {
            vitals::limited(limiter.limit());
        }
    }
}

impl Place {
    /// The handler has its answer.
    pub(super) fn answered(mut self, now: u64, answer: &Answer) {
        self.is_over = true;
        let outcome = if answer.is_ok() { Outcome::Answered } else { Outcome::CutShort };
        self.places.ended(now, now.saturating_sub(self.started_ns), outcome);
    }
}

impl Drop for Place {
    /// Its handler was dropped where it stood.
    fn drop(&mut self) {
        if !self.is_over {
            let now = clock::now();
            self.places.ended(now, now.saturating_sub(self.started_ns), Outcome::CutShort);
        }
    }
}

#[cold]
fn overloaded(limiter: &Limiter) -> RpcError {
    let words = format!("this instance works on {} calls, and takes no more just now", limiter.in_flight());
    let error = RpcError::new(Code::Overloaded, words);
    let retry = error.retry;
    error.retry(retry, limiter.retry_after_ms())
}
