//! Taking connections: up to a limit, each in a task of its own, and letting them finish when it is time to drain.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use micronet_wire::limits::{ACCEPT_PAUSE_MS, DRAIN_MS_MAX};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::drain::Drain;
use crate::socket;

/// Serves each connection by `serve` until `drain` begins; then waits for them to end, for at most [`DRAIN_MS_MAX`].
///
/// At most `connections_max` are served at once; beyond that the kernel's backlog holds what comes, and then refuses it.
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn accept<F>(
    listener: TcpListener,
    connections_max: usize,
    mut drain: Drain,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.begun() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < connections_max => accepted,
        };
        match accepted.and_then(|(stream, peer)| socket::prepare(&stream).map(|()| (stream, peer))) {
            Ok((stream, peer)) => {
                connections.spawn_local(serve(stream, peer));
            }
            Err(error) => {
                // As when file descriptors have run out: without a pause this loop would spin.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
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
