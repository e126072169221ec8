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
fn put_hex(out: &mut String, number: u64, digits_min: usize) {
    let [upper, lower] = [number >> 32, number & u64::from(u32::MAX)].map(hex_digits);
    let digits = [upper, lower];
    let leading = (number.leading_zeros() as usize / 4).min(16 - digits_min);
    out.push_str(std::str::from_utf8(&digits.as_flattened()[leading..]).unwrap_or_default());
}

/// The lower 32 bits of a number in hexadecimal digits, all eight of them at once.
pub(super) fn hex_digits(number: u64) -> [u8; 8] {
    const ONES: u64 = u64::MAX / 255;
    // Each digit in a byte of its own.
    let spread = (number | number << 16) & 0x0000_FFFF_0000_FFFF;
    let spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF;
    let spread = (spread | spread << 4) & (ONES * 0x0F);
    // 1 in the bytes of those that are letters.
    let letters = ((spread + ONES * 6) >> 4) & ONES;
    (spread + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
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
    fn digits_are_those_of_formatting() {
        for number in (0..64).flat_map(|shift| [0x0123_4567_89ab_cdefu64 >> shift, u64::MAX >> shift]) {
            let mut out = String::new();
            put_hex(&mut out, number, 8);
            assert_eq!(out, format!("{number:08x}"));
        }
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
