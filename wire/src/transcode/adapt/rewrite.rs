//! A message of one type as a message of another, by the steps that were found for them.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::plan::{Integer, Members, Step, StepRef, Variation, Way};
use crate::json::put_decimal;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::schema::{ServiceSchema, TypeRef};
use crate::transcode::binary::{BinaryReader, put_signed, put_unsigned};
use crate::transcode::error::{Failure, Outcome, TranscodeError, TranscodeErrorKind};

/// Rewrites one message, whose type is one of `schema`. The bytes come from a peer and may be anything.
pub(super) fn rewrite(
    steps: &[Step],
    root: StepRef,
    way: Way,
    schema: &ServiceSchema,
    bytes: &[u8],
) -> Result<Bytes, TranscodeError> {
    let out = BytesMut::with_capacity(bytes.len() + 16);
    let source = BinaryReader::new(bytes);
    let mut rewriter = Rewriter { steps, way, schema, bytes, source, out };
    match rewriter.message(root) {
        Ok(()) => Ok(rewriter.out.freeze()),
        Err(failure) => Err(failure.in_binary()),
    }
}

struct Rewriter<'a> {
    steps: &'a [Step],
    way: Way,
    /// The schema that the message comes in.
    schema: &'a ServiceSchema,
    bytes: &'a [u8],
    source: BinaryReader<'a>,
    out: BytesMut,
}

impl<'a> Rewriter<'a> {
    fn message(&mut self, root: StepRef) -> Outcome {
        if self.bytes.len() > MESSAGE_BYTES_MAX {
            return Err(too_large());
        }
        self.value(root)?;
        self.source.end()
    }

    /// Rewrites a value. Steps refer only to steps before them, so the depth is that of the types.
    fn value(&mut self, step: StepRef) -> Outcome {
        let steps = self.steps;
        match &steps[step] {
            Step::Copy(of) => {
                let from = self.source.offset();
                self.source.skip(self.schema, *of)?;
                self.out.put_slice(&self.bytes[from..self.source.offset()]);
            }
            Step::Integer { from, to } => self.integer(*from, *to)?,
            Step::Scale { from, to } => self.decimal(*from, *to)?,
            Step::Option(item) => {
                let given = self.source.flag()?;
                self.out.put_u8(given.into());
                if given {
                    self.value(*item)?;
                }
            }
            Step::Wrap(item) => {
                self.out.put_u8(1);
                self.value(*item)?;
            }
            Step::Unwrap(item) => {
                if !self.source.flag()? {
                    let words = format!("is nothing, but required {}", self.way.target());
                    return Err(self.refused(TranscodeErrorKind::Missing, words));
                }
                self.value(*item)?;
            }
            Step::List(item) => {
                let count = self.count()?;
                for index in 0..count {
                    self.value(*item).map_err(|failure| failure.in_item(index))?;
                }
            }
            Step::Map { key_type, key, value } => {
                for _ in 0..self.count()? {
                    self.entry(*key_type, *key, *value)?;
                }
            }
            Step::Struct(members) => self.members(members)?,
            Step::Enum(variations) => self.variant(variations)?,
        }
        // A small value can become a large one, by options that it hadn't.
        if self.out.len() > MESSAGE_BYTES_MAX { Err(too_large()) } else { Ok(()) }
    }

    fn count(&mut self) -> Outcome<u64> {
        let count = self.source.unsigned(64)?;
        put_unsigned(&mut self.out, count);
        Ok(count)
    }

    fn entry(&mut self, key_type: TypeRef, key: StepRef, value: StepRef) -> Outcome {
        let mut before = self.source.clone();
        self.value(key).and_then(|()| self.value(value)).map_err(|failure| {
            let key = self.schema.type_at(key_type).and_then(|described| before.key(described).ok());
            match key {
                Some(key) => failure.in_key(&key.to_string()),
                None => failure,
            }
        })
    }

    fn members(&mut self, members: &Members) -> Outcome {
        if !members.in_order {
            return self.members_out_of_order(members);
        }
        let mut next = 0;
        for wanted in &members.wanted {
            let Some((place, step)) = wanted else {
                self.out.put_u8(0);
                continue;
            };
            while next < *place {
                self.pass(members, next)?;
                next += 1;
            }
            self.value(*step).map_err(|failure| failure.in_field(&members.given[next].name))?;
            next += 1;
        }
        (next..members.given.len()).try_for_each(|at| self.pass(members, at))
    }

    /// Looks first where each field stands, and then at them in the order in which they are wanted.
    fn members_out_of_order(&mut self, members: &Members) -> Outcome {
        let mut places = Vec::with_capacity(members.given.len());
        for at in 0..members.given.len() {
            places.push(self.source.clone());
            self.pass(members, at)?;
        }
        let end = self.source.clone();
        for wanted in &members.wanted {
            let Some((place, step)) = wanted else {
                self.out.put_u8(0);
                continue;
            };
            self.source = places[*place].clone();
            self.value(*step).map_err(|failure| failure.in_field(&members.given[*place].name))?;
        }
        self.source = end;
        Ok(())
    }

    /// Passes over a field.
    fn pass(&mut self, members: &Members, at: usize) -> Outcome {
        let field = &members.given[at];
        if field.must_be_absent && self.source.clone().flag()? {
            let words = format!("is given, but unknown {}", self.way.target());
            return Err(self.refused(TranscodeErrorKind::Unknown, words).in_field(&field.name));
        }
        self.source.skip(self.schema, field.of)
    }

    fn variant(&mut self, variations: &[Variation]) -> Outcome {
        let before = self.source.clone();
        let index = self.source.unsigned(32)?;
        match usize::try_from(index).ok().and_then(|index| variations.get(index)) {
            Some(Variation::Known { name, index, members }) => {
                put_unsigned(&mut self.out, *index);
                self.members(members).map_err(|failure| failure.in_field(name))
            }
            Some(Variation::Unknown { index, passed }) => {
                put_unsigned(&mut self.out, *index);
                passed.iter().try_for_each(|of| self.source.skip(self.schema, *of))
            }
            Some(Variation::Refused { name }) => {
                let words = format!("is {name}, a variant that is unknown {}", self.way.target());
                Err(self.refused(TranscodeErrorKind::Unknown, words))
            }
            None => before.wrong("no variant has this index"),
        }
    }

    fn integer(&mut self, from: Integer, to: Integer) -> Outcome {
        let number = match (from.signed, from.bits) {
            (false, 8) => i128::from(self.source.byte()?),
            (true, 8) => i128::from(self.source.byte()?.cast_signed()),
            (false, bits) => i128::from(self.source.unsigned(bits)?),
            (true, bits) => i128::from(self.source.signed(bits)?),
        };
        let (least, greatest) =
            if to.signed { (-(1 << (to.bits - 1)), 1 << (to.bits - 1)) } else { (0, 1_i128 << to.bits) };
        if !(least..greatest).contains(&number) {
            let sign = if to.signed { "I" } else { "U" };
            let words = format!("is {number}, which doesn't fit {sign}{} {}", to.bits, self.way.target());
            return Err(self.refused(TranscodeErrorKind::Range, words));
        }
        match (u64::try_from(number), i64::try_from(number)) {
            // One byte, as it is: two's complement is what a byte of either sign holds.
            _ if to.bits == 8 => self.out.put_slice(&number.to_le_bytes()[..1]),
            (Ok(number), _) if !to.signed => put_unsigned(&mut self.out, number),
            (_, Ok(number)) => put_signed(&mut self.out, number),
            _ => return Err(Failure::schema()),
        }
        Ok(())
    }

    /// A decimal of another scale: never rounded.
    fn decimal(&mut self, from: u8, to: u8) -> Outcome {
        let minor = self.source.signed(64)?;
        let unit = 10_i64.pow(u32::from(from.abs_diff(to)).min(18));
        let fits =
            if from < to { minor.checked_mul(unit) } else { (minor % unit == 0).then_some(minor / unit) };
        let Some(fits) = fits else {
            let mut text = BytesMut::new();
            put_decimal(&mut text, minor, from);
            let number = String::from_utf8_lossy(&text);
            let words = format!("is {number}, which doesn't fit Decimal({to}) {}", self.way.target());
            return Err(self.refused(TranscodeErrorKind::Range, words));
        };
        put_signed(&mut self.out, fits);
        Ok(())
    }

    #[cold]
    fn refused(&self, kind: TranscodeErrorKind, words: String) -> Failure {
        Failure::new(kind, self.source.offset(), words)
    }
}

#[cold]
fn too_large() -> Failure {
    let words = format!("it would be longer than {MESSAGE_BYTES_MAX} bytes");
    Failure::new(TranscodeErrorKind::TooLarge, 0, words)
}
