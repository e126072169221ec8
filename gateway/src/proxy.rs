//! From a routed request to its answer: transcode, pick, call, transcode back.

use std::borrow::Cow;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use micronet_transport::identity::random_bytes;
use micronet_transport::upstream::Instance;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::http1::{Method, RequestHead, query_pairs};
use micronet_wire::limits::TOKEN_BYTES_MAX;
use micronet_wire::request::TraceContext;
use micronet_wire::schema::{self, Media, ServiceSchema, Type};
use micronet_wire::service::{CallOptions, Caller, Reply};
use micronet_wire::transcode::{TranscodeError, TranscodeErrorKind, to_binary, to_json};

use crate::caller::principal;
use crate::config::Gateway;
use crate::respond::{Answer, code_of, status};
use crate::route::{Found, Route, Routes};

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

/// A route, and the fields that path and query fill.
type Routed<'a> = (&'a Route, Vec<(&'a str, Cow<'a, str>)>);

fn routed<'a>(
    gateway: &Gateway,
    routes: &'a Routes,
    request_id: &str,
    head: &'a RequestHead,
) -> Result<Routed<'a>, Refused> {
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
            let unreached = (0..gateway.upstreams.len()).find(|at| !routes.knows(*at));
            Err(match unreached {
                Some(at) => Box::new(Answer::rpc_error(request_id, &gateway.upstreams[at].unavailable())),
                None => refuse(404, &format!("there is nothing at {} {}", head.method_name(), head.path())),
            })
        }
    }
}

/// A request that has a route.
struct Request<'a> {
    gateway: &'a Gateway,
    request_id: &'a str,
    head: &'a RequestHead,
    body: &'a [u8],
    parameters: Vec<(&'a str, Cow<'a, str>)>,
}

/// What an instance made of a call, with the schema that its bytes are in.
struct Called {
    schema: Rc<schema::EncodedSchema>,
    result: Result<Reply, RpcError>,
}

impl Request<'_> {
    async fn call(&self, route: &Route) -> Result<Answer, Refused> {
        let upstream = &self.gateway.upstreams[route.upstream];
        self.check_body()?;
        let query = self.query()?;
        let parameters: Vec<(&str, &str)> =
            self.parameters.iter().map(|(name, text)| (*name, &**text)).chain(query_refs(&query)).collect();
        let mut options = self.options()?;
        let mut refused = None;
        let mut schema = None;
        // Each attempt transcodes for the instance that it goes to: instances may serve different schemas.
        let attempted =
            upstream.attempt(options.token.is_some() || self.is_read(), async |instance: &Instance| {
                schema = Some(Rc::clone(&instance.schema));
                match self.transcode(instance, route.method, &parameters) {
                    Ok((request, idempotent)) => {
                        if !idempotent && options.token.is_none() {
                            // The gateway's own attempts are the only repeats of a write whose client chose no token.
                            options.token = Some(format!("{:032x}", u128::from_ne_bytes(random_bytes())));
                        }
                        instance.client.call(route.method, request, options.clone()).await
                    }
                    Err(answer) => {
                        refused = Some(answer);
                        Err(RpcError::new(Code::InvalidInput, ""))
                    }
                }
            });
        let attempted = attempted.await;
        if let Some(refused) = refused {
            return Err(refused);
        }
        let mut answer = match schema {
            Some(schema) => self.shown(route.method, &Called { schema, result: attempted.outcome }),
            None => match attempted.outcome {
                Ok(_) => return Err(self.broken("an answer from nowhere")),
                Err(error) => Answer::rpc_error(self.request_id, &error),
            },
        };
        answer.instance = attempted.instance;
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
        let content_type = self.head.headers().get("Content-Type").unwrap_or(b"");
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or(b"").trim_ascii();
        if essence.eq_ignore_ascii_case(b"application/json") {
            Ok(())
        } else {
            Err(self.refuse(415, "the body has to be JSON: send it with Content-Type: application/json"))
        }
    }

    fn query(&self) -> Result<Vec<(Cow<'_, str>, Cow<'_, str>)>, Refused> {
        query_pairs(self.head.query().unwrap_or(""))
            .collect::<Result<_, _>>()
            .map_err(|_| self.refuse(400, "the query's percent-encoding is malformed"))
    }

    fn options(&self) -> Result<CallOptions, Refused> {
        let headers = self.head.headers();
        let operator_token = self.gateway.identity.operator_token.as_ref();
        let principal = principal(headers.get("Authorization"), operator_token)
            .map_err(|error| Box::new(Answer::rpc_error(self.request_id, &error)))?;
        let token = match headers.get_str("Idempotency-Key") {
            None if headers.get("Idempotency-Key").is_none() => None,
            Some(key)
                if !key.is_empty()
                    && key.len() <= TOKEN_BYTES_MAX
                    && key.bytes().all(|b| b.is_ascii_graphic()) =>
            {
                Some(key.to_owned())
            }
            _ => {
                return Err(
                    self.refuse(400, "Idempotency-Key: 1 to 64 printable ASCII characters without spaces")
                );
            }
        };
        Ok(CallOptions {
            principal: Some(principal),
            request_id: self.request_id.to_owned(),
            trace: headers.get_str("traceparent").and_then(trace_context).unwrap_or_default(),
            token,
            ..CallOptions::default()
        })
    }

    /// The request in the instance's own schema, and whether the method is idempotent.
    fn transcode(
        &self,
        instance: &Instance,
        method: u32,
        parameters: &[(&str, &str)],
    ) -> Result<(Bytes, bool), Refused> {
        let schema = instance.schema.schema();
        let Some(method) = schema.method(method) else {
            return Err(self.refuse(404, "this instance doesn't have the method any more"));
        };
        let mut request = BytesMut::with_capacity(self.body.len() + 64);
        to_binary(schema, method.request, self.body, parameters, &mut request)
            .map_err(|error| self.untranscodable(&error))?;
        Ok((request.freeze(), method.idempotent))
    }

    fn untranscodable(&self, error: &TranscodeError) -> Refused {
        use TranscodeErrorKind as Kind;
        let code = match error.kind {
            Kind::Malformed | Kind::TooDeep => 400,
            Kind::Type | Kind::Range | Kind::Missing | Kind::Unknown | Kind::Duplicate => 422,
            Kind::TooLarge => 413,
            Kind::Undecodable | Kind::Schema => 502,
        };
        let name = match error.kind {
            Kind::Missing => "MISSING_REQUIRED_FIELD",
            _ => code_of(status(code)),
        };
        let mut details = BytesMut::new();
        if !error.path.is_empty() {
            details.extend_from_slice(br#"{"field":"#);
            micronet_wire::json::put_string(&mut details, &error.path);
            details.extend_from_slice(b"}");
        }
        Box::new(Answer::error(status(code), self.request_id, name, &error.to_string(), &details))
    }

    /// A call's result as people see it.
    fn shown(&self, method: u32, called: &Called) -> Answer {
        let schema = called.schema.schema();
        let Some(method) = schema.method(method) else { return *self.broken("the method is gone") };
        match &called.result {
            Ok(reply) if method.media == Media::Text => {
                match micronet_wire::encoding::decode::<String>(&reply.body) {
                    Ok(text) => Answer::text(status(method.http_status), &text),
                    Err(_) => *self.broken("the service's answer is no text"),
                }
            }
            Ok(reply) => Answer::data(status(method.http_status), self.request_id, |out| {
                to_json(schema, method.reply, &reply.body, out)
            })
            .unwrap_or_else(|error| *self.broken(&format!("the service's answer: {error}"))),
            Err(error) if error.code == Code::Application => self.own_error(schema, method, error),
            Err(error) => Answer::rpc_error(self.request_id, error),
        }
    }

    /// An error of the service's own: its variant gives the status and the code, its fields the details.
    fn own_error(&self, schema: &ServiceSchema, method: &schema::Method, error: &RpcError) -> Answer {
        let Some(of) = method.error else { return Answer::rpc_error(self.request_id, error) };
        let variants = match schema.type_at(of) {
            Some(Type::Enum { variants, .. }) => variants,
            _ => return *self.broken("the service's error is no enum"),
        };
        let mut json = BytesMut::new();
        let shown = micronet_wire::transcode::variant_index(&error.detail)
            .and_then(|index| variants.get(index))
            .filter(|_| to_json(schema, of, &error.detail, &mut json).is_ok());
        let Some(variant) = shown else { return *self.broken("the service's error is not of its type") };
        // The fields stand within {"Variant":{…}}; a variant without fields is a plain name.
        let details =
            if variant.fields.is_empty() { &b""[..] } else { &json[variant.name.len() + 4..json.len() - 1] };
        let code = match variant.http_status {
            0 => Code::Application.http_status(),
            code => code,
        };
        Answer::error(status(code), self.request_id, &screaming(&variant.name), &error.message, details)
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

fn query_refs<'a>(query: &'a [(Cow<'_, str>, Cow<'_, str>)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    query.iter().map(|(name, value)| (&**name, &**value))
}

/// A variant's name as an error code: `OutOfStock` becomes `OUT_OF_STOCK`.
fn screaming(name: &str) -> String {
    let mut code = String::with_capacity(name.len() + 4);
    for (at, character) in name.char_indices() {
        if at > 0 && character.is_ascii_uppercase() {
            code.push('_');
        }
        code.push(character.to_ascii_uppercase());
    }
    code
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
