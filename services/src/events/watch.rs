//! Watching a feed: each change as it happens, also those that other instances have written to the same database.
//!
//! One task looks for all watchers of a process: at once when this process has committed something, and every
//! [`LOOK_EVERY`] for the sake of the others; while nobody watches it rests. It tells the watchers only up to which id there is
//! something. Each reads its own events, a page at a time and the next one when it has handed the last one on: so a slow one
//! holds a page, and nobody up.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::STREAM_IDLE_MS_MAX;
use micronet_wire::schema::{Message, Timestamp};
use micronet_wire::service::{CallError, Outgoing};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Recorded, newest, oldest, read};
use crate::database::{Database, DatabaseError};
use crate::store::{StoreError, row_id};
use micronet_transport::tasks;

/// How often it is looked for what other instances have written.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The longest time without a word to a watcher.
pub const BEAT_EVERY: Duration = Duration::from_secs(20);

/// Events that a watcher reads at once.
const PAGE: u32 = 64;

// A beat that comes late is still no silence that ends the stream.
const _: () = assert!(2 * BEAT_EVERY.as_millis() < STREAM_IDLE_MS_MAX as u128);

/// A feed that can be watched.
#[derive(Debug)]
pub struct Watched {
    database: Database,
    /// The newest event that is known of.
    known: Rc<watch::Sender<i64>>,
    /// Somebody has begun to watch.
    begun: Rc<Notify>,
    beat_every: Duration,
    looking: JoinHandle<()>,
}

/// What a watcher hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News<T> {
    /// Something has changed.
    Changed(Recorded<T>),
    /// There is nothing else up to this id. The first news, and whenever there was none for a while.
    Beat {
        /// Up to here all has been told.
        through: i64,
        /// The id of the oldest event that is still there; 0 without any.
        oldest: i64,
    },
}

/// Somebody who watches a feed.
#[derive(Debug)]
pub struct Watcher<T, W> {
    database: Database,
    known: watch::Receiver<i64>,
    wants: W,
    through: i64,
    page: VecDeque<Recorded<T>>,
    beat_every: Duration,
    /// When there has to be a word again.
    beat_at: Instant,
}

/// Why nothing can be watched.
#[derive(Clone, Debug)]
pub enum WatchError {
    /// The feed has not come as far as the watcher says that it has: it is another feed.
    Ahead {
        /// The newest event.
        newest: i64,
    },
    /// The database failed.
    Database(DatabaseError),
}

impl Watched {
    /// The feed of a database. Must be called on a `LocalRuntime` or within a `LocalSet`.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        let (known, begun) = (Rc::new(watch::Sender::new(0)), Rc::new(Notify::new()));
        let looking = look_forever(database.clone(), Rc::clone(&known), Rc::clone(&begun));
        let looking = tasks::spawn("feed of changes", looking);
        Self { database: database.clone(), known, begun, beat_every: BEAT_EVERY, looking }
    }

    #[cfg(test)]
    pub(super) fn with_beats(mut self, every: Duration) -> Self {
        self.beat_every = every;
        self
    }

    /// Begins to watch the events that are wanted: those after an id, or from now on.
    ///
    /// # Errors
    /// When the feed is not that far, and those of the database.
    pub async fn watch<T: Message, W: Fn(&Recorded<T>) -> bool>(
        &self,
        after: Option<u64>,
        wants: W,
    ) -> Result<Watcher<T, W>, WatchError> {
        let newest = newest(&self.database).await?;
        let through = after.map_or(newest, row_id);
        if through > newest {
            return Err(WatchError::Ahead { newest });
        }
        let known = self.known.subscribe();
        self.begun.notify_one();
        let (database, page) = (self.database.clone(), VecDeque::new());
        let (beat_every, beat_at) = (self.beat_every, Instant::now());
        Ok(Watcher { database, known, wants, through, page, beat_every, beat_at })
    }

    /// How many watch.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.known.receiver_count()
    }
}

/// News in the terms of a reply.
#[derive(Debug)]
pub struct Told<T> {
    /// Up to here all has been told.
    pub through: u64,
    /// What has changed, and when.
    pub change: Option<(T, Timestamp)>,
    /// In a beat: the id of the oldest event that is still there; 0 without any.
    pub oldest: Option<u64>,
}

impl<T> From<News<T>> for Told<T> {
    fn from(news: News<T>) -> Self {
        match news {
            News::Changed(Recorded { id, at_us, change, .. }) => {
                Self { through: id.unsigned_abs(), change: Some((change, Timestamp(at_us))), oldest: None }
            }
            News::Beat { through, oldest } => {
                Self { through: through.unsigned_abs(), change: None, oldest: Some(oldest.unsigned_abs()) }
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl<T: Message, W: Fn(&Recorded<T>) -> bool> Watcher<T, W> {
    /// Tells all that comes, for as long as somebody listens.
    ///
    /// # Errors
    /// When nobody does any more, or the feed can't be read.
    pub async fn tell<N: Message + From<Told<T>>, E>(
        mut self,
        mut replies: Outgoing<N>,
    ) -> Result<(), CallError<E>> {
        loop {
            let news = self.next().await.map_err(StoreError::Database)?;
            replies.send(&Told::from(news).into()).await?;
        }
    }

    /// What comes next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Those of the database: what was told so far was told, and the rest can be watched from there.
    pub async fn next(&mut self) -> Result<News<T>, DatabaseError> {
        loop {
            while let Some(event) = self.page.pop_front() {
                self.through = event.id;
                if (self.wants)(&event) {
                    self.beat_at = Instant::now() + self.beat_every;
                    return Ok(News::Changed(event));
                }
            }
            if Instant::now() >= self.beat_at {
                let oldest = oldest(&self.database).await?;
                self.beat_at = Instant::now() + self.beat_every;
                return Ok(News::Beat { through: self.through, oldest });
            }
            let known = *self.known.borrow_and_update();
            self.page = read(&self.database, self.through, PAGE).await?.into();
            if self.page.is_empty() {
                self.through = self.through.max(known);
                let through = self.through;
                // A sender that is gone is a service that ends; its watchers are sent elsewhere.
                let _ = timeout_at(self.beat_at, self.known.wait_for(|known| *known > through)).await;
            }
        }
    }
}

/// Looks for new events for as long as somebody watches.
async fn look_forever(database: Database, known: Rc<watch::Sender<i64>>, begun: Rc<Notify>) {
    let mut commits = database.commits();
    loop {
        if known.receiver_count() == 0 {
            begun.notified().await;
            continue;
        }
        match newest(&database).await {
            Ok(newest) => {
                known.send_if_modified(|known| {
                    let is_news = newest > *known;
                    *known = newest.max(*known);
                    is_news
                });
            }
            // The watchers read too, and tell why they end.
            Err(error) => tracing::debug!(%error, "cannot look for events"),
        }
        tokio::select! {
            Ok(()) = commits.changed() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

impl From<DatabaseError> for WatchError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl<E> From<WatchError> for CallError<E> {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Ahead { newest } => Self::Rpc(RpcError::new(
                Code::InvalidInput,
                format!("after: the feed ends with {newest}: was this id another feed's?"),
            )),
            WatchError::Database(error) => StoreError::Database(error).into(),
        }
    }
}
