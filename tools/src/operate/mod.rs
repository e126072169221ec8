//! The commands that operate a running network, by its control service.

mod drill;
mod fault;
mod logs;
mod net;
pub(crate) mod ps;
pub(crate) mod why;

use std::process::ExitCode;

use bytes::BytesMut;
use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_wire::encoding;
use micronet_wire::error::Code;
use micronet_wire::schema::Message;
use micronet_wire::service::{CallError, CallOptions};
use micronet_wire::transcode::to_json;

use crate::config::{OperateConfig, Operation};
use crate::control::api::{ControlClient, ControlError, Named, Processes, Reloaded, Scale, control_schema};
use crate::error::CommandError;
use crate::identity;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::CONTROL;
use crate::server_process;
use crate::terminal::{self, Style};

/// How long an operation may take, in milliseconds: sixteen instances that drain one by one.
const OPERATION_MS_MAX: u64 = 15 * 60_000;

/// A connection to the control service.
type Control = ControlClient<Client>;
/// What came of a call to it.
type Answer<T> = Result<T, CallError<ControlError>>;

/// Does it.
pub(crate) fn run(config: OperateConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(operate(config))
}

async fn operate(config: OperateConfig) -> Result<ExitCode, CommandError> {
    let control = connect(&config).await?;
    match config.operation {
        Operation::Ps { name, json, watch } => ps::run(&control, name, json, watch).await,
        Operation::Start(name) => show(control.start(&Named { name }, options()).await),
        Operation::Stop(name) => show(control.stop(&Named { name }, options()).await),
        Operation::Restart(name) => show(control.restart(&Named { name }, options()).await),
        Operation::Reload(name) => reload(control.reload(&Named { name }, options()).await),
        Operation::Scale { service, count } => {
            show(control.scale(&Scale { service, count }, options()).await)
        }
        Operation::Drain(name) => show(control.drain(&Named { name }, options()).await),
        Operation::Undrain(name) => show(control.undrain(&Named { name }, options()).await),
        Operation::Logs { name, lines, follow } => logs::run(&control, name, lines, follow).await,
        Operation::Fault(command) => fault::run(&control, command).await,
        Operation::Drill(command) => drill::run(&control, command).await,
        Operation::Why { request_id, json } => why::run(&control, request_id, json).await,
        Operation::Net(command) => net::run(&control, command).await,
    }
}

/// Connects to the control service of the network on the data folder, as its operator.
async fn connect(config: &OperateConfig) -> Result<Control, CommandError> {
    let folder = config.data.display();
    let none = || {
        CommandError::new(format!("no network runs on {folder}"))
            .next("start one with `micronet up`, or name the data folder of one that runs with --data")
    };
    let network = NetworkFile::of_running_network(&config.data)?.ok_or_else(none)?;
    let entry = network.first(CONTROL, Protocol::Rpc).ok_or_else(|| {
        CommandError::new(format!("the network on {folder} has no control service"))
            .next("it was started by an older version: start it again with this one")
    })?;
    let identity = identity::of_tool(None, Some(&network), &config.data, false)?;
    let client = Client::connect_to(CONTROL, entry.address, &identity).await.map_err(|error| {
        CommandError::new(format!("the control service at {}: {error}", entry.address))
            .next("is `micronet up` about to stop, or stalled? Look at its terminal")
    })?;
    Ok(ControlClient::new(client))
}

fn options() -> CallOptions {
    CallOptions { deadline_ns: clock::now() + OPERATION_MS_MAX * 1_000_000, ..CallOptions::default() }
}

fn show(answer: Answer<Processes>) -> Result<ExitCode, CommandError> {
    let processes = answer.map_err(failure)?;
    terminal::say(&ps::table(&processes).draw(Style::for_stdout()));
    Ok(ExitCode::SUCCESS)
}

/// Shows the settings that hold now, or all that is wrong with those that were to hold.
fn reload(answer: Answer<Reloaded>) -> Result<ExitCode, CommandError> {
    for held in answer.map_err(failure)?.settings {
        let instance = &held.instance;
        let file = held.file.as_deref().unwrap_or("no file");
        terminal::say(&format!("{instance}: settings of {file}, revision {}", held.revision));
        if !held.pending.is_empty() {
            terminal::note(&format!(
                "held only after `micronet restart {instance}`: {}",
                held.pending.join(", ")
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Why an operation failed, and what to do about it.
fn failure(error: impl Into<CallError<ControlError>>) -> CommandError {
    let error = error.into();
    let words = CommandError::new(error.to_string());
    match error {
        CallError::Service(ControlError::UnusableSettings { instance, faults }) => {
            let faults: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
            CommandError::new(format!("the settings of {instance} can't be used:{faults}"))
                .next("those from before hold")
        }
        CallError::Service(ControlError::NoSuchProcess { .. }) => words.next("`micronet ps` lists them"),
        CallError::Service(ControlError::NoSuchFault { .. }) => {
            words.next("`micronet fault list` lists them")
        }
        CallError::Service(ControlError::NoSuchDrill { .. }) => words.next("`micronet drills` lists them"),
        CallError::Service(ControlError::BeyondBlastRadius { lost, force }) => {
            let refused = CommandError::new(format!("refused: {lost}"));
            if force { refused.next("add --force, if that may be") } else { refused }
        }
        CallError::Service(ControlError::LastHealthy { .. }) => {
            words.next("add --force, or start another instance first: micronet scale SERVICE COUNT")
        }
        CallError::Service(ControlError::Busy { .. }) => {
            words.next("wait until it is done: `micronet ps --watch` shows how far it is")
        }
        CallError::Service(ControlError::DidNotStart { instance, .. }) => {
            words.next(format!("`micronet logs {instance}` shows why"))
        }
        CallError::Service(ControlError::NotPossible { .. }) => words,
        CallError::Service(ControlError::WrongPlan { .. }) => {
            words.next("`micronet net --help` shows a plan")
        }
        CallError::Rpc(error) if error.code == Code::ConnectionLost => {
            words.next("the network was stopped meanwhile: `micronet up` starts it")
        }
        CallError::Rpc(error) if error.code == Code::Unauthenticated => {
            words.next("the operator's token is in the network's data folder: name it with --data")
        }
        CallError::Rpc(_) => words,
    }
}

/// A reply of one of the control service's methods, as HTTP shows it.
fn json<T: Message>(method: u32, reply: &T) -> Result<String, CommandError> {
    let unshown = |error: String| CommandError::new(format!("the answer can't be shown: {error}"));
    let schema = control_schema();
    let method = schema.method(method).ok_or_else(|| unshown("it has no method".into()))?;
    let encoded = encoding::encode(reply).map_err(|error| unshown(error.to_string()))?;
    let mut json = BytesMut::new();
    to_json(&schema, method.reply, &encoded, &mut json).map_err(|error| unshown(error.to_string()))?;
    Ok(String::from_utf8_lossy(&json).into_owned())
}
