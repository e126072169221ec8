//! From a routed request to a call: its fields in the encoding of a schema, and what it says besides.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::accept::accepts;
use super::answer::{Answer, Refused};
use super::request_ids::hex_digits;
use super::routes::Parameters;
use crate::http1::{Method as HttpMethod, RequestHead, query_pairs};
use crate::limits::TOKEN_BYTES_MAX;
use crate::principal::Principal;
use crate::schema::{Media, Method, ServiceSchema};
use crate::service::CallOptions;
use crate::transcode::{TranscodeError, TranscodeErrorKind, to_binary};

/// A request that has a route.
#[derive(Debug)]
pub struct Request<'a> {
    head: &'a RequestHead,
    body: &'a [u8],
    of_path: Parameters<'a>,
    of_query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The idempotency key that its client chose.
    key: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// A request with the fields that its path fills.
    ///
    /// # Errors
    /// The answer to one that has a body that it can't have, or a malformed query, or a header that can't be used.
    pub fn new(head: &'a RequestHead, body: &'a [u8], of_path: Parameters<'a>) -> Result<Self, Refused> {
        let of_query = match head.query() {
            Some(query) => query_pairs(query)
                .collect::<Result<_, _>>()
                .map_err(|_| refuse(400, "the query's percent-encoding is malformed"))?,
            None => Vec::new(),
        };
        let mut request = Self { head, body, of_path, of_query, key: None };
        request.check_body()?;
        request.key = single(head, "Idempotency-Key")?.map(idempotency_key).transpose()?;
        Ok(request)
    }

    /// Whether it only reads: a GET, or a HEAD.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self.head.method(), HttpMethod::Get | HttpMethod::Head)
    }

    /// A parameter of the query.
    #[must_use]
    pub fn of_query(&self, name: &str) -> Option<&str> {
        self.of_query.iter().find(|(given, _)| given == name).map(|(_, text)| &**text)
    }

    /// What the call says besides its message and its trace, on this principal's behalf. A write whose client chose no key gets a token of
    /// these random bytes: only whoever carries the call out may repeat it then. What is safe needs none.
    #[must_use]
    pub fn options(
        &self,
        principal: Principal,
        request_id: &str,
        deadline_ns: u64,
        random: Option<[u8; 16]>,
    ) -> CallOptions {
        let fresh = || random.filter(|_| !self.is_read()).map(token);
        CallOptions {
            principal: Some(principal),
            deadline_ns,
            request_id: request_id.into(),
            token: self.key.map(str::to_owned).or_else(fresh),
            ..CallOptions::default()
        }
    }

    /// The message, by the schema of whoever the call goes to.
    ///
    /// # Errors
    /// The answer to a request that isn't one of this method, or whose client takes no answer of the method's media type.
    pub fn message(&self, schema: &ServiceSchema, method: &Method) -> Result<Bytes, Refused> {
        let media_type = if method.media == Media::Text { "text/plain" } else { "application/json" };
        if !accepts(self.head.headers().get_all("Accept"), media_type) {
            return Err(refuse(406, &format!("the answer is {media_type}, which Accept excludes")));
        }
        let of_path = self.of_path.iter().map(|(name, text)| (*name, &**text));
        let of_query = self.of_query.iter().map(|(name, text)| (&**name, &**text));
        let parameters: Vec<(&str, &str)> = of_path.chain(of_query).collect();
        let mut message = BytesMut::with_capacity(self.body.len() + 64);
        to_binary(schema, method.request, self.body, &parameters, &mut message)
            .map_err(|error| Box::new(untranscodable(&error)))?;
        Ok(message.freeze())
    }

    /// A body is JSON and says so, and a GET has none.
    fn check_body(&self) -> Result<(), Refused> {
        if self.body.is_empty() {
            return Ok(());
        }
        if self.is_read() {
            return Err(refuse(400, "a GET request carries no body"));
        }
        let content_type = single(self.head, "Content-Type")?.unwrap_or(b"");
        if content_type == b"application/json" {
            return Ok(());
        }
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or(b"").trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/json") {
            Ok(())
        } else {
            Err(refuse(415, "the body has to be JSON: send it with Content-Type: application/json"))
        }
    }
}

/// A token of random bytes, in hexadecimal digits.
fn token(random: [u8; 16]) -> String {
    let mut digits = [[0; 8]; 4];
    for (eight, four) in digits.iter_mut().zip(random.as_chunks::<4>().0) {
        *eight = hex_digits(u32::from_be_bytes(*four).into());
    }
    std::str::from_utf8(digits.as_flattened()).unwrap_or_default().to_owned()
}

/// A header that decides something: given twice, it could be read in two ways.
pub(super) fn single<'a>(head: &'a RequestHead, name: &str) -> Result<Option<&'a [u8]>, Refused> {
    let mut given = head.headers().get_all(name);
    match (given.next(), given.next()) {
        (value, None) => Ok(value),
        _ => Err(refuse(400, &format!("{name} is given twice"))),
    }
}

pub(super) fn idempotency_key(key: &[u8]) -> Result<&str, Refused> {
    let usable = (1..=TOKEN_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let words = "Idempotency-Key: 1 to 64 printable ASCII characters without spaces";
    std::str::from_utf8(key).ok().filter(|_| usable).ok_or_else(|| refuse(400, words))
}

pub(super) fn refuse(code: u16, words: &str) -> Refused {
    Box::new(Answer::refusal(code, words))
}

/// The answer to a request that can't be made the method's message.
#[must_use]
pub fn untranscodable(error: &TranscodeError) -> Answer {
    use TranscodeErrorKind as Kind;
    let code = match error.kind {
        Kind::Malformed | Kind::TooDeep => 400,
        Kind::TooLarge => 413,
        Kind::Undecodable | Kind::Schema => 502,
        _ => return Answer::faults(&error.faults),
    };
    Answer::refusal(code, &error.to_string())
}
