//! Frames in words: from the bytes of a connection to what each of them means.
//!
//! [`frame`] explains a frame that stands alone. [`Conversation`] follows both directions of a connection, also from the middle of it,
//! puts messages together that travel in pieces, and learns the schemas that pass. What is shown of a message comes from the schema
//! of its service, which [`Schemas`] knows; without one it is bytes. Values that nobody should be shown are masked.
//!
//! ```
//! use micronet_wire::explain::{self, Schemas};
//!
//! let ping = b"\0\0\0\x08\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x8e\x3f\xf5\xcf\x01\x02\x03\x04\x05\x06\x07\x08";
//! let told = explain::frame(&ping[..], None, &Schemas::new());
//! assert_eq!((told.title.as_str(), told.faults.len()), ("PING", 0));
//! assert!(told.parts.iter().any(|part| part.name == "length" && part.meaning.starts_with('8')));
//! ```

mod call;
mod control;
mod conversation;
mod frame;
mod lines;
mod message;
mod notes;
mod schemas;
#[cfg(test)]
mod tests;

use std::ops::Range;

use bytes::Bytes;

use crate::header::Header;

pub use self::conversation::Conversation;
pub use self::frame::frame;
pub use self::lines::lines;
pub use self::schemas::Schemas;

/// A stretch of bytes, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes, counted from the start of what is explained. Empty where the value has none here: it arrived in earlier pieces.
    pub at: Range<usize>,
    /// 0 for a part of the frame; more for a value within such a part.
    pub depth: usize,
    /// What it is called in SPEC.md, or in the schema.
    pub name: String,
    /// What these bytes say. Of a secret there is nothing in it.
    pub meaning: String,
    /// Whether nobody should be shown the bytes.
    pub secret: bool,
}

/// What a stretch of a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Its bytes. A frame that was cut short has fewer than its header says.
    pub bytes: Bytes,
    /// The frame's header; none for what is no frame: the preface, and bytes that nobody understands.
    pub header: Option<Header>,
    /// All of it in a few words, as `REQUEST product.query, stream 1`.
    pub title: String,
    /// Its parts, in the order of the bytes. Together they cover all bytes.
    pub parts: Vec<Part>,
    /// What is wrong with it, by the rules that can be checked here.
    pub faults: Vec<String>,
}

impl Explained {
    /// The stretches of bytes that nobody should be shown.
    pub fn secrets(&self) -> impl Iterator<Item = Range<usize>> {
        self.parts.iter().filter(|part| part.secret).map(|part| part.at.clone())
    }
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who made the connection, and makes the calls.
    Dialler,
    /// Who answers them.
    Acceptor,
}

impl Side {
    /// Its name in SPEC.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dialler => "dialler",
            Self::Acceptor => "acceptor",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Acceptor,
            Self::Acceptor => Self::Dialler,
        }
    }
}

/// Bytes in hexadecimal, without spaces.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
