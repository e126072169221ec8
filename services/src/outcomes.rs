//! From what stores remember of a token to what is told of it (SPEC.md 6.8).

use micronet_wire::encoding::{self, Encode};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::outcomes::TokenOutcome;
use micronet_wire::schema::{Blob, Message};
use micronet_wire::service::{CallError, ServiceError, encode_answer};

/// The outcome of a write whose reply is stored as it was given, if it was done.
#[must_use]
pub fn replied(reply: Option<Vec<u8>>) -> TokenOutcome {
    reply.map_or(TokenOutcome::NeverStarted, |reply| TokenOutcome::Done { reply: Blob(reply) })
}

/// What is stored of a write, where that isn't its reply itself.
///
/// # Errors
/// When it isn't of this type.
pub fn decoded<T: Message>(stored: &[u8]) -> Result<T, RpcError> {
    encoding::decode(stored).map_err(|error| {
        tracing::error!(%error, "a stored reply is not of its type");
        RpcError::new(Code::Database, "the service's database failed; its log says how")
    })
}

/// The outcome of a write that a repeat would be answered so.
pub fn answered<T: Encode, E: ServiceError>(answer: Result<T, CallError<E>>) -> TokenOutcome {
    TokenOutcome::answered(encode_answer(answer))
}
