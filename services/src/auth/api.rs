//! The service `auth` as others see it: who may sign in, with what, and what those who have signed in have done.
//!
//! Its tokens are verified without it: what that takes is in [`micronet_wire::authority`], whose methods it serves too.

mod accounts;
mod audit;
mod sessions;

use std::fmt;

use micronet_wire::authority::{AuditEntries, Bearer, Keys, RevocationNews, RevocationsAfter, Ticket};
use micronet_wire::error::RpcError;
use micronet_wire::schema::Message;
use micronet_wire::service::{CallContext, CallError, Outgoing, service};

pub use self::accounts::{
    AccountId, AccountInfo, AccountUpdate, Accounts, ListAccounts, ListOrganizations, NewAccount,
    NewOrganization, OrganizationId, OrganizationInfo, OrganizationUpdate, Organizations, Registered,
    Registration, ResetPassword, RolesChange,
};
pub use self::audit::{AuditLog, AuditQuery, AuditRecord};
pub use self::sessions::{
    ChangePassword, DemoLogin, IssuedTicket, Login, Logout, Me, Refresh, Rotated, SessionId, SessionInfo,
    Sessions, SessionsEnded, Setup, SetupState, Tokens,
};

/// Accounts and their organizations, sessions and tokens, and the audit log.
#[service(name = "auth")]
pub trait Auth {
    /// Enters an organization of one's own, and the account that administers it.
    #[rpc(http("POST /api/v1/auth/register", "POST /auth/register"), public, status = 201, rate = "auth")]
    async fn register(
        &self,
        context: &CallContext,
        request: Registration,
    ) -> Result<Registered, CallError<AuthError>>;

    /// Signs in: a session begins, with an access token for 15 minutes and a refresh token for new ones.
    #[rpc(http("POST /api/v1/auth/login", "POST /auth/login"), public, rate = "auth")]
    async fn login(&self, context: &CallContext, request: Login) -> Result<Tokens, CallError<AuthError>>;

    /// Gives new tokens for a refresh token, which is good once: one that comes a second time ends its session.
    #[rpc(http("POST /api/v1/auth/refresh", "POST /auth/refresh"), public)]
    async fn refresh(&self, context: &CallContext, request: Refresh) -> Result<Tokens, CallError<AuthError>>;

    /// Signs out: ends the session of a refresh token, or that of the access token of the request.
    #[rpc(http("POST /api/v1/auth/logout", "POST /auth/logout"), public, idempotent)]
    async fn logout(
        &self,
        context: &CallContext,
        request: Logout,
    ) -> Result<SessionsEnded, CallError<AuthError>>;

    /// Who has signed in, and what that account may do.
    #[rpc(http("GET /api/v1/auth/me", "GET /auth/me"), signed_in, idempotent)]
    async fn me(&self, context: &CallContext) -> Result<Me, CallError<AuthError>>;

    /// Changes one's password. All other sessions of the account end.
    #[rpc(http("POST /api/v1/auth/password", "POST /auth/password"), signed_in, rate = "auth")]
    async fn change_password(
        &self,
        context: &CallContext,
        request: ChangePassword,
    ) -> Result<SessionsEnded, CallError<AuthError>>;

    /// One's sessions, the newest first.
    #[rpc(http("GET /api/v1/auth/sessions", "GET /auth/sessions"), signed_in, idempotent)]
    async fn sessions(&self, context: &CallContext) -> Result<Sessions, CallError<AuthError>>;

    /// Ends one of one's sessions.
    #[rpc(http("DELETE /api/v1/auth/sessions/{id}", "DELETE /auth/sessions/{id}"), signed_in)]
    async fn end_session(
        &self,
        context: &CallContext,
        request: SessionId,
    ) -> Result<SessionsEnded, CallError<AuthError>>;

    /// Ends all sessions of one's account but the one that this request is made in.
    #[rpc(http("DELETE /api/v1/auth/sessions", "DELETE /auth/sessions"), signed_in, idempotent)]
    async fn end_other_sessions(&self, context: &CallContext) -> Result<SessionsEnded, CallError<AuthError>>;

    /// A ticket for a connection whose client can't send a header, as a browser's WebSocket: good once, for 30 seconds.
    #[rpc(http("POST /api/v1/auth/tickets", "POST /auth/tickets"), signed_in, status = 201)]
    async fn ticket(&self, context: &CallContext) -> Result<IssuedTicket, CallError<AuthError>>;

    /// Whether there is an account yet, and who may sign in to a demonstration.
    #[rpc(http("GET /api/v1/auth/setup", "GET /auth/setup"), public, idempotent)]
    async fn setup_state(&self, context: &CallContext) -> Result<SetupState, RpcError>;

    /// Enters the first organization and its admin, who may do everything, by the code that was made when the network first
    /// started. It is good once.
    #[rpc(http("POST /api/v1/auth/setup", "POST /auth/setup"), public, status = 201, rate = "auth")]
    async fn setup(&self, context: &CallContext, request: Setup) -> Result<Registered, CallError<AuthError>>;

    /// The public keys by which access tokens are verified: a JSON Web Key Set (RFC 7517).
    #[rpc(http("GET /.well-known/jwks.json"), public, idempotent, bare, rate = "monitoring")]
    async fn keys(&self, context: &CallContext) -> Result<Keys, RpcError>;

    /// Signs with a new key from now on. The old one is published for as long as a token that it signed is good.
    #[rpc(http("POST /api/v1/auth/rotate"), permission = "auth:manage")]
    async fn rotate(&self, context: &CallContext) -> Result<Rotated, RpcError>;

    /// What is revoked: first all that still matters, or what came after `after`; then each revocation as it happens.
    #[rpc(service, idempotent, rate = "monitoring")]
    async fn revocations(
        &self,
        context: &CallContext,
        request: RevocationsAfter,
        replies: Outgoing<RevocationNews>,
    ) -> Result<(), RpcError>;

    /// Whom a ticket was given to. It is good once.
    #[rpc(service("gateway"))]
    async fn redeem(&self, context: &CallContext, request: Ticket) -> Result<Bearer, RpcError>;

    /// Stores entries of the audit log, each once by its id.
    #[rpc(service, idempotent, rate = "monitoring")]
    async fn record(&self, context: &CallContext, request: AuditEntries) -> Result<(), RpcError>;

    /// What those who have signed in have done, the newest first: of one's own organization, or of all for an admin of the first one.
    #[rpc(http("GET /api/v1/audit"), page, permission = "audit:read", idempotent)]
    async fn audit(&self, context: &CallContext, request: AuditQuery) -> Result<AuditLog, RpcError>;

    /// The accounts of one's organization, a page of them; of all for an admin of the first one.
    #[rpc(http("GET /api/v1/accounts"), page, permission = "accounts:read", idempotent)]
    async fn list_accounts(&self, context: &CallContext, request: ListAccounts)
    -> Result<Accounts, RpcError>;

    /// One account.
    #[rpc(http("GET /api/v1/accounts/{id}"), permission = "accounts:read", idempotent)]
    async fn account(
        &self,
        context: &CallContext,
        request: AccountId,
    ) -> Result<AccountInfo, CallError<AuthError>>;

    /// Enters an account of one's organization.
    #[rpc(http("POST /api/v1/accounts"), permission = "accounts:write", status = 201)]
    async fn create_account(
        &self,
        context: &CallContext,
        request: NewAccount,
    ) -> Result<AccountInfo, CallError<AuthError>>;

    /// Changes an account's name or e-mail address. What is left out stays as it is.
    #[rpc(
        http("PUT /api/v1/accounts/{id}", "PATCH /api/v1/accounts/{id}"),
        permission = "accounts:write",
        idempotent
    )]
    async fn update_account(
        &self,
        context: &CallContext,
        request: AccountUpdate,
    ) -> Result<AccountInfo, CallError<AuthError>>;

    /// Gives an account other roles. Its tokens are revoked: new ones carry what it may do then.
    #[rpc(http("PUT /api/v1/accounts/{id}/roles"), permission = "accounts:write", idempotent)]
    async fn set_roles(
        &self,
        context: &CallContext,
        request: RolesChange,
    ) -> Result<AccountInfo, CallError<AuthError>>;

    /// Gives an account another password. All its sessions end.
    #[rpc(http("PUT /api/v1/accounts/{id}/password"), permission = "accounts:write", idempotent)]
    async fn reset_password(
        &self,
        context: &CallContext,
        request: ResetPassword,
    ) -> Result<SessionsEnded, CallError<AuthError>>;

    /// Keeps an account from signing in. All its sessions end at once.
    #[rpc(http("POST /api/v1/accounts/{id}/deactivate"), permission = "accounts:write", idempotent)]
    async fn deactivate_account(
        &self,
        context: &CallContext,
        request: AccountId,
    ) -> Result<AccountInfo, CallError<AuthError>>;

    /// Lets an account sign in again.
    #[rpc(http("POST /api/v1/accounts/{id}/activate"), permission = "accounts:write", idempotent)]
    async fn activate_account(
        &self,
        context: &CallContext,
        request: AccountId,
    ) -> Result<AccountInfo, CallError<AuthError>>;

    /// One's organization; all for an admin of the first one.
    #[rpc(http("GET /api/v1/organizations"), page, signed_in, idempotent)]
    async fn list_organizations(
        &self,
        context: &CallContext,
        request: ListOrganizations,
    ) -> Result<Organizations, RpcError>;

    /// One organization.
    #[rpc(http("GET /api/v1/organizations/{id}"), signed_in, idempotent)]
    async fn organization(
        &self,
        context: &CallContext,
        request: OrganizationId,
    ) -> Result<OrganizationInfo, CallError<AuthError>>;

    /// Enters an organization without accounts.
    #[rpc(http("POST /api/v1/organizations"), permission = "organizations:write", status = 201)]
    async fn create_organization(
        &self,
        context: &CallContext,
        request: NewOrganization,
    ) -> Result<OrganizationInfo, CallError<AuthError>>;

    /// Changes an organization's name. Its slug stays.
    #[rpc(
        http("PUT /api/v1/organizations/{id}", "PATCH /api/v1/organizations/{id}"),
        permission = "accounts:write",
        idempotent
    )]
    async fn update_organization(
        &self,
        context: &CallContext,
        request: OrganizationUpdate,
    ) -> Result<OrganizationInfo, CallError<AuthError>>;
}

/// Why `auth` says no, besides credentials that aren't right.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum AuthError {
    /// There is no account of this number, as far as the caller is concerned.
    #[status(404)]
    AccountNotFound {
        /// The number that was asked for.
        id: u64,
    },
    /// An account has this e-mail address.
    #[status(409)]
    AccountAlreadyExists {
        /// The address.
        email: String,
    },
    /// There is no organization of this number, as far as the caller is concerned.
    #[status(404)]
    OrganizationNotFound {
        /// The number that was asked for.
        id: u64,
    },
    /// An organization has this slug.
    #[status(409)]
    OrganizationAlreadyExists {
        /// The slug.
        slug: String,
    },
    /// The account has no such session.
    #[status(404)]
    SessionNotFound {
        /// The session that was asked for.
        id: String,
    },
    /// It is the organization's last active admin: somebody has to be left who can undo it.
    #[status(409)]
    LastAdmin,
    /// Nobody can register before the first account is there.
    #[status(409)]
    NotSetUp,
    /// The first account is there already.
    #[status(409)]
    AlreadySetUp,
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountNotFound { id } => write!(f, "there is no account {id}"),
            Self::AccountAlreadyExists { email } => {
                write!(f, "there is an account with the address {email:?} already")
            }
            Self::OrganizationNotFound { id } => write!(f, "there is no organization {id}"),
            Self::OrganizationAlreadyExists { slug } => {
                write!(f, "there is an organization with the slug {slug:?} already")
            }
            Self::SessionNotFound { id } => write!(f, "there is no session {id:?}"),
            Self::LastAdmin => {
                f.write_str("it is the last active admin of its organization: make another one first")
            }
            Self::NotSetUp => f.write_str("nobody can register before this network is set up"),
            Self::AlreadySetUp => f.write_str("this network is set up already"),
        }
    }
}
