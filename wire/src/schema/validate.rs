//! The rules that a schema must keep (SPEC.md section 10): a peer's schema is checked before anything trusts it.

use std::collections::BTreeSet;
use std::fmt;

use super::{Access, CallShape, Field, Media, Method, ServiceSchema, Type, TypeRef, Variant, method_id};
use crate::hello::is_name;
use crate::limits::{NAME_BYTES_MAX, NESTING_MAX, SCHEMA_MEMBERS_MAX, SCHEMA_METHODS_MAX, SCHEMA_TYPES_MAX};

/// Why a schema is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaError {
    /// The bytes are not a schema.
    Undecodable,
    /// The schema is longer than a message may be.
    TooLarge,
    /// A rule of SPEC.md section 10 is broken; the words say which and where.
    Invalid(String),
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecodable => write!(f, "the bytes are not a schema"),
            Self::TooLarge => write!(f, "the schema is longer than a message may be"),
            Self::Invalid(words) => write!(f, "invalid schema: {words}"),
        }
    }
}

impl std::error::Error for SchemaError {}

fn invalid<T>(words: impl Into<String>) -> Result<T, SchemaError> {
    Err(SchemaError::Invalid(words.into()))
}

impl ServiceSchema {
    /// Checks every rule.
    ///
    /// # Errors
    /// The first rule that is broken, in words.
    pub fn validate(&self) -> Result<(), SchemaError> {
        check_name("service", &self.name)?;
        if self.types.len() > SCHEMA_TYPES_MAX || self.methods.len() > SCHEMA_METHODS_MAX {
            return invalid(format!("more than {SCHEMA_TYPES_MAX} types or {SCHEMA_METHODS_MAX} methods"));
        }
        self.check_types()?;
        self.check_constraints()?;
        self.check_methods()
    }

    /// SPEC 10.2: a type refers only to types that stand before it, so none contains itself, and the depth is bounded.
    fn check_types(&self) -> Result<(), SchemaError> {
        let mut names = BTreeSet::new();
        let mut known = Known { types: &self.types, depths: Vec::with_capacity(self.types.len()) };
        for described in &self.types {
            let below = match described {
                Type::Option { item } => {
                    if matches!(self.type_at(*item), Some(Type::Option { .. } | Type::Unit)) {
                        return invalid("an option of an option or of nothing has no JSON form");
                    }
                    known.depth(*item)?
                }
                Type::List { item } => known.held_depth("the item of a list", *item)?,
                Type::Map { key, value } => {
                    self.check_key(*key)?;
                    known.depth(*key)?.max(known.held_depth("the value of a map", *value)?)
                }
                Type::Struct { name, fields, .. } => {
                    check_unique(&mut names, name)?;
                    fields_depth(name, fields, &known)?
                }
                Type::Enum { name, variants, .. } => {
                    check_unique(&mut names, name)?;
                    variants_depth(name, variants, &known)?
                }
                Type::Decimal { scale } if *scale > 18 => {
                    return invalid("a decimal has more than 18 digits");
                }
                _ => 0,
            };
            if below + 1 > NESTING_MAX {
                return invalid(format!("types nest deeper than {NESTING_MAX}"));
            }
            known.depths.push(below + 1);
        }
        Ok(())
    }

    fn check_key(&self, key: TypeRef) -> Result<(), SchemaError> {
        match self.type_at(key) {
            Some(
                Type::Bool
                | Type::String
                | Type::U8
                | Type::U16
                | Type::U32
                | Type::U64
                | Type::I8
                | Type::I16
                | Type::I32
                | Type::I64,
            ) => Ok(()),
            _ => invalid("the key of a map is neither string, integer nor bool"),
        }
    }

    fn check_methods(&self) -> Result<(), SchemaError> {
        let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for method in &self.methods {
            check_name("method", &method.name)?;
            if method.id != method_id(&format!("{}.{}", self.name, method.name)) {
                return invalid(format!("the id of {} is not the hash of its name", method.name));
            }
            // SPEC 10.5: 0 stands for "no method" in frames.
            if method.id == 0 {
                return invalid(format!("the hash of {}.{} is 0: rename it", self.name, method.name));
            }
            if !names.insert(&method.name) || !ids.insert(method.id) {
                return invalid(format!("two methods share the name or id of {}", method.name));
            }
            self.check_method(method)?;
        }
        Ok(())
    }

    fn check_method(&self, method: &Method) -> Result<(), SchemaError> {
        let name = &method.name;
        let fields: &[Field] = match self.type_at(method.request) {
            Some(Type::Struct { fields, .. }) => fields,
            Some(Type::Unit) => &[],
            _ => return invalid(format!("the request of {name} is no struct")),
        };
        if self.type_at(method.reply).is_none() {
            return invalid(format!("{name} has no reply type"));
        }
        if method.media == Media::Text && !matches!(self.type_at(method.reply), Some(Type::String)) {
            return invalid(format!("{name} shows text, but its reply is no string"));
        }
        if method.media == Media::Page && !self.is_page(method.reply) {
            return invalid(format!(
                "{name} shows a page, but its reply is no struct of `items`, a list, and `pagination`, a struct"
            ));
        }
        if let Some(at) = method.error
            && !matches!(self.type_at(at), Some(Type::Enum { .. }))
        {
            return invalid(format!("the error type of {name} is no enum"));
        }
        self.check_errors(method)?;
        if let Access::Services { names } = &method.access {
            check_callers(name, names)?;
        }
        if method.shape == CallShape::OneWay {
            self.check_one_way(method)?;
        }
        self.check_streams(method)?;
        self.check_cache(method)?;
        if !(200..300).contains(&method.http_status) {
            return invalid(format!("{name} answers a success with {}", method.http_status));
        }
        for binding in &method.http {
            if !matches!(binding.method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "WS") {
                return invalid(format!("{name} is bound to the unknown HTTP method {}", binding.method));
            }
            if !carries(&binding.method, method.shape) {
                return invalid(format!(
                    "{name} is bound to {}, which can't carry its shape",
                    binding.method
                ));
            }
            // SPEC 10.6: a GET changes nothing, and whoever sends one may repeat it.
            if binding.method == "GET" && !method.is_idempotent() {
                return invalid(format!("{name} is bound to GET, but isn't idempotent"));
            }
            self.check_path(name, &binding.path, fields)?;
        }
        Ok(())
    }
}

/// SPEC 10.6: a stream is a WebSocket, and one of replies alone may be a stream of events too.
fn carries(http_method: &str, shape: CallShape) -> bool {
    match shape {
        CallShape::Unary => http_method != "WS",
        CallShape::ServerStream => matches!(http_method, "GET" | "WS"),
        CallShape::ClientStream | CallShape::Bidirectional => http_method == "WS",
        // It has no answer, and is refused by itself.
        CallShape::OneWay => true,
    }
}

/// SPEC 10.7: the services that may call a method are named, each once.
fn check_callers(method: &str, names: &[String]) -> Result<(), SchemaError> {
    let mut known = BTreeSet::new();
    if names.is_empty() || names.len() > SCHEMA_MEMBERS_MAX {
        return invalid(format!("{method} is for no service, or for more than {SCHEMA_MEMBERS_MAX}"));
    }
    match names.iter().find(|name| !is_name(name) || !known.insert(name.as_str())) {
        Some(wrong) => {
            invalid(format!("{method} is for the service {wrong:?}, which is no name or stands there twice"))
        }
        None => Ok(()),
    }
}

impl ServiceSchema {
    /// SPEC 10.4: what anybody may read is kept until a stream says otherwise, which can be asked for without knowing more.
    fn check_cache(&self, method: &Method) -> Result<(), SchemaError> {
        let (name, stream) = (&method.name, &method.cache);
        if stream.is_empty() {
            return Ok(());
        }
        if method.shape != CallShape::Unary || !method.is_idempotent() || method.access != Access::Public {
            return invalid(format!(
                "replies of {name} may be kept, but it isn't unary, idempotent and public"
            ));
        }
        let Some(told_by) =
            self.method_named(stream).filter(|told_by| told_by.shape == CallShape::ServerStream)
        else {
            return invalid(format!(
                "replies of {name} are kept until {stream} says otherwise, which is no stream of replies"
            ));
        };
        match self.type_at(told_by.request) {
            Some(Type::Struct { fields, .. })
                if fields
                    .iter()
                    .any(|field| !matches!(self.type_at(field.of), Some(Type::Option { .. }))) =>
            {
                invalid(format!(
                    "replies of {name} are kept until {stream} says otherwise, whose request can't be empty"
                ))
            }
            _ => Ok(()),
        }
    }

    /// SPEC 10.4: a page has two fields, in this order.
    fn is_page(&self, reply: TypeRef) -> bool {
        let Some(Type::Struct { fields, .. }) = self.type_at(reply) else { return false };
        let [items, pagination] = fields.as_slice() else { return false };
        items.name == "items"
            && matches!(self.type_at(items.of), Some(Type::List { .. }))
            && pagination.name == "pagination"
            && matches!(self.type_at(pagination.of), Some(Type::Struct { .. }))
    }

    /// The errors that a method names are variants of its error type.
    fn check_errors(&self, method: &Method) -> Result<(), SchemaError> {
        let variants = match method.error.and_then(|at| self.type_at(at)) {
            Some(Type::Enum { variants, .. }) => &variants[..],
            _ => &[],
        };
        let mut names = BTreeSet::new();
        let wrong = method
            .errors
            .iter()
            .find(|named| !variants.iter().any(|known| known.name == **named) || !names.insert(*named));
        match wrong {
            Some(wrong) => invalid(format!(
                "{} has the error {wrong:?}, which its error type doesn't have, or twice",
                method.name
            )),
            None => Ok(()),
        }
    }

    /// SPEC 10.2: a one-way method has no answer to describe.
    fn check_one_way(&self, method: &Method) -> Result<(), SchemaError> {
        let name = &method.name;
        if !matches!(self.type_at(method.reply), Some(Type::Unit)) || method.error.is_some() {
            return invalid(format!("{name} is one-way, but has a reply or an error type"));
        }
        if !method.http.is_empty() {
            return invalid(format!(
                "{name} is one-way: HTTP can't reach it, since it has no answer to give"
            ));
        }
        Ok(())
    }

    /// SPEC 10.2: the messages of a stream take at least a byte, or a bare END could not be told from one.
    fn check_streams(&self, method: &Method) -> Result<(), SchemaError> {
        use CallShape::{Bidirectional, ClientStream, ServerStream};
        let streamed = [
            (matches!(method.shape, ClientStream | Bidirectional), method.request),
            (matches!(method.shape, ServerStream | Bidirectional), method.reply),
        ];
        for (_, of) in streamed.into_iter().filter(|(is_streamed, _)| *is_streamed) {
            let is_empty = match self.type_at(of) {
                Some(Type::Unit) => true,
                Some(Type::Struct { fields, .. }) => fields.is_empty(),
                _ => false,
            };
            if is_empty {
                return invalid(format!("{} has a stream of messages without fields", method.name));
            }
        }
        Ok(())
    }

    /// SPEC 10.6: a path starts with a slash, and what stands in braces is a whole segment and a field of the request
    /// whose values are written as plain text.
    fn check_path(&self, method: &str, path: &str, fields: &[Field]) -> Result<(), SchemaError> {
        let Some(rest) = path.strip_prefix('/') else {
            return invalid(format!("the path of {method} doesn't start with a slash"));
        };
        let mut known = BTreeSet::new();
        for segment in rest.split('/') {
            if let Some(parameter) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                let Some(field) = fields.iter().find(|field| field.name == parameter) else {
                    return invalid(format!(
                        "{{{parameter}}} in the path of {method} is no field of its request"
                    ));
                };
                if !self.is_plain_text(field.of) {
                    return invalid(format!(
                        "{{{parameter}}} in the path of {method} can't be written as text"
                    ));
                }
                if !known.insert(parameter) {
                    return invalid(format!("{{{parameter}}} stands twice in the path of {method}"));
                }
            } else if !segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)) {
                return invalid(format!(
                    "{segment:?} in the path of {method} has characters that a path can't have"
                ));
            }
        }
        Ok(())
    }

    /// Whether each value of this type is one piece of text: in a path there is no other way to write it.
    fn is_plain_text(&self, of: TypeRef) -> bool {
        match self.type_at(of) {
            Some(Type::Enum { variants, .. }) => variants.iter().all(|variant| variant.fields.is_empty()),
            Some(
                Type::Unit
                | Type::Bytes
                | Type::Option { .. }
                | Type::List { .. }
                | Type::Map { .. }
                | Type::Struct { .. },
            )
            | None => false,
            Some(_) => true,
        }
    }
}

/// The types that stand before the one at hand, with their levels of nesting.
struct Known<'a> {
    types: &'a [Type],
    depths: Vec<usize>,
}

impl Known<'_> {
    fn depth(&self, at: TypeRef) -> Result<usize, SchemaError> {
        self.depths.get(at as usize).copied().ok_or_else(|| {
            let here = self.depths.len();
            SchemaError::Invalid(format!("type {here} refers to {at}, which doesn't stand before it"))
        })
    }

    /// SPEC 10.2: what is held takes at least a byte, or a few bytes could claim endless values: lists by their
    /// lengths, and structs of structs by their number of fields to the power of their depth.
    fn held_depth(&self, what: &str, at: TypeRef) -> Result<usize, SchemaError> {
        let depth = self.depth(at)?;
        match self.types.get(at as usize) {
            Some(Type::Unit) => invalid(format!("{what} has a type of zero bytes")),
            Some(Type::Struct { name, fields, .. }) if fields.is_empty() => {
                invalid(format!("{what} has the type {name} of zero bytes"))
            }
            _ => Ok(depth),
        }
    }
}

fn fields_depth(owner: &str, fields: &[Field], known: &Known) -> Result<usize, SchemaError> {
    if fields.len() > SCHEMA_MEMBERS_MAX {
        return invalid(format!("{owner} has more than {SCHEMA_MEMBERS_MAX} fields"));
    }
    let mut names = BTreeSet::new();
    let mut deepest = 0;
    for field in fields {
        check_name("field", &field.name)?;
        if !names.insert(&field.name) {
            return invalid(format!("{owner} has {} twice", field.name));
        }
        deepest = deepest.max(known.held_depth(&format!("{owner}.{}", field.name), field.of)?);
    }
    Ok(deepest)
}

fn variants_depth(owner: &str, variants: &[Variant], known: &Known) -> Result<usize, SchemaError> {
    if variants.is_empty() || variants.len() > SCHEMA_MEMBERS_MAX {
        return invalid(format!("enum {owner} has {} variants", variants.len()));
    }
    let mut names = BTreeSet::new();
    let mut deepest = 0;
    for variant in variants {
        check_name("variant", &variant.name)?;
        if !names.insert(&variant.name) {
            return invalid(format!("enum {owner} has {} twice", variant.name));
        }
        // One level for the enum, one for the variant's fields.
        deepest = deepest.max(1 + fields_depth(owner, &variant.fields, known)?);
    }
    Ok(deepest)
}

fn check_unique<'a>(names: &mut BTreeSet<&'a str>, name: &'a str) -> Result<(), SchemaError> {
    check_name("type", name)?;
    if names.insert(name) { Ok(()) } else { invalid(format!("two types are named {name}")) }
}

fn check_name(what: &str, name: &str) -> Result<(), SchemaError> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain && !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.as_bytes()[0].is_ascii_digit() {
        Ok(())
    } else {
        invalid(format!("{name:?} is no name for a {what}"))
    }
}

mod constraints;
#[cfg(test)]
mod tests;
