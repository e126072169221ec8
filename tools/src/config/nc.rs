//! The configuration of `nc`.

use std::path::PathBuf;

use super::{Environment, PingTarget, TlsConfig};
use crate::cli::nc::NcFlags;
use crate::error::CommandError;

/// Whom to talk with, and as whom.
#[derive(Debug)]
pub(crate) struct NcConfig {
    /// Which instance.
    pub(crate) target: PingTarget,
    /// Whether the operator's token is shown first.
    pub(crate) operator: bool,
    /// How TLS is spoken, where that was asked for; a running network says so itself.
    pub(crate) tls: Option<TlsConfig>,
    /// The data folder.
    pub(crate) data: PathBuf,
}

pub(super) fn nc(
    flags: NcFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<NcConfig, CommandError> {
    let target = super::ping::target(flags.target)?;
    let tls = super::tls::tls(flags.tls, &data, environment)?;
    Ok(NcConfig { target, operator: flags.operator, tls, data })
}
