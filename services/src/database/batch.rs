//! Writes of one kind that are done as a set: whoever writes while a group is under way is in the next one, and a few statements do the work
//! of all that are in it, instead of a few for each.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::writer::{Haste, Job, KEEP_JOB, Queue, UNDO_JOB, Verdict, catch_panic};
use super::{BoxFuture, Connection, DatabaseError, DatabaseResult, GROUP_JOBS_MAX, WRITE_QUEUE_MAX};

/// Does a set of writes, and says what each has come to, in their order. A set that fails is undone, and each of it is tried alone: one that the
/// database doesn't take is not in the way of the others.
pub type Work<Q, A> = for<'c> fn(&'c mut Connection, &'c [Q]) -> BoxFuture<'c, DatabaseResult<Vec<A>>>;

/// Writes of one kind. Clones share it.
pub struct Batch<Q, A> {
    shared: Arc<Shared<Q, A>>,
}

struct Shared<Q, A> {
    haste: Haste,
    work: Work<Q, A>,
    queue: Queue,
    waiting: Mutex<Waiting<Q, A>>,
}

struct Waiting<Q, A> {
    writes: Vec<Write<Q, A>>,
    /// Whether a job for them is in the writer's queue.
    is_queued: bool,
}

struct Write<Q, A> {
    what: Q,
    reply: Reply<A>,
}

type Reply<A> = oneshot::Sender<DatabaseResult<A>>;

impl<Q: Send + Sync + 'static, A: Send + 'static> Batch<Q, A> {
    pub(super) fn new(queue: Queue, haste: Haste, work: Work<Q, A>) -> Self {
        let waiting = Mutex::new(Waiting { writes: Vec::new(), is_queued: false });
        Self { shared: Arc::new(Shared { haste, work, queue, waiting }) }
    }

    /// Writes, together with whoever else does, and answers once it is durable.
    ///
    /// # Errors
    /// As [`Database::write`](super::Database::write).
    pub async fn write(&self, what: Q) -> DatabaseResult<A> {
        let (reply, answer) = oneshot::channel();
        self.shared.enter(Write { what, reply })?;
        answer.await.unwrap_or(Err(DatabaseError::Closed))
    }
}

impl<Q: Send + Sync + 'static, A: Send + 'static> Shared<Q, A> {
    fn enter(self: &Arc<Self>, write: Write<Q, A>) -> Result<(), DatabaseError> {
        let mut waiting = self.waiting();
        if waiting.writes.len() >= WRITE_QUEUE_MAX {
            self.queue.refused();
            return Err(DatabaseError::Overloaded);
        }
        if !waiting.is_queued {
            self.queue_up()?;
            waiting.is_queued = true;
        }
        waiting.writes.push(write);
        Ok(())
    }

    fn queue_up(self: &Arc<Self>) -> Result<(), DatabaseError> {
        self.queue.send(Box::new(BatchJob {
            shared: Arc::clone(self),
            replies: Vec::new(),
            answers: Vec::new(),
        }))
    }

    /// Those whose turn it is. What is left gets a job of its own.
    fn take(self: &Arc<Self>) -> (Vec<Q>, Vec<Reply<A>>) {
        let mut waiting = self.waiting();
        // Who has left doesn't want it any more.
        waiting.writes.retain(|write| !write.reply.is_closed());
        let count = waiting.writes.len().min(GROUP_JOBS_MAX);
        let taken = waiting.writes.drain(..count).map(|write| (write.what, write.reply)).unzip();
        waiting.is_queued = !waiting.writes.is_empty();
        if waiting.is_queued
            && let Err(error) = self.queue_up()
        {
            waiting.is_queued = false;
            waiting.writes.drain(..).for_each(|write| drop(write.reply.send(Err(error.clone()))));
        }
        taken
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<Q, A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The job that does those who wait when its turn comes.
struct BatchJob<Q, A> {
    shared: Arc<Shared<Q, A>>,
    replies: Vec<Reply<A>>,
    answers: Vec<DatabaseResult<A>>,
}

/// What each of these writes has come to.
async fn answers<Q, A>(
    connection: &mut Connection,
    writes: &[Q],
    work: Work<Q, A>,
) -> DatabaseResult<Vec<DatabaseResult<A>>> {
    match catch_panic(|| work(connection, writes)).await {
        Ok(answers) => return Ok(answers.into_iter().map(Ok).collect()),
        Err(error) if writes.len() < 2 => return Err(error),
        Err(_) => {}
    }
    sqlx::raw_sql(UNDO_JOB).execute(&mut *connection).await?;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes.chunks(1) {
        let alone = catch_panic(|| work(connection, write)).await;
        let then = if alone.is_ok() { KEEP_JOB } else { UNDO_JOB };
        sqlx::raw_sql(then).execute(&mut *connection).await?;
        match alone {
            Ok(one) => answers.extend(one.into_iter().map(Ok)),
            Err(error) => answers.push(Err(error)),
        }
    }
    Ok(answers)
}

impl<Q: Send + Sync + 'static, A: Send + 'static> Job for BatchJob<Q, A> {
    fn haste(&self) -> Haste {
        self.shared.haste
    }

    fn is_abandoned(&self) -> bool {
        // Who waits is looked at when it is run.
        false
    }

    fn weight(&self) -> u64 {
        self.replies.len() as u64
    }

    fn run<'a>(&'a mut self, connection: &'a mut Connection) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let (writes, replies) = self.shared.take();
            self.replies = replies;
            if writes.is_empty() {
                return Verdict::Keep;
            }
            match answers(connection, &writes, self.shared.work).await {
                Ok(answers) => {
                    self.answers = answers;
                    Verdict::Keep
                }
                Err(error) => {
                    self.answers = self.replies.iter().map(|_| Err(error.clone())).collect();
                    Verdict::Undo
                }
            }
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), DatabaseError>) {
        for (reply, answer) in self.replies.into_iter().zip(self.answers) {
            // The caller may have gone; then nobody needs the answer.
            let _ = reply.send(committed.clone().and(answer));
        }
    }
}

impl<Q, A> Clone for Batch<Q, A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<Q, A> fmt::Debug for Batch<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}
