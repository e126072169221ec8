//! A request that opens a stream of messages: what it says with its path, its query and its headers, since its body comes later if at
//! all.

use bytes::{Bytes, BytesMut};

use super::answer::{Answer, Refused};
use super::request::{idempotency_key, refuse, single, untranscodable};
use super::routes::Parameters;
use super::trace::trace_context;
use crate::http1::{RequestHead, query_pairs};
use crate::principal::Principal;
use crate::schema::{Method, ServiceSchema, Type, TypeRef};
use crate::service::CallOptions;
use crate::transcode::to_binary;

/// The media type of a stream of events.
const EVENTS: &str = "text/event-stream";

/// What a query says besides fields of the request.
/// The parameter of a query that says who asks.
pub const TICKET: &str = "ticket";
/// The parameter of a query behind which event a stream goes on.
pub const LAST_EVENT_ID: &str = "last_event_id";
const IDEMPOTENCY_KEY: &str = "idempotency_key";

/// A request that opens a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    fields: Vec<(String, String)>,
    in_query: bool,
    /// The one-time ticket that says who asks.
    pub ticket: Option<String>,
    /// Where a stream goes on: behind the reply that stands there.
    pub after: Option<u64>,
    token: Option<String>,
    trace: Option<crate::request::TraceContext>,
}

impl Opening {
    /// The request with this head.
    ///
    /// # Errors
    /// The answer to one whose query is malformed, or says what can't be.
    pub fn new(head: &RequestHead, of_path: Parameters<'_>) -> Result<Self, Refused> {
        let mut opening = Self::default();
        opening.fields.extend(of_path.into_iter().map(|(name, text)| (name.to_owned(), text.into_owned())));
        for pair in query_pairs(head.query().unwrap_or("")) {
            let (name, text) = pair.map_err(|_| refuse(400, "the query's percent-encoding is malformed"))?;
            match &*name {
                TICKET => opening.ticket = Some(text.into_owned()),
                LAST_EVENT_ID => opening.after = Some(place(&text)?),
                IDEMPOTENCY_KEY => opening.token = Some(idempotency_key(text.as_bytes())?.to_owned()),
                _ => {
                    opening.in_query = true;
                    opening.fields.push((name.into_owned(), text.into_owned()));
                }
            }
        }
        // What a browser remembers is newer than what the page was told at first.
        if let Some(last) = single(head, "Last-Event-ID")?.filter(|last| !last.is_empty()) {
            opening.after = Some(place(&String::from_utf8_lossy(last))?);
        }
        if let Some(key) = single(head, "Idempotency-Key")? {
            opening.token = Some(idempotency_key(key)?.to_owned());
        }
        opening.trace = head.headers().get_str("traceparent").and_then(trace_context);
        Ok(opening)
    }

    /// Whether fields of the request come in the query.
    #[must_use]
    pub fn is_in_query(&self) -> bool {
        self.in_query
    }

    /// What the call says besides its messages. One that may change something gets a token of these random bytes unless it has one.
    #[must_use]
    pub fn options(
        &self,
        principal: Principal,
        request_id: &str,
        deadline_ns: u64,
        random: impl FnOnce() -> [u8; 16],
    ) -> CallOptions {
        let token = self.token.clone().unwrap_or_else(|| format!("{:032x}", u128::from_ne_bytes(random())));
        CallOptions {
            principal: Some(principal),
            deadline_ns,
            request_id: request_id.into(),
            trace: self.trace.unwrap_or_default(),
            token: Some(token),
            ..CallOptions::default()
        }
    }

    /// The request, by the schema of whoever the call goes to; `json` holds what comes in no other way, and may be empty.
    ///
    /// # Errors
    /// The answer to what isn't one of this method.
    pub fn message(&self, schema: &ServiceSchema, method: &Method, json: &[u8]) -> Result<Bytes, Refused> {
        let fields: Vec<(&str, &str)> = self.fields.iter().map(|(name, text)| (&**name, &**text)).collect();
        message(schema, method, json, &fields)
    }
}

/// One message of a stream of requests. Where a message is one text, whatever is no JSON object is that text itself.
///
/// # Errors
/// The answer to what isn't one of this method.
pub fn message_of_stream(schema: &ServiceSchema, method: &Method, text: &str) -> Result<Bytes, Refused> {
    match only_text(schema, method.request).filter(|_| !text.trim_start().starts_with('{')) {
        Some(field) => message(schema, method, b"", &[(field, text)]),
        None => message(schema, method, text.as_bytes(), &[]),
    }
}

/// The field of a message that has no other one, and is a string.
fn only_text(schema: &ServiceSchema, of: TypeRef) -> Option<&str> {
    let Some(Type::Struct { fields, .. }) = schema.type_at(of) else { return None };
    let [field] = fields.as_slice() else { return None };
    matches!(schema.type_at(field.of), Some(Type::String)).then_some(&field.name)
}

fn message(
    schema: &ServiceSchema,
    method: &Method,
    json: &[u8],
    fields: &[(&str, &str)],
) -> Result<Bytes, Refused> {
    let mut message = BytesMut::with_capacity(json.len() + 64);
    to_binary(schema, method.request, json, fields, &mut message)
        .map_err(|error| Box::new(untranscodable(&error)))?;
    Ok(message.freeze())
}

/// Checks that a client wants a stream of events. It has to say so: whoever takes anything wouldn't see its end.
///
/// # Errors
/// The answer 406.
pub fn accepts_events(head: &RequestHead) -> Result<(), Refused> {
    let mut accepted = head.headers().list("Accept");
    let is_events = |media: &[u8]| {
        let name = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(EVENTS.as_bytes())
    };
    if accepted.any(is_events) {
        return Ok(());
    }
    Err(refuse(406, "this is a stream of events: send Accept: text/event-stream"))
}

/// The head of a stream of events.
#[must_use]
pub fn events_begin() -> Answer {
    let mut answer = Answer::body_of(crate::http1::Status::OK, EVENTS, b"");
    answer.headers.push(("Cache-Control", "no-store".into()));
    // Proxies that gather what passes (nginx) leave it alone.
    answer.headers.push(("X-Accel-Buffering", "no".into()));
    answer
}

fn place(text: &str) -> Result<u64, Refused> {
    text.parse().map_err(|_| refuse(400, "the last event's id has to be one that an event had"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::ServerConnection;

    fn head(lines: &str) -> RequestHead {
        let mut input = BytesMut::from(format!("GET {lines}\r\nHost: a\r\n\r\n").as_str());
        ServerConnection::new().poll_head(&mut input).expect("HTTP").expect("whole")
    }

    fn opening(lines: &str) -> Result<Opening, u16> {
        Opening::new(&head(lines), Vec::new()).map_err(|answer| answer.status.code())
    }

    #[test]
    fn a_query_has_fields_and_what_belongs_to_the_way() {
        let given =
            opening("/a?ticket=t%201&name=Tux&last_event_id=7&idempotency_key=k HTTP/1.1").expect("in order");
        assert_eq!((given.ticket.as_deref(), given.after, given.is_in_query()), (Some("t 1"), Some(7), true));
        assert_eq!(given.fields, [("name".to_owned(), "Tux".to_owned())]);
        let options = given.options(Principal::Anonymous, "id", 1, || [0; 16]);
        assert_eq!((options.token.as_deref(), &*options.request_id), (Some("k"), "id"));
        assert!(!opening("/a?ticket=t HTTP/1.1").expect("in order").is_in_query());
        let given = opening("/a?last_event_id=7 HTTP/1.1\r\nLast-Event-ID: 9\r\nIdempotency-Key: h")
            .expect("in order");
        assert_eq!((given.after, given.token.as_deref()), (Some(9), Some("h")));
        assert_eq!(opening("/a HTTP/1.1\r\nLast-Event-ID: ").expect("in order").after, None);
        for wrong in ["/a?last_event_id=x HTTP/1.1", "/a HTTP/1.1\r\nLast-Event-ID: -1", "/a?x=%zz HTTP/1.1"]
        {
            assert_eq!(opening(wrong), Err(400), "{wrong}");
        }
    }

    #[test]
    fn events_are_asked_for() {
        for accept in ["text/event-stream", "text/html, Text/Event-Stream;q=0.5"] {
            assert!(accepts_events(&head(&format!("/a HTTP/1.1\r\nAccept: {accept}"))).is_ok(), "{accept}");
        }
        for accept in ["*/*", "application/json", "text/event-streams"] {
            let refused = accepts_events(&head(&format!("/a HTTP/1.1\r\nAccept: {accept}")));
            assert_eq!(refused.expect_err("not asked for").status.code(), 406, "{accept}");
        }
    }
}
