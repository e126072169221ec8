//! Tests of the file's life and of the writer, on a table of notes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::sqlite::SqliteConnection;
use tokio::task::JoinSet;

use super::{Database, DatabaseError, GROUP_JOBS_MAX, Migration, WRITE_QUEUE_MAX};

/// A folder that is gone when the test is.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("micronet-services-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A runtime of the kind that a service's process has.
pub(crate) fn runtime() -> tokio::runtime::LocalRuntime {
    tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default()).unwrap()
}

const NOTES: Migration = Migration {
    version: 1,
    name: "notes",
    sql: "CREATE TABLE notes (
        id INTEGER PRIMARY KEY,
        answers INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED
    )",
};

const TITLES: Migration = Migration { version: 2, name: "titles", sql: "ALTER TABLE notes ADD title TEXT" };

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

async fn open(path: &Path) -> Database {
    Database::open(path, &[NOTES]).await.unwrap()
}

async fn insert(tx: &mut SqliteConnection, id: i64, answers: Option<i64>) -> Result<(), NoteError> {
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
    sqlx::query_scalar("SELECT id FROM notes ORDER BY id").fetch_all(database.readers()).await.unwrap()
}

#[tokio::test(flavor = "local")]
async fn a_write_is_seen_by_the_next_read_and_after_reopening() {
    let folder = TempFolder::new();
    let path = folder.file("deep/down/notes.db");
    let database = open(&path).await;
    assert_eq!(note(&database, 7, Then::Succeed).await.unwrap(), 7);
    assert_eq!(notes(&database).await, [7]);
    database.check().await.unwrap();
    database.close().await;
    assert!(matches!(database.check().await, Err(DatabaseError::Closed)));

    let again = open(&path).await;
    assert_eq!(notes(&again).await, [7]);
    again.close().await;
}

#[tokio::test(flavor = "local")]
async fn connections_have_the_settings_that_durability_needs() {
    let folder = TempFolder::new();
    let database = open(&folder.file("notes.db")).await;
    let settings: (String, i64, i64) = database
        .write(|tx| {
            Box::pin(async move {
                let journal = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *tx).await?;
                let synchronous = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *tx).await?;
                let keys = sqlx::query_scalar("PRAGMA foreign_keys").fetch_one(&mut *tx).await?;
                Ok::<_, NoteError>((journal, synchronous, keys))
            })
        })
        .await
        .unwrap();
    assert_eq!(settings, ("wal".to_owned(), 2, 1), "2 is FULL");
    let error = sqlx::query("INSERT INTO notes (id) VALUES (1)").execute(database.readers()).await;
    assert!(error.unwrap_err().to_string().contains("readonly"), "readers cannot write");
}

#[test]
fn processes_that_create_one_file_at_once_all_succeed() {
    let folder = TempFolder::new();
    let starters: Vec<_> = (0..6)
        .map(|id| {
            let path = folder.file("notes.db");
            std::thread::spawn(move || {
                runtime().block_on(async {
                    let database = open(&path).await;
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
        Database::create_and_migrate(&folder.file("notes.db"), &[NOTES]).await.unwrap();
        let database = open(&folder.file("notes.db")).await;
        assert_eq!(notes(&database).await, [0, 1, 2, 3, 4, 5]);
    });
}

#[tokio::test(flavor = "local")]
async fn a_schema_moves_forward_only_and_its_history_never_changes() {
    let folder = TempFolder::new();
    let path = folder.file("notes.db");
    let create = async |migrations: &[Migration]| Database::create_and_migrate(&path, migrations).await;
    create(&[NOTES]).await.unwrap();
    create(&[NOTES, TITLES]).await.unwrap();
    create(&[NOTES, TITLES]).await.unwrap();

    let older_program = create(&[NOTES]).await.unwrap_err();
    assert!(older_program.to_string().contains("notes.db: migration 2"), "{older_program}");
    let rewritten = Migration { sql: "CREATE TABLE notes (id INTEGER)", ..NOTES };
    let rewritten = create(&[rewritten, TITLES]).await.unwrap_err();
    assert!(rewritten.to_string().contains("modified"), "{rewritten}");
}

#[tokio::test(flavor = "local")]
async fn jobs_that_wait_together_share_a_commit() {
    let folder = TempFolder::new();
    let database = open(&folder.file("notes.db")).await;
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

#[tokio::test(flavor = "local")]
async fn a_job_that_fails_or_panics_undoes_only_itself() {
    let folder = TempFolder::new();
    let database = open(&folder.file("notes.db")).await;
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

#[tokio::test(flavor = "local")]
async fn a_commit_that_fails_is_everybodys_error_and_the_writer_goes_on() {
    let folder = TempFolder::new();
    let database = open(&folder.file("notes.db")).await;
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

#[tokio::test(flavor = "local")]
async fn a_caller_that_leaves_does_not_disturb_the_others() {
    let folder = TempFolder::new();
    let database = open(&folder.file("notes.db")).await;
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

#[tokio::test(flavor = "local")]
async fn a_full_queue_refuses_at_once_and_nothing_is_lost() {
    let folder = TempFolder::new();
    let database = open(&folder.file("notes.db")).await;
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

#[tokio::test(flavor = "local")]
async fn closing_runs_what_is_queued_and_refuses_what_comes_later() {
    let folder = TempFolder::new();
    let database = open(&folder.file("notes.db")).await;
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
