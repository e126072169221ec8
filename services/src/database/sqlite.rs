//! An SQLite file: how it comes to be, and the settings of its connections.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::AnyConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, Connection as _};

use super::turns::{self, Turns};
use super::{BUSY_TIMEOUT_MS, Connection, DatabaseError, MIGRATION_WAIT_MS_MAX, Migration, connect, migrate};

/// How often it looks whether another process is done with migrating.
const MIGRATION_POLL_MS: u64 = 10;

/// The write-ahead log is cut back to this after a checkpoint, so that one burst does not keep the disk for ever.
const WAL_BYTES_KEPT: u64 = 16 * 1024 * 1024;

/// How many pages the write-ahead log has before a commit checkpoints it, which syncs the log and the database once more each: as many as
/// are kept anyway. A page that was written often goes into the database once.
const WAL_PAGES: u64 = WAL_BYTES_KEPT / PAGE_BYTES;

/// SQLite's own default.
const PAGE_BYTES: u64 = 4096;

/// A database file that exists, in WAL mode.
#[derive(Clone, Debug)]
pub(super) struct SqliteFile {
    path: PathBuf,
    options: AnyConnectOptions,
}

impl SqliteFile {
    /// Brings the file into being and up to date, under a lock file beside it, which is returned.
    ///
    /// The lock is needed because the switch of a fresh file to WAL fails with "database is locked" at once, whatever the
    /// busy timeout, when two processes attempt it together; and because sqlx's own migration lock does nothing on SQLite.
    pub(super) async fn prepare(
        path: &Path,
        migrations: &[Migration],
    ) -> Result<(Self, File), DatabaseError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|cause| open_error(path, &cause))?;
        let lock = lock_beside(path).await?;
        let create = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_millis(BUSY_TIMEOUT_MS))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let fresh =
            SqliteConnection::connect_with(&create).await.map_err(|cause| open_error(path, &cause))?;
        fresh.close().await.map_err(|cause| open_error(path, &cause))?;
        let file = Self { path: path.to_owned(), options: options(path, folder)? };
        let mut connection = file.connect(BUSY_TIMEOUT_MS).await?;
        migrate(migrations, |step| step.sqlite, &mut connection)
            .await
            .map_err(|cause| open_error(path, &cause))?;
        connection.close().await.map_err(|cause| open_error(path, &cause))?;
        Ok((file, lock))
    }

    /// Opens a connection for the writer, which looks again by itself when the file is busy: see the module on turns.
    pub(super) async fn connect_to_write(&self) -> Result<Connection, DatabaseError> {
        self.connect(turns::LOOK_MS).await
    }

    /// Opens a connection that is durable on acknowledge.
    async fn connect(&self, busy_ms: u64) -> Result<Connection, DatabaseError> {
        let mut connection = connect(&self.options).await.map_err(|cause| open_error(&self.path, &cause))?;
        set(&mut connection, "synchronous", "FULL").await?;
        set(&mut connection, "journal_size_limit", WAL_BYTES_KEPT).await?;
        set(&mut connection, "wal_autocheckpoint", WAL_PAGES).await?;
        set(&mut connection, "busy_timeout", busy_ms).await?;
        Ok(connection)
    }

    /// Opens a connection for reading.
    pub(super) async fn connect_to_read(&self) -> Result<Connection, DatabaseError> {
        let mut connection = self.connect(BUSY_TIMEOUT_MS).await?;
        set(&mut connection, "query_only", "ON").await?;
        Ok(connection)
    }

    /// How its writer takes turns with those of other processes.
    pub(super) fn turns(&self) -> Result<Turns, DatabaseError> {
        Turns::beside(&self.path).map_err(|cause| open_error(&self.path, &cause))
    }
}

/// Sets a pragma of one connection. `foreign_keys` is set by the driver.
async fn set(
    connection: &mut Connection,
    pragma: &'static str,
    value: impl fmt::Display,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA {pragma} = {value}"))).execute(connection).await?;
    Ok(())
}

/// The file as a URL, which is how a driver is chosen. In it every byte that could mean something else is escaped.
fn options(path: &Path, folder: &Path) -> Result<AnyConnectOptions, DatabaseError> {
    let folder = folder.canonicalize().map_err(|cause| open_error(path, &cause))?;
    let whole = folder.join(path.file_name().unwrap_or_default());
    let text = whole.to_str().ok_or_else(|| open_error(path, &"its path is not UTF-8"))?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url.push_str("?mode=rw");
    url.parse().map_err(|cause: sqlx::Error| open_error(path, &cause))
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
    Err(DatabaseError::Open { place: path.display().to_string(), cause })
}

/// The path of a companion of the database file.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut companion = path.as_os_str().to_owned();
    companion.push(suffix);
    companion.into()
}

fn open_error(path: &Path, cause: &dyn fmt::Display) -> DatabaseError {
    DatabaseError::Open { place: path.display().to_string(), cause: cause.to_string() }
}
