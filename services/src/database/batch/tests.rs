//! Tests of writes that are done as a set, on a table of notes.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{join_all, poll_immediate};
use sqlx::AssertSqlSafe;
use sqlx::query::Query;
use tokio::sync::oneshot;

use super::super::testing::{On, TestDatabase, on_both_databases};
use super::super::tests::NOTES;
use super::super::{Database, placeholders};
use super::*;

on_both_databases! {
    tokio: [
        whoever_waits_is_in_one_set,
        what_the_database_refuses_is_in_nobodys_way,
        a_group_that_fails_is_everybodys_error_whether_its_turn_came_or_not,
        who_leaves_before_its_turn_is_not_written,
        more_than_may_wait_are_refused_and_nothing_is_lost,
        a_lazy_set_goes_along_with_others_or_alone,
        closing_writes_what_waits_and_refuses_what_comes_later,
        many_who_come_again_are_waited_for,
    ],
    threads: [],
}

fn words<T>(error: &DatabaseError) -> Result<T, String> {
    Err(error.to_string())
}

/// The note at which a set panics.
const PANICS: i64 = -1;

/// Writes notes; each hears how many they were.
fn work<'c>(tx: &'c mut Connection, ids: &'c [i64]) -> BoxFuture<'c, DatabaseResult<Vec<usize>>> {
    Box::pin(async move {
        assert!(!ids.contains(&PANICS), "on purpose");
        let query = format!("INSERT INTO notes (id) VALUES {}", placeholders(1, 1, ids.len()));
        let query = ids.iter().fold(sqlx::query(AssertSqlSafe(query)), Query::bind);
        query.execute(tx).await?;
        Ok(vec![ids.len(); ids.len()])
    })
}

struct Notes {
    place: Rc<TestDatabase>,
    database: Database,
    batch: Batch<i64, usize>,
}

impl Notes {
    async fn open(on: On) -> Self {
        Self::at(Rc::new(TestDatabase::new(on))).await
    }

    async fn at(place: Rc<TestDatabase>) -> Self {
        let database = Database::open(place.location(), &[NOTES]).await.unwrap();
        let batch = database.batch(work);
        Self { place, database, batch }
    }

    /// What comes of it; an error by its words.
    async fn write(&self, id: i64) -> Result<usize, String> {
        self.batch.write(id).await.map_err(|error| error.to_string())
    }

    async fn all(&self) -> Vec<i64> {
        let query = "SELECT id FROM notes ORDER BY id";
        sqlx::query_scalar(query).fetch_all(&mut *self.database.read().await.unwrap()).await.unwrap()
    }

    /// Keeps the writer busy until the sender is used.
    async fn hold(&self) -> oneshot::Sender<()> {
        let (begun, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = oneshot::channel();
        let database = self.database.clone();
        tokio::task::spawn_local(async move {
            let job = database.write(|_| {
                Box::pin(async move {
                    begun.send(()).unwrap();
                    may_go_on.await.unwrap();
                    Ok::<_, DatabaseError>(())
                })
            });
            job.await.unwrap();
        });
        has_begun.await.unwrap();
        go_on
    }
}

async fn whoever_waits_is_in_one_set(on: On) {
    let notes = Notes::open(on).await;
    assert_eq!(notes.write(0).await, Ok(1));
    let (count, before) = (GROUP_JOBS_MAX + 6, notes.database.write_stats());
    let ids = 1..=i64::try_from(count).unwrap();
    let sizes = join_all(ids.clone().map(|id| notes.write(id))).await;
    let expected = [vec![Ok(GROUP_JOBS_MAX); GROUP_JOBS_MAX], vec![Ok(6); 6]].concat();
    assert_eq!(sizes, expected);
    let after = notes.database.write_stats();
    assert_eq!(
        (after.jobs_committed - before.jobs_committed, after.commits - before.commits),
        (count as u64, 1)
    );
    assert!(notes.all().await.into_iter().eq(0..=*ids.end()));
}

async fn what_the_database_refuses_is_in_nobodys_way(on: On) {
    let notes = Notes::open(on).await;
    let before = notes.database.write_stats().commits;
    let alone = notes.database.write(|tx| {
        Box::pin(async move {
            sqlx::query("INSERT INTO notes (id) VALUES (9)").execute(tx).await?;
            Ok::<_, DatabaseError>(())
        })
    });
    let (twice, alone) = tokio::join!(join_all([1, 2, 1, 3].map(|id| notes.write(id))), alone);
    assert_eq!((twice[0].clone(), twice[1].clone(), twice[3].clone()), (Ok(1), Ok(1), Ok(1)));
    assert!(twice[2].is_err() && alone.is_ok(), "{twice:?} {alone:?}");
    assert_eq!(notes.database.write_stats().commits, before + 1);
    let panicked = join_all([PANICS, 4].map(|id| notes.write(id))).await;
    assert_eq!(panicked, [words(&DatabaseError::Panicked), Ok(1)]);
    assert_eq!(notes.write(PANICS).await, words(&DatabaseError::Panicked));
    assert_eq!(notes.write(5).await, Ok(1));
    assert_eq!(notes.all().await, [1, 2, 3, 4, 5, 9]);
}

async fn a_group_that_fails_is_everybodys_error_whether_its_turn_came_or_not(on: On) {
    let notes = Notes::open(on).await;
    // That it answers what doesn't exist is noticed at COMMIT.
    let orphan = notes.database.write(|tx| {
        Box::pin(async move {
            sqlx::query("INSERT INTO notes (id, answers) VALUES (8, 99)").execute(tx).await?;
            Ok::<_, DatabaseError>(())
        })
    });
    let (written, orphan) = tokio::join!(join_all([1, 2].map(|id| notes.write(id))), orphan);
    let error = orphan.unwrap_err().to_string();
    assert_eq!(written, [Err(error.clone()), Err(error)]);
    // Another process has the lock, and keeps it.
    let other = Notes::at(Rc::clone(&notes.place)).await;
    let go_on = other.hold().await;
    let written = join_all([1, 2].map(|id| notes.write(id))).await;
    assert_eq!(written, [words(&DatabaseError::Busy), words(&DatabaseError::Busy)]);
    go_on.send(()).unwrap();
    assert_eq!(notes.write(3).await, Ok(1));
    assert_eq!(notes.all().await, [3]);
}

async fn who_leaves_before_its_turn_is_not_written(on: On) {
    let notes = Notes::open(on).await;
    let go_on = notes.hold().await;
    let mut leaving = Box::pin(notes.write(1));
    assert!(poll_immediate(&mut leaving).await.is_none());
    let mut staying = Box::pin(notes.write(2));
    assert!(poll_immediate(&mut staying).await.is_none());
    drop(leaving);
    go_on.send(()).unwrap();
    assert_eq!(staying.await, Ok(1));
    // Where all have left, there is nothing to do, and the next one is written.
    let go_on = notes.hold().await;
    assert!(poll_immediate(Box::pin(notes.write(3))).await.is_none());
    go_on.send(()).unwrap();
    assert_eq!(notes.write(4).await, Ok(1));
    assert_eq!(notes.all().await, [2, 4]);
}

async fn more_than_may_wait_are_refused_and_nothing_is_lost(on: On) {
    let notes = Notes::open(on).await;
    let go_on = notes.hold().await;
    let most = i64::try_from(WRITE_QUEUE_MAX).unwrap();
    let mut waiting: Vec<_> = (0..most).map(|id| Box::pin(notes.write(id))).collect();
    for one in &mut waiting {
        assert!(poll_immediate(one).await.is_none());
    }
    assert_eq!(notes.write(most).await, words(&DatabaseError::Overloaded));
    assert_eq!(notes.database.write_stats().jobs_refused, 1);
    go_on.send(()).unwrap();
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    assert!(notes.all().await.into_iter().eq(0..most));
}

async fn a_lazy_set_goes_along_with_others_or_alone(on: On) {
    let notes = Notes::open(on).await;
    let lazy = notes.database.lazy_batch(work);
    let before = notes.database.write_stats().commits;
    let (first, second, prompt) = tokio::join!(lazy.write(1), lazy.write(2), notes.write(3));
    assert_eq!((first.unwrap(), second.unwrap(), prompt), (2, 2, Ok(1)));
    assert_eq!(notes.database.write_stats().commits, before + 1);
    assert_eq!(lazy.write(4).await.unwrap(), 1);
    assert_eq!(notes.all().await, [1, 2, 3, 4]);
}

async fn closing_writes_what_waits_and_refuses_what_comes_later(on: On) {
    let notes = Notes::open(on).await;
    let mut waiting = Box::pin(notes.write(1));
    assert!(poll_immediate(&mut waiting).await.is_none());
    notes.database.close().await;
    assert_eq!(waiting.await, Ok(1));
    assert_eq!(notes.write(2).await, words(&DatabaseError::Closed));
}

/// Each goes on a little after its answer, and so a little after the others. Without a rest the first of them has a commit to itself.
async fn many_who_come_again_are_waited_for(on: On) {
    const ROUNDS: u64 = 10;
    let notes = Notes::open(on).await;
    let before = notes.database.write_stats().commits;
    let callers = (0..16_u64).map(async |caller| {
        for round in 0..ROUNDS {
            notes.write(i64::try_from(round * 16 + caller).unwrap()).await.unwrap();
            tokio::time::sleep(Duration::from_micros(caller * 100)).await;
        }
    });
    join_all(callers).await;
    let commits = notes.database.write_stats().commits - before;
    assert!(commits <= ROUNDS + ROUNDS / 2, "{commits} commits for {ROUNDS} rounds");
}
