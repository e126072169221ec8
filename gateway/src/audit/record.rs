//! How entries stand in a file: each with its length and its checksum before it, so that what a crash has torn is seen as such.

use bytes::{Buf, BufMut};
use micronet_wire::authority::AuditEntry;
use micronet_wire::checksum::crc32c;
use micronet_wire::encoding;

use super::limits::ENTRY_BYTES_MAX;

/// Length and checksum, of 4 bytes each.
pub(super) const HEAD_BYTES: usize = 8;

/// What a file holds from some place on.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    /// The entries.
    pub(super) entries: Vec<AuditEntry>,
    /// How many bytes they take.
    pub(super) bytes: usize,
    /// Whether something stands behind them that is no entry.
    pub(super) torn: bool,
}

/// An entry as it is written; `None` for one that is too long.
pub(super) fn encode(entry: &AuditEntry) -> Option<Vec<u8>> {
    let payload = encoding::encode(entry).ok().filter(|payload| payload.len() <= ENTRY_BYTES_MAX)?;
    let mut out = Vec::with_capacity(HEAD_BYTES + payload.len());
    out.put_u32(u32::try_from(payload.len()).ok()?);
    out.put_u32(crc32c(&payload));
    out.extend_from_slice(&payload);
    Some(out)
}

/// What is written to try whether anything can be: no entry.
pub(super) const NOTHING: [u8; HEAD_BYTES] = [0; HEAD_BYTES];

/// The first entries of some bytes, at most so many.
pub(super) fn read(bytes: &[u8], entries_max: usize) -> Read {
    let (mut rest, mut read) = (bytes, Read::default());
    while !rest.is_empty() && read.entries.len() < entries_max {
        let Some((entry, behind)) = first(rest) else {
            read.torn = true;
            break;
        };
        read.entries.extend(entry);
        read.bytes += rest.len() - behind.len();
        rest = behind;
    }
    read
}

/// The entry at the start, and what comes behind it; `None` if that is torn.
fn first(bytes: &[u8]) -> Option<(Option<AuditEntry>, &[u8])> {
    let (mut head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (length, checksum) = (usize::try_from(head.get_u32()).ok()?, head.get_u32());
    if length == 0 {
        return (checksum == 0).then_some((None, rest));
    }
    let (payload, rest) = rest.split_at_checked(length).filter(|_| length <= ENTRY_BYTES_MAX)?;
    if crc32c(payload) != checksum {
        return None;
    }
    Some((Some(encoding::decode(payload).ok()?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> AuditEntry {
        AuditEntry { id: id.into(), action: "order.place".into(), ..AuditEntry::default() }
    }

    #[test]
    fn what_was_written_is_read_up_to_where_it_is_torn() {
        let whole: Vec<u8> =
            [encode(&entry("a")).unwrap(), NOTHING.to_vec(), encode(&entry("b")).unwrap()].concat();
        let all = read(&whole, 9);
        assert_eq!(all, Read { entries: vec![entry("a"), entry("b")], bytes: whole.len(), torn: false });
        assert_eq!(read(&whole, 1).entries, [entry("a")]);
        let (first, last) = (encode(&entry("a")).unwrap().len(), encode(&entry("b")).unwrap().len());
        for length in whole.len() - last + 1..whole.len() {
            let read = read(&whole[..length], 9);
            assert_eq!((read.entries, read.torn), (vec![entry("a")], true), "{length} bytes");
        }
        for at in first + HEAD_BYTES..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0x40;
            let read = read(&broken, 9);
            assert_eq!((read.entries, read.torn), (vec![entry("a")], true), "byte {at}");
        }
        assert_eq!(read(&[], 9), Read::default());
        assert!(encode(&AuditEntry { path: "x".repeat(ENTRY_BYTES_MAX), ..entry("c") }).is_none());
    }
}
