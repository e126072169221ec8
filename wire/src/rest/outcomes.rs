//! Outcomes of writes over HTTP (SPEC.md 14.4): `POST /api/v1/outcomes/SERVICE.METHOD/TOKEN`. It is a POST because it may change
//! something: a write that is said to be never started never will be.

use bytes::{BufMut, Bytes, BytesMut};

use super::answer::{Answer, Refused};
use super::reply::refused;
use crate::encoding;
use crate::error::{Code, RpcError};
use crate::http1::{Status, decode_component};
use crate::outcomes::{OutcomeOf, TokenOutcome};
use crate::schema::{Method, ServiceSchema};
use crate::transcode::{TranscodeError, to_json};

/// What the paths of outcomes begin with.
const PREFIX: &str = "/api/v1/outcomes/";

/// How the paths of outcomes look.
pub const OUTCOME_TEMPLATE: &str = "/api/v1/outcomes/{method}/{token}";

/// A write whose outcome is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRoute {
    /// Which service serves its method, by its index.
    pub service: usize,
    /// The id of its method.
    pub method: u32,
    /// Its token.
    pub token: String,
    /// The class of rate limits that its method belongs to: to ask again is no other thing than to do it again.
    pub rate_class: String,
}

/// The service, the method and the token that a path names; `None` if it is no path of an outcome.
pub(super) fn parse(path: &str) -> Option<(String, String, String)> {
    let mut given = path.strip_prefix(PREFIX)?.split('/');
    let (method, token) = (given.next()?, given.next()?);
    if given.next().is_some() {
        return None;
    }
    let decoded = |text| decode_component(text).ok();
    let (method, token) = (decoded(method)?, decoded(token)?);
    let (service, method) = method.split_once('.')?;
    Some((service.to_owned(), method.to_owned(), token.into_owned()))
}

/// The message that asks: about the asker's own write, or about that of another principal.
///
/// # Errors
/// The answer to what is too long for a message.
pub fn question(route: &OutcomeRoute, principal: Option<&str>) -> Result<Bytes, Refused> {
    let (method, token) = (route.method, route.token.clone());
    let asked = OutcomeOf { method, token, principal: principal.map(str::to_owned) };
    encoding::encode(&asked).map_err(|_| Box::new(Answer::refusal(413, "the question is too long")))
}

/// An outcome as people see it; `answered` is the reply to the question.
#[must_use]
pub fn outcome_shown(schema: &ServiceSchema, method: &Method, answered: &[u8]) -> Answer {
    let shown = encoding::decode(answered).map_err(|_| ()).and_then(|outcome| {
        Answer::data(Status::OK, |out| put_outcome(schema, method, &outcome, out)).map_err(|_| ())
    });
    shown.unwrap_or_else(|()| Answer::refusal(502, "the service's answer can't be shown"))
}

/// Appends an outcome as JSON: `{"outcome":"never_started"}`, `"running"`, `"done"` with the `reply`, or `"failed"` with the
/// `error`, as the call itself would have been answered.
///
/// # Errors
/// When the stored reply is not of the method's type.
pub fn put_outcome(
    schema: &ServiceSchema,
    method: &Method,
    outcome: &TokenOutcome,
    out: &mut BytesMut,
) -> Result<(), TranscodeError> {
    match outcome {
        TokenOutcome::NeverStarted => out.put_slice(br#"{"outcome":"never_started""#),
        TokenOutcome::Running => out.put_slice(br#"{"outcome":"running""#),
        TokenOutcome::Done { reply } => {
            out.put_slice(br#"{"outcome":"done","reply":"#);
            to_json(schema, method.reply, &reply.0, out)?;
        }
        TokenOutcome::Failed { .. } => {
            out.put_slice(br#"{"outcome":"failed","#);
            let error = outcome.error().unwrap_or_else(|| RpcError::new(Code::Internal, "no error"));
            let answer = refused(schema, method, &error);
            // The error stands behind this in an envelope, whose end is yet to come.
            let envelope = br#"{"success":false,"#.len();
            out.put_slice(answer.body().get(envelope..).unwrap_or_default());
        }
    }
    out.put_u8(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_service_method_and_token() {
        let named = |path| parse(path).map(|(service, method, token)| [service, method, token].join(" "));
        let cases = [
            ("/api/v1/outcomes/order.buy/my-key", Some("order buy my-key")),
            ("/api/v1/outcomes/order.buy/a%2Fb%25", Some("order buy a/b%")),
            ("/api/v1/outcomes/order.buy.now/key", Some("order buy.now key")),
            ("/api/v1/outcomes/order/key", None),
            ("/api/v1/outcomes/order.buy", None),
            ("/api/v1/outcomes/order.buy/a/b", None),
            ("/api/v1/outcomes/order.buy/%zz", None),
            ("/api/v1/orders/order.buy/key", None),
        ];
        for (path, expected) in cases {
            assert_eq!(named(path).as_deref(), expected, "{path}");
        }
    }
}
