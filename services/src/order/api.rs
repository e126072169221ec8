//! The order service as others see it: buying, and what was bought.

mod streams;

use std::fmt;

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Decimal, Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, Outgoing, service};

use crate::events::EventsAfter;
use crate::paging::Pagination;

pub use self::streams::{OrderNews, Watch};

/// The orders: each is placed exactly once, and never for more than there is in stock.
#[service(name = "order")]
pub trait Order {
    /// Buys pieces of one product. Repeated with the same idempotency token, it answers the same and buys nothing again.
    #[rpc(
        http("POST /api/v1/orders", "POST /orders"),
        public,
        rate = "shop",
        status = 201,
        errors(ProductNotFound, OutOfStock, CustomerNotFound)
    )]
    async fn buy(&self, context: &CallContext, request: Buy) -> Result<Placed, CallError<OrderError>>;

    /// One order by its number.
    #[rpc(
        http("GET /api/v1/orders/{order_num}", "GET /orders/{order_num}"),
        public,
        idempotent,
        rate = "shop",
        errors(OrderNotFound)
    )]
    async fn get(&self, context: &CallContext, request: Get) -> Result<OrderInfo, CallError<OrderError>>;

    /// The orders, a page of them, the newest first.
    #[rpc(http("GET /api/v1/orders", "GET /orders"), page, permission = "orders:read", idempotent)]
    async fn list(&self, context: &CallContext, request: List) -> Result<Orders, RpcError>;

    /// Moves an order along: from Processing to Shipped to Delivered, or from Processing to Cancelled.
    #[rpc(
        http(
            "PUT /api/v1/orders/{order_num}",
            "PUT /orders/{order_num}",
            "PATCH /api/v1/orders/{order_num}"
        ),
        permission = "orders:write",
        idempotent,
        errors(OrderNotFound, InvalidTransition)
    )]
    async fn update(
        &self,
        context: &CallContext,
        request: Update,
    ) -> Result<OrderInfo, CallError<OrderError>>;

    /// Cancels an order that is still Processing: its pieces go back into the stock. The order stays, as Cancelled.
    #[rpc(
        http("DELETE /api/v1/orders/{order_num}", "DELETE /orders/{order_num}"),
        permission = "orders:write",
        idempotent,
        errors(OrderNotFound, InvalidTransition)
    )]
    async fn cancel(&self, context: &CallContext, request: Get) -> Result<OrderInfo, CallError<OrderError>>;

    /// What has happened to orders, in order.
    #[rpc(http("GET /api/v1/events/orders"), service, idempotent, rate = "monitoring")]
    async fn events(&self, context: &CallContext, request: EventsAfter) -> Result<OrderEvents, RpcError>;

    /// What happens to orders, in order and as it happens: the first reply, and at least one in 20 seconds, says up to which event all
    /// was told, and from there it goes on when the stream has ended.
    #[rpc(http("GET /api/v1/events/orders/watch"), service, idempotent, rate = "monitoring")]
    async fn watch(
        &self,
        context: &CallContext,
        request: Watch,
        replies: Outgoing<OrderNews>,
    ) -> Result<(), CallError<OrderError>>;

    /// The order log: a line `id name quantity` for each attempt, in the order of their decisions; -1 for one without an order.
    #[rpc(
        http("GET /api/v1/orders/log", "GET /orders/log"),
        text,
        permission = "orders:read",
        idempotent,
        rate = "shop"
    )]
    async fn log(&self, context: &CallContext, request: Log) -> Result<String, RpcError>;
}

/// Asks to buy.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Buy {
    /// The product's name.
    #[field(min = 1, max = 200, format = "line", example = "Tux")]
    pub name: String,
    /// How many pieces, at least 1.
    #[field(min = 1, example = "1")]
    pub quantity: u32,
    /// The number of the user who buys; nobody has to be one.
    #[field(min = 1, max = 9_007_199_254_740_991, example = "123")]
    pub customer: Option<u64>,
}

/// An order was placed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its number.
    pub order_num: u64,
}

/// Names one order.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Its number.
    #[field(min = 1, max = 9_223_372_036_854_775_807, example = "2")]
    pub order_num: u64,
}

/// Asks for a page of the orders.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Which page, from 1.
    #[field(min = 1, max = 1_000_000)]
    pub page: Option<u32>,
    /// Orders of a page; 20 unless given.
    #[field(min = 1, max = 100)]
    pub per_page: Option<u32>,
    /// `order_num`, `name`, `quantity` or `total`; with a `-` before it from the highest to the lowest; `-order_num` unless given.
    #[field(
        format = "choice order_num -order_num name -name quantity -quantity total -total",
        example = "-total"
    )]
    pub sort: Option<String>,
    /// Only those in this state.
    pub status: Option<OrderStatus>,
    /// Only this user's.
    #[field(min = 1, max = 9_223_372_036_854_775_807)]
    pub customer: Option<u64>,
    /// Only those of the product of this name.
    #[field(min = 1, max = 200)]
    pub name: Option<String>,
}

/// A page of the orders.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Orders {
    /// The orders.
    pub items: Vec<OrderInfo>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// Where an order is on its way.
#[derive(Message, Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    /// It was bought.
    Processing,
    /// It is on its way.
    Shipped,
    /// It has arrived.
    Delivered,
    /// It was cancelled, and its pieces were put back.
    Cancelled,
}

impl OrderStatus {
    /// All of them, in the order of their lives.
    pub const ALL: [Self; 4] = [Self::Processing, Self::Shipped, Self::Delivered, Self::Cancelled];

    /// What may follow.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Processing => &[Self::Shipped, Self::Cancelled],
            Self::Shipped => &[Self::Delivered],
            Self::Delivered | Self::Cancelled => &[],
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Processing => "Processing",
            Self::Shipped => "Shipped",
            Self::Delivered => "Delivered",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is to become of an order.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its number.
    #[field(min = 1, max = 9_223_372_036_854_775_807, example = "2")]
    pub order_num: u64,
    /// Where it is now.
    #[field(example = "\"Shipped\"")]
    pub status: OrderStatus,
}

/// An order.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OrderInfo {
    /// Its number.
    pub order_num: u64,
    /// The product's name.
    pub name: String,
    /// How many pieces.
    pub quantity: u64,
    /// The price of one piece when it was bought.
    pub price: Decimal<2>,
    /// All of it together.
    pub total: Decimal<2>,
    /// Where it is on its way.
    pub status: OrderStatus,
    /// The number of the user who bought it, if one did; only for those who may read orders.
    pub customer: Option<u64>,
    /// When it was bought.
    pub created_at: Timestamp,
    /// When its status last changed.
    pub updated_at: Timestamp,
}

/// Some of what has happened.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OrderEvents {
    /// The events, oldest first.
    pub events: Vec<OrderEvent>,
    /// The id of the oldest event that is still there; 0 without any.
    pub oldest: u64,
}

/// Something has happened.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct OrderEvent {
    /// Its place in the feed.
    pub id: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What has happened.
    pub change: OrderChange,
}

/// What has happened to an attempt to buy, or to the order that came of it.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum OrderChange {
    /// It is an order.
    Placed {
        /// Its number.
        order_num: u64,
        /// The product's name.
        name: String,
        /// How many pieces.
        quantity: u64,
        /// All of it together.
        total: Decimal<2>,
        /// The user who bought it.
        customer: Option<u64>,
    },
    /// It was given up, since product's answer never came: there is no order.
    Abandoned {
        /// The product's name.
        name: String,
        /// How many pieces were wanted.
        quantity: u64,
    },
    /// The order has moved along.
    Moved {
        /// Its number.
        order_num: u64,
        /// Where it was.
        from: OrderStatus,
        /// Where it is.
        to: OrderStatus,
    },
    /// The order was cancelled: its pieces are to go back.
    Cancelled {
        /// Its number.
        order_num: u64,
        /// The product's name.
        name: String,
        /// How many pieces.
        quantity: u64,
        /// All of it together.
        total: Decimal<2>,
        /// The user who had bought it.
        customer: Option<u64>,
    },
}

/// Asks for the order log.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Skip this many decided attempts.
    pub after: Option<u64>,
    /// Lines at most; without it, as many as fit an answer, and a last line that begins with `#` if there are more.
    #[field(min = 1)]
    pub limit: Option<u32>,
}

/// Why the order service says no. `order_num` is -1 then: nothing was placed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum OrderError {
    /// No product bears this name.
    #[status(404)]
    ProductNotFound {
        /// Always -1.
        order_num: i64,
        /// The name that was asked for.
        name: String,
    },
    /// There are not enough pieces.
    #[status(409)]
    OutOfStock {
        /// Always -1.
        order_num: i64,
        /// The product's name.
        name: String,
        /// How many were wanted.
        requested: u32,
        /// How many there were.
        available: u64,
    },
    /// No order has this number.
    #[status(404)]
    OrderNotFound {
        /// The number that was asked for.
        order_num: u64,
    },
    /// An order doesn't go this way.
    #[status(409)]
    InvalidTransition {
        /// The order's number.
        order_num: u64,
        /// Where it is.
        from: OrderStatus,
        /// Where it was to go.
        to: OrderStatus,
        /// Where it could go.
        allowed: Vec<OrderStatus>,
    },
    /// No user has this number.
    #[status(404)]
    CustomerNotFound {
        /// Always -1.
        order_num: i64,
        /// The number that was given.
        customer: u64,
    },
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProductNotFound { name, .. } => write!(f, "there is no product named {name:?}"),
            Self::OutOfStock { name, requested, available, .. } => {
                write!(f, "{requested} of {name:?} were wanted, but {available} are in stock")
            }
            Self::OrderNotFound { order_num } => write!(f, "there is no order {order_num}"),
            Self::InvalidTransition { order_num, from, to, allowed } => {
                write!(f, "order {order_num} is {from}, so it can't become {to}")?;
                match &allowed[..] {
                    [] => Ok(()),
                    [one] => write!(f, ", only {one}"),
                    several => {
                        let names: Vec<_> = several.iter().map(|status| status.name()).collect();
                        write!(f, ", only {}", names.join(" or "))
                    }
                }
            }
            Self::CustomerNotFound { customer, .. } => write!(f, "there is no user {customer}"),
        }
    }
}
