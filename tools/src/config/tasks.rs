//! The configuration of `tasks`.

use std::path::PathBuf;
use std::time::Duration;

use super::ping::{PingTarget, target};
use super::{Environment, TlsConfig};
use crate::cli::tasks::TasksFlags;
use crate::error::CommandError;

/// Which process is asked, and what is shown of it.
#[derive(Debug)]
pub(crate) struct TasksConfig {
    /// The process.
    pub(crate) target: TasksTarget,
    /// From the first look to the second.
    pub(crate) apart: Duration,
    /// Whether it is shown where tasks wait.
    pub(crate) stacks: bool,
    /// Whether JSON is printed.
    pub(crate) json: bool,
    /// How TLS is spoken, where that was asked for; a running network says so itself.
    pub(crate) tls: Option<TlsConfig>,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// A process of micronet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TasksTarget {
    /// One of the network on the data folder, by its id.
    Pid(u32),
    /// By its name or its address.
    Instance(PingTarget),
}

pub(super) fn tasks(
    flags: TasksFlags,
    data: PathBuf,
    environment: Environment<'_>,
) -> Result<TasksConfig, CommandError> {
    let target = match flags.target.parse() {
        Ok(pid) => TasksTarget::Pid(pid),
        Err(_) => TasksTarget::Instance(target(flags.target)?),
    };
    Ok(TasksConfig {
        target,
        apart: Duration::from_secs(flags.seconds.into()),
        stacks: flags.stacks,
        json: flags.json,
        tls: super::tls::tls(flags.tls, &data, environment)?,
        data,
    })
}
