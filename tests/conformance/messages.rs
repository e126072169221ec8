//! The vectors of messages and schemas, by the schema alone (transcoding) and by Rust's own types.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use micronet_tests::spec::{bytes_of, check, expect, hex};
use micronet_wire::encoding::{decode, encode};
use micronet_wire::schema::{
    Blob, Decimal, EncodedSchema, Field, Message, ServiceSchema, Timestamp, Type, TypeRef, TypeRegistry,
    Variant,
};
use micronet_wire::transcode::{to_binary, to_json};
use serde_json::Value;

#[derive(Message, Debug)]
struct Nothing {}

#[derive(Message, Debug)]
enum Kind {
    Plush,
    Puzzle { pieces: u32, whole: bool },
}

#[derive(Message, Debug)]
struct Toy {
    name: String,
    price: Decimal<2>,
    kind: Kind,
    sizes: Vec<u16>,
    note: Option<String>,
    stock: BTreeMap<String, u8>,
    picture: Blob,
    since: Timestamp,
}

/// A schema that has only types.
fn only_types(types: Vec<Type>) -> ServiceSchema {
    ServiceSchema { name: "vectors".into(), doc: String::new(), types, methods: Vec::new() }
}

/// The file's types as a schema: there they refer to each other by name, here by index.
fn schema_of(file: &Value) -> (ServiceSchema, BTreeMap<&str, TypeRef>) {
    let described = file["types"].as_array().unwrap();
    let index: BTreeMap<&str, TypeRef> =
        (0..).zip(described).map(|(at, one)| (one["as"].as_str().unwrap(), at)).collect();
    let at = |name: &Value| index[name.as_str().unwrap()];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let fields = |list: &Value| -> Vec<Field> {
        let field = |one: &Value| Field { name: text(&one[0]), of: at(&one[1]), ..Field::default() };
        list.as_array().unwrap().iter().map(field).collect()
    };
    let variant = |one: &Value| Variant {
        name: text(&one[0]),
        doc: String::new(),
        fields: fields(&one[1]),
        http_status: 0,
    };
    let plain = [
        Type::Unit,
        Type::Bool,
        Type::U8,
        Type::U16,
        Type::U32,
        Type::U64,
        Type::I8,
        Type::I16,
        Type::I32,
        Type::I64,
        Type::String,
        Type::Bytes,
        Type::Timestamp,
    ];
    let resolved = |one: &Value| {
        let is = &one["is"];
        match is[0].as_str().unwrap() {
            "Decimal" => Type::Decimal { scale: u8::try_from(is[1].as_u64().unwrap()).unwrap() },
            "Option" => Type::Option { item: at(&is[1]) },
            "List" => Type::List { item: at(&is[1]) },
            "Map" => Type::Map { key: at(&is[1]), value: at(&is[2]) },
            "Struct" => Type::Struct { name: text(&is[1]), doc: String::new(), fields: fields(&is[2]) },
            "Enum" => Type::Enum {
                name: text(&is[1]),
                doc: String::new(),
                variants: is[2].as_array().unwrap().iter().map(variant).collect(),
            },
            name => plain.iter().find(|known| format!("{known:?}") == name).unwrap().clone(),
        }
    };
    (only_types(described.iter().map(resolved).collect()), index)
}

/// Whether Rust's own type takes these bytes, and what it would write.
fn typed(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    fn through<T: Message>(bytes: &[u8]) -> Option<Vec<u8>> {
        decode::<T>(bytes).ok().map(|value| encode(&value).unwrap().to_vec())
    }
    match name {
        "unit" => through::<()>(bytes),
        "bool" => through::<bool>(bytes),
        "u8" => through::<u8>(bytes),
        "u16" => through::<u16>(bytes),
        "u32" => through::<u32>(bytes),
        "u64" => through::<u64>(bytes),
        "i8" => through::<i8>(bytes),
        "i16" => through::<i16>(bytes),
        "i32" => through::<i32>(bytes),
        "i64" => through::<i64>(bytes),
        "string" => through::<String>(bytes),
        "bytes" => through::<Blob>(bytes),
        "timestamp" => through::<Timestamp>(bytes),
        "decimal 0" => through::<Decimal<0>>(bytes),
        "decimal 2" => through::<Decimal<2>>(bytes),
        "decimal 18" => through::<Decimal<18>>(bytes),
        "option u8" => through::<Option<u8>>(bytes),
        "option string" => through::<Option<String>>(bytes),
        "list u16" => through::<Vec<u16>>(bytes),
        "list list u16" => through::<Vec<Vec<u16>>>(bytes),
        "map string u8" => through::<BTreeMap<String, u8>>(bytes),
        "map i16 bool" => through::<BTreeMap<i16, bool>>(bytes),
        "map bool u8" => through::<BTreeMap<bool, u8>>(bytes),
        "nothing" => through::<Nothing>(bytes),
        "kind" => through::<Kind>(bytes),
        "toy" => through::<Toy>(bytes),
        _ => panic!("{name} is no type of this test"),
    }
}

#[test]
fn encoding() {
    check("encoding", |case, file| {
        let (schema, index) = schema_of(file);
        schema.validate().map_err(|error| error.to_string())?;
        let (name, bytes) = (case["type"].as_str().unwrap(), bytes_of(case));
        let mut json = BytesMut::new();
        let found = to_json(&schema, index[name], &bytes, &mut json);
        let Some(wanted) = case["json"].as_str() else {
            // SPEC 9.2: for a map out of order a receiver may choose; Rust's own types take it.
            let refused = typed(name, &bytes).is_none() || case["may"] == true;
            return expect(&(true, true), &(found.is_err(), refused));
        };
        found.map_err(|error| error.to_string())?;
        expect(&wanted, &std::str::from_utf8(&json).unwrap())?;
        let again = typed(name, &bytes).ok_or("Rust's own type refuses it")?;
        let mut packed = BytesMut::new();
        to_binary(&schema, index[name], &json, &[], &mut packed).map_err(|error| error.to_string())?;
        expect(&hex(&again), &hex(&packed))?;
        // SPEC 9.1: a sender writes the shortest form; longer ones are only read.
        expect(&(case["written"] != false), &(bytes == again))
    });
}

#[test]
fn schemas() {
    let mut types = TypeRegistry::default();
    let root = ServiceSchema::describe(&mut types);
    let of_schemas = only_types(types.into_types());
    check("schema", |case, _| {
        let bytes = Bytes::from(bytes_of(case));
        let Ok(schema) = EncodedSchema::decode(bytes.clone()) else {
            return expect(&case["refused"], &"BAD_REQUEST".into());
        };
        let mut json = BytesMut::new();
        to_json(&of_schemas, root, &bytes, &mut json).map_err(|error| error.to_string())?;
        expect(&case["json"].as_str().unwrap_or_default(), &std::str::from_utf8(&json).unwrap())?;
        expect(&case["fingerprint"].as_str().unwrap(), &&*schema.fingerprint().to_string())?;
        let again = EncodedSchema::new(schema.schema().clone()).map_err(|error| error.to_string())?;
        expect(&hex(&bytes), &hex(again.encoded()))
    });
}
