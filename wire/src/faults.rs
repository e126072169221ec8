//! What is wrong with a request, all of it at once: the detail of [`Code::InvalidInput`] (SPEC.md 8.6).
//!
//! The transcoder and a server's dispatch make these of types and constraints; a handler adds what only it knows:
//!
//! ```
//! use micronet_wire::error::{Code, RpcError};
//! use micronet_wire::faults::{FaultCode, Faults};
//!
//! fn check(from: u32, to: u32, name: &str) -> Result<(), RpcError> {
//!     Faults::new()
//!         .check(from <= to, "to", "comes before `from`")
//!         .check_as(FaultCode::Format, name.starts_with('T'), "name", "starts with a T")
//!         .into_result()
//! }
//!
//! assert_eq!(check(1, 2, "Tux"), Ok(()));
//! let error = check(2, 1, "Bird").unwrap_err();
//! assert_eq!((error.code, error.message.as_str()), (Code::InvalidInput, "to: comes before `from`; name: starts with a T"));
//! assert_eq!(Faults::of(&error).map(|faults| faults.list().len()), Some(2));
//! ```

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::encoding;
use crate::error::{Code, RpcError};
use crate::json::put_string;
use crate::limits::{ERROR_MESSAGE_BYTES_MAX, FAULT_FIELD_BYTES_MAX, FAULT_MESSAGE_BYTES_MAX, FAULTS_MAX};
use crate::schema::Message;

/// One thing that is wrong with a request.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field, as `items[3].quantity` or `prices["EUR"]`; empty for the whole request.
    pub field: String,
    /// The class of what is wrong: the name of a [`FaultCode`]. Other names may come from newer peers.
    pub code: String,
    /// The same in words that don't repeat the field, safe to show to the peer.
    pub message: String,
}

/// The classes of faults (SPEC.md 8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultCode {
    /// A field that must be given isn't.
    Missing,
    /// There is no field, variant or parameter of this name.
    Unknown,
    /// A field, key or parameter is given twice.
    Duplicate,
    /// A value of another type is wanted.
    Type,
    /// A number or a time lies outside its range.
    OutOfRange,
    /// A string, bytes, a list or a map is too short.
    TooShort,
    /// A string, bytes, a list or a map is too long.
    TooLong,
    /// A string doesn't look as its format wants it.
    Format,
    /// A rule of the service's own is broken.
    Invalid,
}

impl FaultCode {
    /// All codes.
    pub const ALL: &'static [Self] = &[
        Self::Missing,
        Self::Unknown,
        Self::Duplicate,
        Self::Type,
        Self::OutOfRange,
        Self::TooShort,
        Self::TooLong,
        Self::Format,
        Self::Invalid,
    ];

    /// Its name, as it travels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::Unknown => "UNKNOWN",
            Self::Duplicate => "DUPLICATE",
            Self::Type => "TYPE",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::TooShort => "TOO_SHORT",
            Self::TooLong => "TOO_LONG",
            Self::Format => "FORMAT",
            Self::Invalid => "INVALID",
        }
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.field.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.field, self.message)
    }
}

/// The faults of one request: [`FAULTS_MAX`] of them at most, and whether there are more.
///
/// `Display` makes one sentence of them, cut to the length that an error's message may have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    list: Vec<Fault>,
    more: bool,
}

impl Faults {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault unless the rule is kept: `kept` is what has to be true of the field, and the words say what it breaks.
    #[must_use]
    pub fn check(self, kept: bool, field: &str, words: impl Into<String>) -> Self {
        self.check_as(FaultCode::Invalid, kept, field, words)
    }

    /// The same, with another code than [`FaultCode::Invalid`].
    #[must_use]
    pub fn check_as(mut self, code: FaultCode, kept: bool, field: &str, words: impl Into<String>) -> Self {
        if !kept {
            self.add(code, field, &words.into());
        }
        self
    }

    /// Adds a fault. One that is too many is only remembered as that; what is too long is cut.
    pub fn add(&mut self, code: FaultCode, field: &str, words: &str) {
        if self.list.len() == FAULTS_MAX {
            self.more = true;
            return;
        }
        self.list.push(Fault {
            field: cut(field, FAULT_FIELD_BYTES_MAX),
            code: code.name().into(),
            message: cut(words, FAULT_MESSAGE_BYTES_MAX),
        });
    }

    /// The faults.
    #[must_use]
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// Whether there are more than the list has.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether each fault is a field that isn't there.
    #[must_use]
    pub fn all_missing(&self) -> bool {
        self.list.iter().all(|fault| fault.code == FaultCode::Missing.name())
    }

    /// Nothing, or the error that lists what is wrong.
    ///
    /// # Errors
    /// [`Code::InvalidInput`] when there is a fault.
    pub fn into_result(self) -> Result<(), RpcError> {
        if self.is_empty() { Ok(()) } else { Err(self.into()) }
    }

    /// The faults that an error lists; `None` when it lists none.
    #[must_use]
    pub fn of(error: &RpcError) -> Option<Self> {
        if error.code != Code::InvalidInput {
            return None;
        }
        let mut list: Vec<Fault> = encoding::decode(&error.detail).ok()?;
        let more = list.len() > FAULTS_MAX;
        list.truncate(FAULTS_MAX);
        (!list.is_empty()).then_some(Self { list, more })
    }

    /// Appends them as JSON: `[{"field":"quantity","code":"OUT_OF_RANGE","message":"expected at least 1, found 0"}]`.
    pub fn put_json(&self, out: &mut BytesMut) {
        out.put_u8(b'[');
        for (index, fault) in self.list.iter().enumerate() {
            out.put_slice(if index > 0 { br#",{"field":"# } else { br#"{"field":"# });
            put_string(out, &fault.field);
            out.put_slice(br#","code":"#);
            put_string(out, &fault.code);
            out.put_slice(br#","message":"#);
            put_string(out, &fault.message);
            out.put_u8(b'}');
        }
        out.put_u8(b']');
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Room for the last words.
        const REST_BYTES: usize = "; and more".len();
        let mut left = ERROR_MESSAGE_BYTES_MAX - REST_BYTES;
        for (index, fault) in self.list.iter().enumerate() {
            let words = format!("{}{fault}", if index > 0 { "; " } else { "" });
            if words.len() > left {
                return f.write_str("; and more");
            }
            left -= words.len();
            f.write_str(&words)?;
        }
        f.write_str(if self.more { "; and more" } else { "" })
    }
}

impl From<Faults> for RpcError {
    fn from(faults: Faults) -> Self {
        // What fits the limits of faults fits a message, so that there is always a detail.
        let detail = encoding::encode(&faults.list).unwrap_or_else(|_| Bytes::new());
        Self { detail, ..Self::new(Code::InvalidInput, faults.to_string()) }
    }
}

/// A text of at most `bytes_max` bytes.
fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes_max - '…'.len_utf8())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ERROR_DETAIL_BYTES_MAX;

    #[test]
    fn there_and_back_in_an_error() {
        assert_eq!(Faults::new().check(true, "a", "b").into_result(), Ok(()));
        let faults = Faults::new().check(false, "to", "comes before `from`").check_as(
            FaultCode::Missing,
            false,
            "",
            "\"all\" is missing",
        );
        let error = faults.clone().into_result().unwrap_err();
        assert_eq!(error.message, "to: comes before `from`; \"all\" is missing");
        assert_eq!(Faults::of(&error), Some(faults.clone()));
        assert_eq!(Faults::of(&RpcError::new(Code::InvalidInput, "words alone")), None);
        assert_eq!(Faults::of(&RpcError { code: Code::Application, ..error }), None);
        let mut json = BytesMut::new();
        faults.put_json(&mut json);
        let expected = concat!(
            r#"[{"field":"to","code":"INVALID","message":"comes before `from`"},"#,
            r#"{"field":"","code":"MISSING","message":"\"all\" is missing"}]"#
        );
        assert_eq!(json, expected);
    }

    #[test]
    fn many_and_long_faults_are_cut() {
        let mut faults = Faults::new();
        for _ in 0..100 {
            faults.add(FaultCode::OutOfRange, &"é".repeat(1000), &"…".repeat(1000));
        }
        assert_eq!((faults.list().len(), faults.has_more()), (FAULTS_MAX, true));
        let error = RpcError::from(faults.clone());
        assert!(error.detail.len() <= ERROR_DETAIL_BYTES_MAX && !error.detail.is_empty());
        assert!(error.message.len() <= ERROR_MESSAGE_BYTES_MAX && error.message.ends_with("; and more"));
        assert_eq!(Faults::of(&error).unwrap().list(), faults.list());
    }
}
