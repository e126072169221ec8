//! JSON to messages and back, by schemas: fixed ones and random ones.
//!
//! An input is a byte that chooses the schema, one that chooses a type of it, and the text or the message.

use bytes::BytesMut;
use micronet_wire::limits::{JSON_BYTES_MAX, MESSAGE_BYTES_MAX};
use micronet_wire::schema::{EncodedSchema, ServiceSchema, TypeRef};
use micronet_wire::transcode::{
    Place, TranscodeError, TranscodeErrorKind, check_constraints, to_binary, to_json,
};
use serde_json::Value;

use crate::driver::{saw, saw_words};
use crate::sample::schemas;

pub(crate) const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"{}",
    b"[]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"\\ud83d",
    b"null",
    b"true",
    b"false",
    b"-0",
    b"0.1",
    b"1e3",
    b"18446744073709551616",
    b"9007199254740993",
    b"-9223372036854775809",
    b"0.000000000000000001",
    b"\"f0\":",
    b"\"V1\"",
    b"{\"V0\":{}}",
    b"\"AAAB\"",
    b"\"AA==\"",
    b"\"2024-02-29T12:00:60Z\"",
    b"T24:00:00",
    b"\xEF\xBB\xBF",
    b"\xFF",
    b"\xED\xA0\x80",
    b"\0",
    b" \t\r\n",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// What stands before in the output must not be touched.
const BEFORE: &[u8] = b"before";

fn chosen(input: &[u8]) -> Option<(&'static EncodedSchema, TypeRef, &[u8])> {
    let (&[which, of], rest) = input.split_first_chunk::<2>()?;
    let schema = &schemas()[usize::from(which) % schemas().len()];
    let of = usize::from(of) % schema.schema().types.len();
    Some((schema, TypeRef::try_from(of).ok()?, rest))
}

fn transcoded(
    transcode: impl FnOnce(&mut BytesMut) -> Result<(), TranscodeError>,
) -> Result<Vec<u8>, TranscodeError> {
    let mut out = BytesMut::from(BEFORE);
    let outcome = transcode(&mut out);
    assert!(out.starts_with(BEFORE));
    match outcome {
        Ok(()) => Ok(out[BEFORE.len()..].to_vec()),
        Err(error) => {
            assert_eq!(out, BEFORE, "something was written all the same");
            Err(error)
        }
    }
}

fn packed(schema: &ServiceSchema, of: TypeRef, json: &[u8]) -> Result<Vec<u8>, TranscodeError> {
    transcoded(|out| to_binary(schema, of, json, &[], out))
}

fn unpacked(schema: &ServiceSchema, of: TypeRef, binary: &[u8]) -> Result<Vec<u8>, TranscodeError> {
    transcoded(|out| to_json(schema, of, binary, out))
}

/// Any text: it is refused, with a place in it, or it is a message that comes back as the same message.
pub(crate) fn to_binary_is_right(input: &[u8]) {
    let Some((encoded, of, json)) = chosen(input) else { return };
    let schema = encoded.schema();
    let parsed = serde_json::from_slice::<Value>(json);
    match packed(schema, of, json) {
        Ok(binary) => {
            assert!(binary.len() <= MESSAGE_BYTES_MAX && check_constraints(encoded, of, &binary).is_ok());
            assert!(
                json.is_empty() || parsed.is_ok(),
                "{:?} is taken for JSON",
                String::from_utf8_lossy(json)
            );
            let again = unpacked(schema, of, &binary).unwrap();
            assert!(serde_json::from_slice::<Value>(&again).is_ok());
            let words = String::from_utf8_lossy(&again);
            assert_eq!(packed(schema, of, &again).as_ref(), Ok(&binary), "{words}");
            if let (Ok(said), Ok(again)) = (parsed, serde_json::from_slice::<Value>(&again)) {
                assert!(means_the_same(&said, &again), "{said} is taken for {again}");
            }
            saw((of, binary.len().min(16)));
        }
        Err(error) => {
            check_place(&error, json.len());
            let is_malformed = error.kind == TranscodeErrorKind::Malformed;
            assert!(!(is_malformed && parsed.is_ok()), "{error}: {:?}", String::from_utf8_lossy(json));
            assert_ne!(error.kind, TranscodeErrorKind::Schema, "{error}");
            saw_words(&error.words);
        }
    }
}

/// Whether `again` says what `said` said: nothing is lost, and only what was left out has come as `null`. Numbers and times may
/// be written otherwise.
fn means_the_same(said: &Value, again: &Value) -> bool {
    match (said, again) {
        (Value::Object(said), Value::Object(again)) => {
            said.keys().all(|key| again.contains_key(key) || key.starts_with(['-', '0']))
                && again.iter().all(|(key, value)| match said.get(key) {
                    Some(said) => means_the_same(said, value),
                    None => value.is_null() || key.starts_with(|c: char| c == '-' || c.is_ascii_digit()),
                })
        }
        (Value::Array(said), Value::Array(again)) => {
            said.len() == again.len()
                && said.iter().zip(again).all(|(said, again)| means_the_same(said, again))
        }
        (Value::String(said), again) if said.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            again.is_string() || again.is_number()
        }
        (Value::Number(_), again) => again.is_number() || again.is_string(),
        _ => said == again,
    }
}

/// Any bytes: they are refused, with a place in them, or they are JSON that comes back as the same JSON.
pub(crate) fn to_json_is_right(input: &[u8]) {
    let Some((encoded, of, binary)) = chosen(input) else { return };
    let schema = encoded.schema();
    match unpacked(schema, of, binary) {
        Ok(json) => {
            let words = String::from_utf8_lossy(&json);
            assert!(
                json.len() <= JSON_BYTES_MAX && serde_json::from_slice::<Value>(&json).is_ok(),
                "{words}"
            );
            let again = match packed(schema, of, &json) {
                Ok(again) => again,
                // SPEC 10.9: a message may break constraints, and both ways to look at it say so.
                Err(error) if !of_text(error.kind) => {
                    assert!(check_constraints(encoded, of, binary).is_err(), "{error}: {words}");
                    return;
                }
                Err(error) => panic!("{error}: {words}"),
            };
            assert_eq!(check_constraints(encoded, of, binary), Ok(()), "{words}");
            // Numbers may have been written longer than they need to be.
            assert!(again == binary || again.len() < binary.len(), "{words}");
            assert_eq!(unpacked(schema, of, &again).as_ref(), Ok(&json), "{words}");
            saw((of, json.len().min(40)));
        }
        Err(error) => {
            check_place(&error, binary.len());
            let kinds = [TranscodeErrorKind::Undecodable, TranscodeErrorKind::TooLarge];
            assert!(kinds.contains(&error.kind), "{error}: {:?}", error.kind);
            saw_words(&error.words);
        }
    }
}

fn of_text(kind: TranscodeErrorKind) -> bool {
    matches!(kind, TranscodeErrorKind::Malformed | TranscodeErrorKind::TooDeep | TranscodeErrorKind::Schema)
}

fn check_place(error: &TranscodeError, length: usize) {
    match error.place {
        Place::Json { line, column, offset } => {
            assert!(line >= 1 && column >= 1 && offset <= length, "{error}: {:?}", error.place);
        }
        Place::Binary { offset } => assert!(offset <= length, "{error}: {:?}", error.place),
        Place::Parameter => {}
    }
    assert!(!error.words.is_empty() && error.words.len() < 400, "{error}");
}
