//! The handlers of a connection: one at work, and those that wait for something.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use micronet_wire::conn::StreamMap;
use micronet_wire::service::Answer;

use super::handling::Handler;
use super::places::Place;
use crate::records::Story;
use crate::tasks::{Reachable, reachable};

/// A handler at work, with the stream that it answers and the time at which it started.
pub(super) struct Answering {
    pub(super) stream: u32,
    pub(super) method: u32,
    /// The deadline of a one-way call, which it keeps by itself when its connection is over.
    pub(super) one_way: Option<u64>,
    pub(super) started_ns: u64,
    pub(super) handler: Handler,
    pub(super) place: Option<Place>,
    pub(super) story: Story,
}

/// What a handler leaves behind.
pub(super) struct Finished {
    pub(super) stream: u32,
    pub(super) method: u32,
    pub(super) one_way: bool,
    pub(super) started_ns: u64,
    pub(super) answer: Answer,
    pub(super) place: Option<Place>,
    pub(super) story: Story,
}

impl Future for Answering {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, method, one_way, started_ns, .. } = *self;
        let _entered = self.story.enter();
        Pin::new(&mut self.handler).poll(cx).map(|answer| Finished {
            stream,
            method,
            one_way: one_way.is_some(),
            started_ns,
            answer,
            place: self.place.take(),
            story: std::mem::take(&mut self.story),
        })
    }
}

/// The handlers of a connection that wait for something.
#[derive(Default)]
pub(super) struct Background {
    waiting: FuturesUnordered<Reachable<Abortable<Answering>>>,
    /// Each of them, by stream.
    at_work: StreamMap<AtWork>,
}

/// A handler that can be stopped.
struct AtWork {
    method: u32,
    one_way: Option<u64>,
    started_ns: u64,
    handle: AbortHandle,
}

/// A handler that was stopped.
pub(super) struct Stopped {
    pub(super) method: u32,
    pub(super) one_way: bool,
    pub(super) started_ns: u64,
}

impl Background {
    pub(super) fn add(&mut self, answering: Answering) {
        let (handle, registration) = AbortHandle::new_pair();
        let Answering { stream, method, one_way, started_ns, .. } = answering;
        self.at_work.insert(stream, AtWork { method, one_way, started_ns, handle });
        self.waiting.push(reachable(Abortable::new(answering, registration)));
    }

    /// Nobody wants this answer: the handler is dropped where it stands.
    pub(super) fn abandon(&mut self, stream: u32) -> Option<Stopped> {
        let AtWork { method, one_way, started_ns, handle } = self.at_work.remove(&stream)?;
        handle.abort();
        Some(Stopped { method, one_way: one_way.is_some(), started_ns })
    }

    /// The next handler that has finished.
    pub(super) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        while let Poll::Ready(Some(ended)) = self.waiting.poll_next_unpin(cx) {
            if let Ok(finished) = ended {
                self.at_work.remove(&finished.stream);
                return Poll::Ready(finished);
            }
        }
        Poll::Pending
    }

    /// The connection is over: drops every handler whose answer somebody waited for.
    pub(super) fn keep_one_way(&mut self) {
        let awaited = |(stream, at_work): (&u32, &AtWork)| at_work.one_way.is_none().then_some(*stream);
        for stream in self.at_work.iter().filter_map(awaited).collect::<Vec<_>>() {
            self.abandon(stream);
        }
    }

    /// The earliest deadline of a one-way call; `None` when there is none left.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.at_work.values().filter_map(|at_work| at_work.one_way).min()
    }

    /// Drops the one-way calls whose deadlines have passed.
    pub(super) fn stop_late(&mut self, now: u64) -> Vec<Stopped> {
        let late = |at_work: &AtWork| at_work.one_way.is_some_and(|deadline_ns| deadline_ns <= now);
        let found = self.at_work.iter().filter_map(|(stream, at_work)| late(at_work).then_some(*stream));
        let streams: Vec<u32> = found.collect();
        streams.into_iter().filter_map(|stream| self.abandon(stream)).collect()
    }
}
