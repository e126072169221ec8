//! The product service as others see it: the catalog, its stock, and the reservations of orders.

mod errors;
mod streams;

use micronet_wire::error::RpcError;
use micronet_wire::schema::{Decimal, Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, Incoming, Outgoing, service};

use crate::events::EventsAfter;
use crate::paging::Pagination;

pub use self::errors::ProductError;
pub use self::streams::{ProductNews, Refusal, Uploaded, Watch};

/// The catalog: what there is, what it costs, and how much of it is left.
#[service(name = "product")]
pub trait Product {
    /// One product by its name, or by its number.
    #[rpc(
        http("GET /api/v1/products/{name}", "GET /products/{name}"),
        public,
        idempotent,
        rate = "shop",
        cache = "watch",
        errors(ProductNotFound)
    )]
    async fn query(
        &self,
        context: &CallContext,
        request: Query,
    ) -> Result<ProductInfo, CallError<ProductError>>;

    /// The products on sale, a page of them.
    #[rpc(
        http("GET /api/v1/products", "GET /products"),
        page,
        public,
        idempotent,
        rate = "shop",
        cache = "watch"
    )]
    async fn list(&self, context: &CallContext, request: List) -> Result<Products, RpcError>;

    /// Puts a product into the catalog.
    #[rpc(
        http("POST /api/v1/products", "POST /products"),
        permission = "shop:write",
        status = 201,
        errors(ProductAlreadyExists, CatalogFull, StockFull)
    )]
    async fn create(
        &self,
        context: &CallContext,
        request: NewProduct,
    ) -> Result<ProductInfo, CallError<ProductError>>;

    /// Puts many products into the catalog: all of them, or none if any of them can't be.
    #[rpc(
        http("POST /api/v1/products/import"),
        permission = "shop:write",
        rate = "bulk",
        status = 201,
        errors(ProductsAlreadyExist, CatalogFull, StockFull)
    )]
    async fn import(
        &self,
        context: &CallContext,
        request: Import,
    ) -> Result<Imported, CallError<ProductError>>;

    /// Changes a product's name or price. What is left out stays as it is.
    #[rpc(
        http(
            "PUT /api/v1/products/{product}",
            "PUT /products/{product}",
            "PATCH /api/v1/products/{product}"
        ),
        permission = "shop:write",
        errors(ProductNotFound, ProductAlreadyExists)
    )]
    async fn update(
        &self,
        context: &CallContext,
        request: Update,
    ) -> Result<ProductInfo, CallError<ProductError>>;

    /// Takes a product out of the catalog. Orders of it stay.
    #[rpc(
        http("DELETE /api/v1/products/{name}", "DELETE /products/{name}"),
        permission = "shop:write",
        errors(ProductNotFound)
    )]
    async fn remove(
        &self,
        context: &CallContext,
        request: Query,
    ) -> Result<ProductInfo, CallError<ProductError>>;

    /// Adds pieces to the stock.
    #[rpc(
        http("POST /api/v1/products/{name}/restock"),
        permission = "shop:write",
        errors(ProductNotFound, StockFull)
    )]
    async fn restock(
        &self,
        context: &CallContext,
        request: Pieces,
    ) -> Result<ProductInfo, CallError<ProductError>>;

    /// Sells pieces at once, without an order and so without a line in the order log.
    #[rpc(
        http("POST /api/v1/products/{name}/purchase"),
        public,
        rate = "shop",
        errors(ProductNotFound, OutOfStock)
    )]
    async fn purchase(&self, context: &CallContext, request: Pieces)
    -> Result<Sold, CallError<ProductError>>;

    /// Sets pieces aside under the call's idempotency token, until they are settled or released.
    #[rpc(service("order"))]
    async fn reserve(
        &self,
        context: &CallContext,
        request: Pieces,
    ) -> Result<Reserved, CallError<ProductError>>;

    /// The reserved pieces are sold.
    #[rpc(service("order"), idempotent)]
    async fn settle(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>>;

    /// The reserved pieces go back; and nothing can be reserved under this token any more.
    #[rpc(service("order"), idempotent)]
    async fn release(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>>;

    /// Sold pieces come back: their order was cancelled.
    #[rpc(service("order"), idempotent)]
    async fn restore(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>>;

    /// The pieces will never come back: their order can't be cancelled any more.
    #[rpc(service, idempotent)]
    async fn finish(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>>;

    /// Pieces that the caller has set aside for a while, and neither settled nor released: the oldest first.
    #[rpc(service("order"), idempotent)]
    async fn held(&self, context: &CallContext, request: HeldFor) -> Result<Held, RpcError>;

    /// The stock of the products, as an auditor counts it: initial = quantity + reserved + sold.
    #[rpc(http("GET /api/v1/inventory"), permission = "shop:read", idempotent)]
    async fn inventory(&self, context: &CallContext, request: InventoryAfter) -> Result<Inventory, RpcError>;

    /// What has changed in the catalog and its stock, in order.
    #[rpc(http("GET /api/v1/events/products"), service, idempotent, rate = "monitoring")]
    async fn events(&self, context: &CallContext, request: EventsAfter) -> Result<ProductEvents, RpcError>;

    /// What changes in the catalog and its stock, in order and as it happens: the first reply, and at least one in 20 seconds, says up
    /// to which event all was told, and from there it goes on when the stream has ended.
    #[rpc(http("GET /api/v1/events/products/watch"), public, idempotent, rate = "monitoring")]
    async fn watch(
        &self,
        context: &CallContext,
        request: Watch,
        replies: Outgoing<ProductNews>,
    ) -> Result<(), CallError<ProductError>>;

    /// Puts products into the catalog, or gives those of their names the price and the pieces on sale that are told. They come one by
    /// one; what is wrong with one doesn't concern the others. Repeated with the same idempotency token and the same products,
    /// it does what was left.
    #[rpc(http("WS /api/v1/products/upload"), permission = "shop:write", rate = "bulk")]
    async fn upload(
        &self,
        context: &CallContext,
        requests: Incoming<NewProduct>,
    ) -> Result<Uploaded, CallError<ProductError>>;
}

/// Names one product.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Its name, as `Tux`; or its number, as `2`.
    #[field(min = 1, max = 200, example = "Tux")]
    pub name: String,
}

/// Asks for a page of the catalog.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// Which page, from 1.
    #[field(min = 1, max = 1_000_000)]
    pub page: Option<u32>,
    /// Products of a page; 20 unless given.
    #[field(min = 1, max = 100)]
    pub per_page: Option<u32>,
    /// `id` (unless given), `name`, `price` or `quantity`; with a `-` before it from the highest to the lowest.
    #[field(format = "choice id -id name -name price -price quantity -quantity", example = "-price")]
    pub sort: Option<String>,
    /// Only those whose name contains this, in upper or lower case.
    #[field(max = 200)]
    pub search: Option<String>,
    /// Only those that cost at least this.
    #[field(min = 0, max = 1_000_000_000)]
    pub min_price: Option<Decimal<2>>,
    /// Only those that cost at most this.
    #[field(min = 0, max = 1_000_000_000)]
    pub max_price: Option<Decimal<2>>,
    /// Only those of which there are pieces (or, if false, of which there are none).
    pub in_stock: Option<bool>,
}

/// A page of the catalog.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Products {
    /// The products.
    pub items: Vec<ProductInfo>,
    /// Where the page stands.
    pub pagination: Pagination,
}

/// A product on sale.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ProductInfo {
    /// Its number.
    pub id: u64,
    /// Its name.
    #[field(example = "Tux")]
    pub name: String,
    /// The price of one piece.
    #[field(example = "25.99")]
    pub price: Decimal<2>,
    /// Pieces that can be bought now.
    pub quantity: u64,
    /// When it entered the catalog.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
}

/// A product that is to enter the catalog.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its name: unique among the products on sale, and not a number.
    #[field(min = 1, max = 200, format = "name", example = "Penguin")]
    pub name: String,
    /// The price of one piece.
    #[field(min = 0, max = 1_000_000_000, example = "12.50")]
    pub price: Decimal<2>,
    /// How many pieces there are; none unless given.
    #[field(max = 1_000_000_000, example = "10")]
    pub quantity: Option<u64>,
}

/// Products that are to enter the catalog together.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The products.
    #[field(min = 1, max = 500)]
    pub products: Vec<NewProduct>,
}

/// Products that entered the catalog together.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The products, in the order in which they were given.
    pub products: Vec<ProductInfo>,
}

/// What is to change about a product.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Its name, or its number.
    #[field(min = 1, max = 200, example = "Tux")]
    pub product: String,
    /// The new name.
    #[field(min = 1, max = 200, format = "name")]
    pub name: Option<String>,
    /// The new price of one piece.
    #[field(min = 0, max = 1_000_000_000, example = "19.99")]
    pub price: Option<Decimal<2>>,
}

/// Pieces of one product.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// The product's name, or its number.
    #[field(min = 1, max = 200, example = "Tux")]
    pub name: String,
    /// How many pieces, at least 1.
    #[field(min = 1, example = "1")]
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
    #[field(min = 1, max = 64)]
    pub token: String,
}

/// Asks for reservations that have stood for a while.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct HeldFor {
    /// For at least so many milliseconds.
    pub at_least_ms: u64,
    /// As many of them at most.
    #[field(min = 1, max = 500)]
    pub limit: u32,
}

/// Reservations that are neither settled nor released.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The reservations, the oldest first.
    pub reservations: Vec<HeldPieces>,
}

/// Pieces that are set aside.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct HeldPieces {
    /// The idempotency token under which they were.
    pub token: String,
    /// The product's name, as it was asked for.
    pub name: String,
    /// How many.
    pub quantity: u32,
}

/// Asks for the stock of the products.
#[derive(Message, Debug, Clone, Default, PartialEq, Eq)]
pub struct InventoryAfter {
    /// Those after this number; without it, from the first.
    pub after: Option<u64>,
    /// As many of them at most; without it 1000.
    #[field(min = 1, max = 1000)]
    pub limit: Option<u32>,
}

/// The stock of the products.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// A line for each product, in the order of their numbers.
    pub products: Vec<Stock>,
    /// The `after` that leads on, if there are more.
    pub next: Option<u64>,
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

/// Some of what has changed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ProductEvents {
    /// The events, oldest first.
    pub events: Vec<ProductEvent>,
    /// The id of the oldest event that is still there; 0 without any.
    pub oldest: u64,
}

/// Something has changed.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub struct ProductEvent {
    /// Its place in the feed.
    pub id: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What has changed.
    pub change: ProductChange,
}

/// What has changed about a product.
#[derive(Message, Debug, Clone, PartialEq, Eq)]
pub enum ProductChange {
    /// It entered the catalog.
    Created {
        /// Its number.
        product: u64,
        /// Its name.
        name: String,
        /// Its price.
        price: Decimal<2>,
        /// Its pieces.
        quantity: u64,
    },
    /// Its name or price is another.
    Updated {
        /// Its number.
        product: u64,
        /// Its name now.
        name: String,
        /// Its price now.
        price: Decimal<2>,
    },
    /// It left the catalog.
    Removed {
        /// Its number.
        product: u64,
        /// The name that it had.
        name: String,
    },
    /// Its stock is another.
    Stock {
        /// Its number.
        product: u64,
        /// Pieces that can be bought now.
        quantity: u64,
        /// Pieces set aside.
        reserved: u64,
        /// Pieces sold.
        sold: u64,
    },
}
