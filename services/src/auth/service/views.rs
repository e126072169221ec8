//! Rows as callers see them.

use micronet_wire::authority::AuditEntry;
use micronet_wire::schema::Timestamp;

use crate::auth::api::{
    AccountInfo, AuditRecord, AuthError, DemoLogin, OrganizationInfo, Registered, SessionInfo,
};
use crate::auth::store::{Account, AuthStore, Organization, Session};
use crate::demo::DemoAccount;
use crate::store::StoreError;

pub(super) fn account_info(account: Account) -> AccountInfo {
    AccountInfo {
        id: account.id.unsigned_abs(),
        organization_id: account.organization_id.unsigned_abs(),
        email: account.email,
        full_name: account.full_name,
        roles: account.roles.names(),
        is_active: account.is_active,
        is_superuser: account.is_superuser,
        created_at: Timestamp(account.created_at),
        updated_at: Timestamp(account.updated_at),
    }
}

pub(super) fn organization_info(organization: Organization) -> OrganizationInfo {
    OrganizationInfo {
        id: organization.id.unsigned_abs(),
        name: organization.name,
        slug: organization.slug,
        is_home: organization.is_home,
        created_at: Timestamp(organization.created_at),
        updated_at: Timestamp(organization.updated_at),
    }
}

pub(super) fn demo_login(account: &DemoAccount) -> DemoLogin {
    // In the demonstration's words: who administers it is its manager.
    let role = if account.role == "admin" { "manager" } else { "client" };
    DemoLogin { role: role.into(), email: account.email.into(), password: account.password.into() }
}

/// An account that was entered with its organization.
pub(super) async fn registered(store: &AuthStore, id: i64) -> Result<Registered, StoreError<AuthError>> {
    let account = store.account(id).await?;
    let organization = organization_info(store.organization(account.organization_id).await?);
    Ok(Registered { account: account_info(account), organization })
}

pub(super) fn session_info(session: Session, current: &str) -> SessionInfo {
    SessionInfo {
        current: session.id == current,
        id: session.id,
        created_at: Timestamp(session.created_at),
        seen_at: Timestamp(session.seen_at),
        expires_at: Timestamp(session.expires_at),
    }
}

pub(super) fn audit_record(entry: AuditEntry) -> AuditRecord {
    AuditRecord {
        id: entry.id,
        at: entry.at,
        subject: entry.subject,
        organization: entry.organization,
        action: entry.action,
        method: entry.method,
        path: entry.path,
        object: entry.object,
        address: entry.address,
        request_id: entry.request_id,
        status: entry.status,
        outcome: entry.outcome,
    }
}

/// The short name that an organization gets by its name: small letters and digits, with `-` for all between.
pub(super) fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == SLUG_BYTES {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "organization".to_owned() } else { slug.to_owned() }
}

/// A slug that is made of a name is at most this long.
const SLUG_BYTES: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_made_of_any_name() {
        let cases = [
            ("Analytical Engines", "analytical-engines"),
            ("  R&D -- (Lab) ", "r-d-lab"),
            ("ΟΔΟΣ", "organization"),
            ("a", "a"),
        ];
        for (name, slug) in cases {
            assert_eq!(slug_of(name), slug, "{name}");
        }
        assert_eq!(slug_of(&"ab ".repeat(100)).len(), 47);
    }
}
