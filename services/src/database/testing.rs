//! What the tests of stores need: databases that are gone when the test is, of both kinds.

pub(crate) mod sequences;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Location, ServerUrl};

/// The environment variable with the URL of a server for tests: `tests/postgres start FOLDER` prints one.
const SERVER_VARIABLE: &str = "MICRONET_POSTGRES";

/// Runs each of these tests on both databases: `sqlite::NAME` and `postgres::NAME`. Those behind `tokio` are async.
macro_rules! on_both_databases {
    (tokio: [$($async_name:ident),* $(,)?], threads: [$($name:ident),* $(,)?] $(,)?) => {
        mod sqlite {
            use $crate::database::testing::On;
            $(#[tokio::test(flavor = "local")]
            async fn $async_name() {
                super::$async_name(On::Sqlite).await;
            })*
            $(#[test]
            fn $name() {
                super::$name(On::Sqlite);
            })*
        }

        mod postgres {
            use $crate::database::testing::On;
            $(#[tokio::test(flavor = "local")]
            async fn $async_name() {
                if let Some(on) = On::postgres() {
                    super::$async_name(on).await;
                }
            })*
            $(#[test]
            fn $name() {
                if let Some(on) = On::postgres() {
                    super::$name(on);
                }
            })*
        }
    };
}
pub(crate) use on_both_databases;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

impl On {
    /// PostgreSQL, if there is a server. Without one this says, once, that its tests are left out.
    pub(crate) fn postgres() -> Option<Self> {
        if std::env::var_os(SERVER_VARIABLE).is_some() {
            return Some(Self::Postgres);
        }
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            let line = format!(
                "SKIPPED: the stores on PostgreSQL, since {SERVER_VARIABLE} names no server; tests/run starts one\n"
            );
            // Past the test harness, which would swallow it.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        });
        None
    }

    /// The text that suits the database.
    pub(crate) fn either<T>(self, sqlite: T, postgres: T) -> T {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// A folder that is gone when the test is.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new() -> Self {
        let name = format!("micronet-services-{}-{}", std::process::id(), number());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A database that is gone when the test is.
pub(crate) struct TestDatabase {
    location: Location,
    _folder: Option<TempFolder>,
}

impl TestDatabase {
    /// A place where nothing is yet.
    pub(crate) fn new(on: On) -> Self {
        match on {
            On::Sqlite => {
                let folder = TempFolder::new();
                Self { location: Location::File(folder.file("deep/down/test.db")), _folder: Some(folder) }
            }
            On::Postgres => {
                let server: ServerUrl = std::env::var(SERVER_VARIABLE).unwrap().parse().unwrap();
                let schema = format!("test_{}_{}", std::process::id(), number());
                let fresh = Self { location: Location::Schema { server, schema }, _folder: None };
                // A former run with this process id may have been killed.
                fresh.drop_schema();
                fresh
            }
        }
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    fn drop_schema(&self) {
        let Location::Schema { server, schema } = self.location.clone() else { return };
        // A thread of its own, since a runtime may already run on this one.
        let dropping = std::thread::spawn(move || {
            runtime().block_on(async {
                let mut connection = PgConnection::connect(server.secret_text()).await?;
                // Connections that the test has left behind give up what they hold.
                let statements = format!(
                    "SET lock_timeout = 5000; SET client_min_messages = error;
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE application_name = 'micronet {schema}';
                    DROP SCHEMA IF EXISTS {schema} CASCADE"
                );
                sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await?;
                connection.close().await
            })
        });
        let dropped = dropping.join();
        assert!(std::thread::panicking() || matches!(dropped, Ok(Ok(()))), "{dropped:?}");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.drop_schema();
    }
}

/// A runtime of the kind that a service's process has.
pub(crate) fn runtime() -> tokio::runtime::LocalRuntime {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap()
}

fn number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
