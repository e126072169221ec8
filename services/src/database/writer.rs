//! The one writer that a process has for each file: a queue, a task, and group commit.
//!
//! ```text
//! callers --> bounded queue --> take what waits, up to GROUP_JOBS_MAX
//!                               BEGIN IMMEDIATE
//!                                 SAVEPOINT, job, RELEASE or ROLLBACK TO    (for each job)
//!                               COMMIT                                      (one fdatasync for all)
//!                               answer everybody; give way if another process waits
//! ```
//!
//! BEGIN is always IMMEDIATE: a deferred transaction that reads first fails with BUSY_SNAPSHOT at its first write when
//! another process wrote in between, and no timeout helps against that.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Sqlite, Transaction};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::turns::Turns;
use super::{BUSY_TIMEOUT_MS, BoxFuture, DatabaseError};

/// Jobs that may wait for the writer. One more is [`DatabaseError::Overloaded`].
pub const WRITE_QUEUE_MAX: usize = 1_024;

/// Jobs that share one COMMIT at most, so that the first of them waits a few milliseconds for the last, not longer.
pub const GROUP_JOBS_MAX: usize = 64;

const _: () = assert!(GROUP_JOBS_MAX <= WRITE_QUEUE_MAX);

/// What a writer has done since its file was opened.
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
enum Verdict {
    Keep,
    Undo,
    Skip,
}

/// A job whose types are hidden, so that jobs of all kinds share a queue. It is run once, then answered once.
trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Verdict>;
    fn answer(self: Box<Self>, committed: Result<(), DatabaseError>);
}

struct WriteJob<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for WriteJob<T, E, F>
where
    T: Send,
    E: From<DatabaseError> + Send,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return Verdict::Undo };
            let result = catch_panic(work, connection).await;
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

/// Runs the work and turns a panic in it into an error, so that one defective job does not end everybody's writer.
async fn catch_panic<T, E, F>(work: F, connection: &mut SqliteConnection) -> Result<T, E>
where
    E: From<DatabaseError>,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>>,
{
    let panicked = || Err(DatabaseError::Panicked.into());
    // Unwind safety: what the work has touched is rolled back with its savepoint, and nothing else is shared.
    let Ok(mut future) = std::panic::catch_unwind(AssertUnwindSafe(|| work(connection))) else {
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
    jobs: mpsc::Sender<Box<dyn Job>>,
    closing: Arc<Notify>,
    finished: watch::Receiver<()>,
    counters: Arc<Counters>,
}

impl std::fmt::Debug for dyn Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Writer {
    /// Starts the task on the current runtime. `options` serve to connect anew after a failure.
    pub(super) fn start(connection: SqliteConnection, options: SqliteConnectOptions, turns: Turns) -> Self {
        let (jobs, queue) = mpsc::channel(WRITE_QUEUE_MAX);
        let (alive, finished) = watch::channel(());
        let closing = Arc::new(Notify::new());
        let counters = Arc::new(Counters::default());
        let task = WriterTask {
            connection,
            options,
            turns,
            queue,
            closing: Arc::clone(&closing),
            counters: Arc::clone(&counters),
            _alive: alive,
        };
        tokio::spawn(task.run());
        Self { jobs, closing, finished, counters }
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(WriteJob { work: Some(work), result: None, reply });
        self.jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => {
                self.counters.jobs_refused.fetch_add(1, Ordering::Relaxed);
                DatabaseError::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => DatabaseError::Closed,
        })?;
        answer.await.unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
    }

    pub(super) fn stats(&self) -> WriteStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WriteStats {
            jobs_committed: read(&self.counters.jobs_committed),
            jobs_rolled_back: read(&self.counters.jobs_rolled_back),
            jobs_skipped: read(&self.counters.jobs_skipped),
            jobs_refused: read(&self.counters.jobs_refused),
            commits: read(&self.counters.commits),
            commits_failed: read(&self.counters.commits_failed),
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
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    turns: Turns,
    queue: mpsc::Receiver<Box<dyn Job>>,
    closing: Arc<Notify>,
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
            self.run_group(&mut group).await;
            self.turns.give_way().await;
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the writer's connection did not close cleanly");
        }
    }

    /// Runs and commits one group, and answers all of its jobs.
    async fn run_group(&mut self, group: &mut Vec<Box<dyn Job>>) {
        let outcome = self.commit_group(group).await;
        if let Err(error) = &outcome {
            self.counters.commits_failed.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, jobs = group.len(), "a group of writes failed");
            if !matches!(error, DatabaseError::Busy) {
                self.reconnect().await;
            }
        }
        for job in group.drain(..) {
            job.answer(outcome.clone());
        }
    }

    /// Waits for this process's turn and commits the group. An error means that no job of it was acknowledged.
    async fn commit_group(&mut self, group: &mut Vec<Box<dyn Job>>) -> Result<(), DatabaseError> {
        let began = Instant::now();
        loop {
            match self.connection.begin_with("BEGIN IMMEDIATE").await.map_err(DatabaseError::from) {
                Ok(transaction) => {
                    self.turns.got_it();
                    // What came while we waited for our turn comes along.
                    while group.len() < GROUP_JOBS_MAX
                        && let Ok(job) = self.queue.try_recv()
                    {
                        group.push(job);
                    }
                    return commit_jobs(transaction, group, &self.counters).await;
                }
                Err(DatabaseError::Busy) if began.elapsed() < Duration::from_millis(BUSY_TIMEOUT_MS) => {
                    self.turns.ask();
                }
                Err(error) => {
                    self.turns.got_it();
                    return Err(error);
                }
            }
        }
    }

    /// Replaces the connection after a failure: SQLite ends a transaction by itself after some errors (a full disk, an
    /// I/O error), and then the connection's own idea of how deep it is nested is no longer to be trusted.
    async fn reconnect(&mut self) {
        match SqliteConnection::connect_with(&self.options).await {
            Ok(connection) => self.connection = connection,
            Err(error) => tracing::error!(%error, "the writer could not reconnect; it keeps its connection"),
        }
    }
}

/// Runs the jobs within the transaction, and commits it.
async fn commit_jobs(
    mut transaction: Transaction<'_, Sqlite>,
    group: &mut [Box<dyn Job>],
    counters: &Counters,
) -> Result<(), DatabaseError> {
    let (mut kept, mut undone, mut skipped) = (0, 0, 0);
    for job in group {
        match run_in_savepoint(&mut transaction, job.as_mut()).await? {
            Verdict::Keep => kept += 1,
            Verdict::Undo => undone += 1,
            Verdict::Skip => skipped += 1,
        }
    }
    transaction.commit().await?;
    counters.commits.fetch_add(1, Ordering::Relaxed);
    counters.jobs_committed.fetch_add(kept, Ordering::Relaxed);
    counters.jobs_rolled_back.fetch_add(undone, Ordering::Relaxed);
    counters.jobs_skipped.fetch_add(skipped, Ordering::Relaxed);
    Ok(())
}

/// Runs one job so that its failure undoes its own changes only.
async fn run_in_savepoint(
    connection: &mut SqliteConnection,
    job: &mut dyn Job,
) -> Result<Verdict, DatabaseError> {
    if job.is_abandoned() {
        return Ok(Verdict::Skip);
    }
    let mut savepoint = connection.begin().await?;
    let verdict = job.run(&mut savepoint).await;
    match verdict {
        Verdict::Keep => savepoint.commit().await?,
        Verdict::Undo | Verdict::Skip => savepoint.rollback().await?,
    }
    Ok(verdict)
}
