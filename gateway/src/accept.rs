//! Taking HTTP connections, in TLS where there are certificates, and letting them finish when the gateway drains.

use std::net::SocketAddr;
use std::rc::Rc;

use micronet_transport::drain::Drain;
use micronet_transport::tls::edge::EdgeTls;
use micronet_transport::{http_server, listener};
use micronet_wire::limits::HTTP_CONNECTIONS_MAX;
use tokio::net::{TcpListener, TcpStream};

use crate::config::Gateway;
use crate::visitor::{Secure, Visitor};

/// Serves HTTP on `listener` until `drain` begins; then finishes the requests in flight and returns.
///
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn serve(listener: TcpListener, gateway: Rc<Gateway>, drain: Drain) {
    let connection_drain = drain.clone();
    listener::accept(listener, HTTP_CONNECTIONS_MAX, drain, |stream, peer| {
        let (gateway, drain) = (Rc::clone(&gateway), connection_drain.clone());
        async move {
            match gateway.tls() {
                // Apart, so that a connection in plaintext is no larger for it.
                Some(tls) => Box::pin(serve_tls(stream, peer, tls, gateway, drain)).await,
                None => {
                    let visitor = Visitor::new(&gateway, Some(peer.ip()));
                    http_server::serve_connection(stream, Rc::new(visitor), drain).await;
                }
            }
        }
    })
    .await;
}

/// Serves a connection in TLS. While the gateway drains a handshake that was begun is ended, for the request that follows it.
async fn serve_tls(stream: TcpStream, peer: SocketAddr, tls: EdgeTls, gateway: Rc<Gateway>, drain: Drain) {
    match tls.accept(stream, gateway.identity.tls.as_ref()).await {
        Ok((stream, client)) => {
            if let Some(client) = &client {
                tracing::debug!(%peer, names = client.names, id = ?client.id, "a client has a certificate");
            }
            let secure = Secure { id: client.and_then(|client| client.id) };
            let visitor = Visitor::new(&gateway, Some(peer.ip())).over_tls(secure);
            http_server::serve_connection(stream, Rc::new(visitor), drain).await;
        }
        Err(why) => tracing::debug!(%peer, %why, "no TLS"),
    }
}
