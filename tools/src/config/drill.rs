//! The configurations of `drill` and `drills`.

use std::path::PathBuf;

use crate::cli::drill::{DrillFlags, DrillOutputFlags, DrillsFlags, KindFlag};
use crate::control::api::drills::{DrillKind, NewDrill};
use crate::error::CommandError;

/// What is done about drills.
#[derive(Debug)]
pub(crate) enum DrillCommand {
    /// One is made.
    Run(Box<NewDrill>, DrillOutput),
    /// They are listed.
    List {
        /// As JSON.
        json: bool,
    },
    /// What one came to is shown.
    Show(u64, DrillOutput),
    /// One is ended.
    Abort(u64, DrillOutput),
}

/// How a report is given.
#[derive(Clone, Debug)]
pub(crate) struct DrillOutput {
    /// As JSON.
    pub(crate) json: bool,
    /// To a file for browsers too.
    pub(crate) html: Option<PathBuf>,
}

pub(super) fn drill(flags: DrillFlags) -> Result<DrillCommand, CommandError> {
    let kind = match flags.kind {
        KindFlag::KillInstance => DrillKind::KillInstance,
        KindFlag::Stall => DrillKind::Stall,
        KindFlag::Partition => DrillKind::Partition,
        KindFlag::Slow => DrillKind::Slow,
        KindFlag::DependencyDown => DrillKind::DependencyDown,
    };
    let delay_ms = u32::try_from(flags.delay).ok().filter(|ms| (1..=30_000).contains(ms));
    let delay_ms = delay_ms.ok_or_else(|| CommandError::usage("--delay is from 1ms to 30s"))?;
    let request = NewDrill {
        kind,
        service: super::name("service", flags.service)?,
        load_per_s: Some(flags.load),
        duration_s: Some(flags.duration),
        quiet_s: Some(flags.quiet.min(120)),
        delay_ms: Some(delay_ms),
        routes: Some(flags.routes),
        force: Some(flags.force),
        attended: Some(true),
    };
    Ok(DrillCommand::Run(Box::new(request), output(flags.output)))
}

pub(super) fn drills(flags: DrillsFlags) -> Result<DrillCommand, CommandError> {
    let output = output(flags.output);
    match flags.id {
        Some(id) if flags.abort => Ok(DrillCommand::Abort(id, output)),
        Some(id) => Ok(DrillCommand::Show(id, output)),
        None if output.html.is_some() => {
            Err(CommandError::usage("--html is about one drill")
                .next("name its number, as in micronet drills 3"))
        }
        None => Ok(DrillCommand::List { json: output.json }),
    }
}

fn output(flags: DrillOutputFlags) -> DrillOutput {
    DrillOutput { json: flags.json, html: flags.html }
}
