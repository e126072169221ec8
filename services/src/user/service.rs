//! The handlers of the user service.

mod outcomes;

use micronet_transport::clock::unix_us;
use micronet_wire::error::RpcError;
use micronet_wire::principal::Principal;
use micronet_wire::schema::{Decimal, Timestamp};
use micronet_wire::service::{CallContext, CallError};

use self::outcomes::UserOutcomes;
use super::api::{
    Forgotten, Get, List, NewUser, Purchases, Update, User, UserError, UserEvent, UserEvents, UserInfo,
    UserServer, Users,
};
use super::store::{self, Change, UserStore};
use crate::calls::once;
use crate::events::EventsAfter;
use crate::paging::{Page, contains, order_by};
use crate::run::{Definition, Environment, Running, StartError};
use crate::store::{Store as _, open, prepare, row_id};

/// How this service is prepared and started.
pub const DEFINITION: Definition = Definition {
    name: "user",
    port_offsets: &[1],
    environment: "USERS",
    prepare: |environment| Box::pin(prepare::<UserStore>(environment)),
    start: |environment| Box::pin(start(environment)),
    ..Definition::ALONE
};

/// What a list can be sorted by.
pub(super) const SORT_KEYS: [(&str, &str); 5] =
    [("id", "id"), ("name", "name"), ("email", "email_key"), ("orders", "orders"), ("spent", "spent_minor")];

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store: UserStore = open(&environment).await?;
    let database = store.database().clone();
    let finish = Box::pin(async move { database.close().await });
    let outcomes = Box::new(UserOutcomes { store: store.clone() });
    Ok(Running { service: Box::new(UserServer::new(UserService { store })?), outcomes, finish })
}

/// The user service.
#[derive(Debug)]
pub struct UserService {
    store: UserStore,
}

/// What a handler answers.
type Answer<T> = Result<T, CallError<UserError>>;

impl User for UserService {
    async fn get(&self, context: &CallContext, request: Get) -> Answer<UserInfo> {
        let user = self.store.find(row_id(request.id)).await?;
        Ok(UserInfo::from(user).shown_to(&context.principal))
    }

    async fn list(&self, _: &CallContext, request: List) -> Result<Users, RpcError> {
        let order = order_by(request.sort.as_deref(), &SORT_KEYS, "id")?;
        let page = Page::of(request.page, request.per_page);
        let pattern = contains(request.search.as_deref().unwrap_or(""));
        let (users, total) = self.store.list(&pattern, &order, page).await?;
        let items = users.into_iter().map(UserInfo::from).collect();
        Ok(Users { items, pagination: page.among(total) })
    }

    async fn create(&self, context: &CallContext, request: NewUser) -> Answer<UserInfo> {
        let once = once(context, "user.create", &request)?;
        let id = self.store.create(once, request.name, request.email).await?;
        Ok(self.store.find(row_id(id)).await?.into())
    }

    async fn update(&self, _: &CallContext, request: Update) -> Answer<UserInfo> {
        let change = Change { name: request.name, email: request.email };
        Ok(self.store.update(row_id(request.id), change, unix_us()).await?.into())
    }

    async fn remove(&self, context: &CallContext, request: Get) -> Answer<Forgotten> {
        let once = once(context, "user.remove", &request)?;
        let id = self.store.remove(once, row_id(request.id)).await?;
        Ok(Forgotten { id })
    }

    async fn count(&self, context: &CallContext, request: Purchases) -> Result<(), RpcError> {
        Ok(self.store.count(context.principal.key(), request).await?)
    }

    async fn seen(&self, _: &CallContext, request: Get) {
        if let Err(error) = self.store.seen(row_id(request.id), unix_us()).await {
            tracing::debug!(%error, user = request.id, "couldn't note that a user was seen");
        }
    }

    async fn events(&self, _: &CallContext, request: EventsAfter) -> Result<UserEvents, RpcError> {
        let (after, limit) = request.range();
        let (events, oldest) = self.store.events(after, limit).await?;
        let events = events.into_iter().map(|event| UserEvent {
            id: event.id.unsigned_abs(),
            at: Timestamp(event.at_us),
            change: event.change,
        });
        Ok(UserEvents { events: events.collect(), oldest: oldest.unsigned_abs() })
    }
}

impl From<store::User> for UserInfo {
    fn from(user: store::User) -> Self {
        Self {
            id: user.id.unsigned_abs(),
            name: user.name,
            email: Some(user.email),
            orders: Some(u64::try_from(user.orders).unwrap_or(0)),
            spent: Some(Decimal(user.spent_minor)),
            last_seen: user.last_seen_us.map(Timestamp),
            created_at: Timestamp(user.created_at_us),
            updated_at: Timestamp(user.updated_at_us),
        }
    }
}

impl UserInfo {
    /// Without what this principal may not know.
    fn shown_to(self, principal: &Principal) -> Self {
        if principal.has("users:read") {
            return self;
        }
        Self { email: None, orders: None, spent: None, last_seen: None, ..self }
    }
}
