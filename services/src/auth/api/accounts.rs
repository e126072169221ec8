//! The messages of accounts and organizations.

use micronet_wire::schema::{Hidden, Message, Timestamp};

use crate::paging::Pagination;

/// Enters an organization and its first account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The account's e-mail address: no other account has it.
    #[field(min = 3, max = 254, format = "email", example = "ada@example.com")]
    pub email: String,
    /// Its password.
    #[field(min = 8, max = 128, secret)]
    pub password: Hidden,
    /// The name of whoever it belongs to.
    #[field(min = 1, max = 200, format = "line", example = "Ada Lovelace")]
    pub full_name: String,
    /// The organization's name.
    #[field(min = 1, max = 200, format = "line", example = "Analytical Engines")]
    pub organization: String,
    /// The organization's short name: small letters, digits and `-`; made of its name unless given.
    #[field(min = 1, max = 64, format = "slug", example = "analytical-engines")]
    pub slug: Option<String>,
}

/// An organization and its first account were entered.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The account.
    pub account: AccountInfo,
    /// The organization.
    pub organization: OrganizationInfo,
}

/// An account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct AccountInfo {
    /// The number.
    pub id: u64,
    /// The number of its organization.
    pub organization_id: u64,
    /// The e-mail address.
    #[field(example = "ada@example.com")]
    pub email: String,
    /// The name.
    #[field(example = "Ada Lovelace")]
    pub full_name: String,
    /// Its roles: some of `admin`, `operator`, `viewer` and `api_user`.
    pub roles: Vec<String>,
    /// Whether it may sign in.
    pub is_active: bool,
    /// Whether it may do everything: an admin of the first organization.
    pub is_superuser: bool,
    /// When it was entered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Names an account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct AccountId {
    /// Its number.
    #[field(min = 1, max = 9_007_199_254_740_991, example = "2")]
    pub id: u64,
}

/// Asks for a page of the accounts.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct ListAccounts {
    /// Which page, from 1.
    #[field(min = 1, max = 1_000_000)]
    pub page: Option<u32>,
    /// Accounts of a page; 20 unless given.
    #[field(min = 1, max = 100)]
    pub per_page: Option<u32>,
    /// `id` (unless given), `email`, `full_name` or `created_at`; with a `-` before it from the highest to the lowest.
    #[field(
        format = "choice id -id email -email full_name -full_name created_at -created_at",
        example = "-created_at"
    )]
    pub sort: Option<String>,
    /// Only those whose name or e-mail address contains this, in upper or lower case.
    #[field(max = 200)]
    pub search: Option<String>,
    /// Only those that may sign in, or that may not.
    pub is_active: Option<bool>,
    /// Only those of this organization; for who sees others than their own.
    #[field(min = 1, max = 9_007_199_254_740_991)]
    pub organization_id: Option<u64>,
}

/// A page of the accounts.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// The accounts.
    pub items: Vec<AccountInfo>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// Enters an account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The e-mail address: no other account has it.
    #[field(min = 3, max = 254, format = "email", example = "grace@example.com")]
    pub email: String,
    /// The password.
    #[field(min = 8, max = 128, secret)]
    pub password: Hidden,
    /// The name of whoever it belongs to.
    #[field(min = 1, max = 200, format = "line", example = "Grace Hopper")]
    pub full_name: String,
    /// Its roles: some of `admin`, `operator`, `viewer` and `api_user`; `viewer` unless given.
    #[field(max = 4)]
    pub roles: Option<Vec<String>>,
    /// Its organization, for who sees others than their own; one's own unless given.
    #[field(min = 1, max = 9_007_199_254_740_991)]
    pub organization_id: Option<u64>,
}

/// Changes an account.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct AccountUpdate {
    /// Its number.
    #[field(min = 1, max = 9_007_199_254_740_991, example = "2")]
    pub id: u64,
    /// The new e-mail address.
    #[field(min = 3, max = 254, format = "email")]
    pub email: Option<String>,
    /// The new name.
    #[field(min = 1, max = 200, format = "line")]
    pub full_name: Option<String>,
}

/// Gives an account other roles.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct RolesChange {
    /// Its number.
    #[field(min = 1, max = 9_007_199_254_740_991, example = "2")]
    pub id: u64,
    /// Its roles from now on: some of `admin`, `operator`, `viewer` and `api_user`.
    #[field(max = 4)]
    pub roles: Vec<String>,
}

/// Gives an account another password.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ResetPassword {
    /// Its number.
    #[field(min = 1, max = 9_007_199_254_740_991, example = "2")]
    pub id: u64,
    /// The password from now on.
    #[field(min = 8, max = 128, secret)]
    pub new_password: Hidden,
}

/// An organization.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OrganizationInfo {
    /// The number.
    pub id: u64,
    /// The name.
    #[field(example = "Analytical Engines")]
    pub name: String,
    /// The short name.
    #[field(example = "analytical-engines")]
    pub slug: String,
    /// Whether it is the first one, whose admins may do everything.
    pub is_home: bool,
    /// When it was entered.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Names an organization.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OrganizationId {
    /// Its number.
    #[field(min = 1, max = 9_007_199_254_740_991, example = "1")]
    pub id: u64,
}

/// Asks for a page of the organizations.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOrganizations {
    /// Which page, from 1.
    #[field(min = 1, max = 1_000_000)]
    pub page: Option<u32>,
    /// Organizations of a page; 20 unless given.
    #[field(min = 1, max = 100)]
    pub per_page: Option<u32>,
}

/// A page of the organizations.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Organizations {
    /// The organizations.
    pub items: Vec<OrganizationInfo>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// Enters an organization.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct NewOrganization {
    /// The name.
    #[field(min = 1, max = 200, format = "line", example = "Analytical Engines")]
    pub name: String,
    /// The short name: small letters, digits and `-`; made of the name unless given.
    #[field(min = 1, max = 64, format = "slug", example = "analytical-engines")]
    pub slug: Option<String>,
}

/// Changes an organization.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OrganizationUpdate {
    /// Its number.
    #[field(min = 1, max = 9_007_199_254_740_991, example = "1")]
    pub id: u64,
    /// The new name.
    #[field(min = 1, max = 200, format = "line")]
    pub name: String,
}
