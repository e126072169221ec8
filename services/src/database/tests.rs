//! Tests of a database's life and of the writer, on a table of notes.

use sqlx::Row as _;
use tokio::task::JoinSet;

use super::testing::{On, TestDatabase, on_both_databases, runtime};
use super::{Connection, Database, DatabaseError, GROUP_JOBS_MAX, Location, Migration, WRITE_QUEUE_MAX};

on_both_databases! {
    tokio: [
        a_write_is_seen_by_the_next_read_and_after_reopening,
        connections_have_the_settings_that_durability_needs,
        a_schema_moves_forward_only_and_its_history_never_changes,
        jobs_that_wait_together_share_a_commit,
        a_lazy_job_goes_along_with_others_or_alone,
        a_job_that_fails_or_panics_undoes_only_itself,
        a_commit_that_fails_is_everybodys_error_and_the_writer_goes_on,
        a_caller_that_leaves_does_not_disturb_the_others,
        a_full_queue_refuses_at_once_and_nothing_is_lost,
        closing_runs_what_is_queued_and_refuses_what_comes_later,
        a_snapshot_stays_as_it_was,
        what_is_acknowledged_is_there_even_if_a_job_forgets_an_error,
        a_writer_that_others_keep_waiting_says_so_and_goes_on,
    ],
    threads: [processes_that_create_one_database_at_once_all_succeed],
}

pub(super) const NOTES: Migration = Migration {
    version: 1,
    name: "notes",
    sqlite: "CREATE TABLE notes (
        id INTEGER PRIMARY KEY,
        answers INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED
    )",
    postgres: "CREATE TABLE notes (
        id BIGINT PRIMARY KEY,
        answers BIGINT REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED
    )",
};

const TITLES: Migration = Migration {
    version: 2,
    name: "titles",
    sqlite: "ALTER TABLE notes ADD title TEXT",
    postgres: "ALTER TABLE notes ADD title TEXT",
};

/// What a job of these tests may fail with.
#[derive(Debug)]
enum NoteError {
    OnPurpose,
    Database(DatabaseError),
}

impl From<DatabaseError> for NoteError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<sqlx::Error> for NoteError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// How a note is to fare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Succeed,
    Fail,
    Panic,
}

async fn open(location: &Location) -> Database {
    Database::open(location, &[NOTES]).await.unwrap()
}

async fn insert(tx: &mut Connection, id: i64, answers: Option<i64>) -> Result<(), NoteError> {
    sqlx::query("INSERT INTO notes (id, answers) VALUES ($1, $2)").bind(id).bind(answers).execute(tx).await?;
    Ok(())
}

async fn note(database: &Database, id: i64, then: Then) -> Result<i64, NoteError> {
    database
        .write(move |tx| {
            Box::pin(async move {
                insert(tx, id, None).await?;
                assert!(then != Then::Panic, "on purpose");
                if then == Then::Fail { Err(NoteError::OnPurpose) } else { Ok(id) }
            })
        })
        .await
}

async fn notes(database: &Database) -> Vec<i64> {
    sqlx::query_scalar("SELECT id FROM notes ORDER BY id")
        .fetch_all(&mut *database.read().await.unwrap())
        .await
        .unwrap()
}

async fn a_write_is_seen_by_the_next_read_and_after_reopening(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    assert_eq!(note(&database, 7, Then::Succeed).await.unwrap(), 7);
    assert_eq!(notes(&database).await, [7]);
    database.answers().await.unwrap();
    database.close().await;
    assert!(matches!(database.answers().await, Err(DatabaseError::Closed)));

    let again = open(place.location()).await;
    assert_eq!(notes(&again).await, [7]);
    again.close().await;
}

async fn connections_have_the_settings_that_durability_needs(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let (queries, wanted) = on.either(
        (["PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA foreign_keys"], ["wal", "2", "1"]),
        (
            ["SHOW synchronous_commit", "SHOW transaction_isolation", "SHOW transaction_read_only"],
            ["on", "read committed", "off"],
        ),
    );
    let settings = database
        .write(move |tx| {
            Box::pin(async move {
                let mut settings = Vec::new();
                for query in queries {
                    let row = sqlx::query(query).fetch_one(&mut *tx).await?;
                    let number = row.try_get::<i64, _>(0).map(|number| number.to_string());
                    settings.push(number.or_else(|_| row.try_get(0))?);
                }
                Ok::<_, NoteError>(settings)
            })
        })
        .await
        .unwrap();
    assert_eq!(settings, wanted, "2 is FULL");
    let insert = sqlx::query("INSERT INTO notes (id) VALUES (1)");
    let error = insert.execute(&mut *database.read().await.unwrap()).await.unwrap_err().to_string();
    assert!(error.contains("readonly") || error.contains("read-only"), "readers cannot write: {error}");
}

fn processes_that_create_one_database_at_once_all_succeed(on: On) {
    let place = TestDatabase::new(on);
    let starters: Vec<_> = (0..6)
        .map(|id| {
            let location = place.location().clone();
            std::thread::spawn(move || {
                runtime().block_on(async {
                    let database = open(&location).await;
                    note(&database, id, Then::Succeed).await.unwrap();
                    database.close().await;
                });
            })
        })
        .collect();
    for starter in starters {
        starter.join().unwrap();
    }
    runtime().block_on(async {
        Database::create_and_migrate(place.location(), &[NOTES]).await.unwrap();
        let database = open(place.location()).await;
        assert_eq!(notes(&database).await, [0, 1, 2, 3, 4, 5]);
    });
}

async fn a_schema_moves_forward_only_and_its_history_never_changes(on: On) {
    let place = TestDatabase::new(on);
    let create =
        async |migrations: &[Migration]| Database::create_and_migrate(place.location(), migrations).await;
    create(&[NOTES]).await.unwrap();
    create(&[NOTES, TITLES]).await.unwrap();
    create(&[NOTES, TITLES]).await.unwrap();

    let older_program = create(&[NOTES]).await.unwrap_err();
    assert!(older_program.to_string().contains("migration 2"), "{older_program}");
    let rewritten = Migration {
        sqlite: "CREATE TABLE notes (id INTEGER)",
        postgres: "CREATE TABLE notes (id BIGINT)",
        ..NOTES
    };
    let rewritten = create(&[rewritten, TITLES]).await.unwrap_err();
    assert!(rewritten.to_string().contains("modified"), "{rewritten}");
}

async fn jobs_that_wait_together_share_a_commit(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let mut jobs = JoinSet::new();
    let count = 4 * GROUP_JOBS_MAX;
    for id in 0..i64::try_from(count).unwrap() {
        let database = database.clone();
        jobs.spawn(async move { note(&database, id, Then::Succeed).await.unwrap() });
    }
    assert_eq!(jobs.join_all().await.len(), count);
    let stats = database.write_stats();
    assert_eq!(stats.jobs_committed, 256);
    assert!((4..=32).contains(&stats.commits), "256 jobs that wait at once need few commits: {stats:?}");
    // A lone job needs no company.
    note(&database, 1_000, Then::Succeed).await.unwrap();
    assert_eq!(database.write_stats().commits, stats.commits + 1);
}

async fn a_lazy_job_goes_along_with_others_or_alone(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let lazily = |id| database.write_lazily(move |tx| Box::pin(insert(tx, id, None)));
    // Each is queued when the next one is.
    let (first, second, third) = tokio::join!(lazily(1), lazily(2), note(&database, 3, Then::Succeed));
    assert!(first.is_ok() && second.is_ok() && third.is_ok());
    assert_eq!(database.write_stats().commits, 1);
    // Nobody else comes.
    lazily(4).await.unwrap();
    assert_eq!((database.write_stats().commits, notes(&database).await), (2, vec![1, 2, 3, 4]));
    // It isn't lost when the database is closed meanwhile.
    let (written, ()) = tokio::join!(lazily(5), database.close());
    written.unwrap();
    assert_eq!(notes(&open(place.location()).await).await, [1, 2, 3, 4, 5]);
}

async fn a_job_that_fails_or_panics_undoes_only_itself(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let fates = [Then::Succeed, Then::Fail, Then::Succeed, Then::Panic, Then::Succeed];
    let mut jobs = JoinSet::new();
    for (id, then) in (0..).zip(fates) {
        let database = database.clone();
        jobs.spawn(async move { (then, note(&database, id, then).await) });
    }
    for (then, result) in jobs.join_all().await {
        match then {
            Then::Succeed => assert!(result.is_ok()),
            Then::Fail => assert!(matches!(result, Err(NoteError::OnPurpose))),
            Then::Panic => assert!(matches!(result, Err(NoteError::Database(DatabaseError::Panicked)))),
        }
    }
    assert_eq!(notes(&database).await, [0, 2, 4]);
    let stats = database.write_stats();
    assert_eq!((stats.jobs_committed, stats.jobs_rolled_back, stats.commits), (3, 2, 1), "one group");
}

async fn a_commit_that_fails_is_everybodys_error_and_the_writer_goes_on(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let mut jobs = JoinSet::new();
    for id in 0..3 {
        let database = database.clone();
        // Note 1 answers one that does not exist, which SQLite notices only at COMMIT.
        let answers = (id == 1).then_some(99);
        jobs.spawn(async move { database.write(move |tx| Box::pin(insert(tx, id, answers))).await });
    }
    for result in jobs.join_all().await {
        assert!(matches!(result, Err(NoteError::Database(DatabaseError::Storage(_)))), "{result:?}");
    }
    assert_eq!(database.write_stats().commits_failed, 1);
    note(&database, 5, Then::Succeed).await.unwrap();
    assert_eq!(notes(&database).await, [5]);
}

async fn a_caller_that_leaves_does_not_disturb_the_others(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let mut jobs = JoinSet::new();
    for id in 0..20 {
        let database = database.clone();
        jobs.spawn(async move { note(&database, id, Then::Succeed).await.unwrap() });
    }
    // All have queued their jobs when this task goes on, and none has its answer.
    tokio::task::yield_now().await;
    jobs.abort_all();
    while jobs.join_next().await.is_some() {}
    note(&database, 100, Then::Succeed).await.unwrap();
    let stats = database.write_stats();
    assert_eq!(stats.jobs_committed + stats.jobs_skipped, 21, "{stats:?}");
    assert_eq!(u64::try_from(notes(&database).await.len()).unwrap(), stats.jobs_committed);
}

async fn a_full_queue_refuses_at_once_and_nothing_is_lost(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let mut jobs = JoinSet::new();
    let count = i64::try_from(2 * WRITE_QUEUE_MAX).unwrap();
    for id in 0..count {
        let database = database.clone();
        jobs.spawn(async move { note(&database, id, Then::Succeed).await });
    }
    let (mut done, mut refused) = (Vec::new(), 0);
    for result in jobs.join_all().await {
        match result {
            Ok(id) => done.push(id),
            Err(NoteError::Database(error @ DatabaseError::Overloaded)) if error.is_transient() => {
                refused += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    done.sort_unstable();
    assert!(refused > 0 && !done.is_empty());
    assert_eq!(database.write_stats().jobs_refused, refused);
    assert_eq!(notes(&database).await, done);
}

async fn closing_runs_what_is_queued_and_refuses_what_comes_later(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let mut jobs = JoinSet::new();
    for id in 0..200 {
        let database = database.clone();
        jobs.spawn(async move { note(&database, id, Then::Succeed).await.is_ok() });
    }
    tokio::task::yield_now().await;
    database.close().await;
    database.close().await;
    assert!(jobs.join_all().await.into_iter().all(|succeeded| succeeded));
    let late = note(&database, 999, Then::Succeed).await;
    assert!(matches!(late, Err(NoteError::Database(DatabaseError::Closed))));
}

async fn a_snapshot_stays_as_it_was(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    note(&database, 1, Then::Succeed).await.unwrap();
    let count = async |connection: &mut Connection| -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(connection).await.unwrap()
    };
    let mut snapshot = database.snapshot().await.unwrap();
    assert_eq!(count(&mut snapshot).await, 1);
    note(&database, 2, Then::Succeed).await.unwrap();
    assert_eq!(count(&mut snapshot).await, 1);
    drop(snapshot);
    assert_eq!(count(&mut *database.read().await.unwrap()).await, 2);
}

/// PostgreSQL gives up a transaction at the first error, and then takes COMMIT for ROLLBACK without a word.
async fn what_is_acknowledged_is_there_even_if_a_job_forgets_an_error(on: On) {
    let place = TestDatabase::new(on);
    let database = open(place.location()).await;
    let forgetful = database.write(|tx| {
        Box::pin(async move {
            insert(tx, 1, None).await?;
            assert!(insert(tx, 1, None).await.is_err());
            Ok::<_, NoteError>(())
        })
    });
    let kept = if forgetful.await.is_ok() { vec![1] } else { vec![] };
    assert_eq!(notes(&database).await, kept);
    note(&database, 2, Then::Succeed).await.unwrap();
}

async fn a_writer_that_others_keep_waiting_says_so_and_goes_on(on: On) {
    let place = TestDatabase::new(on);
    let [mine, other] = [open(place.location()).await, open(place.location()).await];
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel::<()>();
    let holding = tokio::spawn(async move {
        other
            .write(move |tx| {
                Box::pin(async move {
                    insert(tx, 1, None).await?;
                    let _ = begun.send(());
                    // It waits for our word, as a process would that was stopped.
                    let _ = released.await;
                    Ok::<_, NoteError>(())
                })
            })
            .await
    });
    has_begun.await.unwrap();
    let refused = note(&mine, 2, Then::Succeed).await.unwrap_err();
    assert!(matches!(refused, NoteError::Database(DatabaseError::Busy)), "{refused:?}");
    release.send(()).unwrap();
    holding.await.unwrap().unwrap();
    note(&mine, 3, Then::Succeed).await.unwrap();
    assert_eq!(notes(&mine).await, [1, 3]);
}
