//! Objects, a member at a time.

use bytes::BytesMut;

use super::writer::{put_string, put_unsigned};

/// An object that is being written; its names are told apart by whoever writes it.
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut BytesMut,
    has_members: bool,
}

impl<'o> Object<'o> {
    /// Begins an object at the end of `out`.
    pub fn begin(out: &'o mut BytesMut) -> Self {
        out.extend_from_slice(b"{");
        Self { out, has_members: false }
    }

    /// A member whose value `put` writes.
    pub fn value(&mut self, name: &str, put: impl FnOnce(&mut BytesMut)) -> &mut Self {
        if std::mem::replace(&mut self.has_members, true) {
            self.out.extend_from_slice(b",");
        }
        put_string(self.out, name);
        self.out.extend_from_slice(b":");
        put(self.out);
        self
    }

    /// A string.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.value(name, |out| put_string(out, text))
    }

    /// A string, unless it is empty.
    pub fn text_if_any(&mut self, name: &str, text: &str) -> &mut Self {
        if text.is_empty() { self } else { self.text(name, text) }
    }

    /// An integer that isn't negative.
    pub fn unsigned(&mut self, name: &str, number: u64) -> &mut Self {
        self.value(name, |out| put_unsigned(out, number))
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str, is: bool) -> &mut Self {
        self.value(name, |out| out.extend_from_slice(if is { b"true" } else { b"false" }))
    }

    /// An array, each of whose items `put` writes.
    pub fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        put: impl FnMut(&mut BytesMut, T),
    ) -> &mut Self {
        self.value(name, |out| put_list(out, items, put))
    }

    /// Ends the object.
    pub fn end(&mut self) {
        self.out.extend_from_slice(b"}");
    }
}

/// Appends an array, each of whose items `put` writes.
pub fn put_list<T>(
    out: &mut BytesMut,
    items: impl IntoIterator<Item = T>,
    mut put: impl FnMut(&mut BytesMut, T),
) {
    out.extend_from_slice(b"[");
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b",");
        }
        put(out, item);
    }
    out.extend_from_slice(b"]");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_written_in_their_order() {
        let mut out = BytesMut::new();
        let mut object = Object::begin(&mut out);
        object.text("a", "\"").text_if_any("b", "").unsigned("c", 7).boolean("d", false);
        object.list("e", [1, 2], |out, number| Object::begin(out).unsigned("f", number).end()).list(
            "g",
            [(); 0],
            |_, ()| {},
        );
        object.end();
        assert_eq!(&out[..], br#"{"a":"\"","c":7,"d":false,"e":[{"f":1},{"f":2}],"g":[]}"#);
    }
}
