//! `micronet lab`: the load-balancing lab.

pub(crate) mod compare;
mod loads;
mod nodes;

use std::process::ExitCode;

use crate::config::LabConfig;
use crate::error::CommandError;
use crate::server_process;

/// Does what was asked for in the lab.
pub(crate) fn run(config: &LabConfig) -> Result<ExitCode, CommandError> {
    match config {
        LabConfig::Compare(config) => server_process::runtime()?.block_on(compare::run(config)),
        LabConfig::Load(config) => server_process::runtime()?.block_on(loads::run(config)),
    }
}
