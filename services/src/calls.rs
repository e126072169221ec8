//! What a store's failure means to a caller; and the keys and hashes by which writes happen once.

use micronet_wire::encoding::{self, Encode};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::service::CallContext;
use sha2::{Digest, Sha256};

use crate::database::DatabaseError;

/// The error of a database that failed: the log gets the cause, the caller a code.
#[must_use]
pub fn database_error(error: &DatabaseError) -> RpcError {
    if let DatabaseError::Away(cause) = error {
        // Whoever noticed it first has logged it; one line for each call would say no more.
        tracing::debug!(%cause, "the database is away");
        return RpcError::new(Code::Database, "the service's database is away; try again");
    }
    if error.is_transient() {
        return RpcError::new(Code::Overloaded, "the service's database is busy");
    }
    tracing::error!(%error, "the database failed");
    RpcError::new(Code::Database, "the service's database failed; its log says how")
}

/// The error of a value that is out of its range.
#[must_use]
pub fn invalid(words: impl Into<String>) -> RpcError {
    RpcError::new(Code::InvalidInput, words)
}

/// The error of an idempotency token that comes back with another request.
#[must_use]
pub fn token_reused() -> RpcError {
    RpcError::new(Code::TokenReused, "this idempotency token was used before with another request")
}

/// The name of one intention: who, which method, which token (SPEC.md 6.4).
///
/// # Errors
/// When the caller gave no token.
pub fn token_key(context: &CallContext, method: &str) -> Result<String, RpcError> {
    Ok(key_of(context, method, context.token()?))
}

/// The name of the intention that this caller has under a token. The principal's length comes first, since a user's id may
/// hold any character.
#[must_use]
pub fn key_of(context: &CallContext, method: &str, token: &str) -> String {
    let principal = context.principal.key();
    format!("{}:{principal}/{method}/{token}", principal.len())
}

/// The hash of a request, by which a token that comes back with another one is noticed.
#[must_use]
pub fn request_hash(request: &impl Encode) -> [u8; 32] {
    // A request that was decoded can be encoded again; one that couldn't would hash as empty, and so equal only itself.
    Sha256::digest(encoding::encode(request).unwrap_or_default()).into()
}
