//! The handlers of the service `auth`.

mod caller;
mod keys;
mod managing;
mod outcomes;
mod passwords;
mod revocations;
mod secrets;
mod setup;
mod share;
mod signing_in;
#[cfg(test)]
mod tests;
mod views;

use std::path::PathBuf;
use std::rc::Rc;

use micronet_transport::clock::unix_us;
use micronet_transport::tasks;
use micronet_wire::authority::{AuditEntries, Bearer, Keys, RevocationNews, RevocationsAfter, Ticket};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Timestamp;
use micronet_wire::service::{CallContext, CallError, Outgoing};

use self::caller::{NothingSeen, Sight};
use self::keys::{SCOPES, Signer};
use self::outcomes::AuthOutcomes;
use self::passwords::Passwords;
use self::share::{CONSUMER, Share};
use self::views::{audit_record, demo_login};
use super::api::{
    AccountId, AccountInfo, AccountUpdate, Accounts, AuditLog, AuditQuery, Auth, AuthError, AuthServer,
    ChangePassword, IssuedTicket, ListAccounts, ListOrganizations, Login, Logout, Me, NewAccount,
    NewOrganization, OrganizationId, OrganizationInfo, OrganizationUpdate, Organizations, Refresh,
    Registered, Registration, ResetPassword, RolesChange, Rotated, SessionId, Sessions, SessionsEnded, Setup,
    SetupState, Tokens,
};
use super::store::{AuditFilter, AuthStore};
use crate::events::watch::Watched;
use crate::paging::Page;
use crate::run::{Definition, Environment, Running, StartError};
use crate::store::{Store as _, open, prepare, row_id};

pub use self::setup::code_file;

/// How this service is prepared and started.
pub const DEFINITION: Definition = Definition {
    name: "auth",
    port_offsets: &[4],
    environment: "AUTH",
    prepare: |environment| Box::pin(prepare::<AuthStore>(environment)),
    start: |environment| Box::pin(start(environment)),
    ..Definition::ALONE
};

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store: AuthStore = open(&environment).await?;
    let share = match &environment.redis {
        Some(url) => {
            let share =
                Share::new(store.clone(), url).map_err(|error| StartError::Store(error.to_string()))?;
            Some(Rc::new(share))
        }
        None => {
            // Else events would be kept for it for ever.
            let forgotten = store.forget_consumer(CONSUMER).await;
            forgotten.map_err(|error| StartError::Store(error.to_string()))?;
            None
        }
    };
    let sharing =
        share.clone().map(|share| tasks::spawn("sharing of revocations", async move { share.run().await }));
    setup::offer(&store, environment.private.as_deref()).await?;
    let service = AuthService::new(store.clone(), environment.private.clone(), share);
    let outcomes = Box::new(AuthOutcomes { store: store.clone() });
    let finish = Box::pin(async move {
        if let Some(sharing) = sharing {
            sharing.abort();
        }
        store.database().close().await;
    });
    Ok(Running { service: Box::new(AuthServer::new(service)?), outcomes, finish })
}

/// The service `auth`.
#[derive(Debug)]
pub struct AuthService {
    store: AuthStore,
    signer: Signer,
    passwords: Passwords,
    feed: Watched,
    /// The folder of what nobody else may read.
    private: Option<PathBuf>,
    /// Who else is told of sessions.
    share: Option<Rc<Share>>,
}

/// What a handler answers.
type Answer<T> = Result<T, CallError<AuthError>>;

impl Auth for AuthService {
    async fn register(&self, context: &CallContext, request: Registration) -> Answer<Registered> {
        self.enter_organization(context, request).await
    }

    async fn login(&self, context: &CallContext, request: Login) -> Answer<Tokens> {
        self.sign_in(context, request).await
    }

    async fn refresh(&self, context: &CallContext, request: Refresh) -> Answer<Tokens> {
        self.renew(context, &request.refresh_token).await
    }

    async fn logout(&self, context: &CallContext, request: Logout) -> Answer<SessionsEnded> {
        self.sign_out(context, request).await
    }

    async fn me(&self, context: &CallContext) -> Answer<Me> {
        self.introduce(&context.principal).await
    }

    async fn change_password(&self, context: &CallContext, request: ChangePassword) -> Answer<SessionsEnded> {
        self.exchange_password(context, request).await
    }

    async fn sessions(&self, context: &CallContext) -> Answer<Sessions> {
        self.own_sessions(&context.principal).await
    }

    async fn end_session(&self, context: &CallContext, request: SessionId) -> Answer<SessionsEnded> {
        self.end_own_session(&context.principal, request.id).await
    }

    async fn end_other_sessions(&self, context: &CallContext) -> Answer<SessionsEnded> {
        self.end_own_other_sessions(&context.principal).await
    }

    async fn ticket(&self, context: &CallContext) -> Answer<IssuedTicket> {
        self.issue_ticket(&context.principal).await
    }

    async fn setup_state(&self, _: &CallContext) -> Result<SetupState, RpcError> {
        let demo = self.store.demo_accounts().await?.into_iter().map(demo_login).collect();
        Ok(SetupState { needed: !self.store.has_accounts().await?, demo })
    }

    async fn setup(&self, context: &CallContext, request: Setup) -> Answer<Registered> {
        self.set_up(context, request).await
    }

    async fn keys(&self, _: &CallContext) -> Result<Keys, RpcError> {
        self.signer.published().await
    }

    async fn rotate(&self, _: &CallContext) -> Result<Rotated, RpcError> {
        Ok(Rotated { kid: self.signer.rotate().await? })
    }

    async fn revocations(
        &self,
        _: &CallContext,
        request: RevocationsAfter,
        replies: Outgoing<RevocationNews>,
    ) -> Result<(), RpcError> {
        revocations::tell(&self.store, &self.feed, request, replies).await
    }

    async fn redeem(&self, _: &CallContext, request: Ticket) -> Result<Bearer, RpcError> {
        let now_us = unix_us();
        let taken = self.store.take_ticket(secrets::hash(&request.ticket), now_us).await?;
        let Some((account, session)) = taken else {
            return Err(RpcError::new(Code::InvalidCredentials, "the ticket is unknown, used or expired"));
        };
        let issued_s = now_us.div_euclid(1_000_000).max(account.tokens_from_s);
        Ok(Bearer {
            sub: account.id.to_string(),
            org: account.organization_id.to_string(),
            sid: session,
            jti: secrets::unique(),
            permissions: account.permissions(),
            scopes: SCOPES.iter().map(ToString::to_string).collect(),
            issued: Timestamp(issued_s * 1_000_000),
            expires: Timestamp(
                (issued_s + micronet_wire::authority::ACCESS_TOKEN_S.cast_signed()) * 1_000_000,
            ),
        })
    }

    async fn record(&self, _: &CallContext, request: AuditEntries) -> Result<(), RpcError> {
        Ok(self.store.record_audit(request.entries).await?)
    }

    async fn audit(&self, context: &CallContext, request: AuditQuery) -> Result<AuditLog, RpcError> {
        let page = Page::of(request.page, request.per_page);
        let Ok(organization) = Sight::of(&context.principal).within(request.organization_id.map(row_id))
        else {
            return Ok(AuditLog { items: Vec::new(), pagination: page.among(0) });
        };
        let filter = AuditFilter {
            organization: organization.map(|organization| organization.to_string()),
            subject: request.subject.unwrap_or_default(),
            action: request.action.unwrap_or_default(),
            object: request.object.unwrap_or_default(),
            outcome: request.outcome.unwrap_or_default(),
            request_id: request.request_id.unwrap_or_default(),
            from_us: request.from.map_or(i64::MIN, |from| from.0),
            to_us: request.to.map(|to| to.0),
        };
        let (entries, total) = self.store.audit(&filter, page).await?;
        let items = entries.into_iter().map(audit_record).collect();
        Ok(AuditLog { items, pagination: page.among(total) })
    }

    async fn list_accounts(
        &self,
        context: &CallContext,
        request: ListAccounts,
    ) -> Result<Accounts, RpcError> {
        self.list_of_accounts(&context.principal, request).await
    }

    async fn account(&self, context: &CallContext, request: AccountId) -> Answer<AccountInfo> {
        Ok(views::account_info(self.seen(&context.principal, request.id).await?))
    }

    async fn create_account(&self, context: &CallContext, request: NewAccount) -> Answer<AccountInfo> {
        self.enter_account(context, request).await
    }

    async fn update_account(&self, context: &CallContext, request: AccountUpdate) -> Answer<AccountInfo> {
        self.change_account(&context.principal, request).await
    }

    async fn set_roles(&self, context: &CallContext, request: RolesChange) -> Answer<AccountInfo> {
        self.change_roles(&context.principal, request).await
    }

    async fn reset_password(&self, context: &CallContext, request: ResetPassword) -> Answer<SessionsEnded> {
        self.replace_password(&context.principal, request).await
    }

    async fn deactivate_account(&self, context: &CallContext, request: AccountId) -> Answer<AccountInfo> {
        self.set_active(&context.principal, request.id, false).await
    }

    async fn activate_account(&self, context: &CallContext, request: AccountId) -> Answer<AccountInfo> {
        self.set_active(&context.principal, request.id, true).await
    }

    async fn list_organizations(
        &self,
        context: &CallContext,
        request: ListOrganizations,
    ) -> Result<Organizations, RpcError> {
        let page = Page::of(request.page, request.per_page);
        let (items, total) = match Sight::of(&context.principal).within(None) {
            Ok(seen) => self.store.organizations(seen, page).await?,
            Err(NothingSeen) => (Vec::new(), 0),
        };
        let items = items.into_iter().map(views::organization_info).collect();
        Ok(Organizations { items, pagination: page.among(total) })
    }

    async fn organization(&self, context: &CallContext, request: OrganizationId) -> Answer<OrganizationInfo> {
        self.seen_organization(&context.principal, request.id).await.map(views::organization_info)
    }

    async fn create_organization(
        &self,
        context: &CallContext,
        request: NewOrganization,
    ) -> Answer<OrganizationInfo> {
        self.enter_empty_organization(context, request).await
    }

    async fn update_organization(
        &self,
        context: &CallContext,
        request: OrganizationUpdate,
    ) -> Answer<OrganizationInfo> {
        let organization = self.seen_organization(&context.principal, request.id).await?;
        let renamed = self.store.rename_organization(organization.id, request.name, unix_us()).await?;
        Ok(views::organization_info(renamed))
    }
}

impl AuthService {
    fn new(store: AuthStore, private: Option<PathBuf>, share: Option<Rc<Share>>) -> Self {
        Self {
            signer: Signer::new(store.clone(), private.clone()),
            passwords: Passwords::new(),
            feed: Watched::new(store.database()),
            private,
            share,
            store,
        }
    }

    /// Something of what is shared may have changed.
    fn wake(&self) {
        if let Some(share) = &self.share {
            share.wake();
        }
    }
}
