//! The constraints of a message that came as bytes: what a server's dispatch looks at before a handler does.

use super::binary::{BinaryReader, Key};
use super::constraint::check_field;
use super::error::{Failure, Outcome};
use super::path::Path;
use crate::faults::Faults;
use crate::limits::{FAULTS_MAX, NESTING_MAX};
use crate::schema::{EncodedSchema, Field, ServiceSchema, Type, TypeRef};

/// Checks that a message keeps the constraints of its fields (SPEC.md 10.9). It is one of this type, which has to be known:
/// bytes that aren't are taken without a word. A type without constraints costs nothing.
///
/// # Errors
/// Every field that breaks a constraint.
pub fn check_constraints(schema: &EncodedSchema, of: TypeRef, binary: &[u8]) -> Result<(), Faults> {
    if !schema.is_constrained(of) {
        return Ok(());
    }
    let binary = BinaryReader::new(binary);
    let mut walk = Walk { encoded: schema, schema: schema.schema(), binary, faults: Faults::new(), depth: 0 };
    // Bytes that end too early, or are none of the type: whoever decodes them says so.
    let _ = walk.value(of, &Path::Top);
    if walk.faults.is_empty() { Ok(()) } else { Err(walk.faults) }
}

struct Walk<'a> {
    encoded: &'a EncodedSchema,
    schema: &'a ServiceSchema,
    binary: BinaryReader<'a>,
    faults: Faults,
    depth: usize,
}

impl<'a> Walk<'a> {
    /// Passes over a value, looking at what may have constraints.
    fn value(&mut self, of: TypeRef, path: &Path<'_>) -> Outcome {
        if !self.encoded.is_constrained(of) {
            return self.binary.skip(self.schema, of);
        }
        if self.depth > NESTING_MAX || self.faults.list().len() == FAULTS_MAX && self.faults.has_more() {
            return Err(Failure::schema());
        }
        self.depth += 1;
        match self.schema.type_at(of).ok_or_else(Failure::schema)? {
            Type::Option { item } => {
                if self.binary.flag()? {
                    self.value(*item, path)?;
                }
            }
            Type::List { item } => {
                for index in 0..self.binary.unsigned(64)? {
                    self.value(*item, &Path::Item(path, index))?;
                }
            }
            Type::Map { key, value } => {
                let key_type = self.schema.type_at(*key).ok_or_else(Failure::schema)?;
                for _ in 0..self.binary.unsigned(64)? {
                    self.entry(key_type, *value, path)?;
                }
            }
            Type::Struct { fields, .. } => self.fields(fields, path)?,
            Type::Enum { variants, .. } => {
                let index = self.binary.unsigned(32)?;
                let variant = usize::try_from(index).ok().and_then(|index| variants.get(index));
                let variant = variant.ok_or_else(Failure::schema)?;
                self.fields(&variant.fields, &Path::Field(path, &variant.name))?;
            }
            _ => self.binary.skip(self.schema, of)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn entry(&mut self, key_type: &Type, value: TypeRef, path: &Path<'_>) -> Outcome {
        match self.binary.key(key_type)? {
            Key::Text(text) => self.value(value, &Path::Key(path, text)),
            // As text only where a path is written, which is seldom enough.
            key => self.value(value, &Path::Key(path, &key.to_string())),
        }
    }

    fn fields(&mut self, fields: &'a [Field], path: &Path<'_>) -> Outcome {
        for field in fields {
            let path = Path::Field(path, &field.name);
            if field.is_constrained()
                && let Some((kind, words)) = check_field(self.schema, field, self.binary.clone())?
                && let Some(code) = kind.fault_code()
            {
                self.faults.add(code, &path.to_string(), &words);
            }
            self.value(field.of, &path)?;
        }
        Ok(())
    }
}
