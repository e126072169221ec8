//! What the commands `service` and `gateway` share: a runtime, the stop signal, and the line that says it is ready.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use micronet_transport::drain::{self, Drain};
use micronet_transport::tasks;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::error::CommandError;
use crate::process_limits;
use crate::start_pages;
use crate::stop_signal::{self, Ends, StopSignal};
use crate::terminal;

/// What a ready server prints before its address. `up` reads it, and so may any other parent.
pub(crate) const READY_PREFIX: &str = "listening on ";

/// What a server prints that has closed the sockets which it shares with its successor.
pub(crate) const DRAINING_LINE: &str = "draining";

/// The duty to say, once, that a server is ready.
#[derive(Debug)]
#[must_use = "whoever started this process waits for the line"]
pub(crate) struct ReadyLine(());

impl ReadyLine {
    /// Says on stdout where the server listens: it has started. Called when it accepts connections, and not before.
    pub(crate) fn announce(self, address: SocketAddr) {
        terminal::say(&format!("{READY_PREFIX}{address}"));
        start_pages::give_back_after_start();
        if address.ip().is_unspecified()
            && let Some(ip) = outward_ip(address)
        {
            terminal::say(&format!("other machines reach it at {}", SocketAddr::new(ip, address.port())));
        }
    }
}

/// Runs a server until it is told to stop and has drained.
pub(crate) fn run<Server, Serving>(ends: Ends, server: Server) -> Result<(), CommandError>
where
    Server: FnOnce(ReadyLine, StopSignal) -> Serving,
    Serving: Future<Output = Result<(), CommandError>>,
{
    process_limits::prepare();
    if ends.with_parent
        && let Err(error) = set_parent_process_death_signal(Some(Signal::CONT))
    {
        tracing::warn!(%error, "if this process is stalled when its parent dies, it stays so");
    }
    runtime()?.block_on(async move {
        let stop = stop_signal::drain_on_signal(ends)
            .map_err(|error| CommandError::new(format!("could not listen for signals: {error}")))?;
        server(ReadyLine(()), stop).await
    })
}

/// Turns the stop signal into the word that servers drain on.
pub(crate) fn drain_at(stop: StopSignal) -> Drain {
    let (trigger, drain) = drain::channel();
    tasks::spawn("stop", async move {
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

/// Warns that nothing protects `what` on an address that other machines reach.
pub(crate) fn warn_of_exposure(listen: IpAddr, what: &str) {
    if !listen.is_loopback() {
        terminal::warn(&format!(
            "--insecure: other machines can reach {listen}; {what} there can be read and changed on the way"
        ));
    }
}

/// The address of this machine from which it reaches others. A datagram socket finds it by connecting, which sends
/// nothing; the addresses are for documentation (RFC 5737, RFC 3849), so that the default route decides.
fn outward_ip(listener: SocketAddr) -> Option<IpAddr> {
    let (any, elsewhere) =
        if listener.is_ipv4() { ("0.0.0.0:0", "192.0.2.1:9") } else { ("[::]:0", "[2001:db8::1]:9") };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(elsewhere).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// The words for a listener that could not be bound.
pub(crate) fn not_bound(address: SocketAddr, who: &str, error: &std::io::Error) -> CommandError {
    CommandError::new(format!("{who} can't listen on {address}: {error}"))
        .next("stop what listens there, or choose another address with --listen")
}
