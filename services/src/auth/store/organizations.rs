//! Organizations.

use sqlx::{FromRow, Row as _};

use super::{AuthStore, Result};
use crate::auth::api::AuthError;
use crate::database::{Connection, Row, is_storable};
use crate::once::Once;
use crate::paging::Page;
use crate::store::{NAME_CHARS_MAX, StoreError};

/// An organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// The number.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The short name; no other has it.
    pub slug: String,
    /// Whether it is the first one.
    pub is_home: bool,
    /// When it was entered.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

/// An organization that is to be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrganization {
    /// The name.
    pub name: String,
    /// The short name.
    pub slug: String,
}

/// With whether it is the first one, which the one with the smallest number is: none is ever removed.
const COLUMNS: &str =
    "SELECT *, CAST(CASE WHEN id = (SELECT min(id) FROM organizations) THEN 1 ELSE 0 END AS BIGINT) AS is_home
    FROM organizations";

impl AuthStore {
    /// The organization of this number.
    pub async fn organization(&self, id: i64) -> Result<Organization> {
        find(&mut *self.database.read().await?, id).await
    }

    /// A page of the organizations, or the one that is seen, and how many there are.
    pub async fn organizations(&self, seen: Option<i64>, page: Page) -> Result<(Vec<Organization>, i64)> {
        let mut snapshot = self.database.snapshot().await?;
        let query = format!("{COLUMNS} WHERE ($1 = 0 OR id = $1) ORDER BY id LIMIT $2 OFFSET $3");
        let seen = seen.unwrap_or(0);
        let found = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(seen)
            .bind(page.limit())
            .bind(page.offset())
            .fetch_all(&mut *snapshot)
            .await?;
        let total = sqlx::query_scalar("SELECT count(*) FROM organizations WHERE ($1 = 0 OR id = $1)");
        Ok((found, total.bind(seen).fetch_one(&mut *snapshot).await?))
    }

    /// Enters an organization, and returns its number.
    pub async fn create_organization(&self, once: Once, new: NewOrganization) -> Result<u64> {
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { Ok(insert(tx, &new, now_us).await?.id.unsigned_abs()) })
        })
        .await
    }

    /// Changes an organization's name.
    pub async fn rename_organization(&self, id: i64, name: String, now_us: i64) -> Result<Organization> {
        check_name(&name)?;
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let query =
                        "UPDATE organizations SET name = $2, updated_at = $3 WHERE id = $1 AND name <> $2";
                    sqlx::query(query).bind(id).bind(&name).bind(now_us).execute(&mut *tx).await?;
                    find(tx, id).await
                })
            })
            .await
    }
}

pub(super) async fn find(connection: &mut Connection, id: i64) -> Result<Organization> {
    let query = sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = $1"));
    let found = sqlx::query_as(query).bind(id).fetch_optional(connection).await?;
    found.ok_or_else(|| StoreError::Refused(AuthError::OrganizationNotFound { id: id.unsigned_abs() }))
}

pub(super) async fn insert(tx: &mut Connection, new: &NewOrganization, now_us: i64) -> Result<Organization> {
    check_name(&new.name)?;
    if !is_slug(&new.slug) {
        return Err(StoreError::Invalid(
            "a slug has 1 to 64 small letters, digits and -, and no - at an end",
        ));
    }
    let query =
        "INSERT INTO organizations (name, slug, created_at, updated_at) VALUES ($1, $2, $3, $3) RETURNING id";
    let id = sqlx::query_scalar(query)
        .bind(&new.name)
        .bind(&new.slug)
        .bind(now_us)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| taken(error, AuthError::OrganizationAlreadyExists { slug: new.slug.clone() }))?;
    find(tx, id).await
}

fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || !is_storable(name) {
        return Err(StoreError::Invalid("an organization's name has 1 to 200 characters, none of them zero"));
    }
    Ok(())
}

/// Whether a text can be a slug.
fn is_slug(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    plain && (1..=64).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-')
}

impl FromRow<'_, Row> for Organization {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            slug: row.try_get("slug")?,
            is_home: flag(row, "is_home")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// A flag of a row: 1, or 0.
pub(super) fn flag(row: &Row, column: &str) -> std::result::Result<bool, sqlx::Error> {
    Ok(row.try_get::<i64, _>(column)? == 1)
}

/// What breaks a unique index is refused so.
pub(super) fn taken(error: sqlx::Error, refusal: AuthError) -> StoreError<AuthError> {
    if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) {
        return StoreError::Refused(refusal);
    }
    error.into()
}
