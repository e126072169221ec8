//! What a server process asks of the operating system before it starts: descriptors for its connections, and files that only
//! its owner can read.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Keeps new files from other users.
pub(crate) fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Raises the limit of open files as far as it goes, and keeps new files from other users.
pub(crate) fn prepare() {
    keep_files_private();
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        if let Err(error) = raised {
            tracing::warn!(%error, current = limit.current, "the limit of open files could not be raised");
        }
    }
}
