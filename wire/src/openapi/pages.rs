//! What HTTP answers besides the methods of services: the pages by which a process is operated, this description itself, and what
//! became of a write.

use super::operation::in_short;
use super::responses::{self, envelope, general_reference, response_of};
use super::tree::{Node, Object, object, texts};
use super::types::typed;
use crate::limits::TOKEN_BYTES_MAX;
use crate::rest::OUTCOME_TEMPLATE;

/// The tag of these operations.
pub(super) const TAG: &str = "operation";

/// A page that is no method of a service: it is read, by anybody, and is shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Where it is.
    pub path: &'static str,
    /// Its name in the description.
    pub id: &'static str,
    /// What it shows.
    pub doc: &'static str,
    /// What its body is.
    pub content_type: &'static str,
    /// The JSON Schema of its body; empty for text.
    pub schema: &'static str,
    /// Whether it is shown with the status 503 too.
    pub may_be_unavailable: bool,
}

const fn json(path: &'static str, id: &'static str, doc: &'static str, schema: &'static str) -> Page {
    Page { path, id, doc, content_type: "application/json", schema, may_be_unavailable: false }
}

const fn text(path: &'static str, id: &'static str, doc: &'static str, content_type: &'static str) -> Page {
    Page { path, id, doc, content_type, schema: "", may_be_unavailable: false }
}

/// How the pages look that say in one word how a process is.
macro_rules! status_schema {
    ($words:literal, $more:literal) => {
        concat!(
            r#"{ "type": "object", "required": ["status", "timestamp", "version", "service", "instance""#,
            $more,
            r#"], "properties": { "status": { "type": "string", "enum": ["#,
            $words,
            r#"] }, "timestamp": { "type": "string", "format": "date-time" }, "version": { "type": "string" }, "service": { "type": "string" },
            "instance": { "type": "string" }, "reason": { "type": "string" }, "checks": { "type": "object", "required": ["database", "redis",
            "message_queue", "external_apis"], "additionalProperties": { "type": "object", "required": ["status"], "properties": {
            "status": { "type": "string", "enum": ["healthy", "unhealthy", "not configured"] }, "reason": { "type": "string" },
            "latency_ms": { "type": "number", "minimum": 0 } } } } } }"#
        )
    };
}

/// The pages of every process that speaks HTTP.
const PAGES: [Page; 6] = [
    Page {
        may_be_unavailable: true,
        ..json(
            "/health",
            "operation.health",
            "Whether the process and its parts are well. Parts that it doesn't have say so, and don't count.",
            status_schema!(r#""healthy", "unhealthy""#, r#", "checks""#),
        )
    },
    Page {
        may_be_unavailable: true,
        ..json(
            "/ready",
            "operation.ready",
            "Whether the process wants requests.",
            status_schema!(r#""ready", "not_ready""#, ""),
        )
    },
    json("/alive", "operation.alive", "Whether the process runs.", status_schema!(r#""alive""#, "")),
    text("/metrics", "operation.metrics", "What the process has counted, for Prometheus.", "text/plain"),
    json(
        "/openapi.json",
        "operation.openapi",
        "This description.",
        r#"{ "type": "object", "required": ["openapi", "info", "paths"] }"#,
    ),
    text("/docs", "operation.docs", "The same as a page, on which it can be tried.", "text/html"),
];

/// The pages of a document as path items, those that every process has and these. `write` is a method that tokens are for, as an
/// example.
pub(super) fn paths(further: &[Page], write: &str) -> impl Iterator<Item = (&'static str, Object)> {
    let pages: Vec<Page> = PAGES.iter().chain(further).copied().collect();
    let outcome = (OUTCOME_TEMPLATE, object([("post", outcome(write).into())]));
    pages.into_iter().map(|page| (page.path, object([("get", page.describe().into())]))).chain([outcome])
}

impl Page {
    fn describe(&self) -> Object {
        let schema = match self.schema {
            "" => Node::from(typed("string")),
            schema => Node::Verbatim(schema.to_owned()),
        };
        let shown = |words: &str| response_of(words, self.content_type, schema.clone());
        let mut responses = object([("200", shown("It is shown.").into())]);
        if self.may_be_unavailable {
            responses.put("503", shown("It is shown, and isn't good."));
        }
        described(self.id, self.doc).with("responses", responses).with("x-page", true)
    }
}

/// What became of a write (SPEC.md 14.4).
fn outcome(write: &str) -> Object {
    let words = "What became of a write with this Idempotency-Key. One that is said to be never started never will be.";
    let parameter = |name: &str, place: &str, words: &str, schema: Object| -> Node {
        let parts = [("name", name.into()), ("in", place.into()), ("description", words.into())];
        object(parts).with("required", place == "path").with("schema", schema).into()
    };
    let token = typed("string")
        .with("minLength", Node::Unsigned(1))
        .with("maxLength", Node::Unsigned(TOKEN_BYTES_MAX as u64))
        .with("pattern", "^[!-~]+$");
    let method = typed("string")
        .with("pattern", "^[A-Za-z_][A-Za-z0-9_]*\\.[A-Za-z_][A-Za-z0-9_]*$")
        .with("examples", texts([write]));
    let parameters: Vec<Node> = vec![
        parameter("method", "path", "The method that was called.", method),
        parameter("token", "path", "The key that it was called with.", token),
        parameter(
            "principal",
            "query",
            "Whose write it is, for the operator; without it the asker's own.",
            typed("string").with("pattern", "^(anonymous|operator|service/[!-~]+|user/[!-~]+)$"),
        ),
    ];
    let states = texts(["never_started", "running", "done", "failed"]);
    let data = typed("object")
        .with(
            "properties",
            object([
                ("outcome", typed("string").with("enum", states).into()),
                (
                    "reply",
                    object([("description", "The data of its answer, where it is done.".into())]).into(),
                ),
                ("error", typed("object").with("description", "Its error, where it has failed.").into()),
            ]),
        )
        .with("required", texts(["outcome"]));
    let properties = object([
        ("success", object([("const", true.into())]).into()),
        ("data", data.into()),
        ("meta", super::types::reference("Meta").into()),
    ]);
    let answered = response_of("It is told.", "application/json", envelope(properties).into());
    let mut responses = object([("200", answered.into())]);
    for (status, name) in responses::GENERAL.iter().map(|general| (general.0, general.1)) {
        if !matches!(status, 409 | 413 | 415) {
            responses.put(status.to_string(), general_reference(name));
        }
    }
    responses.put("404", general_reference("NotFound"));
    described("operation.outcome", words).with("parameters", parameters).with("responses", responses)
}

fn described(id: &str, doc: &str) -> Object {
    let (summary, description) = in_short(doc);
    object([("tags", texts([TAG])), ("summary", summary.into())])
        .with_text("description", description)
        .with("operationId", id)
}
