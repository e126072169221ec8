//! The frames of the plain echoes: the length of what follows (u32, big endian), a call's number (u64), what is echoed.

/// How long a frame is without what is echoed.
pub const HEAD: usize = 12;

/// The length of the frame at the start of these bytes, once all of it is there.
#[must_use]
pub fn first(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk::<4>().map(|length| u32::from_be_bytes(*length))?;
    let frame = 4 + length as usize;
    (bytes.len() >= frame).then_some(frame)
}

/// The number of the call to which a frame belongs.
///
/// # Panics
/// When it isn't a whole frame.
#[must_use]
pub fn number(frame: &[u8]) -> u64 {
    frame[4..HEAD].try_into().map_or(0, u64::from_be_bytes)
}

/// Appends a frame.
///
/// # Panics
/// When 4 GiB are to be echoed.
pub fn write(number: u64, payload: &[u8], output: &mut Vec<u8>) {
    let length = u32::try_from(HEAD - 4 + payload.len()).expect("a short payload");
    output.extend_from_slice(&length.to_be_bytes());
    output.extend_from_slice(&number.to_be_bytes());
    output.extend_from_slice(payload);
}
