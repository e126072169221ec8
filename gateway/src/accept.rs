//! Taking connections, up to a limit, and letting them finish when the gateway drains.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use micronet_transport::drain::Drain;
use micronet_transport::socket;
use micronet_wire::limits::{DRAIN_MS_MAX, HTTP_CONNECTIONS_MAX};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::config::Gateway;
use crate::http;

/// How long to wait after `accept` failed, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP on `listener` until `drain` begins; then finishes the requests in flight and returns.
///
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn serve(listener: TcpListener, gateway: Rc<Gateway>, mut drain: Drain) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.begun() => break,
            Some(_) = connections.join_next() => continue,
            // At the limit nothing is accepted: the kernel's backlog holds what comes, and then refuses.
            accepted = listener.accept(), if connections.len() < HTTP_CONNECTIONS_MAX => accepted,
        };
        match accepted.and_then(|(stream, _)| prepared(stream)) {
            Ok(stream) => {
                connections.spawn_local(http::serve_connection(stream, Rc::clone(&gateway), drain.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_millis(DRAIN_MS_MAX), drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were still in flight when the time to drain was over"
        );
    }
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    socket::prepare(&stream)?;
    Ok(stream)
}
