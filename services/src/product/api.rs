//! The product service as others see it: the catalog, its stock, and the reservations of orders.

use std::fmt;

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Decimal, Message};
use micronet_wire::service::{CallContext, CallError, service};

/// The catalog: what there is, what it costs, and how much of it is left.
#[service(name = "product")]
pub trait Product {
    /// One product by its name.
    #[rpc(http("GET /api/v1/products/{name}", "GET /products/{name}"), public, idempotent, rate = "shop")]
    async fn query(
        &self,
        context: &CallContext,
        request: Query,
    ) -> Result<ProductInfo, CallError<ProductError>>;

    /// Sells pieces at once, without an order and so without a line in the order log.
    #[rpc(http("POST /api/v1/products/{name}/purchase"), public, rate = "shop")]
    async fn purchase(
        &self,
        context: &CallContext,
        request: Purchase,
    ) -> Result<Sold, CallError<ProductError>>;

    /// Sets pieces aside under the call's idempotency token, until they are settled or released.
    #[rpc(service)]
    async fn reserve(
        &self,
        context: &CallContext,
        request: Purchase,
    ) -> Result<Reserved, CallError<ProductError>>;

    /// The reserved pieces are sold.
    #[rpc(service, idempotent)]
    async fn settle(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>>;

    /// The reserved pieces go back; and nothing can be reserved under this token any more.
    #[rpc(service, idempotent)]
    async fn release(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>>;

    /// The stock of all products, as an auditor counts it: initial = quantity + reserved + sold.
    #[rpc(http("GET /api/v1/inventory"), permission = "shop:read", idempotent)]
    async fn inventory(&self, context: &CallContext) -> Result<Inventory, RpcError>;
}

/// Asks for one product.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name, as `Tux`.
    pub name: String,
}

/// A product on sale.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ProductInfo {
    /// Its name.
    pub name: String,
    /// The price of one piece.
    pub price: Decimal<2>,
    /// Pieces that can be bought now.
    pub quantity: u64,
}

/// Pieces that somebody wants.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The product's name.
    pub name: String,
    /// How many pieces, at least 1.
    pub quantity: u32,
}

/// Pieces sold.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The product's name.
    pub name: String,
    /// How many pieces.
    pub quantity: u32,
    /// The price of one piece.
    pub price: Decimal<2>,
}

/// Pieces set aside.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Reserved {
    /// The price of one piece when they were.
    pub price: Decimal<2>,
}

/// Names a reservation.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The idempotency token under which it was made.
    pub token: String,
}

/// The stock of all products.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// A line for each product.
    pub products: Vec<Stock>,
}

/// The stock of one product.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// The product's name.
    pub name: String,
    /// All pieces that ever came in.
    pub initial: u64,
    /// Pieces that can be bought now.
    pub quantity: u64,
    /// Pieces set aside for orders that are under way.
    pub reserved: u64,
    /// Pieces sold.
    pub sold: u64,
}

/// Why the product service says no.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum ProductError {
    /// No product bears this name.
    #[status(404)]
    ProductNotFound {
        /// The name that was asked for.
        name: String,
    },
    /// There are not enough pieces.
    #[status(409)]
    OutOfStock {
        /// The product's name.
        name: String,
        /// How many were wanted.
        requested: u32,
        /// How many there are.
        available: u64,
    },
    /// The token's pieces are not set aside (any more).
    #[status(409)]
    NotReserved {
        /// What became of them.
        state: String,
    },
}

impl fmt::Display for ProductError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProductNotFound { name } => write!(f, "there is no product named {name:?}"),
            Self::OutOfStock { name, requested, available } => {
                write!(f, "{requested} of {name:?} were wanted, but {available} are in stock")
            }
            Self::NotReserved { state } => write!(f, "nothing is reserved under this token: {state}"),
        }
    }
}
