//! The order service as others see it: buying, and what was bought.

use std::fmt;

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Decimal, Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, service};

/// The orders: each is placed exactly once, and never for more than there is in stock.
#[service(name = "order")]
pub trait Order {
    /// Buys pieces of one product. Repeated with the same idempotency token, it answers the same and buys nothing again.
    #[rpc(http("POST /api/v1/orders", "POST /orders"), public, rate = "shop", status = 201)]
    async fn buy(&self, context: &CallContext, request: Buy) -> Result<Placed, CallError<OrderError>>;

    /// One order by its number.
    #[rpc(
        http("GET /api/v1/orders/{order_num}", "GET /orders/{order_num}"),
        public,
        idempotent,
        rate = "shop"
    )]
    async fn get(&self, context: &CallContext, request: Get) -> Result<OrderInfo, CallError<OrderError>>;

    /// The order log: a line `id name quantity` for each attempt, in the order of their decisions; -1 for one without an order.
    #[rpc(http("GET /api/v1/orders/log", "GET /orders/log"), text, permission = "orders:read", idempotent)]
    async fn log(&self, context: &CallContext, request: Log) -> Result<String, RpcError>;
}

/// Asks to buy.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Buy {
    /// The product's name.
    pub name: String,
    /// How many pieces, at least 1.
    pub quantity: u32,
}

/// An order was placed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its number.
    pub order_num: u64,
}

/// Asks for one order.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Its number.
    pub order_num: u64,
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
    pub status: String,
    /// When it was bought.
    pub created_at: Timestamp,
}

/// Asks for the order log.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Skip this many decided attempts.
    pub after: Option<u64>,
    /// Lines at most; without it, as many as fit an answer, and a last line that begins with `#` if there are more.
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
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProductNotFound { name, .. } => write!(f, "there is no product named {name:?}"),
            Self::OutOfStock { name, requested, available, .. } => {
                write!(f, "{requested} of {name:?} were wanted, but {available} are in stock")
            }
            Self::OrderNotFound { order_num } => write!(f, "there is no order {order_num}"),
        }
    }
}
