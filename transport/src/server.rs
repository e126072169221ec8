//! A server's port: accepts connections, and speaks with each the language that it begins in (SPEC.md 1.3, 17.1).
//!
//! RPC begins with a byte that is no text. HTTP and lines of text both begin with a word: the first line tells them apart, and mostly
//! that word alone.

mod background;
mod connections;
mod entry;
mod handling;
mod methods;
mod operation;
mod pages;
mod places;
mod rpc;
mod site;
mod stats;
mod streams;
mod text;
mod unheard;

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use micronet_wire::builtin::builtin_schema;
use micronet_wire::conn::Role;
use micronet_wire::limits::{
    FIRST_READ_BYTES, HANDSHAKE_MS_MAX, HTTP_HEAD_MS_MAX, SERVER_CONNECTIONS_MAX, TEXT_FIRST_MS_MAX,
};
use micronet_wire::network::operation_schema;
use micronet_wire::schema::{EncodedSchema, ServiceSchema};
use micronet_wire::service::Service;
use micronet_wire::spiffe::SpiffeId;
use micronet_wire::text::{Tongue, tell};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::Instant;

use self::connections::{Connections, Counted, Open};
use self::entry::Entry;
use self::operation::Operated;
use self::pages::View;
use self::places::Places;
pub use self::site::OwnSite;
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
    listener::accept("connection", listener, SERVER_CONNECTIONS_MAX, drain, exhausted, |stream, peer| {
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
    /// Its service's, for taps.
    schema: Rc<EncodedSchema>,
    unheard: Rc<Unheard>,
    meters: Rc<ServerMeters>,
    connections: Rc<Connections>,
    /// Of all that can be called here, the port's own service first.
    schemas: Rc<Vec<EncodedSchema>>,
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
        let schemas = Rc::new(schemas(entry.service().schema()));
        let own = entry.service().schema();
        let schema = Rc::new(own.clone());
        identity.network.taps().learn(&schema);
        let meters = Rc::new(meters_of(&identity, entry.service().schema().schema()));
        let (unheard, connections) = (Rc::default(), Rc::default());
        Self { entry, identity, site, schema, unheard, meters, connections, schemas, drain }
    }

    /// Serves a connection of which nothing is known yet: in TLS, where this instance has a certificate.
    async fn serve<S: ByteStream>(
        mut self,
        mut stream: S,
        ends: Ends,
        stranger: Stranger,
    ) -> Result<(), Refused> {
        let accepted_ns = clock::now();
        let open = self.connections.open(ends.peer);
        let Some(tls) = self.identity.tls.clone() else {
            self.speak(stream, None, (ends, open), stranger, accepted_ns).await;
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
        open.seen().is_of(peer.principal());
        open.seen().is_in_tls();
        self.speak(stream, Some(peer), (ends, open), stranger, accepted_ns).await;
        Ok(())
    }

    /// Speaks the language that the connection begins in.
    async fn speak<S: ByteStream>(
        mut self,
        stream: S,
        peer: Option<SpiffeId>,
        (ends, open): (Ends, Open),
        stranger: Stranger,
        accepted_ns: u64,
    ) {
        let (mut stream, mut input) = (Counted::new(stream, Rc::clone(open.seen())), BytesMut::new());
        let Some((tongue, ended)) = self.tongue(&mut stream, &mut input, &stranger, accepted_ns).await else {
            return;
        };
        if tongue == Tongue::Rpc {
            open.seen().speaks("rpc");
            let Self { entry, identity, unheard, meters, drain, schema, .. } = self;
            let _open = identity.network.metrics().connection("rpc");
            let tls = peer.is_some();
            let config = identity.config(Role::Acceptor, Some(&schema), peer);
            let point =
                Point::new(identity.network.taps(), Role::Acceptor, ends, tls, Some(schema.fingerprint()));
            let answers = rpc::Answers { entry, unheard, meters, seen: Rc::clone(open.seen()) };
            let begun = rpc::Begun { stream, input, accepted_ns, point };
            return rpc::serve(begun, answers, config, drain, stranger).await;
        }
        // SPEC 15.1: whoever has a certificate is no stranger.
        let place = if peer.is_none() { Place::Stranger(stranger) } else { Place::Free };
        if tongue == Tongue::Text {
            open.seen().speaks("text");
            let peer = peer.as_ref().map(SpiffeId::principal).unwrap_or_default();
            return text::serve(stream, (input, ended), self, (peer, open), place).await;
        }
        open.seen().speaks("http");
        let peer = peer.as_ref().map(SpiffeId::principal).unwrap_or_default();
        let (drain, seen) = (self.drain.clone(), Rc::clone(open.seen()));
        let view = View { port: self, seen, peer };
        http_server::serve_begun(stream, input, Rc::new(view), drain, place).await;
    }

    /// Reads until the language is known; whether nothing follows. `None` when it isn't in time, before the connection has to make room,
    /// or before draining.
    async fn tongue<S: ByteStream>(
        &mut self,
        stream: &mut S,
        input: &mut BytesMut,
        stranger: &Stranger,
        accepted_ns: u64,
    ) -> Option<(Tongue, bool)> {
        // It may be typed by hand.
        let mut due = clock::instant(accepted_ns + TEXT_FIRST_MS_MAX * 1_000_000);
        let mut ended = false;
        loop {
            if let Some(tongue) = tell(input, ended) {
                return Some((tongue, ended));
            }
            if ended {
                return None;
            }
            let was_empty = input.is_empty();
            input.reserve(FIRST_READ_BYTES);
            tokio::select! {
                biased;
                read = stream.read_buf(input) => ended = read.ok()? == 0,
                () = self.drain.begun() => return None,
                () = stranger.sent_away() => return None,
                () = tokio::time::sleep_until(due) => return None,
            }
            if was_empty {
                due = Instant::now() + Duration::from_millis(HTTP_HEAD_MS_MAX);
            }
        }
    }

    /// Reads what comes first of TLS. False when nothing does: in time, before the connection has to make room, or before draining.
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

/// The schemas of a port's own service, and of those that it answers besides.
fn schemas(own: &EncodedSchema) -> Vec<EncodedSchema> {
    // A test keeps the built-in ones from breaking a rule.
    let others = [builtin_schema(), operation_schema()]
        .into_iter()
        .filter_map(|schema| EncodedSchema::new(schema).ok());
    std::iter::once(own.clone()).chain(others).collect()
}

/// SPEC 3.9: everything before the first call, TLS too, has this long.
fn handshake_due(accepted_ns: u64) -> Instant {
    clock::instant(accepted_ns + HANDSHAKE_MS_MAX * 1_000_000)
}

#[cfg(test)]
mod tests;
