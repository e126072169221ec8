//! The service that is called: it answers JSON of 64 bytes with some 120.

use std::rc::Rc;

use bytes::Bytes;
use micronet_wire::error::RpcError;
use micronet_wire::schema::{Blob, Decimal, EncodedSchema, Message, Timestamp};
use micronet_wire::service::{CallContext, service};

/// What is asked for, as JSON.
pub(crate) const ASK_JSON: &[u8] = br#"{"name":"Humpback Whale","quantity":3,"price":19.99,"gift":true}"#;

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) name: String,
    #[field(min = 1, max = 1000)]
    pub(crate) quantity: u32,
    pub(crate) price: Decimal<2>,
    pub(crate) gift: bool,
    pub(crate) note: Option<String>,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) quantity: u32,
    pub(crate) price: Decimal<2>,
    pub(crate) at: Timestamp,
    pub(crate) tags: Vec<String>,
    pub(crate) state: State,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) enum State {
    New,
    Shipped { carrier: String },
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Id {
    id: u64,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Payload {
    pub(crate) bytes: Blob,
}

/// What is called.
#[service(name = "shop")]
pub(crate) trait Shop {
    /// One item.
    #[rpc(http("GET /items/{id}"), public, idempotent)]
    async fn get(&self, context: &CallContext, request: Id) -> Result<Item, RpcError>;
    /// Makes an item of what is asked for.
    #[rpc(http("POST /items"), public, status = 201, rate = "shop")]
    async fn make(&self, context: &CallContext, request: Ask) -> Result<Item, RpcError>;
    /// Takes an item away.
    #[rpc(http("DELETE /items/{id}"), public, idempotent)]
    async fn remove(&self, context: &CallContext, request: Id) -> Result<(), RpcError>;
    /// Where an item is.
    #[rpc(http("GET /items/{id}/state"), public, idempotent)]
    async fn state(&self, context: &CallContext, request: Id) -> Result<Item, RpcError>;
    /// The same again.
    #[rpc(service, idempotent)]
    async fn echo(&self, context: &CallContext, request: Payload) -> Result<Payload, RpcError>;
}

/// The service.
pub(crate) struct Shelf;

impl Shop for Shelf {
    async fn get(&self, _: &CallContext, request: Id) -> Result<Item, RpcError> {
        Ok(Item { id: request.id, ..item() })
    }
    async fn make(&self, _: &CallContext, request: Ask) -> Result<Item, RpcError> {
        Ok(Item { name: request.name, quantity: request.quantity, price: request.price, ..item() })
    }
    async fn remove(&self, _: &CallContext, _: Id) -> Result<(), RpcError> {
        Ok(())
    }
    async fn state(&self, _: &CallContext, request: Id) -> Result<Item, RpcError> {
        Ok(Item { id: request.id, ..item() })
    }
    async fn echo(&self, _: &CallContext, request: Payload) -> Result<Payload, RpcError> {
        Ok(request)
    }
}

/// What `ASK_JSON` says.
pub(crate) fn ask() -> Ask {
    Ask { name: "Humpback Whale".into(), quantity: 3, price: Decimal(1999), gift: true, note: None }
}

/// What is answered.
pub(crate) fn item() -> Item {
    Item {
        id: 4711,
        name: "Humpback Whale".into(),
        quantity: 3,
        price: Decimal(1999),
        at: Timestamp(1_795_318_278_000_123),
        tags: Vec::new(),
        state: State::Shipped { carrier: "DHL".into() },
    }
}

/// The service's schema.
pub(crate) fn schema() -> Rc<EncodedSchema> {
    use micronet_wire::service::Service;
    Rc::new(ShopServer::new(Shelf).expect("a schema").schema().clone())
}

/// A payload of so many bytes.
pub(crate) fn payload(bytes: usize) -> Bytes {
    Bytes::from(vec![7; bytes])
}
