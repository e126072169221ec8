//! The pages of a service's own port that tell of the service rather than of its process: its schema, its numbers and its connections;
//! and what is said to whoever looks for something that isn't there. Programs get JSON, browsers HTML without scripts or styles.

mod html;

use std::rc::Rc;

use bytes::BytesMut;
use micronet_wire::http1::{Method, RequestHead, Status, query_pairs};
use micronet_wire::json::{Object, put_list, put_string};
use micronet_wire::openapi;
use micronet_wire::principal::Principal;
use micronet_wire::rest::{Answer, other_methods, prefers_html};
use micronet_wire::schema::{EncodedSchema, HttpBinding, ServiceSchema};

use super::Port;
use super::connections::Seen;
use crate::bearers::Asker;

/// The pages, as the description has them.
pub(super) const PAGES: &[openapi::Page] = &[
    page(
        "/schema",
        "service.schema",
        "The service's methods and types, and the fingerprint by which the schema is known. `?format=binary` is the schema as it travels.",
        r#"{ "type": "object", "required": ["service", "fingerprint", "methods", "types"] }"#,
    ),
    page(
        "/stats",
        "service.stats",
        "What the instance has done and has at work: calls and requests with their latencies, the limiter, connections.",
        r#"{ "type": "object", "required": ["service", "instance", "calls_in_flight", "limiter", "connections", "calls", "requests"] }"#,
    ),
    page(
        "/connections",
        "service.connections",
        "Who is connected. Others than the one who asks are shown to the operator and to services of the cluster.",
        r#"{ "type": "object", "required": ["you_are", "you"] }"#,
    ),
];

/// The pages of every process, and what each is for.
const OF_EVERY_PROCESS: [(&str, &str); 6] = [
    ("/health", "Whether the process and its parts are well."),
    ("/ready", "Whether the process wants requests."),
    ("/alive", "Whether the process runs."),
    ("/metrics", "What the process has counted, for Prometheus."),
    ("/openapi.json", "The description of the methods that HTTP reaches."),
    ("/docs", "The same as a page, on which it can be tried."),
];

const fn page(
    path: &'static str,
    id: &'static str,
    doc: &'static str,
    schema: &'static str,
) -> openapi::Page {
    openapi::Page { path, id, doc, content_type: "application/json", schema, may_be_unavailable: false }
}

/// A port as it is seen over one HTTP connection.
pub(super) struct View {
    pub(super) port: Port,
    pub(super) seen: Rc<Seen>,
    /// Who asks without a token.
    pub(super) peer: Principal,
}

/// The form of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    /// As it travels.
    Binary,
}

impl View {
    /// The page at a path; `None` where there is none.
    pub(super) async fn page(&self, head: &RequestHead) -> Option<Answer> {
        let page = PAGES.iter().find(|page| page.path == head.path())?;
        if !matches!(head.method(), Method::Get | Method::Head) {
            return Some(*other_methods(head.method(), &["GET"]));
        }
        let form = match form(head) {
            Some(Form::Binary) if page.path != "/schema" => None,
            form => form,
        };
        let Some(form) = form else {
            return Some(Answer::refusal(400, "format is json or html, and for /schema also binary"));
        };
        let mut json = BytesMut::new();
        match page.path {
            "/schema" if form == Form::Binary => {
                let schema = self.port.entry.service().schema().encoded();
                return Some(Answer::body_of(Status::OK, "application/octet-stream", schema));
            }
            "/schema" => self.port.entry.service().schema().put_json(&mut json),
            "/stats" => self.port.put_stats(&mut json),
            _ => match Asker::of(head, &self.peer, &self.port.identity).await {
                Ok(asker) => self.port.connections.put_json(&mut json, &self.seen, asker.principal()),
                Err(refused) => return Some(*refused),
            },
        }
        let mut answer = match form {
            Form::Html => {
                let mut body = BytesMut::new();
                html::put_json(&mut body, &json);
                self.html(Status::OK, &page.path[1..], page.doc, &body)
            }
            Form::Json | Form::Binary => {
                json.extend_from_slice(b"\n");
                Answer::body_of(Status::OK, "application/json", &json)
            }
        };
        answer.headers.push(("Vary", "Accept".into()));
        Some(answer)
    }

    /// The answer to whoever looks for something that isn't there: what is.
    pub(super) fn nowhere(&self, head: &RequestHead) -> Answer {
        let schema = self.port.entry.service().schema();
        let words = format!("there is nothing at {} {}", head.method_name(), head.path());
        let mut answer = if prefers_html(head) {
            let mut body = BytesMut::new();
            html::put_contents(&mut body, pages(), paths(schema.schema()));
            self.html(
                Status::NOT_FOUND,
                "has nothing there",
                &format!("{words}; here is what there is."),
                &body,
            )
        } else {
            let mut details = BytesMut::new();
            put_contents(&mut details, schema);
            Answer::error(Status::NOT_FOUND, "ROUTE_NOT_FOUND", &words, &details)
        };
        answer.headers.push(("Vary", "Accept".into()));
        answer
    }

    fn html(&self, status: Status, what: &str, words: &str, body: &[u8]) -> Answer {
        let page = html::page(&format!("{} {what}", self.port.identity.instance), words, body);
        Answer::body_of(status, "text/html; charset=utf-8", &page)
    }
}

/// The pages that there are, and what each is for.
fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.iter().map(|page| (page.path, page.doc)).chain(OF_EVERY_PROCESS)
}

/// Where HTTP reaches a method: `GET /path`, the method's name, and what it does.
fn paths(schema: &ServiceSchema) -> impl Iterator<Item = [String; 3]> {
    schema.methods.iter().flat_map(move |method| {
        let of_method = move |at: &HttpBinding| {
            let name = format!("{}.{}", schema.name, method.name);
            [format!("{} {}", at.method, at.path), name, method.doc.lines().next().unwrap_or("").to_owned()]
        };
        method.paths().map(of_method)
    })
}

/// What there is, as the details of an error.
fn put_contents(out: &mut BytesMut, schema: &EncodedSchema) {
    let mut object = Object::begin(out);
    object.list("pages", pages(), |out, (path, _)| put_string(out, path));
    object.value("methods", |out| {
        put_list(out, paths(schema.schema()), |out, [at, method, _]| {
            Object::begin(out).text("http", &at).text("method", &method).end();
        });
    });
    object.text("also", "this port speaks lines of text, try nc and HELP, and the binary protocol").end();
}

/// The form that is asked for; `None` for one that there isn't.
fn form(head: &RequestHead) -> Option<Form> {
    let named = query_pairs(head.query().unwrap_or("")).flatten().find(|(name, _)| name == "format");
    match named.as_ref().map(|(_, form)| &**form) {
        None if prefers_html(head) => Some(Form::Html),
        None | Some("json") => Some(Form::Json),
        Some("html") => Some(Form::Html),
        Some("binary") => Some(Form::Binary),
        Some(_) => None,
    }
}
