//! A server's port: accepts connections, and speaks with each the language that its first byte tells (SPEC.md 1.3).
//!
//! RPC begins with a byte that is no text; everything else is taken for HTTP, whose parser has words for what is none.

mod background;
mod entry;
mod handling;
mod operation;
mod places;
mod rpc;
mod site;
mod streams;
mod unheard;

use std::rc::Rc;

use bytes::BytesMut;
use micronet_wire::builtin::builtin_schema;
use micronet_wire::conn::Role;
use micronet_wire::header::PREFACE;
use micronet_wire::limits::{FIRST_READ_BYTES, HANDSHAKE_MS_MAX, SERVER_CONNECTIONS_MAX};
use micronet_wire::network::operation_schema;
use micronet_wire::schema::{EncodedSchema, ServiceSchema};
use micronet_wire::service::Service;
use micronet_wire::spiffe::SpiffeId;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use self::entry::Entry;
use self::operation::Operated;
use self::places::Places;
pub use self::site::OwnSite;
use self::streams::Shapes;
use self::unheard::Unheard;
use crate::clock;
use crate::drain::Drain;
use crate::driver::ByteStream;
use crate::http_server::{self, Place};
use crate::identity::Identity;
use crate::listener;
use crate::metrics::ServerMeters;
use crate::strangers::{Stranger, Strangers};
use crate::tap::{Ends, Point};
use crate::tls::{Begun, Refused};
use crate::vitals;

/// Serves connections from `listener` until `drain` begins; then finishes the calls in flight and returns.
///
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn serve(listener: TcpListener, service: Rc<dyn Service>, identity: Rc<Identity>, drain: Drain) {
    vitals::watch_lag();
    let counted = Rc::clone(&identity);
    let tracked = counted.network.metrics();
    let port = Port::new(service, identity, drain.clone());
    let strangers = Strangers::default();
    let exhausted = || tracked.accept_failed();
    listener::accept(listener, SERVER_CONNECTIONS_MAX, drain, exhausted, |stream, peer| {
        tracing::debug!(%peer, "connection accepted");
        let ends = Ends { own: stream.local_addr().ok(), peer: Some(peer) };
        let served = port.clone().serve(stream, ends, strangers.enter());
        async move {
            if let Err(why) = served.await {
                tracing::info!(%peer, %why, "connection refused");
            }
        }
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
    let port = Port::new(service, identity, drain);
    if let Err(why) = port.serve(stream, Ends::default(), Strangers::default().enter()).await {
        tracing::info!(%why, "connection refused");
    }
}

/// What the connections of a port share.
#[derive(Clone)]
struct Port {
    entry: Rc<Entry>,
    identity: Rc<Identity>,
    site: Rc<OwnSite>,
    shapes: Rc<Shapes>,
    /// Its service's, for taps.
    schema: Rc<EncodedSchema>,
    unheard: Rc<Unheard>,
    meters: Rc<ServerMeters>,
    drain: Drain,
}

impl Port {
    fn new(service: Rc<dyn Service>, identity: Rc<Identity>, drain: Drain) -> Self {
        Self::with(service, identity, drain, Places::default())
    }

    fn with(service: Rc<dyn Service>, identity: Rc<Identity>, drain: Drain, places: Places) -> Self {
        let service: Rc<dyn Service> =
            match Operated::new(Rc::clone(&service), &identity.instance, &identity.network) {
                Ok(operated) => Rc::new(operated),
                // A test keeps its schema from breaking a rule.
                Err(_) => service,
            };
        let entry = Rc::new(Entry::new(service, Rc::clone(&identity), places));
        let site = Rc::new(OwnSite::of(Rc::clone(&entry), Rc::clone(&identity)));
        let own = entry.service().schema();
        let shapes = Rc::new(Shapes::of([own.schema(), &operation_schema()]));
        let schema = Rc::new(own.clone());
        identity.network.taps().learn(&schema);
        let meters = Rc::new(meters_of(&identity, entry.service().schema().schema()));
        Self { entry, identity, site, shapes, schema, unheard: Rc::default(), meters, drain }
    }

    /// Serves a connection of which nothing is known yet: in TLS, where this instance has a certificate.
    async fn serve<S: ByteStream>(
        mut self,
        mut stream: S,
        ends: Ends,
        stranger: Stranger,
    ) -> Result<(), Refused> {
        let accepted_ns = clock::now();
        let Some(tls) = self.identity.tls.clone() else {
            self.speak(stream, None, ends, stranger, accepted_ns).await;
            return Ok(());
        };
        let mut input = BytesMut::new();
        if !self.first_bytes(&mut stream, &mut input, &stranger, accepted_ns).await {
            return Ok(());
        }
        let accepted = tokio::select! {
            biased;
            () = self.drain.begun() => return Ok(()),
            () = stranger.sent_away() => return Ok(()),
            accepted = tls.accept(Begun { input, stream }, handshake_due(accepted_ns)) => accepted,
        };
        let (stream, peer) = accepted?;
        tracing::debug!(%peer, "TLS handshake done");
        self.speak(stream, Some(peer), ends, stranger, accepted_ns).await;
        Ok(())
    }

    /// Speaks the language that the first byte tells.
    async fn speak<S: ByteStream>(
        mut self,
        mut stream: S,
        peer: Option<SpiffeId>,
        ends: Ends,
        stranger: Stranger,
        accepted_ns: u64,
    ) {
        let mut input = BytesMut::new();
        if !self.first_bytes(&mut stream, &mut input, &stranger, accepted_ns).await {
            return;
        }
        if input[0] == PREFACE[0] {
            let Self { entry, identity, shapes, unheard, meters, drain, schema, .. } = self;
            let _open = identity.network.metrics().connection("rpc");
            let tls = peer.is_some();
            let config = identity.config(Role::Acceptor, Some(&schema), peer);
            let point =
                Point::new(identity.network.taps(), Role::Acceptor, ends, tls, Some(schema.fingerprint()));
            let answers = rpc::Answers { entry, shapes, unheard, meters };
            let begun = rpc::Begun { stream, input, accepted_ns, point };
            rpc::serve(begun, answers, config, drain, stranger).await;
        } else {
            // SPEC 15.1: whoever has a certificate is no stranger.
            let site = Rc::new(self.site.seen_by(peer.as_ref()));
            let place = if peer.is_none() { Place::Stranger(stranger) } else { Place::Free };
            http_server::serve_begun(stream, input, site, self.drain, place).await;
        }
    }

    /// Reads what comes first. False when nothing does: in time, before the connection has to make room, or before draining.
    async fn first_bytes<S: ByteStream>(
        &mut self,
        stream: &mut S,
        input: &mut BytesMut,
        stranger: &Stranger,
        accepted_ns: u64,
    ) -> bool {
        input.reserve(FIRST_READ_BYTES);
        tokio::select! {
            biased;
            read = stream.read_buf(input) => matches!(read, Ok(1..)),
            () = self.drain.begun() => false,
            () = stranger.sent_away() => false,
            () = tokio::time::sleep_until(handshake_due(accepted_ns)) => false,
        }
    }
}

/// The meters of a port's own service, and of those that it answers besides.
fn meters_of(identity: &Identity, own: &ServiceSchema) -> ServerMeters {
    let others = [builtin_schema(), operation_schema()];
    ServerMeters::of(identity.network.metrics(), own, &[&others[0], &others[1]])
}

/// SPEC 3.9: everything before the first call, TLS too, has this long.
fn handshake_due(accepted_ns: u64) -> Instant {
    clock::instant(accepted_ns + HANDSHAKE_MS_MAX * 1_000_000)
}

#[cfg(test)]
mod tests;
