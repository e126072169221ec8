//! Messages from one schema to another and back.
//!
//! An input is a byte that chooses the schema, one that chooses a type of it, and the message. The other schema has the same
//! fields and variants in the opposite order, wider integers, and longer decimals.

use std::collections::HashMap;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::MESSAGE_BYTES_MAX;
use micronet_wire::schema::{
    Access, CallShape, EncodedSchema, Idempotency, Media, Method, ServiceSchema, Type, TypeRef, method_id,
};
use micronet_wire::transcode::{ServiceAdapter, to_json};

use crate::driver::{saw, saw_words};
use crate::sample::{schemas, unconstrained};

/// A schema, and what leads from it to the other one.
struct Pair {
    here: Rc<EncodedSchema>,
    there: Rc<EncodedSchema>,
    adapter: ServiceAdapter,
}

/// A method for each type that a method can take and return.
fn with_methods(schema: &ServiceSchema) -> ServiceSchema {
    let method = |at: usize| Method {
        id: id(at),
        name: format!("m{at}"),
        doc: String::new(),
        request: TypeRef::try_from(at).unwrap(),
        reply: TypeRef::try_from(at).unwrap(),
        error: None,
        shape: CallShape::Unary,
        idempotency: Idempotency::No,
        access: Access::Public,
        rate_class: String::new(),
        http: Vec::new(),
        http_status: 200,
        media: Media::Json,
        cache: String::new(),
        errors: Vec::new(),
    };
    let structs = (0..schema.types.len()).filter(|at| matches!(schema.types[*at], Type::Struct { .. }));
    let methods = structs.map(method).collect();
    ServiceSchema { name: "fuzz".into(), methods, ..unconstrained(schema) }
}

fn id(at: usize) -> u32 {
    method_id(&format!("fuzz.m{at}"))
}

fn turned(schema: &ServiceSchema) -> ServiceSchema {
    let mut turned = schema.clone();
    for described in &mut turned.types {
        match described {
            Type::Struct { fields, .. } => fields.reverse(),
            Type::Enum { variants, .. } => {
                variants.reverse();
                variants.iter_mut().for_each(|variant| variant.fields.reverse());
            }
            Type::U8 | Type::U16 | Type::U32 => *described = Type::U64,
            Type::I8 | Type::I16 | Type::I32 => *described = Type::I64,
            Type::Decimal { scale } => *scale = (*scale + 2).min(18),
            _ => {}
        }
    }
    turned
}

fn pairs() -> HashMap<usize, Pair> {
    let pair = |schema: &EncodedSchema| {
        let here = with_methods(schema.schema());
        let there = Rc::new(EncodedSchema::new(turned(&here)).unwrap());
        let here = Rc::new(EncodedSchema::new(here).unwrap());
        let adapter = ServiceAdapter::new(&here, &there)?;
        assert!(adapter.refusals().is_empty(), "{:?}", adapter.refusals());
        Some(Pair { here, there, adapter })
    };
    schemas().iter().enumerate().filter_map(|(at, schema)| Some((at, pair(schema)?))).collect()
}

fn shown(schema: &EncodedSchema, of: usize, message: &[u8]) -> Option<BytesMut> {
    let mut json = BytesMut::new();
    to_json(schema.schema(), TypeRef::try_from(of).unwrap(), message, &mut json).ok()?;
    Some(json)
}

/// Any bytes: they are refused, or they are a message of the other schema, which comes back as the same message.
pub(crate) fn check(input: &[u8]) {
    thread_local! {
        static PAIRS: HashMap<usize, Pair> = pairs();
    }
    let Some((&[which, of], message)) = input.split_first_chunk::<2>() else { return };
    PAIRS.with(|pairs| {
        let Some(pair) = pairs.get(&(usize::from(which) % schemas().len())) else { return };
        let of = usize::from(of) % pair.here.schema().types.len();
        let Ok(Some(method)) = pair.adapter.method(id(of)) else { return };
        let before = shown(&pair.here, of, message);
        match method.request(Bytes::copy_from_slice(message)) {
            Ok(adapted) => {
                assert!(adapted.len() <= MESSAGE_BYTES_MAX);
                let back = method.reply(adapted.clone());
                if let Some(before) = before {
                    assert!(shown(&pair.there, of, &adapted).is_some(), "what was a message is none there");
                    let back = back.unwrap();
                    assert_eq!(shown(&pair.here, of, &back), Some(before));
                }
                saw((of, adapted.len().min(16)));
            }
            Err(RpcError { code, message, .. }) => {
                let about_values = [Code::SchemaMismatch, Code::MessageTooLarge].contains(&code);
                assert!(about_values || code == Code::BadRequest, "{code}: {message}");
                assert!(about_values || before.is_none(), "a message was refused: {message}");
                assert!(message.len() < 1_000, "{message}");
                saw_words(&message);
            }
        }
    });
}
