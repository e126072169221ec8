//! The request of a call, from what was typed: JSON, fields, a file, or stdin.

use std::fs;
use std::io::{self, Read};

use micronet_wire::limits::JSON_MESSAGE_BYTES_MAX;
use micronet_wire::schema::{Method, ServiceSchema, Type, TypeRef};
use serde_json::Value;

use crate::config::Request;
use crate::error::CommandError;

/// The request as JSON text.
pub(super) fn json(
    request: &Request,
    schema: &ServiceSchema,
    method: &Method,
) -> Result<String, CommandError> {
    let Request::Fields(written) = request else { return text(request) };
    let fields = match schema.type_at(method.request) {
        Some(Type::Struct { fields, .. }) => fields.as_slice(),
        _ => &[],
    };
    of_fields(written, |name, value| {
        let of = fields.iter().find(|known| known.name == name).map(|known| known.of);
        as_json(schema, of, value)
    })
}

/// A request that was typed as a whole, or stands in a file.
pub(super) fn text(request: &Request) -> Result<String, CommandError> {
    match request {
        Request::Json(text) => Ok(text.clone()),
        Request::Fields(_) => Err(CommandError::usage("the request is no JSON")),
        Request::Stdin => read("stdin", io::stdin()),
        Request::File(path) => {
            let name = path.display().to_string();
            let file = fs::File::open(path)
                .map_err(|error| CommandError::usage(format!("cannot read {name}: {error}")))?;
            read(&name, file)
        }
    }
}

/// All of a text, if a request can be so long.
fn read(name: &str, from: impl Read) -> Result<String, CommandError> {
    let mut text = String::new();
    let failed = |error: io::Error| CommandError::usage(format!("cannot read {name}: {error}"));
    from.take(JSON_MESSAGE_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() > JSON_MESSAGE_BYTES_MAX {
        let words = format!("{name} is longer than {JSON_MESSAGE_BYTES_MAX} bytes");
        return Err(CommandError::usage(words));
    }
    Ok(text)
}

/// `name=Tux quantity=2 sizes:=[1,2]`: after `=` stands a value, of which `as_json` makes JSON; after `:=` JSON.
pub(super) fn of_fields(
    written: &[String],
    as_json: impl Fn(&str, &str) -> String,
) -> Result<String, CommandError> {
    let mut members = Vec::new();
    for field in written {
        let unreadable = || {
            CommandError::usage(format!("{field:?} is no part of a request"))
                .next("write JSON, or FIELD=VALUE, or FIELD:=JSON, or @FILE, or - for stdin")
        };
        let (name, value) = field.split_once('=').ok_or_else(unreadable)?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                serde_json::from_str::<Value>(value)
                    .map_err(|error| CommandError::usage(format!("{name}: {value:?} is no JSON: {error}")))?;
                (name, value.to_owned())
            }
            None => (name, as_json(name, value)),
        };
        if name.is_empty() {
            return Err(unreadable());
        }
        members.push(format!("{}:{value}", Value::from(name)));
    }
    Ok(format!("{{{}}}", members.join(",")))
}

/// A value as JSON: texts in quotes, the others as they were written. What is wrong with it is the transcoder's to say.
fn as_json(schema: &ServiceSchema, of: Option<TypeRef>, value: &str) -> String {
    let mut described = of.and_then(|of| schema.type_at(of));
    while let Some(Type::Option { item }) = described {
        described = schema.type_at(*item);
    }
    let is_text = match described {
        Some(Type::String | Type::Bytes | Type::Timestamp) | None => true,
        // A variant without fields is its name.
        Some(Type::Enum { .. }) => !value.starts_with(['{', '"']),
        Some(_) => serde_json::from_str::<Value>(value).is_err(),
    };
    if is_text { Value::from(value).to_string() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use micronet_services::order::api::order_schema;
    use micronet_services::product::api::product_schema;

    use super::*;

    #[track_caller]
    fn check(schema: &ServiceSchema, method: &str, written: &[&str], expected: Result<&str, &str>) {
        let written: Vec<String> = written.iter().map(|field| (*field).to_owned()).collect();
        let method = schema.method_named(method).unwrap();
        match (json(&Request::Fields(written), schema, method), expected) {
            (Ok(json), Ok(expected)) => assert_eq!(json, expected),
            (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
            (json, _) => panic!("{json:?}, and not {expected:?}"),
        }
    }

    #[test]
    fn fields_are_written_as_their_types_are() {
        let (order, product) = (order_schema(), product_schema());
        check(&order, "buy", &["name=Whale", "quantity=2"], Ok(r#"{"name":"Whale","quantity":2}"#));
        check(&order, "buy", &["name=7", "quantity=two"], Ok(r#"{"name":"7","quantity":"two"}"#));
        check(&order, "buy", &[r#"name:="a\"b""#], Ok(r#"{"name":"a\"b"}"#));
        check(&order, "buy", &["name=a=b"], Ok(r#"{"name":"a=b"}"#));
        check(&product, "query", &["nmae=Tux"], Ok(r#"{"nmae":"Tux"}"#));
        check(&product, "query", &["Tux"], Err("no part of a request"));
        check(&product, "query", &["name:=Tux"], Err("is no JSON"));
        check(&product, "query", &["=Tux"], Err("no part of a request"));
    }
}
