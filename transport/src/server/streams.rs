//! A server's streams of messages: what handlers and their connection have for each other.
//!
//! Handlers run within the task of their connection, or hand their ends of a stream to tasks of their own. So they don't touch
//! the connection: they leave here what they want, and its task carries it over.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use micronet_wire::conn::{Connection, StreamMap};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::CallShape;
use micronet_wire::service::{Exchange, Reply};

use crate::clock;

/// The streams of one connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    pipes: StreamMap<Rc<Pipe>>,
    wanting: Rc<Wanting>,
}

/// The streams whose handlers want something of the connection, and how to wake its task.
#[derive(Debug, Default)]
struct Wanting {
    streams: RefCell<Vec<u32>>,
    task: RefCell<Option<Waker>>,
}

/// One stream, between its handler and its connection.
#[derive(Debug)]
struct Pipe {
    stream: u32,
    /// Whether its replies are sent one by one.
    replies: bool,
    state: RefCell<State>,
    wanting: Rc<Wanting>,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<Bytes>,
    /// No further request follows.
    ended: bool,
    /// Bytes of requests that the handler has taken and the connection has not heard of.
    consumed: usize,
    reader: Option<Waker>,
    /// A reply that is on its way to the connection.
    reply: Option<Bytes>,
    /// The connection takes no more at the moment.
    full: bool,
    writer: Option<Waker>,
    /// The call is over.
    over: bool,
}

impl Streams {
    /// A new stream, for the context of its call.
    pub(super) fn open(&mut self, stream: u32, shape: CallShape) -> Rc<dyn Exchange> {
        let pipe = Rc::new(Pipe {
            stream,
            replies: matches!(shape, CallShape::ServerStream | CallShape::Bidirectional),
            state: RefCell::default(),
            wanting: Rc::clone(&self.wanting),
        });
        self.pipes.insert(stream, Rc::clone(&pipe));
        pipe
    }

    pub(super) fn request(&mut self, stream: u32, message: Bytes) {
        self.change(stream, |state| state.requests.push_back(message));
    }

    pub(super) fn requests_ended(&mut self, stream: u32) {
        self.change(stream, |state| state.ended = true);
    }

    pub(super) fn room(&mut self, stream: u32) {
        self.change(stream, |state| state.full = false);
    }

    fn change(&mut self, stream: u32, change: impl FnOnce(&mut State)) {
        if let Some(pipe) = self.pipes.get(&stream) {
            let mut state = pipe.state.borrow_mut();
            change(&mut state);
            for waiting in [state.reader.take(), state.writer.take()].into_iter().flatten() {
                waiting.wake();
            }
        }
    }

    /// A call is over: whatever its handler still wants is in vain.
    pub(super) fn end(&mut self, stream: u32) {
        if !self.pipes.is_empty() {
            self.change(stream, |state| state.over = true);
            self.pipes.remove(&stream);
        }
    }

    /// The streams whose replies are sent one by one.
    pub(super) fn with_replies(&self) -> Vec<u32> {
        let mut streams: Vec<u32> =
            self.pipes.values().filter(|pipe| pipe.replies).map(|pipe| pipe.stream).collect();
        streams.sort_unstable();
        streams
    }

    /// Carries over what handlers want; true when there was anything. The task that calls it is woken when there is more.
    pub(super) fn carry(&mut self, cx: &Context<'_>, connection: &mut Connection) -> bool {
        if self.pipes.is_empty() {
            return false;
        }
        self.wanting.task.replace(Some(cx.waker().clone()));
        let wanting = std::mem::take(&mut *self.wanting.streams.borrow_mut());
        for stream in &wanting {
            self.carry_one(*stream, connection);
        }
        !wanting.is_empty()
    }

    /// Carries over what one handler wants.
    pub(super) fn carry_one(&mut self, stream: u32, connection: &mut Connection) {
        let Some(pipe) = self.pipes.get(&stream) else { return };
        let mut state = pipe.state.borrow_mut();
        let consumed = std::mem::take(&mut state.consumed);
        if consumed > 0 {
            connection.consumed(stream, consumed);
        }
        if state.reader.is_some() && state.requests.is_empty() {
            connection.await_message(stream);
        }
        if let Some(reply) = state.reply.take() {
            // Its length was checked when it was sent.
            let _ = connection.say(clock::now(), stream, reply, false);
            state.full = !connection.has_room(stream);
            if !state.full
                && let Some(writer) = state.writer.take()
            {
                writer.wake();
            }
        }
    }
}

impl Pipe {
    fn want(&self) {
        self.wanting.streams.borrow_mut().push(self.stream);
        if let Some(task) = self.wanting.task.take() {
            task.wake();
        }
    }
}

fn over() -> RpcError {
    RpcError::new(Code::Cancelled, "the call is over")
}

impl Exchange for Pipe {
    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RpcError>> {
        let mut state = self.state.borrow_mut();
        let next = match state.requests.pop_front() {
            Some(message) => {
                state.consumed += message.len();
                Poll::Ready(Ok(Some(message)))
            }
            None if state.over => return Poll::Ready(Err(over())),
            None if state.ended => return Poll::Ready(Ok(None)),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        };
        drop(state);
        self.want();
        next
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>> {
        let mut state = self.state.borrow_mut();
        if state.over {
            return Poll::Ready(Err(over()));
        }
        if state.reply.is_none() && !state.full {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn send(&self, message: Bytes) -> Result<(), RpcError> {
        self.state.borrow_mut().reply = Some(message);
        self.want();
        Ok(())
    }

    // A handler finishes by returning; the caller's part is not played here.
    fn finish(&self) {}

    fn poll_reply(&self, _cx: &mut Context<'_>) -> Poll<Result<Reply, RpcError>> {
        Poll::Ready(Err(over()))
    }

    fn cancel(&self) {}
}
