//! Accounts and organizations, as those who administer them see and change them. What they don't see isn't there.
//!
//! Of a write that happens once a hash of the request is stored, by which nobody should be able to try passwords: it is that of the
//! request without them.

use micronet_transport::clock::unix_us;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::principal::Principal;
use micronet_wire::schema::Hidden;
use micronet_wire::service::{CallContext, CallError};

use super::caller::{NothingSeen, Sight};
use super::secrets::{hash, unique};
use super::setup;
use super::views::{account_info, organization_info, registered, slug_of};
use super::{Answer, AuthService};
use crate::auth::api::{
    AccountInfo, AccountUpdate, Accounts, AuthError, ListAccounts, NewAccount, NewOrganization,
    OrganizationInfo, Registered, Registration, ResetPassword, RolesChange, SessionsEnded, Setup,
};
use crate::auth::store::{self, Account, Change, Listing, Organization, Role, Roles};
use crate::calls::once;
use crate::paging::{Page, contains, order_by};
use crate::store::{StoreError, StoreResult, row_id};

/// What a list can be sorted by.
const SORT_KEYS: [(&str, &str); 4] =
    [("id", "id"), ("email", "email_key"), ("full_name", "full_name"), ("created_at", "created_at")];

impl AuthService {
    /// An organization of one's own, with oneself as its admin.
    pub(super) async fn enter_organization(
        &self,
        context: &CallContext,
        request: Registration,
    ) -> Answer<Registered> {
        if !self.store.has_accounts().await? {
            return Err(CallError::Service(AuthError::NotSetUp));
        }
        let once =
            once(context, "auth.register", &Registration { password: Hidden::default(), ..request.clone() })?;
        let admin = self.new_admin(request.email, request.password, request.full_name).await?;
        let id = with_slug(request.slug, &request.organization, async |slug| {
            let organization = store::NewOrganization { name: request.organization.clone(), slug };
            self.store.register(once.clone(), organization, admin.clone()).await
        });
        Ok(registered(&self.store, row_id(id.await?)).await?)
    }

    /// The first organization and its admin.
    pub(super) async fn set_up(&self, context: &CallContext, request: Setup) -> Answer<Registered> {
        let once = once(
            context,
            "auth.setup",
            &Setup { code: Hidden::default(), password: Hidden::default(), ..request.clone() },
        )?;
        if self.store.has_accounts().await? {
            return Err(CallError::Service(AuthError::AlreadySetUp));
        }
        if !self.store.is_setup_code(hash(request.code.0.trim())).await? {
            let words = "the code is not right";
            return Err(CallError::Rpc(RpcError::new(Code::InvalidCredentials, words)));
        }
        let admin = self.new_admin(request.email, request.password, request.full_name).await?;
        let slug = slug_of(&request.organization);
        let organization = store::NewOrganization { name: request.organization, slug };
        let id = self.store.set_up(once, organization, admin).await?;
        if let Some(private) = &self.private {
            setup::withdraw(private);
        }
        Ok(registered(&self.store, row_id(id)).await?)
    }

    async fn new_admin(
        &self,
        email: String,
        password: Hidden,
        full_name: String,
    ) -> Answer<store::NewAccount> {
        let hashed_password = self.passwords.hash(password).await?;
        let roles = Roles::of(&[Role::Admin.name()])?;
        Ok(store::NewAccount { organization_id: 0, email, hashed_password, full_name, roles })
    }

    pub(super) async fn list_of_accounts(
        &self,
        principal: &Principal,
        request: ListAccounts,
    ) -> Result<Accounts, RpcError> {
        let order = order_by(request.sort.as_deref(), &SORT_KEYS, "id")?;
        let page = Page::of(request.page, request.per_page);
        let (accounts, total) = match Sight::of(principal).within(request.organization_id.map(row_id)) {
            Ok(organization) => {
                let pattern = contains(request.search.as_deref().unwrap_or(""));
                let listing = Listing { organization, pattern, is_active: request.is_active };
                self.store.accounts(&listing, &order, page).await?
            }
            Err(NothingSeen) => (Vec::new(), 0),
        };
        let items = accounts.into_iter().map(account_info).collect();
        Ok(Accounts { items, pagination: page.among(total) })
    }

    /// An account, if the caller sees it.
    pub(super) async fn seen(&self, principal: &Principal, id: u64) -> Answer<Account> {
        Sight::of(principal).account(self.store.account(row_id(id)).await?)
    }

    /// An organization, if the caller sees it.
    pub(super) async fn seen_organization(&self, principal: &Principal, id: u64) -> Answer<Organization> {
        if Sight::of(principal).sees(row_id(id)) {
            Ok(self.store.organization(row_id(id)).await?)
        } else {
            Err(CallError::Service(AuthError::OrganizationNotFound { id }))
        }
    }

    pub(super) async fn enter_account(
        &self,
        context: &CallContext,
        request: NewAccount,
    ) -> Answer<AccountInfo> {
        let roles = match &request.roles {
            Some(names) => Roles::of(names)?,
            None => Roles::of(&[Role::Viewer.name()])?,
        };
        let own = context.principal.organization().and_then(|own| own.parse().ok());
        let Some(organization_id) = request.organization_id.or(own) else {
            let words = "organization_id: say of which organization, since you belong to none";
            return Err(CallError::Rpc(RpcError::new(Code::InvalidInput, words)));
        };
        let organization_id = self.seen_organization(&context.principal, organization_id).await?.id;
        let once = once(
            context,
            "auth.create_account",
            &NewAccount { password: Hidden::default(), ..request.clone() },
        )?;
        let hashed_password = self.passwords.hash(request.password).await?;
        let new = store::NewAccount {
            organization_id,
            email: request.email,
            hashed_password,
            full_name: request.full_name,
            roles,
        };
        let id = self.store.create_account(once, new).await?;
        Ok(account_info(self.store.account(row_id(id)).await?))
    }

    pub(super) async fn change_account(
        &self,
        principal: &Principal,
        request: AccountUpdate,
    ) -> Answer<AccountInfo> {
        let account = self.seen(principal, request.id).await?;
        let change = Change { email: request.email, full_name: request.full_name };
        Ok(account_info(self.store.update_account(account.id, change, unix_us()).await?))
    }

    pub(super) async fn change_roles(
        &self,
        principal: &Principal,
        request: RolesChange,
    ) -> Answer<AccountInfo> {
        let roles = Roles::of(&request.roles)?;
        let account = self.seen(principal, request.id).await?;
        let changed = self.store.set_roles(account.id, roles, unix_us()).await?;
        self.wake();
        Ok(account_info(changed))
    }

    pub(super) async fn replace_password(
        &self,
        principal: &Principal,
        request: ResetPassword,
    ) -> Answer<SessionsEnded> {
        let account = self.seen(principal, request.id).await?;
        let hashed = self.passwords.hash(request.new_password).await?;
        let ended = self.store.set_password(account.id, hashed, None, unix_us()).await?;
        self.wake();
        Ok(SessionsEnded { ended })
    }

    pub(super) async fn set_active(
        &self,
        principal: &Principal,
        id: u64,
        is_active: bool,
    ) -> Answer<AccountInfo> {
        let account = self.seen(principal, id).await?;
        let changed = self.store.set_active(account.id, is_active, unix_us()).await?;
        self.wake();
        Ok(account_info(changed))
    }

    pub(super) async fn enter_empty_organization(
        &self,
        context: &CallContext,
        request: NewOrganization,
    ) -> Answer<OrganizationInfo> {
        let once = once(context, "auth.create_organization", &request)?;
        let id = with_slug(request.slug, &request.name, async |slug| {
            let new = store::NewOrganization { name: request.name.clone(), slug };
            self.store.create_organization(once.clone(), new).await
        });
        Ok(organization_info(self.store.organization(row_id(id.await?)).await?))
    }
}

/// Enters something with the slug that was given; or with one of its name, and if another has that, with a unique one.
async fn with_slug<T>(
    given: Option<String>,
    name: &str,
    enter: impl AsyncFn(String) -> StoreResult<T, AuthError>,
) -> StoreResult<T, AuthError> {
    if let Some(slug) = given {
        return enter(slug).await;
    }
    let slug = slug_of(name);
    match enter(slug.clone()).await {
        Err(StoreError::Refused(AuthError::OrganizationAlreadyExists { .. })) => {
            enter(format!("{slug}-{}", &unique()[..8])).await
        }
        entered => entered,
    }
}
