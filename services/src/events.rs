//! The durable change feed of a service: what has changed, in order, for whoever wants to know.
//!
//! An event is written in the transaction of the change that it tells of, so there is neither without the other. Writes exclude
//! each other, so ids ascend in the order of the commits: who has read up to an id has missed nothing before it.
//!
//! Three ways lead out. Whoever wants to know *pulls*: asks for what comes after the last id that it has seen; or *watches*
//! ([`watch`]): hears of each change as it happens, and goes on from the last id when its stream has ended. And a service that
//! knows who has to know *relays* ([`Relay`]): it calls the consumer, and keeps how far it has come. Each event is told at least
//! once, those of one key in order, and a consumer that is slow or away delays itself and nobody else. A consumer for whom once
//! more is too often notes in the transaction of what it does how far it has come ([`advance_followed`]).

pub mod watch;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use micronet_wire::encoding;
use micronet_wire::schema::Message;
use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::Notify;

use crate::database::{Connection, Database, DatabaseError, DatabaseResult, placeholders, sized};
use crate::store::row_id;

/// Events that one answer holds at most.
pub const EVENTS_MAX: u32 = 500;

/// How long an event stays for those who pull; relayed ones stay for as long as it takes.
pub const KEPT_US: i64 = 7 * 24 * 3_600 * 1_000_000;

/// How often it is looked for expired events: whenever as many were written.
const PURGED_EVERY: i64 = 16;

/// Expired events that are removed then: more than were written, so that the feed shrinks back after a burst.
const PURGED_AT_ONCE: i64 = 64;

const _: () = assert!(PURGED_AT_ONCE > PURGED_EVERY);

/// Events that a relay has under way at once.
const RELAYED_AT_ONCE: u32 = 64;

/// How often a relay looks for what other instances have written, and how long it leaves an absent consumer alone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An event as it stands in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<T> {
    /// Its place in the feed.
    pub id: i64,
    /// Events of one key are told in order.
    pub key: String,
    /// When it was written, in microseconds since 1970.
    pub at_us: i64,
    /// What has changed.
    pub change: T,
}

/// Asks for events.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsAfter {
    /// Those after this id; without it, from the oldest.
    pub after: Option<u64>,
    /// As many of them at most; without it 100.
    #[field(min = 1, max = 500)]
    pub limit: Option<u32>,
}

impl EventsAfter {
    /// The range to read: after which id, and how many.
    #[must_use]
    pub fn range(&self) -> (i64, u32) {
        (row_id(self.after.unwrap_or(0)), self.limit.unwrap_or(100).clamp(1, EVENTS_MAX))
    }
}

/// Writes an event. Call it in the transaction of the change.
///
/// # Errors
/// Those of the database.
pub async fn append(
    tx: &mut Connection,
    key: &str,
    change: &impl Message,
    now_us: i64,
) -> DatabaseResult<()> {
    insert(tx, &[(key, encoded(change)?)], now_us).await
}

/// Writes events, in this order. Call it in the transaction of the changes.
///
/// # Errors
/// Those of the database.
pub async fn append_all(
    tx: &mut Connection,
    events: &[(&str, impl Message)],
    now_us: i64,
) -> DatabaseResult<()> {
    let rows: DatabaseResult<Vec<_>> =
        events.iter().map(|(key, change)| Ok((*key, encoded(change)?))).collect();
    insert(tx, &rows?, now_us).await
}

fn encoded(change: &impl Message) -> DatabaseResult<Bytes> {
    encoding::encode(change).map_err(|error| DatabaseError::Corrupt(error.to_string()))
}

async fn insert(tx: &mut Connection, rows: &[(&str, Bytes)], now_us: i64) -> DatabaseResult<()> {
    for part in sized(rows) {
        let values = placeholders(1, 3, part.len());
        let query = format!("INSERT INTO events (event_key, body, at_us) VALUES {values} RETURNING id");
        let mut query = sqlx::query_scalar(AssertSqlSafe(query));
        for (key, body) in part {
            query = query.bind(*key).bind(&body[..]).bind(now_us);
        }
        let ids: Vec<i64> = query.fetch_all(&mut *tx).await?;
        for _ in ids.iter().filter(|id| *id % PURGED_EVERY == 0) {
            purge(&mut *tx, now_us - KEPT_US).await?;
        }
    }
    Ok(())
}

/// Removes events from before a time that nobody has to be told any more, the oldest first and not too many.
async fn purge(tx: &mut Connection, before_us: i64) -> DatabaseResult<()> {
    // Only the oldest are looked at, so that this costs the same however long the feed is.
    let query = "DELETE FROM events WHERE id IN (
        SELECT id FROM (SELECT id, at_us FROM events ORDER BY id LIMIT $2) AS oldest
        WHERE at_us < $1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE through_id < oldest.id))";
    sqlx::query(query).bind(before_us).bind(PURGED_AT_ONCE).execute(tx).await?;
    Ok(())
}

/// The events after an id, oldest first.
///
/// # Errors
/// Those of the database, and [`DatabaseError::Corrupt`] for an event that is not of this type.
pub async fn read<T: Message>(
    database: &Database,
    after: i64,
    limit: u32,
) -> Result<Vec<Recorded<T>>, DatabaseError> {
    let query = "SELECT id, event_key, body, at_us FROM events WHERE id > $1 ORDER BY id LIMIT $2";
    let rows =
        sqlx::query(query).bind(after).bind(i64::from(limit)).fetch_all(&mut *database.read().await?).await?;
    let recorded = rows.iter().map(|row| {
        let body: Vec<u8> = row.try_get("body")?;
        let change =
            encoding::decode(&body).map_err(|error| DatabaseError::Corrupt(format!("an event: {error}")))?;
        Ok(Recorded {
            id: row.try_get("id")?,
            key: row.try_get("event_key")?,
            at_us: row.try_get("at_us")?,
            change,
        })
    });
    recorded.collect()
}

/// What a feed answers: the events after an id, and the id of the oldest event that is still there.
///
/// # Errors
/// Those of [`read`].
pub async fn answer<T: Message>(
    database: &Database,
    after: i64,
    limit: u32,
) -> Result<(Vec<Recorded<T>>, i64), DatabaseError> {
    Ok((read(database, after, limit).await?, oldest(database).await?))
}

/// The id of the oldest event that is still there; 0 without any.
///
/// # Errors
/// Those of the database.
pub async fn oldest(database: &Database) -> Result<i64, DatabaseError> {
    let query = "SELECT coalesce(min(id), 0) FROM events";
    Ok(sqlx::query_scalar(query).fetch_one(&mut *database.read().await?).await?)
}

/// The id of the newest event; 0 without any.
///
/// # Errors
/// Those of the database.
pub async fn newest(database: &Database) -> Result<i64, DatabaseError> {
    let query = "SELECT coalesce(max(id), 0) FROM events";
    Ok(sqlx::query_scalar(query).fetch_one(&mut *database.read().await?).await?)
}

/// How far a relay has come with a consumer.
///
/// # Errors
/// Those of the database.
pub async fn told_through(tx: &mut Connection, consumer: &str) -> Result<i64, DatabaseError> {
    let query = "SELECT through_id FROM deliveries WHERE consumer = $1";
    let row: Option<i64> = sqlx::query_scalar(query).bind(consumer).fetch_optional(tx).await?;
    Ok(row.unwrap_or(0))
}

/// Notes how far a relay has come with a consumer; never back.
async fn advance(tx: &mut Connection, consumer: &str, through: i64) -> Result<(), DatabaseError> {
    let query = "INSERT INTO deliveries (consumer, through_id) VALUES ($1, $2)
        ON CONFLICT (consumer) DO UPDATE SET through_id = $2 WHERE deliveries.through_id < $2";
    sqlx::query(query).bind(consumer).bind(through).execute(tx).await?;
    Ok(())
}

/// How far this service has come with the feed of another one.
///
/// # Errors
/// Those of the database.
pub async fn followed_through(tx: &mut Connection, producer: &str) -> Result<i64, DatabaseError> {
    let query = "SELECT through_id FROM followed WHERE producer = $1";
    let row: Option<i64> = sqlx::query_scalar(query).bind(producer).fetch_optional(tx).await?;
    Ok(row.unwrap_or(0))
}

/// Notes how far this service has come with the feed of another one. Call it in the transaction of what was made of it.
///
/// # Errors
/// Those of the database.
pub async fn advance_followed(
    tx: &mut Connection,
    producer: &str,
    through: i64,
) -> Result<(), DatabaseError> {
    let query = "INSERT INTO followed (producer, through_id) VALUES ($1, $2)
        ON CONFLICT (producer) DO UPDATE SET through_id = $2 WHERE followed.through_id < $2";
    sqlx::query(query).bind(producer).bind(through).execute(tx).await?;
    Ok(())
}

/// What came of telling a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It knows, or doesn't want to know.
    Yes,
    /// It can't be reached: it will be told again.
    No,
}

/// Tells each of these events, those of one key one after the other and different keys at once. The first that could not be told
/// holds back those of its key behind it.
///
/// Returns its id; `None` if all were told.
pub async fn tell_each<T>(events: &[Recorded<T>], tell: impl AsyncFn(&Recorded<T>) -> Told) -> Option<i64> {
    let mut by_key: BTreeMap<&str, Vec<&Recorded<T>>> = BTreeMap::new();
    for event in events {
        by_key.entry(&event.key).or_default().push(event);
    }
    let untold = join_all(by_key.values().map(async |events| {
        for event in events {
            if tell(event).await == Told::No {
                return Some(event.id);
            }
        }
        None
    }));
    untold.await.into_iter().flatten().min()
}

/// Tells one consumer what has changed: each event at least once.
#[derive(Debug)]
pub struct Relay {
    database: Database,
    consumer: &'static str,
    /// Notified when this instance has written an event.
    news: Notify,
    /// Whether the consumer was away the last time.
    away: Cell<bool>,
    /// Whether the database is known to have heard of the consumer: only then it keeps what the consumer has not.
    noted: Cell<bool>,
}

impl Relay {
    /// A relay to a consumer, by its name in the database.
    #[must_use]
    pub fn new(database: &Database, consumer: &'static str) -> Self {
        Self {
            database: database.clone(),
            consumer,
            news: Notify::new(),
            away: Cell::new(false),
            noted: Cell::new(false),
        }
    }

    /// Says that there is something to tell.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Whether the consumer could not be told the last time: why, is no news any more.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.away.get()
    }

    /// Tells whatever there is to tell, for ever. `tell` gets the next few events, and returns the id of the first that it could
    /// not tell, or `None`.
    pub async fn run<T: Message>(&self, tell: impl AsyncFn(&[Recorded<T>]) -> Option<i64>) {
        loop {
            if self.tell_all(&tell).await == Told::Yes {
                // Other instances write too.
                let _ = tokio::time::timeout(LOOK_EVERY, self.news.notified()).await;
            } else {
                // It is away: there is no sense in asking for each new event.
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Tells all that is there now. [`Told::No`] if the consumer, or the database, was away.
    pub async fn tell_all<T: Message>(&self, tell: &impl AsyncFn(&[Recorded<T>]) -> Option<i64>) -> Told {
        loop {
            match self.tell_some(tell).await {
                Ok(None) => return Told::Yes,
                Ok(Some(told)) => {
                    self.note(told);
                    if told == Told::No {
                        return told;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, consumer = self.consumer, "cannot read or note what was told");
                    return Told::No;
                }
            }
        }
    }

    fn note(&self, told: Told) {
        let was_away = self.away.replace(told == Told::No);
        match told {
            Told::No if !was_away => {
                tracing::warn!(consumer = self.consumer, "cannot be told what has changed: it is kept");
            }
            Told::Yes if was_away => {
                tracing::info!(consumer = self.consumer, "can be told again, and hears all");
            }
            Told::No | Told::Yes => {}
        }
    }

    /// Tells the next few events; `None` if there are none.
    async fn tell_some<T: Message>(
        &self,
        tell: &impl AsyncFn(&[Recorded<T>]) -> Option<i64>,
    ) -> Result<Option<Told>, DatabaseError> {
        if !self.noted.get() {
            self.advance(0).await?;
            self.noted.set(true);
        }
        let after = told_through(&mut *self.database.read().await?, self.consumer).await?;
        let events: Vec<Recorded<T>> = read(&self.database, after, RELAYED_AT_ONCE).await?;
        let Some(last) = events.last() else { return Ok(None) };
        let untold = tell(&events).await;
        // Some behind the first untold one may have been told; they are told again.
        let through = untold.map_or(last.id, |id| id - 1);
        if through > after {
            self.advance(through).await?;
        }
        Ok(Some(if untold.is_some() { Told::No } else { Told::Yes }))
    }

    async fn advance(&self, through: i64) -> Result<(), DatabaseError> {
        let consumer = self.consumer;
        self.database.write_lazily(move |tx| Box::pin(advance(tx, consumer, through))).await
    }
}
