//! Transcoding, held against `#[derive(Message)]` on one side and serde_json on the other.

mod errors;
mod faults;
mod forms;
mod hostile;
mod properties;
mod secrets;

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::{TranscodeError, to_binary, to_json};
use crate::encoding::encode;
use crate::schema::{Blob, Decimal, Message, ServiceSchema, Timestamp, TypeRef, TypeRegistry};

/// A message that has every type of the grammar.
#[derive(Message, Debug, Clone, PartialEq)]
struct Order {
    id: u64,
    state: State,
    items: Vec<Item>,
    prices: BTreeMap<String, Decimal<2>>,
    by_day: BTreeMap<i32, Vec<u8>>,
    flags: BTreeMap<bool, Option<u8>>,
    note: Option<String>,
    paid: bool,
    at: Timestamp,
    photo: Blob,
    small: Small,
    previous: Option<State>,
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Item {
    name: String,
    quantity: u32,
    discount: Option<Decimal<0>>,
}

#[derive(Message, Debug, Clone, PartialEq)]
enum State {
    New,
    Shipped { carrier: String, days: Option<u16> },
    Lost {},
}

#[derive(Message, Debug, Clone, PartialEq)]
struct Small {
    a: u8,
    b: u16,
    c: i8,
    d: i16,
    e: i32,
    f: i64,
}

fn schema_of<T: Message>() -> (ServiceSchema, TypeRef) {
    let mut types = TypeRegistry::default();
    let of = T::describe(&mut types);
    let schema = ServiceSchema {
        name: "test".into(),
        doc: String::new(),
        types: types.into_types(),
        methods: Vec::new(),
    };
    schema.validate().unwrap();
    (schema, of)
}

/// Packs JSON behind bytes that were there before, which must stay; after an error nothing else may be there.
fn pack<T: Message>(json: &[u8], parameters: &[(&str, &str)]) -> Result<Vec<u8>, TranscodeError> {
    let (schema, of) = schema_of::<T>();
    let mut out = BytesMut::from("before");
    let packed = to_binary(&schema, of, json, parameters, &mut out);
    let binary = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(packed.is_ok() || binary.is_empty());
    packed.map(|()| binary)
}

fn unpack<T: Message>(binary: &[u8]) -> Result<String, TranscodeError> {
    let (schema, of) = schema_of::<T>();
    let mut out = BytesMut::from("before");
    let unpacked = to_json(&schema, of, binary, &mut out);
    let json = out.strip_prefix(b"before").unwrap().to_vec();
    assert!(unpacked.is_ok() || json.is_empty());
    unpacked.map(|()| String::from_utf8(json).unwrap())
}

fn encoded<T: Message>(value: &T) -> Vec<u8> {
    encode(value).unwrap().to_vec()
}
