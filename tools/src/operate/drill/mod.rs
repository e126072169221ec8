//! `micronet drill` and `micronet drills`: failures that are rehearsed, watched, and reported on.

mod html;
mod live;
mod plot;
mod text;

use std::fs;
use std::process::ExitCode;

use self::live::Live;
use super::{Control, failure, json, options};
use crate::config::{DrillCommand, DrillOutput};
use crate::control::api::ControlMethods;
use crate::control::api::drills::{Drill, DrillId, DrillState, Grade, NewDrill};
use crate::error::CommandError;
use crate::stop_signal::{EXIT_INTERRUPTED, StopSignals};
use crate::terminal::{self, Style};

/// Does it.
pub(super) async fn run(control: &Control, command: DrillCommand) -> Result<ExitCode, CommandError> {
    match command {
        DrillCommand::Run(request, output) => rehearse(control, &request, &output).await,
        DrillCommand::List { json: as_json } => {
            let drills = control.drills(options()).await.map_err(failure)?;
            terminal::say(&match as_json {
                true => json(ControlMethods::DRILLS, &drills)?,
                false => text::list(&drills).draw(Style::for_stdout()),
            });
            Ok(ExitCode::SUCCESS)
        }
        DrillCommand::Show(id, output) => {
            show(&control.drill_of(&DrillId { id }, options()).await.map_err(failure)?, &output)?;
            Ok(ExitCode::SUCCESS)
        }
        DrillCommand::Abort(id, output) => {
            show(&control.abort(&DrillId { id }, options()).await.map_err(failure)?, &output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Makes a drill, shows how it goes, and what it came to. Ctrl-C ends it, and mends what is broken.
async fn rehearse(
    control: &Control,
    request: &NewDrill,
    output: &DrillOutput,
) -> Result<ExitCode, CommandError> {
    let mut signals = StopSignals::listen()
        .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
    let drill = control.drill(request, options()).await.map_err(failure)?;
    let id = DrillId { id: drill.id };
    let mut live = Live::begin(&drill);
    let mut news = control.watch_drill(&id, options()).await.map_err(failure)?;
    let mut is_interrupted = false;
    let drill = loop {
        tokio::select! {
            told = news.next() => match told.map_err(failure)? {
                Some(drill) if drill.is_over() => break drill,
                Some(drill) => live.show(&drill),
                None => break control.drill_of(&id, options()).await.map_err(failure)?,
            },
            name = signals.next() => {
                is_interrupted = true;
                live.note(&format!("{name}: mending what is broken"));
                break control.abort(&id, options()).await.map_err(failure)?;
            }
        }
    };
    live.end(&drill);
    show(&drill, output)?;
    Ok(match drill.report.grade {
        _ if is_interrupted => ExitCode::from(EXIT_INTERRUPTED),
        Grade::Held | Grade::Bent if drill.state == DrillState::Done => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Gives the report.
fn show(drill: &Drill, output: &DrillOutput) -> Result<(), CommandError> {
    terminal::say(&match output.json {
        true => json(ControlMethods::DRILL_OF, drill)?,
        false => text::report(drill, Style::for_stdout()),
    });
    if let Some(path) = &output.html {
        fs::write(path, html::page(drill)).map_err(|error| {
            CommandError::new(format!("could not write the report to {}: {error}", path.display()))
                .next(format!("name another file: micronet drills {} --html FILE", drill.id))
        })?;
        terminal::note(&format!("the report with its plots is in {}", path.display()));
    }
    Ok(())
}
