//! Taking HTTP connections, as many as there may be and in TLS where there are certificates, and letting them finish when the gateway drains.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt;
use futures_util::future::Either;
use micronet_transport::crowd::{Crowd, Full, Guest};
use micronet_transport::drain::Drain;
use micronet_transport::tls::edge::EdgeTls;
use micronet_transport::{clock, http_server, listener, socket};
use micronet_wire::http1::{HttpError, ServerConnection, Status};
use micronet_wire::limits::{HTTP_REFUSALS_MAX, LINGER_MS_MAX};
use micronet_wire::rest::Answer;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Gateway;
use crate::visitor::{Secure, Visitor};

/// Descriptors that connections of HTTP leave to everything else, and at least one in so many.
const DESCRIPTORS_SPARED_MIN: usize = 32;
const DESCRIPTORS_SPARED_SHARE: usize = 8;

/// How much longer than the limit of HTTP the kernel waits for a client that reads nothing.
const GAP_SLACK: Duration = Duration::from_secs(5);

/// What is said to a connection that there is no room for, if there is time to say it.
const FULL: HttpError = HttpError::new(Status::SERVICE_UNAVAILABLE, "too many connections");

/// Serves HTTP on `listener` until `drain` begins; then finishes the requests in flight and returns.
pub async fn serve(listener: TcpListener, gateway: Rc<Gateway>, drain: Drain) {
    let door = Rc::new(Door { crowd: Crowd::default(), refusing: Cell::new(0), gateway });
    let exhausted = || door.exhausted();
    let connection_drain = drain.clone();
    listener::accept("connection", listener, usize::MAX, drain, exhausted, |stream, peer| {
        let (door, drain) = (Rc::clone(&door), connection_drain.clone());
        let entered = door.enter(peer);
        door.grant_patience(&stream);
        // Whatever isn't plaintext stands apart, so that a connection in plaintext is no larger for it.
        match (entered, door.gateway.tls()) {
            (Ok(guest), None) => {
                let visitor = Visitor::new(&door.gateway, Some(peer.ip()));
                Either::Left(http_server::serve_guest(stream, Rc::new(visitor), drain, guest))
            }
            (Ok(guest), Some(tls)) => {
                let serving = async move { door.serve_tls((stream, peer), tls, drain, guest).await };
                Either::Right(serving.boxed_local())
            }
            // Who came for a handshake couldn't read it, and isn't worth one.
            (Err(_), Some(_)) => Either::Right(std::future::ready(()).boxed_local()),
            (Err(_), None) => Either::Right(async move { door.refuse(stream).await }.boxed_local()),
        }
    })
    .await;
}

/// Who comes in.
struct Door {
    crowd: Crowd,
    /// How many are being told that there is no room.
    refusing: Cell<usize>,
    gateway: Rc<Gateway>,
}

impl Door {
    /// Counts a connection in, if there is room for it.
    fn enter(&self, peer: SocketAddr) -> Result<Guest, Full> {
        let http = &self.gateway.settings().http;
        let (max, from_there_max) =
            (connections_max(http.connections_max), http.per_address_max(peer.ip().is_loopback()));
        let entered = self.crowd.enter(peer.ip(), max, from_there_max);
        if let Err(full) = &entered {
            let metrics = self.gateway.identity.network.metrics();
            metrics.connection_shed(if *full == Full::InAll { "total" } else { "address" }, 1);
            tracing::debug!(%peer, ?full, "no room for a connection");
        }
        entered
    }

    /// A client that pauses is given up by the limits of HTTP, not before them by the kernel.
    fn grant_patience(&self, stream: &TcpStream) {
        let gap = Duration::from_millis(self.gateway.settings().http.limits.body_gap_ms_max);
        // Of a connection that is gone, reading says so.
        let _ = socket::set_patience(stream, gap + GAP_SLACK);
    }

    /// Serves a connection in TLS. While the gateway drains a handshake that was begun is ended, for the request that follows it.
    async fn serve_tls(
        &self,
        (stream, peer): (TcpStream, SocketAddr),
        tls: EdgeTls,
        drain: Drain,
        guest: Guest,
    ) {
        match tls.accept(stream, self.gateway.identity.tls.as_ref(), &guest).await {
            Ok((stream, client)) => {
                if let Some(client) = &client {
                    tracing::debug!(%peer, names = client.names, id = ?client.id, "a client has a certificate");
                }
                let secure = Secure { id: client.and_then(|client| client.id) };
                let visitor = Visitor::new(&self.gateway, Some(peer.ip())).over_tls(secure);
                http_server::serve_guest(stream, Rc::new(visitor), drain, guest).await;
            }
            Err(why) => tracing::debug!(%peer, %why, "no TLS"),
        }
    }

    /// Connections can't be taken for want of descriptors: some that idle give theirs back.
    fn exhausted(&self) {
        let metrics = self.gateway.identity.network.metrics();
        metrics.accept_failed();
        self.crowd.make_room();
    }

    /// Says that there is no room, if not too many are being told it already, and it can be said without TLS.
    async fn refuse(&self, stream: TcpStream) {
        if self.refusing.get() >= HTTP_REFUSALS_MAX || self.gateway.tls().is_some() {
            return;
        }
        self.refusing.set(self.refusing.get() + 1);
        let refusing = self.tell_full(stream);
        let _ = tokio::time::timeout(Duration::from_millis(LINGER_MS_MAX), refusing).await;
        self.refusing.set(self.refusing.get() - 1);
    }

    async fn tell_full(&self, mut stream: TcpStream) -> io::Result<()> {
        let (mut parser, mut output) = (ServerConnection::new(), BytesMut::new());
        let mut answer = Answer::http_error(&parser.fail(FULL));
        answer.retry_after_s = Some(1);
        let request_id = self.gateway.request_ids.adopt(None);
        if answer.write(&mut parser, &mut output, clock::unix_us(), &request_id).is_ok() {
            stream.write_all(&output).await?;
        }
        stream.shutdown().await?;
        // Closing a socket with unread bytes sends a reset, which may overtake the answer.
        while stream.read(&mut [0; 1024]).await? > 0 {}
        Ok(())
    }
}

/// How many connections there may be at once: as configured, as long as descriptors are left for all else.
fn connections_max(configured: usize) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.and_then(|count| usize::try_from(count).ok());
    let descriptors = descriptors.unwrap_or(usize::MAX);
    let spared = DESCRIPTORS_SPARED_MIN.max(descriptors / DESCRIPTORS_SPARED_SHARE);
    configured.min(descriptors.saturating_sub(spared)).max(1)
}
