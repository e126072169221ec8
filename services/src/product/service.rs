//! The handlers of the product service.

mod outcomes;
mod upload;
mod watch;

use std::collections::BTreeSet;

use micronet_transport::clock::unix_us;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::MESSAGE_BYTES_MAX;
use micronet_wire::schema::{Decimal, HttpBinding, Timestamp};
use micronet_wire::service::{CallContext, CallError, Incoming, Outgoing};

use self::outcomes::ProductOutcomes;
use super::api::{
    Held, HeldFor, HeldPieces, Import, Imported, Inventory, InventoryAfter, List, NewProduct, Pieces,
    Product, ProductError, ProductEvent, ProductEvents, ProductInfo, ProductMethods, ProductNews,
    ProductServer, Products, Query, Reservation, Reserved, Sold, Stock, Update, Uploaded, Watch,
};
use super::store::{self, Change, Filter, ProductStore, Taken, Which};
use crate::calls::{key_for, once, request_hash, token_key};
use crate::demo::Demo;
use crate::events::EventsAfter;
use crate::events::watch::Watched;
use crate::paging::{Page, contains, order_by};
use crate::run::{Definition, Environment, Running, StartError};
use crate::store::{Store as _, open, prepare, row_id};

/// How this service is prepared and started.
pub const DEFINITION: Definition = Definition {
    name: "product",
    port_offsets: &[2, 12],
    environment: "CATALOG",
    prepare: |environment| Box::pin(prepare::<ProductStore>(environment)),
    start: |environment| Box::pin(start(environment)),
    ..Definition::ALONE
};

/// Products of one answer of the inventory, whatever their names.
const INVENTORY_ROWS_MAX: u32 = 1_000;

/// Reservations of one answer at most.
const HELD_MAX: u32 = 500;

// A line is a name of characters of at most 4 bytes, and 5 numbers.
const _: () =
    assert!(INVENTORY_ROWS_MAX as usize * (store::NAME_CHARS_MAX * 4 + 3 + 5 * 9) <= MESSAGE_BYTES_MAX);

/// What a list can be sorted by.
pub(super) const SORT_KEYS: [(&str, &str); 4] =
    [("id", "id"), ("name", "search"), ("price", "price_minor"), ("quantity", "quantity")];

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store: ProductStore = open(&environment).await?;
    let database = store.database().clone();
    let finish = Box::pin(async move { database.close().await });
    let is_toy_store = environment.demo == Demo::ToyStore;
    let outcomes = Box::new(ProductOutcomes { store: store.clone() });
    let feed = Watched::new(store.database());
    let service = ProductServer::with_schema(ProductService { store, feed }, |schema| {
        // The toy store's front end shows its toys at the root, as it always did.
        if let Some(query) = schema.method_mut(ProductMethods::QUERY).filter(|_| is_toy_store) {
            query.http.push(HttpBinding { method: "GET".into(), path: "/{name}".into() });
        }
    });
    Ok(Running { service: Box::new(service?), outcomes, finish })
}

/// The product service.
#[derive(Debug)]
pub struct ProductService {
    store: ProductStore,
    feed: Watched,
}

/// What a handler answers.
type Answer<T> = Result<T, CallError<ProductError>>;

impl Product for ProductService {
    async fn query(&self, _: &CallContext, request: Query) -> Answer<ProductInfo> {
        Ok(self.store.find(&Which::of(&request.name)).await?.into())
    }

    async fn list(&self, _: &CallContext, request: List) -> Result<Products, RpcError> {
        let order = order_by(request.sort.as_deref(), &SORT_KEYS, "id")?;
        let page = Page::of(request.page, request.per_page);
        let everything = Filter::default();
        let filter = Filter {
            name_like: contains(request.search.as_deref().unwrap_or("")),
            price_min: request.min_price.map_or(everything.price_min, |price| price.0),
            price_max: request.max_price.map_or(everything.price_max, |price| price.0),
            quantity_min: if request.in_stock == Some(true) { 1 } else { everything.quantity_min },
            quantity_max: if request.in_stock == Some(false) { 0 } else { everything.quantity_max },
        };
        let (products, total) = self.store.list(&filter, &order, page).await?;
        let items = products.into_iter().map(ProductInfo::from).collect();
        Ok(Products { items, pagination: page.among(total) })
    }

    async fn create(&self, context: &CallContext, request: NewProduct) -> Answer<ProductInfo> {
        let once = once(context, "product.create", &request)?;
        let created = self.store.create(once, vec![request.into()]).await?;
        Ok(created.into_iter().next().ok_or_else(nothing_created)?)
    }

    async fn import(&self, context: &CallContext, request: Import) -> Answer<Imported> {
        check_names(&request.products)?;
        let once = once(context, "product.import", &request)?;
        let products = request.products.into_iter().map(store::NewProduct::from).collect();
        Ok(Imported { products: self.store.create(once, products).await? })
    }

    async fn update(&self, context: &CallContext, request: Update) -> Answer<ProductInfo> {
        // Done twice, it would not find a product by the name that it has taken away.
        let once = once(context, "product.update", &request)?;
        let change = Change { name: request.name, price_minor: request.price.map(|price| price.0) };
        Ok(self.store.update(once, Which::of(&request.product), change).await?)
    }

    async fn remove(&self, context: &CallContext, request: Query) -> Answer<ProductInfo> {
        let once = once(context, "product.remove", &request)?;
        Ok(self.store.remove(once, Which::of(&request.name)).await?)
    }

    async fn restock(&self, context: &CallContext, request: Pieces) -> Answer<ProductInfo> {
        let once = once(context, "product.restock", &request)?;
        Ok(self.store.restock(once, Which::of(&request.name), request.quantity).await?)
    }

    async fn purchase(&self, context: &CallContext, request: Pieces) -> Answer<Sold> {
        let (key, hash) = (token_key(context, "product.purchase")?, request_hash(&request));
        let which = Which::of(&request.name);
        let (outcome, name) = self.store.purchase(&key, hash, which, request.quantity, unix_us()).await?;
        sold(outcome, name, &request)
    }

    async fn reserve(&self, context: &CallContext, request: Pieces) -> Answer<Reserved> {
        let (key, hash) = (token_key(context, "product.reserve")?, request_hash(&request));
        // An order bears the product's name, so by that it is ordered, and not by its number.
        let which = Which::Name(request.name.clone());
        let outcome = self.store.reserve(&key, hash, which, request.quantity, unix_us()).await?;
        reserved(outcome, &request)
    }

    async fn settle(&self, context: &CallContext, request: Reservation) -> Answer<()> {
        self.store.settle(&reservation_key(context, &request), unix_us()).await?;
        Ok(())
    }

    async fn release(&self, context: &CallContext, request: Reservation) -> Answer<()> {
        self.store.release(&reservation_key(context, &request), unix_us()).await?;
        Ok(())
    }

    async fn restore(&self, context: &CallContext, request: Reservation) -> Answer<()> {
        self.store.restore(&reservation_key(context, &request), unix_us()).await?;
        Ok(())
    }

    async fn finish(&self, context: &CallContext, request: Reservation) -> Answer<()> {
        self.store.finish(&reservation_key(context, &request), unix_us()).await?;
        Ok(())
    }

    async fn held(&self, context: &CallContext, request: HeldFor) -> Result<Held, RpcError> {
        let own = key_for(&context.principal, "product.reserve", "");
        let before_us = unix_us().saturating_sub_unsigned(request.at_least_ms.saturating_mul(1_000));
        let held = self.store.held(&own, before_us, request.limit.clamp(1, HELD_MAX)).await?;
        let reservations = held.into_iter().map(|held| HeldPieces {
            token: held.token[own.len()..].to_owned(),
            name: held.product,
            quantity: u32::try_from(held.quantity).unwrap_or(u32::MAX),
        });
        Ok(Held { reservations: reservations.collect() })
    }

    async fn inventory(&self, _: &CallContext, request: InventoryAfter) -> Result<Inventory, RpcError> {
        let limit = request.limit.unwrap_or(INVENTORY_ROWS_MAX).min(INVENTORY_ROWS_MAX);
        let products = self.store.inventory(request.after.map_or(0, row_id), limit).await?;
        let is_full = products.len() == limit as usize;
        let next = products.last().filter(|_| is_full).map(|last| last.id.unsigned_abs());
        let stock = |product: store::Product| Stock {
            name: product.name,
            initial: product.initial.unsigned_abs(),
            quantity: product.quantity.unsigned_abs(),
            reserved: product.reserved.unsigned_abs(),
            sold: product.sold.unsigned_abs(),
        };
        Ok(Inventory { products: products.into_iter().map(stock).collect(), next })
    }

    async fn events(&self, _: &CallContext, request: EventsAfter) -> Result<ProductEvents, RpcError> {
        let (after, limit) = request.range();
        let (events, oldest) = self.store.events(after, limit).await?;
        let events = events.into_iter().map(|event| ProductEvent {
            id: event.id.unsigned_abs(),
            at: Timestamp(event.at_us),
            change: event.change,
        });
        Ok(ProductEvents { events: events.collect(), oldest: oldest.unsigned_abs() })
    }

    async fn watch(&self, _: &CallContext, request: Watch, replies: Outgoing<ProductNews>) -> Answer<()> {
        watch::watch(&self.store, &self.feed, request, replies).await
    }

    async fn upload(&self, context: &CallContext, requests: Incoming<NewProduct>) -> Answer<Uploaded> {
        upload::upload(&self.store, context, requests).await
    }
}

/// Checks that products which enter the catalog together bear names of their own.
fn check_names(products: &[NewProduct]) -> Result<(), CallError<ProductError>> {
    let mut known = BTreeSet::new();
    let twice: BTreeSet<_> =
        products.iter().map(|product| &product.name).filter(|name| !known.insert(*name)).collect();
    if twice.is_empty() {
        return Ok(());
    }
    let (count, names) =
        (twice.len() as u64, twice.into_iter().take(store::NAMES_TOLD_MAX).cloned().collect());
    Err(CallError::Service(ProductError::ProductsAlreadyExist { names, count }))
}

/// Ids and counts are never negative: the tables check it.
impl From<store::Product> for ProductInfo {
    fn from(product: store::Product) -> Self {
        Self {
            id: product.id.unsigned_abs(),
            name: product.name,
            price: Decimal(product.price_minor),
            quantity: product.quantity.unsigned_abs(),
            created_at: Timestamp(product.created_at_us),
            updated_at: Timestamp(product.updated_at_us),
        }
    }
}

impl From<NewProduct> for store::NewProduct {
    fn from(new: NewProduct) -> Self {
        // More than the schema allows is refused by the store.
        let quantity = i64::try_from(new.quantity.unwrap_or(0)).unwrap_or(i64::MAX);
        Self { name: new.name, price_minor: new.price.0, quantity }
    }
}

/// The pieces that a token took, or why it got none.
fn taken(outcome: store::Reservation, request: &Pieces) -> Answer<Taken> {
    let error = match outcome {
        store::Reservation::Reserved(taken) | store::Reservation::Settled(taken) => return Ok(taken),
        store::Reservation::UnknownProduct => ProductError::ProductNotFound { name: request.name.clone() },
        store::Reservation::OutOfStock { available } => ProductError::OutOfStock {
            name: request.name.clone(),
            requested: request.quantity,
            available: available.unsigned_abs(),
        },
        store::Reservation::Released => ProductError::NotReserved { state: "released".into() },
        store::Reservation::Returned(_) => ProductError::NotReserved { state: "returned".into() },
    };
    Err(CallError::Service(error))
}

fn nothing_created() -> RpcError {
    RpcError::new(Code::Internal, "nothing was created")
}

fn sold(outcome: store::Reservation, name: String, request: &Pieces) -> Answer<Sold> {
    let price = Decimal(taken(outcome, request)?.price_minor);
    Ok(Sold { name, quantity: request.quantity, price })
}

fn reserved(outcome: store::Reservation, request: &Pieces) -> Answer<Reserved> {
    Ok(Reserved { price: Decimal(taken(outcome, request)?.price_minor) })
}

/// The key that [`token_key`] gave the reservation.
fn reservation_key(context: &CallContext, request: &Reservation) -> String {
    key_for(&context.principal, "product.reserve", &request.token)
}
