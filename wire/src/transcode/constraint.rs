//! Constraints of fields (SPEC.md 10.9), held against encoded values.

use bytes::BytesMut;

use super::binary::BinaryReader;
use super::error::{Failure, Outcome, TranscodeErrorKind};
use super::format;
use super::to_binary::to_binary;
use crate::json::put_decimal;
use crate::schema::{Field, ServiceSchema, Type, TypeRef};

/// What of a value a constraint looks at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measured<'a> {
    Number(i128),
    /// A decimal: its smallest units, and its scale.
    Decimal(i64, u8),
    Text(&'a str),
    Bytes(usize),
    Items(u64),
}

/// A constraint that is broken: how, and the words for it.
pub(super) type Violation = (TranscodeErrorKind, String);

/// The constraint of `field` that the value at the reader breaks, if it does. An option without value breaks none.
pub(super) fn check_field(
    schema: &ServiceSchema,
    field: &Field,
    mut binary: BinaryReader<'_>,
) -> Outcome<Option<Violation>> {
    let mut of = field.of;
    if let Some(Type::Option { item }) = schema.type_at(of) {
        if !binary.flag()? {
            return Ok(None);
        }
        of = *item;
    }
    Ok(measure(schema, of, binary)?.and_then(|measured| violation(field, measured)))
}

/// Checks that a field takes its example.
pub(crate) fn check_example(schema: &ServiceSchema, field: &Field) -> Result<(), String> {
    let mut binary = BytesMut::new();
    to_binary(schema, field.of, field.example.as_bytes(), &[], &mut binary)
        .map_err(|error| error.to_string())?;
    match check_field(schema, field, BinaryReader::new(&binary)) {
        Ok(Some((_, words))) => Err(words),
        _ => Ok(()),
    }
}

/// What there is to look at in the value at the reader, which is no option.
pub(super) fn measure<'a>(
    schema: &ServiceSchema,
    of: TypeRef,
    mut binary: BinaryReader<'a>,
) -> Outcome<Option<Measured<'a>>> {
    Ok(Some(match schema.type_at(of).ok_or_else(Failure::schema)? {
        Type::U8 => Measured::Number(binary.byte()?.into()),
        Type::U16 => Measured::Number(binary.unsigned(16)?.into()),
        Type::U32 => Measured::Number(binary.unsigned(32)?.into()),
        Type::U64 => Measured::Number(binary.unsigned(64)?.into()),
        Type::I8 => Measured::Number(binary.byte()?.cast_signed().into()),
        Type::I16 => Measured::Number(binary.signed(16)?.into()),
        Type::I32 => Measured::Number(binary.signed(32)?.into()),
        Type::I64 => Measured::Number(binary.signed(64)?.into()),
        Type::Decimal { scale } => Measured::Decimal(binary.signed(64)?, *scale),
        Type::String => Measured::Text(binary.text()?),
        Type::Bytes => Measured::Bytes(binary.blob()?.len()),
        Type::List { .. } | Type::Map { .. } => Measured::Items(binary.unsigned(64)?),
        _ => return Ok(None),
    }))
}

/// The first constraint of the field that the value breaks.
pub(super) fn violation(field: &Field, measured: Measured<'_>) -> Option<Violation> {
    let amount = measured.amount();
    let (below, above) = match measured {
        Measured::Number(_) | Measured::Decimal(..) => (TranscodeErrorKind::Range, TranscodeErrorKind::Range),
        _ => (TranscodeErrorKind::TooShort, TranscodeErrorKind::TooLong),
    };
    if let Some(min) = field.min
        && amount < i128::from(min)
    {
        return Some((
            below,
            format!("expected at least {}, found {}", measured.limit(min), measured.found()),
        ));
    }
    if let Some(max) = field.max
        && amount > i128::from(max)
    {
        return Some((
            above,
            format!("expected at most {}, found {}", measured.limit(max), measured.found()),
        ));
    }
    match measured {
        Measured::Text(text) if !field.format.is_empty() => {
            format::fault(&field.format, text).map(|words| (TranscodeErrorKind::Format, words))
        }
        _ => None,
    }
}

impl Measured<'_> {
    fn amount(self) -> i128 {
        match self {
            Self::Number(number) => number,
            Self::Decimal(units, _) => units.into(),
            Self::Text(text) => text.chars().count() as i128, // usize is no wider than 64 bits.
            Self::Bytes(length) => length as i128,
            Self::Items(count) => count.into(),
        }
    }

    fn limit(self, limit: i64) -> String {
        let s = if limit == 1 { "" } else { "s" };
        match self {
            Self::Number(_) => limit.to_string(),
            Self::Decimal(_, scale) => decimal(limit, scale),
            Self::Text(_) => format!("{limit} character{s}"),
            Self::Bytes(_) => format!("{limit} byte{s}"),
            Self::Items(_) => format!("{limit} item{s}"),
        }
    }

    fn found(self) -> String {
        match self {
            Self::Decimal(units, scale) => decimal(units, scale),
            measured => measured.amount().to_string(),
        }
    }
}

fn decimal(units: i64, scale: u8) -> String {
    let mut text = BytesMut::new();
    put_decimal(&mut text, units, scale);
    String::from_utf8_lossy(&text).into_owned()
}
