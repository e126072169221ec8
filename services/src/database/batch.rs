//! Writes of one kind that are done as a set: whoever writes while a group is under way is in the next one, and a few statements do the work
//! of all that are in it, instead of a few for each.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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
    /// The set that the next write enters, for as long as its job waits.
    open: Mutex<Weak<Set<Q, A>>>,
    /// Each write has one of these while it waits.
    places: Arc<()>,
}

/// Writes that wait for their job; none once its turn has come.
type Set<Q, A> = Mutex<Option<Vec<Write<Q, A>>>>;

struct Write<Q, A> {
    what: Q,
    reply: Reply<A>,
    _place: Arc<()>,
}

type Reply<A> = oneshot::Sender<DatabaseResult<A>>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<Q: Send + Sync + 'static, A: Send + 'static> Batch<Q, A> {
    pub(super) fn new(queue: Queue, haste: Haste, work: Work<Q, A>) -> Self {
        let (open, places) = (Mutex::default(), Arc::default());
        Self { shared: Arc::new(Shared { haste, work, queue, open, places }) }
    }

    /// Writes, together with whoever else does, and answers once it is durable.
    ///
    /// # Errors
    /// As [`Database::write`](super::Database::write).
    pub async fn write(&self, what: Q) -> DatabaseResult<A> {
        let (reply, answer) = oneshot::channel();
        let shared = &self.shared;
        if Arc::strong_count(&shared.places) > WRITE_QUEUE_MAX {
            shared.queue.refused();
            return Err(DatabaseError::Overloaded);
        }
        shared.enter(Write { what, reply, _place: Arc::clone(&shared.places) })?;
        answer.await.unwrap_or(Err(DatabaseError::Closed))
    }
}

impl<Q: Send + Sync + 'static, A: Send + 'static> Shared<Q, A> {
    fn enter(&self, write: Write<Q, A>) -> DatabaseResult<()> {
        let mut open = locked(&self.open);
        if let Some(set) = open.upgrade()
            && let Some(writes) = &mut *locked(&set)
            && writes.len() < GROUP_JOBS_MAX
        {
            writes.push(write);
            return Ok(());
        }
        let set = Arc::new(Mutex::new(Some(vec![write])));
        *open = Arc::downgrade(&set);
        let (haste, work) = (self.haste, self.work);
        self.queue.send(Box::new(BatchJob { haste, work, set, replies: Vec::new(), answers: Vec::new() }))
    }
}

/// The job that does a set when its turn comes. If that never comes, the set is gone with it.
struct BatchJob<Q, A> {
    haste: Haste,
    work: Work<Q, A>,
    set: Arc<Set<Q, A>>,
    replies: Vec<Reply<A>>,
    answers: Vec<DatabaseResult<A>>,
}

impl<Q, A> BatchJob<Q, A> {
    /// Closes the set. Who has left doesn't want it any more.
    fn close(&mut self) -> Vec<Q> {
        let writes = locked(&self.set).take().unwrap_or_default();
        let wanted = writes.into_iter().filter(|write| !write.reply.is_closed());
        let (writes, replies): (Vec<_>, Vec<_>) = wanted.map(|write| (write.what, write.reply)).unzip();
        self.replies.extend(replies);
        writes
    }
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
        self.haste
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
            let writes = self.close();
            if writes.is_empty() {
                return Verdict::Keep;
            }
            match answers(connection, &writes, self.work).await {
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

    fn answer(mut self: Box<Self>, committed: Result<(), DatabaseError>) {
        // Its turn may not have come.
        self.close();
        if let Err(error) = committed {
            self.answers = self.replies.iter().map(|_| Err(error.clone())).collect();
        }
        for (reply, answer) in self.replies.into_iter().zip(self.answers) {
            // The caller may have gone; then nobody needs the answer.
            let _ = reply.send(answer);
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
