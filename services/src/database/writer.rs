//! The one writer that a process has for each database: a queue, a task, and group commit.
//!
//! ```text
//! callers --> bounded queue --> take what waits, up to GROUP_JOBS_MAX
//!                               BEGIN, alone
//!                                 SAVEPOINT, job, RELEASE or ROLLBACK TO    (for each job)
//!                               COMMIT                                      (one fdatasync for all)
//!                               answer everybody; give way if another process waits
//! ```
//!
//! A lazy job, for which nobody waits, waits for a group of others to go along with, and has one of its own only where none comes soon. After a
//! group for which many have waited the writer rests: they come again, and go along with each other then instead of one by one.
//!
//! A group is alone from its BEGIN on. On SQLite that is always IMMEDIATE: a deferred transaction that reads first fails
//! with BUSY_SNAPSHOT at its first write when another process wrote in between, and no timeout helps against that. On
//! PostgreSQL it takes an advisory lock, which ends with the transaction.
//!
//! A connection that has failed is thrown away, and with it what its transaction had done. The next group opens another; while
//! the server is away it is dialled now and then, and groups in between fail at once.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use micronet_transport::tasks;
use sqlx::{Any, Connection as _, Transaction};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::outage::Outage;
use super::turns::Turns;
use super::{BUSY_TIMEOUT_MS, BoxFuture, Connection, DatabaseError, Engine};

/// Jobs that may wait for the writer. One more is [`DatabaseError::Overloaded`].
pub const WRITE_QUEUE_MAX: usize = 1_024;

/// Jobs that share one COMMIT at most, so that the first of them waits a few milliseconds for the last, not longer.
pub const GROUP_JOBS_MAX: usize = 64;

const _: () = assert!(GROUP_JOBS_MAX <= WRITE_QUEUE_MAX);

/// How long a lazy job waits for others at most, in milliseconds.
pub const LAZY_MS_MAX: u64 = 20;

/// For how many writes somebody has to have waited for the writer to rest after their group: fewer don't come again together.
const RESTED_FOR_MIN: u64 = 8;

/// How long the writer rests for each of them, in microseconds.
const REST_US: u64 = 250;

/// How long it rests at most.
const REST_US_MAX: u64 = 10_000;

/// What was done since the savepoint stays, and what follows can be undone alone.
pub(super) const KEEP_JOB: &str = "RELEASE SAVEPOINT job; SAVEPOINT job";

/// What was done since the savepoint is undone. It stays, for what follows.
pub(super) const UNDO_JOB: &str = "ROLLBACK TO SAVEPOINT job";

/// Whether somebody waits for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// Its group begins at once.
    Prompt,
    /// It goes along with others.
    Lazy,
}

/// What a writer has done since its database was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteStats {
    /// Jobs that took effect.
    pub jobs_committed: u64,
    /// Jobs that returned an error, or panicked, and were rolled back alone.
    pub jobs_rolled_back: u64,
    /// Jobs that were skipped because their caller had gone before their turn.
    pub jobs_skipped: u64,
    /// Jobs that were refused because the queue was full.
    pub jobs_refused: u64,
    /// Groups that were committed.
    pub commits: u64,
    /// Groups that failed as a whole.
    pub commits_failed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    jobs_committed: AtomicU64,
    jobs_rolled_back: AtomicU64,
    jobs_skipped: AtomicU64,
    jobs_refused: AtomicU64,
    commits: AtomicU64,
    commits_failed: AtomicU64,
}

/// How a job fared within its savepoint.
pub(super) enum Verdict {
    Keep,
    Undo,
}

/// A job whose types are hidden, so that jobs of all kinds share a queue. It is run once, then answered once.
pub(super) trait Job: Send {
    fn haste(&self) -> Haste;
    fn is_abandoned(&self) -> bool;
    /// How many writes it was, once it has run.
    fn weight(&self) -> u64 {
        1
    }
    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Verdict>;
    fn answer(self: Box<Self>, committed: Result<(), DatabaseError>);
}

struct WriteJob<T, E, F> {
    haste: Haste,
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for WriteJob<T, E, F>
where
    T: Send,
    E: From<DatabaseError> + Send,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, E>> + Send,
{
    fn haste(&self) -> Haste {
        self.haste
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Verdict::Undo };
            let result = catch_panic(|| work(connection)).await;
            let verdict = if result.is_ok() { Verdict::Keep } else { Verdict::Undo };
            self.result = Some(result);
            verdict
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), DatabaseError>) {
        // A job that failed by itself may have read what its group did not commit, so it too gets the group's error.
        let result = match committed {
            Ok(()) => self.result.unwrap_or_else(|| Err(DatabaseError::Closed.into())),
            Err(error) => Err(error.into()),
        };
        // The caller may have gone; then nobody needs the answer.
        let _ = self.reply.send(result);
    }
}

/// Runs work and turns a panic in it into an error, so that one defective job does not end everybody's writer.
pub(super) async fn catch_panic<'c, T, E: From<DatabaseError>>(
    start: impl FnOnce() -> BoxFuture<'c, Result<T, E>>,
) -> Result<T, E> {
    let panicked = || Err(DatabaseError::Panicked.into());
    // Unwind safety: what the work has touched is rolled back with its savepoint, and nothing else is shared.
    let Ok(mut future) = std::panic::catch_unwind(AssertUnwindSafe(start)) else {
        return panicked();
    };
    std::future::poll_fn(move |context| {
        let poll = || Pin::as_mut(&mut future).poll(context);
        std::panic::catch_unwind(AssertUnwindSafe(poll)).unwrap_or_else(|_| Poll::Ready(panicked()))
    })
    .await
}

/// The callers' end of the writer.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: Queue,
    closing: Arc<Notify>,
    finished: watch::Receiver<()>,
    commits: watch::Receiver<()>,
}

/// The end of its queue.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Box<dyn Job>>,
    counters: Arc<Counters>,
}

impl Queue {
    pub(super) fn send(&self, job: Box<dyn Job>) -> Result<(), DatabaseError> {
        self.jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                self.refused();
                DatabaseError::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => DatabaseError::Closed,
        })
    }

    /// Counts a write for which there was no room.
    pub(super) fn refused(&self) {
        self.counters.jobs_refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for dyn Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Writer {
    /// Starts the task on the current runtime. `engine` serves to connect anew after a failure.
    pub(super) fn start(engine: Engine, connection: Connection, turns: Option<Turns>) -> Self {
        let (jobs, queue) = mpsc::channel(WRITE_QUEUE_MAX);
        let (alive, finished) = watch::channel(());
        let (committed, commits) = watch::channel(());
        let closing = Arc::new(Notify::new());
        let counters = Arc::new(Counters::default());
        let task = WriterTask {
            connection: Some(connection),
            engine,
            outage: Outage::default(),
            turns,
            queue,
            closing: Arc::clone(&closing),
            committed,
            counters: Arc::clone(&counters),
            _alive: alive,
        };
        tasks::spawn("writer of the database", task.run());
        Self { queue: Queue { jobs, counters }, closing, finished, commits }
    }

    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    pub(super) fn commits(&self) -> watch::Receiver<()> {
        self.commits.clone()
    }

    pub(super) async fn write<T, E, F>(&self, haste: Haste, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Box::new(WriteJob { haste, work: Some(work), result: None, reply }))?;
        answer.await.unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
    }

    pub(super) fn stats(&self) -> WriteStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.queue.counters;
        WriteStats {
            jobs_committed: read(&counters.jobs_committed),
            jobs_rolled_back: read(&counters.jobs_rolled_back),
            jobs_skipped: read(&counters.jobs_skipped),
            jobs_refused: read(&counters.jobs_refused),
            commits: read(&counters.commits),
            commits_failed: read(&counters.commits_failed),
        }
    }

    /// Asks the task to end, and waits until it has run what was queued and has closed its connection.
    pub(super) async fn close(&self) {
        self.closing.notify_one();
        let mut finished = self.finished.clone();
        // The task never sends; an error says that it has ended.
        while finished.changed().await.is_ok() {}
    }
}

struct WriterTask {
    /// None after a failure, until the next group opens another.
    connection: Option<Connection>,
    engine: Engine,
    outage: Outage,
    turns: Option<Turns>,
    queue: mpsc::Receiver<Box<dyn Job>>,
    closing: Arc<Notify>,
    /// Tells whoever waits for it that a group was committed.
    committed: watch::Sender<()>,
    counters: Arc<Counters>,
    _alive: watch::Sender<()>,
}

impl WriterTask {
    async fn run(mut self) {
        let mut group = Vec::with_capacity(GROUP_JOBS_MAX);
        loop {
            let taken = tokio::select! {
                biased;
                () = self.closing.notified() => {
                    // From here on callers are refused; what is queued still runs.
                    self.queue.close();
                    continue;
                }
                taken = self.queue.recv_many(&mut group, GROUP_JOBS_MAX) => taken,
            };
            if taken == 0 {
                break;
            }
            self.gather(&mut group).await;
            let awaited = self.run_group(&mut group).await;
            let give_way = async {
                if let Some(turns) = &self.turns {
                    turns.give_way().await;
                }
            };
            tokio::join!(give_way, self.rest(awaited));
        }
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the writer's connection did not close cleanly");
        }
    }

    /// Lets a group of lazy jobs wait until one comes that is not, or it is full, or their time is over.
    async fn gather(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let until = Instant::now() + Duration::from_millis(LAZY_MS_MAX);
        while group.len() < GROUP_JOBS_MAX && group.iter().all(|job| job.haste() == Haste::Lazy) {
            tokio::select! {
                biased;
                () = self.closing.notified() => {
                    self.queue.close();
                    return;
                }
                job = tokio::time::timeout_at(until, self.queue.recv()) => match job {
                    Ok(Some(job)) => group.push(job),
                    Ok(None) | Err(_) => return,
                },
            }
        }
    }

    /// Lets those come again who have waited for a group.
    async fn rest(&self, awaited: u64) {
        if awaited >= RESTED_FOR_MIN {
            tokio::select! {
                biased;
                () = self.closing.notified() => self.closing.notify_one(),
                () = tokio::time::sleep(Duration::from_micros((awaited * REST_US).min(REST_US_MAX))) => {}
            }
        }
    }

    /// Runs and commits one group, and answers all of its jobs. For how many writes of it somebody waited.
    async fn run_group(&mut self, group: &mut Vec<Box<dyn Job>>) -> u64 {
        let outcome = match self.engine.group_time_max() {
            None => self.commit_group(group).await,
            Some(time_max) => tokio::time::timeout(time_max, self.commit_group(group))
                .await
                .unwrap_or_else(|_| Err(DatabaseError::silent("a group of writes"))),
        };
        self.committed.send_replace(());
        if let Err(error) = &outcome {
            self.counters.commits_failed.fetch_add(1, Ordering::Relaxed);
            // That the database is away was said when it was noticed.
            if !self.outage.is_known() {
                tracing::error!(%error, jobs = group.len(), "a group of writes failed");
            }
        }
        let awaited = group.iter().filter(|job| job.haste() == Haste::Prompt).map(|job| job.weight()).sum();
        for job in group.drain(..) {
            job.answer(outcome.clone());
        }
        awaited
    }

    /// Waits for this process's turn and commits the group. An error means that no job of it was acknowledged.
    ///
    /// The connection is taken out meanwhile and put back only if all went well. A database ends a transaction by itself
    /// after some errors (a full disk, an I/O error, a server that stops), and then the connection's own idea of how deep
    /// it is nested is no longer to be trusted.
    async fn commit_group(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), DatabaseError> {
        let began = Instant::now();
        let mut is_fresh = self.connection.is_none();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        loop {
            let refused = match connection.begin_with(self.engine.begin_to_write()).await {
                Ok(transaction) => {
                    self.turns.as_ref().inspect(|turns| turns.got_it());
                    // What came while we waited for our turn comes along.
                    while group.len() < GROUP_JOBS_MAX
                        && let Ok(job) = self.queue.try_recv()
                    {
                        group.push(job);
                    }
                    commit_jobs(transaction, group, &self.counters).await?;
                    None
                }
                Err(error) => Some(DatabaseError::from(error)),
            };
            match (refused, &self.turns) {
                (None, _) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                (Some(DatabaseError::Busy), Some(turns)) => {
                    if began.elapsed() < Duration::from_millis(BUSY_TIMEOUT_MS) {
                        turns.ask();
                        continue;
                    }
                    turns.got_it();
                    self.connection = Some(connection);
                    return Err(DatabaseError::Busy);
                }
                // It may have lain idle while the server was started anew. Nothing has been done on it yet.
                (Some(DatabaseError::Away(_)), _) if !is_fresh => {
                    connection = self.connect().await?;
                    is_fresh = true;
                }
                (Some(error), turns) => {
                    turns.as_ref().inspect(|turns| turns.got_it());
                    return Err(error);
                }
            }
        }
    }

    /// Opens a connection, but not too soon after an attempt that failed.
    async fn connect(&mut self) -> Result<Connection, DatabaseError> {
        self.outage.too_soon()?;
        let connected = self.engine.connect_to_write().await;
        self.outage.note(&connected);
        connected
    }
}

/// Runs the jobs within the transaction, which has a savepoint for the first of them, and commits it.
async fn commit_jobs(
    mut transaction: Transaction<'_, Any>,
    group: &mut [Box<dyn Job>],
    counters: &Counters,
) -> Result<(), DatabaseError> {
    let (mut kept, mut undone, mut skipped) = (0, 0, 0);
    let mut is_set = true;
    for job in group {
        if job.is_abandoned() {
            skipped += 1;
            continue;
        }
        if !is_set {
            sqlx::raw_sql(KEEP_JOB).execute(&mut *transaction).await?;
        }
        match job.run(&mut transaction).await {
            Verdict::Keep => {
                is_set = false;
                kept += job.weight();
            }
            Verdict::Undo => {
                sqlx::raw_sql(UNDO_JOB).execute(&mut *transaction).await?;
                is_set = true;
                undone += job.weight();
            }
        }
    }
    // PostgreSQL takes COMMIT as ROLLBACK, without an error, if a statement has failed and nobody has undone it. This is
    // refused then.
    sqlx::raw_sql("RELEASE SAVEPOINT job").execute(&mut *transaction).await?;
    transaction.commit().await?;
    counters.commits.fetch_add(1, Ordering::Relaxed);
    counters.jobs_committed.fetch_add(kept, Ordering::Relaxed);
    counters.jobs_rolled_back.fetch_add(undone, Ordering::Relaxed);
    counters.jobs_skipped.fetch_add(skipped, Ordering::Relaxed);
    Ok(())
}
