//! CRC-32C (Castagnoli, RFC 3720 appendix B.4), the sum of headers, payloads and entries on disk.
//!
//! The crate `crc32c` is made for long inputs: three sums side by side, and its instruction for single bytes before the first and behind
//! the last whole word. A call has eight sums over 30 to 200 bytes, so short inputs are read here by words, wherever they begin, with
//! two or three instructions for what is left. That takes an `unsafe` block: decision record 6 has what it gives.

/// The shortest input for which the crate goes three ways at once.
#[cfg(target_arch = "x86_64")]
const LONG_BYTES: usize = 768;

/// The sum of these bytes.
#[must_use]
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() < LONG_BYTES && is_x86_feature_detected!("sse4.2") {
        // SAFETY: the processor has the one feature that the function asks for; it has no other demands.
        #[expect(
            unsafe_code,
            reason = "a processor's feature can't be shown to the compiler in another way"
        )]
        return unsafe { crc32c_by_words(bytes) };
    }
    crc32c::crc32c(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "sse4.2")]
fn crc32c_by_words(bytes: &[u8]) -> u32 {
    use std::arch::x86_64::{_mm_crc32_u8, _mm_crc32_u16, _mm_crc32_u32, _mm_crc32_u64};

    let (words, mut rest) = bytes.as_chunks::<8>();
    let sum =
        words.iter().fold(u64::from(u32::MAX), |sum, &word| _mm_crc32_u64(sum, u64::from_le_bytes(word)));
    #[expect(clippy::cast_possible_truncation, reason = "the instruction leaves the upper half zero")]
    let mut sum = sum as u32;
    if let Some((&half, after)) = rest.split_first_chunk::<4>() {
        (sum, rest) = (_mm_crc32_u32(sum, u32::from_le_bytes(half)), after);
    }
    if let Some((&quarter, after)) = rest.split_first_chunk::<2>() {
        (sum, rest) = (_mm_crc32_u16(sum, u16::from_le_bytes(quarter)), after);
    }
    if let Some(&last) = rest.first() {
        sum = _mm_crc32_u8(sum, last);
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, a bit at a time: the polynomial 0x1EDC6F41, reflected.
    fn by_bits(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |sum, &byte| {
            (0..8)
                .fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0x82F6_3B78 & 0u32.wrapping_sub(sum & 1)))
        })
    }

    #[test]
    fn known_sums_are_right() {
        // RFC 3720, B.4.
        assert_eq!(crc32c(&[0x00; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46DD_794E);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn every_length_from_every_place_has_the_defined_sum() {
        let bytes: Vec<u8> =
            (0..256u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for length in 0..=800 {
            for start in [0, 1, 3, 7] {
                let part = &bytes[start..][..length];
                assert_eq!(crc32c(part), by_bits(part), "{length} bytes from {start}");
            }
        }
    }
}
