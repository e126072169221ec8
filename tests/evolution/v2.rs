//! The service as it became.

use std::fmt;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{Decimal, Message, Timestamp};
use micronet_wire::service::{CallContext, CallError, service};

use crate::network::Calls;

/// A shelf of toys, with prices.
#[service(name = "shelf")]
pub(crate) trait Shelf {
    /// It is new.
    #[rpc(http("GET /count"), public, idempotent)]
    async fn count(&self, context: &CallContext) -> Result<u32, RpcError>;
    /// The same in both builds.
    #[rpc(public, idempotent)]
    async fn who(&self, context: &CallContext) -> Result<String, RpcError>;
    #[rpc(http("POST /toys"), public)]
    async fn put(&self, context: &CallContext, request: Put) -> Result<Stored, CallError<PutError>>;
    #[rpc(http("GET /toys/{name}"), public, idempotent)]
    async fn find(&self, context: &CallContext, request: Find) -> Result<Toy, RpcError>;
    /// It isn't idempotent any more.
    #[rpc(public)]
    async fn grade(&self, context: &CallContext, request: GradeOf) -> Result<Graded, RpcError>;
    #[rpc(one_way, public)]
    async fn seen(&self, context: &CallContext, request: Seen);
    #[rpc(public)]
    async fn shift(&self, context: &CallContext, request: Shift) -> Result<(), RpcError>;
    #[rpc(public)]
    async fn rename(&self, context: &CallContext, request: Rename) -> Result<(), RpcError>;
    #[rpc(public, idempotent)]
    async fn size(&self, context: &CallContext) -> Result<Size, RpcError>;
}

/// An optional field is new and comes first, another has gone, and the count may be larger.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Put {
    pub(crate) colour: Option<String>,
    pub(crate) name: String,
    pub(crate) count: u32,
}

/// The id may be larger, the price is more exact, and a field has gone that was optional.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: u64,
    pub(crate) by: String,
    pub(crate) price: Decimal<4>,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) enum PutError {
    #[status(409)]
    Frozen { until: Timestamp },
    #[status(409)]
    Full { room: u32 },
    #[status(422)]
    Fragile,
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it stays out")
    }
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Find {
    pub(crate) name: String,
    pub(crate) deep: Option<bool>,
}

/// A field is new that the answers of older servers don't have, but an option is.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Toy {
    pub(crate) state: State,
    pub(crate) name: String,
    pub(crate) price: Option<Decimal<2>>,
    pub(crate) former: Vec<State>,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) enum State {
    New,
    Reserved { by: String },
    Sold { at: Option<Timestamp>, to: String },
    Unknown,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct GradeOf {
    pub(crate) name: String,
    pub(crate) least: Option<Grade>,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Graded {
    pub(crate) grade: Grade,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) enum Grade {
    Good,
    Fair,
    Broken,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) at: Option<Timestamp>,
    pub(crate) name: String,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Shift {
    pub(crate) name: String,
    pub(crate) row: u32,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Rename {
    pub(crate) name: String,
    pub(crate) new_name: String,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Size {
    pub(crate) width: u16,
}

/// The shelf, which notes who calls for what.
pub(crate) struct Keeper(pub(crate) Calls);

impl Shelf for Keeper {
    async fn count(&self, _: &CallContext) -> Result<u32, RpcError> {
        self.0.note("count");
        Ok(12)
    }
    async fn who(&self, _: &CallContext) -> Result<String, RpcError> {
        self.0.note("who");
        Ok("v2".into())
    }
    async fn put(&self, _: &CallContext, request: Put) -> Result<Stored, CallError<PutError>> {
        self.0.note(format!("put {} {} {:?}", request.name, request.count, request.colour));
        let (id, price) = match &*request.name {
            "broken" => return Err(RpcError::new(Code::Database, "the store is away").into()),
            "large" => return Err(CallError::Service(PutError::Full { room: 3 })),
            "wide" => return Err(CallError::Service(PutError::Full { room: 300 })),
            "cold" => return Err(CallError::Service(PutError::Frozen { until: Timestamp(1) })),
            "late" => (u64::MAX, 19_9900),
            "exact" => (7, 19_9901),
            _ => (7, 19_9900),
        };
        Ok(Stored { id, by: "v2".into(), price: Decimal(price) })
    }
    async fn find(&self, _: &CallContext, request: Find) -> Result<Toy, RpcError> {
        self.0.note(format!("find {} {:?}", request.name, request.deep));
        let sold = State::Sold { at: Some(Timestamp(5)), to: "Ann".into() };
        let former = vec![State::New, State::Reserved { by: "Bob".into() }];
        Ok(Toy { name: request.name, state: sold, price: Some(Decimal(1999)), former })
    }
    async fn grade(&self, _: &CallContext, request: GradeOf) -> Result<Graded, RpcError> {
        self.0.note(format!("grade {} {:?}", request.name, request.least));
        match &*request.name {
            "broken" => Err(RpcError::new(Code::Database, "the store is away")),
            "Tux" => Ok(Graded { grade: Grade::Fair }),
            _ => Ok(Graded { grade: Grade::Broken }),
        }
    }
    async fn seen(&self, _: &CallContext, request: Seen) {
        self.0.note(format!("seen {} {:?}", request.name, request.at));
    }
    async fn shift(&self, _: &CallContext, request: Shift) -> Result<(), RpcError> {
        self.0.note(format!("shift {} {}", request.name, request.row));
        Ok(())
    }
    async fn rename(&self, _: &CallContext, request: Rename) -> Result<(), RpcError> {
        self.0.note(format!("rename {} {}", request.name, request.new_name));
        Ok(())
    }
    async fn size(&self, _: &CallContext) -> Result<Size, RpcError> {
        self.0.note("size");
        Ok(Size { width: 80 })
    }
}
