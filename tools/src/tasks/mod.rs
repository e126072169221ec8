//! `micronet tasks`: what a process is doing, by its own word.

mod text;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::network::{OperationClient, OperationMethods, Tasks, TasksOf};
use micronet_wire::service::CallOptions;

use crate::call::exit_code;
use crate::config::{PingTarget, TasksConfig, TasksTarget};
use crate::error::CommandError;
use crate::identity;
use crate::instances;
use crate::network_file::{NetworkFile, Protocol};
use crate::ping::target::{self, Target};
use crate::server_process;
use crate::terminal::{self, Style};

/// How long an answer may take: to find functions by their addresses takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks twice, and shows what happened between; once for JSON.
pub(crate) fn run(config: &TasksConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(show(config))
}

async fn show(config: &TasksConfig) -> Result<ExitCode, CommandError> {
    let network = NetworkFile::of_running_network(&config.data)?;
    let target = find(&config.target, &config.data, network.as_ref()).await?;
    let identity = identity::of_tool(config.tls.as_ref(), network.as_ref(), &config.data, false)?;
    let connecting =
        Client::connect_to(target.service.as_deref().unwrap_or_default(), target.address, &identity);
    let connected = tokio::time::timeout(PATIENCE, connecting).await;
    let silent = || RpcError::new(Code::DeadlineExceeded, "no HELLO came");
    let client = connected.unwrap_or_else(|_| Err(silent())).map_err(|error| failure(&target, &error))?;
    let operation = OperationClient::new(client);
    let look = async |stacks: bool| {
        let patience_ns = u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
        let options = CallOptions { deadline_ns: clock::now() + patience_ns, ..CallOptions::default() };
        operation.tasks(&TasksOf { stacks }, options).await.map_err(|error| failure(&target, &error))
    };
    if config.json {
        let seen = look(config.stacks).await?;
        terminal::say(&instances::json(OperationMethods::TASKS, &seen)?);
        return can_tell(config, &seen);
    }
    let before = look(false).await?;
    tokio::time::sleep(config.apart).await;
    let seen = look(config.stacks).await?;
    terminal::say(&text::text(&before, &seen, Style::for_stdout()));
    can_tell(config, &seen)
}

/// Whether the process could tell what it was asked.
fn can_tell(config: &TasksConfig, seen: &Tasks) -> Result<ExitCode, CommandError> {
    if config.stacks && !seen.tells_stacks {
        return Err(CommandError::new(format!(
            "{} can't tell where its tasks wait: its program wasn't built for that",
            seen.instance
        ))
        .next("build it with RUSTFLAGS=\"--cfg tokio_unstable\" cargo build --release --features taskdump"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the process is reached.
async fn find(
    target: &TasksTarget,
    data: &Path,
    network: Option<&NetworkFile>,
) -> Result<Target, CommandError> {
    let pid = match target {
        TasksTarget::Instance(target) => return target::find(target, data, network).await,
        TasksTarget::Pid(pid) => pid,
    };
    let entries = network.map(|network| network.entries.as_slice()).unwrap_or_default();
    let found = entries.iter().find(|entry| entry.pid == *pid && entry.protocol == Protocol::Rpc);
    let name = found.map(|entry| entry.instance.clone()).ok_or_else(|| {
        CommandError::usage(format!("process {pid} is none of the network that runs on {}", data.display()))
            .next("`micronet ps` shows its processes; one that was started by hand is asked at HOST:PORT")
    })?;
    target::find(&PingTarget::Name(name), data, network).await
}

fn failure(target: &Target, error: &RpcError) -> CommandError {
    let failure =
        CommandError::new(format!("{}: {error}", target.name)).with_exit_code(exit_code(error.code));
    match error.code {
        Code::Unavailable => failure.next("does it run? `micronet ps` shows what does"),
        Code::TlsRequired => failure.next("add --mtls, or --certs DIR where the certificates are elsewhere"),
        Code::Unauthenticated | Code::InsufficientPermissions | Code::BadProof => failure.next(
            "only its operator may ask, whose token is in the network's data folder: name it with --data",
        ),
        Code::UnknownMethod => failure.next("it is of a version that can't tell; start it anew"),
        _ => failure,
    }
}
