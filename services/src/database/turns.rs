//! How the writers of several processes on one file take turns.
//!
//! SQLite decides who writes, and is safe by itself; but it is not fair. A writer that finds the file locked looks again
//! after 1, 2, 5, … 100 ms, and one that commits group upon group is hardly ever seen to pause, so the other starves for
//! seconds. Here a writer that finds the file locked says so, by a shared lock on a file beside the database, and looks
//! again every [`LOOK_MS`]; and a writer that has committed rests for longer than that if anybody said so. Alone, nobody
//! rests.
//!
//! The lock is advice. It vanishes with the process that holds it, and a process that was stopped while it held it costs
//! the others their rests and nothing else.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long SQLite itself waits for the write lock before it reports that the file is busy and is asked again.
pub(super) const LOOK_MS: u64 = 1;

/// How long a writer rests that others wait for: a look falls within it even if it is late by as much again.
const REST_MS: u64 = 2;

const _: () = assert!(REST_MS > LOOK_MS);

/// One writer's view of who waits.
#[derive(Debug)]
pub(super) struct Turns {
    waiting: File,
}

impl Turns {
    /// Opens the file beside the database, creating it where needed.
    pub(super) fn beside(database: &Path) -> io::Result<Self> {
        let waiting = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(super::sqlite::beside(database, ".waiting"))?;
        Ok(Self { waiting })
    }

    /// Says that this writer waits. If that cannot be said right now, the next look says it.
    pub(super) fn ask(&self) {
        let _ = self.waiting.try_lock_shared();
    }

    /// Says that this writer no longer waits.
    pub(super) fn got_it(&self) {
        // Nothing to unlock is no failure, and a lock that stays costs others a rest.
        let _ = self.waiting.unlock();
    }

    /// After a commit: lets the others have their turn, if there are others.
    pub(super) async fn give_way(&self) {
        if self.is_awaited() {
            tokio::time::sleep(Duration::from_millis(REST_MS)).await;
        }
    }

    /// Whether another writer waits. Must not be called between [`Turns::ask`] and [`Turns::got_it`].
    fn is_awaited(&self) -> bool {
        match self.waiting.try_lock() {
            Err(TryLockError::WouldBlock) => true,
            Ok(()) | Err(TryLockError::Error(_)) => {
                self.got_it();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempFolder;
    use super::*;

    #[test]
    fn a_writer_sees_who_waits_until_they_had_their_turn_or_died() {
        let folder = TempFolder::new();
        let [a, b, c] = [(); 3].map(|()| Turns::beside(&folder.file("notes.db")).unwrap());
        assert!(!a.is_awaited() && !b.is_awaited());
        b.ask();
        c.ask();
        c.ask();
        assert!(a.is_awaited());
        b.got_it();
        assert!(a.is_awaited(), "c still waits");
        drop(c);
        assert!(!a.is_awaited() && !b.is_awaited());
    }
}
