//! The payload encoding (SPEC.md section 9): bincode 2, standard configuration, with a decode limit.
//!
//! This is the only module that names the `bincode` crate. The format is restated in SPEC.md with vectors, so that
//! the crate can be replaced without a change on the wire: little-endian variable-length integers (one byte up to
//! 250, then a marker 251, 252 or 253 and 2, 4 or 8 bytes), zigzag for signed ones, a length before strings, bytes,
//! lists and maps, one byte before an option, a variable-length index before an enum's variant, struct fields in
//! order with nothing between them.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bytes::Bytes;

use crate::limits::{DECODE_BYTES_MAX, MESSAGE_BYTES_MAX};

pub use bincode::error::{DecodeError, EncodeError};
#[doc(hidden)] // What #[derive(Message)] expands to.
pub use bincode::{
    de::{Decode, Decoder},
    enc::{Encode, Encoder},
};

/// The id of this encoding in the frame header.
pub const ENCODING_ID: u8 = 1;

const fn configuration() -> Configuration<LittleEndian, Varint, Limit<DECODE_BYTES_MAX>> {
    bincode::config::standard().with_limit::<DECODE_BYTES_MAX>()
}

/// What most messages fit: they are put together on the stack, and take the memory that they need at once.
const USUAL_BYTES: usize = 256;

/// Encodes a message at the end of `out`.
///
/// # Errors
/// When the encoded message would be longer than [`MESSAGE_BYTES_MAX`]; `out` is then as before.
pub fn encode_into<T: Encode>(message: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let writer = BoundedWriter { bytes_max: start + MESSAGE_BYTES_MAX, out };
    let written = bincode::encode_into_writer(message, writer, configuration());
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Encodes a message into a buffer of its own.
///
/// # Errors
/// When the encoded message would be longer than [`MESSAGE_BYTES_MAX`].
pub fn encode<T: Encode>(message: &T) -> Result<Bytes, EncodeError> {
    let mut usual = [0; USUAL_BYTES];
    if let Ok(length) = bincode::encode_into_slice(message, &mut usual, configuration()) {
        return Ok(Bytes::copy_from_slice(&usual[..length]));
    }
    let mut out = Vec::with_capacity(2 * USUAL_BYTES);
    encode_into(message, &mut out)?;
    Ok(Bytes::from(out))
}

/// Decodes a message that fills `bytes` exactly.
///
/// # Errors
/// When the bytes are not a value of this type, when they claim more than [`DECODE_BYTES_MAX`] bytes of memory, or when
/// some are left over.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (message, used) = bincode::decode_from_slice(bytes, configuration())?;
    if used == bytes.len() {
        Ok(message)
    } else {
        Err(DecodeError::Other("bytes are left over after the message"))
    }
}

/// What is wrong with bytes that are no message, in words that may be told to whoever sent them.
#[must_use]
pub fn words(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::UnexpectedEnd { .. } => "it is cut short",
        DecodeError::LimitExceeded => "it takes too much memory",
        DecodeError::Utf8 { .. } => "a string is not UTF-8",
        DecodeError::InvalidBooleanValue(_) | DecodeError::UnexpectedVariant { .. } => {
            "a byte that says whether something is there is neither 0 nor 1"
        }
        DecodeError::InvalidIntegerType { .. } => "an integer is wider than its type",
        DecodeError::Other(words) => words,
        _ => "it is malformed",
    }
}

#[doc(hidden)] // The error of a variant index that the schema doesn't have; used by #[derive(Message)].
#[must_use]
pub fn unknown_variant() -> DecodeError {
    DecodeError::Other("no variant has this index")
}

/// Appends to a buffer and refuses to grow a message past its limit. Most writes are of one byte: a `Vec` takes it in place.
struct BoundedWriter<'a> {
    out: &'a mut Vec<u8>,
    bytes_max: usize,
}

impl bincode::enc::write::Writer for BoundedWriter<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if self.out.len() + bytes.len() > self.bytes_max {
            return Err(too_long());
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }
}

#[cold]
fn too_long() -> EncodeError {
    EncodeError::Other("the message is longer than MESSAGE_BYTES_MAX")
}
