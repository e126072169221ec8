//! One RPC connection of a server: its calls, answered by a service.
//!
//! One task owns a connection. A handler is polled in place, in the same turn in which its request was read, and goes to the
//! background only if it waits; all answers of a turn leave in one write.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use micronet_wire::conn::{Connection, Event, Role, Standing, Timing};
use micronet_wire::error::Code;
use micronet_wire::service::{Answer, Service};

use super::handling::Handler;
use crate::clock;
use crate::drain::Drain;
use crate::driver::{ByteStream, Wire};
use crate::identity::Identity;
use crate::strangers::Stranger;

/// Serves a connection of which `input` was read already, to its end.
pub(super) async fn serve<S: ByteStream>(
    stream: S,
    input: BytesMut,
    accepted_ns: u64,
    service: Rc<dyn Service>,
    identity: &Identity,
    mut drain: Drain,
    stranger: Stranger,
) {
    let config = identity.config(Role::Acceptor, Some(service.schema().fingerprint()));
    let mut connection = Connection::new(config, accepted_ns);
    let mut wire = Wire::begun(stream, input, &mut connection);
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
            let handler = Handler::start(service, *context, method, request);
            let mut answering = Answering { stream, started_ns, handler };
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
    handler: Handler,
}

impl Future for Answering {
    type Output = (u32, u64, Answer);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (stream, started_ns) = (self.stream, self.started_ns);
        Pin::new(&mut self.handler).poll(cx).map(|answer| (stream, started_ns, answer))
    }
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
