//! Whether something may listen where other machines reach it.

use std::net::IpAddr;

use crate::cli::ExposureFlags;
use crate::error::CommandError;

/// What mTLS leaves unprotected.
pub(super) const OF_THE_GATEWAY: &str = "the gateway's HTTP is plaintext, also with --mtls, unless it has certificates: --https, or [tls] in its settings";

/// What mTLS doesn't protect where TCP is passed through to any server.
pub(super) const OF_PLAIN_TCP: &str = "what the servers behind a virtual port speak is theirs to protect";

/// Whoever reaches a plaintext port can read and change what passes there.
pub(super) fn check_exposure(
    listen: IpAddr,
    exposure: &ExposureFlags,
    despite_mtls: Option<&str>,
) -> Result<(), CommandError> {
    if listen.is_loopback() || exposure.insecure {
        return Ok(());
    }
    let why = despite_mtls.unwrap_or("without mTLS it is neither encrypted nor authenticated");
    Err(CommandError::usage(format!(
        "other machines could reach {listen}, and nothing protects what passes there: {why}"
    ))
    .next(
        "listen on 127.0.0.1, or add --insecure where the network itself is trusted (a container's, a lab's)",
    ))
}
