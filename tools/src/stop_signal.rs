//! How a process is told to stop: SIGTERM, SIGINT (Ctrl-C), SIGHUP (the terminal is gone), or, for a child, the end of
//! its stdin, which means that its parent is gone.

use std::io::{self, Read};
use std::pin::Pin;
use std::time::Duration;

use micronet_wire::limits::DRAIN_MS_MAX;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::terminal;
use micronet_transport::tasks;

/// Completes once, when the process should drain and end.
pub(crate) type StopSignal = Pin<Box<dyn Future<Output = ()>>>;

/// What ends a process besides SIGTERM and SIGINT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// The end of its stdin.
    pub(crate) with_parent: bool,
    /// SIGHUP; else that means something else to it.
    pub(crate) with_terminal: bool,
}

/// How long an orphan may take beyond the longest drain before it is ended, in milliseconds.
const ORPHAN_MARGIN_MS: u64 = 5_000;
/// The exit code of a command that a signal ended before it was done (128 + SIGINT, as shells count).
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// The signals that ask this process to stop. While this lives they don't end it by themselves.
#[derive(Debug)]
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    /// None where whoever started this process had it ignored, as `nohup` does, and where it doesn't ask to stop.
    hang_up: Option<Signal>,
    /// Where the parent process may die before this one should go on without it.
    parent_gone: Option<oneshot::Receiver<()>>,
}

impl StopSignals {
    /// Starts listening for them. Within a runtime only.
    pub(crate) fn listen() -> io::Result<Self> {
        Self::listen_supervised(false)
    }

    /// The same, and for the end of stdin where a parent watches over this process.
    pub(crate) fn listen_supervised(supervised: bool) -> io::Result<Self> {
        Self::listen_for(Ends { with_parent: supervised, with_terminal: true })
    }

    fn listen_for(ends: Ends) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if ignores_hang_up() || !ends.with_terminal {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
            parent_gone: ends.with_parent.then(watch_parent).transpose()?,
        })
    }

    /// Waits for the next one and names it.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = next_of(&mut self.hang_up) => "SIGHUP",
            () = gone(&mut self.parent_gone) => "the parent process is gone",
        }
    }
}

async fn next_of(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP is ignored: the first bit of the mask that Linux shows in `/proc/self/status` (proc(5), SigIgn).
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

/// The stop signal of a service or the gateway. A second signal ends the process at once. Within a runtime only.
pub(crate) fn drain_on_signal(ends: Ends) -> io::Result<StopSignal> {
    let mut signals = StopSignals::listen_for(ends)?;
    let (stop, stopped) = oneshot::channel();
    tasks::spawn("signals", async move {
        let why = signals.next().await;
        // Who drains already goes on with it, parent or not.
        signals.parent_gone = None;
        tracing::info!(why, "draining");
        let _ = stop.send(());
        signals.next().await;
        terminal::warn("stopped at once by a second signal");
        std::process::exit(i32::from(EXIT_INTERRUPTED));
    });
    Ok(Box::pin(async move {
        let _ = stopped.await;
    }))
}

/// Completes once: later the parent's end is no news.
async fn gone(parent: &mut Option<oneshot::Receiver<()>>) {
    match parent {
        Some(receiver) => {
            let _ = receiver.await;
            *parent = None;
        }
        None => std::future::pending().await,
    }
}

/// Reads stdin to its end on a thread of its own, so that an orphan ends even if its runtime is stuck.
fn watch_parent() -> io::Result<oneshot::Receiver<()>> {
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new().name("parent-watch".into()).spawn(move || {
        let mut buffer = [0; 64];
        let mut stdin = io::stdin().lock();
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = sender.send(());
        std::thread::sleep(Duration::from_millis(DRAIN_MS_MAX + ORPHAN_MARGIN_MS));
        std::process::exit(1);
    })?;
    Ok(receiver)
}
