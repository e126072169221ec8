//! The service as it was.

use std::fmt;

use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::{Decimal, Message};
use micronet_wire::service::{CallContext, CallError, service};

use crate::network::Calls;

/// A shelf of toys.
#[service(name = "shelf")]
pub(crate) trait Shelf {
    /// The same in both builds.
    #[rpc(public, idempotent)]
    async fn who(&self, context: &CallContext) -> Result<String, RpcError>;
    #[rpc(http("POST /toys"), public)]
    async fn put(&self, context: &CallContext, request: Put) -> Result<Stored, CallError<PutError>>;
    #[rpc(http("GET /toys/{name}"), public, idempotent)]
    async fn find(&self, context: &CallContext, request: Find) -> Result<Toy, RpcError>;
    #[rpc(public, idempotent)]
    async fn grade(&self, context: &CallContext, request: GradeOf) -> Result<Graded, RpcError>;
    #[rpc(one_way, public)]
    async fn seen(&self, context: &CallContext, request: Seen);
    /// The type of a field changes.
    #[rpc(public)]
    async fn shift(&self, context: &CallContext, request: Shift) -> Result<(), RpcError>;
    /// A field gets another name.
    #[rpc(public)]
    async fn rename(&self, context: &CallContext, request: Rename) -> Result<(), RpcError>;
    /// It goes.
    #[rpc(public)]
    async fn clear(&self, context: &CallContext) -> Result<(), RpcError>;
    /// Its answer loses a field that it has here.
    #[rpc(public, idempotent)]
    async fn size(&self, context: &CallContext) -> Result<Size, RpcError>;
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Put {
    pub(crate) name: String,
    pub(crate) count: u8,
    pub(crate) note: Option<String>,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: u32,
    pub(crate) by: String,
    pub(crate) mark: Option<String>,
    pub(crate) price: Decimal<2>,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) enum PutError {
    #[status(409)]
    Full { room: u8 },
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
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Toy {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) former: Vec<State>,
}

/// It may grow, and says so.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) enum State {
    New,
    Sold { to: String },
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

/// It grows all the same.
#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) enum Grade {
    Good,
    Fair,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) name: String,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Shift {
    pub(crate) name: String,
    pub(crate) row: String,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Rename {
    pub(crate) name: String,
    pub(crate) to: String,
}

#[derive(Message, Debug, Clone, PartialEq)]
pub(crate) struct Size {
    pub(crate) width: u16,
    pub(crate) depth: u16,
}

/// The shelf, which notes who calls for what.
pub(crate) struct Keeper(pub(crate) Calls);

impl Shelf for Keeper {
    async fn who(&self, _: &CallContext) -> Result<String, RpcError> {
        self.0.note("who");
        Ok("v1".into())
    }
    async fn put(&self, _: &CallContext, request: Put) -> Result<Stored, CallError<PutError>> {
        self.0.note(format!("put {} {} {:?}", request.name, request.count, request.note));
        match &*request.name {
            "broken" => Err(RpcError::new(Code::Database, "the store is away").into()),
            "large" => Err(CallError::Service(PutError::Full { room: 3 })),
            _ => Ok(Stored { id: 7, by: "v1".into(), mark: Some("m".into()), price: Decimal(1999) }),
        }
    }
    async fn find(&self, _: &CallContext, request: Find) -> Result<Toy, RpcError> {
        self.0.note(format!("find {}", request.name));
        let sold = State::Sold { to: "Ann".into() };
        Ok(Toy { name: request.name, state: sold, former: vec![State::New, State::Unknown] })
    }
    async fn grade(&self, _: &CallContext, request: GradeOf) -> Result<Graded, RpcError> {
        self.0.note(format!("grade {} {:?}", request.name, request.least));
        match &*request.name {
            "broken" => Err(RpcError::new(Code::Database, "the store is away")),
            _ => Ok(Graded { grade: Grade::Fair }),
        }
    }
    async fn seen(&self, _: &CallContext, request: Seen) {
        self.0.note(format!("seen {}", request.name));
    }
    async fn shift(&self, _: &CallContext, request: Shift) -> Result<(), RpcError> {
        self.0.note(format!("shift {} {}", request.name, request.row));
        Ok(())
    }
    async fn rename(&self, _: &CallContext, request: Rename) -> Result<(), RpcError> {
        self.0.note(format!("rename {} {}", request.name, request.to));
        Ok(())
    }
    async fn clear(&self, _: &CallContext) -> Result<(), RpcError> {
        self.0.note("clear");
        Ok(())
    }
    async fn size(&self, _: &CallContext) -> Result<Size, RpcError> {
        self.0.note("size");
        Ok(Size { width: 80, depth: 30 })
    }
}
