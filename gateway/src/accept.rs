//! Taking HTTP connections, and letting them finish when the gateway drains.

use std::rc::Rc;

use micronet_transport::drain::Drain;
use micronet_transport::{http_server, listener};
use micronet_wire::limits::HTTP_CONNECTIONS_MAX;
use tokio::net::TcpListener;

use crate::config::Gateway;
use crate::visitor::Visitor;

/// Serves HTTP on `listener` until `drain` begins; then finishes the requests in flight and returns.
///
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn serve(listener: TcpListener, gateway: Rc<Gateway>, drain: Drain) {
    let connection_drain = drain.clone();
    listener::accept(listener, HTTP_CONNECTIONS_MAX, drain, |stream, peer| {
        let visitor = Visitor::new(&gateway, Some(peer.ip()));
        http_server::serve_connection(stream, Rc::new(visitor), connection_drain.clone())
    })
    .await;
}
