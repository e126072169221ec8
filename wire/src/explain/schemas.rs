//! The schemas by which messages are shown.

use bytes::Bytes;

use crate::builtin::{BuiltinMethods, OwnSchema, builtin_schema};
use crate::encoding;
use crate::limits::EXPLAINED_SCHEMAS_MAX;
use crate::network::operation_schema;
use crate::schema::{EncodedSchema, Method, ServiceSchema};

/// What is known of services: those that every instance answers, and those that were added.
#[derive(Debug, Clone)]
pub struct Schemas {
    common: [ServiceSchema; 2],
    added: Vec<EncodedSchema>,
}

impl Default for Schemas {
    fn default() -> Self {
        Self { common: [builtin_schema(), operation_schema()], added: Vec::new() }
    }
}

impl Schemas {
    /// Those of the services that every instance answers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a service's schema. It goes before those of the same service that were added earlier. False when there are too many.
    pub fn add(&mut self, schema: EncodedSchema) -> bool {
        let known = self.added.iter().position(|known| known.fingerprint() == schema.fingerprint());
        if let Some(known) = known {
            self.added.remove(known);
        }
        let fits = self.added.len() < EXPLAINED_SCHEMAS_MAX;
        if fits {
            self.added.insert(0, schema);
        }
        fits
    }

    /// Those that were added, the last one first.
    #[must_use]
    pub fn added(&self) -> &[EncodedSchema] {
        &self.added
    }

    /// The method with this id, and the schema that it stands in.
    #[must_use]
    pub fn method(&self, id: u32) -> Option<(&ServiceSchema, &Method)> {
        let added = self.added.iter().map(EncodedSchema::schema);
        added.chain(&self.common).find_map(|schema| Some((schema, schema.method(id)?)))
    }

    /// The method as people call it.
    #[must_use]
    pub fn name(&self, id: u32) -> String {
        match self.method(id) {
            Some((schema, method)) => format!("{}.{}", schema.name, method.name),
            None => format!("method {id:08x}"),
        }
    }

    /// Learns the schema that a reply of `micronet.schema` carries.
    pub(super) fn learn_from_reply(&mut self, method: u32, reply: &[u8]) {
        if method == BuiltinMethods::SCHEMA
            && let Ok(own) = encoding::decode::<OwnSchema>(reply)
            && let Ok(schema) = EncodedSchema::decode(Bytes::from(own.schema.0))
        {
            self.add(schema);
        }
    }
}
