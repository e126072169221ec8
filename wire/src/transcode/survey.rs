//! Everything that is wrong with a request, in one look at JSON that was refused.
//!
//! [`to_binary`](super::to_binary) goes straight ahead and stops at the first fault. This goes over the same text again, passes
//! over what is wrong, and notes it. Values of one piece are left to the packer, so that both judge alike; tests hold the
//! two together.

use std::collections::BTreeSet;

use bytes::BytesMut;

use super::binary::BinaryReader;
use super::constraint::{Measured, check_field, measure, violation};
use super::error::{Failure, Outcome};
use super::path::Path;
use super::structure::{GIVEN_TWICE, IN_BOTH, duplicate, missing, unknown};
use super::to_binary::{Packer, one_variant};
use super::{collection, parameters};
use crate::json::{Kind, Reader, Text};
use crate::limits::{FAULTS_MAX, NESTING_MAX};
use crate::schema::{Field, ServiceSchema, Type, TypeRef, Variant};

/// Finds what is wrong with values, in the order in which it stands in the parameters and the text, one more than
/// [`FAULTS_MAX`] at most.
///
/// # Errors
/// What ends the look at once: text that is no JSON, or is too deep or too long.
pub(super) fn survey(
    schema: &ServiceSchema,
    of: TypeRef,
    json: &[u8],
    parameters: &[(&str, &str)],
) -> Result<Vec<Failure>, Failure> {
    let mut surveyor = Surveyor {
        schema,
        json: Reader::new(json),
        scratch: BytesMut::new(),
        failures: Vec::new(),
        depth: 0,
    };
    surveyor.message(of, json.is_empty(), parameters)?;
    surveyor.json.end()?;
    Ok(surveyor.failures)
}

struct Surveyor<'a> {
    schema: &'a ServiceSchema,
    json: Reader<'a>,
    /// Where values of one piece are packed.
    scratch: BytesMut,
    failures: Vec<Failure>,
    /// How many values the current one stands in.
    depth: usize,
}

/// What was found of a value that a constraint can be held against.
enum Found {
    /// Nothing: the value is null, of no length, or wrong.
    Nothing,
    /// A value of one piece, of this type: its encoding is in `scratch`.
    Packed(TypeRef),
    /// A list or a map of so many.
    Items(u64),
}

impl<'a> Surveyor<'a> {
    fn message(&mut self, of: TypeRef, empty: bool, given: &[(&str, &str)]) -> Outcome {
        let described = self.type_at(of)?;
        let fields = match described {
            Type::Struct { fields, .. } => fields.as_slice(),
            _ => &[],
        };
        for index in 0..given.len() {
            if let Some(failure) = parameters::fault(fields, given, index) {
                self.note(&Path::Top, failure);
            }
        }
        match described {
            Type::Struct { .. } if empty => {
                self.absent(fields, &vec![false; fields.len()], given, None, &Path::Top)
            }
            Type::Struct { .. } if self.json.peek()? == Kind::Object => {
                self.structure(fields, given, &Path::Top)
            }
            Type::Unit if empty => Ok(()),
            _ => self.value(of, &Path::Top).map(drop),
        }
    }

    fn type_at(&self, of: TypeRef) -> Outcome<&'a Type> {
        self.schema.type_at(of).ok_or_else(Failure::schema)
    }

    fn is_full(&self) -> bool {
        self.failures.len() > FAULTS_MAX
    }

    fn note(&mut self, path: &Path<'_>, failure: Failure) {
        if !self.is_full() {
            self.failures.push(failure.below(path));
        }
    }

    /// Notes what is wrong with a value, or ends the look.
    fn note_or_end(&mut self, path: &Path<'_>, failure: Failure) -> Outcome {
        if !failure.is_about_values() {
            return Err(failure);
        }
        self.note(path, failure);
        Ok(())
    }

    /// Looks at the value that comes next, and passes over it.
    fn value(&mut self, of: TypeRef, path: &Path<'_>) -> Outcome<Found> {
        let kind = self.json.peek()?;
        if self.is_full() {
            self.json.skip()?;
            return Ok(Found::Nothing);
        }
        if self.depth > NESTING_MAX {
            return Err(Failure::schema());
        }
        self.depth += 1;
        let found = match (self.type_at(of)?, kind) {
            (Type::Option { .. }, Kind::Null) => {
                self.json.null()?;
                Found::Nothing
            }
            (Type::Option { item }, _) => self.value(*item, path)?,
            (Type::List { item }, Kind::Array) => self.list(*item, path)?,
            (Type::Map { key, value }, Kind::Object) => self.map(*key, *value, path)?,
            (Type::Struct { fields, .. }, Kind::Object) => {
                self.structure(fields, &[], path)?;
                Found::Nothing
            }
            (Type::Enum { variants, .. }, Kind::Object) => self.enumeration(of, variants, path)?,
            _ => self.piece(of, path)?,
        };
        self.depth -= 1;
        Ok(found)
    }

    /// A value that the packer takes or refuses as a whole.
    fn piece(&mut self, of: TypeRef, path: &Path<'_>) -> Outcome<Found> {
        let mut found = Found::Packed(of);
        self.scratch.clear();
        let packed = Packer::new(self.schema, self.json.clone(), &mut self.scratch).value(of);
        if let Err(failure) = packed {
            self.note_or_end(path, failure)?;
            found = Found::Nothing;
        }
        self.json.skip()?;
        Ok(found)
    }

    fn list(&mut self, item: TypeRef, path: &Path<'_>) -> Outcome<Found> {
        self.json.begin_array()?;
        let mut count = 0;
        while self.json.next_item()? {
            self.value(item, &Path::Item(path, count))?;
            count += 1;
        }
        Ok(Found::Items(count))
    }

    fn map(&mut self, key: TypeRef, value: TypeRef, path: &Path<'_>) -> Outcome<Found> {
        let key_type = self.type_at(key)?;
        self.json.peek()?;
        let offset = self.json.offset();
        self.json.begin_object()?;
        let (mut known, mut count) = (BTreeSet::new(), 0);
        while let Some(name) = self.json.next_name()? {
            let unescaped = name.unescaped();
            let path = Path::Key(path, &unescaped);
            self.scratch.clear();
            let parsed =
                Packer::new(self.schema, self.json.clone(), &mut self.scratch).parsed(key_type, name);
            if let Err(failure) = parsed {
                self.note_or_end(&path, failure)?;
            } else if !known.insert(self.scratch.to_vec()) {
                self.note(&path, collection::key_twice(offset));
            }
            self.value(value, &path)?;
            count += 1;
        }
        Ok(Found::Items(count))
    }

    fn structure(&mut self, fields: &'a [Field], parameters: &[(&str, &str)], path: &Path<'_>) -> Outcome {
        let is_parameter = |name: &str| parameters.iter().any(|(parameter, _)| *parameter == name);
        let mut given = vec![false; fields.len()];
        let offset = self.json.offset();
        self.json.begin_object()?;
        while let Some(name) = self.json.next_name()? {
            let index = fields.iter().position(|field| name.is(&field.name));
            let failure = match index {
                None => unknown(fields, name),
                Some(index) if given[index] => duplicate(name, GIVEN_TWICE),
                Some(index) if is_parameter(&fields[index].name) => duplicate(name, IN_BOTH),
                Some(index) => {
                    given[index] = true;
                    self.field(&fields[index], path)?;
                    continue;
                }
            };
            self.note(path, failure);
            self.json.skip()?;
        }
        self.absent(fields, &given, parameters, Some(offset), path)
    }

    fn field(&mut self, field: &Field, path: &Path<'_>) -> Outcome {
        self.json.peek()?;
        let offset = self.json.offset();
        let path = Path::Field(path, &field.name);
        let broken = match self.value(field.of, &path)? {
            Found::Nothing => None,
            Found::Items(count) => violation(field, Measured::Items(count)),
            Found::Packed(of) => measure(self.schema, of, BinaryReader::new(&self.scratch))?
                .and_then(|measured| violation(field, measured)),
        };
        if let Some((kind, words)) = broken {
            self.note(&path, Failure::new(kind, offset, words));
        }
        Ok(())
    }

    /// The fields that the text doesn't give: parameters, options, and what is missing.
    fn absent(
        &mut self,
        fields: &[Field],
        given: &[bool],
        parameters: &[(&str, &str)],
        offset: Option<usize>,
        path: &Path<'_>,
    ) -> Outcome {
        for (field, _) in fields.iter().zip(given).filter(|(_, given)| !**given) {
            if let Some((_, text)) = parameters.iter().find(|(name, _)| *name == field.name) {
                self.parameter(field, text, path)?;
            } else if !matches!(self.type_at(field.of)?, Type::Option { .. }) {
                self.note(path, missing(field, offset));
            }
        }
        Ok(())
    }

    fn parameter(&mut self, field: &Field, text: &str, path: &Path<'_>) -> Outcome {
        let path = Path::Field(path, &field.name);
        self.scratch.clear();
        let packed = Packer::new(self.schema, self.json.clone(), &mut self.scratch).parameter(field.of, text);
        match packed {
            Err(failure) => self.note_or_end(&path, failure),
            Ok(()) => {
                if let Some((kind, words)) =
                    check_field(self.schema, field, BinaryReader::new(&self.scratch))?
                {
                    self.note(&path, Failure::new(kind, None, words));
                }
                Ok(())
            }
        }
    }

    /// A variant with fields; what is no such thing is left to the packer.
    fn enumeration(&mut self, of: TypeRef, variants: &'a [Variant], path: &Path<'_>) -> Outcome<Found> {
        let mut inside = self.json.clone();
        inside.begin_object()?;
        let name = inside.next_name()?;
        let variant = name.and_then(|name: Text<'_>| variants.iter().find(|variant| name.is(&variant.name)));
        match variant {
            Some(variant) if !variant.fields.is_empty() && inside.peek()? == Kind::Object => {
                self.json = inside;
                self.structure(&variant.fields, &[], &Path::Field(path, &variant.name))?;
                let mut second = self.json.next_name()?;
                if let Some(name) = second {
                    self.note(path, one_variant(name.offset()));
                }
                while second.is_some() {
                    self.json.skip()?;
                    second = self.json.next_name()?;
                }
                Ok(Found::Nothing)
            }
            _ => self.piece(of, path),
        }
    }
}
