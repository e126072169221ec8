//! Whether a failed call may be tried again (SPEC.md 8.3), and where (SPEC.md 10.12). Pure.

pub mod budget;

use std::cell::RefCell;
use std::rc::Rc;

use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::schema::EncodedSchema;
use micronet_wire::transcode::ServiceAdapter;

/// Whether a call that failed so may be sent to another instance at once. `repeatable`: executing it twice does no harm, since
/// it is idempotent or bears an idempotency token.
#[must_use]
pub fn may_retry(error: &RpcError, repeatable: bool) -> bool {
    match error.retry {
        Retry::Never => false,
        Retry::NeverStarted => true,
        // No time is left after a missed deadline; the others tell of an instance or a link that broke.
        Retry::MaybeExecuted => {
            repeatable && matches!(error.code, Code::ConnectionLost | Code::Silent | Code::Database)
        }
    }
}

/// Where a call that is safe by its token alone may be repeated, once it may have been executed: a token is compared by the bytes of
/// the request, and brings back the bytes of the reply, so a repeat goes to instances only on which both are the same.
#[derive(Debug)]
pub struct Repeats {
    method: u32,
    /// What the instance serves that may have executed it.
    begun: RefCell<Option<Rc<EncodedSchema>>>,
}

impl Repeats {
    /// The repeats of a call of this method.
    #[must_use]
    pub fn of(method: u32) -> Self {
        Self { method, begun: RefCell::default() }
    }

    /// Notes that the call failed at an instance of this schema.
    pub fn failed(&self, served: &Rc<EncodedSchema>, error: &RpcError) {
        if error.retry == Retry::MaybeExecuted {
            self.begun.replace(Some(Rc::clone(served)));
        }
    }

    /// Whether the call may go to an instance of this schema.
    #[must_use]
    pub fn may_go_to(&self, served: &Rc<EncodedSchema>) -> bool {
        let begun = self.begun.borrow();
        let Some(begun) = begun.as_ref() else { return true };
        let between = ServiceAdapter::new(served, begun);
        between.is_none_or(|between| matches!(between.method(self.method), Ok(None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_repeated_only_when_it_is_safe() {
        let check = |code, repeatable, expected| {
            assert_eq!(may_retry(&RpcError::new(code, ""), repeatable), expected, "{code} {repeatable}");
        };
        check(Code::Application, true, false);
        check(Code::Draining, false, true);
        check(Code::Unavailable, false, true);
        check(Code::Overloaded, false, true);
        check(Code::ConnectionLost, false, false);
        check(Code::ConnectionLost, true, true);
        check(Code::DeadlineExceeded, true, false);
        check(Code::Internal, true, false);
    }
}
