//! Fields that come as plain text, from an HTTP request's path and query.

use super::binary::put_length;
use super::error::{Failure, Outcome, TranscodeErrorKind};
use super::scalar::{Refusal, put_number, short};
use super::structure::unknown_words;
use super::to_binary::{Packer, refused};
use crate::schema::{Field, Type, TypeRef, Variant};

/// Checks that each parameter is a field, and none is given twice.
pub(super) fn check(fields: &[Field], parameters: &[(&str, &str)]) -> Outcome {
    (0..parameters.len()).try_for_each(|index| fault(fields, parameters, index).map_or(Ok(()), Err))
}

/// What is wrong with the name of a parameter, looked at after those before it.
pub(super) fn fault(fields: &[Field], parameters: &[(&str, &str)], index: usize) -> Option<Failure> {
    let (name, _) = parameters[index];
    let failure = if !fields.iter().any(|field| field.name == name) {
        Failure::new(TranscodeErrorKind::Unknown, None, unknown_words("parameter", fields))
    } else if parameters[..index].iter().any(|(earlier, _)| *earlier == name) {
        Failure::new(TranscodeErrorKind::Duplicate, None, "this parameter is given twice")
    } else {
        return None;
    };
    Some(failure.in_name(name))
}

impl Packer<'_> {
    /// Appends the value of type `of` that a parameter's text stands for.
    pub(super) fn parameter(&mut self, of: TypeRef, text: &str) -> Outcome {
        let mut described = self.type_at(of)?;
        if let Type::Option { item } = described {
            self.out.extend_from_slice(&[1]);
            described = self.type_at(*item)?;
        }
        match described {
            Type::Enum { variants, .. } => {
                let plain = |variant: &Variant| variant.name == text && variant.fields.is_empty();
                let index = variants.iter().position(plain);
                let index = index.ok_or_else(|| refused(described, Refusal::Form, &short(text), None))?;
                put_length(self.out, index);
                Ok(())
            }
            Type::Unit
            | Type::Bytes
            | Type::Option { .. }
            | Type::List { .. }
            | Type::Map { .. }
            | Type::Struct { .. } => {
                let words = "a field of this type can't be given in the path or query";
                Err(Failure::new(TranscodeErrorKind::Type, None, words))
            }
            _ => put_number(described, text, self.out)
                .map_err(|refusal| refused(described, refusal, &short(text), None)),
        }
    }
}
