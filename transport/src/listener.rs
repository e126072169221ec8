//! Taking connections: up to a limit, each in a task of its own, and letting them finish when it is time to drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use micronet_wire::limits::{ACCEPT_PAUSE_MS, DRAIN_MS_MAX};
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::chance::Chance;
use crate::clock;
use crate::drain::Drain;
use crate::socket;
use crate::tasks;

/// Serves each connection by `serve`, in a task of this name, until `drain` begins; then waits for them to end, for at most [`DRAIN_MS_MAX`].
///
/// At most `connections_max` are served at once; beyond that the kernel's backlog holds what comes, and then refuses it. So it does
/// while none can be taken for want of descriptors or memory, which `exhausted` is told each time that it is tried anew.
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn accept<F>(
    name: &'static str,
    listener: TcpListener,
    connections_max: usize,
    mut drain: Drain,
    exhausted: impl Fn(),
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + 'static,
{
    let mut connections = JoinSet::new();
    let mut pauses = Pauses { chance: Chance::new(clock::now()), until: None, count: 0 };
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.begun() => break,
            Some(_) = connections.join_next() => continue,
            () = sleep_until(pauses.until.unwrap_or_else(Instant::now)), if pauses.until.is_some() => {
                pauses.until = None;
                continue;
            }
            accepted = listener.accept(), if pauses.until.is_none() && connections.len() < connections_max => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pauses.end();
                match socket::prepare(&stream) {
                    Ok(()) => _ = connections.spawn_local(tasks::named(name, serve(stream, peer))),
                    Err(error) => {
                        tracing::debug!(%peer, %error, "a connection was lost before it was served");
                    }
                }
            }
            Err(error) if is_of_the_connection(&error) => {
                tracing::debug!(%error, "a connection was lost before it was taken");
            }
            Err(error) => {
                exhausted();
                pauses.begin(&error);
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), ended).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "work was still in flight when the time to drain was over"
        );
    }
}

/// Pauses between attempts to take a connection: without them the loop would spin while descriptors have run out.
struct Pauses {
    chance: Chance,
    until: Option<Instant>,
    count: u64,
}

impl Pauses {
    fn begin(&mut self, error: &io::Error) {
        if self.count == 0 {
            tracing::warn!(%error, "no connection can be taken; it is tried again and again");
        }
        self.count += 1;
        // With jitter, so that processes that ran out together don't try again together.
        let pause_ms = ACCEPT_PAUSE_MS / 2 + self.chance.up_to(ACCEPT_PAUSE_MS);
        self.until = Some(Instant::now() + Duration::from_millis(pause_ms));
    }

    fn end(&mut self) {
        if self.count > 0 {
            tracing::info!(failures = self.count, "connections are taken again");
            self.count = 0;
        }
    }
}

/// Whether an error is the affair of the one connection that was to be taken: accept(2) names these, and says to go on.
fn is_of_the_connection(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    code.is_some_and(|code| {
        [
            Errno::CONNABORTED,
            Errno::INTR,
            Errno::PERM,
            Errno::PROTO,
            Errno::NETDOWN,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
            Errno::NETUNREACH,
            Errno::TIMEDOUT,
            Errno::CONNRESET,
        ]
        .contains(&code)
    })
}
