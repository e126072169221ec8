//! Accounts: who may sign in, and with what.

use micronet_wire::authority::ACCESS_TOKEN_S;
use micronet_wire::schema::{Hidden, Timestamp};
use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::changes::{AuthChange, record};
use super::organizations::{self, NewOrganization, flag, taken};
use super::roles::{Role, Roles};
use super::sessions::{self, Ending};
use super::{AuthStore, Result, SecretHash};
use crate::auth::api::AuthError;
use crate::database::{Connection, Row, is_storable};
use crate::demo::{Demo, DemoAccount};
use crate::once::Once;
use crate::paging::{Page, folded};
use crate::store::{EMAIL_BYTES_MAX, NAME_CHARS_MAX, StoreError};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The number.
    pub id: i64,
    /// The number of its organization.
    pub organization_id: i64,
    /// The e-mail address, as it was given; unique whatever its case.
    pub email: String,
    /// The hash of its password.
    pub hashed_password: Hidden,
    /// The name.
    pub full_name: String,
    /// Its roles.
    pub roles: Roles,
    /// Whether it may sign in.
    pub is_active: bool,
    /// Whether it may do everything.
    pub is_superuser: bool,
    /// Whether its organization is the first one.
    pub is_home: bool,
    /// Tokens that were issued before this second, since 1970, are revoked.
    pub tokens_from_s: i64,
    /// When it was entered.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

impl Account {
    /// What it may do.
    #[must_use]
    pub fn permissions(&self) -> Vec<String> {
        self.roles.permissions(self.is_home)
    }
}

/// An account that is to be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// The number of its organization; of one that is entered with it, whatever stands here.
    pub organization_id: i64,
    /// The e-mail address.
    pub email: String,
    /// The hash of its password.
    pub hashed_password: Hidden,
    /// The name.
    pub full_name: String,
    /// Its roles.
    pub roles: Roles,
}

/// What is to change about an account; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The new e-mail address.
    pub email: Option<String>,
    /// The new name.
    pub full_name: Option<String>,
}

/// All of a row, with whether its organization is the first one.
const COLUMNS: &str =
    "*, CAST(CASE WHEN organization_id = (SELECT min(id) FROM organizations) THEN 1 ELSE 0 END AS BIGINT)
        AS is_home";

/// Which accounts are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those of this organization; of all without one.
    pub organization: Option<i64>,
    /// Those that match this pattern ([`crate::paging::contains`]).
    pub pattern: String,
    /// Those that are active, or that aren't.
    pub is_active: Option<bool>,
}

impl AuthStore {
    /// The account of this number.
    pub async fn account(&self, id: i64) -> Result<Account> {
        find(&mut *self.database.read().await?, id).await
    }

    /// Whether there is any account.
    pub async fn has_accounts(&self) -> Result<bool> {
        has_any(&mut *self.database.read().await?).await
    }

    /// The demonstration's accounts that sign in with the passwords that everybody knows.
    pub async fn demo_accounts(&self) -> Result<Vec<&'static DemoAccount>> {
        let mut open = Vec::new();
        let mut connection = self.database.read().await?;
        for demo in Demo::Shop.organization().map_or(&[][..], |organization| organization.accounts) {
            let found = find_by_email(&mut connection, demo.email).await?;
            if found.is_some_and(|of| of.is_active && of.hashed_password.0 == demo.hashed_password) {
                open.push(demo);
            }
        }
        Ok(open)
    }

    /// A page of the accounts, in an order of [`crate::paging::order_by`], and how many there are.
    pub async fn accounts(&self, listing: &Listing, order: &str, page: Page) -> Result<(Vec<Account>, i64)> {
        let wanted = "FROM accounts WHERE search LIKE $1 ESCAPE '\\' AND ($2 = 0 OR organization_id = $2)
            AND ($3 = 2 OR is_active = $3)";
        let (organization, is_active) =
            (listing.organization.unwrap_or(0), listing.is_active.map_or(2_i64, i64::from));
        let mut snapshot = self.database.snapshot().await?;
        // The order is one of ours, never the caller's text.
        let query = AssertSqlSafe(format!("SELECT {COLUMNS} {wanted} ORDER BY {order} LIMIT $4 OFFSET $5"));
        let accounts = sqlx::query_as(query)
            .bind(&listing.pattern)
            .bind(organization)
            .bind(is_active)
            .bind(page.limit())
            .bind(page.offset())
            .fetch_all(&mut *snapshot)
            .await?;
        let total = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) {wanted}")))
            .bind(&listing.pattern)
            .bind(organization)
            .bind(is_active)
            .fetch_one(&mut *snapshot)
            .await?;
        Ok((accounts, total))
    }

    /// Enters an account, and returns its number.
    pub async fn create_account(&self, once: Once, new: NewAccount) -> Result<u64> {
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move { Ok(insert(tx, &new, now_us).await?.id.unsigned_abs()) })
        })
        .await
    }

    /// Enters an organization and its first account, where there are accounts already; returns the account's number.
    pub async fn register(&self, once: Once, organization: NewOrganization, new: NewAccount) -> Result<u64> {
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move {
                if !has_any(&mut *tx).await? {
                    return Err(StoreError::Refused(AuthError::NotSetUp));
                }
                found(tx, &organization, new, now_us).await
            })
        })
        .await
    }

    /// Enters the first organization and the first account, and returns its number. No code is good for it any more.
    pub async fn set_up(&self, once: Once, organization: NewOrganization, new: NewAccount) -> Result<u64> {
        let now_us = once.now_us;
        once.run(&self.database, self.keeping, move |tx| {
            Box::pin(async move {
                if has_any(&mut *tx).await? {
                    return Err(StoreError::Refused(AuthError::AlreadySetUp));
                }
                sqlx::query("DELETE FROM setup_codes").execute(&mut *tx).await?;
                found(tx, &organization, new, now_us).await
            })
        })
        .await
    }

    /// Whether this is the hash of a code by which the first account can be made.
    pub async fn is_setup_code(&self, hash: SecretHash) -> Result<bool> {
        let query = "SELECT count(*) FROM setup_codes WHERE code_hash = $1";
        let found: i64 =
            sqlx::query_scalar(query).bind(&hash[..]).fetch_one(&mut *self.database.read().await?).await?;
        Ok(found > 0)
    }

    /// Makes a code good for the first account, while there is none. Whether it is.
    pub async fn admit_setup_code(&self, hash: SecretHash, now_us: i64) -> Result<bool> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    if has_any(&mut *tx).await? {
                        return Ok(false);
                    }
                    let query = "INSERT INTO setup_codes (code_hash, created_at) VALUES ($1, $2)
                        ON CONFLICT (code_hash) DO NOTHING";
                    sqlx::query(query).bind(&hash[..]).bind(now_us).execute(tx).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Changes an account's address or name.
    pub async fn update_account(&self, id: i64, change: Change, now_us: i64) -> Result<Account> {
        self.database.write(move |tx| Box::pin(async move { update(tx, id, &change, now_us).await })).await
    }

    /// Gives an account other roles; its tokens are revoked, its sessions stay.
    pub async fn set_roles(&self, id: i64, roles: Roles, now_us: i64) -> Result<Account> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let before = find(&mut *tx, id).await?;
                    if before.roles == roles {
                        return Ok(before);
                    }
                    if before.is_active && !roles.has(Role::Admin) {
                        keep_an_admin(&mut *tx, &before).await?;
                    }
                    let home = organizations::find(&mut *tx, before.organization_id).await?.is_home;
                    let query =
                        "UPDATE accounts SET roles = $2, is_superuser = $3, updated_at = $4 WHERE id = $1";
                    sqlx::query(query)
                        .bind(id)
                        .bind(roles.text())
                        .bind(i64::from(home && roles.has(Role::Admin)))
                        .bind(now_us)
                        .execute(&mut *tx)
                        .await?;
                    revoke_tokens(&mut *tx, id, now_us).await?;
                    find(tx, id).await
                })
            })
            .await
    }

    /// Says whether an account may sign in. One that may not any more is signed out everywhere.
    pub async fn set_active(&self, id: i64, is_active: bool, now_us: i64) -> Result<Account> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let before = find(&mut *tx, id).await?;
                    if before.is_active == is_active {
                        return Ok(before);
                    }
                    if !is_active {
                        keep_an_admin(&mut *tx, &before).await?;
                    }
                    let query = "UPDATE accounts SET is_active = $2, updated_at = $3 WHERE id = $1";
                    sqlx::query(query)
                        .bind(id)
                        .bind(i64::from(is_active))
                        .bind(now_us)
                        .execute(&mut *tx)
                        .await?;
                    if !is_active {
                        sessions::end(&mut *tx, &Ending::AllOf { account: id }, now_us).await?;
                        revoke_tokens(&mut *tx, id, now_us).await?;
                    }
                    find(tx, id).await
                })
            })
            .await
    }

    /// Gives an account another password, and ends its sessions but this one. How many ended.
    pub async fn set_password(
        &self,
        id: i64,
        hashed: Hidden,
        but: Option<String>,
        now_us: i64,
    ) -> Result<u32> {
        self.database
            .write(move |tx| {
                Box::pin(async move {
                    let query = "UPDATE accounts SET hashed_password = $2, updated_at = $3 WHERE id = $1";
                    sqlx::query(query).bind(id).bind(&hashed.0).bind(now_us).execute(&mut *tx).await?;
                    let which = match but {
                        Some(but) => Ending::OthersOf { account: id, but },
                        None => Ending::AllOf { account: id },
                    };
                    sessions::end(tx, &which, now_us).await
                })
            })
            .await
    }
}

/// Enters an organization, with an account as its admin.
async fn found(
    tx: &mut Connection,
    organization: &NewOrganization,
    new: NewAccount,
    now_us: i64,
) -> Result<u64> {
    let organization_id = organizations::insert(&mut *tx, organization, now_us).await?.id;
    Ok(insert(tx, &NewAccount { organization_id, ..new }, now_us).await?.id.unsigned_abs())
}

async fn has_any(connection: &mut Connection) -> Result<bool> {
    let any: Option<i64> =
        sqlx::query_scalar("SELECT id FROM accounts LIMIT 1").fetch_optional(connection).await?;
    Ok(any.is_some())
}

pub(super) async fn find(connection: &mut Connection, id: i64) -> Result<Account> {
    let query = format!("SELECT {COLUMNS} FROM accounts WHERE id = $1");
    let found = sqlx::query_as(AssertSqlSafe(query)).bind(id).fetch_optional(connection).await?;
    found.ok_or_else(|| StoreError::Refused(AuthError::AccountNotFound { id: id.unsigned_abs() }))
}

/// The account with this address, in upper or lower case.
pub(super) async fn find_by_email(connection: &mut Connection, email: &str) -> Result<Option<Account>> {
    let query = format!("SELECT {COLUMNS} FROM accounts WHERE email_key = $1");
    Ok(sqlx::query_as(AssertSqlSafe(query)).bind(folded(email)).fetch_optional(connection).await?)
}

pub(super) async fn insert(tx: &mut Connection, new: &NewAccount, now_us: i64) -> Result<Account> {
    check(Some(&new.email), Some(&new.full_name))?;
    let home = organizations::find(&mut *tx, new.organization_id).await?.is_home;
    let query =
        "INSERT INTO accounts (organization_id, email, email_key, search, hashed_password, full_name, roles,
            is_active, is_superuser, tokens_from_s, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, 0, $9, $9) RETURNING id";
    let id = sqlx::query_scalar(query)
        .bind(new.organization_id)
        .bind(&new.email)
        .bind(folded(&new.email))
        .bind(search(&new.full_name, &new.email))
        .bind(&new.hashed_password.0)
        .bind(&new.full_name)
        .bind(new.roles.text())
        .bind(i64::from(home && new.roles.has(Role::Admin)))
        .bind(now_us)
        .fetch_one(&mut *tx)
        .await
        .map_err(|error| taken(error, AuthError::AccountAlreadyExists { email: new.email.clone() }))?;
    find(tx, id).await
}

async fn update(tx: &mut Connection, id: i64, change: &Change, now_us: i64) -> Result<Account> {
    check(change.email.as_deref(), change.full_name.as_deref())?;
    let before = find(&mut *tx, id).await?;
    let email = change.email.as_ref().unwrap_or(&before.email);
    let full_name = change.full_name.as_ref().unwrap_or(&before.full_name);
    if *email == before.email && *full_name == before.full_name {
        return Ok(before);
    }
    let query = "UPDATE accounts SET email = $2, email_key = $3, search = $4, full_name = $5, updated_at = $6
        WHERE id = $1";
    sqlx::query(query)
        .bind(id)
        .bind(email)
        .bind(folded(email))
        .bind(search(full_name, email))
        .bind(full_name)
        .bind(now_us)
        .execute(&mut *tx)
        .await
        .map_err(|error| taken(error, AuthError::AccountAlreadyExists { email: email.clone() }))?;
    find(tx, id).await
}

/// Refuses what would leave the organization of an active admin without one.
async fn keep_an_admin(tx: &mut Connection, account: &Account) -> Result<()> {
    if !account.roles.has(Role::Admin) {
        return Ok(());
    }
    let query = "SELECT count(*) FROM accounts WHERE organization_id = $1 AND id <> $2 AND is_active = 1
        AND ' ' || roles || ' ' LIKE '% admin %'";
    let others: i64 =
        sqlx::query_scalar(query).bind(account.organization_id).bind(account.id).fetch_one(tx).await?;
    if others == 0 { Err(StoreError::Refused(AuthError::LastAdmin)) } else { Ok(()) }
}

/// Revokes the access tokens that were issued so far.
async fn revoke_tokens(tx: &mut Connection, id: i64, now_us: i64) -> Result<()> {
    // A token says to the second when it was issued, and one of this second may be revoked already.
    let query =
        "UPDATE accounts SET tokens_from_s = CASE WHEN tokens_from_s > $2 THEN tokens_from_s ELSE $2 END + 1
        WHERE id = $1 RETURNING tokens_from_s";
    let from_s: i64 = sqlx::query_scalar(query).bind(id).bind(seconds(now_us)).fetch_one(&mut *tx).await?;
    let until = Timestamp((from_s + ACCESS_TOKEN_S.cast_signed()) * 1_000_000);
    let change = AuthChange::AccountRevoked { account: id.unsigned_abs(), through_s: from_s - 1, until };
    Ok(record(tx, id, &change, now_us).await?)
}

/// Whole seconds since 1970.
pub(super) fn seconds(at_us: i64) -> i64 {
    at_us.div_euclid(1_000_000)
}

/// What a search looks into.
fn search(full_name: &str, email: &str) -> String {
    folded(&format!("{full_name}\n{email}"))
}

fn check(email: Option<&str>, full_name: Option<&str>) -> Result<()> {
    if full_name.is_some_and(|name| {
        name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX || !is_storable(name)
    }) {
        return Err(StoreError::Invalid("an account's name has 1 to 200 characters, none of them zero"));
    }
    if email.is_some_and(|email| email.is_empty() || email.len() > EMAIL_BYTES_MAX || !is_storable(email)) {
        return Err(StoreError::Invalid("an e-mail address has 1 to 254 bytes, none of them zero"));
    }
    Ok(())
}

impl FromRow<'_, Row> for Account {
    fn from_row(row: &Row) -> std::result::Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            organization_id: row.try_get("organization_id")?,
            email: row.try_get("email")?,
            hashed_password: Hidden(row.try_get("hashed_password")?),
            full_name: row.try_get("full_name")?,
            roles: Roles::from_text(&row.try_get::<String, _>("roles")?),
            is_active: flag(row, "is_active")?,
            is_superuser: flag(row, "is_superuser")?,
            is_home: flag(row, "is_home")?,
            tokens_from_s: row.try_get("tokens_from_s")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}
