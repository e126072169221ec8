//! The description of services for whoever calls them over HTTP: OpenAPI 3.1, from their schemas alone.
//!
//! [`document`] is a pure function, and its text the same for the same schemas. It describes what `rest` does: each place where
//! HTTP reaches a method is an operation, with its parameters, its body, its answers and its errors. Types are written by the
//! rules of `transcode`.
//!
//! | in the document | from |
//! |---|---|
//! | tag | a service |
//! | `operationId` | `service.method`; `service.method-2` for its second place, which says `x-alias-of` the first |
//! | component `service.Type` | a struct or an enum |
//! | component `service.Type-without-field` | the body of a request of which the path fills some fields |
//! | component `service.Type.Variant` | the answer to an error of the service's own |
//! | tag `operation` | the pages that are no methods, [`Page`], and the outcomes of writes |

mod constraints;
mod docs;
mod operation;
mod pages;
mod responses;
#[cfg(test)]
mod tests;
mod tree;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;

pub use self::docs::{DOCS_PATH, docs};
use self::operation::Operation;
pub use self::pages::Page;
use self::tree::{Node, Object, object};
use self::types::{Components, Types};
use crate::rest::API_VERSION;
use crate::schema::ServiceSchema;

/// Where HTTP serves the document.
pub const PATH: &str = "/openapi.json";

/// What is true of all operations.
const ABOUT: &str = "Answers are JSON in an envelope: `success`, `data` and `meta`, of a list `pagination` too; of an error `success`, \
`error` with `code`, `message` and `details`, and `meta`. Each has the headers X-Request-ID and X-API-Version. A path answers other methods \
than its own with 405, and OPTIONS with those that it has, in Allow. A write that bears an Idempotency-Key is carried out once.";

/// What the pages are.
const OPERATION: &str = "How the process is doing, what can be asked of it, and what became of writes.";

/// The document about these services, and about the pages that a site has besides those of every process. Where two services claim
/// a path, it belongs to the first, as its route does.
#[must_use]
pub fn document<'a>(
    title: &str,
    schemas: impl IntoIterator<Item = &'a ServiceSchema>,
    pages: &[Page],
) -> String {
    let mut document = Document::default();
    for schema in schemas {
        document.add(schema);
    }
    let mut text = BytesMut::with_capacity(64 << 10);
    Node::from(document.finish(title, pages)).write(&mut text, 0);
    text.extend_from_slice(b"\n");
    String::from_utf8_lossy(&text).into_owned()
}

/// A document that grows by a service at a time.
#[derive(Default)]
struct Document {
    tags: Vec<Node>,
    /// By what they look like without the names of their parameters: two paths that differ in these alone are one.
    paths: BTreeMap<String, Path>,
    components: Components,
    labels: BTreeSet<String>,
    /// The first write that is found: tokens are for it.
    write: Option<String>,
}

/// A path with its operations.
struct Path {
    template: String,
    operations: BTreeMap<String, Object>,
}

impl Document {
    fn add(&mut self, schema: &ServiceSchema) {
        // While a service is replaced by a newer one, two schemas bear its name. No service's name has a hyphen.
        let further = (2..).map(|count| format!("{}-{count}", schema.name));
        let mut labels = std::iter::once(schema.name.clone()).chain(further);
        let Some(label) = labels.find(|label| !self.labels.contains(label)) else { return };
        let first = label == schema.name;
        if first {
            self.tags
                .push(object([("name", label.as_str().into())]).with_text("description", &schema.doc).into());
        }
        let types = Types::new(schema, &label);
        for method in &schema.methods {
            if !method.is_idempotent() && method.paths().next().is_some() && self.write.is_none() {
                self.write = Some(format!("{}.{}", schema.name, method.name));
            }
            let mut first = None;
            // What is a WebSocket alone, OpenAPI has no words for.
            let bindings = method.http.iter().enumerate().filter(|(_, binding)| !binding.is_socket());
            for (at, binding) in bindings {
                let shape: Vec<&str> = binding.path.split('/').map(shape).collect();
                let path = self
                    .paths
                    .entry(shape.join("/"))
                    .or_insert_with(|| Path { template: binding.path.clone(), operations: BTreeMap::new() });
                let verb = binding.method.to_ascii_lowercase();
                if path.operations.contains_key(&verb) {
                    continue;
                }
                let operation = Operation {
                    schema,
                    types: &types,
                    label: &label,
                    method,
                    at,
                    alias_of: first.as_deref(),
                    template: &path.template,
                };
                path.operations.insert(verb, operation.describe(&mut self.components));
                let id = operation.id();
                first.get_or_insert(id);
            }
        }
        self.labels.insert(label);
    }

    fn finish(mut self, title: &str, pages: &[Page]) -> Object {
        responses::add_general(&mut self.components);
        let of_services =
            self.paths.into_values().map(|path| (path.template, Object::from_iter(path.operations)));
        let of_pages = pages::paths(pages, self.write.as_deref().unwrap_or("service.method"))
            .map(|(path, item)| (path.to_owned(), item));
        // The pages go before the routes of services, as they do where requests are answered.
        let paths: BTreeMap<String, Object> = of_services.chain(of_pages).collect();
        self.tags.push(object([("name", pages::TAG.into()), ("description", OPERATION.into())]).into());
        let components = object([
            ("schemas", Object::from_iter(self.components).into()),
            ("responses", responses::general().into()),
            ("parameters", operation::shared_parameters().into()),
            ("headers", responses::headers().into()),
            ("securitySchemes", operation::security_schemes().into()),
        ]);
        object([
            ("openapi", "3.1.0".into()),
            (
                "info",
                object([
                    ("title", title.into()),
                    ("version", API_VERSION.into()),
                    ("description", ABOUT.into()),
                ])
                .into(),
            ),
            ("servers", vec![object([("url", "/".into())]).into()].into()),
            ("tags", self.tags.into()),
            ("paths", Object::from_iter(paths).into()),
            ("components", components.into()),
        ])
    }
}

/// A segment of a path without the name of its parameter.
fn shape(segment: &str) -> &str {
    if segment.starts_with('{') { "{}" } else { segment }
}
