//! Eight bytes looked at as one number: the word tricks `hasless` and `haszero` of Sean Eron Anderson's "Bit Twiddling Hacks".
//!
//! The top bit of each byte of a result says whether that byte is a hit. A borrow can spoil only the bytes above the first hit, which is the
//! one that counts: whether there is any, and where the first one is, is always right.

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES * 0x80;

/// Bytes below `bound`, which is 0x80 at most.
#[inline]
pub(crate) fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGHS
}

/// Bytes that are `byte`.
#[inline]
pub(crate) fn equal(word: u64, byte: u8) -> u64 {
    let differing = word ^ (ONES * u64::from(byte));
    differing.wrapping_sub(ONES) & !differing & HIGHS
}

/// Bytes that aren't ASCII.
#[inline]
pub(crate) fn not_ascii(word: u64) -> u64 {
    word & HIGHS
}

/// The index of the first byte that `hits` finds in a word, or `is_hit` in what is shorter than one.
#[inline]
pub(crate) fn position(
    bytes: &[u8],
    hits: impl Fn(u64) -> u64,
    is_hit: impl Fn(&u8) -> bool,
) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = hits(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    match bytes.last_chunk() {
        // The last word overlaps the one before it, in which there is no hit.
        Some(last) if !rest.is_empty() => {
            let found = hits(u64::from_le_bytes(*last));
            (found != 0).then(|| bytes.len() - 8 + found.trailing_zeros() as usize / 8)
        }
        _ => Some(words.len() * 8 + rest.iter().position(is_hit)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_found_in_each_place() {
        for byte in 0..=u8::MAX {
            for (at, length) in (1..20).flat_map(|length| (0..length).map(move |at| (at, length))) {
                // Before it there is none; behind it there may be others.
                let mut bytes = vec![b'x'; length];
                bytes[at] = byte;
                bytes[length - 1] = byte;
                let first = |is_hit: bool| is_hit.then_some(at);
                let found = [
                    position(&bytes, |word| below(word, 0x21), |byte| *byte < 0x21),
                    position(&bytes, |word| equal(word, 0x7F), |byte| *byte == 0x7F),
                    position(&bytes, not_ascii, |byte| !byte.is_ascii()),
                ];
                assert_eq!(
                    found,
                    [first(byte < 0x21), first(byte == 0x7F), first(byte >= 0x80)],
                    "{byte} at {at} of {length}"
                );
            }
        }
    }
}
