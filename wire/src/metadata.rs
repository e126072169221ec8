//! Metadata of a call (SPEC.md 6.6): a few pairs of text that a caller sends along and a handler may read.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};

use crate::error::{Code, RpcError};
use crate::limits::{METADATA_BYTES_MAX, METADATA_PAIRS_MAX, NAME_BYTES_MAX};

/// The key under which a gateway says from which address its client has opened a stream (SPEC.md 14.8).
pub const CLIENT_ADDRESS: &str = "client-address";

/// At most [`METADATA_PAIRS_MAX`] pairs, of [`METADATA_BYTES_MAX`] bytes in all, lengths included.
///
/// A key has 1 to 64 bytes: lower-case ASCII letters, digits, `-`, `_` and `.`. A value is text without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata(Option<Box<Pairs>>);

/// Behind a pointer, because most calls have none.
type Pairs = BTreeMap<String, String>;

/// Why pairs are refused.
type Refusal = &'static str;

const BAD_KEY: Refusal =
    "a key of the metadata is empty, too long, or has other characters than a-z, 0-9, '-', '_' and '.'";
const BAD_VALUE: Refusal = "a value of the metadata is no text, or has control characters";
const TOO_MUCH: Refusal = "the metadata is more than 16 pairs or 2048 bytes";

impl Metadata {
    /// Sets a pair. The metadata is as before when it fails.
    ///
    /// # Errors
    /// [`Code::InvalidInput`] when the key or the value is not what it may be, or when it becomes too much.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) -> Result<(), RpcError> {
        let (key, value) = (key.into(), value.into());
        let refused = |why: Refusal| Err(RpcError::new(Code::InvalidInput, why));
        if !is_key(&key) {
            return refused(BAD_KEY);
        }
        if !is_value(&value) {
            return refused(BAD_VALUE);
        }
        let before = self.get(&key);
        let pairs = self.iter().count() + usize::from(before.is_none());
        let freed = before.map_or(0, |before| pair_bytes(&key, before));
        if pairs > METADATA_PAIRS_MAX || self.bytes() - freed + pair_bytes(&key, &value) > METADATA_BYTES_MAX
        {
            return refused(TOO_MUCH);
        }
        self.0.get_or_insert_default().insert(key, value);
        Ok(())
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.as_ref()?.get(key).map(String::as_str)
    }

    /// All pairs, in ascending order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|pairs| pairs.iter()).map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Its size on the wire.
    pub(crate) fn bytes(&self) -> usize {
        self.iter().map(|(key, value)| pair_bytes(key, value)).sum()
    }

    /// Appends the pairs.
    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        for (key, value) in self.iter() {
            #[expect(clippy::cast_possible_truncation, reason = "set() and decode() bound keys and values")]
            let (key_bytes, value_bytes) = (key.len() as u8, value.len() as u16);
            out.put_u8(key_bytes);
            out.put_slice(key.as_bytes());
            out.put_u16(value_bytes);
            out.put_slice(value.as_bytes());
        }
    }

    /// The first pair of some bytes, whatever is in it, and the bytes that it takes.
    pub(crate) fn first_pair(mut input: &[u8]) -> Option<(&[u8], &[u8], usize)> {
        let before = input.len();
        let (key, value) = take_pair(&mut input)?;
        Some((key, value, before - input.len()))
    }

    /// Reads the pairs of an entry.
    pub(crate) fn decode(mut input: &[u8]) -> Result<Self, Refusal> {
        if input.is_empty() || input.len() > METADATA_BYTES_MAX {
            return Err(TOO_MUCH);
        }
        let mut pairs = Pairs::new();
        while input.has_remaining() {
            let (key, value) = take_pair(&mut input).ok_or("the metadata is cut short")?;
            let key = std::str::from_utf8(key).ok().filter(|key| is_key(key)).ok_or(BAD_KEY)?;
            let value = std::str::from_utf8(value).ok().filter(|value| is_value(value)).ok_or(BAD_VALUE)?;
            // SPEC 6.6: keys ascend, so none stands twice.
            if pairs.last_key_value().is_some_and(|(last, _): (&String, _)| last.as_str() >= key) {
                return Err("the keys of the metadata are out of order");
            }
            pairs.insert(key.to_owned(), value.to_owned());
        }
        if pairs.len() > METADATA_PAIRS_MAX { Err(TOO_MUCH) } else { Ok(Self(Some(Box::new(pairs)))) }
    }
}

fn is_key(key: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    (1..=NAME_BYTES_MAX).contains(&key.len()) && key.bytes().all(allowed)
}

fn is_value(value: &str) -> bool {
    !value.chars().any(char::is_control)
}

fn pair_bytes(key: &str, value: &str) -> usize {
    1 + key.len() + 2 + value.len()
}

fn take_pair<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let key_bytes = usize::from(*input.first()?);
    let (key, rest) = input[1..].split_at_checked(key_bytes)?;
    let (value_bytes, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*value_bytes)))?;
    *input = rest;
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_bounded() {
        let mut metadata = Metadata::default();
        for (key, value, taken) in [
            ("tenant", "a b", true),
            ("x-1_2.3", "", true),
            ("ü", "", false),
            ("Tenant", "", false),
            ("", "", false),
            ("line", "a\nb", false),
            (&*"k".repeat(NAME_BYTES_MAX), "ü", true),
            (&*"k".repeat(NAME_BYTES_MAX + 1), "", false),
            ("long", &*"v".repeat(METADATA_BYTES_MAX), false),
        ] {
            assert_eq!(metadata.set(key, value).is_ok(), taken, "{key:?}");
        }
        for n in 3..METADATA_PAIRS_MAX {
            metadata.set(format!("n{n}"), "").unwrap();
        }
        assert_eq!(metadata.set("another", "").unwrap_err().code, Code::InvalidInput);
        metadata.set("tenant", "replaced").unwrap();
        assert_eq!((metadata.get("tenant"), metadata.get("another")), (Some("replaced"), None));
    }

    #[test]
    fn a_full_one_fits_and_comes_back() {
        let mut metadata = Metadata::default();
        metadata.set("k", "v".repeat(METADATA_BYTES_MAX - 4)).unwrap();
        assert_eq!(metadata.bytes(), METADATA_BYTES_MAX);
        metadata.set("k", "w".repeat(METADATA_BYTES_MAX - 4)).unwrap();
        assert!(metadata.set("k", "v".repeat(METADATA_BYTES_MAX - 3)).is_err());
        let mut bytes = Vec::new();
        metadata.encode(&mut bytes);
        assert_eq!(Metadata::decode(&bytes), Ok(metadata));
    }
}
