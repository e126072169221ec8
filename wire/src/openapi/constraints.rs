//! The constraints and the example of a field, as keywords of JSON Schema (SPEC.md 10.9).

use bytes::BytesMut;

use super::tree::{Node, Object};
use super::types::{self, SAFE_MAX};
use crate::json::put_decimal;
use crate::schema::{Field, Measure, ServiceSchema, Type};
use crate::transcode::choices;

/// What the pattern of a line calls control characters, and what separates lines and paragraphs.
const BREAKS: &str = r"\u0000-\u001f\u007f-\u009f\u2028\u2029";
/// What it calls blank besides: white space, and what has no width.
const BLANKS: &str = r"\u0020\u00a0\u1680\u2000-\u200f\u202f\u205f-\u2064\u3000\ufeff";

/// Adds what a field says of its values to the schema of its type. What is `asked` for says how exact a number may be.
pub(super) fn add(described: &mut Object, schema: &ServiceSchema, field: &Field, asked: bool) {
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
    if let (true, Some(Type::Decimal { scale })) = (asked, inner) {
        // Not in answers: there is none but what was stored so, and validators that divide binary fractions would refuse 0.07.
        described.set("multipleOf", decimal(1, *scale));
    }
    add_format(described, &field.format);
    if always_a_number(inner, field) {
        types::always_number(described);
    }
    if !field.example.is_empty() {
        described.put("examples", vec![Node::Verbatim(field.example.clone())]);
    }
}

fn add_format(described: &mut Object, format: &str) {
    let line_with = |seen: &str| format!("^[^{BREAKS}]*[^{BREAKS}{BLANKS}{seen}][^{BREAKS}]*$");
    match format {
        "" => {}
        "line" => described.set("pattern", line_with("")),
        "slug" => described.set("pattern", "^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$"),
        "name" => described.set("pattern", line_with("0-9")),
        format => match choices(format) {
            None => described.set("format", format),
            Some(words) => {
                let mut values: Vec<Node> = words.map(Node::from).collect();
                if matches!(described.get("type"), Some(Node::List(_))) {
                    values.push(Node::Verbatim("null".into()));
                }
                described.set("enum", values);
            }
        },
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
