//! A server: accepts connections and answers their calls by a service.
//!
//! One task owns a connection. A handler is polled in place, in the same turn in which its request was read, and goes to the
//! background only if it waits; all answers of a turn leave in one write.

use std::collections::HashMap;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use micronet_wire::conn::{Connection, Event, Role, Standing, Timing};
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::SERVER_CONNECTIONS_MAX;
use micronet_wire::service::{Answer, Handling, Service};
use tokio::net::TcpListener;

use crate::clock;
use crate::drain::Drain;
use crate::driver::{ByteStream, Wire};
use crate::identity::Identity;
use crate::listener;
use crate::strangers::{Stranger, Strangers};

/// Serves connections from `listener` until `drain` begins; then finishes the calls in flight and returns.
///
/// Must run on a `LocalRuntime` or within a `LocalSet`.
pub async fn serve(listener: TcpListener, service: Rc<dyn Service>, identity: Rc<Identity>, drain: Drain) {
    let connection_drain = drain.clone();
    let strangers = Strangers::default();
    listener::accept(listener, SERVER_CONNECTIONS_MAX, drain, |stream, peer| {
        tracing::debug!(%peer, "connection accepted");
        let (service, identity) = (Rc::clone(&service), Rc::clone(&identity));
        serve_stranger(stream, service, identity, connection_drain.clone(), strangers.enter())
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
    serve_stranger(stream, service, identity, drain, Strangers::default().enter()).await;
}

/// Serves a connection of which nothing is known yet.
async fn serve_stranger<S: ByteStream>(
    stream: S,
    service: Rc<dyn Service>,
    identity: Rc<Identity>,
    mut drain: Drain,
    stranger: Stranger,
) {
    let config = identity.config(Role::Acceptor, Some(service.schema().fingerprint()));
    let mut connection = Connection::new(config, clock::now());
    let mut wire = Wire::new(stream);
    let mut background = Background::default();
    let mut draining = std::pin::pin!(async move { drain.begun().await });
    let mut told_to_drain = false;
    let mut sent_away = std::pin::pin!(stranger.sent_away());
    let mut stranger = Some(stranger);
    loop {
        while let Some(event) = connection.poll_event() {
            act(event, &mut connection, &*service, &mut background).await;
        }
        if connection.is_closed() {
            break;
        }
        if connection.standing() != Standing::Anonymous {
            stranger = None;
        }
        poll_fn(|cx| {
            if stranger.is_some() && sent_away.as_mut().poll(cx).is_ready() {
                stranger = None;
                connection.close(Code::Overloaded, "too many connections that have proved nothing");
            }
            wire.poll_transmit(cx, &mut connection);
            let answered = background.poll_answers(cx, &mut connection);
            let drains = !told_to_drain && draining.as_mut().poll(cx).is_ready();
            if drains {
                told_to_drain = true;
                connection.drain();
            }
            let received = wire.poll_receive(cx, &mut connection).is_ready();
            let timed = wire.poll_timer(cx, &mut connection).is_ready();
            let woken = answered || drains || received || timed || connection.is_closed();
            if woken { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    // Nobody waits for these any more, and what they hold (a database connection, a lock) is wanted elsewhere.
    drop(background);
    wire.finish(connection.output()).await;
}

async fn act(event: Event, connection: &mut Connection, service: &dyn Service, background: &mut Background) {
    match event {
        Event::Request { stream, method, context, request } => {
            let started_ns = clock::now();
            let started = catch_unwind(AssertUnwindSafe(|| service.handle(*context, method, request)));
            let handling = started.unwrap_or_else(|_| Box::pin(std::future::ready(Err(panicked(stream)))));
            let mut answering = Answering { stream, started_ns, handling };
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut answering).poll(cx))).await {
                Poll::Ready((stream, started_ns, answer)) => {
                    answer_call(connection, stream, started_ns, &answer);
                }
                Poll::Pending => background.add(answering),
            }
        }
        Event::Abandoned { stream } => background.abandon(stream),
        Event::Ready(peer) => {
            tracing::debug!(peer = peer.instance, standing = ?connection.standing(), "peer said hello");
        }
        Event::Closed { error: Some(error), by_peer } => tracing::info!(%error, by_peer, "connection ended"),
        // The others are a dialler's.
        Event::Closed { .. }
        | Event::Pong { .. }
        | Event::Goaway
        | Event::Reply { .. }
        | Event::Failed { .. } => {}
    }
}

fn answer_call(connection: &mut Connection, stream: u32, started_ns: u64, answer: &Answer) {
    let finished_ns = clock::now();
    let timing = Timing { started_ns, finished_ns };
    match answer {
        Ok(reply) => connection.reply(finished_ns, stream, reply, timing),
        Err(error) => connection.fail(finished_ns, stream, error, timing),
    }
}

/// A handler at work, with the stream that it answers and the time at which it started.
struct Answering {
    stream: u32,
    started_ns: u64,
    handling: Handling,
}

impl Future for Answering {
    type Output = (u32, u64, Answer);

    /// A handler that panics fails its own call, and no other.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (stream, started_ns) = (self.stream, self.started_ns);
        match catch_unwind(AssertUnwindSafe(|| self.handling.as_mut().poll(cx))) {
            Ok(polled) => polled.map(|answer| (stream, started_ns, answer)),
            Err(_) => Poll::Ready((stream, started_ns, Err(panicked(stream)))),
        }
    }
}

fn panicked(stream: u32) -> RpcError {
    tracing::error!(stream, "a handler panicked");
    RpcError::new(Code::Internal, "the service failed; its log says how")
}

/// The handlers of a connection that wait for something.
#[derive(Default)]
struct Background {
    waiting: FuturesUnordered<Abortable<Answering>>,
    /// How to stop each of them, by stream.
    handles: HashMap<u32, AbortHandle>,
}

impl Background {
    fn add(&mut self, answering: Answering) {
        let (handle, registration) = AbortHandle::new_pair();
        self.handles.insert(answering.stream, handle);
        self.waiting.push(Abortable::new(answering, registration));
    }

    /// Nobody wants this answer: the handler is dropped where it stands.
    fn abandon(&mut self, stream: u32) {
        if let Some(handle) = self.handles.remove(&stream) {
            handle.abort();
        }
    }

    /// Answers the calls whose handlers have finished; true if there were any.
    fn poll_answers(&mut self, cx: &mut Context<'_>, connection: &mut Connection) -> bool {
        let mut answered = false;
        while let Poll::Ready(Some(finished)) = self.waiting.poll_next_unpin(cx) {
            if let Ok((stream, started_ns, answer)) = finished {
                self.handles.remove(&stream);
                answer_call(connection, stream, started_ns, &answer);
                answered = true;
            }
        }
        answered
    }
}
