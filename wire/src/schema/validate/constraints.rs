//! The rules of constraints and examples (SPEC.md 10.9). They are looked at when the types are known to be sound.

use super::{SchemaError, invalid};
use crate::schema::{Field, Measure, ServiceSchema, Type};
use crate::transcode::{check_example, is_format};

impl ServiceSchema {
    /// Checks what fields say beyond their types.
    pub(super) fn check_constraints(&self) -> Result<(), SchemaError> {
        for described in &self.types {
            match described {
                Type::Struct { name, fields, .. } => self.check_fields(name, fields)?,
                Type::Enum { name, variants, .. } => {
                    for variant in variants {
                        self.check_fields(&format!("{name}.{}", variant.name), &variant.fields)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_fields(&self, owner: &str, fields: &[Field]) -> Result<(), SchemaError> {
        fields.iter().try_for_each(|field| {
            self.check_field(field).or_else(|words| invalid(format!("{owner}.{} {words}", field.name)))
        })
    }

    /// The words for a rule that is broken follow the field's name.
    fn check_field(&self, field: &Field) -> Result<(), String> {
        if let (Some(min), Some(max)) = (field.min, field.max)
            && min > max
        {
            return Err(format!("takes nothing: its min {min} is above its max {max}"));
        }
        for limit in [field.min, field.max].into_iter().flatten() {
            let Some(measure) = self.measure(field.of) else {
                return Err("has a min or max, but nothing that it could limit".into());
            };
            let (least, greatest) = match measure {
                Measure::Value { least, greatest } => (least, greatest),
                _ => (0, i64::MAX),
            };
            if !(least..=greatest).contains(&limit) {
                return Err(format!("has the limit {limit}, which its type can't reach"));
            }
        }
        if !field.format.is_empty() {
            if !is_format(&field.format) {
                return Err(format!("has the unknown format {:?}", field.format));
            }
            match self.measure(field.of) {
                Some(Measure::Characters) => {}
                Some(Measure::Bytes) if field.is_secret() => {}
                _ => return Err("has a format, but is no string".into()),
            }
        }
        if field.example.is_empty() {
            return Ok(());
        }
        check_example(self, field).map_err(|words| format!("has an example that it doesn't take: {words}"))
    }
}
