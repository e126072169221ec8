//! Where each value of a message stands, and what it is: a message taken apart, for those who look at bytes.

use std::ops::Range;

use bytes::BytesMut;

use super::binary::BinaryReader;
use super::error::{Failure, Outcome, TranscodeError};
use super::to_json;
use crate::limits::{EXPLAINED_TEXT_CHARS_MAX, EXPLAINED_VALUES_MAX, NESTING_MAX};
use crate::schema::{Field, ServiceSchema, Type, TypeRef, Variant};

/// A value of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its bytes within the message. Of a value that holds others they are its own only: a count, or which variant it is. No two
    /// values have a byte in common.
    pub at: Range<usize>,
    /// How many values it stands in, besides the message itself.
    pub depth: usize,
    /// The field's name, `[3]` in a list, `["EUR"]` in a map; empty for a message that is no struct.
    pub name: String,
    /// The value as JSON, cut where it is long; of one that holds others what it is, in words.
    pub text: String,
    /// Whether nobody should be shown it. `text` has nothing of it then.
    pub secret: bool,
}

/// A message taken apart.
#[derive(Debug, Default)]
pub struct Values {
    /// Its values, in the order of their bytes: at most [`EXPLAINED_VALUES_MAX`].
    pub list: Vec<Value>,
    /// Whether there are more.
    pub more: bool,
    /// What is wrong with the rest of the bytes.
    pub wrong: Option<TranscodeError>,
}

/// What is shown instead of a secret.
pub const MASKED: &str = "(secret)";

/// Takes a message of a checked schema apart, as far as it can be read.
#[must_use]
pub fn values(schema: &ServiceSchema, of: TypeRef, binary: &[u8]) -> Values {
    let mut walk = Walk { schema, binary, reader: BinaryReader::new(binary), found: Values::default() };
    let end = match schema.type_at(of) {
        // A message is mostly a struct: its fields stand for themselves.
        Some(Type::Struct { fields, .. }) => walk.fields(fields, 0, false),
        Some(Type::Unit) => Ok(()),
        _ => walk.value(String::new(), of, 0, 0, false),
    };
    let end = end.and_then(|()| walk.reader.end());
    if !walk.found.more {
        walk.found.wrong = end.err().map(Failure::in_binary);
    }
    walk.found
}

/// Whether a message of this type has a field that nobody should be shown.
#[must_use]
pub fn has_secrets(schema: &ServiceSchema, of: TypeRef) -> bool {
    // A type refers only to those before it: each is looked at once, however often it is used.
    let mut known = Vec::with_capacity(schema.types.len());
    for described in schema.types.iter().take(of as usize + 1) {
        let has = |of: TypeRef| known.get(of as usize).copied().unwrap_or(false);
        let any = |fields: &[Field]| fields.iter().any(|field| field.is_secret() || has(field.of));
        known.push(match described {
            Type::Struct { fields, .. } => any(fields),
            Type::Enum { variants, .. } => variants.iter().any(|variant| any(&variant.fields)),
            Type::Option { item } | Type::List { item } => has(*item),
            Type::Map { value, .. } => has(*value),
            _ => false,
        });
    }
    known.last().copied().unwrap_or(false)
}

struct Walk<'a> {
    schema: &'a ServiceSchema,
    binary: &'a [u8],
    reader: BinaryReader<'a>,
    found: Values,
}

impl Walk<'_> {
    /// Notes a value, and those in it. `start` is where its first byte stands, which may be a key's.
    fn value(&mut self, name: String, of: TypeRef, start: usize, depth: usize, secret: bool) -> Outcome {
        if self.found.list.len() == EXPLAINED_VALUES_MAX {
            self.found.more = true;
        }
        if self.found.more || depth > 2 * NESTING_MAX {
            return Err(Failure::schema());
        }
        match self.schema.type_at(of).ok_or_else(Failure::schema)? {
            Type::Option { item } => {
                if self.reader.flag()? {
                    return self.value(name, *item, start, depth, secret);
                }
                self.note(name, start, depth, "null", secret);
            }
            Type::List { item } => {
                let count = self.reader.unsigned(64)?;
                self.note(name, start, depth, &counted(count, "item"), false);
                for index in 0..count {
                    self.value(format!("[{index}]"), *item, self.reader.offset(), depth + 1, secret)?;
                }
            }
            Type::Map { key, value } => {
                let key = self.schema.type_at(*key).ok_or_else(Failure::schema)?;
                let count = self.reader.unsigned(64)?;
                self.note(name, start, depth, &counted(count, "entry"), false);
                for _ in 0..count {
                    let start = self.reader.offset();
                    let name = format!("[\"{}\"]", self.reader.key(key)?);
                    self.value(name, *value, start, depth + 1, secret)?;
                }
            }
            Type::Struct { name: of, fields, .. } => {
                self.note(name, start, depth, of, false);
                self.fields(fields, depth + 1, secret)?;
            }
            Type::Enum { variants, .. } => {
                let variant = self.variant(variants)?;
                let text = if variant.fields.is_empty() {
                    format!("\"{}\"", variant.name)
                } else {
                    variant.name.clone()
                };
                self.note(name, start, depth, &text, secret);
                self.fields(&variant.fields, depth + 1, secret)?;
            }
            _ => {
                let from = self.reader.offset();
                self.reader.skip(self.schema, of)?;
                let bytes = &self.binary[from..self.reader.offset()];
                let mut json = BytesMut::new();
                if secret {
                    json.extend_from_slice(MASKED.as_bytes());
                } else {
                    to_json(self.schema, of, bytes, &mut json)
                        .map_err(|error| Failure::new(error.kind, from, error.words))?;
                }
                self.note(name, start, depth, &String::from_utf8_lossy(&json), secret);
            }
        }
        Ok(())
    }

    fn fields(&mut self, fields: &[Field], depth: usize, secret: bool) -> Outcome {
        fields.iter().try_for_each(|field| {
            let (start, secret) = (self.reader.offset(), secret || field.is_secret());
            self.value(field.name.clone(), field.of, start, depth, secret)
        })
    }

    fn variant<'v>(&mut self, variants: &'v [Variant]) -> Outcome<&'v Variant> {
        let index = self.reader.unsigned(32)?;
        let variant = usize::try_from(index).ok().and_then(|index| variants.get(index));
        variant.map_or_else(|| self.reader.wrong(format!("there is no variant {index}")), Ok)
    }

    fn note(&mut self, name: String, start: usize, depth: usize, text: &str, secret: bool) {
        let at = start..self.reader.offset();
        self.found.list.push(Value { at, depth, name, text: cut(text), secret });
    }
}

fn counted(count: u64, what: &str) -> String {
    match (count, what) {
        (1, what) => format!("1 {what}"),
        (_, "entry") => format!("{count} entries"),
        (_, what) => format!("{count} {what}s"),
    }
}

/// A text as far as it is shown.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(EXPLAINED_TEXT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
