//! A client's streams of messages: what came and is not taken yet waits here, within the credit that the connection gave for it.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use micronet_wire::conn::StreamMap;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::{Exchange, Reply};

use super::Client;
use crate::clock;

/// The calls with streams of messages of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams(StreamMap<State>);

/// One of them.
#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Bytes>,
    ended: Option<Result<Reply, RpcError>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Streams {
    pub(super) fn message(&mut self, stream: u32, message: Bytes) {
        if let Some(state) = self.0.get_mut(&stream) {
            state.messages.push_back(message);
            wake(&mut state.reader);
        }
    }

    pub(super) fn room(&mut self, stream: u32) {
        if let Some(state) = self.0.get_mut(&stream) {
            wake(&mut state.writer);
        }
    }

    /// A call is over, if it is one of these.
    pub(super) fn end(&mut self, stream: u32, result: Result<Reply, RpcError>) {
        if let Some(state) = self.0.get_mut(&stream) {
            state.ended = Some(result);
            wake(&mut state.reader);
            wake(&mut state.writer);
        }
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

/// One call with a stream of messages. It keeps its connection open; dropping it gives the call up.
pub(super) struct Stream {
    client: Client,
    id: u32,
}

impl Stream {
    pub(super) fn new(client: Client, id: u32) -> Self {
        client.shared.streams.borrow_mut().0.insert(id, State::default());
        Self { client, id }
    }

    fn with<T>(&self, gone: T, act: impl FnOnce(&mut State) -> T) -> T {
        self.client.shared.streams.borrow_mut().0.get_mut(&self.id).map_or(gone, act)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.id).finish()
    }
}

fn given_up() -> RpcError {
    RpcError::new(Code::Cancelled, "the call was given up here")
}

impl Exchange for Stream {
    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RpcError>> {
        let next = self.with(Poll::Ready(Err(given_up())), |state| {
            match (state.messages.pop_front(), &state.ended) {
                (Some(message), _) => Poll::Ready(Ok(Some(message))),
                (None, Some(Ok(_))) => Poll::Ready(Ok(None)),
                (None, Some(Err(error))) => Poll::Ready(Err(error.clone())),
                (None, None) => {
                    state.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        let mut connection = self.client.shared.connection.borrow_mut();
        match &next {
            Poll::Ready(Ok(Some(message))) => connection.consumed(self.id, message.len()),
            Poll::Pending => connection.await_message(self.id),
            Poll::Ready(_) => return next,
        }
        // There may be credit to tell the peer of.
        self.client.shared.wake_driver();
        next
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        let has_room = self.client.shared.connection.borrow().has_room(self.id);
        self.with(Poll::Ready(Err(given_up())), |state| match &state.ended {
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            Some(Ok(_)) => Poll::Ready(Err(RpcError::new(Code::Cancelled, "the call was answered already"))),
            None if has_room => Poll::Ready(Ok(())),
            None => {
                state.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    fn send(&self, message: Bytes) -> Result<(), RpcError> {
        self.client.shared.connection.borrow_mut().say(clock::now(), self.id, message, false)?;
        self.client.shared.wake_driver();
        Ok(())
    }

    fn finish(&self) {
        self.client.shared.connection.borrow_mut().end_messages(clock::now(), self.id);
        self.client.shared.wake_driver();
    }

    fn poll_reply(&self, cx: &mut Context<'_>) -> Poll<Result<Reply, RpcError>> {
        self.with(Poll::Ready(Err(given_up())), |state| match &state.ended {
            Some(end) => Poll::Ready(end.clone()),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    fn cancel(&self) {
        let Some(mut state) = self.client.shared.streams.borrow_mut().0.remove(&self.id) else { return };
        wake(&mut state.reader);
        wake(&mut state.writer);
        if state.ended.is_none() {
            self.client.shared.connection.borrow_mut().cancel(self.id);
            self.client.shared.wake_driver();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.cancel();
    }
}
