//! The read connections of a database: a few, which are lent to one reader each.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Transaction};

use super::{Connection, DatabaseError, Engine};

/// The read connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    pool: AnyPool,
    /// How a snapshot begins.
    begin: &'static str,
    /// Whether they lead to a server that may be away.
    is_remote: bool,
    /// How many are lent.
    lent: Arc<AtomicUsize>,
}

/// Counts a connection for as long as it is lent.
#[derive(Debug)]
struct Lent(Arc<AtomicUsize>);

impl Lent {
    fn count(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is lent for reading.
#[derive(Debug)]
pub struct Reading {
    connection: PoolConnection<Any>,
    _lent: Lent,
}

/// A connection that is lent for reading, within a transaction that sees one picture.
#[derive(Debug)]
pub struct Snapshot {
    transaction: Transaction<'static, Any>,
    _lent: Lent,
}

impl Readers {
    pub(super) fn new(pool: AnyPool, engine: &Engine) -> Self {
        let is_remote = matches!(engine, Engine::Postgres(_));
        Self { pool, begin: engine.begin_to_read(), is_remote, lent: Arc::default() }
    }

    pub(super) async fn read(&self) -> Result<Reading, DatabaseError> {
        let connection = self.pool.acquire().await.map_err(|error| self.why_none(error))?;
        Ok(Reading { connection, _lent: Lent::count(&self.lent) })
    }

    pub(super) async fn snapshot(&self) -> Result<Snapshot, DatabaseError> {
        let transaction = self.pool.begin_with(self.begin).await.map_err(|error| self.why_none(error))?;
        Ok(Snapshot { transaction, _lent: Lent::count(&self.lent) })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// The pool waits in the same way for readers to finish and for a server to come back, and says the same if it was too
    /// long. If it has lent nothing then it is not the readers.
    fn why_none(&self, error: sqlx::Error) -> DatabaseError {
        match error {
            sqlx::Error::PoolTimedOut if self.is_remote && self.lent.load(Ordering::Relaxed) == 0 => {
                DatabaseError::silent("a reader")
            }
            other => other.into(),
        }
    }
}

impl Deref for Reading {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Reading {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Deref for Snapshot {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.transaction
    }
}

impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.transaction
    }
}
