//! The steps: each operation of the shop, what it comes to, and every way in which it says no.

mod catalog;
mod feeds;
mod orders;
mod users;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Operator,
}

/// One operation, asked for once.
pub(super) struct Step {
    pub(super) who: Who,
    /// As `product.create`.
    pub(super) method: &'static str,
    /// The whole request as JSON.
    pub(super) request: &'static str,
    /// As `POST /api/v1/products`.
    pub(super) http: &'static str,
    /// The body by HTTP; what stands in the path or the query is not in it.
    pub(super) body: &'static str,
    /// The idempotency token; empty for none.
    pub(super) token: &'static str,
    /// The HTTP status.
    pub(super) status: u16,
    /// The error's code; empty for a success.
    pub(super) code: &'static str,
    /// Places in the answer or in the error's details, and the JSON that stands there.
    pub(super) holds: &'static [(&'static str, &'static str)],
    /// The fields with faults: all of them.
    pub(super) faults: &'static [&'static str],
}

/// A step that succeeds.
fn done(
    who: Who,
    method: &'static str,
    request: &'static str,
    http: &'static str,
    status: u16,
    holds: &'static [(&'static str, &'static str)],
) -> Step {
    Step { who, method, request, http, body: "", token: "", status, code: "", holds, faults: &[] }
}

/// A step that is refused.
fn refused(
    who: Who,
    method: &'static str,
    request: &'static str,
    http: &'static str,
    status: u16,
    code: &'static str,
) -> Step {
    Step { who, method, request, http, body: "", token: "", status, code, holds: &[], faults: &[] }
}

impl Step {
    /// The request's fields stand in the body by HTTP too.
    fn all_in_body(self) -> Self {
        Self { body: self.request, ..self }
    }

    fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    fn token(self, token: &'static str) -> Self {
        Self { token, ..self }
    }

    fn holds(self, holds: &'static [(&'static str, &'static str)]) -> Self {
        Self { holds, ..self }
    }

    fn faults(self, faults: &'static [&'static str]) -> Self {
        Self { faults, ..self }
    }
}

pub(super) fn steps() -> Vec<Step> {
    [
        users::users(),
        catalog::catalog(),
        catalog::stock(),
        orders::orders(),
        orders::customers(),
        feeds::feeds(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
