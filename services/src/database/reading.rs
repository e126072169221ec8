//! The read connections of a database: a few, each lent to one reader at a time.
//!
//! They are opened as they are needed. A reader that finds the server away hears so at once, and not after a wait.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::outage::Outage;
use super::{Connection, DatabaseError, Engine, READ_CONNECTIONS, READ_WAIT_MS_MAX};

/// A connection that was idle for longer than this is tried out before it is lent: the server may have been started anew.
/// One that was used a moment ago is not, since that costs a round trip.
const TRUSTED_IDLE_MS: u64 = 250;

/// How long a connection may take to say that it is fit for the next reader.
const FIT_MS_MAX: u64 = 1_000;

/// The read connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Lender>);

#[derive(Debug)]
struct Lender {
    engine: Engine,
    /// One for each connection that may be lent.
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    outage: Mutex<Outage>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection that is lent for reading. It goes back when this is dropped.
#[derive(Debug)]
pub struct Reading {
    /// None only while it is dropped.
    lent: Option<Lent>,
}

#[derive(Debug)]
struct Lent {
    connection: Connection,
    in_transaction: bool,
    lender: Arc<Lender>,
    permit: OwnedSemaphorePermit,
}

impl Readers {
    pub(super) fn new(engine: Engine) -> Self {
        Self(Arc::new(Lender {
            engine,
            permits: Arc::new(Semaphore::new(READ_CONNECTIONS as usize)),
            idle: Mutex::default(),
            outage: Mutex::default(),
        }))
    }

    pub(super) async fn read(&self) -> Result<Reading, DatabaseError> {
        let free = Arc::clone(&self.0.permits).acquire_owned();
        let permit = timeout(Duration::from_millis(READ_WAIT_MS_MAX), free)
            .await
            .map_err(|_| DatabaseError::Overloaded)?
            .map_err(|_| DatabaseError::Closed)?;
        let connection = self.0.connection().await?;
        let lent = Lent { connection, in_transaction: false, lender: Arc::clone(&self.0), permit };
        Ok(Reading { lent: Some(lent) })
    }

    /// How many are lent.
    pub(super) fn lent(&self) -> usize {
        (READ_CONNECTIONS as usize).saturating_sub(self.0.permits.available_permits())
    }

    pub(super) async fn snapshot(&self) -> Result<Reading, DatabaseError> {
        let mut reading = self.read().await?;
        if let Some(lent) = &mut reading.lent {
            lent.in_transaction = true;
            sqlx::raw_sql(self.0.engine.begin_to_read()).execute(&mut lent.connection).await?;
        }
        Ok(reading)
    }

    /// Waits a little for those that are lent, and closes all.
    pub(super) async fn close(&self) {
        let returned = self.0.permits.acquire_many(READ_CONNECTIONS);
        let _ = timeout(Duration::from_millis(READ_WAIT_MS_MAX), returned).await;
        self.0.permits.close();
        let idle = std::mem::take(&mut *lock(&self.0.idle));
        for Idle { connection, .. } in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a read connection did not close cleanly");
            }
        }
    }
}

impl Lender {
    /// An idle connection, or a new one.
    async fn connection(&self) -> Result<Connection, DatabaseError> {
        loop {
            let Some(Idle { mut connection, since }) = lock(&self.idle).pop() else { break };
            let is_trusted = since.elapsed() < Duration::from_millis(TRUSTED_IDLE_MS);
            if is_trusted || !self.engine.is_remote() || is_fit(&mut connection, false).await {
                return Ok(connection);
            }
        }
        lock(&self.outage).too_soon()?;
        let connected = self.engine.connect_to_read().await;
        lock(&self.outage).note(&connected);
        connected
    }
}

impl Lent {
    /// Takes it back if it is fit for another reader.
    async fn go_back(mut self) {
        if is_fit(&mut self.connection, self.in_transaction).await {
            self.lend_again();
        }
    }

    /// The connection is there for another reader, and only then the permit.
    fn lend_again(self) {
        let Self { connection, lender, permit, .. } = self;
        lock(&lender.idle).push(Idle { connection, since: Instant::now() });
        drop(permit);
    }
}

/// Whether a connection answers. Its last reader may have left in the middle, since the server is silent, or at the end of a
/// snapshot, which ends here.
async fn is_fit(connection: &mut Connection, in_transaction: bool) -> bool {
    let answer = async {
        if in_transaction {
            return sqlx::raw_sql("ROLLBACK").execute(connection).await.is_ok();
        }
        connection.ping().await.is_ok()
    };
    timeout(Duration::from_millis(FIT_MS_MAX), answer).await.unwrap_or(false)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LENT: &str = "it is lent until it is dropped";

impl Deref for Reading {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.lent.as_ref().expect(LENT).connection
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.lent.as_mut().expect(LENT).connection
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let Some(lent) = self.lent.take() else { return };
        if !lent.in_transaction && !lent.lender.engine.is_remote() {
            // A file is never silent: what a reader has left unread is dropped by the next statement.
            lent.lend_again();
        } else if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(lent.go_back());
        }
    }
}
