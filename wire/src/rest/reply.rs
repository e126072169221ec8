//! What came back from a call, as people see it: from a reply or an error to an answer.

use bytes::BytesMut;

use super::answer::{Answer, status};
use crate::encoding;
use crate::error::{Code, RpcError};
use crate::schema::{Media, Method, ServiceSchema};
use crate::transcode::{TranscodeError, to_json};

/// A reply as people see it.
#[must_use]
pub fn shown(schema: &ServiceSchema, method: &Method, reply: &[u8]) -> Answer {
    let status = status(method.http_status);
    if method.media == Media::Text {
        return match encoding::decode::<String>(reply) {
            Ok(text) => Answer::text(status, &text),
            Err(_) => broken("the service's answer is no text"),
        };
    }
    if method.media == Media::Bare {
        let mut json = BytesMut::new();
        return match to_json(schema, method.reply, reply, &mut json) {
            Ok(()) => Answer::body_of(status, "application/json", &json),
            Err(error) => broken(format!("the service's answer: {error}")),
        };
    }
    let data = |out: &mut BytesMut| {
        let start = out.len();
        to_json(schema, method.reply, reply, out)?;
        if method.media == Media::Page {
            unwrap_page(out, start);
        }
        Ok::<(), TranscodeError>(())
    };
    Answer::data(status, data).unwrap_or_else(|error| broken(format!("the service's answer: {error}")))
}

/// Of a page `{"items":[…],"pagination":{…}}` stays `[…],"pagination":{…}`: what is beside data in the envelope.
fn unwrap_page(out: &mut BytesMut, start: usize) {
    let opening = br#"{"items":"#.len();
    out.copy_within(start + opening.., start);
    out.truncate(out.len() - opening - 1);
}

/// An error as people see it.
#[must_use]
pub fn refused(schema: &ServiceSchema, method: &Method, error: &RpcError) -> Answer {
    if error.code == Code::Application { own_error(schema, method, error) } else { Answer::rpc_error(error) }
}

/// An error of the service's own: its variant gives the status and the code, its fields the details.
fn own_error(schema: &ServiceSchema, method: &Method, error: &RpcError) -> Answer {
    let mut json = BytesMut::new();
    let shown = schema
        .error_variant(method, &error.detail)
        .zip(method.error)
        .filter(|(_, of)| to_json(schema, *of, &error.detail, &mut json).is_ok());
    let Some((variant, _)) = shown else {
        return broken("the service's error is not of its type");
    };
    // The fields stand within {"Variant":{…}}; a variant without fields is a plain name.
    let details =
        if variant.fields.is_empty() { &b""[..] } else { &json[variant.name.len() + 4..json.len() - 1] };
    let code = match variant.http_status {
        0 => Code::Application.http_status(),
        code => code,
    };
    Answer::error(status(code), &variant.error_code(), &error.message, details)
}

/// The service broke its word. The client hears so, the log hears how.
fn broken(words: impl Into<String>) -> Answer {
    let mut answer = Answer::refusal(502, "the service's answer can't be shown");
    answer.for_the_log = Some(words.into());
    answer
}
