//! The keys and hashes by which writes happen once.

use micronet_transport::clock::unix_us;
use micronet_wire::encoding::{self, Encode};
use micronet_wire::error::RpcError;
use micronet_wire::principal::Principal;
use micronet_wire::service::CallContext;
use sha2::{Digest, Sha256};

use crate::once::Once;

/// An idempotency token, as stores know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whose it is: [`Principal::key`].
    pub holder: String,
    /// Principal, method and token, joined: the name of one intention (SPEC.md 6.4).
    pub key: String,
}

impl Token {
    /// The token that somebody uses for a method.
    #[must_use]
    pub fn new(principal: &Principal, method: &str, token: &str) -> Self {
        Self { holder: principal.key(), key: key_for(principal, method, token) }
    }
}

/// The name of one intention: who, which method, which token (SPEC.md 6.4).
///
/// # Errors
/// When the caller gave no token.
pub fn token_key(context: &CallContext, method: &str) -> Result<String, RpcError> {
    Ok(key_for(&context.principal, method, context.token()?))
}

/// The name of the intention that somebody has under a token. The principal's length comes first, since a user's id may
/// hold any character.
#[must_use]
pub fn key_for(principal: &Principal, method: &str, token: &str) -> String {
    let principal = principal.key();
    format!("{}:{principal}/{method}/{token}", principal.len())
}

/// A write under the call's token: it happens once.
///
/// # Errors
/// When the caller gave no token.
pub fn once(context: &CallContext, method: &str, request: &impl Encode) -> Result<Once, RpcError> {
    let token = Token::new(&context.principal, method, context.token()?);
    Ok(Once { token, body_hash: request_hash(request), now_us: unix_us() })
}

/// The hash of a request, by which a token that comes back with another one is noticed.
#[must_use]
pub fn request_hash(request: &impl Encode) -> [u8; 32] {
    // A request that was decoded can be encoded again; one that couldn't would hash as empty, and so equal only itself.
    Sha256::digest(encoding::encode(request).unwrap_or_default()).into()
}
