//! A byte stream to an instance, for languages that need nothing below them but that.

use std::net::SocketAddr;

use micronet_wire::error::{Code, RpcError};

use crate::driver::ByteStream;
use crate::identity::Identity;
use crate::socket;

/// Connects to an instance, of this service where one is named; in TLS where the identity has a certificate.
///
/// # Errors
/// [`Code::Unavailable`] when nobody listens there, or the code by which one of the two sides refused the other.
pub async fn open(
    address: SocketAddr,
    service: Option<&str>,
    identity: &Identity,
) -> Result<Box<dyn ByteStream>, RpcError> {
    let connected = socket::connect(address).await;
    let stream = connected
        .map_err(|error| RpcError::new(Code::Unavailable, format!("cannot connect to {address}: {error}")))?;
    match &identity.tls {
        None => Ok(Box::new(stream)),
        Some(tls) => Ok(Box::new(tls.dial(stream, service).await?.0)),
    }
}
