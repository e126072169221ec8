//! REST: an HTTP request as a call, and what comes back as an answer, from schemas alone (SPEC.md 10.6).
//!
//! The steps of a request, a file a step: [`Routes`] find the method that is bound to its path, [`bearer_token`] is what it shows of who asks,
//! [`Request`] makes it a call, [`shown`] and [`refused`] make an [`Answer`] of what came back. A gateway does so for the
//! services behind it, a service on its own port for itself.
//!
//! This module owns what a client over HTTP sees: paths, statuses, headers and the envelope. It must not know where a call is
//! carried out.

mod accept;
mod answer;
mod conditional;
mod credential;
mod opening;
mod outcomes;
mod reply;
mod request;
mod request_ids;
mod routes;
mod standing;
mod target;
mod trace;
mod tree;

pub use accept::{accepts, prefers_html};
pub use answer::{API_VERSION, Answer, Refused, Said};
pub use conditional::{EntityTag, conditional, unmet_precondition};
pub use credential::bearer_token;
pub use opening::{LAST_EVENT_ID, Opening, TICKET, accepts_events, events_begin, message_of_stream};
pub use outcomes::{OUTCOME_TEMPLATE, OutcomeRoute, outcome_shown, put_outcome, question};
pub use reply::{refused, shown};
pub use request::{Request, untranscodable};
pub use request_ids::RequestIds;
pub use routes::{Form, Lead, Parameters, Route, Routes, other_methods};
pub use standing::Standing;
pub use target::put_target;
pub use trace::{bytes_of_id, trace_context};
