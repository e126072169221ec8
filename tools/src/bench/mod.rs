//! `micronet bench`: how long requests take, how many pass, and what they cost.
//!
//! [`course`] runs repetitions, of two targets in turns; `prepare` makes a target ready, [`called`] what is called over RPC. Workers take
//! turns and count (`work`, `tally`): a `lane` is a connection that is kept busy with what [`http`], [`ws`] and [`echo`] say; `rpc`,
//! `rpc_sync` and `l4` work by themselves. `parts` knows the processes that take part, found by their [`listeners`], and what each of
//! them has used ([`process`]); `remembered` tells where the time of requests over HTTP went. [`report`] says what came of it. [`serve`] is a server to measure.

mod called;
mod child;
mod course;
mod echo;
pub(crate) mod http;
mod l4;
mod lane;
mod listeners;
mod parts;
mod prepare;
mod process;
mod remembered;
pub(crate) mod report;
mod rpc;
mod rpc_sync;
pub(crate) mod serve;
mod tally;
mod work;
pub(crate) mod ws;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use micronet_transport::clock;

use self::prepare::Prepared;
use self::report::model::{Results, Run};
use crate::config::{BenchCommand, BenchConfig};
use crate::error::CommandError;
use crate::machine::Machine;
use crate::server_process;
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};

/// Measures, and says what came of it; or is a server that is measured.
pub(crate) fn run(command: BenchCommand) -> Result<ExitCode, CommandError> {
    match command {
        BenchCommand::Measure(config) => {
            let (results, interrupted) = server_process::runtime()?.block_on(measure(&config))?;
            let answers: u64 = results
                .runs
                .iter()
                .flat_map(|run| &run.repetitions)
                .map(|repetition| repetition.requests.saturating_sub(repetition.failed()))
                .sum();
            report::deliver(&results, &config.outputs)?;
            Ok(match (interrupted, answers) {
                (true, _) => ExitCode::from(EXIT_INTERRUPTED),
                (false, 0) => ExitCode::FAILURE,
                (false, _) => ExitCode::SUCCESS,
            })
        }
        BenchCommand::Echo { listen, supervised } => {
            echo::serve(listen, supervised).map(|()| ExitCode::SUCCESS)
        }
        BenchCommand::Serve(config) => serve::run(config).map(|()| ExitCode::SUCCESS),
        BenchCommand::Show(config) => report::show(&config),
        BenchCommand::Compare(config) => report::compare(&config),
    }
}

/// All results, and whether Ctrl-C ended the measurement.
async fn measure(config: &BenchConfig) -> Result<(Results, bool), CommandError> {
    let mut signals = StopSignals::listen()
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let mut targets = Vec::new();
    for target in &config.targets {
        targets.push(Prepared::new(target, config).await?);
    }
    let started_unix_us = u64::try_from(clock::unix_us()).unwrap_or(0);
    let measured = course::run(&targets, &config.course, &mut signals).await?;
    let runs = targets.iter().zip(measured.repetitions).map(|(target, repetitions)| Run {
        target: target.name.clone(),
        kind: target.kind,
        settings: target.settings(&config.course),
        started_unix_us,
        machine: Machine::look(),
        repetitions,
    });
    Ok((Results::of(runs.collect()), measured.interrupted))
}
