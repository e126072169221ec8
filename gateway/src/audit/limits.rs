//! The limits of the audit log's journal, in one place.

use std::time::Duration;

/// How large a segment of the journal gets before the next one is begun, in bytes.
pub(super) const SEGMENT_BYTES: u64 = 1 << 20;
/// How much a journal may hold that the service auth has not taken yet, in bytes; beyond it, actions are refused.
pub(super) const JOURNAL_BYTES_MAX: u64 = 256 << 20;
/// Entries that may wait to be written at once; beyond them, actions are refused.
pub(super) const WAITING_MAX: usize = 1024;
/// Entries that are written, and made durable, together.
pub(super) const GROUP_MAX: usize = 256;
/// The longest entry, in bytes.
pub(super) const ENTRY_BYTES_MAX: usize = 16 << 10;
/// Entries that are told to the service auth at once.
pub(super) const TOLD_MAX: usize = 200;
/// How often a journal that can't be written is tried again.
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How often journals are looked for that other lives have left.
pub(super) const LOOK_AROUND: Duration = Duration::from_secs(30);

const _: () = {
    assert!(TOLD_MAX <= micronet_wire::authority::AUDIT_ENTRIES_MAX);
    assert!(ENTRY_BYTES_MAX as u64 * 16 <= SEGMENT_BYTES);
};
