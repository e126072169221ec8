//! Secrets in messages (SPEC.md 10.9): where they are, so that copies for people don't have them.

use std::ops::Range;

use super::binary::{BinaryReader, Key};
use super::error::{Failure, Outcome};
use crate::limits::NESTING_MAX;
use crate::schema::{EncodedSchema, Field, Type, TypeRef};

/// Sets the bytes of all secrets in a message of this type to zero. It has the same length afterwards, and still decodes. Of bytes that are
/// no message of the type all are zero, since nobody knows what stands where.
pub fn mask(schema: &EncodedSchema, of: TypeRef, message: &mut [u8]) {
    for secret in secrets(schema, of, message) {
        message[secret].fill(0);
    }
}

/// Where the secrets of a message are.
fn secrets(schema: &EncodedSchema, of: TypeRef, message: &[u8]) -> Vec<Range<usize>> {
    if !schema.has_secrets(of) {
        return Vec::new();
    }
    let mut walk = Walk { schema, binary: BinaryReader::new(message), found: Vec::new(), depth: 0 };
    if walk.value(of).and_then(|()| walk.binary.end()).is_err() {
        return std::iter::once(0..message.len()).collect();
    }
    walk.found
}

struct Walk<'a> {
    schema: &'a EncodedSchema,
    binary: BinaryReader<'a>,
    found: Vec<Range<usize>>,
    depth: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, of: TypeRef) -> Outcome {
        let schema = self.schema.schema();
        if !self.schema.has_secrets(of) {
            return self.binary.skip(schema, of);
        }
        if self.depth > NESTING_MAX {
            return Err(Failure::schema());
        }
        self.depth += 1;
        match schema.type_at(of).ok_or_else(Failure::schema)? {
            Type::Option { item } => {
                if self.binary.flag()? {
                    self.value(*item)?;
                }
            }
            Type::List { item } => {
                for _ in 0..self.binary.unsigned(64)? {
                    self.value(*item)?;
                }
            }
            Type::Map { key, value } => {
                let key = schema.type_at(*key).ok_or_else(Failure::schema)?;
                for _ in 0..self.binary.unsigned(64)? {
                    let _: Key<'_> = self.binary.key(key)?;
                    self.value(*value)?;
                }
            }
            Type::Struct { fields, .. } => self.fields(fields)?,
            Type::Enum { variants, .. } => {
                let index = self.binary.unsigned(32)?;
                let variant = usize::try_from(index).ok().and_then(|index| variants.get(index));
                self.fields(&variant.ok_or_else(Failure::schema)?.fields)?;
            }
            _ => self.binary.skip(schema, of)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn fields(&mut self, fields: &'a [Field]) -> Outcome {
        fields
            .iter()
            .try_for_each(|field| if field.is_secret() { self.secret(field) } else { self.value(field.of) })
    }

    /// Passes over a text, bytes, or an option of them.
    fn secret(&mut self, field: &Field) -> Outcome {
        if let Some(Type::Option { .. }) = self.schema.schema().type_at(field.of)
            && !self.binary.flag()?
        {
            return Ok(());
        }
        let length = self.binary.blob()?.len();
        let end = self.binary.offset();
        self.found.push(end - length..end);
        Ok(())
    }
}
