//! The constraints and the example of a field, as keywords of JSON Schema (SPEC.md 10.9).

use bytes::BytesMut;

use super::tree::{Node, Object};
use super::types::{self, SAFE_MAX};
use crate::json::put_decimal;
use crate::schema::{Field, Measure, ServiceSchema, Type};

/// Adds what a field says of its values to the schema of its type.
pub(super) fn add(described: &mut Object, schema: &ServiceSchema, field: &Field) {
    let inner = match schema.type_at(field.of) {
        Some(Type::Option { item }) => schema.type_at(*item),
        other => other,
    };
    let number = |count: i64| match inner {
        Some(Type::Decimal { scale }) => decimal(count, *scale),
        _ => Node::Signed(count),
    };
    // Base64 has four characters for each three bytes that were begun.
    let base64 = |bytes: i64| Node::Signed((bytes.saturating_add(2) / 3).saturating_mul(4));
    let (least, most, limit): (_, _, &dyn Fn(i64) -> Node) = match schema.measure(field.of) {
        Some(Measure::Value { .. }) => ("minimum", "maximum", &number),
        Some(Measure::Characters) => ("minLength", "maxLength", &Node::Signed),
        Some(Measure::Bytes) => ("minLength", "maxLength", &base64),
        Some(Measure::Items) if matches!(inner, Some(Type::Map { .. })) => {
            ("minProperties", "maxProperties", &Node::Signed)
        }
        Some(Measure::Items) => ("minItems", "maxItems", &Node::Signed),
        None => ("", "", &Node::Signed),
    };
    if let Some(min) = field.min {
        described.set(least, limit(min));
    }
    if let Some(max) = field.max {
        described.set(most, limit(max));
    }
    if !field.format.is_empty() {
        described.set("format", field.format.as_str());
    }
    if always_a_number(inner, field) {
        types::always_number(described);
    }
    if !field.example.is_empty() {
        described.put("examples", vec![Node::Verbatim(field.example.clone())]);
    }
}

/// Whether no value of a field is so large that JSON has it as a string.
fn always_a_number(inner: Option<&Type>, field: &Field) -> bool {
    let at_most = field.max.is_some_and(|max| max <= SAFE_MAX);
    match inner {
        Some(Type::U64) => at_most,
        Some(Type::I64) => at_most && field.min.is_some_and(|min| min >= -SAFE_MAX),
        _ => false,
    }
}

fn decimal(units: i64, scale: u8) -> Node {
    let mut text = BytesMut::new();
    put_decimal(&mut text, units, scale);
    Node::Verbatim(String::from_utf8_lossy(&text).into_owned())
}
