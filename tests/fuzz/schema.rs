//! Schemas of peers: refused, or sound, and then anything can be transcoded by them.

use std::rc::Rc;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use micronet_wire::schema::{EncodedSchema, SchemaError, ServiceSchema, TypeRef, method_id};
use micronet_wire::transcode::{ServiceAdapter, TranscodeErrorKind, to_binary, to_json};

use crate::driver::{saw, saw_words};
use crate::sample::of_schemas;

pub(crate) fn check(input: &[u8]) {
    static OF_SCHEMAS: OnceLock<ServiceSchema> = OnceLock::new();
    let of_schemas = OF_SCHEMAS.get_or_init(of_schemas);
    let at = TypeRef::try_from(of_schemas.types.len() - 1).unwrap();
    let mut json = BytesMut::new();
    let by_schema = to_json(of_schemas, at, input, &mut json);
    match EncodedSchema::decode(Bytes::copy_from_slice(input)) {
        Ok(decoded) => {
            // A schema is a message, so the schema of schemas reads it as the types do.
            assert!(by_schema.is_ok(), "{by_schema:?}");
            let schema = decoded.schema();
            let again = EncodedSchema::new(schema.clone()).unwrap();
            assert!(again.encoded().len() <= input.len());
            assert_eq!(again.encoded() == input, again.fingerprint() == decoded.fingerprint());
            assert_eq!(EncodedSchema::decode(again.encoded().clone()).unwrap().schema(), schema);
            // Docs make no difference to calls.
            let documented = ServiceSchema { doc: format!("{}!", schema.doc), ..schema.clone() };
            if let Ok(documented) = EncodedSchema::new(documented) {
                assert!(ServiceAdapter::new(&Rc::new(documented), &Rc::new(again)).is_none());
            }
            use_schema(schema, input);
            saw((schema.types.len(), schema.methods.len()));
        }
        Err(SchemaError::Invalid(words)) => {
            assert!(by_schema.is_ok(), "{by_schema:?}");
            saw_words(&words);
        }
        Err(SchemaError::Undecodable | SchemaError::TooLarge) => {
            let error = by_schema.expect_err("the types refuse what their schema reads");
            saw_words(&error.words);
        }
    }
}

/// Nothing that a sound schema is used for fails by the schema.
fn use_schema(schema: &ServiceSchema, bytes: &[u8]) {
    for method in &schema.methods {
        assert_eq!(method.id, method_id(&format!("{}.{}", schema.name, method.name)));
        assert!(schema.type_at(method.request).is_some() && schema.type_at(method.reply).is_some());
        let _ = schema.error_variant(method, bytes);
        saw((
            format!("{:?} {:?}", method.shape, method.media),
            method.http.len().min(3),
            method.error.is_some(),
        ));
    }
    for of in 0..TypeRef::try_from(schema.types.len()).unwrap() {
        let mut out = BytesMut::new();
        for outcome in [
            to_json(schema, of, &bytes[bytes.len() / 2..], &mut out),
            to_binary(schema, of, b"{}", &[], &mut out),
            to_binary(schema, of, b"[[1]]", &[], &mut out),
        ] {
            assert!(!matches!(outcome, Err(error) if error.kind == TranscodeErrorKind::Schema));
        }
    }
}
