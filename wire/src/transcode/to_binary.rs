//! JSON to the payload encoding: the top of a message, values of one piece, and enums.

use bytes::BytesMut;

use super::binary::put_length;
use super::error::{Failure, Outcome, TranscodeError, TranscodeErrorKind};
use super::scalar::{Refusal, cut, expectation, put_number, put_parsed, refusal_words, short};
use super::survey::survey;
use super::{base64, parameters};
use crate::json::{Kind, Reader, Text};
use crate::limits::{JSON_MESSAGE_BYTES_MAX, NESTING_MAX};
use crate::schema::{ServiceSchema, Type, TypeRef, Variant};

/// Appends the encoding of the value of type `of` that `json` holds.
///
/// `parameters` are fields of the top-level struct by name, with their values as plain text: what an HTTP request bears in
/// its path and query. Strings stand as they are; integers, decimals, bools, timestamps and the names of variants
/// without fields are parsed; an option takes what its value takes. A field that is given both in `json` and as a
/// parameter is an error, so that neither silently loses. `json` may be empty (zero bytes) when parameters and options
/// make up the whole struct, or when the type is unit.
///
/// # Errors
/// Everything that is wrong with the values, the first thing before the others, except that text that is no JSON is always
/// [`TranscodeErrorKind::Malformed`] (or [`TranscodeErrorKind::TooDeep`]) alone, unless the message is too large before that.
/// `out` is then as before.
pub fn to_binary(
    schema: &ServiceSchema,
    of: TypeRef,
    json: &[u8],
    parameters: &[(&str, &str)],
    out: &mut BytesMut,
) -> Result<(), TranscodeError> {
    let start = out.len();
    let mut packer = Packer::new(schema, Reader::new(json), &mut *out);
    packer.message(of, json.is_empty(), parameters).map_err(|failure| {
        out.truncate(start);
        refusal(schema, of, json, parameters, failure)
    })
}

/// The error for a request of which the packer found the first failure.
#[cold]
fn refusal(
    schema: &ServiceSchema,
    of: TypeRef,
    json: &[u8],
    parameters: &[(&str, &str)],
    failure: Failure,
) -> TranscodeError {
    if !failure.is_about_values() {
        return failure.in_json(json);
    }
    match survey(schema, of, json, parameters) {
        Err(graver) => graver.in_json(json),
        Ok(mut failures) => {
            // The packer's own is among them, if seldom the first: it reads parameters earlier.
            let first = if failures.is_empty() { failure } else { failures.remove(0) };
            first.with(&failures, json)
        }
    }
}

/// One message on its way from JSON to bytes.
pub(super) struct Packer<'a> {
    pub(super) schema: &'a ServiceSchema,
    pub(super) json: Reader<'a>,
    pub(super) out: &'a mut BytesMut,
    /// Where the message begins in `out`.
    start: usize,
    /// How many values the current one stands in, which bounds the recursion for schemas that nobody checked.
    pub(super) depth: usize,
}

impl<'a> Packer<'a> {
    /// A packer that appends to `out`.
    pub(super) fn new(schema: &'a ServiceSchema, json: Reader<'a>, out: &'a mut BytesMut) -> Self {
        let start = out.len();
        Self { schema, json, out, start, depth: 0 }
    }

    fn message(&mut self, of: TypeRef, empty: bool, parameters: &[(&str, &str)]) -> Outcome {
        match self.type_at(of)? {
            Type::Struct { fields, .. } => {
                parameters::check(fields, parameters)?;
                if empty {
                    self.structure_without_body(fields, parameters)?;
                } else {
                    self.expect(Kind::Object, self.type_at(of)?)?;
                    self.structure(fields, parameters)?;
                }
            }
            other => {
                parameters::check(&[], parameters)?;
                if !(empty && matches!(other, Type::Unit)) {
                    self.value(of)?;
                }
            }
        }
        self.json.end()?;
        self.check_size()
    }

    /// Appends the encoding of the value that comes next.
    pub(super) fn value(&mut self, of: TypeRef) -> Outcome {
        if self.depth > NESTING_MAX {
            return Err(Failure::schema());
        }
        self.depth += 1;
        let described = self.type_at(of)?;
        match described {
            Type::Unit => {
                self.expect(Kind::Null, described)?;
                self.json.null()?;
            }
            Type::Bool => {
                self.expect(Kind::Bool, described)?;
                let flag = self.json.boolean()?;
                self.out.extend_from_slice(&[u8::from(flag)]);
            }
            Type::String => {
                self.expect(Kind::String, described)?;
                let text = self.json.string()?;
                put_length(self.out, text.length());
                text.put(self.out);
            }
            Type::Bytes => self.bytes(described)?,
            Type::Option { item } => {
                if self.json.peek()? == Kind::Null {
                    self.json.null()?;
                    self.out.extend_from_slice(&[0]);
                } else {
                    self.out.extend_from_slice(&[1]);
                    self.value(*item)?;
                }
            }
            Type::List { item } => {
                self.expect(Kind::Array, described)?;
                self.list(*item)?;
            }
            Type::Map { key, value } => {
                self.expect(Kind::Object, described)?;
                self.map(*key, *value)?;
            }
            Type::Struct { fields, .. } => {
                self.expect(Kind::Object, described)?;
                self.structure(fields, &[])?;
            }
            Type::Enum { variants, .. } => self.enumeration(described, variants)?,
            number_or_time => self.scalar(number_or_time)?,
        }
        self.depth -= 1;
        self.check_size()
    }

    pub(super) fn type_at(&self, of: TypeRef) -> Outcome<&'a Type> {
        self.schema.type_at(of).ok_or_else(Failure::schema)
    }

    /// An integer, decimal or timestamp.
    fn scalar(&mut self, described: &Type) -> Outcome {
        match (self.json.peek()?, described) {
            (Kind::String, Type::U64 | Type::I64 | Type::Decimal { .. } | Type::Timestamp) => {
                let text = self.json.string()?;
                self.parsed(described, text)
            }
            (Kind::Number, Type::Timestamp) => Err(self.mismatch(described)),
            (Kind::Number, _) => {
                let offset = self.json.offset();
                let text = self.json.number()?;
                put_number(described, text, self.out)
                    .map_err(|refusal| refused(described, refusal, &cut(text), offset))
            }
            _ => Err(self.mismatch(described)),
        }
    }

    /// Appends what a string or a map's key stands for.
    pub(super) fn parsed(&mut self, described: &Type, text: Text<'_>) -> Outcome {
        let unescaped = text.unescaped();
        put_parsed(described, &unescaped, self.out)
            .map_err(|refusal| refused(described, refusal, &short(&unescaped), text.offset()))
    }

    fn bytes(&mut self, described: &Type) -> Outcome {
        self.expect(Kind::String, described)?;
        let text = self.json.string()?;
        let unescaped = text.unescaped();
        if let Some(length) = base64::decoded_length(&unescaped) {
            put_length(self.out, length);
            if base64::put_decoded(self.out, &unescaped) {
                return Ok(());
            }
        }
        Err(refused(described, Refusal::Form, &short(&unescaped), text.offset()))
    }

    fn enumeration(&mut self, described: &Type, variants: &[Variant]) -> Outcome {
        match self.json.peek()? {
            Kind::String => {
                let name = self.json.string()?;
                let variant = self.variant(described, variants, name)?;
                if variant.fields.is_empty() {
                    return Ok(());
                }
                let words = format!("this variant has fields: {{\"{}\":{{…}}}} is wanted", variant.name);
                Err(Failure::new(TranscodeErrorKind::Type, name.offset(), words))
            }
            Kind::Object => {
                let offset = self.json.offset();
                self.json.begin_object()?;
                let Some(name) = self.json.next_name()? else { return Err(one_variant(offset)) };
                let variant = self.variant(described, variants, name)?;
                if variant.fields.is_empty() {
                    let words = format!("this variant has no fields: \"{}\" alone is wanted", variant.name);
                    return Err(Failure::new(TranscodeErrorKind::Type, name.offset(), words));
                }
                self.variant_fields(variant).map_err(|failure| failure.in_field(&variant.name))?;
                self.json.next_name()?.map_or(Ok(()), |second| Err(one_variant(second.offset())))
            }
            _ => Err(self.mismatch(described)),
        }
    }

    fn variant_fields(&mut self, variant: &Variant) -> Outcome {
        if self.json.peek()? != Kind::Object {
            return Err(self.unexpected("an object"));
        }
        self.depth += 1; // The variant's own level, below the enum's.
        self.structure(&variant.fields, &[])?;
        self.depth -= 1;
        Ok(())
    }

    /// Finds a variant by name and appends its index.
    fn variant<'v>(
        &mut self,
        described: &Type,
        variants: &'v [Variant],
        name: Text<'_>,
    ) -> Outcome<&'v Variant> {
        match variants.iter().position(|variant| name.is(&variant.name)) {
            Some(index) => {
                put_length(self.out, index);
                Ok(&variants[index])
            }
            None => {
                let words = refusal_words(described, Refusal::Form, &short(&name.unescaped()));
                Err(Failure::new(TranscodeErrorKind::Unknown, name.offset(), words))
            }
        }
    }

    /// Checks that a value of this kind comes next.
    pub(super) fn expect(&mut self, kind: Kind, described: &Type) -> Outcome {
        if self.json.peek()? == kind { Ok(()) } else { Err(self.mismatch(described)) }
    }

    #[cold]
    fn mismatch(&mut self, described: &Type) -> Failure {
        self.unexpected(&expectation(described))
    }

    #[cold]
    fn unexpected(&mut self, expected: &str) -> Failure {
        let offset = self.json.offset();
        let found = self.json.peek().and_then(|kind| {
            Ok(match kind {
                Kind::Null => "null".into(),
                Kind::Bool => self.json.boolean()?.to_string(),
                Kind::Number => cut(self.json.number()?),
                Kind::String => short(&self.json.string()?.unescaped()),
                Kind::Array => "an array".into(),
                Kind::Object => "an object".into(),
            })
        });
        found.map_or_else(Failure::from, |found| {
            Failure::new(TranscodeErrorKind::Type, offset, format!("expected {expected}, found {found}"))
        })
    }

    /// Called after every value, so that a short text can't make a long message.
    fn check_size(&self) -> Outcome {
        if self.out.len() - self.start <= JSON_MESSAGE_BYTES_MAX {
            return Ok(());
        }
        let words = format!("the message would be longer than {JSON_MESSAGE_BYTES_MAX} bytes");
        Err(Failure::new(TranscodeErrorKind::TooLarge, self.json.offset(), words))
    }
}

/// The failure for an object that is no variant with its fields.
#[cold]
pub(super) fn one_variant(offset: usize) -> Failure {
    Failure::new(TranscodeErrorKind::Type, offset, "expected an object with one variant as its only field")
}

/// The failure for a text that is no value of its type. `offset` is none in a parameter.
#[cold]
pub(super) fn refused(
    described: &Type,
    refusal: Refusal,
    found: &str,
    offset: impl Into<Option<usize>>,
) -> Failure {
    let kind = match refusal {
        Refusal::Range => TranscodeErrorKind::Range,
        Refusal::Form | Refusal::Fraction => TranscodeErrorKind::Type,
    };
    Failure::new(kind, offset, refusal_words(described, refusal, found))
}
