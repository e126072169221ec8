//! Answers: the envelope around a reply, the errors of a service's own, and those that every method can have.

use std::collections::BTreeMap;

use super::tree::{Node, Object, object, texts};
use super::types::{Components, Types, reference, typed};
use crate::error::Code;
use crate::faults::FaultCode;
use crate::limits::FAULTS_MAX;
use crate::schema::{Access, Media, Method, ServiceSchema, Type};

/// An error that doesn't depend on the method: status, name in the document, code, words.
type General = (u16, &'static str, &'static str, &'static str);

/// The component of an error.
const ERROR: &str = "Error";
/// The component of the error that lists what is wrong with a request.
const FAULTS: &str = "Faults";

/// The errors that methods have, by what they are and who calls them.
pub(super) const GENERAL: [General; 16] = [
    (
        400,
        "BadRequest",
        "BAD_REQUEST",
        "The request is malformed: its path, its query, its JSON or a header.",
    ),
    (401, "Unauthenticated", "UNAUTHENTICATED", "No credential was given, or one that isn't known any more."),
    (
        403,
        "Forbidden",
        "INSUFFICIENT_PERMISSIONS",
        "The credential lacks the permission; or a page of another origin asks for a write (CROSS_ORIGIN_REFUSED).",
    ),
    (406, "NotAcceptable", "NOT_ACCEPTABLE", "The answer is of a media type that Accept excludes."),
    (
        409,
        "TokenConflict",
        "TOKEN_WITHDRAWN",
        "Somebody has asked what became of the Idempotency-Key before it came.",
    ),
    (
        412,
        "PreconditionFailed",
        "PRECONDITION_FAILED",
        "If-Match or If-None-Match stand before a write: nothing here has a strong entity tag.",
    ),
    (413, "BodyTooLarge", "BODY_TOO_LARGE", "The body is too long."),
    (414, "UriTooLong", "URI_TOO_LONG", "The path and the query are too long."),
    (415, "UnsupportedMediaType", "UNSUPPORTED_MEDIA_TYPE", "The body doesn't say that it is JSON."),
    (
        422,
        "InvalidInput",
        "INVALID_INPUT",
        "A field is missing, unknown, of another type or out of its range; or the Idempotency-Key was used with another request (TOKEN_REUSED).",
    ),
    (429, "TooManyRequests", "RATE_LIMIT_EXCEEDED", "Too many requests came: wait as Retry-After says."),
    (431, "HeadersTooLarge", "HEADERS_TOO_LARGE", "The headers are too long, or too many."),
    (500, "InternalError", "INTERNAL", "The service failed in a way that is its own mistake."),
    (502, "BadGateway", "BAD_GATEWAY", "The service's answer can't be shown."),
    (
        503,
        "Unavailable",
        "SERVICE_UNAVAILABLE",
        "The service can't be reached or has too much to do: try again later.",
    ),
    (504, "DeadlineExceeded", "DEADLINE_EXCEEDED", "The service took too long."),
];

/// The error of streams alone.
const NOT_HERE: General = (
    501,
    "NotImplemented",
    "NOT_IMPLEMENTED",
    "The port of a service carries no streams over HTTP: the gateway does.",
);

/// Errors of no method: of paths, of verbs, and of HTTP itself.
const OF_HTTP: [General; 4] = [
    (404, "NotFound", "ROUTE_NOT_FOUND", "There is nothing at this path."),
    (405, "MethodNotAllowed", "METHOD_NOT_ALLOWED", "This path has other methods: Allow names them."),
    (408, "RequestTimeout", "REQUEST_TIMEOUT", "The request didn't come in time."),
    (417, "ExpectationFailed", "EXPECTATION_FAILED", "The request expects what isn't known here."),
];

/// The responses object of a method.
pub(super) fn of(
    schema: &ServiceSchema,
    types: &Types<'_>,
    method: &Method,
    label: &str,
    verb: &str,
    components: &mut Components,
) -> Object {
    let (is_read, has_body) = (verb == "GET", has_body(verb));
    let mut responses: BTreeMap<u16, Object> = BTreeMap::new();
    let mut own = own_errors(schema, types, method, label, components);
    for general in &GENERAL {
        let applies = match general.0 {
            403 => method.access != Access::Public || !is_read,
            412 => !is_read,
            409 => !method.is_idempotent(),
            413 | 415 => has_body,
            _ => true,
        };
        if !applies {
            continue;
        }
        let response = match own.remove(&general.0) {
            None => general_reference(general.1),
            Some(mut own) => {
                own.references.push(reference(component_of(general.0)).into());
                own.words.push(general.3.to_owned());
                own.response()
            }
        };
        responses.insert(general.0, response);
    }
    if method.is_stream() {
        responses.insert(501, general_reference(NOT_HERE.1));
    }
    responses.extend(own.into_iter().map(|(status, own)| (status, own.response())));
    let mut well = success(types, method, components);
    if is_read {
        if let Some(Node::Object(headers)) = well.get_mut("headers") {
            headers.put("ETag", header_reference("EntityTag"));
        }
        responses.insert(304, general_reference("NotModified"));
    }
    responses.insert(method.http_status, well);
    responses.into_iter().map(|(status, response)| (status.to_string(), response)).collect()
}

/// Whether fields that the path doesn't fill come in a body, and not in the query.
pub(super) fn has_body(verb: &str) -> bool {
    matches!(verb, "POST" | "PUT" | "PATCH")
}

/// The component of the general error of this status.
fn component_of(status: u16) -> &'static str {
    if status == 422 { FAULTS } else { ERROR }
}

/// The errors of a service's own that have one status.
#[derive(Default)]
struct OwnErrors {
    words: Vec<String>,
    references: Vec<Node>,
}

impl OwnErrors {
    fn response(mut self) -> Object {
        let schema = match self.references.len() {
            1 => self.references.remove(0),
            _ => object([("anyOf", self.references.into())]).into(),
        };
        response_of(&self.words.join("\n\n"), "application/json", schema)
    }
}

/// The errors of a service's own, by their status. Each is a component, and so are their answers.
fn own_errors(
    schema: &ServiceSchema,
    types: &Types<'_>,
    method: &Method,
    label: &str,
    components: &mut Components,
) -> BTreeMap<u16, OwnErrors> {
    let mut by_status: BTreeMap<u16, OwnErrors> = BTreeMap::new();
    let described = method.error.and_then(|at| Some((at, schema.type_at(at)?)));
    let Some((at, Type::Enum { name, variants, .. })) = described else { return by_status };
    for variant in variants.iter().filter(|variant| method.may_fail_with(variant)) {
        let status =
            if variant.http_status == 0 { Code::Application.http_status() } else { variant.http_status };
        let code = variant.error_code();
        let component = format!("{label}.{name}.{}", variant.name);
        if !components.contains_key(&component) {
            let details = types.structure(at, "", variant.fields.iter(), components);
            let error = envelope_of_error(object([("const", code.as_str().into())]), details);
            components.insert(component.clone(), error.with_text("description", &variant.doc));
        }
        let own = by_status.entry(status).or_default();
        own.words.push(format!("`{code}`: {}", variant.doc).trim_end_matches([':', ' ']).to_owned());
        own.references.push(reference(&component).into());
    }
    by_status
}

/// The answer to a call that went well.
fn success(types: &Types<'_>, method: &Method, components: &mut Components) -> Object {
    let words = match method.http_status {
        201 => "It was made.",
        202 => "It was accepted.",
        _ => "It went well.",
    };
    if method.http_status == 204 {
        return object([("description", words.into()), ("headers", header_references().into())]);
    }
    if method.is_stream() {
        let events = typed("string").with("x-event-data", types.schema_of(method.reply, components));
        return response_of("Events, for as long as somebody listens.", "text/event-stream", events.into());
    }
    if method.media == Media::Text {
        return response_of(words, "text/plain", typed("string").into());
    }
    if method.media == Media::Bare {
        return response_of(words, "application/json", types.schema_of(method.reply, components).into());
    }
    let mut properties = object([("success", object([("const", true.into())]).into())]);
    if method.media == Media::Page {
        for (name, schema) in types.page(method.reply, components) {
            properties.put(if name == "items" { "data" } else { &name }, schema);
        }
    } else {
        properties.put("data", types.schema_of(method.reply, components));
    }
    properties.put("meta", reference("Meta"));
    response_of(words, "application/json", envelope(properties).into())
}

/// A response with a body.
pub(super) fn response_of(words: &str, media: &str, schema: Node) -> Object {
    let content = object([(media, object([("schema", schema)]).into())]);
    object([
        ("description", words.into()),
        ("headers", header_references().into()),
        ("content", content.into()),
    ])
}

/// A reference to a response of the components.
pub(super) fn general_reference(name: &str) -> Object {
    object([("$ref", format!("#/components/responses/{name}").into())])
}

/// The responses that don't depend on a method.
pub(super) fn general() -> Object {
    let describe = |&(status, name, code, words): &General| {
        let meta = r#"{ "timestamp": "2026-01-31T12:00:00.000000Z", "version": "v1", "request_id": "6f1d0c2a-0000002a" }"#;
        let example = format!(
            r#"{{ "success": false, "error": {{ "code": "{code}", "message": "{words}", "details": {{}} }}, "meta": {meta} }}"#
        );
        let media = object([
            ("schema", reference(component_of(status)).into()),
            ("example", Node::Verbatim(example)),
        ]);
        let mut headers = header_references();
        if matches!(status, 429 | 503) {
            headers.put("Retry-After", header_reference("RetryAfter"));
        }
        if status == 401 {
            headers.put("WWW-Authenticate", header_reference("Authenticate"));
        }
        if status == 405 {
            headers.put("Allow", header_reference("Allow"));
        }
        let described = object([
            ("description", words.into()),
            ("headers", headers.into()),
            ("content", object([("application/json", media.into())]).into()),
        ]);
        (name, described)
    };
    let unchanged = object([
        ("description", "What If-None-Match names is still what there is.".into()),
        ("headers", header_references().with("ETag", header_reference("EntityTag")).into()),
    ]);
    let of_errors: Object = GENERAL.iter().chain(&OF_HTTP).chain([&NOT_HERE]).map(describe).collect();
    of_errors.with("NotModified", unchanged)
}

/// The headers that answers have.
pub(super) fn headers() -> Object {
    let header = |words: &str, schema: Object| -> Node {
        object([("description", words.into()), ("schema", schema.into())]).into()
    };
    object([
        (
            "RequestId",
            header("The request's id: the client's own X-Request-ID, or a fresh one.", typed("string")),
        ),
        ("ApiVersion", header("The version of the HTTP interface.", typed("string"))),
        ("Instance", header("The instance that answered.", typed("string"))),
        ("RetryAfter", header("Seconds to wait before asking again.", typed("integer"))),
        ("EntityTag", header("Names the answer, for If-None-Match.", typed("string"))),
        ("Allow", header("The methods of the path.", typed("string"))),
        ("Authenticate", header("The kind of credential that is wanted.", typed("string"))),
    ])
}

fn header_references() -> Object {
    object([
        ("X-Request-ID", header_reference("RequestId")),
        ("X-API-Version", header_reference("ApiVersion")),
        ("X-Micronet-Instance", header_reference("Instance")),
    ])
}

fn header_reference(name: &str) -> Node {
    object([("$ref", format!("#/components/headers/{name}").into())]).into()
}

/// Adds the components that every document has: `Error`, `Faults` and `Meta`. No service's name is in theirs.
pub(super) fn add_general(components: &mut Components) {
    let code = typed("string").with("pattern", "^[A-Z_]+$");
    let error = envelope_of_error(code, typed("object"))
        .with("description", "Something went wrong: `code` says what.");
    components.insert(ERROR.into(), error);
    let code = typed("string").with("pattern", "^[A-Z_]+$");
    let words = "Something is wrong with the request: `faults` lists all of it, where it is about fields.";
    components.insert(FAULTS.into(), envelope_of_error(code, faults()).with("description", words));
    let version = typed("string").with("description", "The version of the HTTP interface.");
    let properties = object([
        ("timestamp", typed("string").with("format", "date-time").into()),
        ("version", version.into()),
        ("request_id", typed("string").with("description", "As in X-Request-ID.").into()),
    ]);
    let meta = typed("object")
        .with("properties", properties)
        .with("required", texts(["timestamp", "version", "request_id"]));
    components.insert("Meta".into(), meta.with("description", "About the answer."));
}

/// The details of a request that is wrong.
fn faults() -> Object {
    let codes: Vec<_> = FaultCode::ALL.iter().map(|code| code.name()).collect();
    let words = format!("What is wrong with it: one of {}, or a newer one.", codes.join(", "));
    let field = "The field, as `items[3].quantity`; empty for the whole request.";
    let properties = object([
        ("field", typed("string").with("description", field).into()),
        ("code", typed("string").with("description", words).into()),
        ("message", typed("string").with("description", "For people.").into()),
    ]);
    let fault =
        typed("object").with("properties", properties).with("required", texts(["field", "code", "message"]));
    let faults = typed("array").with("items", fault).with("maxItems", Node::Unsigned(FAULTS_MAX as u64));
    typed("object").with("properties", object([("faults", faults.into())]))
}

fn envelope_of_error(code: Object, details: Object) -> Object {
    let error = object([
        ("code", code.into()),
        ("message", typed("string").with("description", "For people.").into()),
        ("details", details.into()),
    ]);
    let error =
        typed("object").with("properties", error).with("required", texts(["code", "message", "details"]));
    envelope(object([
        ("success", object([("const", false.into())]).into()),
        ("error", error.into()),
        ("meta", reference("Meta").into()),
    ]))
}

/// An object of which all members are required.
pub(super) fn envelope(properties: Object) -> Object {
    let required = properties.names().collect::<Vec<_>>();
    let required = texts(required);
    typed("object").with("properties", properties).with("required", required)
}
