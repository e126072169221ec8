//! The limits of TCP pass-through, in one place.

use std::time::Duration;

/// What is read from a connection at once while it is copied, in bytes. More than that at once is a long stream.
pub(super) const COPY_BYTES: usize = 16 << 10;
/// What a pipe holds, in bytes: sixteen pages of the kernel's default, four times over.
pub(super) const PIPE_BYTES: usize = 256 << 10;
/// Empty pipes that are kept, each of which has two file descriptors.
pub(super) const PIPES_SPARE_MAX: usize = 64;
/// Reads in a row for one connection, before others get their turn.
pub(super) const TURN_READS_MAX: u32 = 16;

/// Connections of one virtual port at once; those that come then wait in the kernel's backlog.
pub const CONNECTIONS_MAX: usize = 4_096;
/// For how long all attempts to reach a backend together may keep a client waiting.
pub(super) const REACH_MAX: Duration = Duration::from_secs(5);
/// For how long a connection may say nothing, either way, unless it is configured.
pub const IDLE_DEFAULT: Duration = Duration::from_secs(600);
/// The longest time that the kernel can be told to wait for acknowledgements.
pub(super) const PATIENCE_MAX: Duration = Duration::from_secs(86_400);
/// For how long a client may take to read the last words of a backend that doesn't listen any more.
pub(super) const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// How often a plain address is asked whether it takes connections.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Failures in a row after which a backend is down.
pub(super) const FAILURES_UNTIL_DOWN: u32 = 3;
/// Successful checks in a row after which it is up again.
pub(super) const CHECKS_UNTIL_UP: u32 = 2;
