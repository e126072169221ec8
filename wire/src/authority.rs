//! What verifiers need of the service `auth`: the keys of its signatures, what is revoked, tickets, and where actions are recorded.
//!
//! A gateway, and every service on its own port, believes an access token without asking anybody: it knows the public keys, and
//! hears of each revocation as it happens. `auth` itself serves more than these methods; a client that was built with this part of its
//! schema calls it all the same.

use std::fmt;

use crate::error::RpcError;
use crate::schema::{Message, Timestamp};
use crate::service::{CallContext, Outgoing, service};

/// The name of the service that verifiers ask.
pub const AUTHORITY: &str = "auth";

/// The claim `iss` of every token.
pub const ISSUER: &str = "micronet";

/// The claim `aud` of every token.
pub const AUDIENCE: &str = "micronet";

/// The header `typ` of every access token (RFC 9068), so that nothing else that is signed passes for one.
pub const TOKEN_TYPE: &str = "at+jwt";

/// How long an access token is good for, in seconds.
pub const ACCESS_TOKEN_S: u64 = 900;

/// Audit entries that one call may bring.
pub const AUDIT_ENTRIES_MAX: usize = 500;

/// What verifiers ask of the service `auth`.
#[service(name = "auth")]
pub trait Authority {
    /// The public keys by which access tokens are verified (RFC 7517). Whoever finds none for a token's `kid` asks again.
    #[rpc(public, idempotent, rate = "monitoring")]
    async fn keys(&self, context: &CallContext) -> Result<Keys, RpcError>;

    /// What is revoked: first all that still matters, or what came after `after`; then each revocation as it happens. A reply without
    /// one says up to where all was told: once when what there was has been told, and then at least every 20 seconds.
    #[rpc(service, idempotent, rate = "monitoring")]
    async fn revocations(
        &self,
        context: &CallContext,
        request: RevocationsAfter,
        replies: Outgoing<RevocationNews>,
    ) -> Result<(), RpcError>;

    /// Whom a ticket was given to. It is good once: a second time, or after its 30 seconds, it is refused as invalid credentials.
    #[rpc(service("gateway"))]
    async fn redeem(&self, context: &CallContext, request: Ticket) -> Result<Bearer, RpcError>;

    /// Stores entries of the audit log, each once by its id: what was told before is passed over.
    #[rpc(service, idempotent, rate = "monitoring")]
    async fn record(&self, context: &CallContext, request: AuditEntries) -> Result<(), RpcError>;
}

/// The public keys: a JSON Web Key Set.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// The keys, that which signs now first.
    pub keys: Vec<Key>,
}

/// A public key: a JSON Web Key, and since when it is there.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's name, which the tokens that it signed have in their header.
    pub kid: String,
    /// The kind of key: `EC`.
    pub kty: String,
    /// The curve: `P-256`.
    pub crv: String,
    /// The point's first coordinate, in base64url.
    pub x: String,
    /// The second.
    pub y: String,
    /// What it is for: `sig`.
    pub r#use: String,
    /// The algorithm: `ES256`, and no other.
    pub alg: String,
    /// When it was made.
    pub since: Timestamp,
}

/// Asks for revocations.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationsAfter {
    /// Those after this one, as a reply's `through` has said; without it, all that still matter.
    pub after: Option<u64>,
}

/// Something is revoked; or nothing else is, up to here.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct RevocationNews {
    /// All up to here was told: the `after` that leads on.
    pub through: u64,
    /// What is revoked.
    pub revocation: Option<Revocation>,
}

/// Tokens that are no longer good, though they haven't expired.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Which.
    pub of: Revoked,
    /// Until when it matters: by then all of them have expired.
    pub until: Timestamp,
}

/// Which tokens are revoked.
#[derive(Message, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revoked {
    /// All tokens of a session.
    Session {
        /// Their claim `sid`.
        sid: String,
    },
    /// All tokens of an account that were issued so far.
    Account {
        /// Their claim `sub`.
        sub: String,
        /// Those issued at this time or before: their claim `iat`, in seconds since 1970.
        through_s: i64,
    },
    /// Something that this version doesn't know.
    Unknown,
}

/// A one-time ticket, for whoever can't send a header.
#[derive(Message, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The ticket, as it was given.
    #[field(min = 1, max = 128)]
    pub ticket: String,
}

/// A ticket is as good as a password for as long as it is.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(not shown)")
    }
}

/// Who has signed in: what an access token claims.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct Bearer {
    /// The account: the claim `sub`.
    pub sub: String,
    /// The organization that it belongs to: the claim `org`.
    pub org: String,
    /// The session: the claim `sid`.
    pub sid: String,
    /// The token that the ticket was asked for with: the claim `jti`.
    pub jti: String,
    /// What it may do, as `orders:read`.
    pub permissions: Vec<String>,
    /// What it was given the token for.
    pub scopes: Vec<String>,
    /// When the session's token was issued: the claim `iat`.
    pub issued: Timestamp,
    /// Until when all this holds: the claim `exp`.
    pub expires: Timestamp,
}

/// Entries of the audit log.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditEntries {
    /// The entries.
    #[field(max = 500)]
    pub entries: Vec<AuditEntry>,
}

/// What somebody who has signed in has done, or tried to do.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditEntry {
    /// The entry's name: no other has it.
    #[field(min = 1, max = 128)]
    pub id: String,
    /// When it was.
    pub at: Timestamp,
    /// Who: the account's id, or `operator`.
    #[field(max = 128)]
    pub subject: String,
    /// The organization of the account; empty for the operator.
    #[field(max = 128)]
    pub organization: String,
    /// The method and the service, as `order.place`.
    #[field(max = 256)]
    pub action: String,
    /// The HTTP method.
    #[field(max = 16)]
    pub method: String,
    /// The path, without its query.
    #[field(max = 2048)]
    pub path: String,
    /// What it was done to: what the path's parameters were, as `orders/17`; empty without any.
    #[field(max = 2048)]
    pub object: String,
    /// From which address.
    #[field(max = 64)]
    pub address: String,
    /// The request's id.
    #[field(max = 256)]
    pub request_id: String,
    /// The HTTP status of the answer.
    pub status: u32,
    /// What it came to: `ok`, or the code of the error.
    #[field(max = 128)]
    pub outcome: String,
}
