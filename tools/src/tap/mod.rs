//! `micronet tap`: what passes the processes of a network, while it passes: requests and calls a line each, or frames as a capture.

mod lines;
pub(crate) mod owed;
mod pcap;
#[cfg(test)]
mod tests;
mod writer;

use std::process::ExitCode;
use std::time::Duration;

use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::DEADLINE_US_MAX;
use micronet_wire::network::{OperationClient, Tapped};
use micronet_wire::service::{CallError, CallOptions, Incoming};
use tokio::time::{Instant, sleep_until};

pub(crate) use self::lines::{WIDTHS, line};
use self::owed::Owed;
use self::writer::Writer;
use crate::config::{TapConfig, TapTarget};
use crate::control::api::tap::Tap;
use crate::control::api::{ControlClient, ControlError};
use crate::error::CommandError;
use crate::identity;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::CONTROL;
use crate::server_process;
use crate::stop_signal::StopSignals;

/// Without an end of its own it goes on for so long at most, in seconds: a hundred years.
const FOR_EVER_S: u64 = 3_153_600_000;

/// Taps until Ctrl-C, or what the configuration says.
pub(crate) fn run(config: &TapConfig) -> Result<ExitCode, CommandError> {
    server_process::runtime()?.block_on(tap(config))
}

async fn tap(config: &TapConfig) -> Result<ExitCode, CommandError> {
    let mut stop = StopSignals::listen()
        .map_err(|error| CommandError::usage(format!("could not listen for signals: {error}")))?;
    let source = Source::reach(config).await?;
    let mut news = source.open(config).await?;
    let mut writer = Writer::start(config)?;
    let began = Instant::now();
    let over = sleep_until(began + config.lasts.unwrap_or(Duration::from_secs(FOR_EVER_S)));
    let mut over = std::pin::pin!(over);
    let told_to = writer.told.clone();
    let hear = async {
        let mut owed = Owed::default();
        loop {
            match news.next().await {
                Ok(told) => {
                    if !owed.hand_over(told, &told_to).await {
                        // The writer's end says why.
                        std::future::pending::<()>().await;
                    }
                }
                // SPEC 4.8: a stream lasts an hour.
                Err(error) if error.code == Code::DeadlineExceeded => news = source.open(config).await?,
                Err(error) => return Err(source.failure(&error)),
            }
        }
    };
    let end = tokio::select! {
        biased;
        ended = writer.ended() => ended.map_err(|error| {
            CommandError::new(format!("what was seen can't be written: {error}"))
        }),
        _ = stop.next() => Ok(()),
        () = &mut over => Ok(()),
        failed = hear => failed,
    };
    drop(told_to);
    // Also what was seen before the network was stopped.
    if end.is_ok() || writer.has_seen() {
        writer.close(began.elapsed()).await;
    }
    end.map(|()| ExitCode::SUCCESS)
}

/// Who is asked.
enum Source {
    Control(ControlClient<Client>),
    Instance(OperationClient<Client>),
}

/// What is told.
enum News {
    Control(Incoming<Tapped, CallError<ControlError>>),
    Instance(Incoming<Tapped>),
}

impl News {
    async fn next(&mut self) -> Result<Tapped, RpcError> {
        let told = match self {
            Self::Control(news) => news.next().await.map_err(|error| match error {
                CallError::Rpc(error) => error,
                CallError::Service(error) => RpcError::new(Code::InvalidInput, error.to_string()),
            }),
            Self::Instance(news) => news.next().await,
        };
        told?.ok_or_else(|| RpcError::new(Code::ConnectionLost, "it has nothing more to tell"))
    }
}

impl Source {
    async fn reach(config: &TapConfig) -> Result<Self, CommandError> {
        let network = NetworkFile::of_running_network(&config.data)?;
        let identity =
            identity::of_tool(config.tls.as_ref(), network.as_ref(), &config.data, config.anonymous)?;
        if let TapTarget::Address(address) = &config.target {
            let address = address.resolve().await.map_err(CommandError::into_usage)?;
            let client = Client::connect(address, &identity).await;
            return client.map(|client| Self::Instance(OperationClient::new(client))).map_err(failure);
        }
        Ok(Self::Control(ControlClient::new(control(config, network, &identity).await?)))
    }

    async fn open(&self, config: &TapConfig) -> Result<News, CommandError> {
        let options = CallOptions {
            deadline_ns: clock::now() + u64::from(DEADLINE_US_MAX) * 1_000,
            ..CallOptions::default()
        };
        let filter = config.filter.clone();
        match (self, &config.target) {
            (Self::Control(control), TapTarget::Name(name)) => {
                let of = Tap { name: Some(name.clone()), filter };
                control.tap(&of, options).await.map(News::Control).map_err(|error| match error {
                    CallError::Rpc(error) => failure(error),
                    CallError::Service(error) => CommandError::new(error.to_string()),
                })
            }
            (Self::Instance(instance), _) => {
                instance.tap(&filter, options).await.map(News::Instance).map_err(failure)
            }
            (Self::Control(_), TapTarget::Address(_)) => Err(CommandError::usage("an address has no name")),
        }
    }

    fn failure(&self, error: &RpcError) -> CommandError {
        let words = failure(error.clone());
        match (self, error.code) {
            (Self::Control(_), Code::InvalidInput) => words.next("`micronet ps` lists them"),
            _ => words,
        }
    }
}

async fn control(
    config: &TapConfig,
    network: Option<NetworkFile>,
    identity: &Identity,
) -> Result<Client, CommandError> {
    let none = || {
        CommandError::new(format!("no network runs on {}", config.data.display()))
            .next("start one with `micronet up`, name its folder with --data, or tap an instance with --at")
    };
    let network = network.ok_or_else(none)?;
    let entry = network.first(CONTROL, Protocol::Rpc).ok_or_else(none)?;
    Client::connect_to(CONTROL, entry.address, identity).await.map_err(failure)
}

fn failure(error: RpcError) -> CommandError {
    let words = CommandError::new(error.message);
    match error.code {
        Code::Unauthenticated | Code::InsufficientPermissions => {
            words.next("the operator's token is found by --data, and not used with --anonymous")
        }
        Code::ConnectionLost => words.next("was the network stopped?"),
        _ => words,
    }
}
