//! A schema as JSON, for people and for programs that have no decoder: types by their names instead of their places.

use bytes::BytesMut;

use super::{Access, CallShape, EncodedSchema, Field, Method, ServiceSchema, Type, TypeRef, Variant};
use crate::json::{Object, put_signed, put_string};

impl EncodedSchema {
    /// Appends it as JSON: `service`, `doc`, `fingerprint`, `methods` and `types`.
    pub fn put_json(&self, out: &mut BytesMut) {
        let schema = self.schema();
        let mut object = Object::begin(out);
        object.text("service", &schema.name).text_if_any("doc", &schema.doc);
        object.text("fingerprint", &self.fingerprint().to_string());
        object.list("methods", &schema.methods, |out, method| schema.put_method(method, out));
        object.list("types", named(schema), |out, of| put_type(schema, of, out));
        object.end();
    }
}

impl ServiceSchema {
    /// Appends a method as JSON: `method`, which is its whole name, who may call it, and the types of its messages.
    pub fn put_method(&self, method: &Method, out: &mut BytesMut) {
        let mut object = Object::begin(out);
        object.text("method", &format!("{}.{}", self.name, method.name));
        object.text("request", &type_name(self, method.request));
        if method.shape != CallShape::OneWay {
            object.text("reply", &type_name(self, method.reply));
        }
        if let Some(error) = method.error {
            object.text("error", &type_name(self, error));
        }
        object.text("shape", shape_name(method.shape)).value("access", |out| put_access(&method.access, out));
        object.boolean("idempotent", method.is_idempotent()).boolean("safe", method.is_safe());
        object.text_if_any("rate_class", &method.rate_class);
        object.list("http", &method.http, |out, at| put_string(out, &format!("{} {}", at.method, at.path)));
        object.text("id", &format!("{:08x}", method.id)).text_if_any("doc", &method.doc);
        object.end();
    }

    /// Appends a method and all types that its messages are made of, as JSON: `method` and `types`.
    pub fn put_method_whole(&self, method: &Method, out: &mut BytesMut) {
        let mut found = Vec::new();
        let of_messages = [Some(method.request), Some(method.reply), method.error];
        of_messages.into_iter().flatten().for_each(|of| self.named_types(of, &mut found));
        let mut object = Object::begin(out);
        object.value("method", |out| self.put_method(method, out));
        object.list("types", found, |out, of| put_type(self, of, out));
        object.end();
    }

    /// Appends the named types that a type is made of, each once, in the order in which they are met. No type contains itself (SPEC 10.2).
    pub fn named_types(&self, of: TypeRef, found: &mut Vec<TypeRef>) {
        match self.type_at(of) {
            Some(Type::Option { item } | Type::List { item }) => self.named_types(*item, found),
            Some(Type::Map { key, value }) => {
                self.named_types(*key, found);
                self.named_types(*value, found);
            }
            Some(Type::Struct { fields, .. }) if !found.contains(&of) => {
                found.push(of);
                fields.iter().for_each(|field| self.named_types(field.of, found));
            }
            Some(Type::Enum { variants, .. }) if !found.contains(&of) => {
                found.push(of);
                let fields = variants.iter().flat_map(|variant| &variant.fields);
                fields.for_each(|field| self.named_types(field.of, found));
            }
            _ => {}
        }
    }
}

/// The types that have names.
fn named(schema: &ServiceSchema) -> impl Iterator<Item = TypeRef> {
    let has_name = |of: &Type| matches!(of, Type::Struct { .. } | Type::Enum { .. });
    (0..).zip(&schema.types).filter(move |(_, of)| has_name(of)).map(|(at, _)| at)
}

/// A type's name, or what it is made of, as `List<Toy>`.
fn type_name(schema: &ServiceSchema, of: TypeRef) -> String {
    match schema.type_at(of) {
        None | Some(Type::Unit) => "Unit".into(),
        Some(Type::Bool) => "Bool".into(),
        Some(Type::U8) => "U8".into(),
        Some(Type::U16) => "U16".into(),
        Some(Type::U32) => "U32".into(),
        Some(Type::U64) => "U64".into(),
        Some(Type::I8) => "I8".into(),
        Some(Type::I16) => "I16".into(),
        Some(Type::I32) => "I32".into(),
        Some(Type::I64) => "I64".into(),
        Some(Type::String) => "String".into(),
        Some(Type::Bytes) => "Bytes".into(),
        Some(Type::Timestamp) => "Timestamp".into(),
        Some(Type::Decimal { scale }) => format!("Decimal<{scale}>"),
        Some(Type::Option { item }) => format!("Option<{}>", type_name(schema, *item)),
        Some(Type::List { item }) => format!("List<{}>", type_name(schema, *item)),
        Some(Type::Map { key, value }) => {
            format!("Map<{}, {}>", type_name(schema, *key), type_name(schema, *value))
        }
        Some(Type::Struct { name, .. } | Type::Enum { name, .. }) => name.clone(),
    }
}

fn put_type(schema: &ServiceSchema, of: TypeRef, out: &mut BytesMut) {
    let mut object = Object::begin(out);
    match schema.type_at(of) {
        Some(Type::Struct { name, doc, fields }) => {
            object.text("struct", name).text_if_any("doc", doc);
            object.list("fields", fields, |out, field| put_field(schema, field, out));
        }
        Some(Type::Enum { name, doc, variants }) => {
            object.text("enum", name).text_if_any("doc", doc);
            object.list("variants", variants, |out, variant| put_variant(schema, variant, out));
        }
        _ => _ = object.text("type", &type_name(schema, of)),
    }
    object.end();
}

fn put_field(schema: &ServiceSchema, field: &Field, out: &mut BytesMut) {
    let mut object = Object::begin(out);
    object.text("name", &field.name).text("type", &type_name(schema, field.of));
    for (name, limit) in [("min", field.min), ("max", field.max)] {
        if let Some(limit) = limit {
            object.value(name, |out| put_signed(out, limit));
        }
    }
    object.text_if_any("format", &field.format).text_if_any("example", &field.example);
    if field.is_secret() {
        object.boolean("secret", true);
    }
    object.text_if_any("doc", &field.doc).end();
}

fn put_variant(schema: &ServiceSchema, variant: &Variant, out: &mut BytesMut) {
    let mut object = Object::begin(out);
    object.text("name", &variant.name);
    if variant.http_status != 0 {
        object.unsigned("http_status", variant.http_status.into());
    }
    if !variant.fields.is_empty() {
        object.list("fields", &variant.fields, |out, field| put_field(schema, field, out));
    }
    object.text_if_any("doc", &variant.doc).end();
}

fn put_access(access: &Access, out: &mut BytesMut) {
    match access {
        Access::Public => put_string(out, "public"),
        Access::SignedIn => put_string(out, "signed in"),
        Access::Service => put_string(out, "services"),
        Access::Permission { name } => Object::begin(out).text("permission", name).end(),
        Access::Services { names } => {
            Object::begin(out).list("services", names, |out, name| put_string(out, name)).end();
        }
    }
}

/// The name of a call's shape, as SPEC 4.1 has it.
fn shape_name(shape: CallShape) -> &'static str {
    match shape {
        CallShape::Unary => "Unary",
        CallShape::ServerStream => "ServerStream",
        CallShape::ClientStream => "ClientStream",
        CallShape::Bidirectional => "Bidirectional",
        CallShape::OneWay => "OneWay",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::builtin::builtin_schema;

    #[test]
    fn a_schema_is_shown_with_its_names() {
        let schema = EncodedSchema::new(builtin_schema()).unwrap();
        let mut out = BytesMut::new();
        schema.put_json(&mut out);
        let shown: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(shown["service"], "micronet");
        assert_eq!(shown["fingerprint"], schema.fingerprint().to_string());
        let methods: Vec<_> =
            shown["methods"].as_array().unwrap().iter().map(|each| &each["method"]).collect();
        assert_eq!(methods, ["micronet.schema", "micronet.instance", "micronet.outcome"]);
        assert!(shown["types"].as_array().unwrap().iter().any(|of| of["struct"] == "Instance"));
        out.clear();
        let instance = schema.schema().method_named("instance").unwrap();
        schema.schema().put_method_whole(instance, &mut out);
        let shown: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            (&shown["method"]["request"], &shown["method"]["reply"]),
            (&"Unit".into(), &"Instance".into())
        );
        let started = &shown["types"][0]["fields"][3];
        assert_eq!((&started["name"], &started["type"]), (&"started".into(), &"Timestamp".into()));
        assert_eq!(shown["types"].as_array().unwrap().len(), 1);
    }
}
