//! What identifies a schema and a method: hashes that every implementation computes alike (SPEC.md 10.3, 10.5).

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{SchemaError, ServiceSchema, TypeRef};
use crate::encoding;
use crate::limits::SCHEMA_BYTES_MAX;

/// The first 16 bytes of the SHA-256 of a schema's encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fingerprint(pub [u8; 16]);

impl Fingerprint {
    /// The fingerprint of an encoded schema.
    #[must_use]
    pub fn of(encoded: &[u8]) -> Self {
        let digest = Sha256::digest(encoded);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The id of a method in frames: FNV-1a (32 bit) of `service.method` (SPEC.md 10.5).
#[must_use]
pub const fn method_id(qualified_name: &str) -> u32 {
    let bytes = qualified_name.as_bytes();
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

/// A validated schema together with its encoding and fingerprint: what a server holds and what a client has fetched.
#[derive(Debug, Clone)]
pub struct EncodedSchema {
    schema: ServiceSchema,
    encoded: Bytes,
    fingerprint: Fingerprint,
    /// For each type: whether a field in it is constrained.
    constrained: Vec<bool>,
    /// Likewise: whether one is secret.
    secret: Vec<bool>,
}

impl EncodedSchema {
    /// Validates and encodes a schema.
    ///
    /// # Errors
    /// When the schema breaks a rule of SPEC.md section 10.
    pub fn new(schema: ServiceSchema) -> Result<Self, SchemaError> {
        schema.validate()?;
        let encoded = encoding::encode(&schema).map_err(|_| SchemaError::TooLarge)?;
        if encoded.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLarge);
        }
        Ok(Self::of(schema, encoded))
    }

    /// Decodes and validates a schema that a peer sent.
    ///
    /// # Errors
    /// When the bytes are no schema, or the schema breaks a rule of SPEC.md section 10.
    pub fn decode(encoded: Bytes) -> Result<Self, SchemaError> {
        if encoded.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLarge);
        }
        let schema: ServiceSchema = encoding::decode(&encoded).map_err(|_| SchemaError::Undecodable)?;
        schema.validate()?;
        Ok(Self::of(schema, encoded))
    }

    fn of(schema: ServiceSchema, encoded: Bytes) -> Self {
        let fingerprint = Fingerprint::of(&encoded);
        let (constrained, secret) = (schema.constrained_types(), schema.secret_types());
        Self { schema, encoded, fingerprint, constrained, secret }
    }

    /// Whether a field of this type, or of one within it, is constrained.
    #[must_use]
    pub fn is_constrained(&self, of: TypeRef) -> bool {
        self.constrained.get(of as usize).copied().unwrap_or(false)
    }

    /// Whether a field of this type, or of one within it, is secret.
    #[must_use]
    pub fn has_secrets(&self, of: TypeRef) -> bool {
        self.secret.get(of as usize).copied().unwrap_or(true)
    }

    /// The schema itself.
    #[must_use]
    pub fn schema(&self) -> &ServiceSchema {
        &self.schema
    }

    /// Its encoding, as it travels.
    #[must_use]
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// Its fingerprint, as HELLO announces it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}
