//! What the chat takes at most.

/// The longest line, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 8 << 10;
/// Conversations at once.
pub(super) const SESSIONS_MAX: usize = 128;
/// Commands of a conversation that are under way at once.
pub(super) const UNDERWAY_MAX: usize = 8;
/// What waits for a reader who takes nothing. Then no further command is read, lines of taps are lost, and announcements stay where
/// they are: in the ring of events, which goes on without the slow.
pub(super) const WAITING_MAX: usize = 128;
/// Announcements that a reader is told at once; of more, the newest.
pub(super) const ANNOUNCED_MAX: usize = 100;
/// The most of one message, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// The most of a message's data, in bytes: what is longer is left out.
pub(super) const DATA_BYTES_MAX: usize = 256 << 10;
/// How long a question waits for `yes`, in seconds.
pub(super) const CONFIRM_S: u64 = 30;
/// How long a tap lasts unless it is told otherwise, in milliseconds.
pub(super) const TAP_MS: u64 = 30_000;
/// How long one lasts at most, in milliseconds.
pub(super) const TAP_MS_MAX: u64 = 600_000;
/// Lines of taps that wait to be told.
pub(super) const TAPPED_MAX: usize = 32;
/// How long a conversation may be silent before it says that it lasts, in milliseconds.
pub(super) const SILENCE_MS: u64 = 20_000;
/// How long a command may take, in milliseconds: sixteen instances that drain one by one.
pub(super) const COMMAND_MS_MAX: u64 = 15 * 60_000;

const _: () = {
    assert!(2 * SILENCE_MS < micronet_wire::limits::STREAM_IDLE_MS_MAX);
    assert!(LINE_BYTES_MAX < micronet_wire::limits::JSON_MESSAGE_BYTES_MAX);
    assert!(2 * (MESSAGE_BYTES_MAX + DATA_BYTES_MAX) < micronet_wire::limits::MESSAGE_BYTES_MAX);
    assert!(UNDERWAY_MAX < WAITING_MAX && TAP_MS <= TAP_MS_MAX);
};
