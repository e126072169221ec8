//! A service's methods and their messages in words, from the schema that an instance serves.

use micronet_wire::schema::{
    Access, CallShape, Field, Idempotency, Method, ServiceSchema, Type, TypeRef, Variant,
};

use crate::table::{Align, Table};
use crate::terminal::Style;

/// How deep an example goes into types that hold others.
const EXAMPLE_DEPTH_MAX: usize = 4;

/// A table of what a service has to call.
pub(crate) fn methods(schema: &ServiceSchema, style: Style) -> String {
    let mut table = Table::new(&["METHOD", "ACCESS", "HTTP", "WHAT IT DOES"].map(|name| (name, Align::Left)));
    for method in &schema.methods {
        let access = match &method.access {
            Access::Public => "public".to_owned(),
            Access::Permission { name } => name.clone(),
            Access::SignedIn => "signed in".to_owned(),
            Access::Service => "services".to_owned(),
            Access::Services { names } => names.join(", "),
        };
        table.row(vec![
            format!("{}.{}", schema.name, method.name),
            access,
            method.http.first().map(|http| format!("{} {}", http.method, http.path)).unwrap_or_default(),
            first_line(&method.doc).to_owned(),
        ]);
    }
    format!("{}\n\n{}", schema.doc, table.draw(style))
}

/// Everything about one method: who may call it, and each message that goes there or comes back.
pub(crate) fn method(schema: &ServiceSchema, method: &Method, style: Style) -> String {
    let called = format!("{}.{}", schema.name, method.name);
    let mut parts = vec![format!("{}\n{}", style.bold(&called), method.doc), about(method)];
    let mut shown = Vec::new();
    parts.push(message(schema, "Request", method.request, style));
    schema.named_types(method.request, &mut shown);
    if method.shape != CallShape::OneWay {
        parts.push(message(schema, "Reply", method.reply, style));
        schema.named_types(method.reply, &mut shown);
    }
    if let Some(Type::Enum { variants, .. }) = method.error.and_then(|of| schema.type_at(of)) {
        parts.push(errors(schema, variants, style));
        let fields = variants.iter().flat_map(|variant| &variant.fields);
        fields.for_each(|field| schema.named_types(field.of, &mut shown));
    }
    let whole = [method.request, method.reply];
    for of in shown.into_iter().filter(|of| !whole.contains(of)) {
        parts.push(message(schema, "Type", of, style));
    }
    let example = example(schema, method.request, 0);
    parts.push(match method.shape {
        CallShape::ClientStream | CallShape::Bidirectional => {
            format!("Try, with a request a line: echo '{example}' | micronet call {called} -")
        }
        _ => format!("Try: micronet call {called} '{example}'"),
    });
    parts.join("\n\n")
}

/// Who may call it, where HTTP reaches it, and what it means to call it twice.
fn about(method: &Method) -> String {
    let access = match &method.access {
        Access::Public => "anybody".to_owned(),
        Access::Permission { name } => format!("whoever has the permission {name}; the operator has all"),
        Access::SignedIn => "whoever has signed in, and the operator".to_owned(),
        Access::Service => "other services of the cluster, and the operator".to_owned(),
        Access::Services { names } => {
            format!("of the cluster's services only {}; and the operator", names.join(" and "))
        }
    };
    let http: Vec<String> = method.http.iter().map(|at| format!("{} {}", at.method, at.path)).collect();
    let http = if http.is_empty() { "not reached".into() } else { http.join(", ") };
    let shape = match method.shape {
        CallShape::Unary => "one request, one reply",
        CallShape::ServerStream => "one request, many replies",
        CallShape::ClientStream => "many requests, one reply",
        CallShape::Bidirectional => "many both ways",
        CallShape::OneWay => "one request, no reply",
    };
    let twice = match method.idempotency {
        Idempotency::No => "needs the same --token to be safe",
        Idempotency::Idempotent => "does the same as once",
        Idempotency::Safe => "changes nothing, as calling it once",
    };
    format!("Who may call it: {access}\nHTTP: {http}\nShape: {shape}\nCalling it twice: {twice}")
}

/// A message: its name, what it is, and its fields or variants.
fn message(schema: &ServiceSchema, role: &str, of: TypeRef, style: Style) -> String {
    match schema.type_at(of) {
        Some(Type::Struct { name, doc, fields }) => {
            let heading = format!("{} {name}: {}", style.bold(role), first_line(doc));
            if fields.is_empty() {
                return format!("{heading}\n  (no fields)");
            }
            format!("{heading}\n{}", indented(&fields_table(schema, fields).draw(style)))
        }
        Some(Type::Enum { name, doc, variants }) => {
            let heading = format!("{} {name}: {}", style.bold(role), first_line(doc));
            let mut table = Table::new(&["VARIANT", "FIELDS", "WHAT IT IS"].map(|name| (name, Align::Left)));
            for variant in variants {
                table.row(vec![
                    variant.name.clone(),
                    in_line(schema, &variant.fields),
                    first_line(&variant.doc).to_owned(),
                ]);
            }
            format!("{heading}\n{}", indented(&table.draw(style)))
        }
        Some(Type::Unit) | None => format!("{}: nothing", style.bold(role)),
        Some(_) => format!("{}: {}", style.bold(role), type_in_words(schema, of)),
    }
}

fn fields_table(schema: &ServiceSchema, fields: &[Field]) -> Table {
    let mut table = Table::new(&["FIELD", "TYPE", "LIMITS", "WHAT IT IS"].map(|name| (name, Align::Left)));
    for field in fields {
        table.row(vec![
            field.name.clone(),
            type_in_words(schema, field.of),
            limits_in_words(schema, field),
            first_line(&field.doc).to_owned(),
        ]);
    }
    table
}

fn errors(schema: &ServiceSchema, variants: &[Variant], style: Style) -> String {
    let mut table = Table::new(&["ERROR", "HTTP", "FIELDS", "WHAT IT MEANS"].map(|name| (name, Align::Left)));
    for variant in variants {
        table.row(vec![
            variant.error_code(),
            variant.http_status.to_string(),
            in_line(schema, &variant.fields),
            first_line(&variant.doc).to_owned(),
        ]);
    }
    format!("{}\n{}", style.bold("Errors of its own"), indented(&table.draw(style)))
}

/// Fields on one line.
fn in_line(schema: &ServiceSchema, fields: &[Field]) -> String {
    let fields = fields.iter().map(|field| format!("{}: {}", field.name, type_in_words(schema, field.of)));
    fields.collect::<Vec<_>>().join(", ")
}

/// A type as JSON shows it.
pub(crate) fn type_in_words(schema: &ServiceSchema, of: TypeRef) -> String {
    match schema.type_at(of) {
        None | Some(Type::Unit) => "null".into(),
        Some(Type::Bool) => "true or false".into(),
        Some(Type::U8) => "u8".into(),
        Some(Type::U16) => "u16".into(),
        Some(Type::U32) => "u32".into(),
        Some(Type::U64) => "u64".into(),
        Some(Type::I8) => "i8".into(),
        Some(Type::I16) => "i16".into(),
        Some(Type::I32) => "i32".into(),
        Some(Type::I64) => "i64".into(),
        Some(Type::String) => "string".into(),
        Some(Type::Bytes) => "base64 string".into(),
        Some(Type::Timestamp) => "RFC 3339 time".into(),
        Some(Type::Decimal { scale }) => format!("decimal, {scale} digits"),
        Some(Type::Option { item }) => format!("{} or none", type_in_words(schema, *item)),
        Some(Type::List { item }) => format!("list of {}", type_in_words(schema, *item)),
        Some(Type::Map { key, value }) => {
            format!("map of {} to {}", type_in_words(schema, *key), type_in_words(schema, *value))
        }
        Some(Type::Struct { name, .. } | Type::Enum { name, .. }) => name.clone(),
    }
}

/// What values a field takes, where not all that its type has.
pub(crate) fn limits_in_words(schema: &ServiceSchema, field: &Field) -> String {
    let item = match schema.type_at(field.of) {
        Some(Type::Option { item }) => schema.type_at(*item),
        other => other,
    };
    let counted = match item {
        Some(Type::String) => " characters",
        Some(Type::Bytes) => " bytes",
        Some(Type::List { .. } | Type::Map { .. }) => " items",
        _ => "",
    };
    let limit = |limit: i64| match item {
        Some(Type::Decimal { scale }) => decimal(limit, *scale),
        _ => limit.to_string(),
    };
    let range = match (field.min, field.max) {
        (Some(min), Some(max)) => format!("{} to {}{counted}", limit(min), limit(max)),
        (Some(min), None) => format!("at least {}{counted}", limit(min)),
        (None, Some(max)) => format!("at most {}{counted}", limit(max)),
        (None, None) => String::new(),
    };
    let parts = [range, field.format.clone()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// A decimal number from a count of its smallest units.
fn decimal(units: i64, scale: u8) -> String {
    let width = usize::from(scale) + 1;
    let digits = format!("{:0>width$}", units.unsigned_abs());
    let (whole, part) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if units < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// A value that a type takes, as JSON: from the examples of the fields, else made up. Optional fields are left out.
fn example(schema: &ServiceSchema, of: TypeRef, depth: usize) -> String {
    if depth > EXAMPLE_DEPTH_MAX {
        return "null".into();
    }
    let deeper = |of| example(schema, of, depth + 1);
    match schema.type_at(of) {
        None | Some(Type::Unit | Type::Option { .. }) => "null".into(),
        Some(Type::Bool) => "true".into(),
        Some(Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64) => {
            "1".into()
        }
        Some(Type::String) => "\"text\"".into(),
        Some(Type::Bytes) => "\"\"".into(),
        Some(Type::Timestamp) => "\"2026-01-01T00:00:00Z\"".into(),
        Some(Type::Decimal { scale }) => decimal(10_i64.saturating_pow((*scale).into()), *scale),
        Some(Type::List { item }) => format!("[{}]", deeper(*item)),
        Some(Type::Map { .. }) => "{}".into(),
        Some(Type::Struct { fields, .. }) => {
            let wanted = fields.iter().filter(|field| {
                !field.example.is_empty() || !matches!(schema.type_at(field.of), Some(Type::Option { .. }))
            });
            let fields = wanted.map(|field| {
                let value = if field.example.is_empty() { deeper(field.of) } else { field.example.clone() };
                format!("\"{}\":{value}", field.name)
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Some(Type::Enum { variants, .. }) => {
            let plain = variants.iter().find(|variant| variant.fields.is_empty());
            plain.map_or_else(|| "null".into(), |variant| format!("\"{}\"", variant.name))
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn first_line(doc: &str) -> &str {
    doc.lines().next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use micronet_services::order::api::order_schema;
    use micronet_services::product::api::product_schema;

    use super::*;

    #[track_caller]
    fn check(schema: &ServiceSchema, name: &str, words: &[&str]) {
        let text = method(schema, schema.method_named(name).unwrap(), Style::PLAIN);
        let text: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for word in words {
            assert!(text.iter().any(|line| line.contains(word)), "{word:?} is missing in: {text:#?}");
        }
    }

    #[test]
    fn a_method_is_described_with_all_that_it_takes_and_gives() {
        let words = [
            "product.query",
            "Who may call it: anybody",
            "GET /api/v1/products/{name}",
            "Calling it twice: does the same as once",
            "Request Query: ",
            "Reply ProductInfo: A product on sale.",
            "decimal, 2 digits",
            "PRODUCT_NOT_FOUND 404 name: string",
            "Try: micronet call product.query '{\"name\":",
        ];
        check(&product_schema(), "query", &words);
        check(
            &product_schema(),
            "inventory",
            &["shop:read", "Request InventoryAfter: ", "products list of Stock", "Type Stock: "],
        );
        let release =
            ["of the cluster's services only order; and the operator", "HTTP: not reached", "Reply: nothing"];
        check(&product_schema(), "release", &release);
        check(&product_schema(), "events", &["other services of the cluster"]);
        check(&order_schema(), "buy", &["needs the same --token", "quantity u32"]);
        check(&order_schema(), "log", &["after u64 or none", "Reply: string"]);
    }

    #[test]
    fn decimals_are_written_with_their_point() {
        let shown = [(1999, 2), (5, 2), (-5, 2), (7, 0), (0, 2)].map(|(units, scale)| decimal(units, scale));
        assert_eq!(shown, ["19.99", "0.05", "-0.05", "7", "0.00"]);
    }
}
