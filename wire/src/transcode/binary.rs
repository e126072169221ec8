//! The primitives of the payload encoding (SPEC.md section 9), restated for values whose types are known only from a
//! schema. Tests hold them to the same bytes as `encoding`.

use std::fmt;

use bytes::BytesMut;

use super::error::{Failure, Outcome, TranscodeErrorKind};
use crate::schema::{ServiceSchema, Type, TypeRef};

/// The largest number in one byte; larger ones stand after a marker.
const SINGLE_BYTE_MAX: u8 = 250;
/// The marker before a number of 2 bytes.
const TWO_BYTES: u8 = 251;
/// The marker before a number of 4 bytes.
const FOUR_BYTES: u8 = 252;
/// The marker before a number of 8 bytes.
const EIGHT_BYTES: u8 = 253;

/// Appends an unsigned integer of 16 to 64 bits, a length, a count or a variant's index.
pub(super) fn put_unsigned(out: &mut BytesMut, number: u64) {
    if let Ok(byte) = u8::try_from(number)
        && byte <= SINGLE_BYTE_MAX
    {
        out.extend_from_slice(&[byte]);
    } else if let Ok(number) = u16::try_from(number) {
        out.extend_from_slice(&[TWO_BYTES]);
        out.extend_from_slice(&number.to_le_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.extend_from_slice(&[FOUR_BYTES]);
        out.extend_from_slice(&number.to_le_bytes());
    } else {
        out.extend_from_slice(&[EIGHT_BYTES]);
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// Appends a signed integer of 16 to 64 bits: zigzag, then as an unsigned one.
pub(super) fn put_signed(out: &mut BytesMut, number: i64) {
    put_unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Appends the length of what follows.
pub(super) fn put_length(out: &mut BytesMut, length: usize) {
    put_unsigned(out, length as u64); // usize is no wider than 64 bits.
}

/// Writes a count where one byte was left for it, moving what stands behind when the count takes more.
pub(super) fn put_count_at(out: &mut BytesMut, at: usize, count: u64) {
    let end = out.len();
    put_unsigned(out, count); // Behind, to learn its bytes; at most 9 of them.
    let size = out.len() - end;
    let mut bytes = [0; 9];
    bytes[..size].copy_from_slice(&out[end..]);
    out.truncate(end + size - 1);
    out.copy_within(at + 1..end, at + size);
    out[at..at + size].copy_from_slice(&bytes[..size]);
}

/// Takes values out of a message's bytes.
#[derive(Debug, Clone)]
pub(super) struct BinaryReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A map's key, in the order of the encoding: numbers by value, false before true, text by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Flag(bool),
    Number(i128),
    Text(&'a str),
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl<'a> BinaryReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn wrong<T>(&self, words: impl Into<String>) -> Outcome<T> {
        Err(Failure::new(TranscodeErrorKind::Undecodable, self.at, words))
    }

    pub(super) fn byte(&mut self) -> Outcome<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// A byte that is 0 or 1.
    pub(super) fn flag(&mut self) -> Outcome<bool> {
        match self.bytes.get(self.at) {
            Some(byte @ ..=1) => {
                self.at += 1;
                Ok(*byte == 1)
            }
            Some(_) => self.wrong("a byte that must be 0 or 1 is neither"),
            None => self.wrong("the message ends too early"),
        }
    }

    /// An unsigned integer of at most `bits` bits: 16, 32 or 64.
    pub(super) fn unsigned(&mut self, bits: u8) -> Outcome<u64> {
        match self.byte()? {
            byte @ ..=SINGLE_BYTE_MAX => Ok(u64::from(byte)),
            TWO_BYTES => Ok(u64::from(u16::from_le_bytes(self.array()?))),
            FOUR_BYTES if bits >= 32 => Ok(u64::from(u32::from_le_bytes(self.array()?))),
            EIGHT_BYTES if bits >= 64 => Ok(u64::from_le_bytes(self.array()?)),
            _ => {
                self.at -= 1;
                self.wrong(format!("the marker before a number is none for {bits} bits"))
            }
        }
    }

    /// A signed integer of at most `bits` bits: 16, 32 or 64.
    pub(super) fn signed(&mut self, bits: u8) -> Outcome<i64> {
        let number = self.unsigned(bits)?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Bytes with their length before them.
    pub(super) fn blob(&mut self) -> Outcome<&'a [u8]> {
        let length = self.unsigned(64)?;
        let rest = &self.bytes[self.at..];
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(blob) => {
                self.at += blob.len();
                Ok(blob)
            }
            None => self.wrong("a length reaches past the message's end"),
        }
    }

    pub(super) fn text(&mut self) -> Outcome<&'a str> {
        let blob = self.blob()?;
        match std::str::from_utf8(blob) {
            Ok(text) => Ok(text),
            Err(_) => {
                self.at -= blob.len();
                self.wrong("a string is not UTF-8")
            }
        }
    }

    pub(super) fn key(&mut self, described: &Type) -> Outcome<Key<'a>> {
        Ok(match described {
            Type::Bool => Key::Flag(self.flag()?),
            Type::U8 => Key::Number(i128::from(self.byte()?)),
            Type::U16 => Key::Number(i128::from(self.unsigned(16)?)),
            Type::U32 => Key::Number(i128::from(self.unsigned(32)?)),
            Type::U64 => Key::Number(i128::from(self.unsigned(64)?)),
            Type::I8 => Key::Number(i128::from(self.byte()?.cast_signed())),
            Type::I16 => Key::Number(i128::from(self.signed(16)?)),
            Type::I32 => Key::Number(i128::from(self.signed(32)?)),
            Type::I64 => Key::Number(i128::from(self.signed(64)?)),
            Type::String => Key::Text(self.text()?),
            _ => return Err(Failure::schema()),
        })
    }

    /// Passes over one value of a type of a validated schema, which bounds the depth; each value takes at least a byte.
    pub(super) fn skip(&mut self, schema: &ServiceSchema, of: TypeRef) -> Outcome {
        match schema.type_at(of).ok_or_else(Failure::schema)? {
            Type::Unit => {}
            Type::Bool => drop(self.flag()?),
            Type::U8 | Type::I8 => drop(self.byte()?),
            Type::U16 | Type::I16 => drop(self.unsigned(16)?),
            Type::U32 | Type::I32 => drop(self.unsigned(32)?),
            Type::U64 | Type::I64 | Type::Timestamp | Type::Decimal { .. } => drop(self.unsigned(64)?),
            Type::String | Type::Bytes => drop(self.blob()?),
            Type::Option { item } => {
                if self.flag()? {
                    self.skip(schema, *item)?;
                }
            }
            Type::List { item } => {
                for _ in 0..self.unsigned(64)? {
                    self.skip(schema, *item)?;
                }
            }
            Type::Map { key, value } => {
                for _ in 0..self.unsigned(64)? {
                    self.skip(schema, *key)?;
                    self.skip(schema, *value)?;
                }
            }
            Type::Struct { fields, .. } => {
                for field in fields {
                    self.skip(schema, field.of)?;
                }
            }
            Type::Enum { variants, .. } => {
                let index = self.unsigned(32)?;
                match usize::try_from(index).ok().and_then(|index| variants.get(index)) {
                    Some(variant) => {
                        variant.fields.iter().try_for_each(|field| self.skip(schema, field.of))?;
                    }
                    None => self.wrong("no variant has this index")?,
                }
            }
        }
        Ok(())
    }

    /// Checks that nothing is left.
    pub(super) fn end(&self) -> Outcome {
        if self.at == self.bytes.len() { Ok(()) } else { self.wrong("bytes are left over after the message") }
    }

    fn array<const SIZE: usize>(&mut self) -> Outcome<[u8; SIZE]> {
        match self.bytes[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += SIZE;
                Ok(*bytes)
            }
            None => self.wrong("the message ends too early"),
        }
    }
}
