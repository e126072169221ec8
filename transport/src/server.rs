//! A server's port: accepts connections, and speaks with each the language that its first byte tells (SPEC.md 1.3).
//!
//! RPC begins with a byte that is no text; everything else is taken for HTTP, whose parser has words for what is none.

mod background;
mod handling;
mod rpc;
mod site;
mod streams;
mod unheard;

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use micronet_wire::header::PREFACE;
use micronet_wire::limits::{FIRST_READ_BYTES, HANDSHAKE_MS_MAX, SERVER_CONNECTIONS_MAX};
use micronet_wire::service::Service;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use self::site::OwnSite;
use self::streams::Shapes;
use self::unheard::Unheard;
use crate::clock;
use crate::drain::Drain;
use crate::driver::ByteStream;
use crate::http_server;
use crate::identity::Identity;
use crate::listener;
use crate::strangers::{Stranger, Strangers};
use crate::vitals;

/// Serves connections from `listener` until `drain` begins; then finishes the calls in flight and returns.
///
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn serve(listener: TcpListener, service: Rc<dyn Service>, identity: Rc<Identity>, drain: Drain) {
    vitals::watch_lag();
    let port = Port::new(service, identity, drain.clone());
    let strangers = Strangers::default();
    listener::accept(listener, SERVER_CONNECTIONS_MAX, drain, |stream, peer| {
        tracing::debug!(%peer, "connection accepted");
        port.clone().serve(stream, strangers.enter())
    })
    .await;
}

/// Serves one connection, on any byte stream, to its end.
pub async fn serve_connection<S: ByteStream>(
    stream: S,
    service: Rc<dyn Service>,
    identity: Rc<Identity>,
    drain: Drain,
) {
    Port::new(service, identity, drain).serve(stream, Strangers::default().enter()).await;
}

/// What the connections of a port share.
#[derive(Clone)]
struct Port {
    service: Rc<dyn Service>,
    identity: Rc<Identity>,
    site: Rc<OwnSite>,
    shapes: Rc<Shapes>,
    unheard: Rc<Unheard>,
    drain: Drain,
}

impl Port {
    fn new(service: Rc<dyn Service>, identity: Rc<Identity>, drain: Drain) -> Self {
        let site = Rc::new(OwnSite::new(Rc::clone(&service), Rc::clone(&identity)));
        let shapes = Rc::new(Shapes::of(service.schema().schema()));
        Self { service, identity, site, shapes, unheard: Rc::default(), drain }
    }

    /// Serves a connection of which nothing is known yet.
    async fn serve<S: ByteStream>(mut self, mut stream: S, stranger: Stranger) {
        let accepted_ns = clock::now();
        let mut input = BytesMut::new();
        if !self.first_bytes(&mut stream, &mut input, &stranger).await {
            return;
        }
        if input[0] == PREFACE[0] {
            let Self { service, identity, shapes, unheard, drain, .. } = self;
            let answers = rpc::Answers { service, shapes, unheard };
            rpc::serve(stream, input, accepted_ns, answers, &identity, drain, stranger).await;
        } else {
            http_server::serve_begun(stream, input, self.site, self.drain, Some(stranger)).await;
        }
    }

    /// Reads what comes first. False when nothing does: in time, before the connection has to make room, or before draining.
    async fn first_bytes<S: ByteStream>(
        &mut self,
        stream: &mut S,
        input: &mut BytesMut,
        stranger: &Stranger,
    ) -> bool {
        input.reserve(FIRST_READ_BYTES);
        let in_time = Duration::from_millis(HANDSHAKE_MS_MAX);
        tokio::select! {
            biased;
            read = stream.read_buf(input) => matches!(read, Ok(1..)),
            () = self.drain.begun() => false,
            () = stranger.sent_away() => false,
            () = tokio::time::sleep(in_time) => false,
        }
    }
}

#[cfg(test)]
mod tests;
