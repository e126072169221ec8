//! The user service as others see it: the shop's customers.

use std::fmt;

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Decimal, Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, service};

use crate::events::EventsAfter;
use crate::paging::Pagination;

/// The shop's customers: who they are, and what they have bought.
#[service(name = "user")]
pub trait User {
    /// One user by number. Without the permission `users:read` only what anybody may know.
    #[rpc(
        http("GET /api/v1/users/{id}", "GET /users/{id}"),
        public,
        idempotent,
        rate = "shop",
        errors(UserNotFound)
    )]
    async fn get(&self, context: &CallContext, request: Get) -> Result<UserInfo, CallError<UserError>>;

    /// The users, a page of them; all, or those whose name or e-mail address contains a text.
    #[rpc(http("GET /api/v1/users", "GET /users"), page, permission = "users:read", idempotent)]
    async fn list(&self, context: &CallContext, request: List) -> Result<Users, RpcError>;

    /// Enters a user.
    #[rpc(
        http("POST /api/v1/users", "POST /users"),
        permission = "users:write",
        status = 201,
        errors(UserAlreadyExists)
    )]
    async fn create(&self, context: &CallContext, request: NewUser)
    -> Result<UserInfo, CallError<UserError>>;

    /// Changes a user's name or e-mail address. What is left out stays as it is.
    #[rpc(
        http("PUT /api/v1/users/{id}", "PUT /users/{id}", "PATCH /api/v1/users/{id}"),
        permission = "users:write",
        idempotent
    )]
    async fn update(&self, context: &CallContext, request: Update) -> Result<UserInfo, CallError<UserError>>;

    /// Forgets a user. Orders keep the number, which is never given again.
    #[rpc(
        http("DELETE /api/v1/users/{id}", "DELETE /users/{id}"),
        permission = "users:write",
        errors(UserNotFound)
    )]
    async fn remove(&self, context: &CallContext, request: Get) -> Result<Forgotten, CallError<UserError>>;

    /// Counts what users have bought. What was counted before is not counted again.
    #[rpc(service("order"), idempotent)]
    async fn count(&self, context: &CallContext, request: Purchases) -> Result<(), RpcError>;

    /// A user has just done something. Nobody waits for it, and nothing is lost with it.
    #[rpc(service("order"), one_way)]
    async fn seen(&self, context: &CallContext, request: Get);

    /// What has changed about users, in order.
    #[rpc(http("GET /api/v1/events/users"), service, idempotent, rate = "monitoring")]
    async fn events(&self, context: &CallContext, request: EventsAfter) -> Result<UserEvents, RpcError>;
}

/// Names one user.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// The user's number.
    #[field(min = 1, max = 9_223_372_036_854_775_807, example = "123")]
    pub id: u64,
}

/// Asks for a page of the users.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Which page, from 1.
    #[field(min = 1, max = 1_000_000)]
    pub page: Option<u32>,
    /// Users of a page; 20 unless given.
    #[field(min = 1, max = 100)]
    pub per_page: Option<u32>,
    /// `id` (unless given), `name`, `email`, `orders` or `spent`; with a `-` before it from the highest to the lowest.
    #[field(
        format = "choice id -id name -name email -email orders -orders spent -spent",
        example = "-spent"
    )]
    pub sort: Option<String>,
    /// Only those whose name or e-mail address contains this, in upper or lower case.
    #[field(max = 200)]
    pub search: Option<String>,
}

/// A page of the users.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// The users.
    pub items: Vec<UserInfo>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// A user who is to be entered.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The name.
    #[field(min = 1, max = 200, format = "line", example = "Ada Lovelace")]
    pub name: String,
    /// The e-mail address: nobody else has it.
    #[field(min = 3, max = 254, format = "email", example = "ada@example.com")]
    pub email: String,
}

/// What is to change about a user.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The user's number.
    #[field(min = 1, max = 9_223_372_036_854_775_807, example = "123")]
    pub id: u64,
    /// The new name.
    #[field(min = 1, max = 200, format = "line", example = "Ada King")]
    pub name: Option<String>,
    /// The new e-mail address.
    #[field(min = 3, max = 254, format = "email")]
    pub email: Option<String>,
}

/// A user is forgotten.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The number, which is never given again.
    pub id: u64,
}

/// What users have bought, as the service tells it that sold it.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Purchases {
    /// The last event of the caller's feed that is in here, and all before it.
    pub through: u64,
    /// What there is to count, in the order of the feed.
    pub purchases: Vec<Purchase>,
}

/// What a user has bought, or given back.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The event of the caller's feed.
    pub event: u64,
    /// The user's number.
    pub user: u64,
    /// Orders more, or less.
    pub orders: i32,
    /// Money more, or less.
    pub spent: Decimal<2>,
}

/// A user.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// The number.
    pub id: u64,
    /// The name.
    #[field(example = "Ada Lovelace")]
    pub name: String,
    /// The e-mail address; only for those who may read users.
    pub email: Option<String>,
    /// Orders that weren't cancelled; only for those who may read users.
    pub orders: Option<u64>,
    /// What they cost together; only for those who may read users.
    pub spent: Option<Decimal<2>>,
    /// When the user last did something, as far as it was noticed; only for those who may read users.
    pub last_seen: Option<Timestamp>,
    /// When the user was entered.
    pub created_at: Timestamp,
    /// When the name or the address last changed.
    pub updated_at: Timestamp,
}

/// Some of what has changed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct UserEvents {
    /// The events, oldest first.
    pub events: Vec<UserEvent>,
    /// The id of the oldest event that is still there; 0 without any.
    pub oldest: u64,
}

/// Something has changed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct UserEvent {
    /// Its place in the feed.
    pub id: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What has changed.
    pub change: UserChange,
}

/// What has changed about a user. It says who, and no more: a feed should not hold what somebody wanted forgotten.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// The user was entered.
    Created {
        /// The number.
        user: u64,
    },
    /// The name or the address is another.
    Updated {
        /// The number.
        user: u64,
    },
    /// The user was forgotten.
    Removed {
        /// The number.
        user: u64,
    },
}

/// Why the user service says no.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum UserError {
    /// No user has this number.
    #[status(404)]
    UserNotFound {
        /// The number that was asked for.
        id: u64,
    },
    /// Another user has this e-mail address.
    #[status(409)]
    UserAlreadyExists {
        /// The address.
        email: String,
    },
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserNotFound { id } => write!(f, "there is no user {id}"),
            Self::UserAlreadyExists { email } => {
                write!(f, "there is a user with the address {email:?} already")
            }
        }
    }
}
