//! Bytes as base64: the standard alphabet with padding (RFC 4648 section 4), in its one canonical form.

use bytes::BytesMut;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// What stands for a character that isn't in the alphabet.
const NONE: u8 = 0xff;
/// The value of each character.
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut at: u8 = 0;
    while at < 64 {
        values[ALPHABET[at as usize] as usize] = at;
        at += 1;
    }
    values
};

/// Appends `bytes` as base64.
pub(super) fn put(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let mut quad = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize]);
        quad[group.len() + 1..].fill(b'=');
        out.extend_from_slice(&quad);
    }
}

/// How many bytes this base64 stands for, if it has the right length.
pub(super) fn decoded_length(text: &str) -> Option<usize> {
    text.len().is_multiple_of(4).then(|| text.len() / 4 * 3 - padding(text))
}

/// Appends the bytes that a text with a [`decoded_length`] stands for; false when it is no canonical base64.
pub(super) fn put_decoded(out: &mut BytesMut, text: &str) -> bool {
    let text = &text.as_bytes()[..text.len() - padding(text)];
    for quad in text.chunks(4) {
        let mut bits = 0;
        for index in 0..4 {
            let value = quad.get(index).map_or(0, |byte| VALUES[usize::from(*byte)]);
            if value == NONE {
                return false;
            }
            bits = bits << 6 | u32::from(value);
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        // A last group of 2 or 3 characters makes 1 or 2 bytes; the bits that are over must be zero.
        let (whole, over) = bytes.split_at(quad.len() - 1);
        if over.iter().any(|byte| *byte != 0) {
            return false;
        }
        out.extend_from_slice(whole);
    }
    true
}

fn padding(text: &str) -> usize {
    text.bytes().rev().take(2).take_while(|byte| *byte == b'=').count()
}
