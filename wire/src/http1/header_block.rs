//! Header lines that are made once and written many times.

use std::borrow::Cow;
use std::fmt;

use super::WriteError;
use super::headers::put_field;

/// Header lines, ready to be written into a head.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderBlock(Cow<'static, [u8]>);

impl fmt::Debug for HeaderBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl HeaderBlock {
    /// Lines that are known to be right, each with its CR LF.
    pub(crate) const fn of_static(lines: &'static [u8]) -> Self {
        Self(Cow::Borrowed(lines))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When the name or the value breaks a header, or the connection writes this header itself.
    pub fn put(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<&mut Self, WriteError> {
        if name.eq_ignore_ascii_case("upgrade") {
            return Err(WriteError::HeaderReserved); // Connection would have to name it
        }
        put_field(self.0.to_mut(), name, value.as_ref())?;
        Ok(self)
    }

    /// Adds the lines of another one.
    pub fn extend(&mut self, other: &Self) {
        self.0.to_mut().extend_from_slice(&other.0);
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines, each with its CR LF.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_get_in() {
        let mut block = HeaderBlock::default();
        assert!(block.is_empty());
        block.put("A", "1").and_then(|block| block.put("B-C", b"2")).expect("they are right");
        for (name, value) in [("A", "1\r\nB: 2"), ("A B", "1"), ("Upgrade", "x"), ("Connection", "close")] {
            assert!(block.put(name, value).is_err(), "{name}");
        }
        assert_eq!(block.bytes(), b"A: 1\r\nB-C: 2\r\n");
        block.extend(&HeaderBlock::of_static(b"D: 3\r\n"));
        assert_eq!(block.bytes(), b"A: 1\r\nB-C: 2\r\nD: 3\r\n");
    }
}
