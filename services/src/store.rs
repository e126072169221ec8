//! What all stores have in common: how they are opened, and what they say no with.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use micronet_transport::clock::unix_us;
use micronet_transport::tasks;
use micronet_wire::error::{Code, Retry, RpcError};
use micronet_wire::service::CallError;

use crate::database::{Database, DatabaseError, Migration};
use crate::demo::Demo;
use crate::once::{self, Keeping};
use crate::run::{Environment, StartError};

/// A person's name is at most this long, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// An e-mail address is at most this long (RFC 5321, with its erratum 1690).
pub const EMAIL_BYTES_MAX: usize = 254;

/// The data of a service: its tables, over a database of its own.
pub trait Store: Sized {
    /// The service whose it is.
    const SERVICE: &'static str;
    /// The history of its tables.
    const MIGRATIONS: &'static [Migration];
    /// The service's own errors.
    type Error: fmt::Display;

    /// The store over its database; the tokens of new writes are remembered so.
    fn over(database: Database, keeping: Keeping) -> Self;

    /// The database below, for its health, its statistics and its end.
    fn database(&self) -> &Database;

    /// Inserts the demonstration data if there never was any. Whether it did.
    fn seed(&self, demo: Demo, now_us: i64) -> impl Future<Output = StoreResult<bool, Self::Error>>;

    /// Removes a few rows that nobody can ask for any more, in a short job. How many; 0 when there are none.
    fn purge(&self, now_us: i64) -> impl Future<Output = Result<u64, DatabaseError>> {
        once::purge(self.database(), now_us)
    }
}

/// How often it is looked for what can be removed.
const PURGE_EVERY: Duration = Duration::from_secs(1);

/// Removes what nobody can ask for any more, until the database is closed.
async fn purge_forever(store: impl Store) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        loop {
            match store.purge(unix_us()).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(DatabaseError::Closed) => return,
                // Whoever needs the database says so. What is due can wait.
                Err(error) => {
                    tracing::debug!(%error, "what has expired can't be removed now");
                    break;
                }
            }
        }
    }
}

/// Opens the store of a service, creating, migrating and filling it where needed; what expires in it is removed from then on.
///
/// # Errors
/// Why the database can't be opened.
pub async fn open<S: Store + Clone + 'static>(environment: &Environment) -> Result<S, StartError> {
    let store: S = open_only(environment).await?;
    let database = store.database().clone();
    let counted = database.clone();
    environment.identity.network.metrics().watch(
        "active_database_connections",
        "Connections to the database that are in use: lent to readers, and the writer's.",
        move || counted.connections_in_use(),
    );
    environment.identity.network.checks().add("database", move || {
        let database = database.clone();
        async move { database.answers().await.map_err(|error| error.to_string()) }
    });
    tasks::spawn("purge", purge_forever(store.clone()));
    Ok(store)
}

async fn open_only<S: Store>(environment: &Environment) -> Result<S, StartError> {
    let opened = async {
        let database = Database::open(&environment.database(S::SERVICE), S::MIGRATIONS).await?;
        let store = S::over(database, environment.keeping);
        store.seed(environment.demo, unix_us()).await?;
        Ok(store)
    };
    opened.await.map_err(|error: StoreError<S::Error>| StartError::Store(error.to_string()))
}

/// Creates, migrates and fills the database of a service, and closes it again.
///
/// # Errors
/// Why that can't be done.
pub async fn prepare<S: Store>(environment: Environment) -> Result<(), StartError> {
    open_only::<S>(&environment).await?.database().close().await;
    Ok(())
}

/// Why an operation of a store failed. `E` is the service's own error, as its callers hear it.
#[derive(Clone, Debug)]
pub enum StoreError<E> {
    /// For the service's own reasons. Nothing was changed.
    Refused(E),
    /// The token was used before for a request with another body. The caller is at fault; a retry cannot help.
    TokenReused,
    /// Somebody has asked what became of the token before the write came, and was told: nothing. A retry cannot help.
    TokenWithdrawn,
    /// As many tokens are remembered as there is room for, of this caller or in all. Nothing was done; try again later.
    TokensFull,
    /// An argument is outside its limits; the words say which, and are safe to show.
    Invalid(&'static str),
    /// The database failed.
    Database(DatabaseError),
}

/// When a write that found no room for its token may be tried again, in milliseconds.
const TOKENS_FULL_PAUSE_MS: u32 = 1_000;

/// What an operation of a store comes to.
pub type StoreResult<T, E> = Result<T, StoreError<E>>;

impl<E> From<DatabaseError> for StoreError<E> {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl<E> From<sqlx::Error> for StoreError<E> {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A number as a row has it. Where the schema lets greater ones through, the greatest stands for them: nobody's.
#[must_use]
pub fn row_id(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What a caller hears.
impl<E> From<StoreError<E>> for CallError<E> {
    fn from(error: StoreError<E>) -> Self {
        match error {
            StoreError::Refused(own) => Self::Service(own),
            StoreError::TokenReused => Self::Rpc(RpcError::new(
                Code::TokenReused,
                "this idempotency token was used before with another request",
            )),
            StoreError::TokenWithdrawn => Self::Rpc(RpcError::new(
                Code::TokenWithdrawn,
                "nothing is done under this idempotency token, since its outcome was asked for before: use a new one",
            )),
            StoreError::TokensFull => Self::Rpc(
                RpcError::new(Code::Overloaded, "no room for a further idempotency token: try again later")
                    .retry(Retry::NeverStarted, TOKENS_FULL_PAUSE_MS),
            ),
            StoreError::Invalid(words) => Self::Rpc(RpcError::new(Code::InvalidInput, words)),
            StoreError::Database(error) => Self::Rpc(database_error(&error)),
        }
    }
}

/// What a caller of a method without errors of its own hears.
impl<E: fmt::Display> From<StoreError<E>> for RpcError {
    fn from(error: StoreError<E>) -> Self {
        match CallError::from(error) {
            CallError::Service(own) => Self::new(Code::Internal, own.to_string()),
            CallError::Rpc(error) => error,
        }
    }
}

impl<E: fmt::Display> fmt::Display for StoreError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(own) => own.fmt(f),
            Self::TokenReused => f.write_str("the token was used before with another request"),
            Self::TokenWithdrawn => f.write_str("the token was withdrawn"),
            Self::TokensFull => f.write_str("no room for a further token"),
            Self::Invalid(what) => f.write_str(what),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for StoreError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

/// The error of a database that failed: the log gets the cause, the caller a code.
fn database_error(error: &DatabaseError) -> RpcError {
    if let DatabaseError::Away(cause) = error {
        // Whoever noticed it first has logged it; one line for each call would say no more.
        tracing::debug!(%cause, "the database is away");
        return RpcError::new(Code::Database, "the service's database is away; try again");
    }
    if error.is_transient() {
        return RpcError::new(Code::Overloaded, "the service's database is busy");
    }
    tracing::error!(%error, "the database failed");
    RpcError::new(Code::Database, "the service's database failed; its log says how")
}
