//! Values that are written as one piece of text: in a JSON number or string, in a map's key, in a parameter.

use bytes::BytesMut;

use super::binary::{put_length, put_signed, put_unsigned};
use super::time;
use crate::json;
use crate::schema::Type;

/// How much of a value an error quotes, in bytes.
const QUOTED_BYTES_MAX: usize = 32;

/// Why a text is no value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It doesn't look like one.
    Form,
    /// A number with a fraction or exponent where none may stand.
    Fraction,
    /// It looks like one but lies outside the range.
    Range,
}

/// Appends the encoding of the value that `text` stands for.
pub(super) fn put_parsed(described: &Type, text: &str, out: &mut BytesMut) -> Result<(), Refusal> {
    match described {
        Type::Bool => match text {
            "false" => out.extend_from_slice(&[0]),
            "true" => out.extend_from_slice(&[1]),
            _ => return Err(Refusal::Form),
        },
        Type::U8 => out.extend_from_slice(&[narrow(unsigned(text)?)?]),
        Type::U16 => put_unsigned(out, u64::from(narrow::<u16, _>(unsigned(text)?)?)),
        Type::U32 => put_unsigned(out, u64::from(narrow::<u32, _>(unsigned(text)?)?)),
        Type::U64 => put_unsigned(out, unsigned(text)?),
        Type::I8 => out.extend_from_slice(&narrow::<i8, _>(signed(text)?)?.to_le_bytes()),
        Type::I16 => put_signed(out, i64::from(narrow::<i16, _>(signed(text)?)?)),
        Type::I32 => put_signed(out, i64::from(narrow::<i32, _>(signed(text)?)?)),
        Type::I64 => put_signed(out, signed(text)?),
        Type::Decimal { scale } => put_signed(out, decimal(text, *scale)?),
        Type::Timestamp => put_signed(out, time::parse(text)?),
        Type::String => {
            put_length(out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        _ => return Err(Refusal::Form),
    }
    Ok(())
}

/// The same for a number in JSON or in a parameter, where `1.0` is an integer as it is in JSON Schema.
pub(super) fn put_number(described: &Type, text: &str, out: &mut BytesMut) -> Result<(), Refusal> {
    let whole = if is_integer(described) { at_point(text) } else { None };
    let whole =
        whole.filter(|(_, fraction)| !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0'));
    put_parsed(described, whole.map_or(text, |(whole, _)| whole), out)
}

/// What stands before and behind the point: by bytes, since such texts are too short for a search by words.
fn at_point(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == b'.')?;
    Some((&text[..at], &text[at + 1..]))
}

fn is_integer(described: &Type) -> bool {
    use Type::{I8, I16, I32, I64, U8, U16, U32, U64};
    matches!(described, U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64)
}

/// What a value of this type looks like, in words that follow "expected".
pub(super) fn expectation(described: &Type) -> String {
    let integer = |least: i64, greatest: u64| format!("an integer from {least} to {greatest}");
    match described {
        Type::Unit => "null".into(),
        Type::Bool => "true or false".into(),
        Type::U8 => integer(0, u8::MAX.into()),
        Type::U16 => integer(0, u16::MAX.into()),
        Type::U32 => integer(0, u32::MAX.into()),
        Type::U64 => integer(0, u64::MAX),
        Type::I8 => integer(i8::MIN.into(), i8::MAX.cast_unsigned().into()),
        Type::I16 => integer(i16::MIN.into(), i16::MAX.cast_unsigned().into()),
        Type::I32 => integer(i32::MIN.into(), i32::MAX.cast_unsigned().into()),
        Type::I64 => integer(i64::MIN, i64::MAX.cast_unsigned()),
        Type::String => "a string".into(),
        Type::Bytes => "a string of base64 with padding".into(),
        Type::Timestamp => "a time such as \"2026-11-21T03:31:18Z\"".into(),
        Type::Decimal { scale: 0 } => "a number without digits after the point".into(),
        Type::Decimal { scale } => format!("a plain number with at most {scale} digits after the point"),
        Type::List { .. } => "an array".into(),
        Type::Option { .. } => "a value or null".into(),
        Type::Map { .. } | Type::Struct { .. } => "an object".into(),
        Type::Enum { variants, .. } => {
            format!("one of {}", names(variants.iter().map(|variant| &*variant.name)))
        }
    }
}

/// The words for a text that was refused.
pub(super) fn refusal_words(described: &Type, refusal: Refusal, found: &str) -> String {
    let expected = expectation(described);
    match (refusal, described) {
        (Refusal::Fraction, Type::Decimal { .. }) => format!("expected {expected}, found {found}"),
        (Refusal::Fraction, _) => format!("expected {expected} without fraction or exponent, found {found}"),
        (Refusal::Range, Type::Decimal { scale }) => {
            let (mut least, mut greatest) = (BytesMut::new(), BytesMut::new());
            json::put_decimal(&mut least, i64::MIN, *scale);
            json::put_decimal(&mut greatest, i64::MAX, *scale);
            let (least, greatest) = (String::from_utf8_lossy(&least), String::from_utf8_lossy(&greatest));
            format!("expected a number from {least} to {greatest}, found {found}")
        }
        (Refusal::Range, Type::Timestamp) => {
            format!("expected a time from year 0000 to 9999, found {found}")
        }
        _ => format!("expected {expected}, found {found}"),
    }
}

/// A text in quotes for an error's words, cut to a short length.
pub(super) fn short(text: &str) -> String {
    let mut quoted = BytesMut::new();
    json::put_string(&mut quoted, &cut(text));
    String::from_utf8_lossy(&quoted).into_owned()
}

/// A text for an error's words, cut to a short length.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= QUOTED_BYTES_MAX {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(QUOTED_BYTES_MAX)])
}

/// A list of names for an error's words, cut to a bearable length.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 16;
    let names: Vec<&str> = names.collect();
    let more = if names.len() > SHOWN_MAX {
        format!(" and {} more", names.len() - SHOWN_MAX)
    } else {
        String::new()
    };
    format!("{}{more}", names[..names.len().min(SHOWN_MAX)].join(", "))
}

fn narrow<T: TryFrom<N>, N>(number: N) -> Result<T, Refusal> {
    T::try_from(number).map_err(|_| Refusal::Range)
}

fn unsigned(text: &str) -> Result<u64, Refusal> {
    match integer(text)? {
        (true, 1..) => Err(Refusal::Range),
        (_, magnitude) => Ok(magnitude),
    }
}

fn signed(text: &str) -> Result<i64, Refusal> {
    let (negative, magnitude) = integer(text)?;
    with_sign(negative, magnitude)
}

fn with_sign(negative: bool, magnitude: u64) -> Result<i64, Refusal> {
    let number =
        if negative { 0_i64.checked_sub_unsigned(magnitude) } else { 0_i64.checked_add_unsigned(magnitude) };
    number.ok_or(Refusal::Range)
}

/// An integer as JSON writes it, as sign and magnitude.
fn integer(text: &str) -> Result<(bool, u64), Refusal> {
    let digits = text.strip_prefix('-');
    let (negative, digits) = (digits.is_some(), digits.unwrap_or(text));
    // No digit, or a needless 0 before one.
    if !digits.starts_with(|first: char| first.is_ascii_digit())
        || matches!(digits.as_bytes(), [b'0', b'0'..=b'9', ..])
    {
        return Err(Refusal::Form);
    }
    let mut magnitude = Some(0_u64);
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' => magnitude = shift_in(magnitude, byte),
            b'.' | b'e' | b'E' => return Err(Refusal::Fraction),
            _ => return Err(Refusal::Form),
        }
    }
    Ok((negative, magnitude.ok_or(Refusal::Range)?))
}

/// A plain number as JSON writes it, as a count of 10^-`scale`. It never goes through a float.
fn decimal(text: &str, scale: u8) -> Result<i64, Refusal> {
    let (whole, fraction) = match at_point(text) {
        Some((_, "")) => return Err(Refusal::Form),
        parts => parts.unwrap_or((text, "")),
    };
    let negative = match integer(whole) {
        Err(Refusal::Range) => whole.starts_with('-'), // The fraction isn't in it yet; the range is checked below.
        whole => whole?.0,
    };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(if fraction.contains(['e', 'E']) { Refusal::Fraction } else { Refusal::Form });
    }
    if fraction.len() > usize::from(scale) {
        return Err(Refusal::Fraction);
    }
    let zeros = std::iter::repeat_n(b'0', usize::from(scale) - fraction.len());
    let digits = whole.bytes().skip(usize::from(negative)).chain(fraction.bytes()).chain(zeros);
    let magnitude = digits.fold(Some(0), shift_in);
    with_sign(negative, magnitude.ok_or(Refusal::Range)?)
}

/// Appends a digit to a number, unless it overflows.
fn shift_in(number: Option<u64>, digit: u8) -> Option<u64> {
    number?.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
}
