//! The handlers of the product service.

use micronet_transport::clock::unix_us;
use micronet_wire::error::RpcError;
use micronet_wire::schema::Decimal;
use micronet_wire::service::{CallContext, CallError};

use super::api::{
    Inventory, Product, ProductError, ProductInfo, ProductServer, Purchase, Query, Reservation, Reserved,
    Sold, Stock,
};
use super::store::{self, ProductStore, StoreError, Taken};
use crate::calls::{database_error, invalid, key_of, request_hash, token_key, token_reused};
use crate::run::{Definition, Environment, Running, StartError};

/// How this service is prepared and started.
pub const DEFINITION: Definition = Definition {
    name: "product",
    port_offsets: &[2, 12],
    calls: &[],
    environment: "CATALOG",
    prepare: |environment| Box::pin(prepare(environment)),
    start: |environment| Box::pin(start(environment)),
};

async fn prepare(environment: Environment) -> Result<(), StartError> {
    let store = open(&environment).await?;
    store.database().close().await;
    Ok(())
}

async fn open(environment: &Environment) -> Result<ProductStore, StartError> {
    let opened = async {
        let store = ProductStore::open(&environment.database("product")).await?;
        store.seed(environment.demo, unix_us()).await?;
        Ok(store)
    };
    opened.await.map_err(|error: StoreError| StartError::Store(error.to_string()))
}

async fn start(environment: Environment) -> Result<Running, StartError> {
    let store = open(&environment).await?;
    let database = store.database().clone();
    let finish = Box::pin(async move { database.close().await });
    Ok(Running { service: Box::new(ProductServer::new(ProductService { store })?), finish })
}

/// The product service.
#[derive(Debug)]
pub struct ProductService {
    store: ProductStore,
}

impl Product for ProductService {
    async fn query(&self, _: &CallContext, request: Query) -> Result<ProductInfo, CallError<ProductError>> {
        let found = self.store.by_name(&request.name).await.map_err(rpc_error)?;
        let product =
            found.ok_or(CallError::Service(ProductError::ProductNotFound { name: request.name }))?;
        Ok(ProductInfo {
            name: product.name,
            price: Decimal(product.price_minor),
            quantity: count(product.quantity),
        })
    }

    async fn purchase(
        &self,
        context: &CallContext,
        request: Purchase,
    ) -> Result<Sold, CallError<ProductError>> {
        check(&request)?;
        let key = token_key(context, "product.purchase")?;
        let hash = request_hash(&request);
        let outcome = self.store.purchase(&key, hash, &request.name, request.quantity, unix_us()).await;
        let taken = taken(outcome.map_err(rpc_error)?, &request)?;
        Ok(Sold { name: request.name, quantity: request.quantity, price: Decimal(taken.price_minor) })
    }

    async fn reserve(
        &self,
        context: &CallContext,
        request: Purchase,
    ) -> Result<Reserved, CallError<ProductError>> {
        check(&request)?;
        let key = token_key(context, "product.reserve")?;
        let hash = request_hash(&request);
        let outcome = self.store.reserve(&key, hash, &request.name, request.quantity, unix_us()).await;
        let taken = taken(outcome.map_err(rpc_error)?, &request)?;
        Ok(Reserved { price: Decimal(taken.price_minor) })
    }

    async fn settle(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>> {
        match self.store.settle(&reservation_key(context, &request), unix_us()).await {
            Ok(_) => Ok(()),
            Err(StoreError::NotReserved(_)) => Err(not_reserved("released")),
            Err(StoreError::UnknownToken) => Err(not_reserved("never reserved")),
            Err(error) => Err(rpc_error(error).into()),
        }
    }

    async fn release(
        &self,
        context: &CallContext,
        request: Reservation,
    ) -> Result<(), CallError<ProductError>> {
        match self.store.release(&reservation_key(context, &request), unix_us()).await {
            Ok(_) => Ok(()),
            Err(StoreError::AlreadySettled(_)) => Err(not_reserved("settled")),
            Err(error) => Err(rpc_error(error).into()),
        }
    }

    async fn inventory(&self, _: &CallContext) -> Result<Inventory, RpcError> {
        let products = self.store.inventory().await.map_err(rpc_error)?;
        let stock = |product: store::Product| Stock {
            name: product.name,
            initial: count(product.initial),
            quantity: count(product.quantity),
            reserved: count(product.reserved),
            sold: count(product.sold),
        };
        Ok(Inventory { products: products.into_iter().map(stock).collect() })
    }
}

fn check(request: &Purchase) -> Result<(), RpcError> {
    if request.quantity == 0 { Err(invalid("quantity: at least 1 piece")) } else { Ok(()) }
}

/// The pieces that a token took, or why it got none.
fn taken(outcome: store::Reservation, request: &Purchase) -> Result<Taken, CallError<ProductError>> {
    let error = match outcome {
        store::Reservation::Reserved(taken) | store::Reservation::Settled(taken) => return Ok(taken),
        store::Reservation::UnknownProduct => ProductError::ProductNotFound { name: request.name.clone() },
        store::Reservation::OutOfStock { available } => ProductError::OutOfStock {
            name: request.name.clone(),
            requested: request.quantity,
            available: count(available),
        },
        store::Reservation::Released => return Err(not_reserved("released")),
    };
    Err(CallError::Service(error))
}

fn not_reserved(state: &str) -> CallError<ProductError> {
    CallError::Service(ProductError::NotReserved { state: state.into() })
}

/// The key that [`token_key`] gave the reservation.
fn reservation_key(context: &CallContext, request: &Reservation) -> String {
    key_of(context, "product.reserve", &request.token)
}

fn rpc_error(error: StoreError) -> RpcError {
    match error {
        StoreError::TokenReused => token_reused(),
        StoreError::Invalid(words) => invalid(words),
        StoreError::Database(error) => database_error(&error),
        other => invalid(other.to_string()),
    }
}

/// A count as it travels. The table's checks keep it from being negative.
fn count(pieces: i64) -> u64 {
    u64::try_from(pieces).unwrap_or(0)
}
