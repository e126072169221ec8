//! The handlers of a connection: one at work, and those that wait for something.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::{Answer, Handling};

/// A handler at work, with the stream that it answers and the time at which it started.
pub(crate) struct Answering {
    pub(crate) stream: u32,
    pub(crate) method: u32,
    /// The deadline of a one-way call, which it keeps by itself when its connection is over.
    pub(crate) one_way: Option<u64>,
    pub(crate) started_ns: u64,
    pub(crate) handling: Handling,
}

/// What a handler leaves behind.
pub(crate) struct Finished {
    pub(crate) stream: u32,
    pub(crate) method: u32,
    pub(crate) one_way: bool,
    pub(crate) started_ns: u64,
    pub(crate) answer: Answer,
}

impl Future for Answering {
    type Output = Finished;

    /// A handler that panics fails its own call, and no other.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match catch_unwind(AssertUnwindSafe(|| self.handling.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answer)) => answer,
            Err(_) => Err(panicked(self.stream)),
        };
        let Self { stream, method, started_ns, .. } = *self;
        Poll::Ready(Finished { stream, method, one_way: self.one_way.is_some(), started_ns, answer })
    }
}

/// The error of a handler that panicked.
pub(crate) fn panicked(stream: u32) -> RpcError {
    tracing::error!(stream, "a handler panicked");
    RpcError::new(Code::Internal, "the service failed; its log says how")
}

/// The handlers of a connection that wait for something.
#[derive(Default)]
pub(crate) struct Background {
    waiting: FuturesUnordered<Abortable<Answering>>,
    /// Each of them, by stream.
    at_work: HashMap<u32, AtWork>,
}

/// A handler that can be stopped.
struct AtWork {
    method: u32,
    one_way: Option<u64>,
    handle: AbortHandle,
}

impl Background {
    pub(crate) fn add(&mut self, answering: Answering) {
        let (handle, registration) = AbortHandle::new_pair();
        let Answering { stream, method, one_way, .. } = answering;
        self.at_work.insert(stream, AtWork { method, one_way, handle });
        self.waiting.push(Abortable::new(answering, registration));
    }

    /// Nobody wants this answer: the handler is dropped where it stands. The method, if it was a one-way call.
    pub(crate) fn abandon(&mut self, stream: u32) -> Option<u32> {
        let stopped = self.at_work.remove(&stream)?;
        stopped.handle.abort();
        stopped.one_way.map(|_| stopped.method)
    }

    /// The next handler that has finished.
    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        while let Poll::Ready(Some(ended)) = self.waiting.poll_next_unpin(cx) {
            if let Ok(finished) = ended {
                self.at_work.remove(&finished.stream);
                return Poll::Ready(finished);
            }
        }
        Poll::Pending
    }

    /// The connection is over: drops every handler whose answer somebody waited for.
    pub(crate) fn keep_one_way(&mut self) {
        let awaited = |(stream, at_work): (&u32, &AtWork)| at_work.one_way.is_none().then_some(*stream);
        for stream in self.at_work.iter().filter_map(awaited).collect::<Vec<_>>() {
            self.abandon(stream);
        }
    }

    /// The earliest deadline of a one-way call; `None` when there is none left.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.at_work.values().filter_map(|at_work| at_work.one_way).min()
    }

    /// Drops the one-way calls whose deadlines have passed; their methods.
    pub(crate) fn stop_late(&mut self, now: u64) -> Vec<u32> {
        let late = |at_work: &AtWork| at_work.one_way.is_some_and(|deadline_ns| deadline_ns <= now);
        let found = self.at_work.iter().filter_map(|(stream, at_work)| late(at_work).then_some(*stream));
        let streams: Vec<u32> = found.collect();
        streams.into_iter().filter_map(|stream| self.abandon(stream)).collect()
    }
}
