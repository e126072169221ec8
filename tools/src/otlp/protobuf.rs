//! As much of Protocol Buffers as spans need (<https://protobuf.dev/programming-guides/encoding/>): fields behind their numbers, messages
//! behind their lengths.

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

/// How a field's value is written.
mod wire_type {
    pub(super) const VARINT: u64 = 0;
    pub(super) const FIXED64: u64 = 1;
    pub(super) const BYTES: u64 = 2;
    pub(super) const FIXED32: u64 = 5;
}

impl Message {
    /// Its bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    /// A number; zero is what isn't written.
    pub(super) fn number(&mut self, field: u64, number: u64) {
        if number != 0 {
            self.tag(field, wire_type::VARINT);
            self.varint(number);
        }
    }

    /// A number of 64 bits.
    pub(super) fn fixed64(&mut self, field: u64, number: u64) {
        self.tag(field, wire_type::FIXED64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// A number of 32 bits.
    pub(super) fn fixed32(&mut self, field: u64, number: u32) {
        self.tag(field, wire_type::FIXED32);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Bytes, or a text; none are what isn't written.
    pub(super) fn bytes(&mut self, field: u64, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if !bytes.is_empty() {
            self.tag(field, wire_type::BYTES);
            self.varint(bytes.len() as u64);
            self.0.extend_from_slice(bytes);
        }
    }

    /// A message within it, which may be empty.
    pub(super) fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.tag(field, wire_type::BYTES);
        self.varint(inner.0.len() as u64);
        self.0.extend_from_slice(&inner.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_as_the_encodings_description_has_them() {
        let mut message = Message::default();
        message.number(1, 150);
        message.bytes(2, "testing");
        message.message(3, |inner| inner.number(1, 150));
        message.number(4, 0);
        message.bytes(5, "");
        let wanted = [&[0x08, 0x96, 0x01][..], &[0x12, 0x07], b"testing", &[0x1A, 0x03, 0x08, 0x96, 0x01]];
        assert_eq!(message.into_bytes(), wanted.concat());
        let mut message = Message::default();
        message.fixed64(1, 1);
        message.fixed32(16, 2);
        assert_eq!(message.into_bytes(), [9, 1, 0, 0, 0, 0, 0, 0, 0, 0x85, 1, 2, 0, 0, 0]);
    }
}
