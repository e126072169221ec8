//! Types as JSON Schema (draft 2020-12, that of OpenAPI 3.1), by the rules of `transcode`.

use std::collections::{BTreeMap, BTreeSet};

use super::constraints;
use super::tree::{Node, Object, object, texts};
use crate::schema::{Field, ServiceSchema, Type, TypeRef, Variant};

/// The largest integer that JSON is sure to carry as a number.
pub(super) const SAFE_MAX: i64 = (1 << 53) - 1;

/// Schemas by their names in the document.
pub(super) type Components = BTreeMap<String, Object>;

/// The types of one service.
pub(super) struct Types<'a> {
    schema: &'a ServiceSchema,
    /// What the names of its components begin with: the service's name, so that those of two services never collide.
    label: &'a str,
    /// Types that stand in requests: what they don't name is refused there.
    asked: BTreeSet<TypeRef>,
    /// Types that stand in replies.
    told: BTreeSet<TypeRef>,
}

impl<'a> Types<'a> {
    pub(super) fn new(schema: &'a ServiceSchema, label: &'a str) -> Self {
        let (mut asked, mut told) = (BTreeSet::new(), BTreeSet::new());
        for method in schema.methods.iter().filter(|method| method.paths().next().is_some()) {
            note(schema, method.request, &mut asked);
            note(schema, method.reply, &mut told);
        }
        Self { schema, label, asked, told }
    }

    /// The fields of a method's request.
    pub(super) fn fields(&self, request: TypeRef) -> &'a [Field] {
        match self.schema.type_at(request) {
            Some(Type::Struct { fields, .. }) => fields,
            _ => &[],
        }
    }

    /// Whether a field may be left out.
    pub(super) fn is_optional(&self, field: &Field) -> bool {
        matches!(self.schema.type_at(field.of), Some(Type::Option { .. }))
    }

    /// The type of a field that stands in a path or a query; `None` when it is one that can't.
    pub(super) fn parameter(&self, field: &Field, components: &mut Components) -> Option<Object> {
        let mut schema = self.as_text(field, components)?;
        constraints::add(&mut schema, self.schema, field, true);
        Some(schema)
    }

    fn as_text(&self, field: &Field, components: &mut Components) -> Option<Object> {
        let of = match self.schema.type_at(field.of)? {
            Type::Option { item } => *item,
            _ => field.of,
        };
        match self.schema.type_at(of)? {
            Type::Unit
            | Type::Bytes
            | Type::Option { .. }
            | Type::List { .. }
            | Type::Map { .. }
            | Type::Struct { .. } => None,
            // As text, a number is a number.
            Type::U64 => Some(integer("uint64", 0, Node::Unsigned(u64::MAX))),
            Type::I64 => Some(integer("int64", i64::MIN, Node::Signed(i64::MAX))),
            Type::Enum { variants, .. } => {
                let plain = variants.iter().filter(|variant| variant.fields.is_empty());
                let plain = texts(plain.map(|variant| variant.name.as_str()));
                Some(object([("type", "string".into()), ("enum", plain)]))
            }
            _ => Some(self.schema_of(of, components)),
        }
    }

    /// The schema of a type. Structs and enums become components, and this a reference to them.
    pub(super) fn schema_of(&self, at: TypeRef, components: &mut Components) -> Object {
        let Some(described) = self.schema.type_at(at) else { return Object::default() };
        match described {
            Type::Unit => typed("null"),
            Type::Bool => typed("boolean"),
            Type::U8 => integer("uint8", 0, Node::Unsigned(u8::MAX.into())),
            Type::U16 => integer("uint16", 0, Node::Unsigned(u16::MAX.into())),
            Type::U32 => integer("uint32", 0, Node::Unsigned(u32::MAX.into())),
            Type::U64 => large(integer("uint64", 0, Node::Unsigned(u64::MAX)), "^(0|[1-9][0-9]{0,19})$"),
            Type::I8 => integer("int8", i8::MIN.into(), Node::Signed(i8::MAX.into())),
            Type::I16 => integer("int16", i16::MIN.into(), Node::Signed(i16::MAX.into())),
            Type::I32 => integer("int32", i32::MIN.into(), Node::Signed(i32::MAX.into())),
            Type::I64 => {
                large(integer("int64", i64::MIN, Node::Signed(i64::MAX)), "^(0|-?[1-9][0-9]{0,18})$")
            }
            Type::String => typed("string"),
            Type::Bytes => typed("string").with("contentEncoding", "base64"),
            Type::Timestamp => typed("string").with("format", "date-time"),
            Type::Decimal { scale } => {
                typed("number").with("format", "decimal").with("x-scale", Node::Signed(i64::from(*scale)))
            }
            Type::Option { item } => or_null(self.schema_of(*item, components)),
            Type::List { item } => typed("array").with("items", self.schema_of(*item, components)),
            Type::Map { key, value } => {
                let mut map = typed("object");
                if let Some(pattern) = self.schema.type_at(*key).and_then(key_pattern) {
                    map.put("propertyNames", object([("pattern", pattern.into())]));
                }
                map.with("additionalProperties", self.schema_of(*value, components))
            }
            Type::Struct { name, doc, fields } => {
                let name = format!("{}.{name}", self.label);
                if !components.contains_key(&name) {
                    let own = self.structure(at, doc, fields.iter(), components);
                    components.insert(name.clone(), own);
                }
                reference(&name)
            }
            Type::Enum { name, doc, variants } => {
                let name = format!("{}.{name}", self.label);
                if !components.contains_key(&name) {
                    let own = self.choice(at, doc, variants, components);
                    components.insert(name.clone(), own);
                }
                reference(&name)
            }
        }
    }

    /// The items and the pagination of a reply that is a page.
    pub(super) fn page(&self, reply: TypeRef, components: &mut Components) -> Vec<(String, Node)> {
        let field = |field: &Field| (field.name.clone(), self.field(field, false, components).into());
        self.fields(reply).iter().map(field).collect()
    }

    /// A value for people of these fields, where each that has to be there says one.
    pub(super) fn example<'f>(&self, fields: impl Iterator<Item = &'f Field>) -> Option<Object> {
        let mut example = Object::default();
        for field in fields {
            let value = match self.schema.type_at(field.of)? {
                _ if !field.example.is_empty() => Node::Verbatim(field.example.clone()),
                Type::Option { .. } => continue,
                Type::Struct { fields, .. } => self.example(fields.iter())?.into(),
                _ => return None,
            };
            example.put(field.name.as_str(), value);
        }
        Some(example)
    }

    /// The schema of a request's body: its fields without those that its path fills. `None` when none are left.
    pub(super) fn body(
        &self,
        request: TypeRef,
        of_path: &[&str],
        components: &mut Components,
    ) -> Option<Object> {
        let Some(Type::Struct { name, doc, fields }) = self.schema.type_at(request) else { return None };
        let in_path = |field: &&Field| of_path.contains(&field.name.as_str());
        if fields.iter().all(|field| in_path(&field)) {
            return None;
        }
        if !fields.iter().any(|field| in_path(&field)) {
            return Some(self.schema_of(request, components));
        }
        let without: Vec<&str> = fields.iter().filter(in_path).map(|field| field.name.as_str()).collect();
        let name = format!("{}.{name}-without-{}", self.label, without.join("-"));
        if !components.contains_key(&name) {
            let left = fields.iter().filter(|field| !in_path(field));
            let own = self.structure(request, doc, left, components);
            components.insert(name.clone(), own);
        }
        Some(reference(&name))
    }

    /// An object with these fields.
    pub(super) fn structure<'f>(
        &self,
        at: TypeRef,
        doc: &str,
        fields: impl Iterator<Item = &'f Field> + Clone,
        components: &mut Components,
    ) -> Object {
        let required: Vec<&str> = fields
            .clone()
            .filter(|field| !self.is_optional(field))
            .map(|field| field.name.as_str())
            .collect();
        let asked = self.asked.contains(&at);
        let property = |field: &'f Field| {
            let mut described = self.field(field, asked, components);
            if field.is_secret() && asked && !self.told.contains(&at) {
                described.put("writeOnly", true);
            }
            (&*field.name, described)
        };
        let properties: Object = fields.map(property).collect();
        let mut structure = typed("object").with_text("description", doc);
        if !properties.is_empty() {
            structure.put("properties", properties);
        }
        if !required.is_empty() {
            structure.put("required", texts(required));
        }
        if asked {
            structure.put("additionalProperties", false);
        }
        structure
    }

    /// A field with its words, of a type that is asked for or isn't.
    fn field(&self, field: &Field, asked: bool, components: &mut Components) -> Object {
        let mut described = self.schema_of(field.of, components);
        if !field.doc.is_empty() {
            described.set("description", field.doc.as_str());
        }
        constraints::add(&mut described, self.schema, field, asked);
        described
    }

    /// An enum: names where no variant has fields, else one of names and objects with one key.
    fn choice(&self, at: TypeRef, doc: &str, variants: &[Variant], components: &mut Components) -> Object {
        if variants.iter().all(|variant| variant.fields.is_empty()) {
            let mut words = doc.to_owned();
            for variant in variants.iter().filter(|variant| !variant.doc.is_empty()) {
                words.push_str(&format!("\n- `{}`: {}", variant.name, variant.doc));
            }
            let names = texts(variants.iter().map(|variant| variant.name.as_str()));
            return typed("string").with_text("description", words.trim_start()).with("enum", names);
        }
        let choices = variants.iter().map(|variant| {
            let words = |of: Object| Node::from(of.with_text("description", &variant.doc));
            if variant.fields.is_empty() {
                return words(typed("string").with("const", variant.name.as_str()));
            }
            let inside = self.structure(at, "", variant.fields.iter(), components);
            let properties = object([(&variant.name, inside.into())]);
            let keyed = typed("object").with("properties", properties);
            words(keyed.with("required", texts([variant.name.as_str()])).with("additionalProperties", false))
        });
        let choices: Vec<Node> = choices.collect();
        Object::default().with_text("description", doc).with("oneOf", choices)
    }
}

/// Notes what a message is made of.
fn note(schema: &ServiceSchema, at: TypeRef, noted: &mut BTreeSet<TypeRef>) {
    if !noted.insert(at) {
        return;
    }
    match schema.type_at(at) {
        Some(Type::Option { item } | Type::List { item }) => note(schema, *item, noted),
        Some(Type::Map { value, .. }) => note(schema, *value, noted),
        Some(Type::Struct { fields, .. }) => fields.iter().for_each(|field| note(schema, field.of, noted)),
        Some(Type::Enum { variants, .. }) => {
            let fields = variants.iter().flat_map(|variant| &variant.fields);
            fields.for_each(|field| note(schema, field.of, noted));
        }
        _ => {}
    }
}

/// A reference to a schema of the components.
pub(super) fn reference(name: &str) -> Object {
    object([("$ref", format!("#/components/schemas/{name}").into())])
}

/// A schema of this type.
pub(super) fn typed(name: &str) -> Object {
    object([("type", name.into())])
}

fn integer(format: &str, minimum: i64, maximum: Node) -> Object {
    typed("integer").with("format", format).with("minimum", Node::Signed(minimum)).with("maximum", maximum)
}

/// An integer that may be larger than JSON's numbers are sure to carry.
fn large(mut integer: Object, pattern: &str) -> Object {
    integer.set("type", texts(["integer", "string"]));
    integer.put("pattern", pattern);
    integer.with("description", large_words())
}

fn large_words() -> String {
    format!("A string beyond {SAFE_MAX} either way; a request may always use one.")
}

/// The same integer where no value of it is so large.
pub(super) fn always_number(integer: &mut Object) {
    if let Some(Node::List(names)) = integer.get("type") {
        let mut left: Vec<Node> =
            names.iter().filter(|name| **name != Node::from("string")).cloned().collect();
        integer.set("type", if left.len() == 1 { left.remove(0) } else { left.into() });
    }
    integer.remove("pattern");
    if integer.get("description") == Some(&Node::from(large_words())) {
        integer.remove("description");
    }
}

/// The same, or nothing.
fn or_null(mut schema: Object) -> Object {
    match schema.get("type") {
        Some(Node::Text(name)) => {
            let both = texts([name.as_str(), "null"]);
            schema.set("type", both);
            schema
        }
        Some(Node::List(names)) => {
            let all: Vec<Node> = names.iter().cloned().chain([Node::from("null")]).collect();
            schema.set("type", all);
            schema
        }
        _ => object([("anyOf", vec![schema.into(), typed("null").into()].into())]),
    }
}

/// What the keys of a map look like, when it isn't any text.
fn key_pattern(key: &Type) -> Option<&'static str> {
    match key {
        Type::Bool => Some("^(true|false)$"),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Some("^[0-9]+$"),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Some("^-?[0-9]+$"),
        _ => None,
    }
}
