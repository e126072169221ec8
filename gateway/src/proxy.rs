//! From a routed request to its answer: transcode, pick, call, transcode back.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use micronet_transport::clock;
use micronet_transport::identity::random_bytes;
use micronet_transport::retry::may_retry;
use micronet_transport::upstream::{Instance, unavailable};
use micronet_wire::encoding;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::http1::{Method, RequestHead, Status, query_pairs};
use micronet_wire::limits::{DEADLINE_US_DEFAULT, TOKEN_BYTES_MAX};
use micronet_wire::request::TraceContext;
use micronet_wire::schema::{self, Media, ServiceSchema};
use micronet_wire::service::{CallOptions, Caller, Reply};
use micronet_wire::transcode::{TranscodeError, TranscodeErrorKind, to_binary, to_json};

use crate::caller::principal;
use crate::config::Gateway;
use crate::respond::{Answer, code_of, status};
use crate::route::{Found, Parameters, Route, Routes};

/// Why a request can't be made a call: the answer that says so.
type Refused = Box<Answer>;

/// Answers one request.
pub async fn answer(gateway: &Gateway, request_id: &str, head: &RequestHead, body: &[u8]) -> Answer {
    let routes = gateway.routes();
    match routed(gateway, &routes, request_id, head) {
        Ok((route, parameters)) => {
            let request = Request { gateway, request_id, head, body, parameters };
            request.call(route).await.unwrap_or_else(|refused| *refused)
        }
        Err(refused) => *refused,
    }
}

fn routed<'a>(
    gateway: &Gateway,
    routes: &'a Routes,
    request_id: &str,
    head: &'a RequestHead,
) -> Result<(&'a Route, Parameters<'a>), Refused> {
    let refuse = |code: u16, words: &str| {
        Box::new(Answer::error(status(code), request_id, code_of(status(code)), words, b""))
    };
    match routes.find(head.method_name(), head.path()) {
        Found::Route(route, parameters) => Ok((route, parameters)),
        Found::Malformed(_) => Err(refuse(400, "the path's percent-encoding is malformed")),
        Found::OtherMethods(allow) => {
            let mut answer = match head.method() {
                Method::Options => Box::new(Answer::text(status(204), "")),
                _ => refuse(405, &format!("this path allows {allow}")),
            };
            answer.allow = Some(allow);
            Err(answer)
        }
        Found::Nothing => {
            // A service that was never reached may have this path: that is no reason to say that there is none.
            let unreached: Vec<_> = (0..gateway.upstreams.len()).filter(|at| !routes.knows(*at)).collect();
            Err(match unreached[..] {
                [at] => Box::new(Answer::rpc_error(request_id, &gateway.upstreams[at].no_instance())),
                [_, ..] => Box::new(Answer::rpc_error(request_id, &none_reached())),
                [] => {
                    let words = format!("there is nothing at {} {}", head.method_name(), head.path());
                    Box::new(Answer::error(Status::NOT_FOUND, request_id, "ROUTE_NOT_FOUND", &words, b""))
                }
            })
        }
    }
}

/// A parameter of the query, decoded.
type QueryPair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The error while it isn't known which service has a path.
fn none_reached() -> RpcError {
    RpcError::new(Code::Unavailable, "Sorry, the services could not be reached yet")
}

/// A request that has a route.
struct Request<'a> {
    gateway: &'a Gateway,
    request_id: &'a str,
    head: &'a RequestHead,
    body: &'a [u8],
    parameters: Parameters<'a>,
}

/// Why an attempt at an instance failed.
enum Failed {
    /// The request isn't one that this instance's method takes: no other attempt would help.
    Refused(Refused),
    /// The call failed.
    Rpc(RpcError),
}

impl Request<'_> {
    async fn call(&self, route: &Route) -> Result<Answer, Refused> {
        self.check_body()?;
        let query = self.query()?;
        let of_path = self.parameters.iter().map(|(name, text)| (*name, &**text));
        let of_query = query.iter().map(|(name, text)| (&**name, &**text));
        let parameters: Vec<(&str, &str)> = of_path.chain(of_query).collect();
        let options = self.options()?;
        let upstream = &self.gateway.upstreams[route.upstream];
        let attempted = upstream.attempt(
            // What reads may be repeated, and what writes bears a token: the client's, or one of ours.
            |failed| matches!(failed, Failed::Rpc(error) if may_retry(error, true)),
            async |instance| {
                // Each attempt transcodes for the instance that it goes to: instances may serve different schemas.
                let request = self.transcode(instance, route.method, &parameters).map_err(Failed::Refused)?;
                let answer = instance.client.call(route.method, request, options.clone()).await;
                answer.map_err(Failed::Rpc)
            },
        );
        let Some((instance, outcome)) = attempted.await else {
            return Err(Box::new(Answer::rpc_error(self.request_id, &upstream.no_instance())));
        };
        let mut answer = match outcome {
            Ok(reply) => self.shown(instance.schema.schema(), route.method, &reply),
            Err(Failed::Rpc(error)) => self.error(instance.schema.schema(), route.method, &error),
            Err(Failed::Refused(refused)) => return Err(refused),
        };
        answer.instance = Some(instance.name);
        Ok(answer)
    }

    fn is_read(&self) -> bool {
        matches!(self.head.method(), Method::Get | Method::Head)
    }

    /// A body is JSON and says so, and a GET has none.
    fn check_body(&self) -> Result<(), Refused> {
        if self.body.is_empty() {
            return Ok(());
        }
        if self.is_read() {
            return Err(self.refuse(400, "a GET request carries no body"));
        }
        let content_type = self.single("Content-Type")?.unwrap_or(b"");
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or(b"").trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/json") {
            Ok(())
        } else {
            Err(self.refuse(415, "the body has to be JSON: send it with Content-Type: application/json"))
        }
    }

    fn query(&self) -> Result<Vec<QueryPair<'_>>, Refused> {
        query_pairs(self.head.query().unwrap_or(""))
            .collect::<Result<_, _>>()
            .map_err(|_| self.refuse(400, "the query's percent-encoding is malformed"))
    }

    fn options(&self) -> Result<CallOptions, Refused> {
        let headers = self.head.headers();
        let operator_token = self.gateway.identity.operator_token.as_ref();
        let principal = principal(self.single("Authorization")?, operator_token)
            .map_err(|error| Box::new(Answer::rpc_error(self.request_id, &error)))?;
        let token = match self.single("Idempotency-Key")? {
            None if self.is_read() => None,
            // The gateway's own attempts are the only repeats of a write whose client chose no key.
            None => Some(format!("{:032x}", u128::from_ne_bytes(random_bytes()))),
            Some(key) => Some(self.idempotency_key(key)?),
        };
        Ok(CallOptions {
            principal: Some(principal),
            // One deadline for all attempts together.
            deadline_ns: clock::now() + u64::from(DEADLINE_US_DEFAULT) * 1_000,
            request_id: self.request_id.to_owned(),
            trace: headers.get_str("traceparent").and_then(trace_context).unwrap_or_default(),
            token,
            ..CallOptions::default()
        })
    }

    /// A header that decides something: given twice, it could be read in two ways.
    fn single(&self, name: &str) -> Result<Option<&[u8]>, Refused> {
        let mut given = self.head.headers().get_all(name);
        match (given.next(), given.next()) {
            (value, None) => Ok(value),
            _ => Err(self.refuse(400, &format!("{name} is given twice"))),
        }
    }

    fn idempotency_key(&self, key: &[u8]) -> Result<String, Refused> {
        let usable = (1..=TOKEN_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        let words = "Idempotency-Key: 1 to 64 printable ASCII characters without spaces";
        if usable { Ok(String::from_utf8_lossy(key).into_owned()) } else { Err(self.refuse(400, words)) }
    }

    /// The request in the instance's own schema.
    fn transcode(
        &self,
        instance: &Instance,
        method: u32,
        parameters: &[(&str, &str)],
    ) -> Result<Bytes, Refused> {
        let schema = instance.schema.schema();
        let Some(method) = schema.method(method) else {
            return Err(self.refuse(404, "this instance doesn't have the method any more"));
        };
        let mut request = BytesMut::with_capacity(self.body.len() + 64);
        to_binary(schema, method.request, self.body, parameters, &mut request)
            .map_err(|error| self.untranscodable(&error))?;
        Ok(request.freeze())
    }

    fn untranscodable(&self, error: &TranscodeError) -> Refused {
        use TranscodeErrorKind as Kind;
        let code = match error.kind {
            Kind::Malformed | Kind::TooDeep => 400,
            Kind::TooLarge => 413,
            Kind::Undecodable | Kind::Schema => 502,
            _ => return Box::new(Answer::faults(self.request_id, &error.faults)),
        };
        Box::new(Answer::error(status(code), self.request_id, code_of(status(code)), &error.to_string(), b""))
    }

    /// A reply as people see it.
    fn shown(&self, schema: &ServiceSchema, method: u32, reply: &Reply) -> Answer {
        let Some(method) = schema.method(method) else { return *self.broken("the method is gone") };
        if method.media == Media::Text {
            return match encoding::decode::<String>(&reply.body) {
                Ok(text) => Answer::text(status(method.http_status), &text),
                Err(_) => *self.broken("the service's answer is no text"),
            };
        }
        let data = |out: &mut BytesMut| {
            let start = out.len();
            to_json(schema, method.reply, &reply.body, out)?;
            if method.media == Media::Page {
                // Of `{"items":[…],"pagination":{…}}` stays `[…],"pagination":{…}`: what is beside data in the envelope.
                let page = out.split_off(start);
                out.extend_from_slice(&page[br#"{"items":"#.len()..page.len() - 1]);
            }
            Ok::<(), TranscodeError>(())
        };
        Answer::data(status(method.http_status), self.request_id, data)
            .unwrap_or_else(|error| *self.broken(&format!("the service's answer: {error}")))
    }

    /// An error as people see it.
    fn error(&self, schema: &ServiceSchema, method: u32, error: &RpcError) -> Answer {
        match schema.method(method) {
            Some(method) if error.code == Code::Application => self.own_error(schema, method, error),
            _ => {
                let away = link_broke(&schema.name, self.is_read(), error);
                Answer::rpc_error(self.request_id, away.as_ref().unwrap_or(error))
            }
        }
    }

    /// An error of the service's own: its variant gives the status and the code, its fields the details.
    fn own_error(&self, schema: &ServiceSchema, method: &schema::Method, error: &RpcError) -> Answer {
        let mut json = BytesMut::new();
        let shown = schema
            .error_variant(method, &error.detail)
            .zip(method.error)
            .filter(|(_, of)| to_json(schema, *of, &error.detail, &mut json).is_ok());
        let Some((variant, _)) = shown else {
            return *self.broken("the service's error is not of its type");
        };
        // The fields stand within {"Variant":{…}}; a variant without fields is a plain name.
        let details =
            if variant.fields.is_empty() { &b""[..] } else { &json[variant.name.len() + 4..json.len() - 1] };
        let code = match variant.http_status {
            0 => Code::Application.http_status(),
            code => code,
        };
        Answer::error(status(code), self.request_id, &variant.error_code(), &error.message, details)
    }

    fn refuse(&self, code: u16, words: &str) -> Refused {
        Box::new(Answer::error(status(code), self.request_id, code_of(status(code)), words, b""))
    }

    /// The service broke its word. The client hears so, the log hears how.
    fn broken(&self, words: &str) -> Refused {
        tracing::error!(request_id = self.request_id, words, "bad gateway");
        self.refuse(502, "the service's answer can't be shown")
    }
}

/// A link that broke under a call, and no other instance to ask: for the client this is a service that is away, said in the same
/// words. `None` for other errors.
fn link_broke(service: &str, is_read: bool, error: &RpcError) -> Option<RpcError> {
    let away = unavailable(service);
    match error.code {
        Code::Draining => Some(away),
        Code::ConnectionLost | Code::Silent if is_read => Some(away),
        Code::ConnectionLost | Code::Silent => {
            let words = "whether it had done this already is not known; an Idempotency-Key makes it safe to ask again";
            Some(RpcError::new(error.code, format!("{}: {words}", away.message)))
        }
        _ => None,
    }
}

/// The trace context of a `traceparent` header (W3C Trace Context, section 3.2). A malformed one is ignored, as it says.
fn trace_context(header: &str) -> Option<TraceContext> {
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Version 00 has exactly these parts; a later one may have more.
    if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let context =
        TraceContext { trace_id: hex(trace_id)?, span_id: hex(span_id)?, flags: hex::<1>(flags)?[0] };
    (context.trace_id != [0; 16] && context.span_id != [0; 8]).then_some(context)
}

/// Lower-case hexadecimal digits, exactly as many as there are bytes.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}
