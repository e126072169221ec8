//! What simulated messages consist of: each says whose it is and which, and no byte of it is like the one a piece further on.

use bytes::Bytes;

/// The shortest message, in bytes.
pub const BYTES_MIN: usize = 16;

/// Every so many bytes stand some that depend on the place; a piece of a message has more than this.
const STEP_BYTES: usize = 1 << 10;

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The id of its call.
    pub call: u64,
    /// Whether the caller said it, or the handler.
    pub by_caller: bool,
    /// How many were said before it on this side of the call.
    pub index: u32,
}

/// A message of this length, or of the least if that is more.
#[must_use]
pub fn message(mark: Mark, bytes: usize) -> Bytes {
    let bytes = bytes.max(BYTES_MIN);
    let mut out = Vec::with_capacity(bytes);
    out.extend(mark.call.to_be_bytes());
    out.extend((mark.index << 1 | u32::from(mark.by_caller)).to_be_bytes());
    out.extend(u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
    let seed = mark.call.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(mark.index);
    while out.len() < bytes {
        let at = out.len();
        out.resize((at + STEP_BYTES).min(bytes), 0xA5);
        let stamp = (seed ^ at as u64).to_be_bytes();
        let length = stamp.len().min(bytes - at);
        out[at..at + length].copy_from_slice(&stamp[..length]);
    }
    out.into()
}

/// Which message this is.
///
/// # Errors
/// When it isn't one of ours, or not as it was.
pub fn read(bytes: &[u8]) -> Result<Mark, String> {
    let Some((&[head @ .., _, _, _, _], _)) = bytes.split_first_chunk::<BYTES_MIN>() else {
        return Err(format!("a message of {} bytes is too short", bytes.len()));
    };
    let call = u64::from_be_bytes(head[..8].try_into().unwrap_or_default());
    let which = u32::from_be_bytes(head[8..].try_into().unwrap_or_default());
    let mark = Mark { call, by_caller: which & 1 == 1, index: which >> 1 };
    if message(mark, bytes.len()) == bytes {
        Ok(mark)
    } else {
        Err(format!("a message of {} bytes, {mark:?}, is not as it was", bytes.len()))
    }
}
