//! JSON text (RFC 8259), read and written without a tree.
//!
//! [`Reader`] is a pull reader: its caller says what it expects next, so that text goes straight to where it belongs.
//! It is strict: no leading zeros, no `+1`, `.5` or `1.`, no trailing commas, no comments, no control characters in
//! strings, no lone surrogates, no byte order mark, nothing after the value, and nothing deeper than
//! [`NESTING_MAX`](crate::limits::NESTING_MAX). The `put_` functions write. This module knows nothing of schemas.

mod object;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod writer;

pub use object::{Object, put_list};
pub use reader::{Kind, Reader, SyntaxError};
pub use text::Text;
pub use writer::{put_decimal, put_signed, put_string, put_unsigned};

/// Checks that `text` is one JSON value and nothing more.
///
/// # Errors
/// The first place where it isn't.
pub fn check(text: &[u8]) -> Result<(), SyntaxError> {
    let mut reader = Reader::new(text);
    reader.skip()?;
    reader.end()
}
