//! The payload encoding (SPEC.md section 9): bincode 2, standard configuration, with a decode limit.
//!
//! This is the only module that names the `bincode` crate. The format is restated in SPEC.md with vectors, so that
//! the crate can be replaced without a change on the wire: little-endian variable-length integers (one byte up to
//! 250, then a marker 251, 252 or 253 and 2, 4 or 8 bytes), zigzag for signed ones, a length before strings, bytes,
//! lists and maps, one byte before an option, a variable-length index before an enum's variant, struct fields in
//! order with nothing between them.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bytes::{BufMut, Bytes, BytesMut};

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

/// Encodes a message at the end of `out`.
///
/// # Errors
/// When the encoded message would be longer than [`MESSAGE_BYTES_MAX`]; `out` is then as before.
pub fn encode_into<T: Encode>(message: &T, out: &mut BytesMut) -> Result<(), EncodeError> {
    let start = out.len();
    let written = bincode::encode_into_writer(message, BoundedWriter { out, start }, configuration());
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
    let mut out = BytesMut::new();
    encode_into(message, &mut out)?;
    Ok(out.freeze())
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

/// Appends to a buffer and refuses to grow a message past its limit.
struct BoundedWriter<'a> {
    out: &'a mut BytesMut,
    start: usize,
}

impl bincode::enc::write::Writer for BoundedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if self.out.len() - self.start + bytes.len() > MESSAGE_BYTES_MAX {
            return Err(EncodeError::Other("the message is longer than MESSAGE_BYTES_MAX"));
        }
        self.out.put_slice(bytes);
        Ok(())
    }
}
