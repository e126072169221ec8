//! One database: how it is created, migrated, opened, read and written.
//!
//! It is an SQLite file, or a schema on a PostgreSQL server; a store's SQL is one text for both. This module owns the
//! connections' settings, the order in which a database comes to be, and the one writer that a process has for each
//! (`database/writer.rs`). It knows no table: that is for each service's `store.rs`.
//!
//! What an acknowledged write promises: it was committed and is on the disk (`synchronous=FULL`, or
//! `synchronous_commit=on`), so it survives `kill -9` and a power cut. Several processes may open one database; their
//! groups of writes exclude each other, by BEGIN IMMEDIATE or by an advisory lock.

mod batch;
mod error;
mod location;
mod many;
mod outage;
mod postgres;
mod reading;
mod sqlite;
mod turns;
mod writer;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::pin::Pin;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyRow};
use sqlx::migrate::{MigrateError, Migration as SqlxMigration, MigrationType, Migrator};
use sqlx::{AnyConnection, ConnectOptions, SqlSafeStr, SqlStr};
use tokio::sync::watch;

pub use self::batch::{Batch, Work};
pub use self::error::DatabaseError;
pub use self::location::{BadServerUrl, Databases, Location, ServerUrl};
pub(crate) use self::many::{padded, placeholders, sized};
use self::postgres::PostgresSchema;
use self::reading::Readers;
pub use self::reading::Reading;
use self::sqlite::SqliteFile;
use self::turns::Turns;
pub use self::writer::{GROUP_JOBS_MAX, LAZY_MS_MAX, WRITE_QUEUE_MAX, WriteStats};
use self::writer::{Haste, Writer};

/// How long a group of writes waits for another process's before it fails as [`DatabaseError::Busy`].
pub const BUSY_TIMEOUT_MS: u64 = 5_000;

/// Connections for reading. In WAL mode, and on PostgreSQL, they wait for nobody; two let a long listing run beside
/// point queries.
pub const READ_CONNECTIONS: u32 = 2;

/// How long a reader waits for a connection before it fails as [`DatabaseError::Overloaded`].
pub const READ_WAIT_MS_MAX: u64 = 1_000;

/// How long [`Database::open`] waits for another process that is migrating the same database.
pub const MIGRATION_WAIT_MS_MAX: u64 = 30_000;

/// A connection, as a store's SQL sees it: within a transaction when it writes.
pub type Connection = AnyConnection;

/// A row of an answer.
pub type Row = AnyRow;

/// A statement whose values are being bound, where it isn't known before how many there are.
pub type Query = sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments>;

/// Whether a text can be stored: PostgreSQL takes a zero byte for an error.
#[must_use]
pub fn is_storable(text: &str) -> bool {
    !text.contains('\0')
}

/// What an operation on a database comes to.
pub type DatabaseResult<T> = Result<T, DatabaseError>;

/// What a job for the writer, or an unfinished piece of one, looks like.
pub type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// One step of a schema's history. Once released it never changes: its checksum is compared at every start.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its place in the history, from 1.
    pub version: i64,
    /// What it does, in a few words.
    pub name: &'static str,
    /// Its statements for SQLite.
    pub sqlite: &'static str,
    /// Its statements for PostgreSQL.
    pub postgres: &'static str,
}

impl Migration {
    /// The tables that every service has besides its own (`events.rs`), as this step of its history.
    #[must_use]
    pub const fn events_and_replies(version: i64) -> Self {
        Self {
            version,
            name: "events and replies",
            sqlite: include_str!("migrations/events_and_replies.sqlite.sql"),
            postgres: include_str!("migrations/events_and_replies.postgres.sql"),
        }
    }

    /// What every service remembers of idempotency tokens (`once.rs`), as this step of its history.
    #[must_use]
    pub const fn tokens(version: i64) -> Self {
        Self {
            version,
            name: "tokens",
            sqlite: include_str!("migrations/tokens.sqlite.sql"),
            postgres: include_str!("migrations/tokens.postgres.sql"),
        }
    }
}

/// What differs between the two databases, once one is there.
#[derive(Clone, Debug)]
enum Engine {
    Sqlite(SqliteFile),
    Postgres(PostgresSchema),
}

impl Engine {
    /// Creates the database if it is not there, and brings its schema up to date. Nobody else does while the returned file
    /// is open.
    async fn prepare(
        location: &Location,
        migrations: &[Migration],
    ) -> Result<(Self, Option<File>), DatabaseError> {
        // Both drivers have to be known before the first connection is made; that they are already is no failure.
        sqlx::any::install_default_drivers();
        match location {
            Location::File(path) => {
                let (file, lock) = SqliteFile::prepare(path, migrations).await?;
                Ok((Self::Sqlite(file), Some(lock)))
            }
            Location::Schema { server, schema } => {
                let schema = PostgresSchema::prepare(server, schema, migrations).await?;
                Ok((Self::Postgres(schema), None))
            }
        }
    }

    async fn connect_to_write(&self) -> Result<Connection, DatabaseError> {
        match self {
            Self::Sqlite(file) => file.connect_to_write().await,
            Self::Postgres(schema) => schema.connect_to_write().await,
        }
    }

    async fn connect_to_read(&self) -> Result<Connection, DatabaseError> {
        match self {
            Self::Sqlite(file) => file.connect_to_read().await,
            Self::Postgres(schema) => schema.connect_to_read().await,
        }
    }

    /// Whether it may be away while this process is well.
    fn is_remote(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// How the writer takes turns with those of other processes; PostgreSQL's locks are fair by themselves.
    fn turns(&self) -> Result<Option<Turns>, DatabaseError> {
        match self {
            Self::Sqlite(file) => file.turns().map(Some),
            Self::Postgres(_) => Ok(None),
        }
    }

    /// The statements by which a group of writes begins: when they are done nobody else writes, and there is a savepoint.
    fn begin_to_write(&self) -> SqlStr {
        match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE; SAVEPOINT job".into_sql_str(),
            Self::Postgres(schema) => schema.begin_to_write().into_sql_str(),
        }
    }

    /// The statement by which a few reads that belong together begin.
    fn begin_to_read(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "BEGIN DEFERRED",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// How long a group may take. A file can't be silent for ever, and a disk is not faster for being given up.
    fn group_time_max(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_) => Some(Duration::from_millis(postgres::GROUP_MS_MAX)),
        }
    }
}

/// One open database: a few read connections and one writer. Clones share both.
#[derive(Clone, Debug)]
pub struct Database {
    readers: Readers,
    writer: Writer,
}

impl Database {
    /// Creates the database if it is not there (a file with its folder, or a schema), and brings its schema up to date.
    ///
    /// A supervisor calls this before it starts several processes on one database. [`Database::open`] does the same, so a
    /// service that is started alone needs no supervisor.
    pub async fn create_and_migrate(
        location: &Location,
        migrations: &[Migration],
    ) -> Result<(), DatabaseError> {
        Engine::prepare(location, migrations).await?;
        Ok(())
    }

    /// Opens the database, creating and migrating it first where needed. Must be called within a tokio runtime, on which
    /// the writer's task then runs; SQLite itself runs on threads of its own.
    pub async fn open(location: &Location, migrations: &[Migration]) -> Result<Self, DatabaseError> {
        // The lock is held until the connections stand, so that nobody migrates between our check and our first read.
        let (engine, _lock) = Engine::prepare(location, migrations).await?;
        let readers = Readers::new(engine.clone());
        // A connection to a server takes a while until it stands: both at once.
        let (connection, _) = tokio::try_join!(engine.connect_to_write(), readers.read())?;
        let turns = engine.turns()?;
        Ok(Self { readers, writer: Writer::start(engine, connection, turns) })
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
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    {
        self.writer.write(Haste::Prompt, job).await
    }

    /// The same for what no client waits for, as a note of how far one has come: it goes along with what others write, and has a commit of
    /// its own only where nobody writes for [`LAZY_MS_MAX`].
    ///
    /// # Errors
    /// As [`Database::write`].
    pub async fn write_lazily<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    {
        self.writer.write(Haste::Lazy, job).await
    }

    /// Writes of one kind, of which `work` does many by a few statements.
    #[must_use]
    pub fn batch<Q: Send + Sync + 'static, A: Send + 'static>(&self, work: Work<Q, A>) -> Batch<Q, A> {
        Batch::new(self.writer.queue(), Haste::Prompt, work)
    }

    /// The same of writes for which no client waits, as [`Database::write_lazily`].
    #[must_use]
    pub fn lazy_batch<Q: Send + Sync + 'static, A: Send + 'static>(&self, work: Work<Q, A>) -> Batch<Q, A> {
        Batch::new(self.writer.queue(), Haste::Lazy, work)
    }

    /// A connection for one read. It sees every write that was acknowledged before the read began, and it cannot write.
    pub async fn read(&self) -> Result<Reading, DatabaseError> {
        self.readers.read().await
    }

    /// Looks whether the database answers.
    ///
    /// # Errors
    /// Why it doesn't.
    pub async fn answers(&self) -> Result<(), DatabaseError> {
        let mut connection = self.read().await?;
        sqlx::query("SELECT 1").fetch_one(&mut *connection).await?;
        Ok(())
    }

    /// A connection on which all reads see the same picture, as it was at the first of them.
    pub async fn snapshot(&self) -> Result<Reading, DatabaseError> {
        self.readers.snapshot().await
    }

    /// Hears whenever this process may have committed something.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<()> {
        self.writer.commits()
    }

    /// What the writer has done since the database was opened.
    #[must_use]
    pub fn write_stats(&self) -> WriteStats {
        self.writer.stats()
    }

    /// Connections that are in use: those that are lent to readers, and the writer's.
    #[must_use]
    pub fn connections_in_use(&self) -> usize {
        self.readers.lent() + 1
    }

    /// Finishes the jobs that are queued, refuses new ones, and closes all connections. Safe to call more than once.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Opens a connection.
async fn connect(options: &AnyConnectOptions) -> Result<Connection, sqlx::Error> {
    options.connect().await
}

/// Brings a schema up to date. Nobody else may do the same meanwhile; the caller sees to that.
async fn migrate(
    migrations: &[Migration],
    sql: impl Fn(&Migration) -> &'static str,
    connection: &mut Connection,
) -> Result<(), MigrateError> {
    let steps = migrations.iter().map(|step| {
        let sql = sql(step).into_sql_str();
        SqlxMigration::new(step.version, step.name.into(), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(steps.collect()).set_locking(false).run(connection).await
}
