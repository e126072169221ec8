//! `micronet bench`: how long requests take, how many pass, and what they cost.
#![allow(dead_code, reason = "the commands that fill it in come next")]

pub(crate) mod report;
pub(crate) mod serve;

use std::process::ExitCode;

use crate::config::BenchCommand;
use crate::error::CommandError;

/// Does it.
pub(crate) fn run(command: BenchCommand) -> Result<ExitCode, CommandError> {
    match command {
        BenchCommand::Serve(config) => serve::run(config).map(|()| ExitCode::SUCCESS),
        BenchCommand::Show(config) => report::show(&config),
        BenchCommand::Compare(config) => report::compare(&config),
    }
}
