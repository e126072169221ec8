//! One place where HTTP reaches a method: its parameters, its body, and who may.

use super::responses;
use super::tree::{Node, Object, object, texts};
use super::types::{Components, Types, typed};
use crate::limits::TOKEN_BYTES_MAX;
use crate::rest::{LAST_EVENT_ID, TICKET};
use crate::schema::{Access, Field, Method, ServiceSchema};
use crate::transcode::Resumption;

/// The name of the credential in the document.
const CREDENTIAL: &str = "bearer";
/// The name of the parameter for the header `Idempotency-Key`.
const IDEMPOTENCY_KEY: &str = "IdempotencyKey";

/// A method at one of the places where HTTP reaches it.
pub(super) struct Operation<'a> {
    pub(super) schema: &'a ServiceSchema,
    pub(super) types: &'a Types<'a>,
    pub(super) label: &'a str,
    pub(super) method: &'a Method,
    /// Which of its places this is.
    pub(super) at: usize,
    /// The operation at the first of them.
    pub(super) alias_of: Option<&'a str>,
    /// The path as the document has it: where another method has the same path, its parameters bear that one's names.
    pub(super) template: &'a str,
}

impl Operation<'_> {
    /// Its name in the document.
    pub(super) fn id(&self) -> String {
        let name = format!("{}.{}", self.label, self.method.name);
        if self.at == 0 { name } else { format!("{name}-{}", self.at + 1) }
    }

    /// The operation object.
    pub(super) fn describe(&self, components: &mut Components) -> Object {
        let method = self.method;
        let (summary, description) = in_short(&method.doc);
        let mut operation = object([("tags", texts([self.schema.name.as_str()]))])
            .with_text("summary", summary)
            .with_text("description", description)
            .with("operationId", self.id());
        if let Some(first) = self.alias_of {
            operation.put("x-alias-of", first);
        }
        if method.is_safe() {
            operation.put("x-safe", true);
        }
        let parameters = self.parameters(components);
        if !parameters.is_empty() {
            operation.put("parameters", parameters);
        }
        let body = self.body(components);
        if let Some(body) = body {
            operation.put("requestBody", body);
        }
        operation.put(
            "responses",
            responses::of(self.schema, self.types, method, self.label, self.verb(), components),
        );
        if method.access != Access::Public {
            // Of a bearer, what is listed are the roles or permissions that are wanted (OpenAPI 3.1, Security Requirement).
            let wanted = match &method.access {
                Access::Permission { name } => texts([name.as_str()]),
                _ => Node::List(vec![]),
            };
            operation.put("security", vec![object([(CREDENTIAL, wanted)]).into()]);
        }
        match &method.access {
            Access::Public => {}
            Access::Permission { name } => operation.put("x-permission", name.as_str()),
            Access::SignedIn => operation.put("x-access", "signed in"),
            Access::Service => operation.put("x-access", "service"),
            Access::Services { names } => operation.put("x-access", format!("service: {}", names.join(", "))),
        }
        operation.with_text("x-rate-class", &method.rate_class)
    }

    fn verb(&self) -> &str {
        &self.method.http[self.at].method
    }

    /// The fields that the path fills, with their names in the document's path.
    fn of_path(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.method.http[self.at].path.split('/').filter_map(parameter_name);
        own.zip(self.template.split('/').filter_map(parameter_name))
    }

    fn parameters(&self, components: &mut Components) -> Vec<Node> {
        let fields = self.types.fields(self.method.request);
        let mut parameters = Vec::new();
        let mut filled = Vec::new();
        for (name, shown) in self.of_path() {
            let Some(field) = fields.iter().find(|field| field.name == name) else { continue };
            filled.push(name);
            parameters.extend(self.parameter("path", shown, field, components));
        }
        if !responses::has_body(self.verb()) {
            let left = fields.iter().filter(|field| !filled.contains(&field.name.as_str()));
            parameters
                .extend(left.filter_map(|field| self.parameter("query", &field.name, field, components)));
        }
        if self.method.is_stream() {
            parameters.extend(self.of_stream());
        }
        if self.verb() != "GET" && !self.method.is_idempotent() {
            let reference = format!("#/components/parameters/{IDEMPOTENCY_KEY}");
            parameters.push(object([("$ref", reference.into())]).into());
        }
        parameters
    }

    /// What may be said besides of a stream of events (`rest::opening`).
    fn of_stream(&self) -> impl Iterator<Item = Node> {
        let query = |name: &'static str, words: &'static str, schema: Object| {
            let parameter = object([("name", name.into()), ("in", "query".into())])
                .with("description", words)
                .with("required", false)
                .with("schema", schema);
            Node::from(parameter)
        };
        let resumed = Resumption::of(self.schema, self.method).map(|_| {
            let place = typed("integer").with("format", "uint64").with("minimum", Node::Unsigned(0));
            query(
                LAST_EVENT_ID,
                "Goes on behind the event of this id, as the header `Last-Event-ID` says it.",
                place,
            )
        });
        let ticket = (self.method.access != Access::Public).then(|| {
            let words = "Says who asks, for pages, which can't send the header `Authorization`: good once, of `auth.ticket`.";
            query(TICKET, words, typed("string").with("minLength", Node::Unsigned(1)))
        });
        [resumed, ticket].into_iter().flatten()
    }

    fn parameter(&self, place: &str, name: &str, field: &Field, components: &mut Components) -> Option<Node> {
        let mut schema = self.types.parameter(field, components)?;
        // An empty segment is no value: `/products/` is another path.
        let is_text = schema.get("type") == Some(&"string".into()) && schema.get("enum").is_none();
        if place == "path" && is_text && schema.get("format").is_none() && schema.get("minLength").is_none() {
            schema.put("minLength", Node::Unsigned(1));
        }
        let required = place == "path" || !self.types.is_optional(field);
        let parameter = object([("name", name.into()), ("in", place.into())])
            .with_text("description", &field.doc)
            .with("required", required)
            .with("schema", schema);
        Some(parameter.into())
    }

    fn body(&self, components: &mut Components) -> Option<Object> {
        if !responses::has_body(self.verb()) {
            return None;
        }
        let of_path: Vec<&str> = self.of_path().map(|(name, _)| name).collect();
        let schema = self.types.body(self.method.request, &of_path, components)?;
        let fields = self.types.fields(self.method.request).iter();
        let in_body = fields.filter(|field| !of_path.contains(&field.name.as_str()));
        let required = in_body.clone().any(|field| !self.types.is_optional(field));
        let mut media = object([("schema", schema.into())]);
        if let Some(example) = self.types.example(in_body)
            && !example.is_empty()
        {
            media.put("example", example);
        }
        let content = object([("application/json", media.into())]);
        Some(object([("required", required.into()), ("content", content.into())]))
    }
}

/// Parameters that several operations have.
pub(super) fn shared_parameters() -> Object {
    let words = "Makes a write safe to repeat: with the same key and the same body it is carried out once, and answered alike.";
    let key = typed("string")
        .with("minLength", Node::Unsigned(1))
        .with("maxLength", Node::Unsigned(TOKEN_BYTES_MAX as u64))
        .with("pattern", "^[!-~]+$");
    let parameter = object([
        ("name", "Idempotency-Key".into()),
        ("in", "header".into()),
        ("description", words.into()),
        ("required", false.into()),
        ("schema", key.into()),
    ]);
    object([(IDEMPOTENCY_KEY, parameter.into())])
}

/// The credentials that requests may carry.
pub(super) fn security_schemes() -> Object {
    let words = "Authorization: Bearer TOKEN, with an access token of who has signed in, or the operator's token. One that isn't \
                 known is refused, also where none is needed.";
    let bearer = object([
        ("type", "http".into()),
        ("scheme", "bearer".into()),
        ("bearerFormat", "JWT".into()),
        ("description", words.into()),
    ]);
    object([(CREDENTIAL, bearer.into())])
}

/// The name in a segment of a path, if it is a parameter.
fn parameter_name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
}

/// A text's first sentence without its full stop, and the whole text when there is more.
pub(super) fn in_short(doc: &str) -> (&str, &str) {
    let end = doc.find(['\n']).unwrap_or(doc.len()).min(doc.find(". ").unwrap_or(doc.len()));
    let summary = doc[..end].trim_end().trim_end_matches('.');
    (summary, if end < doc.len() { doc } else { "" })
}
