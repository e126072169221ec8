//! What the commands `service` and `gateway` share: a runtime, the stop signal, and the line that says it is ready.

use std::net::SocketAddr;

use micronet_transport::drain::{self, Drain};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::error::CommandError;
use crate::process_limits;
use crate::stop_signal::{self, StopSignal};
use crate::terminal;

/// What a ready server prints before its address. `up` reads it, and so may any other parent.
pub(crate) const READY_PREFIX: &str = "listening on ";

/// The duty to say, once, that a server is ready.
#[derive(Debug)]
#[must_use = "whoever started this process waits for the line"]
pub(crate) struct ReadyLine(());

impl ReadyLine {
    /// Says on stdout where the server listens. Called when it accepts connections, and not before.
    pub(crate) fn announce(self, address: SocketAddr) {
        terminal::say(&format!("{READY_PREFIX}{address}"));
    }
}

/// Runs a server until it is told to stop and has drained.
pub(crate) fn run<Server, Serving>(supervised: bool, server: Server) -> Result<(), CommandError>
where
    Server: FnOnce(ReadyLine, StopSignal) -> Serving,
    Serving: Future<Output = Result<(), CommandError>>,
{
    process_limits::prepare();
    runtime()?.block_on(async move {
        let stop = stop_signal::drain_on_signal(supervised)
            .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
        server(ReadyLine(()), stop).await
    })
}

/// Turns the stop signal into the word that servers drain on.
pub(crate) fn drain_at(stop: StopSignal) -> Drain {
    let (trigger, drain) = drain::channel();
    tokio::task::spawn_local(async move {
        stop.await;
        trigger.drain();
    });
    drain
}

/// A single-threaded runtime whose tasks need not be `Send`.
pub(crate) fn runtime() -> Result<LocalRuntime, CommandError> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|error| CommandError::new(format!("the asynchronous runtime could not start: {error}")))
}

/// The words for a listener that could not be bound.
pub(crate) fn not_bound(address: SocketAddr, who: &str, error: &std::io::Error) -> CommandError {
    CommandError::new(format!("{who} can't listen on {address}: {error}"))
        .next("stop what listens there, or choose another address with --listen")
}
