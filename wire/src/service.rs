//! What stands between a service's trait and a connection: the context of a call, the server's dispatch and the
//! client's way to call. The `#[service]` macro writes code against these.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

#[doc(hidden)] // What #[service] expands to.
pub use bytes::Bytes;
pub use smol_str::SmolStr;

use crate::error::{Code, RpcError};
use crate::ledger::Ledger;
use crate::metadata::Metadata;
use crate::principal::Principal;
use crate::request::TraceContext;
use crate::schema::{Access, EncodedSchema};

mod calling;
mod outcome;
mod streaming;

pub use calling::Calling;
pub use outcome::{Outcome, ServiceError};
#[doc(hidden)] // What #[service] expands to.
pub use outcome::{
    decode_answer, decode_request, encode_answer, encode_request, id_is_free, open, open_stream, refuse,
    refuse_unknown,
};
pub use streaming::{Answered, Exchange, Failure, Incoming, Outgoing};

pub use crate::conn::Arity;

pub use micronet_wire_macros::service;

/// Everything that a handler may know about the call besides its request.
#[derive(Debug, Clone, Default)]
pub struct CallContext {
    /// Who calls.
    pub principal: Principal,
    /// When the call's answer is no longer wanted, on the driver's clock, in nanoseconds. A handler's own calls inherit it.
    pub deadline_ns: u64,
    /// The request id that logs and answers show; empty when the caller gave none.
    pub request_id: SmolStr,
    /// The W3C trace context.
    pub trace: TraceContext,
    /// The idempotency token, if the caller gave one.
    pub token: Option<String>,
    /// What else the caller sent along.
    pub metadata: Metadata,
    /// Nobody waits for an answer: it is a one-way call (SPEC.md 5.9).
    pub one_way: bool,
    /// The call can wait longer than others (SPEC.md 6.7).
    pub bulk: bool,
    /// The requests come one by one (SPEC.md 4.1).
    pub many: bool,
    /// The call's messages, where it has a stream of them.
    pub exchange: Option<Rc<dyn Exchange>>,
}

impl CallContext {
    /// The idempotency token of a write that must have one.
    ///
    /// # Errors
    /// [`Code::TokenMissing`] when the caller gave none.
    pub fn token(&self) -> Result<&str, RpcError> {
        self.token.as_deref().ok_or_else(|| {
            RpcError::new(
                Code::TokenMissing,
                "this method needs an idempotency token: send one, the same for every repeat",
            )
        })
    }
}

/// Checks that a principal may call a method (SPEC.md 10.7).
///
/// # Errors
/// [`Code::Unauthenticated`] without a credential, [`Code::InsufficientPermissions`] naming what is missing.
pub fn authorize(principal: &Principal, access: &Access) -> Result<(), RpcError> {
    let refused = |what: &str| {
        let (code, who) = match principal {
            Principal::Anonymous => (Code::Unauthenticated, "no credential was given"),
            _ => (Code::InsufficientPermissions, "the principal lacks the permission"),
        };
        Err(RpcError::new(code, format!("{who}: {what} is needed")))
    };
    match access {
        Access::Public => Ok(()),
        Access::Permission { name } if principal.has(name) => Ok(()),
        Access::Permission { name } => refused(name),
        Access::Service if matches!(principal, Principal::Service { .. } | Principal::Operator) => Ok(()),
        Access::Service => refused("the identity of a service, or the operator's,"),
        Access::SignedIn if matches!(principal, Principal::User { .. } | Principal::Operator) => Ok(()),
        Access::SignedIn => refused("an account that has signed in"),
        Access::Services { names } if is_among(principal, names) => Ok(()),
        Access::Services { names } => {
            refused(&format!("the identity of the service {}, or the operator's,", names.join(" or ")))
        }
    }
}

fn is_among(principal: &Principal, names: &[String]) -> bool {
    match principal {
        Principal::Service { name } => names.iter().any(|allowed| allowed == name),
        Principal::Operator => true,
        Principal::Anonymous | Principal::User { .. } => false,
    }
}

/// The answer of a handler on its way to the wire: the encoded reply, or an error.
pub type Answer = Result<Bytes, RpcError>;

/// A handler at work. It is polled in place first, and goes to the background only if it waits.
pub type Handling = Pin<Box<dyn Future<Output = Answer>>>;

/// The server side of a service, as the driver sees it. The `#[service]` macro implements it.
pub trait Service: 'static {
    /// The service's schema.
    fn schema(&self) -> &EncodedSchema;

    /// Starts to handle a call: checks that the principal may, decodes the request, runs the handler, encodes the answer.
    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling;
}

impl<S: Service + ?Sized> Service for Box<S> {
    fn schema(&self) -> &EncodedSchema {
        (**self).schema()
    }
    fn handle(&self, context: Box<CallContext>, method: u32, request: Bytes) -> Handling {
        (**self).handle(context, method, request)
    }
}

/// What a caller says about a call besides its request.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// On whose behalf; only a proven peer of the cluster is believed. `None`: the connection's own identity.
    pub principal: Option<Principal>,
    /// The deadline on the driver's clock, in nanoseconds; 0 takes the default.
    pub deadline_ns: u64,
    /// The request id; empty for none.
    pub request_id: SmolStr,
    /// The trace context; all zero for none.
    pub trace: TraceContext,
    /// The idempotency token.
    pub token: Option<String>,
    /// What else is sent along.
    pub metadata: Metadata,
    /// The method is idempotent: the call may be repeated even without a token.
    pub idempotent: bool,
    /// The call can wait longer than others: where there is too much, it is refused first, and its answer lets others pass.
    pub bulk: bool,
}

impl CallOptions {
    /// What a handler's own calls inherit: deadline, request id, trace and class, but neither token nor principal, nor metadata unless it
    /// is handed on by [`metadata`](Self::metadata).
    #[must_use]
    pub fn within(context: &CallContext) -> Self {
        Self {
            deadline_ns: context.deadline_ns,
            request_id: context.request_id.clone(),
            trace: context.trace,
            bulk: context.bulk,
            ..Self::default()
        }
    }

    /// The same options with an idempotency token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The same options with metadata.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = metadata;
        self
    }
}

/// A reply with the account of where its time went.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The encoded reply.
    pub body: Bytes,
    /// The server's account of the time that it took.
    pub ledger: Ledger,
}

/// Something that calls can be made on: a connection, or a pool of them.
pub trait Caller {
    /// Makes one unary call. Dropping the future cancels it.
    fn call(
        &self,
        method: u32,
        request: Bytes,
        options: CallOptions,
    ) -> impl Future<Output = Result<Reply, RpcError>>;

    /// Makes one one-way call: completes when the call is on its way. It may still be lost, is executed at most once, and
    /// nothing is heard of it again. Once it has been polled, dropping the future doesn't take the call back.
    ///
    /// An error means that the call was not made: there is no connection, or none that can take more.
    fn send(
        &self,
        method: u32,
        request: Bytes,
        options: CallOptions,
    ) -> impl Future<Output = Result<(), RpcError>>;

    /// Opens a call with a stream of messages in one direction or both: `None` for requests that are sent one by one. It is
    /// cancelled when the last one who holds it lets go of it before its end.
    fn open(
        &self,
        method: u32,
        request: Option<Bytes>,
        replies: Arity,
        options: CallOptions,
    ) -> impl Future<Output = Result<Rc<dyn Exchange>, RpcError>> {
        let _ = (method, request, replies, options);
        std::future::ready(Err(RpcError::new(Code::BadRequest, "streams of messages can't be opened here")))
    }
}

impl<C: Caller> Caller for Rc<C> {
    fn call(
        &self,
        method: u32,
        request: Bytes,
        options: CallOptions,
    ) -> impl Future<Output = Result<Reply, RpcError>> {
        C::call(self, method, request, options)
    }

    fn send(
        &self,
        method: u32,
        request: Bytes,
        options: CallOptions,
    ) -> impl Future<Output = Result<(), RpcError>> {
        C::send(self, method, request, options)
    }

    fn open(
        &self,
        method: u32,
        request: Option<Bytes>,
        replies: Arity,
        options: CallOptions,
    ) -> impl Future<Output = Result<Rc<dyn Exchange>, RpcError>> {
        C::open(self, method, request, replies, options)
    }
}

/// Why a typed call failed: for the service's own reasons, or for those of the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError<E> {
    /// The service said no, in its own terms.
    Service(E),
    /// Everything else.
    Rpc(RpcError),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Rpc(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for CallError<E> {}

impl<E> From<RpcError> for CallError<E> {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}
