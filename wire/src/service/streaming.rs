//! Streams of messages as handlers and callers see them: one side sends, the other takes the next, and both wait for each other
//! (SPEC.md section 4).

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::outcome::{Outcome, ServiceError, decode_own_error, decode_request, encode_request};
use super::{CallContext, CallError, Reply};
use crate::encoding;
use crate::error::{Code, RpcError};
use crate::schema::{EncodedSchema, Message};
use crate::transcode::check_constraints;

/// The messages of one call, as whoever owns its connection carries them. Futures that wait for the same thing on two tasks
/// are not supported: the last one is woken.
pub trait Exchange: fmt::Debug {
    /// The next message of the peer; `None` after the last one, an error when the call ended before.
    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RpcError>>;

    /// Waits until one more message may be sent; an error when the call is over.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), RpcError>>;

    /// Sends a message, once there is room.
    ///
    /// # Errors
    /// When it is too long.
    fn send(&self, message: Bytes) -> Result<(), RpcError>;

    /// Says that no further message follows.
    fn finish(&self);

    /// The caller's side: the one reply of a call that has one.
    fn poll_reply(&self, cx: &mut Context<'_>) -> Poll<Result<Reply, RpcError>>;

    /// The caller's side: gives the call up.
    fn cancel(&self);
}

/// What a streamed message is checked against.
#[derive(Debug, Clone)]
struct Constraints {
    schema: Rc<EncodedSchema>,
    of: u32,
}

/// Messages that come one by one: a handler's requests, or a caller's replies.
pub struct Incoming<T, F = RpcError> {
    exchange: Rc<dyn Exchange>,
    constraints: Option<Constraints>,
    of: PhantomData<fn() -> (T, F)>,
}

/// Messages to be sent one by one: a handler's replies, or a caller's requests.
pub struct Outgoing<T> {
    exchange: Rc<dyn Exchange>,
    /// A caller that leaves before it has finished gives the call up.
    by_caller: bool,
    finished: bool,
    of: PhantomData<fn(T)>,
}

/// The reply of a call whose requests are sent one by one.
#[must_use = "the call ends when this is dropped"]
pub struct Answered<O> {
    exchange: Rc<dyn Exchange>,
    of: PhantomData<fn() -> O>,
}

/// How a method fails, made of what came back.
pub trait Failure: From<RpcError> {
    /// The failure that an error stands for.
    fn from_error(error: RpcError) -> Self;
}

impl Failure for RpcError {
    fn from_error(error: RpcError) -> Self {
        error
    }
}

impl<E: ServiceError> Failure for CallError<E> {
    fn from_error(error: RpcError) -> Self {
        decode_own_error(error)
    }
}

impl<T, F> fmt::Debug for Incoming<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Incoming").field(&self.exchange).finish()
    }
}

impl<T> fmt::Debug for Outgoing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outgoing").field(&self.exchange).finish()
    }
}

impl<O> fmt::Debug for Answered<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answered").field(&self.exchange).finish()
    }
}

impl<T: Message, F: Failure> Incoming<T, F> {
    #[doc(hidden)] // Used by #[service].
    #[must_use]
    pub fn of_replies(exchange: Rc<dyn Exchange>) -> Self {
        Self { exchange, constraints: None, of: PhantomData }
    }

    #[doc(hidden)] // Used by #[service]; `at` is the method's place in the schema.
    pub fn of_requests(
        context: &CallContext,
        schema: &Rc<EncodedSchema>,
        at: usize,
    ) -> Result<Self, RpcError> {
        let of = schema.schema().methods.get(at).map_or(0, |method| method.request);
        let constraints = Some(Constraints { schema: Rc::clone(schema), of });
        Ok(Self { exchange: exchange(context)?, constraints, of: PhantomData })
    }

    /// The next message, or `None` when there are no more. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Why no further message comes; and in a handler, what is wrong with a request.
    pub async fn next(&mut self) -> Result<Option<T>, F> {
        let message = poll_fn(|cx| self.exchange.poll_message(cx)).await.map_err(F::from_error)?;
        let Some(message) = message else { return Ok(None) };
        let Some(Constraints { schema, of }) = &self.constraints else {
            let decoded = encoding::decode(&message).map_err(|_| {
                RpcError::new(Code::Protocol, "a reply is not of the type that the schema names")
            });
            return Ok(Some(decoded?));
        };
        let decoded = decode_request(&message)?;
        check_constraints(schema, *of, &message).map_err(RpcError::from)?;
        Ok(Some(decoded))
    }
}

impl<T: Message> Outgoing<T> {
    #[doc(hidden)] // Used by #[service].
    pub fn of_replies(context: &CallContext) -> Result<Self, RpcError> {
        Ok(Self { exchange: exchange(context)?, by_caller: false, finished: false, of: PhantomData })
    }

    #[doc(hidden)] // Used by #[service].
    #[must_use]
    pub fn of_requests(exchange: Rc<dyn Exchange>) -> Self {
        Self { exchange, by_caller: true, finished: false, of: PhantomData }
    }

    /// Waits until the peer takes one more message: [`send`](Self::send) doesn't wait then, so that what is sent can be made of what is newest.
    ///
    /// # Errors
    /// When the call is over.
    pub async fn room(&mut self) -> Result<(), RpcError> {
        poll_fn(|cx| self.exchange.poll_room(cx)).await
    }

    /// Sends a message; waits before for as long as the peer doesn't take more.
    ///
    /// # Errors
    /// When the call is over, or the message too long.
    pub async fn send(&mut self, message: &T) -> Result<(), RpcError> {
        let encoded = encode_request(message)?;
        self.room().await?;
        self.exchange.send(encoded)
    }

    /// Says that no further message follows. (A handler does so by returning.)
    pub fn finish(mut self) {
        self.finished = true;
        self.exchange.finish();
    }
}

impl<T> Drop for Outgoing<T> {
    fn drop(&mut self) {
        if self.by_caller && !self.finished {
            self.exchange.cancel();
        }
    }
}

impl<O> Answered<O> {
    #[doc(hidden)] // Used by #[service].
    pub fn of(exchange: Rc<dyn Exchange>) -> Self {
        Self { exchange, of: PhantomData }
    }
}

impl<O: Outcome> Future for Answered<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O> {
        self.exchange.poll_reply(cx).map(O::from_answer)
    }
}

fn exchange(context: &CallContext) -> Result<Rc<dyn Exchange>, RpcError> {
    context
        .exchange
        .clone()
        .ok_or_else(|| RpcError::new(Code::BadRequest, "streams of messages are not carried here: use RPC"))
}
