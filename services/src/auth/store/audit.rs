//! The audit log: entries are added, and after their time removed; nothing changes them.

use micronet_wire::authority::AuditEntry;
use micronet_wire::schema::Timestamp;
use sqlx::{AssertSqlSafe, Row as _};

use super::{AuthStore, Expiry, Result};
use crate::database::{Connection, Query, Row, is_storable};
use crate::paging::Page;
use crate::store::StoreError;

/// How long an entry is kept, in seconds: 400 days.
pub(super) const KEPT_S: i64 = 400 * 24 * 3_600;

/// What lies between the times of what the gateway and this service say of one attempt to sign in, at most, in microseconds.
const ATTEMPT_US_MAX: i64 = 60_000_000;

/// Which entries are asked for; what is empty or `None` is whatever there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this organization.
    pub organization: Option<String>,
    /// By this account.
    pub subject: String,
    /// This action.
    pub action: String,
    /// To this object.
    pub object: String,
    /// With this outcome.
    pub outcome: String,
    /// Of the request with this id.
    pub request_id: String,
    /// From then on.
    pub from_us: i64,
    /// Before then.
    pub to_us: Option<i64>,
}

const WANTED: &str = "FROM audit WHERE ($1 = 0 OR organization = $2) AND ($3 = '' OR subject = $3)
    AND ($4 = '' OR action = $4) AND ($5 = '' OR object = $5) AND ($6 = '' OR outcome = $6)
    AND ($7 = '' OR request_id = $7) AND at >= $8 AND at < $9";

impl AuthStore {
    /// Stores entries, each once by its id.
    pub async fn record_audit(&self, entries: Vec<AuditEntry>) -> Result<()> {
        for entry in &entries {
            check(entry)?;
        }
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    for entry in &entries {
                        if !complete(&mut *tx, entry).await? {
                            insert(&mut *tx, entry).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// A page of the log, the newest first, and how many entries there are.
    pub async fn audit(&self, filter: &AuditFilter, page: Page) -> Result<(Vec<AuditEntry>, i64)> {
        let texts = [&filter.subject, &filter.action, &filter.object, &filter.outcome, &filter.request_id];
        if !texts.into_iter().all(|text| is_storable(text)) {
            return Ok((Vec::new(), 0));
        }
        let mut snapshot = self.database.snapshot().await?;
        let query = format!("SELECT * {WANTED} ORDER BY seq DESC LIMIT $10 OFFSET $11");
        let found = filtered(sqlx::query(AssertSqlSafe(query)), filter)
            .bind(page.limit())
            .bind(page.offset())
            .fetch_all(&mut *snapshot)
            .await?;
        let total = filtered(sqlx::query(AssertSqlSafe(format!("SELECT count(*) {WANTED}"))), filter)
            .fetch_one(&mut *snapshot)
            .await?
            .try_get(0)?;
        let entries = found.iter().map(entry).collect::<std::result::Result<_, _>>()?;
        Ok((entries, total))
    }
}

fn filtered(query: Query, filter: &AuditFilter) -> Query {
    query
        .bind(i64::from(filter.organization.is_some()))
        .bind(filter.organization.clone().unwrap_or_default())
        .bind(filter.subject.clone())
        .bind(filter.action.clone())
        .bind(filter.object.clone())
        .bind(filter.outcome.clone())
        .bind(filter.request_id.clone())
        .bind(filter.from_us)
        .bind(filter.to_us.unwrap_or(i64::MAX))
}

/// What the gateway says of somebody who signed in, who is nobody there, belongs to the entry that was stored with the attempt: where it
/// came from. Whether there is such an entry.
async fn complete(tx: &mut Connection, entry: &AuditEntry) -> Result<bool> {
    if !entry.subject.is_empty() {
        return Ok(false);
    }
    let query = "UPDATE audit SET method = $1, path = $2, address = $3
        WHERE request_id = $4 AND action = $5 AND address = '' AND at >= $6 AND at <= $7";
    let completed = sqlx::query(query)
        .bind(&entry.method)
        .bind(&entry.path)
        .bind(&entry.address)
        .bind(&entry.request_id)
        .bind(&entry.action)
        .bind(entry.at.0 - ATTEMPT_US_MAX)
        .bind(entry.at.0 + ATTEMPT_US_MAX)
        .execute(tx)
        .await?;
    Ok(completed.rows_affected() > 0)
}

/// Stores an entry, unless it is there.
pub(super) async fn insert(tx: &mut Connection, entry: &AuditEntry) -> Result<()> {
    let query =
        "INSERT INTO audit (id, at, subject, organization, action, method, path, object, address, request_id,
            status, outcome)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO NOTHING";
    sqlx::query(query)
        .bind(&entry.id)
        .bind(entry.at.0)
        .bind(&entry.subject)
        .bind(&entry.organization)
        .bind(&entry.action)
        .bind(&entry.method)
        .bind(&entry.path)
        .bind(&entry.object)
        .bind(&entry.address)
        .bind(&entry.request_id)
        .bind(i64::from(entry.status))
        .bind(&entry.outcome)
        .execute(tx)
        .await?;
    Ok(())
}

/// An entry whose text can be stored.
fn check(entry: &AuditEntry) -> Result<()> {
    let AuditEntry {
        id,
        subject,
        organization,
        action,
        method,
        path,
        object,
        address,
        request_id,
        outcome,
        ..
    } = entry;
    let texts = [id, subject, organization, action, method, path, object, address, request_id, outcome];
    if texts.into_iter().all(|text| is_storable(text)) {
        Ok(())
    } else {
        Err(StoreError::Invalid("no text of an audit entry has a zero character"))
    }
}

fn entry(row: &Row) -> std::result::Result<AuditEntry, sqlx::Error> {
    Ok(AuditEntry {
        id: row.try_get("id")?,
        at: Timestamp(row.try_get("at")?),
        subject: row.try_get("subject")?,
        organization: row.try_get("organization")?,
        action: row.try_get("action")?,
        method: row.try_get("method")?,
        path: row.try_get("path")?,
        object: row.try_get("object")?,
        address: row.try_get("address")?,
        request_id: row.try_get("request_id")?,
        status: u32::try_from(row.try_get::<i64, _>("status")?).unwrap_or_default(),
        outcome: row.try_get("outcome")?,
    })
}

/// Entries that were kept for long enough.
pub(super) const fn expired(now_us: i64) -> Expiry {
    (
        "SELECT 1 FROM audit WHERE at < $1 LIMIT 1",
        &["DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < $1 ORDER BY at LIMIT $2)"],
        now_us - KEPT_S * 1_000_000,
    )
}
