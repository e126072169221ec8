//! A JSON document in memory, whose members keep the order in which they were put.

use bytes::BytesMut;

use crate::json::{put_signed, put_string, put_unsigned};

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Bool(bool),
    Text(String),
    Signed(i64),
    Unsigned(u64),
    /// JSON as it is: numbers with a point, and what others have written.
    Verbatim(String),
    List(Vec<Node>),
    Object(Object),
}

/// A JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Object(Vec<(String, Node)>);

impl Object {
    /// The object with a further member.
    pub(super) fn with(mut self, name: impl Into<String>, value: impl Into<Node>) -> Self {
        self.put(name, value);
        self
    }

    /// The object with a further member, unless it is empty text.
    pub(super) fn with_text(self, name: &str, text: &str) -> Self {
        if text.is_empty() { self } else { self.with(name, text) }
    }

    /// Adds a member.
    pub(super) fn put(&mut self, name: impl Into<String>, value: impl Into<Node>) {
        self.0.push((name.into(), value.into()));
    }

    /// Replaces a member, or adds it.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Node>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value.into(),
            None => self.put(name, value),
        }
    }

    /// Removes a member.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// The member of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The names of all members.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is no member.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<Node>> FromIterator<(K, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        Self(members.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// An object with these members.
pub(super) fn object<const N: usize>(members: [(&str, Node); N]) -> Object {
    members.into_iter().collect()
}

/// A list of these texts.
pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Node {
    Node::List(texts.into_iter().map(Node::from).collect())
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Object> for Node {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Self::List(items)
    }
}

impl Node {
    /// Appends the value as text, indented by two spaces a level, as people read it.
    pub(super) fn write(&self, out: &mut BytesMut, level: usize) {
        match self {
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Text(text) => put_string(out, text),
            Self::Signed(number) => put_signed(out, *number),
            Self::Unsigned(number) => put_unsigned(out, *number),
            Self::Verbatim(json) => out.extend_from_slice(json.as_bytes()),
            Self::List(items) => {
                put_items(out, level, *b"[]", items, |out, item| item.write(out, level + 1));
            }
            Self::Object(object) => put_items(out, level, *b"{}", &object.0, |out, (name, value)| {
                put_string(out, name);
                out.extend_from_slice(b": ");
                value.write(out, level + 1);
            }),
        }
    }
}

fn put_items<T>(
    out: &mut BytesMut,
    level: usize,
    [open, close]: [u8; 2],
    items: &[T],
    put: impl Fn(&mut BytesMut, &T),
) {
    out.extend_from_slice(&[open]);
    for (at, item) in items.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        indent(out, level + 1);
        put(out, item);
    }
    if !items.is_empty() {
        out.extend_from_slice(b"\n");
        indent(out, level);
    }
    out.extend_from_slice(&[close]);
}

fn indent(out: &mut BytesMut, level: usize) {
    for _ in 0..level {
        out.extend_from_slice(b"  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_written_in_its_order() {
        let inner = object([("b", Node::Signed(-1)), ("a", Node::Unsigned(2))]).with_text("empty", "");
        let list = Node::List(vec![Node::Verbatim("0.01".into()), Node::Bool(true), Node::List(vec![])]);
        let mut document = Object::default().with("quoted\"", inner).with("list", list);
        document.set("quoted\"", Object::default());
        let mut text = BytesMut::new();
        Node::from(document).write(&mut text, 0);
        let expected = "{\n  \"quoted\\\"\": {},\n  \"list\": [\n    0.01,\n    true,\n    []\n  ]\n}";
        assert_eq!(text, expected);
    }
}
