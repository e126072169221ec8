//! One SQLite file: how it is created, migrated, opened, read and written.
//!
//! This module owns the connections' settings, the order in which a file comes to be, and the one writer that a
//! process has for each file (`database/writer.rs`). It knows no table: that is for each service's `store.rs`.
//!
//! What an acknowledged write promises: it was committed with `synchronous=FULL`, so it survives `kill -9` and a power
//! cut. Several processes may open one file; their writers take turns.

mod turns;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migration as SqlxMigration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, SqlSafeStr, SqlitePool};

use self::turns::Turns;
use self::writer::Writer;
pub use self::writer::{GROUP_JOBS_MAX, WRITE_QUEUE_MAX, WriteStats};

/// How long a statement waits for another process's write before it fails as [`DatabaseError::Busy`].
pub const BUSY_TIMEOUT_MS: u64 = 5_000;

/// Connections for reading. In WAL mode they wait for nobody; two let a long listing run beside point queries.
pub const READ_CONNECTIONS: u32 = 2;

/// How long a reader waits for a connection before it fails as [`DatabaseError::Overloaded`].
pub const READ_WAIT_MS_MAX: u64 = 1_000;

/// How long [`Database::open`] waits for another process that is migrating the same file.
pub const MIGRATION_WAIT_MS_MAX: u64 = 30_000;

/// How often it looks whether the other process is done.
const MIGRATION_POLL_MS: u64 = 10;

/// The write-ahead log is cut back to this after a checkpoint, so that one burst does not keep the disk for ever.
const WAL_BYTES_KEPT: &str = "16777216";

/// A connection, as a store's SQL sees it: within a transaction when it writes.
pub type Connection = SqliteConnection;

/// A row of an answer.
pub type Row = sqlx::sqlite::SqliteRow;

/// What a job for the writer, or an unfinished piece of one, looks like.
pub type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// One step of a schema's history. Once released it never changes: its checksum is compared at every start.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its place in the history, from 1.
    pub version: i64,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

/// What went wrong below the tables. The words are safe to log; none is meant for a peer as it stands.
#[derive(Clone, Debug)]
pub enum DatabaseError {
    /// The queue to the writer, or to the read connections, is full. Nothing was done; try again later.
    Overloaded,
    /// The database was closed, or its writer ended before it got to this job. Nothing was acknowledged.
    Closed,
    /// Another process held the write lock for longer than [`BUSY_TIMEOUT_MS`]. Nothing was done; try again later.
    Busy,
    /// A job panicked. It was rolled back alone. This is a defect of ours.
    Panicked,
    /// The file could not be created, migrated or opened.
    Open {
        /// Which file.
        path: PathBuf,
        /// Why not.
        cause: String,
    },
    /// A row holds what no version of this program writes.
    Corrupt(String),
    /// SQLite reported an error. If it came from COMMIT then it is unknown whether the write happened, which is why
    /// every write of ours can be repeated by its token.
    Storage(Arc<sqlx::Error>),
}

impl DatabaseError {
    /// Whether the same write or read may succeed if it is tried again a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Overloaded | Self::Busy)
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
            Self::Panicked => f.write_str("a database job panicked and was rolled back"),
            Self::Open { path, cause } => write!(f, "cannot open the database {}: {cause}", path.display()),
            Self::Corrupt(what) => write!(f, "the database holds what this program never writes: {what}"),
            Self::Storage(cause) => write!(f, "the database failed: {cause}"),
        }
    }
}

impl std::error::Error for DatabaseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Storage(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Overloaded,
            sqlx::Error::PoolClosed => Self::Closed,
            other if is_busy(&other) => Self::Busy,
            other => Self::Storage(Arc::new(other)),
        }
    }
}

/// SQLITE_BUSY (5) and SQLITE_LOCKED (6), with any extension in the higher bits (sqlite.org/rescode.html).
fn is_busy(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<i32>().ok())
        .is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// One open SQLite file: a few read connections and one writer. Clones share both.
#[derive(Clone, Debug)]
pub struct Database {
    readers: SqlitePool,
    writer: Writer,
}

impl Database {
    /// Creates the file (and its folder) if it is not there, and brings its schema up to date.
    ///
    /// A supervisor calls this before it starts several processes on one file. [`Database::open`] does the same, so a
    /// service that is started alone needs no supervisor.
    pub async fn create_and_migrate(path: &Path, migrations: &[Migration]) -> Result<(), DatabaseError> {
        let (connection, _lock) = prepare(path, migrations).await?;
        connection.close().await?;
        Ok(())
    }

    /// Opens the file, creating and migrating it first where needed. Must be called within a tokio runtime, on which
    /// the writer's task then runs; SQLite itself runs on threads of its own.
    pub async fn open(path: &Path, migrations: &[Migration]) -> Result<Self, DatabaseError> {
        // The lock is held until the connections stand, so that nobody migrates between our check and our first read.
        let (first, _lock) = prepare(path, migrations).await?;
        let turns = Turns::beside(path).map_err(|cause| open_error(path, &cause))?;
        let options_for_writing = write_options(path).busy_timeout(Duration::from_millis(turns::LOOK_MS));
        let connection = SqliteConnection::connect_with(&options_for_writing)
            .await
            .map_err(|cause| open_error(path, &cause))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READ_CONNECTIONS)
            .min_connections(1)
            .acquire_timeout(Duration::from_millis(READ_WAIT_MS_MAX))
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options(path).pragma("query_only", "ON"))
            .await
            .map_err(|cause| open_error(path, &cause))?;
        first.close().await?;
        Ok(Self { readers, writer: Writer::start(connection, options_for_writing, turns) })
    }

    /// Runs `job` on the writer and answers once it is durable.
    ///
    /// Jobs that wait together share one transaction, each within its own savepoint. A job that returns an error is
    /// rolled back alone and its error is passed on; if the shared COMMIT fails, every job of the group gets that.
    ///
    /// A full queue is [`DatabaseError::Overloaded`] at once. If this future is dropped before the job's turn comes,
    /// the job is skipped; if it is dropped later, the job takes effect and its answer is thrown away.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    {
        self.writer.write(job).await
    }

    /// The read connections. They see every write that was acknowledged before the read began, and they cannot write.
    #[must_use]
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// What the writer has done since the file was opened.
    #[must_use]
    pub fn write_stats(&self) -> WriteStats {
        self.writer.stats()
    }

    /// Reads the smallest thing there is, to tell whether the file answers (for a health page).
    pub async fn check(&self) -> Result<(), DatabaseError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    /// Finishes the jobs that are queued, refuses new ones, and closes all connections. Safe to call more than once.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Settings of every connection. `foreign_keys` is per connection in SQLite, not a property of the file.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
}

/// Settings of the writer's connection: durable on acknowledge.
fn write_options(path: &Path) -> SqliteConnectOptions {
    options(path).synchronous(SqliteSynchronous::Full).pragma("journal_size_limit", WAL_BYTES_KEPT)
}

/// Brings the file into being and up to date, under a lock file beside it.
///
/// The lock is needed because the switch of a fresh file to WAL fails with "database is locked" at once, whatever the
/// busy timeout, when two processes attempt it together; and because sqlx's own migration lock does nothing on SQLite.
async fn prepare(path: &Path, migrations: &[Migration]) -> Result<(SqliteConnection, File), DatabaseError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|cause| open_error(path, &cause))?;
    }
    let lock = lock_beside(path).await?;
    let create = write_options(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let mut connection =
        SqliteConnection::connect_with(&create).await.map_err(|cause| open_error(path, &cause))?;
    migrator(migrations).run(&mut connection).await.map_err(|cause| open_error(path, &cause))?;
    Ok((connection, lock))
}

/// Takes the lock file. It polls, because a blocking wait would stop the runtime, on which the holder may be running.
async fn lock_beside(path: &Path) -> Result<File, DatabaseError> {
    let lock_path = beside(path, ".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|cause| open_error(path, &cause))?;
    for _ in 0..MIGRATION_WAIT_MS_MAX / MIGRATION_POLL_MS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                tokio::time::sleep(Duration::from_millis(MIGRATION_POLL_MS)).await;
            }
            Err(TryLockError::Error(cause)) => return Err(open_error(path, &cause)),
        }
    }
    let cause =
        format!("another process still holds {} after {MIGRATION_WAIT_MS_MAX} ms", lock_path.display());
    Err(DatabaseError::Open { path: path.to_owned(), cause })
}

/// The path of a companion of the database file.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut companion = path.as_os_str().to_owned();
    companion.push(suffix);
    companion.into()
}

fn migrator(migrations: &[Migration]) -> Migrator {
    let steps = migrations.iter().map(|step| {
        SqlxMigration::new(
            step.version,
            step.name.into(),
            MigrationType::Simple,
            step.sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(steps.collect())
}

fn open_error(path: &Path, cause: &dyn fmt::Display) -> DatabaseError {
    DatabaseError::Open { path: path.to_owned(), cause: cause.to_string() }
}
