//! A typed call on its way. The macro's clients return it instead of being `async`: such a function keeps its options in its future for
//! as long as the call lasts, and of calls in flight there are thousands.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Outcome, Reply};
use crate::error::RpcError;

pin_project! {
    /// The outcome of a call: `F` brings its reply, and `O` is what the method returns.
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct Calling<F, O> {
        #[pin]
        made: Made<F>,
        of: PhantomData<fn() -> O>,
    }
}

pin_project! {
    /// A call, or why it couldn't be made, until that was told.
    #[project = MadeParts]
    enum Made<F> {
        Call { #[pin] call: F },
        Refused { error: Option<RpcError> },
    }
}

impl<F, O> Calling<F, O> {
    #[doc(hidden)] // Used by #[service].
    pub fn of(made: Result<F, RpcError>) -> Self {
        let made = match made {
            Ok(call) => Made::Call { call },
            Err(error) => Made::Refused { error: Some(error) },
        };
        Self { made, of: PhantomData }
    }
}

impl<F: Future<Output = Result<Reply, RpcError>>, O: Outcome> Future for Calling<F, O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O> {
        match self.project().made.project() {
            MadeParts::Call { call } => call.poll(cx).map(O::from_answer),
            MadeParts::Refused { error } => {
                error.take().map_or(Poll::Pending, |error| Poll::Ready(O::from_answer(Err(error))))
            }
        }
    }
}

impl<F, O> fmt::Debug for Calling<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}
