//! Names of headers that the program knows: what can be wrong with one is found when it is compiled.

use super::headers::{is_reserved, is_token_byte};

/// The name of a header, as it is written: with the colon and the space behind it.
#[derive(Clone, Copy, Debug)]
pub struct FieldName(&'static str);

impl FieldName {
    /// A name with its colon and a space, as `"ETag: "`.
    ///
    /// # Panics
    /// When it is none, or that of a header that the connection writes itself. In a constant, the compiler says so.
    #[must_use]
    pub const fn new(written: &'static str) -> Self {
        let (name, colon) = written.as_bytes().split_at(written.len() - 2);
        assert!(matches!(colon, b": ") && !name.is_empty() && !is_reserved(name));
        let mut at = 0;
        while at < name.len() {
            assert!(is_token_byte(name[at]));
            at += 1;
        }
        Self(written)
    }

    /// The name as it is written.
    pub(super) fn bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}
