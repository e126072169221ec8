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

mod constraints;
mod operation;
mod responses;
#[cfg(test)]
mod tests;
mod tree;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;

use self::operation::Operation;
use self::tree::{Node, Object, object};
use self::types::{Components, Types};
use crate::rest::API_VERSION;
use crate::schema::ServiceSchema;

/// Where HTTP serves the document.
pub const PATH: &str = "/openapi.json";

/// The document about these services. Where two of them claim a path, it belongs to the first, as its route does.
#[must_use]
pub fn document<'a>(title: &str, schemas: impl IntoIterator<Item = &'a ServiceSchema>) -> String {
    let mut document = Document::default();
    for schema in schemas {
        document.add(schema);
    }
    let mut text = BytesMut::with_capacity(64 << 10);
    Node::from(document.finish(title)).write(&mut text, 0);
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

    fn finish(mut self, title: &str) -> Object {
        responses::add_general(&mut self.components);
        let mut paths: Vec<Path> = self.paths.into_values().collect();
        paths.sort_by(|a, b| a.template.cmp(&b.template));
        let paths: Object =
            paths.into_iter().map(|path| (path.template, Object::from_iter(path.operations))).collect();
        let components = object([
            ("schemas", Object::from_iter(self.components).into()),
            ("responses", responses::general().into()),
            ("parameters", operation::shared_parameters().into()),
            ("headers", responses::headers().into()),
            ("securitySchemes", operation::security_schemes().into()),
        ]);
        object([
            ("openapi", "3.1.0".into()),
            ("info", object([("title", title.into()), ("version", API_VERSION.into())]).into()),
            ("servers", vec![object([("url", "/".into())]).into()].into()),
            ("tags", self.tags.into()),
            ("paths", paths.into()),
            ("components", components.into()),
        ])
    }
}

/// A segment of a path without the name of its parameter.
fn shape(segment: &str) -> &str {
    if segment.starts_with('{') { "{}" } else { segment }
}
