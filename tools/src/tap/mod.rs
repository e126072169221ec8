//! `micronet tap`: what passes the processes of a network, while it passes: requests and calls a line each, or frames as a capture.

mod lines;
mod pcap;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use micronet_transport::client::Client;
use micronet_transport::clock;
use micronet_transport::identity::Identity;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::DEADLINE_US_MAX;
use micronet_wire::network::{OperationClient, RecordKind, Tapped, TappedItem};
use micronet_wire::service::{CallError, CallOptions, Incoming};
use tokio::time::{Instant, sleep_until};

use self::lines::Lines;
use self::pcap::Capture;
use crate::config::{TapConfig, TapOutput, TapTarget};
use crate::control::api::tap::Tap;
use crate::control::api::{ControlClient, ControlError};
use crate::error::CommandError;
use crate::identity;
use crate::network_file::{NetworkFile, Protocol};
use crate::registry::CONTROL;
use crate::server_process;
use crate::stop_signal::StopSignals;
use crate::terminal;

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
    let mut written = Written::begin(config)?;
    let (began, lasts) = (Instant::now(), config.lasts.unwrap_or(Duration::from_secs(FOR_EVER_S)));
    let end = loop {
        let told = tokio::select! {
            told = news.next() => told,
            _ = stop.next() => break Ok(()),
            () = sleep_until(began + lasts) => break Ok(()),
        };
        match told {
            // Whoever reads has gone, as `head` does.
            Ok(told) => match written.take(told, config) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break Ok(()),
                Err(error) => break Err(CommandError::new(format!("the capture can't be written: {error}"))),
            },
            // SPEC 4.8: a stream lasts an hour.
            Err(error) if error.code == Code::DeadlineExceeded => news = source.open(config).await?,
            Err(error) => break Err(source.failure(&error)),
        }
    };
    // Also what was seen before the network was stopped.
    if end.is_ok() || written.seen > 0 {
        written.close(began.elapsed());
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

/// What was made of what was told so far.
struct Written {
    output: Output,
    seen: u64,
    lost: u64,
}

enum Output {
    Lines(Lines),
    Capture(Box<Capture<Box<dyn Write>>>),
}

impl Written {
    fn begin(config: &TapConfig) -> Result<Self, CommandError> {
        let capture = |out: io::Result<Box<dyn Write>>, to: &str| {
            let begun = out.and_then(Capture::begin);
            begun
                .map(|capture| Output::Capture(Box::new(capture)))
                .map_err(|error| CommandError::new(format!("{to} can't be written: {error}")))
        };
        let output = match &config.output {
            TapOutput::Lines => Output::Lines(Lines::text()),
            TapOutput::Json => Output::Lines(Lines::json()),
            TapOutput::Pcap(None) => capture(Ok(Box::new(BufWriter::new(io::stdout()))), "stdout")?,
            TapOutput::Pcap(Some(path)) => {
                let file = File::create(path).map(|file| Box::new(BufWriter::new(file)) as Box<dyn Write>);
                capture(file, &path.display().to_string())?
            }
        };
        Ok(Self { output, seen: 0, lost: 0 })
    }

    /// Writes what was told; false when that is enough.
    fn take(&mut self, told: Tapped, config: &TapConfig) -> io::Result<bool> {
        let Tapped { seen_by, items, lost_calls, lost_frames } = told;
        self.lost += lost_calls + lost_frames;
        for item in items {
            match (&mut self.output, item) {
                (Output::Lines(lines), TappedItem::Call { record, request, reply }) => {
                    if record.kind == RecordKind::Made && !config.made {
                        continue;
                    }
                    lines.say(&seen_by, &record, &request, &reply)?;
                    self.seen += 1;
                }
                (Output::Capture(capture), TappedItem::Connection { connection }) => {
                    capture.connection(&seen_by, &connection);
                }
                (Output::Capture(capture), TappedItem::Frame { frame }) => {
                    capture.frame(&seen_by, &frame)?;
                    self.seen += 1;
                }
                _ => {}
            }
            if config.count.is_some_and(|count| self.seen >= count) {
                self.flush()?;
                return Ok(false);
            }
        }
        self.flush()?;
        Ok(true)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Output::Lines(_) => Ok(()),
            Output::Capture(capture) => capture.flush(),
        }
    }

    fn close(&self, lasted: Duration) {
        let what = match self.output {
            Output::Lines(_) => "calls",
            Output::Capture(_) => "frames",
        };
        let Self { seen, lost, .. } = self;
        terminal::note(&format!("{seen} {what} in {:.1} s, {lost} lost", lasted.as_secs_f64()));
    }
}
