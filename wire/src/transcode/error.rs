//! Why a message couldn't be transcoded, and where.

use std::fmt;

use super::path::Path;
use super::scalar::short;
use crate::faults::{FaultCode, Faults};
use crate::json::SyntaxError;
use crate::limits::NAME_BYTES_MAX;

/// What is wrong, in classes that a gateway answers with different statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TranscodeErrorKind {
    /// The text is no JSON at all. 400.
    Malformed,
    /// The text nests deeper than [`NESTING_MAX`](crate::limits::NESTING_MAX). 400.
    TooDeep,
    /// A value of another type is wanted here. 422.
    Type,
    /// The type is right, but the value is outside its range. 422.
    Range,
    /// A string, bytes, a list or a map has less than its field takes. 422.
    TooShort,
    /// A string, bytes, a list or a map has more than its field takes. 422.
    TooLong,
    /// A string doesn't look as its field's format wants it. 422.
    Format,
    /// A field that must be given isn't. 422.
    Missing,
    /// There is no field, variant or parameter of this name. 422.
    Unknown,
    /// A field, key or parameter is given twice. 422.
    Duplicate,
    /// The result would be longer than its limit. 413 for a request.
    TooLarge,
    /// The bytes are no message of this type. The peer's mistake: 502.
    Undecodable,
    /// The schema breaks its own rules; a validated one never does. Our mistake: 500.
    Schema,
}

impl TranscodeErrorKind {
    /// The code of a fault of this kind; none for what is wrong with the text as a whole.
    pub(super) fn fault_code(self) -> Option<FaultCode> {
        Some(match self {
            Self::Type => FaultCode::Type,
            Self::Range => FaultCode::OutOfRange,
            Self::TooShort => FaultCode::TooShort,
            Self::TooLong => FaultCode::TooLong,
            Self::Format => FaultCode::Format,
            Self::Missing => FaultCode::Missing,
            Self::Unknown => FaultCode::Unknown,
            Self::Duplicate => FaultCode::Duplicate,
            Self::Malformed | Self::TooDeep | Self::TooLarge | Self::Undecodable | Self::Schema => {
                return None;
            }
        })
    }
}

/// Where it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In JSON text. For a missing field or a duplicate key it is where the object begins.
    Json {
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// The bytes before it.
        offset: usize,
    },
    /// In a message's bytes.
    Binary {
        /// The bytes before it.
        offset: usize,
    },
    /// In a parameter, or where one is missing.
    Parameter,
}

/// Why a message couldn't be transcoded, and where: the first thing that is wrong with it, and what else is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscodeError {
    /// The class of what is wrong.
    pub kind: TranscodeErrorKind,
    /// The field, as `items[3].quantity` or `prices["EUR"]`; empty for the whole message.
    pub path: String,
    /// The place.
    pub place: Place,
    /// What is wrong, in words that don't repeat path or place. Values in them are cut to a short length.
    pub words: String,
    /// All that is wrong with the values of JSON and parameters, this first; empty for what isn't about them.
    pub faults: Faults,
}

impl fmt::Display for TranscodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_text = matches!(self.kind, TranscodeErrorKind::Malformed | TranscodeErrorKind::TooDeep);
        match self.place {
            _ if !of_text && !self.path.is_empty() => write!(f, "{}: ", self.path)?,
            Place::Json { line, column, .. } => write!(f, "line {line}, column {column}: ")?,
            Place::Binary { offset } => write!(f, "byte {offset}: ")?,
            Place::Parameter => {}
        }
        f.write_str(&self.words)?;
        match (self.faults.list().len().saturating_sub(1), self.faults.has_more()) {
            (0, _) => Ok(()),
            (1, false) => f.write_str(", and 1 more fault"),
            (more, false) => write!(f, ", and {more} more faults"),
            (more, true) => write!(f, ", and more than {more} more faults"),
        }
    }
}

impl std::error::Error for TranscodeError {}

pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// A [`TranscodeError`] on its way out: the path grows at each level, and the offset becomes a place at the top. Boxed,
/// so that success stays cheap.
#[derive(Debug)]
pub(super) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: TranscodeErrorKind,
    path: String,
    /// None in a parameter.
    offset: Option<usize>,
    words: String,
}

impl Failure {
    #[cold]
    pub(super) fn new(
        kind: TranscodeErrorKind,
        offset: impl Into<Option<usize>>,
        words: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts { kind, path: String::new(), offset: offset.into(), words: words.into() }))
    }

    #[cold]
    pub(super) fn schema() -> Self {
        Self::new(TranscodeErrorKind::Schema, 0, "the schema breaks its own rules")
    }

    /// Adds the field that it happened in.
    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        let dot = if self.0.path.is_empty() || self.0.path.starts_with('[') { "" } else { "." };
        self.0.path = format!("{name}{dot}{}", self.0.path);
        self
    }

    /// Adds the list's item that it happened in.
    #[cold]
    pub(super) fn in_item(self, index: u64) -> Self {
        self.in_field(&format!("[{index}]"))
    }

    /// Adds the map's key that it happened in.
    #[cold]
    pub(super) fn in_key(self, key: &str) -> Self {
        self.in_field(&format!("[{}]", short(key)))
    }

    /// Adds a name that a client made up: like a field's if it looks like one, like a key's if it doesn't.
    #[cold]
    pub(super) fn in_name(self, name: &str) -> Self {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if plain && (1..=NAME_BYTES_MAX).contains(&name.len()) {
            self.in_field(name)
        } else {
            self.in_key(name)
        }
    }

    /// Whether the text may be no JSON further on, which then is the graver mistake.
    pub(super) fn is_about_values(&self) -> bool {
        self.0.kind.fault_code().is_some()
    }

    /// The same failure of a value that stands at the end of this path.
    pub(super) fn below(mut self, path: &Path<'_>) -> Self {
        let within = &self.0.path;
        let outer = path.to_string();
        let dot = if outer.is_empty() || within.is_empty() || within.starts_with('[') { "" } else { "." };
        self.0.path = format!("{outer}{dot}{within}");
        self
    }

    /// The error with all that is wrong in this JSON text: this first, then the others.
    pub(super) fn with(self, others: &[Self], text: &[u8]) -> TranscodeError {
        let mut faults = Faults::new();
        for failure in std::iter::once(&self).chain(others) {
            if let Some(code) = failure.0.kind.fault_code() {
                faults.add(code, &failure.0.path, &failure.0.words);
            }
        }
        TranscodeError { faults, ..self.in_json(text) }
    }

    /// The error, when it happened in this JSON text.
    #[cold]
    pub(super) fn in_json(self, text: &[u8]) -> TranscodeError {
        let place = self.0.offset.map_or(Place::Parameter, |offset| {
            let before = text.get(..offset).unwrap_or(text);
            let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            // Characters, not bytes: UTF-8 continuation bytes don't count.
            let column = 1 + before[line_start..].iter().filter(|byte| (**byte & 0xc0) != 0x80).count();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            Place::Json { line, column, offset }
        });
        self.at(place)
    }

    /// The error, when it happened in a message's bytes.
    #[cold]
    pub(super) fn in_binary(self) -> TranscodeError {
        let place = Place::Binary { offset: self.0.offset.unwrap_or_default() };
        self.at(place)
    }

    fn at(self, place: Place) -> TranscodeError {
        TranscodeError {
            kind: self.0.kind,
            path: self.0.path,
            place,
            words: self.0.words,
            faults: Faults::new(),
        }
    }
}

impl From<SyntaxError> for Failure {
    #[cold]
    fn from(error: SyntaxError) -> Self {
        let kind = if error.too_deep { TranscodeErrorKind::TooDeep } else { TranscodeErrorKind::Malformed };
        Self::new(kind, error.offset, error.words)
    }
}
