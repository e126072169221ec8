//! The messages of the audit log. What is recorded comes as `micronet_wire::authority` has it.

use micronet_wire::schema::{Message, Timestamp};

use crate::paging::Pagination;

/// Asks for a page of the audit log.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Which page, from 1.
    #[field(min = 1, max = 1_000_000)]
    pub page: Option<u32>,
    /// Entries of a page; 20 unless given.
    #[field(min = 1, max = 100)]
    pub per_page: Option<u32>,
    /// Only what this account has done: its number, or `operator`.
    #[field(max = 128)]
    pub subject: Option<String>,
    /// Only this, as `order.place`.
    #[field(max = 256)]
    pub action: Option<String>,
    /// Only what was done to this, as `orders/17`.
    #[field(max = 2048)]
    pub object: Option<String>,
    /// Only what came to this: `ok`, or the code of an error.
    #[field(max = 128)]
    pub outcome: Option<String>,
    /// Only what belongs to the request with this id.
    #[field(max = 256)]
    pub request_id: Option<String>,
    /// Only of this organization; for who sees others than their own.
    #[field(min = 1, max = 9_223_372_036_854_775_807)]
    pub organization_id: Option<u64>,
    /// Only from then on.
    pub from: Option<Timestamp>,
    /// Only before then.
    pub to: Option<Timestamp>,
}

/// A page of the audit log.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct AuditLog {
    /// The entries, the newest first.
    pub items: Vec<AuditRecord>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// What somebody has done, or tried to do.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its name.
    pub id: String,
    /// When it was.
    pub at: Timestamp,
    /// Who: the account's number, or `operator`; empty for somebody who isn't known.
    pub subject: String,
    /// The number of the account's organization; empty without any.
    pub organization: String,
    /// The method and its service, as `order.place`.
    pub action: String,
    /// The HTTP method; empty where it was another call.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// What it was done to, as `orders/17`.
    pub object: String,
    /// From which address.
    pub address: String,
    /// The request's id.
    pub request_id: String,
    /// The HTTP status of the answer.
    pub status: u32,
    /// What it came to: `ok`, or the code of the error.
    pub outcome: String,
}
