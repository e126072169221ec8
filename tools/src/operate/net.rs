//! `micronet net`: what the running network is declared to be like, shown or changed.

use std::process::ExitCode;

use micronet_wire::service::CallError;

use super::{Control, failure, options};
use crate::config::{NetChange, NetCommand};
use crate::control::api::network::Declare;
use crate::error::CommandError;
use crate::net::shown;
use crate::network_plan::Plan;
use crate::terminal;

/// Changes it, if that is wanted, and shows it.
pub(super) async fn run(control: &Control, command: NetCommand) -> Result<ExitCode, CommandError> {
    let answer = match command.change {
        NetChange::Keep => control.network(options()).await.map_err(CallError::from),
        NetChange::Apply(plan) => control.declare(&Declare { plan: plan.source }, options()).await,
        NetChange::Clear => control.withdraw(options()).await.map_err(CallError::from),
    };
    let declared = answer.map_err(failure)?;
    if declared.plan.is_empty() {
        let none = if command.show.json { r#"{"segments":[],"links":[],"allow":[]}"# } else { NONE };
        terminal::say(none);
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan::read(&declared.plan).map_err(|wrong| {
        CommandError::new(format!("the network's plan can't be read here, {wrong}"))
            .next("is this another version than the one that runs?")
    })?;
    terminal::say(&shown(&plan, &command.show));
    Ok(ExitCode::SUCCESS)
}

const NONE: &str =
    "No plan holds: all are as near to each other as the machine has them, and may call each other.";
