//! Where in a message a value stands. It is kept on the stack and written only when something is wrong there.

use std::fmt;

use super::scalar::short;

/// The steps to a value, the last one first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path<'a> {
    /// The whole message.
    Top,
    /// A field, or a variant, of what the first path leads to.
    Field(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, u64),
    /// The value under a map's key.
    Key(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Field(Path::Top, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Key(parent, key) => write!(f, "{parent}[{}]", short(key)),
        }
    }
}
