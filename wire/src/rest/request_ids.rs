//! Request ids: each answer carries one, and so do the calls behind it.

use std::cell::Cell;

use crate::limits::REQUEST_ID_BYTES_MAX;

/// Gives out ids that no other process gives out: a random prefix and a count.
#[derive(Debug)]
pub struct RequestIds {
    prefix: u32,
    count: Cell<u64>,
}

impl RequestIds {
    /// A new source, with this random prefix of its own.
    #[must_use]
    pub fn new(prefix: u32) -> Self {
        Self { prefix, count: Cell::new(0) }
    }

    /// The id that the client chose, if it may stand in a header, a log and a frame; else a fresh one.
    #[must_use]
    pub fn adopt(&self, chosen: Option<&str>) -> String {
        let usable = |id: &&str| {
            !id.is_empty()
                && id.len() <= REQUEST_ID_BYTES_MAX
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&b))
        };
        chosen.filter(usable).map_or_else(|| self.fresh(), str::to_owned)
    }

    fn fresh(&self) -> String {
        let count = self.count.get() + 1;
        self.count.set(count);
        let mut id = String::with_capacity(2 * DIGITS_MIN + 1);
        put_hex(&mut id, self.prefix.into(), DIGITS_MIN);
        id.push('-');
        put_hex(&mut id, count, DIGITS_MIN);
        id
    }
}

/// Digits of the prefix and, unless there have to be more, of the count.
const DIGITS_MIN: usize = 8;

/// Appends a number in hexadecimal digits, at least so many: as formatting does, which takes several times as long.
pub(super) fn put_hex(out: &mut String, number: u64, digits_min: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [b'0'; 16];
    for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(number.to_be_bytes()) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    let leading = (number.leading_zeros() as usize / 4).min(digits.len() - digits_min);
    out.push_str(std::str::from_utf8(&digits[leading..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_id_is_prefix_and_count() {
        let ids = RequestIds { prefix: 0x7ab, count: Cell::new(0x4f) };
        assert_eq!(ids.adopt(None), "000007ab-00000050");
        ids.count.set(u64::from(u32::MAX));
        assert_eq!(ids.adopt(None), "000007ab-100000000");
    }

    #[test]
    fn a_usable_id_is_kept_and_another_replaced() {
        let ids = RequestIds::new(7);
        assert_eq!(ids.adopt(Some("order-7/a.b")), "order-7/a.b");
        for unusable in ["", "two words", "q\"uote", &"x".repeat(65)] {
            assert_ne!(ids.adopt(Some(unusable)), unusable);
        }
        assert_ne!(ids.adopt(None), ids.adopt(None));
    }
}
