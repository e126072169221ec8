//! What a hostile peer may send: bytes that are no message, sizes beyond limits, and schemas that break their rules.

use super::*;
use crate::limits::{JSON_BYTES_MAX, JSON_MESSAGE_BYTES_MAX};
use crate::schema::{Field, Type, Variant};
use crate::transcode::Place;
use crate::transcode::TranscodeErrorKind::{self, *};

/// A schema that was not validated.
fn unchecked(types: Vec<Type>) -> ServiceSchema {
    ServiceSchema { name: "s".into(), doc: String::new(), types, methods: Vec::new() }
}

#[test]
fn messages_that_are_too_large() {
    let fits = format!("\"{}\"", "x".repeat(JSON_MESSAGE_BYTES_MAX - 5));
    assert_eq!(pack::<String>(fits.as_bytes(), &[]).unwrap().len(), JSON_MESSAGE_BYTES_MAX);
    let error =
        pack::<String>(format!("\"{}\"", "x".repeat(JSON_MESSAGE_BYTES_MAX)).as_bytes(), &[]).unwrap_err();
    assert_eq!(
        (error.kind, error.words.as_str()),
        (TooLarge, "the message would be longer than 1048576 bytes")
    );
    // A short text that stands for a long message: each `{}` makes twenty bytes.
    let text = format!("[{}{{}}]", "{},".repeat(JSON_MESSAGE_BYTES_MAX / 20));
    assert_eq!(pack::<Vec<Sparse>>(text.as_bytes(), &[]).unwrap_err().kind, TooLarge);
}

#[derive(Message)]
#[rustfmt::skip]
struct Sparse {
    a: Option<u8>, b: Option<u8>, c: Option<u8>, d: Option<u8>, e: Option<u8>, f: Option<u8>, g: Option<u8>,
    h: Option<u8>, i: Option<u8>, j: Option<u8>, k: Option<u8>, l: Option<u8>, m: Option<u8>, n: Option<u8>,
    o: Option<u8>, p: Option<u8>, q: Option<u8>, r: Option<u8>, s: Option<u8>, t: Option<u8>,
}

/// Unpacking fails with this kind and text.
fn check_binary<T: Message>(binary: &[u8], kind: TranscodeErrorKind, at: usize, text: &str) {
    let error = unpack::<T>(binary).unwrap_err();
    assert_eq!((error.kind, error.to_string().as_str()), (kind, text));
    assert_eq!(error.place, Place::Binary { offset: at });
}

#[test]
fn bytes_that_are_no_message() {
    check_binary::<u8>(&[], Undecodable, 0, "byte 0: the message ends too early");
    check_binary::<u8>(&[1, 2], Undecodable, 1, "byte 1: bytes are left over after the message");
    check_binary::<bool>(&[2], Undecodable, 0, "byte 0: a byte that must be 0 or 1 is neither");
    check_binary::<Option<u8>>(&[9], Undecodable, 0, "byte 0: a byte that must be 0 or 1 is neither");
    check_binary::<u16>(
        &[252, 0, 0, 0, 0],
        Undecodable,
        0,
        "byte 0: the marker before a number is none for 16 bits",
    );
    check_binary::<u32>(
        &[253, 0, 0, 0, 0, 0, 0, 0, 0],
        Undecodable,
        0,
        "byte 0: the marker before a number is none for 32 bits",
    );
    check_binary::<i64>(&[254], Undecodable, 0, "byte 0: the marker before a number is none for 64 bits");
    check_binary::<u64>(&[253, 1, 2], Undecodable, 1, "byte 1: the message ends too early");
    check_binary::<String>(&[3, b'a'], Undecodable, 1, "byte 1: a length reaches past the message's end");
    check_binary::<String>(&[1, 0xff], Undecodable, 1, "byte 1: a string is not UTF-8");
    check_binary::<State>(&[3], Undecodable, 0, "byte 0: there is no variant 3");
    check_binary::<Vec<Item>>(
        &[2, 0, 7, 0, 1, b'x'],
        Undecodable,
        6,
        "[1].quantity: the message ends too early",
    );
    check_binary::<BTreeMap<u8, u8>>(
        &[2, 1, 0, 1, 0],
        Undecodable,
        3,
        "byte 3: the keys of a map don't ascend",
    );
    check_binary::<BTreeMap<i8, u8>>(
        &[2, 1, 0, 0xff, 0],
        Undecodable,
        3,
        "byte 3: the keys of a map don't ascend",
    );
    check_binary::<BTreeMap<u8, bool>>(
        &[1, 7, 2],
        Undecodable,
        2,
        "[\"7\"]: a byte that must be 0 or 1 is neither",
    );
    let beyond = encoded(&vec![Timestamp(i64::MAX)]);
    check_binary::<Vec<Timestamp>>(
        &beyond,
        Undecodable,
        1,
        "[0]: a timestamp lies outside the years 0000 to 9999",
    );
}

#[test]
fn json_that_would_be_too_long() {
    // A list of units takes no bytes but its count. Validation refuses it, so that only a schema nobody checked has one.
    let endless = [vec![253], vec![0xff; 8]].concat();
    let schema = unchecked(vec![Type::Unit, Type::List { item: 0 }]);
    assert_eq!(to_json(&schema, 1, &endless, &mut BytesMut::new()).unwrap_err().kind, TooLarge);
    let sparse = [vec![252, 0, 0xc8, 0, 0], vec![0; 0xc800 * 20]].concat();
    let error = unpack::<Vec<Sparse>>(&sparse).unwrap_err();
    assert_eq!(error.words, format!("the message as JSON would be longer than {JSON_BYTES_MAX} bytes"));
    let longest = encoded(&"\u{1}".repeat(JSON_MESSAGE_BYTES_MAX - 5));
    assert_eq!(unpack::<String>(&longest).unwrap().len(), 6 * (JSON_MESSAGE_BYTES_MAX - 5) + 2);
    assert_eq!(unpack::<String>(&vec![0; JSON_MESSAGE_BYTES_MAX + 1]).unwrap_err().kind, TooLarge);
}

#[test]
fn a_schema_that_nobody_checked_is_no_danger() {
    let field = |of| Field { name: "a".into(), of, ..Field::default() };
    let fields = vec![field(0); 300];
    let (name, doc) = (String::from("T"), String::new());
    let variant = Variant { name: "a".into(), doc: doc.clone(), fields: vec![field(0)], http_status: 0 };
    let types = [
        Type::Option { item: 0 },
        Type::List { item: 0 },
        Type::List { item: 9 },
        Type::Map { key: 0, value: 0 },
        Type::Map { key: 9, value: 0 },
        Type::Struct { name: name.clone(), doc: doc.clone(), fields: vec![field(0)] },
        Type::Struct { name: name.clone(), doc: doc.clone(), fields },
        Type::Enum { name, doc, variants: vec![variant] },
    ];
    for described in types {
        let schema = unchecked(vec![described]);
        for text in ["1", &"[".repeat(70), &"{\"a\":".repeat(70), "{\"a\":1}", ""] {
            to_binary(&schema, 0, text.as_bytes(), &[], &mut BytesMut::new()).unwrap_err();
        }
        for byte in [0, 1] {
            let _ = to_json(&schema, 0, &[byte; 1000], &mut BytesMut::new());
        }
    }
    let empty = unchecked(vec![]);
    assert_eq!(to_binary(&empty, 0, b"1", &[], &mut BytesMut::new()).unwrap_err().kind, Schema);
    assert_eq!(to_json(&empty, 0, b"1", &mut BytesMut::new()).unwrap_err().kind, Schema);
}
