//! Random schemas and their descendants: what is adapted is what the same value as JSON would have become.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::shapes::{Dice, Fields, Shape, Value, describe, evolved_fields, fields, values};
use super::*;
use crate::transcode::{to_binary, to_json};

/// A service whose method takes and returns a struct of these fields.
fn echoing(fields: &Fields) -> (Rc<EncodedSchema>, TypeRef) {
    let mut types = Vec::new();
    let of = describe(&Shape::Struct(fields.clone()), &mut types);
    let method = asking::<()>().schema().methods[0].clone();
    let methods = vec![Method { request: of, reply: of, ..method }];
    let schema = ServiceSchema { name: "shelf".into(), doc: String::new(), types, methods };
    (Rc::new(EncodedSchema::new(schema).unwrap()), of)
}

fn packed(schema: &EncodedSchema, of: TypeRef, json: &str) -> Option<Bytes> {
    let mut out = BytesMut::new();
    to_binary(schema.schema(), of, json.as_bytes(), &[], &mut out).ok()?;
    Some(out.freeze())
}

/// The fields of a value as JSON for those of a target: what the target doesn't know is left out where it may be.
fn object(given: &[(String, Value)], target: &Fields, keeps: bool, out: &mut String) {
    out.push('{');
    for (name, value) in given {
        let comma = if out.ends_with('{') { "" } else { "," };
        match target.iter().find(|(known, _)| known == name) {
            Some((_, shape)) => {
                write!(out, "{comma}\"{name}\":").unwrap();
                json(value, shape, keeps, out);
            }
            None if keeps && !matches!(value, Value::Null) => write!(out, "{comma}\"{name}\":0").unwrap(),
            None => {}
        }
    }
    out.push('}');
}

fn json(value: &Value, target: &Shape, keeps: bool, out: &mut String) {
    let target = if let Shape::Option(item) = target { item } else { target };
    match (value, target) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Plain(text), _) => out.push_str(text),
        (Value::Number(number), _) => write!(out, "{number}").unwrap(),
        (Value::List(items), Shape::List(item)) => {
            out.push('[');
            for (at, value) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                json(value, item, keeps, out);
            }
            out.push(']');
        }
        (Value::Map(entries), Shape::Map(_, of)) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                write!(out, "{}\"{key}\":", if at > 0 { "," } else { "" }).unwrap();
                json(value, of, keeps, out);
            }
            out.push('}');
        }
        (Value::Struct(given), Shape::Struct(fields)) => object(given, fields, keeps, out),
        (Value::Variant(name, given), Shape::Enum(variants)) => {
            let known = variants.iter().find(|(known, _)| known == name);
            let stands_in = variants.iter().any(|(name, fields)| name == "Unknown" && fields.is_empty());
            let mut members = String::new();
            match known {
                Some((_, fields)) => object(given, fields, keeps, &mut members),
                None => members.push_str("{}"),
            }
            match (known, &*members) {
                (None, _) if stands_in => out.push_str("\"Unknown\""),
                (Some((_, fields)), "{}") if fields.is_empty() => write!(out, "\"{name}\"").unwrap(),
                _ => write!(out, "{{\"{name}\":{members}}}").unwrap(),
            }
        }
        (value, target) => panic!("{value:?} can't be a {target:?}"),
    }
}

/// Writes decimals, which need to know the scale that they come from.
fn with_scales(value: &Value, from: &Shape, to: &Shape) -> Value {
    let (from, to) = (unwrapped(from), unwrapped(to));
    match (value, from, to) {
        (Value::Decimal(minor), Shape::Decimal(scale), Shape::Decimal(wanted)) => {
            let mut text = BytesMut::new();
            crate::json::put_decimal(&mut text, *minor, *scale);
            let mut text = String::from_utf8(text.to_vec()).unwrap();
            // Zeros behind the point don't count.
            while text.split_once('.').is_some_and(|(_, digits)| digits.len() > usize::from(*wanted))
                && text.ends_with('0')
            {
                text.pop();
            }
            Value::Plain(text.trim_end_matches('.').into())
        }
        (Value::List(items), Shape::List(from), Shape::List(to)) => {
            Value::List(items.iter().map(|item| with_scales(item, from, to)).collect())
        }
        (Value::Map(entries), Shape::Map(_, from), Shape::Map(_, to)) => Value::Map(
            entries.iter().map(|(key, value)| (key.clone(), with_scales(value, from, to))).collect(),
        ),
        (Value::Struct(given), Shape::Struct(from), Shape::Struct(to)) => {
            Value::Struct(members_with_scales(given, from, to))
        }
        (Value::Variant(name, given), Shape::Enum(from), Shape::Enum(to)) => {
            let of = |variants: &[(String, Fields)]| {
                variants.iter().find(|(known, _)| known == name).map(|(_, fields)| fields.clone())
            };
            let given = match (of(from), of(to)) {
                (Some(from), Some(to)) => members_with_scales(given, &from, &to),
                _ => given.clone(),
            };
            Value::Variant(name.clone(), given)
        }
        (value, ..) => value.clone(),
    }
}

fn members_with_scales(given: &[(String, Value)], from: &Fields, to: &Fields) -> Vec<(String, Value)> {
    let find = |fields: &Fields, name: &str| {
        fields.iter().find(|(known, _)| known == name).map(|(_, shape)| shape.clone())
    };
    let member = |(name, value): &(String, Value)| match (find(from, name), find(to, name)) {
        (Some(from), Some(to)) => (name.clone(), with_scales(value, &from, &to)),
        _ => (name.clone(), value.clone()),
    };
    given.iter().map(member).collect()
}

fn unwrapped(shape: &Shape) -> &Shape {
    if let Shape::Option(item) = shape { item } else { shape }
}

fn written(given: &[(String, Value)], from: &Fields, to: &Fields, keeps: bool) -> String {
    let mut text = String::new();
    object(&members_with_scales(given, from, to), to, keeps, &mut text);
    text
}

/// What an adapter makes of a message: as a request, or as a reply.
fn adapted(
    from: &Rc<EncodedSchema>,
    to: &Rc<EncodedSchema>,
    asks: bool,
    message: Bytes,
) -> Result<Bytes, RpcError> {
    let service = if asks { ServiceAdapter::new(from, to) } else { ServiceAdapter::new(to, from) };
    let Some(service) = service else { return Ok(message) };
    match service.method(ID)? {
        None => Ok(message),
        Some(method) if asks => method.request(message),
        Some(method) => method.reply(message),
    }
}

/// Two schemas of which one way is adapted; the other way of the method is the same on both sides.
fn pair(before: &Fields, after: &Fields, asks: bool) -> [(Rc<EncodedSchema>, TypeRef); 2] {
    [before, after].map(|fields| {
        let (schema, of) = echoing(fields);
        let mut schema = schema.schema().clone();
        schema.types.push(Type::Unit);
        let unit = TypeRef::try_from(schema.types.len() - 1).unwrap();
        *(if asks { &mut schema.methods[0].reply } else { &mut schema.methods[0].request }) = unit;
        (Rc::new(EncodedSchema::new(schema).unwrap()), of)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn as_the_same_value_in_json(seed: u64, asks: bool) {
        let dice = &mut Dice(seed);
        let before = fields(dice, 3, 1);
        let after = evolved_fields(dice, &before, asks, 1);
        let [(from, of), (to, wanted)] = pair(&before, &after, asks);
        let given = values(dice, &before);
        let message = packed(&from, of, &written(&given, &before, &before, true)).unwrap();
        let text = written(&given, &before, &after, asks);
        match (adapted(&from, &to, asks, message), packed(&to, wanted, &text)) {
            (Ok(adapted), Some(expected)) => prop_assert_eq!(adapted, expected, "{}", text),
            (Err(error), None) => {
                prop_assert_eq!(error.code, Code::SchemaMismatch);
                let retry = if asks { Retry::NeverStarted } else { Retry::MaybeExecuted };
                prop_assert!(error.retry == retry, "{}: {:?}", error, error.retry);
            }
            (Err(error), Some(_)) => prop_assert!(false, "{} for {}", error, text),
            (Ok(_), None) => prop_assert!(false, "{} was adapted all the same", text),
        }
    }

    #[test]
    fn the_same_schema_needs_nothing(seed: u64) {
        let fields = fields(&mut Dice(seed), 4, 1);
        let (schema, _) = echoing(&fields);
        let documented = ServiceSchema { doc: "Other words.".into(), ..schema.schema().clone() };
        let documented = Rc::new(EncodedSchema::new(documented).unwrap());
        prop_assert!(ServiceAdapter::new(&schema, &documented).is_none());
    }

    #[test]
    fn damaged_bytes_never_panic(
        seed: u64, asks: bool, edits in vec((any::<Index>(), any::<u8>()), 1..6), random: Vec<u8>,
    ) {
        let dice = &mut Dice(seed);
        let before = fields(dice, 3, 1);
        let after = evolved_fields(dice, &before, asks, 1);
        let [(from, of), (to, wanted)] = pair(&before, &after, asks);
        let given = values(dice, &before);
        let mut message = packed(&from, of, &written(&given, &before, &before, true)).unwrap().to_vec();
        for (at, byte) in edits {
            if !message.is_empty() {
                let at = at.index(message.len());
                message[at] = byte;
            }
        }
        for message in [message, random] {
            let mut json = BytesMut::new();
            let is_one = to_json(from.schema(), of, &message, &mut json).is_ok();
            if let Ok(adapted) = adapted(&from, &to, asks, message.into()) && is_one {
                prop_assert!(to_json(to.schema(), wanted, &adapted, &mut json).is_ok());
            }
        }
    }
}
