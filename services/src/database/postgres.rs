//! A schema on a PostgreSQL server: how it comes to be, and the settings of its connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use micronet_wire::limits::DEADLINE_US_DEFAULT;
use sha2::{Digest, Sha256};
use sqlx::any::AnyConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::time::Instant;

use super::{
    BUSY_TIMEOUT_MS, Connection, DatabaseError, Location, MIGRATION_WAIT_MS_MAX, Migration, ServerUrl,
    connect, migrate,
};

/// How long a connection may take to stand, with TLS and the proof of the password.
const CONNECT_MS_MAX: u64 = 5_000;

/// How long the first connection is tried for: a server that was started together with us may take a moment.
const FIRST_CONNECT_MS_MAX: u64 = 5_000;

/// The pause between two tries of the first connection.
const FIRST_CONNECT_PAUSE_MS: u64 = 100;

/// How long one statement may take on the server.
const STATEMENT_MS_MAX: u64 = 7_000;

/// How long a transaction may wait for its next statement. A process that was stopped in the middle of a group would
/// otherwise keep all others from writing.
const IDLE_IN_TRANSACTION_MS_MAX: u64 = 10_000;

/// How long a group of writes may take altogether before the server is taken for gone: also a network that swallows
/// everything must not hold a caller for ever.
pub(super) const GROUP_MS_MAX: u64 = 9_000;

const _: () = {
    assert!(BUSY_TIMEOUT_MS < STATEMENT_MS_MAX && STATEMENT_MS_MAX < GROUP_MS_MAX);
    // A caller hears that the database is away, and not only that its time is over.
    assert!(GROUP_MS_MAX * 1_000 < DEADLINE_US_DEFAULT as u64);
};

/// A schema that exists.
#[derive(Clone)]
pub(super) struct PostgresSchema {
    server: ServerUrl,
    schema: String,
    /// How a group of writes begins: its transaction, its turn, and the savepoint of its first job in one round trip.
    begin: Arc<str>,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Migrate,
    Write,
    Read,
}

impl fmt::Debug for PostgresSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresSchema({}, {})", self.server, self.schema)
    }
}

impl PostgresSchema {
    /// Brings the schema into being and up to date, under a lock of its own.
    pub(super) async fn prepare(
        server: &ServerUrl,
        schema: &str,
        migrations: &[Migration],
    ) -> Result<Self, DatabaseError> {
        // Read committed: each statement sees what was committed before it began, and the group holds the lock before its
        // first one, so it sees all that the groups before it have done.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({}); SAVEPOINT job",
            lock_key("write", schema)
        );
        let schema = Self { server: server.clone(), schema: schema.to_owned(), begin: begin.into() };
        let mut connection = schema.connect_first().await?;
        schema.migrate(&mut connection, migrations).await.map_err(|cause| schema.open_error(&cause))?;
        // The lock ends with the connection.
        connection.close().await.map_err(|cause| schema.open_error(&cause))?;
        Ok(schema)
    }

    async fn migrate(
        &self,
        connection: &mut Connection,
        migrations: &[Migration],
    ) -> Result<(), Box<dyn std::error::Error>> {
        let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
            .fetch_one(&mut *connection)
            .await?;
        if encoding != "UTF8" {
            return Err(format!("its encoding is {encoding}, but names need UTF8").into());
        }
        let lock = format!("SELECT pg_advisory_lock({})", lock_key("migrate", &self.schema));
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *connection).await?;
        let exists: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = $1")
            .bind(&self.schema)
            .fetch_one(&mut *connection)
            .await?;
        // Somebody who may use the schema need not have the right to create one.
        if exists == 0 {
            let create = format!("CREATE SCHEMA {}", quoted(&self.schema));
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *connection).await?;
        }
        migrate(migrations, |step| step.postgres, connection).await?;
        Ok(())
    }

    /// Opens the first connection, and waits a little for a server that is just starting.
    async fn connect_first(&self) -> Result<Connection, DatabaseError> {
        let began = Instant::now();
        loop {
            match self.connect(Purpose::Migrate).await {
                Ok(connection) => return Ok(connection),
                Err(DatabaseError::Away(_))
                    if began.elapsed() < Duration::from_millis(FIRST_CONNECT_MS_MAX) =>
                {
                    tokio::time::sleep(Duration::from_millis(FIRST_CONNECT_PAUSE_MS)).await;
                }
                Err(error) => return Err(self.open_error(&error)),
            }
        }
    }

    /// Opens a connection for the writer: durable on acknowledge.
    pub(super) async fn connect_to_write(&self) -> Result<Connection, DatabaseError> {
        let mut connection = self.connect(Purpose::Write).await?;
        // Whatever stricter than this is set for the database or the user stays.
        let durable = "SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') = 'off'";
        sqlx::query(durable).execute(&mut connection).await?;
        Ok(connection)
    }

    /// Opens a connection for reading.
    pub(super) async fn connect_to_read(&self) -> Result<Connection, DatabaseError> {
        self.connect(Purpose::Read).await
    }

    /// How a group of writes begins.
    pub(super) fn begin_to_write(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(Arc::clone(&self.begin))
    }

    async fn connect(&self, purpose: Purpose) -> Result<Connection, DatabaseError> {
        let options = self.options(purpose)?;
        match tokio::time::timeout(Duration::from_millis(CONNECT_MS_MAX), connect(&options)).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(DatabaseError::silent("a new connection")),
        }
    }

    /// The server's URL with the settings of a connection.
    fn options(&self, purpose: Purpose) -> Result<AnyConnectOptions, DatabaseError> {
        let mut options: AnyConnectOptions = self.server.secret_text().parse()?;
        let (lock_ms, statement_ms) = match purpose {
            Purpose::Migrate => (MIGRATION_WAIT_MS_MAX, 2 * MIGRATION_WAIT_MS_MAX),
            Purpose::Write | Purpose::Read => (BUSY_TIMEOUT_MS, STATEMENT_MS_MAX),
        };
        let is_named = options.database_url.query_pairs().any(|(key, _)| key == "application_name");
        let mut parameters = options.database_url.query_pairs_mut();
        if !is_named {
            parameters.append_pair("application_name", &format!("micronet {}", self.schema));
        }
        for (setting, value) in [
            ("search_path", quoted(&self.schema)),
            ("lock_timeout", lock_ms.to_string()),
            ("statement_timeout", statement_ms.to_string()),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_MS_MAX.to_string()),
        ] {
            parameters.append_pair(&format!("options[{setting}]"), &value);
        }
        if purpose == Purpose::Read {
            parameters.append_pair("options[default_transaction_read_only]", "on");
        }
        drop(parameters);
        Ok(options)
    }

    fn open_error(&self, cause: &dyn fmt::Display) -> DatabaseError {
        let location = Location::Schema { server: self.server.clone(), schema: self.schema.clone() };
        DatabaseError::Open { place: location.to_string(), cause: cause.to_string() }
    }
}

/// The number of an advisory lock, which all processes that use this schema compute alike.
fn lock_key(purpose: &str, schema: &str) -> i64 {
    let hash = Sha256::digest(format!("micronet {purpose} {schema}"));
    i64::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 8]))
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
