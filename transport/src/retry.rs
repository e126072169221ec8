//! Whether a failed call may be tried again (SPEC.md 8.3). Pure.

use micronet_wire::error::{Code, Retry, RpcError};

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
