//! The payload encoding to JSON.

use bytes::BytesMut;

use super::binary::{BinaryReader, Key};
use super::error::{Failure, Outcome, TranscodeError, TranscodeErrorKind};
use super::{base64, time};
use crate::json::{put_decimal, put_signed, put_string, put_unsigned};
use crate::limits::{JSON_BYTES_MAX, JSON_MESSAGE_BYTES_MAX, NESTING_MAX};
use crate::schema::{Field, ServiceSchema, Type, TypeRef, Variant};

/// The largest integer that every JSON reader keeps exactly: 2^53 - 1 (RFC 8259 section 6).
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Appends the JSON of the value of type `of` that `binary` is the encoding of. All fields are written, in the schema's
/// order and without white space; an option without value is `null`.
///
/// The bytes come from a peer and may be anything. A map whose keys don't ascend is refused, so that the JSON never has
/// a name twice.
///
/// # Errors
/// When the bytes are not exactly one value of the type, when a timestamp lies outside the years 0000 to 9999, or when
/// there are more than [`JSON_MESSAGE_BYTES_MAX`] bytes or the JSON would be longer than [`JSON_BYTES_MAX`]. `out` is then as
/// before.
pub fn to_json(
    schema: &ServiceSchema,
    of: TypeRef,
    binary: &[u8],
    out: &mut BytesMut,
) -> Result<(), TranscodeError> {
    unpack(schema, of, binary, out, false)
}

/// The same for people and logs: of each secret field (SPEC.md 10.9) it has `"***"` instead of the value.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_masked(
    schema: &ServiceSchema,
    of: TypeRef,
    binary: &[u8],
    out: &mut BytesMut,
) -> Result<(), TranscodeError> {
    unpack(schema, of, binary, out, true)
}

/// What stands in masked JSON for a secret.
const MASK: &str = "***";

fn unpack(
    schema: &ServiceSchema,
    of: TypeRef,
    binary: &[u8],
    out: &mut BytesMut,
    masks: bool,
) -> Result<(), TranscodeError> {
    let start = out.len();
    let binary_reader = BinaryReader::new(binary);
    let mut unpacker = Unpacker { schema, binary: binary_reader, out: &mut *out, start, depth: 0, masks };
    unpacker.message(of, binary.len()).map_err(|failure| {
        out.truncate(start);
        failure.in_binary()
    })
}

/// Which variant the encoding of an enum holds, by its index.
#[must_use]
pub fn variant_index(binary: &[u8]) -> Option<usize> {
    BinaryReader::new(binary).unsigned(32).ok().and_then(|index| usize::try_from(index).ok())
}

/// One message on its way from bytes to JSON.
struct Unpacker<'a> {
    schema: &'a ServiceSchema,
    binary: BinaryReader<'a>,
    out: &'a mut BytesMut,
    /// Where the JSON begins in `out`.
    start: usize,
    /// How many values the current one stands in, which bounds the recursion for schemas that nobody checked.
    depth: usize,
    /// Secrets aren't written.
    masks: bool,
}

impl<'a> Unpacker<'a> {
    fn message(&mut self, of: TypeRef, length: usize) -> Outcome {
        if length > JSON_MESSAGE_BYTES_MAX {
            let words = format!("the message is longer than {JSON_MESSAGE_BYTES_MAX} bytes");
            return Err(Failure::new(TranscodeErrorKind::TooLarge, 0, words));
        }
        self.value(of)?;
        self.binary.end()
    }

    fn value(&mut self, of: TypeRef) -> Outcome {
        if self.depth > NESTING_MAX {
            return Err(Failure::schema());
        }
        self.depth += 1;
        match self.type_at(of)? {
            Type::Unit => self.out.extend_from_slice(b"null"),
            Type::Bool => {
                let flag = self.binary.flag()?;
                put_flag(self.out, flag);
            }
            Type::U8 => put_unsigned(self.out, u64::from(self.binary.byte()?)),
            Type::U16 => put_unsigned(self.out, self.binary.unsigned(16)?),
            Type::U32 => put_unsigned(self.out, self.binary.unsigned(32)?),
            Type::U64 => {
                let number = self.binary.unsigned(64)?;
                self.quoted_if(number > EXACT_MAX, |out| put_unsigned(out, number));
            }
            Type::I8 => put_signed(self.out, i64::from(self.binary.byte()?.cast_signed())),
            Type::I16 => put_signed(self.out, self.binary.signed(16)?),
            Type::I32 => put_signed(self.out, self.binary.signed(32)?),
            Type::I64 => {
                let number = self.binary.signed(64)?;
                self.quoted_if(number.unsigned_abs() > EXACT_MAX, |out| put_signed(out, number));
            }
            Type::String => put_string(self.out, self.binary.text()?),
            Type::Bytes => {
                let blob = self.binary.blob()?;
                self.quoted_if(true, |out| base64::put(out, blob));
            }
            Type::Timestamp => self.timestamp()?,
            Type::Decimal { scale } => put_decimal(self.out, self.binary.signed(64)?, *scale),
            Type::Option { item } => {
                if self.binary.flag()? {
                    self.value(*item)?;
                } else {
                    self.out.extend_from_slice(b"null");
                }
            }
            Type::List { item } => self.list(*item)?,
            Type::Map { key, value } => self.map(*key, *value)?,
            Type::Struct { fields, .. } => self.fields(fields)?,
            Type::Enum { variants, .. } => self.enumeration(variants)?,
        }
        self.depth -= 1;
        self.check_size()
    }

    fn type_at(&self, of: TypeRef) -> Outcome<&'a Type> {
        self.schema.type_at(of).ok_or_else(Failure::schema)
    }

    fn timestamp(&mut self) -> Outcome {
        let mut peek = self.binary.clone();
        let microseconds = peek.signed(64)?;
        self.out.extend_from_slice(b"\"");
        if !time::put(self.out, microseconds) {
            return self.binary.wrong("a timestamp lies outside the years 0000 to 9999");
        }
        self.out.extend_from_slice(b"\"");
        self.binary = peek;
        Ok(())
    }

    fn list(&mut self, item: TypeRef) -> Outcome {
        self.out.extend_from_slice(b"[");
        for index in 0..self.binary.unsigned(64)? {
            self.comma(index > 0);
            self.value(item).map_err(|failure| failure.in_item(index))?;
        }
        self.out.extend_from_slice(b"]");
        Ok(())
    }

    fn map(&mut self, key: TypeRef, value: TypeRef) -> Outcome {
        let key_type = self.type_at(key)?;
        self.out.extend_from_slice(b"{");
        let mut previous = None;
        for _ in 0..self.binary.unsigned(64)? {
            let before = self.binary.clone();
            let key = self.binary.key(key_type)?;
            if previous.is_some_and(|previous| previous >= key) {
                return before.wrong("the keys of a map don't ascend");
            }
            self.comma(previous.is_some());
            self.key(key)?;
            self.value(value).map_err(|failure| failure.in_key(&key.to_string()))?;
            previous = Some(key);
        }
        self.out.extend_from_slice(b"}");
        Ok(())
    }

    fn key(&mut self, key: Key<'_>) -> Outcome {
        match key {
            Key::Text(text) => put_string(self.out, text),
            Key::Flag(flag) => self.quoted_if(true, |out| put_flag(out, flag)),
            Key::Number(number) => match (u64::try_from(number), i64::try_from(number)) {
                (Ok(number), _) => self.quoted_if(true, |out| put_unsigned(out, number)),
                (_, Ok(number)) => self.quoted_if(true, |out| put_signed(out, number)),
                _ => return Err(Failure::schema()),
            },
        }
        self.out.extend_from_slice(b":");
        Ok(())
    }

    fn fields(&mut self, fields: &[Field]) -> Outcome {
        self.out.extend_from_slice(b"{");
        for (index, field) in fields.iter().enumerate() {
            self.comma(index > 0);
            put_string(self.out, &field.name);
            self.out.extend_from_slice(b":");
            let written = if self.masks && field.is_secret() {
                put_string(self.out, MASK);
                self.binary.skip(self.schema, field.of)
            } else {
                self.value(field.of)
            };
            written.map_err(|failure| failure.in_field(&field.name))?;
        }
        self.out.extend_from_slice(b"}");
        Ok(())
    }

    fn enumeration(&mut self, variants: &[Variant]) -> Outcome {
        let before = self.binary.clone();
        let index = self.binary.unsigned(32)?;
        let Some(variant) = usize::try_from(index).ok().and_then(|index| variants.get(index)) else {
            return before.wrong(format!("there is no variant {index}"));
        };
        if variant.fields.is_empty() {
            put_string(self.out, &variant.name);
            return Ok(());
        }
        self.out.extend_from_slice(b"{");
        put_string(self.out, &variant.name);
        self.out.extend_from_slice(b":");
        self.depth += 1; // The variant's own level, below the enum's.
        self.fields(&variant.fields).map_err(|failure| failure.in_field(&variant.name))?;
        self.depth -= 1;
        self.out.extend_from_slice(b"}");
        Ok(())
    }

    fn comma(&mut self, due: bool) {
        if due {
            self.out.extend_from_slice(b",");
        }
    }

    fn quoted_if(&mut self, quoted: bool, put: impl FnOnce(&mut BytesMut)) {
        if quoted {
            self.out.extend_from_slice(b"\"");
        }
        put(self.out);
        if quoted {
            self.out.extend_from_slice(b"\"");
        }
    }

    /// Called after every value, so that a short message can't make an endless text.
    fn check_size(&self) -> Outcome {
        if self.out.len() - self.start <= JSON_BYTES_MAX {
            return Ok(());
        }
        let words = format!("the message as JSON would be longer than {JSON_BYTES_MAX} bytes");
        Err(Failure::new(TranscodeErrorKind::TooLarge, self.binary.offset(), words))
    }
}

fn put_flag(out: &mut BytesMut, flag: bool) {
    out.extend_from_slice(if flag { b"true" } else { b"false" });
}
