//! What goes wrong below the tables, told apart by what a caller can do about it.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::BUSY_TIMEOUT_MS;

/// What went wrong below the tables. The words are safe to log; none is meant for a peer as it stands.
#[derive(Clone, Debug)]
pub enum DatabaseError {
    /// The queue to the writer, or to the read connections, is full. Nothing was done; try again later.
    Overloaded,
    /// The database was closed, or its writer ended before it got to this job. Nothing was acknowledged.
    Closed,
    /// Another process held the write lock for longer than [`BUSY_TIMEOUT_MS`]. Nothing was done; try again later.
    Busy,
    /// The server can't be reached, or went away in the middle. It is dialled again by itself. If it went away during
    /// COMMIT then it is unknown whether the write happened; every write of ours can be repeated by its token.
    Away(Arc<sqlx::Error>),
    /// A job panicked. It was rolled back alone. This is a defect of ours.
    Panicked,
    /// The database could not be created, migrated or opened.
    Open {
        /// Which one, without a password.
        place: String,
        /// Why not.
        cause: String,
    },
    /// A row holds what no version of this program writes.
    Corrupt(String),
    /// The database reported an error. If it came from COMMIT then it is unknown whether the write happened, which is
    /// why every write of ours can be repeated by its token.
    Storage(Arc<sqlx::Error>),
}

impl DatabaseError {
    /// Whether the same write or read may succeed if it is tried again a little later, since nothing was done.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Overloaded | Self::Busy)
    }

    /// The server was silent for so long that it is taken for gone.
    pub(super) fn silent(what: &str) -> Self {
        let silence = io::Error::new(io::ErrorKind::TimedOut, format!("no answer in time to {what}"));
        Self::Away(Arc::new(sqlx::Error::Io(silence)))
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overloaded => f.write_str("the database's queue is full; try again later"),
            Self::Closed => f.write_str("the database is closed"),
            Self::Busy => {
                write!(f, "another process held the write lock for {BUSY_TIMEOUT_MS} ms; try again later")
            }
            Self::Away(cause) => write!(f, "the database is away; try again later: {cause}"),
            Self::Panicked => f.write_str("a database job panicked and was rolled back"),
            Self::Open { place, cause } => write!(f, "cannot open the database {place}: {cause}"),
            Self::Corrupt(what) => write!(f, "the database holds what this program never writes: {what}"),
            Self::Storage(cause) => write!(f, "the database failed: {cause}"),
        }
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Storage(cause) | Self::Away(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) => Self::Away(Arc::new(error)),
            other => match class(&other) {
                Class::Busy => Self::Busy,
                Class::Away => Self::Away(Arc::new(other)),
                Class::Failed => Self::Storage(Arc::new(other)),
            },
        }
    }
}

/// What an error that the database reported says about trying again.
enum Class {
    Busy,
    Away,
    Failed,
}

fn class(error: &sqlx::Error) -> Class {
    let Some(error) = error.as_database_error() else { return Class::Failed };
    let Some(code) = error.code() else { return Class::Failed };
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // SQLITE_BUSY (5) and SQLITE_LOCKED (6), with any extension in the higher bits (sqlite.org/rescode.html).
        let is_busy = code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6));
        return if is_busy { Class::Busy } else { Class::Failed };
    }
    // postgresql.org/docs/current/errcodes-appendix.html
    match &*code {
        // serialization_failure, deadlock_detected, lock_not_available.
        "40001" | "40P01" | "55P03" => Class::Busy,
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_in_transaction_session_timeout, too_many_connections.
        "57P01" | "57P02" | "57P03" | "25P03" | "53300" => Class::Away,
        code if code.starts_with("08") => Class::Away,
        _ => Class::Failed,
    }
}
