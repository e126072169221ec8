//! What the constraints of a field limit, by its type (SPEC.md 10.9).

use super::{Field, ServiceSchema, Type, TypeRef};

/// The format of what nobody should be shown.
const SECRET: &str = "password";

/// What `min` and `max` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The number itself, or the smallest units of a decimal: what its type can hold, as far as a limit can name it.
    Value {
        /// The least.
        least: i64,
        /// The greatest.
        greatest: i64,
    },
    /// The characters of a string.
    Characters,
    /// Bytes.
    Bytes,
    /// The items of a list, or the entries of a map.
    Items,
}

impl Field {
    /// Whether the field takes less than its type does.
    #[must_use]
    pub fn is_constrained(&self) -> bool {
        self.min.is_some() || self.max.is_some() || !self.format.is_empty()
    }

    /// Whether nobody should be shown its value, as a password's (`#[field(secret)]`).
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.format == SECRET
    }
}

impl ServiceSchema {
    /// For each type of a schema whose types refer only to earlier ones: whether a field in it is constrained.
    pub(crate) fn constrained_types(&self) -> Vec<bool> {
        self.types_with(Field::is_constrained)
    }

    /// The same for fields that are secret.
    pub(crate) fn secret_types(&self) -> Vec<bool> {
        self.types_with(Field::is_secret)
    }

    fn types_with(&self, holds: fn(&Field) -> bool) -> Vec<bool> {
        let mut known: Vec<bool> = Vec::with_capacity(self.types.len());
        for described in &self.types {
            let at = |of: TypeRef| known.get(of as usize).copied().unwrap_or(false);
            let among = |fields: &[Field]| fields.iter().any(|field| holds(field) || at(field.of));
            let within = match described {
                Type::Option { item } | Type::List { item } => at(*item),
                Type::Map { value, .. } => at(*value),
                Type::Struct { fields, .. } => among(fields),
                Type::Enum { variants, .. } => variants.iter().any(|variant| among(&variant.fields)),
                _ => false,
            };
            known.push(within);
        }
        known
    }

    /// What the limits of a field of this type count, through an option; `None` when they can count nothing.
    pub(crate) fn measure(&self, of: TypeRef) -> Option<Measure> {
        let value = |least, greatest| Some(Measure::Value { least, greatest });
        let described = match self.type_at(of)? {
            Type::Option { item } => self.type_at(*item)?,
            described => described,
        };
        match described {
            Type::U8 => value(0, u8::MAX.into()),
            Type::U16 => value(0, u16::MAX.into()),
            Type::U32 => value(0, u32::MAX.into()),
            Type::U64 => value(0, i64::MAX),
            Type::I8 => value(i8::MIN.into(), i8::MAX.into()),
            Type::I16 => value(i16::MIN.into(), i16::MAX.into()),
            Type::I32 => value(i32::MIN.into(), i32::MAX.into()),
            Type::I64 | Type::Decimal { .. } => value(i64::MIN, i64::MAX),
            Type::String => Some(Measure::Characters),
            Type::Bytes => Some(Measure::Bytes),
            Type::List { .. } | Type::Map { .. } => Some(Measure::Items),
            _ => None,
        }
    }
}
