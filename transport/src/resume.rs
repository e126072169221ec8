//! Streams of replies that go on where they ended: an instance drains, a link breaks, an hour is over, and the reader goes on
//! with the next instance from the last reply that it has.

use std::fmt;
use std::time::Duration;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Message;
use micronet_wire::service::{CallError, Failure, Incoming};

use crate::backoff::Backoff;
use crate::identity::random_bytes;

/// A failure of a call, as far as the way there is concerned.
pub trait Interruption {
    /// Why the call failed, unless the service itself said no.
    fn rpc_error(&self) -> Option<&RpcError>;
}

impl Interruption for RpcError {
    fn rpc_error(&self) -> Option<&RpcError> {
        Some(self)
    }
}

impl<E> Interruption for CallError<E> {
    fn rpc_error(&self) -> Option<&RpcError> {
        match self {
            Self::Rpc(error) => Some(error),
            Self::Service(_) => None,
        }
    }
}

/// Whether a stream that ended so may be opened again: an instance, a link or the stream's time is over, and the call is in order.
#[must_use]
pub fn may_resume(failure: &impl Interruption) -> bool {
    let Some(error) = failure.rpc_error() else { return false };
    matches!(
        error.code,
        Code::Draining
            | Code::ConnectionLost
            | Code::Silent
            | Code::Checksum
            | Code::Unavailable
            | Code::Overloaded
            | Code::Database
            | Code::DeadlineExceeded
    )
}

/// A stream of replies that is opened again whenever it breaks.
///
/// `open` gets the place of the last reply, by which the service knows where to go on, and `None` until there was one. `place`
/// says where a reply stands. So each reply comes exactly once if the service tells exactly those behind a place.
pub struct Resuming<T, F, O, P> {
    open: O,
    place: P,
    last: Option<u64>,
    replies: Option<Incoming<T, F>>,
    backoff: Backoff,
    /// How often it was opened.
    opened: u64,
}

impl<T, F, O, P> fmt::Debug for Resuming<T, F, O, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (last, opened) = (&self.last, &self.opened);
        f.debug_struct("Resuming").field("last", last).field("opened", opened).finish_non_exhaustive()
    }
}

impl<T, F, O, P> Resuming<T, F, O, P>
where
    T: Message,
    F: Failure + Interruption,
    O: AsyncFnMut(Option<u64>) -> Result<Incoming<T, F>, F>,
    P: Fn(&T) -> u64,
{
    /// A stream that begins behind `after`.
    pub fn new(after: Option<u64>, open: O, place: P) -> Self {
        Self { open, place, last: after, replies: None, backoff: Backoff::default(), opened: 0 }
    }

    /// The next reply; waits for as long as no instance can give one. `None` when the service has ended the stream. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// Failures that no other instance and no other time would mend ([`may_resume`]).
    pub async fn next(&mut self) -> Result<Option<T>, F> {
        loop {
            match self.attempt().await {
                Ok(Some(reply)) => {
                    self.last = Some((self.place)(&reply));
                    self.backoff.reset();
                    return Ok(Some(reply));
                }
                Ok(None) => return Ok(None),
                Err(failure) => {
                    self.replies = None;
                    if !may_resume(&failure) {
                        return Err(failure);
                    }
                    if let Some(error) = failure.rpc_error() {
                        tracing::debug!(%error, last = self.last, "a stream broke, and is opened again");
                    }
                    let pause_ms = self.backoff.next_ms(u64::from_ne_bytes(random_bytes()));
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<Option<T>, F> {
        if self.replies.is_none() {
            self.replies = Some((self.open)(self.last).await?);
            self.opened += 1;
        }
        match &mut self.replies {
            Some(replies) => replies.next().await,
            None => Ok(None),
        }
    }

    /// The place of the last reply.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// How often the stream was opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened
    }
}
