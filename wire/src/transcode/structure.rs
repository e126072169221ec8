//! Structs from JSON: fields in any order, of which the schema's own costs nothing extra.

use std::ops::Range;

use super::binary::BinaryReader;
use super::constraint::check_field;
use super::error::{Failure, Outcome, TranscodeErrorKind};
use super::scalar::names;
use super::to_binary::Packer;
use crate::json::Text;
use crate::limits::SCHEMA_MEMBERS_MAX;
use crate::schema::{Field, Type};

/// An object that is being read as a struct.
struct Object<'f, 'p> {
    fields: &'f [Field],
    parameters: &'p [(&'p str, &'p str)],
    /// Where it begins in the JSON text.
    offset: usize,
    /// Where it begins in the output.
    start: usize,
    /// A bit for each field that was read.
    seen: [u64; SCHEMA_MEMBERS_MAX / 64],
}

impl Object<'_, '_> {
    fn is_seen(&self, index: usize) -> bool {
        self.seen[index / 64] & (1 << (index % 64)) != 0
    }

    fn see(&mut self, index: usize) {
        self.seen[index / 64] |= 1 << (index % 64);
    }

    fn is_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|(parameter, _)| *parameter == name)
    }
}

impl Packer<'_> {
    /// Reads an object and appends its fields in the schema's order.
    pub(super) fn structure(&mut self, fields: &[Field], parameters: &[(&str, &str)]) -> Outcome {
        if fields.len() > SCHEMA_MEMBERS_MAX {
            return Err(Failure::schema());
        }
        let offset = self.json.offset();
        self.json.begin_object()?;
        let start = self.out.len();
        let mut object = Object { fields, parameters, offset, start, seen: Default::default() };
        let mut written = 0; // All fields before this one are in the output.
        while let Some(index) = self.next_field(&mut object, written)? {
            while written < index && self.absent(&fields[written], parameters)? {
                written += 1;
            }
            if written != index {
                return self.structure_out_of_order(object, written, index);
            }
            self.field(&fields[index])?;
            written += 1;
        }
        for field in &fields[written..] {
            if !self.absent(field, parameters)? {
                return Err(missing(field, offset));
            }
        }
        Ok(())
    }

    /// A struct of which the JSON gives nothing at all.
    pub(super) fn structure_without_body(
        &mut self,
        fields: &[Field],
        parameters: &[(&str, &str)],
    ) -> Outcome {
        for field in fields {
            if !self.absent(field, parameters)? {
                return Err(missing(field, None));
            }
        }
        Ok(())
    }

    /// Reads the rest of an object whose field `index` comes too early or too late: fields are appended as they come,
    /// with a note of where each stands, and put in order at the end.
    fn structure_out_of_order(
        &mut self,
        mut object: Object<'_, '_>,
        written: usize,
        index: usize,
    ) -> Outcome {
        let fields = object.fields;
        let mut segments = self.segments(&object, written)?;
        let mut next = Some(index);
        while let Some(index) = next {
            let from = self.out.len() - object.start;
            self.field(&fields[index])?;
            segments[index] = Some(from..self.out.len() - object.start);
            next = self.next_field(&mut object, index + 1)?;
        }
        for (field, segment) in fields.iter().zip(&mut segments) {
            if segment.is_none() {
                let from = self.out.len() - object.start;
                if !self.absent(field, object.parameters)? {
                    return Err(missing(field, object.offset));
                }
                *segment = Some(from..self.out.len() - object.start);
            }
        }
        let unordered = self.out[object.start..].to_vec();
        self.out.truncate(object.start);
        for segment in segments.into_iter().flatten() {
            self.out.extend_from_slice(&unordered[segment]);
        }
        Ok(())
    }

    /// Where the fields stand that were written in order. The fast path doesn't note it, so they are walked over here.
    fn segments(&self, object: &Object<'_, '_>, written: usize) -> Outcome<Vec<Option<Range<usize>>>> {
        let mut segments = vec![None; object.fields.len()];
        let mut walk = BinaryReader::new(&self.out[object.start..]);
        for (field, segment) in object.fields[..written].iter().zip(&mut segments) {
            let from = walk.offset();
            walk.skip(self.schema, field.of)?;
            *segment = Some(from..walk.offset());
        }
        Ok(segments)
    }

    /// Reads the next field's name; `expected` is the index to look at first.
    fn next_field(&mut self, object: &mut Object<'_, '_>, expected: usize) -> Outcome<Option<usize>> {
        if let Some(field) = object.fields.get(expected)
            && !object.is_seen(expected)
            && !object.is_parameter(&field.name)
            && self.json.take_name(&field.name)
        {
            object.see(expected);
            return Ok(Some(expected));
        }
        let Some(name) = self.json.next_name()? else { return Ok(None) };
        // Fields that were passed over as absent may still come: look behind `expected` first, then before it.
        let (before, behind) = object.fields.split_at_checked(expected).unwrap_or((object.fields, &[]));
        let index = position(behind, name)
            .map(|index| before.len() + index)
            .or_else(|| position(before, name))
            .ok_or_else(|| unknown(object.fields, name))?;
        if object.is_seen(index) {
            return Err(duplicate(name, GIVEN_TWICE));
        }
        if object.is_parameter(&object.fields[index].name) {
            return Err(duplicate(name, IN_BOTH));
        }
        object.see(index);
        Ok(Some(index))
    }

    fn field(&mut self, field: &Field) -> Outcome {
        let start = self.out.len();
        self.value(field.of).map_err(|failure| failure.in_field(&field.name))?;
        self.constraints(field, start)
    }

    /// Checks the constraints of a field that was appended from `start` on.
    fn constraints(&self, field: &Field, start: usize) -> Outcome {
        if !field.is_constrained() {
            return Ok(());
        }
        match check_field(self.schema, field, BinaryReader::new(&self.out[start..]))? {
            Some((kind, words)) => Err(Failure::new(kind, None, words).in_field(&field.name)),
            None => Ok(()),
        }
    }

    /// Appends a field that the JSON doesn't give, from the parameters or as an option without value; false when it
    /// is neither.
    fn absent(&mut self, field: &Field, parameters: &[(&str, &str)]) -> Outcome<bool> {
        if let Some((_, text)) = parameters.iter().find(|(name, _)| *name == field.name) {
            let start = self.out.len();
            self.parameter(field.of, text).map_err(|failure| failure.in_field(&field.name))?;
            self.constraints(field, start)?;
            return Ok(true);
        }
        let optional = matches!(self.type_at(field.of)?, Type::Option { .. });
        if optional {
            self.out.extend_from_slice(&[0]);
        }
        Ok(optional)
    }
}

fn position(fields: &[Field], name: Text<'_>) -> Option<usize> {
    fields.iter().position(|field| name.is(&field.name))
}

/// The words for a field that comes again.
pub(super) const GIVEN_TWICE: &str = "this field is given twice";
/// The words for a field that comes in two places.
pub(super) const IN_BOTH: &str = "this field is given in the path or query and in the body too";

#[cold]
pub(super) fn missing(field: &Field, offset: impl Into<Option<usize>>) -> Failure {
    Failure::new(TranscodeErrorKind::Missing, offset, "this field is required").in_field(&field.name)
}

#[cold]
pub(super) fn duplicate(name: Text<'_>, words: &str) -> Failure {
    Failure::new(TranscodeErrorKind::Duplicate, name.offset(), words).in_field(&name.unescaped())
}

#[cold]
pub(super) fn unknown(fields: &[Field], name: Text<'_>) -> Failure {
    let failure = Failure::new(TranscodeErrorKind::Unknown, name.offset(), unknown_words("field", fields));
    failure.in_name(&name.unescaped())
}

/// The words for a name that no field has.
#[cold]
pub(super) fn unknown_words(what: &str, fields: &[Field]) -> String {
    if fields.is_empty() {
        return format!("unknown {what}; none is known here");
    }
    format!("unknown {what}; the known ones are {}", names(fields.iter().map(|field| &*field.name)))
}
