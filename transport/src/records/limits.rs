//! What records may take.

/// Memory of all records, in bytes; the oldest are forgotten.
pub(super) const RECORDS_BYTES_MAX: usize = 8 << 20;
/// Memory of those that failed or were slow, in bytes: they outlive the others.
pub(super) const NOTABLE_BYTES_MAX: usize = 4 << 20;
/// What is taken and forgotten at once, in bytes.
pub(super) const SEGMENT_BYTES: usize = 64 << 10;
/// What takes longer counts as slow, in milliseconds. Streams of messages last as long as they are wanted.
pub(super) const SLOW_MS: u64 = 100;
/// Requests under way whose notes are kept for the next ones.
pub(super) const STORIES_SPARE_MAX: usize = 256;
/// How often the wall clock is read, in milliseconds.
pub(super) const WALL_MS: u64 = 1_000;
/// Records that are found of one request.
pub(super) const FOUND_MAX: usize = 256;
/// Followers at once; one more is refused.
pub(super) const FOLLOWERS_MAX: usize = 16;
/// Records that wait for a follower; further ones are lost.
pub(super) const FOLLOWING_MAX: usize = 4096;
/// Attempts that are noted of one request; of a stream that was opened more often, the last ones.
pub(super) const ATTEMPTS_NOTED_MAX: usize = 8;
/// Instances that are noted of one pick.
pub(super) const CANDIDATES_NOTED_MAX: usize = 32;
/// The longest target, and the longest words of an error, that are kept, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 512;

const _: () = {
    // The longest record that is usual fits a segment: an instance takes about 100 bytes.
    assert!(ATTEMPTS_NOTED_MAX * CANDIDATES_NOTED_MAX * 128 <= SEGMENT_BYTES);
    assert!(2 * SEGMENT_BYTES < NOTABLE_BYTES_MAX && NOTABLE_BYTES_MAX <= RECORDS_BYTES_MAX);
};
