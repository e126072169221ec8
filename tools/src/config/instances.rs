//! The configuration of `instances`.

use std::path::PathBuf;

use super::{Callee, Environment, callee};
use crate::cli::instances::InstancesFlags;
use crate::error::CommandError;

/// Whose instances are shown, and how.
#[derive(Debug)]
pub(crate) struct InstancesConfig {
    /// Who is asked.
    pub(crate) callee: Callee,
    /// Only those of this service.
    pub(crate) service: Option<String>,
    /// Whether their history is shown.
    pub(crate) history: bool,
    /// Whether they are shown again and again.
    pub(crate) watch: bool,
    /// Whether JSON is printed.
    pub(crate) json: bool,
}

pub(super) fn instances(
    flags: InstancesFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<InstancesConfig, CommandError> {
    let seen_by = super::name("service", flags.seen_by)?;
    let InstancesFlags { service, history, watch, json, .. } = flags;
    let (callee, _) = callee(&seen_by, flags.callee, data, environment)?;
    Ok(InstancesConfig { callee, service, history, watch, json })
}
