//! A schema as JSON: it is a message like others (SPEC.md 10.4), and so has the form of any message (9.4).

use bytes::{Bytes, BytesMut};
use micronet_wire::schema::{EncodedSchema, Message, ServiceSchema, TypeRef, TypeRegistry};
use micronet_wire::transcode::{to_binary, to_json};

use crate::error::CommandError;

/// The JSON of a schema, on one line.
pub(crate) fn of_schema(schema: &ServiceSchema) -> Result<String, CommandError> {
    let unshown = |error: String| CommandError::new(format!("the schema can't be written as JSON: {error}"));
    let encoded = micronet_wire::encoding::encode(schema).map_err(|error| unshown(error.to_string()))?;
    let (grammar, of) = grammar();
    let mut json = BytesMut::new();
    to_json(&grammar, of, &encoded, &mut json).map_err(|error| unshown(error.to_string()))?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}

/// Reads what [`of_schema`] has written.
pub(crate) fn to_schema(json: &[u8]) -> Result<EncodedSchema, String> {
    let (grammar, of) = grammar();
    let mut encoded = BytesMut::new();
    to_binary(&grammar, of, json, &[], &mut encoded).map_err(|error| error.to_string())?;
    EncodedSchema::decode(Bytes::from(encoded)).map_err(|error| error.to_string())
}

/// The types of which schemas are made.
fn grammar() -> (ServiceSchema, TypeRef) {
    let mut types = TypeRegistry::default();
    let of = ServiceSchema::describe(&mut types);
    let grammar = ServiceSchema {
        name: "schema".into(),
        doc: String::new(),
        types: types.into_types(),
        methods: Vec::new(),
    };
    (grammar, of)
}

#[cfg(test)]
mod tests {
    use micronet_services::{auth::api::auth_schema, product::api::product_schema};

    use super::*;

    #[test]
    fn a_schema_comes_back_from_its_json() {
        for schema in [auth_schema(), product_schema()] {
            let encoded = EncodedSchema::new(schema).unwrap();
            let json = of_schema(encoded.schema()).unwrap();
            assert_eq!(to_schema(json.as_bytes()).unwrap().fingerprint(), encoded.fingerprint());
        }
        assert!(to_schema(b"{}").is_err() && to_schema(b"[").is_err());
    }
}
